-- Up Migration

-- What transactions turned out to be, by whoever said so: never altered. Of several labels of one transaction the one
-- counts that became known last. Without is_fraud an earlier word was taken back, and nobody else has said anything.
CREATE TABLE labels (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transaction_id text        NOT NULL,
  timestamp      timestamptz NOT NULL,
  is_fraud       boolean,
  origin         text        NOT NULL,
  known_at       timestamptz NOT NULL,
  recorded_at    timestamptz NOT NULL DEFAULT now()
);
-- A label that is delivered twice is there once. Begins with the transaction: it is what finds its labels.
CREATE UNIQUE INDEX labels_once ON labels (transaction_id, timestamp, known_at, origin, is_fraud) NULLS NOT DISTINCT;
-- The labels of a day's transactions, and those that became known of late.
CREATE INDEX labels_time ON labels (timestamp);
CREATE INDEX labels_known ON labels (known_at);

CREATE TRIGGER labels_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON labels
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Whoever must know that all labels up to an id are committed takes this lock alone.
CREATE FUNCTION announce_labels() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtext('weir.labels'));
  RETURN NULL;
END
$$;
CREATE TRIGGER labels_announced BEFORE INSERT ON labels
  FOR EACH STATEMENT EXECUTE FUNCTION announce_labels();

CREATE VIEW last_labels AS
  SELECT DISTINCT ON (transaction_id, timestamp) transaction_id, timestamp, is_fraud, origin, known_at, id
  FROM labels ORDER BY transaction_id, timestamp, known_at DESC, id DESC;

-- Whether a fraud was big for its account must be known when it is learnt from, and only features of anomalies are kept.
ALTER TABLE transactions ADD COLUMN amount_ratio real;

-- Down Migration

ALTER TABLE transactions DROP COLUMN amount_ratio;
DROP VIEW last_labels;
DROP TABLE labels;
DROP FUNCTION announce_labels();
