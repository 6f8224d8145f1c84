-- Up Migration

-- A month that was detached from the table (for an archive, say) is not made anew, and its late rows are told apart by
-- SQLSTATE WR001.
CREATE OR REPLACE FUNCTION ensure_transactions_partition(at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  month_start timestamptz := date_trunc('month', at, 'UTC');
  -- A month is added to the UTC wall time: the session's own zone may have a change of clocks in between.
  month_end   timestamptz := (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
  name        text := 'transactions_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('weir.ensure_transactions_partition'));
  IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name) AND inhparent = 'transactions'::regclass) THEN
    RETURN;
  END IF;
  IF to_regclass(name) IS NOT NULL THEN
    RAISE EXCEPTION 'the table % is there, but no partition of transactions', name USING ERRCODE = 'WR001';
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING ALL)', name);
  EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, month_start, month_end);
END
$$;

-- Down Migration

CREATE OR REPLACE FUNCTION ensure_transactions_partition(at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  month_start timestamptz := date_trunc('month', at, 'UTC');
  month_end   timestamptz := (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
  name        text := 'transactions_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('weir.ensure_transactions_partition'));
  IF to_regclass(name) IS NOT NULL THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE transactions INCLUDING ALL)', name);
  EXECUTE format('ALTER TABLE transactions ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, month_start, month_end);
END
$$;
