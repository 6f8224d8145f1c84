-- Up Migration

-- The next offset to process of each partition. It moves in the same transaction as the rows, last before
-- COMMIT, by compare-and-set: this table, not Kafka's group offsets, is what makes storing exactly once.
-- The counters move with it, so that stored + duplicates + dead_letters is what became of every record so far.
CREATE TABLE positions (
  topic        text        NOT NULL,
  partition    integer     NOT NULL,
  next_offset  bigint      NOT NULL,
  stored       bigint      NOT NULL DEFAULT 0,
  anomalies    bigint      NOT NULL DEFAULT 0,
  duplicates   bigint      NOT NULL DEFAULT 0,
  dead_letters bigint      NOT NULL DEFAULT 0,
  updated_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);

-- Records that were processed and are not in transactions, with the reason: recovery leaves them out again.
CREATE TABLE skipped (
  topic     text    NOT NULL,
  partition integer NOT NULL,
  "offset"  bigint  NOT NULL,
  code      text    NOT NULL,
  PRIMARY KEY (topic, partition, "offset")
);

-- Down Migration

DROP TABLE skipped;
DROP TABLE positions;
