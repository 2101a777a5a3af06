-- An alert's detail, and what of it was told: when last, and whether its end was.
ALTER TABLE alerts ADD COLUMN detail   TEXT    NOT NULL DEFAULT '';
ALTER TABLE alerts ADD COLUMN told_at  INTEGER;
ALTER TABLE alerts ADD COLUMN told_end INTEGER NOT NULL DEFAULT 0;
CREATE INDEX alerts_untold ON alerts (id) WHERE told_end = 0;

-- Notices to be delivered: alerts, each once for every channel, and what the site is told of opt-ins. Whoever takes one
-- moves `due_at` to the end of its lease; `attempts` is the fence. Of one subject only the earliest is taken.
CREATE TABLE outbox (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    channel    TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    event      TEXT    UNIQUE,
    optin_id   INTEGER,
    body       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT
) STRICT;
CREATE INDEX outbox_due     ON outbox (channel, due_at, id);
CREATE INDEX outbox_subject ON outbox (channel, subject, id);
CREATE INDEX outbox_optin   ON outbox (optin_id) WHERE optin_id IS NOT NULL;

-- When the delivery loop of each node last went round.
CREATE TABLE beats (
    node TEXT    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;
