-- The opt-ins. A public interface: a site may INSERT INTO optins (page_id, login_id [, opted_in_at, locale, reference]).
-- All times are UTC milliseconds since 1970; the default below is the one place where SQL reads a clock.
CREATE TABLE optins (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    page_id           TEXT    NOT NULL CHECK (length(page_id) BETWEEN 1 AND 256 AND page_id = trim(page_id)),
    login_id          TEXT    NOT NULL CHECK (length(login_id) BETWEEN 1 AND 256 AND login_id = trim(login_id)),
    opted_in_at       INTEGER NOT NULL DEFAULT (CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
                              CHECK (opted_in_at BETWEEN 1577836800000 AND 4102444800000),
    state             TEXT    NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'pending', 'retrying', 'sending', 'uncertain', 'sent',
                              'answered', 'expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused')),
    state_since       INTEGER NOT NULL DEFAULT 1577836800000,
    cycle             INTEGER NOT NULL DEFAULT 1,
    renewed_at        INTEGER,
    maybe_greeted_at  INTEGER,
    opted_out_at      INTEGER,
    greeted_elsewhere INTEGER NOT NULL DEFAULT 0,
    psid              TEXT,
    message_id        TEXT,
    reason            TEXT,
    attempts          INTEGER NOT NULL DEFAULT 0,
    doubtful          INTEGER NOT NULL DEFAULT 0,
    next_attempt_at   INTEGER,
    lease_until       INTEGER,
    fence             INTEGER,
    sent_at           INTEGER,
    replied_at        INTEGER,
    locale            TEXT    CHECK (length(locale) <= 64),
    reference         TEXT    CHECK (length(reference) <= 1024),
    variant           TEXT,
    UNIQUE (page_id, login_id)
) STRICT;

-- The claim: earliest hard stop first. With one window for all, the order of opt-ins is the order of hard stops.
CREATE INDEX optins_claim     ON optins (page_id, opted_in_at, id) WHERE state = 'pending';
CREATE INDEX optins_new       ON optins (id)                       WHERE state = 'new';
CREATE INDEX optins_due       ON optins (next_attempt_at, id)      WHERE state = 'retrying';
CREATE INDEX optins_lease     ON optins (lease_until, id)          WHERE state = 'sending';
CREATE INDEX optins_unanswered ON optins (state_since, id)         WHERE state IN ('sent', 'uncertain');
CREATE INDEX optins_ended     ON optins (state_since, id)
    WHERE state IN ('expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused');
CREATE INDEX optins_psid      ON optins (page_id, psid)            WHERE psid IS NOT NULL;

-- One row a request. Its number is the fence: one counter for the whole database that only grows.
-- No foreign key: the purge deletes both sides, and every claim would pay for the check.
CREATE TABLE attempts (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    optin_id     INTEGER NOT NULL,
    cycle        INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    node         TEXT    NOT NULL,
    credential   TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    outcome      TEXT,
    http_status  INTEGER,
    code         INTEGER,
    subcode      INTEGER,
    fbtrace_id   TEXT,
    message_id   TEXT,
    detail       TEXT,
    evidence     TEXT,
    evidence_at  INTEGER
) STRICT;
CREATE INDEX attempts_optin   ON attempts (optin_id);
CREATE INDEX attempts_message ON attempts (message_id) WHERE message_id IS NOT NULL;

-- What the claim of a page locks: its budget, and what stops it.
CREATE TABLE pages (
    page_id      TEXT    PRIMARY KEY,
    arrival_us   INTEGER NOT NULL DEFAULT 0,
    paused_until INTEGER NOT NULL DEFAULT 0,
    held_since   INTEGER,
    held_until   INTEGER,
    held_for     TEXT,
    holds        INTEGER NOT NULL DEFAULT 0,
    resume_seq   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- When a page last had a message accepted; apart from `pages`, so that recording never waits for a claim.
CREATE TABLE acceptances (
    page_id     TEXT    PRIMARY KEY,
    accepted_at INTEGER NOT NULL
) STRICT;

-- Who was here once: a keyed hash outlives the erased identifier.
CREATE TABLE tombstones (
    name          TEXT    PRIMARY KEY,
    at            INTEGER NOT NULL,
    maybe_greeted INTEGER NOT NULL DEFAULT 0,
    opted_out_at  INTEGER,
    erased        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Signed parts of webhook bodies that could not be understood, kept for 14 days.
CREATE TABLE unparsed (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    page_id TEXT,
    raw     TEXT    NOT NULL
) STRICT;
CREATE INDEX unparsed_at ON unparsed (at);

-- One row a cause: raised once, counted, resolved.
CREATE TABLE alerts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        TEXT    NOT NULL,
    cause       TEXT    NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    times       INTEGER NOT NULL DEFAULT 1,
    resolved_at INTEGER
) STRICT;
CREATE UNIQUE INDEX alerts_open ON alerts (kind, cause) WHERE resolved_at IS NULL;

-- One row a tick of a job: one node runs it.
CREATE TABLE job_runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    tick        INTEGER NOT NULL,
    node        TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    ended_at    INTEGER,
    result      TEXT,
    detail      TEXT,
    UNIQUE (name, tick)
) STRICT;

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO settings (key, value) VALUES ('claimer_min', '1'), ('store_key', lower(hex(randomblob(32))));

CREATE VIEW optins_readable AS
SELECT id, page_id, login_id, state, reason, cycle, attempts,
       strftime('%Y-%m-%dT%H:%M:%fZ', opted_in_at / 1000.0, 'unixepoch')     AS opted_in_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', state_since / 1000.0, 'unixepoch')     AS state_since,
       strftime('%Y-%m-%dT%H:%M:%fZ', next_attempt_at / 1000.0, 'unixepoch') AS next_attempt_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', sent_at / 1000.0, 'unixepoch')         AS sent_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', replied_at / 1000.0, 'unixepoch')      AS replied_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', opted_out_at / 1000.0, 'unixepoch')    AS opted_out_at,
       psid, message_id, locale, reference, variant
FROM optins;
