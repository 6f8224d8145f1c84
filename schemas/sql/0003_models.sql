-- Up Migration

-- Every model that was ever trained or shipped; at most one of a kind is active.
CREATE TABLE models (
  version       text        PRIMARY KEY,
  kind          text        NOT NULL,
  artifact      jsonb       NOT NULL,
  features      text[]      NOT NULL,
  trained_from  timestamptz,
  trained_to    timestamptz,
  metrics       jsonb       NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT now(),
  is_active     boolean     NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX models_active ON models (kind) WHERE is_active;

-- Down Migration

DROP TABLE models;
