-- Up Migration

-- What the API asks about anomalies. Every index here is partial: a transaction that is none pays a look at is_anomaly.

-- The order of the queue by expected loss: in the transaction's own currency, exact to the four decimals of the amount.
CREATE FUNCTION expected_loss(amount numeric, score real) RETURNS numeric
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN round(amount * score::numeric, 4);

-- The words that a filter looks for: a, m, c and r are account, merchant, category and the codes of the reasons. Cut, since
-- merchants and categories may be of any length, and what an index holds may not.
CREATE FUNCTION anomaly_terms(account_id text, merchant_id text, merchant_category text, alert_reason text, reasons jsonb)
  RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN array_remove(ARRAY['a' || account_id, 'm' || left(merchant_id, 64), 'c' || left(merchant_category, 64),
                            'r' || left(alert_reason, 64)], NULL)
    || ARRAY(SELECT 'r' || left(code #>> '{}', 64) FROM jsonb_path_query(reasons, '$[*].code') AS code);

-- The queue of each status. Keys are negated, so that a page begins behind the last one by one comparison of rows: all
-- columns go the same way. Of an anomaly without a status nobody has decided.
DROP INDEX transactions_queue;
CREATE INDEX transactions_queue ON transactions
  ((coalesce(status, 'NEW')), (- score), timestamp, transaction_id) WHERE is_anomaly;
CREATE INDEX transactions_losses ON transactions
  ((coalesce(status, 'NEW')), (- expected_loss(amount, score)), timestamp, transaction_id) WHERE is_anomaly;
-- Time ranges, and what is counted: read from the index alone.
CREATE INDEX transactions_anomaly_time ON transactions (timestamp, status, alert_reason) WHERE is_anomaly;
-- What few anomalies have: no queue need be walked for it. Entries go straight into the index: a list of pending ones
-- would be read by every query, and emptied by some COPY.
CREATE INDEX transactions_anomaly_terms ON transactions USING gin
  (anomaly_terms(account_id, merchant_id, merchant_category, alert_reason, reasons)) WITH (fastupdate = off) WHERE is_anomaly;

-- The rules that a pipeline began with, so that a decision's rules_version can be read. The newest start is in force.
CREATE TABLE rule_sets (
  version    text        PRIMARY KEY,
  rules      jsonb       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz NOT NULL DEFAULT now()
);

-- Down Migration

DROP TABLE rule_sets;
DROP INDEX transactions_anomaly_terms;
DROP INDEX transactions_anomaly_time;
DROP INDEX transactions_losses;
DROP INDEX transactions_queue;
CREATE INDEX transactions_queue ON transactions (score DESC, timestamp, transaction_id) WHERE is_anomaly;
DROP FUNCTION anomaly_terms(text, text, text, text, jsonb);
DROP FUNCTION expected_loss(numeric, real);
