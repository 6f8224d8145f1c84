-- Up Migration

-- What each role of the server may do is in schemas/roles/grants.ts and is granted by whoever migrates, where there are
-- such roles (deploy/roles.md): roles are the server's, not this database's. Here is what holds with or without them.

-- PUBLIC is every role of the server, those of other programs too. Whoever does not own the schema is told that he cannot
-- take this away, and goes on.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
-- Triggers need no right to their functions; the functions of indexes need one for whoever writes the row.
REVOKE EXECUTE ON FUNCTION
  ensure_transactions_partition(timestamptz), expected_loss(numeric, real),
  anomaly_terms(text, text, text, text, jsonb), audit_field(text), audit_hash(status_audit),
  refuse_change(), refuse_update(), announce_labels(), announce_api_keys(), announce_statuses() FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE move_positions(text, jsonb) FROM PUBLIC;
-- Those to come, too.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

-- What accounts and transactions are masked with: without it nobody can tell which id a mask is of, not by trying either.
INSERT INTO api_secrets (name, secret)
VALUES ('masking', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- Transactions for who counts and compares them. The same account has the same mask, so that it can be grouped by; where
-- somebody was (location, home, the texts of reasons, which name places) is not there. Who has the right to the view needs
-- none to its tables, and no function of ours. Without the secret there are no rows.
CREATE VIEW masked_transactions AS
  SELECT encode(sha256(s.secret || sha256(s.secret || convert_to('transaction ' || t.transaction_id, 'UTF8'))), 'hex')
           AS masked_transaction_id,
         encode(sha256(s.secret || sha256(s.secret || convert_to('account ' || t.account_id, 'UTF8'))), 'hex')
           AS masked_account_id,
         t.timestamp, t.amount, t.currency, t.merchant_id, t.merchant_category, t.channel, t.is_fraud, t.amount_ratio,
         t.score, t.is_anomaly, t.alert_reason,
         jsonb_path_query_array(t.reasons, '$[*].code') AS reason_codes,
         -- Numbers only: no place, and no text that may come to be one.
         (SELECT jsonb_object_agg(f.key, f.value) FROM jsonb_each(t.features) f
          WHERE jsonb_typeof(f.value) IN ('number', 'null')) AS features,
         t.status, t.rules_version, t.model_version
  FROM transactions t CROSS JOIN (SELECT secret FROM api_secrets WHERE name = 'masking') s;

-- Down Migration

DROP VIEW masked_transactions;
DELETE FROM api_secrets WHERE name = 'masking';
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC;
GRANT EXECUTE ON PROCEDURE move_positions(text, jsonb) TO PUBLIC;
GRANT EXECUTE ON FUNCTION
  ensure_transactions_partition(timestamptz), expected_loss(numeric, real),
  anomaly_terms(text, text, text, text, jsonb), audit_field(text), audit_hash(status_audit),
  refuse_change(), refuse_update(), announce_labels(), announce_api_keys(), announce_statuses() TO PUBLIC;
GRANT USAGE ON SCHEMA public TO PUBLIC;
