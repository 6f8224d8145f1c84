-- Up Migration

-- Calls of the API in the current minute, where RATE_LIMIT_STORE=postgres: by limit and caller (`read:key:…`). The columns are
-- those of rate-limiter-flexible; it removes what is over. Not logged: after a crash of the server all begin anew.
CREATE UNLOGGED TABLE rate_limits (
  key    varchar(255) PRIMARY KEY,
  points integer      NOT NULL DEFAULT 0,
  expire bigint
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Down Migration

DROP TABLE rate_limits;
