-- Up Migration

-- Amounts that few anomalies have: no queue need be walked for them. Partial: a transaction that is none does not pay.
CREATE INDEX transactions_anomaly_amount ON transactions (amount) WHERE is_anomaly;

-- Down Migration

DROP INDEX transactions_anomaly_amount;
