-- Up Migration

-- The newest record that the position has passed: its offset, its time in Kafka (milliseconds) and the CRC-32 of its key
-- and value. A topic that was made anew has another record there. Null until a batch has moved the position.
ALTER TABLE positions
  ADD COLUMN last_offset bigint,
  ADD COLUMN last_timestamp bigint,
  ADD COLUMN last_crc bigint;

-- Down Migration

ALTER TABLE positions
  DROP COLUMN last_offset,
  DROP COLUMN last_timestamp,
  DROP COLUMN last_crc;
