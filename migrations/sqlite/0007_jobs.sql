-- Since when a job is known here: earlier ticks were never promised, later ones are not lost by a restart.
CREATE TABLE jobs (
    name  TEXT    PRIMARY KEY,
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The latest batch of a page. Until `open_until` whoever opted in up to `up_to` is sent to; afterwards whoever of them
-- was tried before.
CREATE TABLE batches (
    page_id    TEXT    PRIMARY KEY,
    up_to      INTEGER NOT NULL,
    open_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
