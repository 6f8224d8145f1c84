import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Scanner;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/**
 * Transactions in Avro's own Java implementation: lines of JSON to lines of base64, or back.
 * Arguments: encode or decode, and the schema's file. Amounts are decimal strings.
 */
public class AvroTransactions {
  static final ObjectMapper json = new ObjectMapper();
  static final GenericData data = new GenericData();

  public static void main(String[] args) throws Exception {
    data.addLogicalTypeConversion(new Conversions.DecimalConversion());
    Schema schema = new Schema.Parser().parse(Path.of(args[1]).toFile());
    Scanner lines = new Scanner(System.in, "UTF-8");
    StringBuilder out = new StringBuilder();
    while (lines.hasNextLine()) {
      String line = lines.nextLine();
      out.append(args[0].equals("encode") ? encode(schema, line) : decode(schema, line)).append('\n');
    }
    System.out.write(out.toString().getBytes("UTF-8"));
    System.out.flush();
  }

  static String encode(Schema schema, String line) throws Exception {
    JsonNode tx = json.readTree(line);
    GenericRecord record = new GenericData.Record(schema);
    for (Schema.Field field : schema.getFields()) record.put(field.pos(), value(field, tx.get(field.name())));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
    new GenericDatumWriter<GenericRecord>(schema, data).write(record, encoder);
    encoder.flush();
    return Base64.getEncoder().encodeToString(bytes.toByteArray());
  }

  static Object value(Schema.Field field, JsonNode node) {
    if (node.isNull()) return null;
    if (field.name().equals("amount")) return new BigDecimal(node.asText());
    if (field.schema().getType() == Schema.Type.ENUM) return new GenericData.EnumSymbol(field.schema(), node.asText());
    if (node.isBoolean()) return node.asBoolean();
    return node.isNumber() ? (Object) node.asLong() : node.asText();
  }

  static String decode(Schema schema, String line) throws Exception {
    byte[] bytes = Base64.getDecoder().decode(line);
    GenericRecord record = new GenericDatumReader<GenericRecord>(schema, schema, data)
        .read(null, DecoderFactory.get().binaryDecoder(bytes, null));
    ObjectNode tx = json.createObjectNode();
    for (Schema.Field field : schema.getFields()) {
      Object value = record.get(field.pos());
      if (value == null) tx.putNull(field.name());
      else if (value instanceof Boolean) tx.put(field.name(), (Boolean) value);
      else if (value instanceof Long) tx.put(field.name(), (Long) value);
      else if (value instanceof BigDecimal) tx.put(field.name(), ((BigDecimal) value).toPlainString());
      else tx.put(field.name(), value.toString());
    }
    return json.writeValueAsString(tx);
  }
}
