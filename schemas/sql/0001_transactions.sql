-- Up Migration

-- One row a transaction, with the decision about it. Partitioned by event time: old months are dropped whole,
-- and each month's indexes stay small. There is no default partition: a row that finds no partition is a fault
-- that must be seen, and a default partition would have to be scanned whenever a month is attached.
CREATE TABLE transactions (
  transaction_id    text           NOT NULL,
  account_id        text           NOT NULL,
  timestamp         timestamptz    NOT NULL,
  amount            numeric(18, 4) NOT NULL,
  currency          text           NOT NULL,
  merchant_id       text,
  merchant_category text           NOT NULL,
  location          text           NOT NULL,
  channel           text           NOT NULL,
  is_fraud          boolean,
  score             real           NOT NULL,
  is_anomaly        boolean        NOT NULL,
  alert_reason      text,
  reasons           jsonb,
  features          jsonb,
  status            text,
  rules_version     text           NOT NULL,
  model_version     text           NOT NULL,
  kafka_partition   integer        NOT NULL,
  kafka_offset      bigint         NOT NULL,
  PRIMARY KEY (transaction_id, timestamp),
  CONSTRAINT transactions_status CHECK (status IN ('NEW', 'INVESTIGATED', 'FRAUD', 'DISMISSED'))
) PARTITION BY RANGE (timestamp);

-- The analysts' queue: the riskiest first, then who has waited longest.
CREATE INDEX transactions_queue ON transactions (score DESC, timestamp, transaction_id) WHERE is_anomaly;
-- An account's timeline, newest first.
CREATE INDEX transactions_account ON transactions (account_id, timestamp DESC);
-- Time ranges: a BRIN costs next to nothing on rows that arrive nearly in time order.
CREATE INDEX transactions_time ON transactions USING brin (timestamp);

-- Makes the month's partition that holds the given time, if it is not there. CREATE TABLE LIKE and ATTACH take
-- no lock that stops a COPY into the parent; CREATE TABLE ... PARTITION OF would. The advisory lock makes a
-- second caller wait instead of failing on the name. Runs as the owner: the pipeline's role may not create tables.
CREATE FUNCTION ensure_transactions_partition(at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  month_start timestamptz := date_trunc('month', at, 'UTC');
  -- A month is added to the UTC wall time: the session's own zone may have a change of clocks in between.
  month_end   timestamptz := (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
  name        text := 'transactions_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('weir.ensure_transactions_partition'));
  IF to_regclass(name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING ALL)', name);
  EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, month_start, month_end);
END
$$;

-- Down Migration

DROP FUNCTION ensure_transactions_partition(timestamptz);
DROP TABLE transactions;
