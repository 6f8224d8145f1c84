-- Up Migration

-- Event times grow nearly as the table does. So what begins with them is added at an index's end, in pages that are in the
-- processor's cache, however large the table is; what begins with an account or a random id hits a page of its own for
-- each row, which is read, and after each checkpoint logged as a whole.

-- Every look-up by id knows the time, but that of an anomaly. It serves time ranges too, in transactions_time's stead.
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD PRIMARY KEY (timestamp, transaction_id);
CREATE INDEX transactions_anomaly ON transactions (transaction_id, timestamp) WHERE is_anomaly;
DROP INDEX transactions_time;

-- An account's timeline is looked up quarter day by quarter day. By the hash of the account: it is half as long, and is
-- compared as a number, whatever the database's collation.
DROP INDEX transactions_account;
CREATE INDEX transactions_account ON transactions
  (date_bin('6 hours', timestamp, '2000-01-01 00:00:00+00'), hashtext(account_id));

-- Down Migration

DROP INDEX transactions_account;
CREATE INDEX transactions_account ON transactions (account_id, timestamp DESC);
CREATE INDEX transactions_time ON transactions USING brin (timestamp);
DROP INDEX transactions_anomaly;
ALTER TABLE transactions DROP CONSTRAINT transactions_pkey;
ALTER TABLE transactions ADD PRIMARY KEY (transaction_id, timestamp);
