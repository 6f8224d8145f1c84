-- Up Migration

-- What is new is told to whoever listens: the API's stream of events reads it when it is told, and not by asking again and
-- again. The same notification is sent once a transaction.

-- As in 0013, and tells that there are new anomalies, if somebody listens: transactions that notify commit one after the
-- other, each with its write to the disk. Who listens holds the lock shared; that it can be had alone, for a moment, tells
-- that nobody does.
CREATE OR REPLACE PROCEDURE move_positions(of_topic text, moves jsonb) LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
  found bigint;
BEGIN
  WITH moved_positions AS (
    UPDATE positions p
    SET next_offset = m.next_offset, stored = p.stored + m.stored, anomalies = p.anomalies + m.anomalies,
        duplicates = p.duplicates + m.duplicates, dead_letters = p.dead_letters + m.dead_letters, updated_at = now(),
        last_offset = coalesce(m.last_offset, p.last_offset),
        last_timestamp = coalesce(m.last_timestamp, p.last_timestamp), last_crc = coalesce(m.last_crc, p.last_crc)
    FROM jsonb_to_recordset(moves)
      AS m (partition integer, expected bigint, next_offset bigint, stored bigint, anomalies bigint, duplicates bigint,
            dead_letters bigint, last_offset bigint, last_timestamp bigint, last_crc bigint)
    WHERE p.topic = of_topic AND p.partition = m.partition AND p.next_offset = m.expected
    RETURNING m.anomalies
  )
  SELECT count(*), sum(anomalies) INTO moved, found FROM moved_positions;
  IF moved <> jsonb_array_length(moves) THEN
    RAISE EXCEPTION 'a position is not where it was expected: its partition is somebody else''s'
      USING ERRCODE = 'WR002';
  END IF;
  IF found > 0 THEN
    IF pg_try_advisory_lock(hashtext('weir.stream')) THEN
      PERFORM pg_advisory_unlock(hashtext('weir.stream'));
    ELSE
      PERFORM pg_notify('weir_anomalies', '');
    END IF;
  END IF;
END
$$;

-- A partition's anomalies in the order of their offsets, from one position to another.
CREATE INDEX transactions_stream ON transactions (kafka_partition, kafka_offset) WHERE is_anomaly;

-- Changes of a status. The audit's rows can be read in the order of `seq`: who has seen one has seen all before it, since
-- whoever adds one holds the chain's head until his COMMIT (0016).
CREATE FUNCTION announce_statuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_statuses', '');
  RETURN NULL;
END
$$;
CREATE TRIGGER status_audit_announced AFTER INSERT ON status_audit
  FOR EACH ROW WHEN (NEW.action = 'status') EXECUTE FUNCTION announce_statuses();

-- Down Migration

DROP TRIGGER status_audit_announced ON status_audit;
DROP FUNCTION announce_statuses();
DROP INDEX transactions_stream;
CREATE OR REPLACE PROCEDURE move_positions(of_topic text, moves jsonb) LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
BEGIN
  UPDATE positions p
  SET next_offset = m.next_offset, stored = p.stored + m.stored, anomalies = p.anomalies + m.anomalies,
      duplicates = p.duplicates + m.duplicates, dead_letters = p.dead_letters + m.dead_letters, updated_at = now(),
      last_offset = coalesce(m.last_offset, p.last_offset),
      last_timestamp = coalesce(m.last_timestamp, p.last_timestamp), last_crc = coalesce(m.last_crc, p.last_crc)
  FROM jsonb_to_recordset(moves)
    AS m (partition integer, expected bigint, next_offset bigint, stored bigint, anomalies bigint, duplicates bigint,
          dead_letters bigint, last_offset bigint, last_timestamp bigint, last_crc bigint)
  WHERE p.topic = of_topic AND p.partition = m.partition AND p.next_offset = m.expected;
  GET DIAGNOSTICS moved = ROW_COUNT;
  IF moved <> jsonb_array_length(moves) THEN
    RAISE EXCEPTION 'a position is not where it was expected: its partition is somebody else''s'
      USING ERRCODE = 'WR002';
  END IF;
END
$$;
