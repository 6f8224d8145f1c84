-- Up Migration

-- Who may call the API. A key is shown once, when it is made: only the SHA-256 of its whole text is kept, which is enough
-- for a text with 200 random bits. A key is never deleted: the audit names it.
CREATE TABLE api_keys (
  id           text        PRIMARY KEY CHECK (id ~ '^[0-9a-z]{8}$'),
  name         text        NOT NULL CHECK (name <> ''),
  secret_hash  bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
  scopes       text[]      NOT NULL CHECK (scopes <> '{}' AND scopes <@ '{read,triage,admin,metrics}'),
  created_at   timestamptz NOT NULL DEFAULT now(),
  created_by   text        NOT NULL,
  expires_at   timestamptz,
  revoked_at   timestamptz,
  replaced_by  text        REFERENCES api_keys (id),
  -- To some ten minutes.
  last_used_at timestamptz
);

-- Every API process hears of a change when it is committed; that a key was used is none.
CREATE FUNCTION announce_api_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('weir_api_keys', '');
  RETURN NULL;
END
$$;
CREATE TRIGGER api_keys_announced
  AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF id, name, secret_hash, scopes, expires_at, revoked_at ON api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION announce_api_keys();

-- Secrets that all API processes share. gen_random_uuid() has 122 bits of the system's strong random numbers.
CREATE TABLE api_secrets (
  name       text        PRIMARY KEY,
  secret     bytea       NOT NULL CHECK (octet_length(secret) >= 32),
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO api_secrets (name, secret)
VALUES ('session', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

REVOKE ALL ON api_keys, api_secrets FROM PUBLIC;

-- Down Migration

DROP TABLE api_secrets;
DROP TABLE api_keys;
DROP FUNCTION announce_api_keys();
