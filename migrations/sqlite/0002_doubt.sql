-- When the one message more was granted that silence or the operator's policy allows: once for an opt-in.
ALTER TABLE optins ADD COLUMN resent_at INTEGER;
-- The doubts of a page, by the end of their lease.
CREATE INDEX optins_doubt ON optins (page_id, lease_until, id) WHERE state = 'uncertain';

-- The oldest version that may claim, copied from `settings`: the claim locks this row, and reads it there.
ALTER TABLE pages ADD COLUMN claimer_min INTEGER NOT NULL DEFAULT 1;
-- Since when the store is known to have gone back: nothing is claimed until `store accept`.
ALTER TABLE pages ADD COLUMN rewound_at INTEGER;
-- The running server, by its timeline and start, that was recognised last: only from it is claimed. PostgreSQL only.
ALTER TABLE pages ADD COLUMN server INTEGER;
-- Since when silence is no evidence here, because a second message was proved.
ALTER TABLE pages ADD COLUMN refuted_at INTEGER;
-- The latest accepted message that was not echoed in time, and when it was accepted.
ALTER TABLE pages ADD COLUMN unechoed INTEGER;
ALTER TABLE pages ADD COLUMN unechoed_at INTEGER;

-- Echoes that were matched by our token alone; `accepted_at` once the message is known to count in the sample.
CREATE TABLE echoes (
    attempt_id  INTEGER PRIMARY KEY,
    page_id     TEXT    NOT NULL,
    echoed_at   INTEGER NOT NULL,
    accepted_at INTEGER
) STRICT;
CREATE INDEX echoes_page ON echoes (page_id, attempt_id);
CREATE INDEX echoes_at   ON echoes (echoed_at);

-- Unbroken times in which a node took in whatever the platform sent it.
CREATE TABLE intake_times (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    node  TEXT    NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;
CREATE INDEX intake_times_until ON intake_times (until);
