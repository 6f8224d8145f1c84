-- Up Migration

-- Two things that a role may do without the right to more. Both run as the owner.

-- Puts a model in force where none is: what a pipeline does at its first start. To choose another one is the operator's.
CREATE FUNCTION activate_first_model(of_version text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  -- As whoever puts one in force does (pipeline/models/store.ts).
  PERFORM pg_advisory_xact_lock(hashtext('weir.models'));
  IF EXISTS (SELECT FROM models WHERE is_active) THEN
    RETURN;
  END IF;
  UPDATE models SET is_active = true, activated_at = clock_timestamp() WHERE version = of_version;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no model %', of_version USING ERRCODE = 'no_data_found';
  END IF;
  INSERT INTO status_audit (action, actor, details)
  VALUES ('model.activate', 'pipeline', jsonb_build_object('version', of_version, 'previous', NULL));
END
$$;

-- Drops a month of transactions for good, and says so in the audit. No month whose newest is younger than 90 days, so that a
-- stolen password of the role cannot hide what has just happened. It waits until nobody uses the table: with a lock_timeout.
-- @returns how many rows went
CREATE FUNCTION drop_transactions_month(month date) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  name text := 'transactions_' || to_char(month, 'YYYY_MM');
  month_end timestamptz := (date_trunc('month', month::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
  rows_gone bigint;
BEGIN
  IF month_end > now() - interval '90 days' THEN
    RAISE EXCEPTION 'transactions of % are younger than 90 days', to_char(month, 'YYYY-MM')
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('weir.ensure_transactions_partition'));
  IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name) AND inhparent = 'transactions'::regclass) THEN
    RAISE EXCEPTION 'transactions has no partition %', name USING ERRCODE = 'undefined_table';
  END IF;
  -- Before the table is locked for all: it takes its time. What comes meanwhile is not in the number.
  EXECUTE format('SELECT count(*) FROM %I', name) INTO rows_gone;
  EXECUTE format('DROP TABLE %I', name);
  INSERT INTO status_audit (action, actor, details)
  VALUES ('retention.drop', 'role:' || session_user,
          jsonb_build_object('month', to_char(month, 'YYYY-MM'), 'rows', rows_gone));
  RETURN rows_gone;
END
$$;

REVOKE EXECUTE ON FUNCTION activate_first_model(text), drop_transactions_month(date) FROM PUBLIC;

-- Down Migration

DROP FUNCTION drop_transactions_month(date);
DROP FUNCTION activate_first_model(text);
