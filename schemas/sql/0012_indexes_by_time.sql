-- Up Migration

-- Event times grow nearly as the table does, so that a key that begins with them is added at an index's end, whatever the
-- ids are: random ones would each touch a page of their own. Every look-up by id knows the time, but that of an anomaly.
-- And it serves time ranges, in transactions_time's stead.
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD PRIMARY KEY (timestamp, transaction_id);
CREATE INDEX transactions_anomaly ON transactions (transaction_id, timestamp) WHERE is_anomaly;
DROP INDEX transactions_time;

-- Hardly two entries are equal: to look for equal ones whenever a page is full costs more than half of the insertions.
DROP INDEX transactions_account;
CREATE INDEX transactions_account ON transactions (account_id, timestamp DESC) WITH (deduplicate_items = off);

-- Down Migration

DROP INDEX transactions_account;
CREATE INDEX transactions_account ON transactions (account_id, timestamp DESC);
CREATE INDEX transactions_time ON transactions USING brin (timestamp);
DROP INDEX transactions_anomaly;
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD PRIMARY KEY (transaction_id, timestamp);
