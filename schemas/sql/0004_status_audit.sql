-- Up Migration

-- Who changed which status when: written in the same transaction as the change, never altered afterwards.
CREATE TABLE status_audit (
  id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  transaction_id  text        NOT NULL,
  timestamp       timestamptz NOT NULL,
  previous_status text        NOT NULL,
  new_status      text        NOT NULL,
  note            text,
  actor           text        NOT NULL,
  request_id      text        NOT NULL,
  changed_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX status_audit_transaction ON status_audit (transaction_id, timestamp);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER status_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON status_audit
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Down Migration

DROP TABLE status_audit;
DROP FUNCTION refuse_change();
