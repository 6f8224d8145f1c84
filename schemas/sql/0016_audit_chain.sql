-- Up Migration

-- The audit is of everything that changes what Weir decides or who may do it, and a chain: each row holds the hash of the
-- one before it, so that a row that is edited, removed or put in between shows (`npm run audit -- verify`).
ALTER TABLE status_audit
  ADD COLUMN action        text  NOT NULL DEFAULT 'status',
  ADD COLUMN details       jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN seq           bigint,
  ADD COLUMN previous_hash bytea,
  ADD COLUMN hash          bytea,
  ALTER COLUMN transaction_id  DROP NOT NULL,
  ALTER COLUMN timestamp       DROP NOT NULL,
  ALTER COLUMN previous_status DROP NOT NULL,
  ALTER COLUMN new_status      DROP NOT NULL,
  ALTER COLUMN request_id      DROP NOT NULL,
  ADD CONSTRAINT status_audit_status CHECK (action <> 'status' OR (
    transaction_id IS NOT NULL AND timestamp IS NOT NULL AND previous_status IS NOT NULL AND new_status IS NOT NULL
    AND request_id IS NOT NULL)),
  -- to_char knows no text for it.
  ADD CONSTRAINT status_audit_finite CHECK (isfinite(timestamp));

-- The last link. One row for all: whoever appends holds its lock until the end of his transaction, so the chain cannot
-- fork and seq has no gaps.
CREATE TABLE audit_head (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  seq     bigint  NOT NULL,
  hash    bytea   NOT NULL
);
-- Before the first row there are 32 zero bytes.
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- One field of what is hashed: its length in bytes of UTF-8, a colon, the text; null is a hyphen. So no two rows have the
-- same text.
CREATE FUNCTION audit_field(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-')
$$;

-- SHA-256 over all columns of a row but the hash itself. `api/audit/entry.ts` says the same in TypeScript: change both,
-- and the name of the form that stands first, when a column is added.
CREATE FUNCTION audit_hash(entry status_audit) RETURNS bytea LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
  SELECT sha256(convert_to('weir-audit-1'
    || audit_field(encode(entry.previous_hash, 'hex'))
    || audit_field(entry.seq::text)
    || audit_field(entry.id::text)
    || audit_field(to_char(entry.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    || audit_field(entry.actor)
    || audit_field(entry.action)
    || audit_field(entry.details::text)
    || audit_field(entry.transaction_id)
    || audit_field(to_char(entry.timestamp AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    || audit_field(entry.previous_status)
    || audit_field(entry.new_status)
    || audit_field(entry.note)
    || audit_field(entry.request_id), 'UTF8'))
$$;

-- What is there already becomes the chain's beginning.
ALTER TABLE status_audit DISABLE TRIGGER status_audit_append_only;
DO $$
DECLARE
  entry status_audit;
BEGIN
  FOR entry IN SELECT * FROM status_audit ORDER BY id LOOP
    SELECT seq + 1, hash INTO entry.seq, entry.previous_hash FROM audit_head;
    entry.hash := audit_hash(entry);
    UPDATE status_audit SET seq = entry.seq, previous_hash = entry.previous_hash, hash = entry.hash WHERE id = entry.id;
    UPDATE audit_head SET seq = entry.seq, hash = entry.hash;
  END LOOP;
END
$$;
ALTER TABLE status_audit ENABLE TRIGGER status_audit_append_only;
ALTER TABLE status_audit
  ALTER COLUMN seq SET NOT NULL,
  ALTER COLUMN previous_hash SET NOT NULL,
  ALTER COLUMN hash SET NOT NULL,
  ADD CONSTRAINT status_audit_seq UNIQUE (seq);

-- Links a row. It takes the time itself: under the head's lock, so that times follow seq, and nobody can write another one.
-- Runs as the owner: nobody else needs to write to the head.
CREATE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  SELECT seq + 1, hash INTO STRICT NEW.seq, NEW.previous_hash FROM audit_head FOR UPDATE;
  NEW.changed_at := clock_timestamp();
  NEW.hash := audit_hash(NEW);
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
  RETURN NEW;
END
$$;
CREATE TRIGGER status_audit_chained BEFORE INSERT ON status_audit FOR EACH ROW EXECUTE FUNCTION chain_audit();

CREATE TRIGGER audit_head_fixed BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- 0 is a statement of a session's own; the one of the trigger above has 1.
CREATE TRIGGER audit_head_moved_by_chain BEFORE UPDATE ON audit_head
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();

REVOKE ALL ON status_audit, audit_head FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION chain_audit() FROM PUBLIC;

-- Down Migration

DROP TRIGGER status_audit_chained ON status_audit;
DROP FUNCTION chain_audit();
DROP FUNCTION audit_hash(status_audit);
DROP FUNCTION audit_field(text);
DROP TABLE audit_head;
ALTER TABLE status_audit DISABLE TRIGGER status_audit_append_only;
DELETE FROM status_audit WHERE action <> 'status';
ALTER TABLE status_audit ENABLE TRIGGER status_audit_append_only;
ALTER TABLE status_audit
  DROP COLUMN action, DROP COLUMN details, DROP COLUMN seq, DROP COLUMN previous_hash, DROP COLUMN hash,
  DROP CONSTRAINT IF EXISTS status_audit_status, DROP CONSTRAINT status_audit_finite,
  ALTER COLUMN transaction_id SET NOT NULL,
  ALTER COLUMN timestamp SET NOT NULL,
  ALTER COLUMN previous_status SET NOT NULL,
  ALTER COLUMN new_status SET NOT NULL,
  ALTER COLUMN request_id SET NOT NULL;
