-- Since when a job is known here: earlier ticks were never promised, later ones are not lost by a restart.
CREATE TABLE jobs (
    name  TEXT   PRIMARY KEY,
    since BIGINT NOT NULL
);

-- The latest batch of a page. Until `open_until` whoever opted in up to `up_to` is sent to; afterwards whoever of them
-- was tried before.
CREATE TABLE batches (
    page_id    TEXT   PRIMARY KEY,
    up_to      BIGINT NOT NULL,
    open_until BIGINT NOT NULL
);
