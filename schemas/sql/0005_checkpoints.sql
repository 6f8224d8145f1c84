-- Up Migration

-- The accounts' state of a partition, valid at one position: recovery starts from the newest one at or before the
-- stored position instead of from the first transaction. A row without completed_at is being written, or was left.
CREATE TABLE checkpoints (
  id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic         text        NOT NULL,
  partition     integer     NOT NULL,
  position      bigint      NOT NULL,
  state_version text        NOT NULL,
  accounts      bigint      NOT NULL,
  pieces        integer,
  bytes         bigint,
  created_at    timestamptz NOT NULL DEFAULT now(),
  completed_at  timestamptz
);
CREATE INDEX checkpoints_partition ON checkpoints (topic, partition, position);

-- The state in pieces of at most 1 MiB. Numbers do not compress, so it is not tried; whole checkpoints are deleted every
-- minute, so vacuum follows closely.
CREATE TABLE checkpoint_pieces (
  checkpoint_id bigint  NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
  piece         integer NOT NULL,
  data          bytea   NOT NULL,
  PRIMARY KEY (checkpoint_id, piece)
) WITH (
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 20000
);
ALTER TABLE checkpoint_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

-- What was stored between a checkpoint and the position, by offset: a BRIN costs next to nothing, and offsets grow as
-- the table does.
CREATE INDEX transactions_offset ON transactions USING brin (kafka_partition, kafka_offset) WITH (pages_per_range = 32);

-- The lane that stores a partition: a new owner ends its backend, which may be stopped in the middle of a COPY.
ALTER TABLE positions ADD COLUMN owner text;

-- Down Migration

ALTER TABLE positions DROP COLUMN owner;
DROP INDEX transactions_offset;
DROP TABLE checkpoint_pieces;
DROP TABLE checkpoints;
