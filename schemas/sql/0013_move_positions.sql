-- Up Migration

-- Moves positions by compare-and-set, with the counters of what became of the records behind them. It raises where it finds
-- another position than the expected one, so that it can stand behind a COPY in the same message: what follows an error
-- in a message is not run, and what was before it is rolled back.
CREATE PROCEDURE move_positions(of_topic text, moves jsonb) LANGUAGE plpgsql AS $$
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

-- Down Migration

DROP PROCEDURE move_positions;
