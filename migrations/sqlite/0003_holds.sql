-- Holds that their owner alone lifts, however many messages are accepted meanwhile.
CREATE TABLE holds (
    page_id TEXT    NOT NULL,
    owner   TEXT    NOT NULL CHECK (owner IN ('operator', 'policy')),
    reason  TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER,
    PRIMARY KEY (page_id, owner)
) STRICT;

-- The latest end of a page's holds above: what the claim reads is on the row it locks.
ALTER TABLE pages ADD COLUMN stopped_until INTEGER NOT NULL DEFAULT 0;
-- The platform's latest word about a block: what it said before comes late, or again.
ALTER TABLE pages ADD COLUMN policy_at INTEGER NOT NULL DEFAULT 0;

-- The breaker's hold. A probe is claimed under a generation, which each hold, and each probe's end, moves on; it takes
-- somebody not tried since the attempt tried_from. The plan when to probe is held_until, made at probed_at; the right
-- to is a lease until probe_until.
ALTER TABLE pages ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN tried_from INTEGER;
ALTER TABLE pages ADD COLUMN probed_at INTEGER;
ALTER TABLE pages ADD COLUMN probe_until INTEGER;
ALTER TABLE pages ADD COLUMN held_credential TEXT;

-- How often the platform told the page to slow down, in a row; and how much of its allowance it had used, and when.
ALTER TABLE pages ADD COLUMN pauses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN used_percent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN used_at INTEGER NOT NULL DEFAULT 0;

-- The fingerprints of tokens and messages that a page was sent for with, in the order in which they came. A failure
-- under any but the newest is its node's, not the page's: it is refused, and that node claims nothing with it.
CREATE TABLE credentials (
    page_id       TEXT    NOT NULL,
    credential    TEXT    NOT NULL,
    introduced_at INTEGER NOT NULL,
    refused_at    INTEGER,
    refused_for   TEXT,
    node          TEXT    NOT NULL,
    PRIMARY KEY (page_id, credential)
) STRICT;
