import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { labelSchemaText } from './label.ts'
import { avroOptions, transactionSchemaText } from './transaction.ts'

/** The schema registry, with our decimals. `retry` is off: the callers' own policies decide. */
export function createRegistry(url: string): SchemaRegistry {
  return new SchemaRegistry(
    { host: url, clientId: 'weir', retry: { retries: 0 } },
    { [SchemaType.AVRO]: avroOptions() },
  )
}

/** Subject of a topic's values, by Confluent's usual strategy. */
export const subjectOf = (topic: string): string => `${topic}-value`

/**
 * The id to write transactions with: registered if allowed and missing, else that of the subject's latest version.
 * @throws when the registry is away, refuses the schema, or has none and none may be registered
 */
export const transactionSchemaId = (url: string, topic: string, mayRegister: boolean): Promise<number> =>
  schemaId(url, topic, transactionSchemaText, mayRegister)

/** The same for labels. */
export const labelSchemaId = (url: string, topic: string, mayRegister: boolean): Promise<number> =>
  schemaId(url, topic, labelSchemaText, mayRegister)

async function schemaId(url: string, topic: string, schema: string, mayRegister: boolean): Promise<number> {
  const registry = createRegistry(url)
  const subject = subjectOf(topic)
  if (!mayRegister) return registry.getLatestSchemaId(subject)
  const { id } = await registry.register(
    { type: SchemaType.AVRO, schema },
    { subject, compatibility: COMPATIBILITY.BACKWARD },
  )
  return id
}
