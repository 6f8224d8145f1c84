-- Up Migration

-- One model is in force, whatever its kind; activated_at tells which one was before it.
ALTER TABLE models ADD COLUMN activated_at timestamptz;
UPDATE models SET activated_at = created_at WHERE is_active;
DROP INDEX models_active;
CREATE UNIQUE INDEX models_active ON models (is_active) WHERE is_active;

-- Down Migration

DROP INDEX models_active;
CREATE UNIQUE INDEX models_active ON models (kind) WHERE is_active;
ALTER TABLE models DROP COLUMN activated_at;
