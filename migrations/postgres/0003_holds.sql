-- Holds that their owner alone lifts, however many messages are accepted meanwhile.
CREATE TABLE holds (
    page_id TEXT    NOT NULL,
    owner   TEXT    NOT NULL CHECK (owner IN ('operator', 'policy')),
    reason  TEXT    NOT NULL,
    since   BIGINT NOT NULL,
    until   BIGINT,
    PRIMARY KEY (page_id, owner)
);

-- The latest end of a page's holds above: what the claim reads is on the row it locks.
ALTER TABLE pages ADD COLUMN stopped_until BIGINT NOT NULL DEFAULT 0;
-- The platform's latest word about a block: what it said before comes late, or again.
ALTER TABLE pages ADD COLUMN policy_at BIGINT NOT NULL DEFAULT 0;

-- The breaker's hold. A probe is claimed under a generation, which each hold, and each probe's end, moves on; it takes
-- somebody not tried since the attempt tried_from. The plan when to probe is held_until, made at probed_at; the right
-- to is a lease until probe_until.
ALTER TABLE pages ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN tried_from BIGINT;
ALTER TABLE pages ADD COLUMN probed_at BIGINT;
ALTER TABLE pages ADD COLUMN probe_until BIGINT;
ALTER TABLE pages ADD COLUMN held_credential TEXT;

-- How often the platform told the page to slow down, in a row; and how much of its allowance it had used, and when.
ALTER TABLE pages ADD COLUMN pauses BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN used_percent BIGINT NOT NULL DEFAULT 0;
ALTER TABLE pages ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;

-- The fingerprints of tokens and messages that a page was sent for with, in the order in which they came. A failure
-- under any but the newest is its node's, not the page's: it is refused, and that node claims nothing with it.
CREATE TABLE credentials (
    page_id       TEXT    NOT NULL,
    credential    TEXT    NOT NULL,
    introduced_at BIGINT NOT NULL,
    refused_at    BIGINT,
    refused_for   TEXT,
    node          TEXT    NOT NULL,
    PRIMARY KEY (page_id, credential)
);
