-- The attempt that has the right to find out whether a held page can send again: it alone lifts or prolongs the hold.
ALTER TABLE pages ADD COLUMN probe BIGINT;

-- Failures of one sort, of different people, with no acceptance of the page between them.
CREATE TABLE failure_runs (
    page_id TEXT   NOT NULL,
    sort    TEXT   NOT NULL,
    since   BIGINT NOT NULL,
    people  BIGINT NOT NULL,
    attempt BIGINT NOT NULL, -- the first of them
    PRIMARY KEY (page_id, sort)
);
