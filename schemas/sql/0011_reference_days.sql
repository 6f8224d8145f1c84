-- Up Migration

-- What was known of merchants on an event day, built once and never altered: every worker judges the day's transactions
-- by the same, however often it begins again. Deleting days is for who deletes their transactions: see ARCHITECTURE.md.
CREATE TABLE reference_days (
  day         date        NOT NULL,
  -- LABEL_DELAY_DAYS when it was built: another delay makes another reference.
  delay_days  integer     NOT NULL,
  merchants   integer     NOT NULL,
  -- Transactions that become known on the day.
  events      integer     NOT NULL,
  -- The newest label that was looked at, by its id.
  labels_seen bigint      NOT NULL,
  bytes       bigint      NOT NULL,
  built_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (day, delay_days)
);

CREATE TABLE reference_day_pieces (
  day        date    NOT NULL,
  delay_days integer NOT NULL,
  piece      integer NOT NULL,
  data       bytea   NOT NULL,
  PRIMARY KEY (day, delay_days, piece),
  FOREIGN KEY (day, delay_days) REFERENCES reference_days ON DELETE CASCADE
);

CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is never altered', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER reference_days_immutable BEFORE UPDATE ON reference_days
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();
CREATE TRIGGER reference_day_pieces_immutable BEFORE UPDATE ON reference_day_pieces
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_update();

-- Down Migration

DROP TABLE reference_day_pieces;
DROP TABLE reference_days;
DROP FUNCTION refuse_update();
