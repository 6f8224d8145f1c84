-- Up Migration

-- Dead letters that were sent to the transactions topic again, by their first origin: a second replay leaves them out.
-- The digest tells the content: a topic that is made anew has the same origins again.
CREATE TABLE dead_letter_replays (
  topic       text        NOT NULL,
  partition   integer     NOT NULL,
  "offset"    bigint      NOT NULL,
  digest      text        NOT NULL,
  replays     integer     NOT NULL,
  replayed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition, "offset", digest)
);

-- Down Migration

DROP TABLE dead_letter_replays;
