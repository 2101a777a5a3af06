-- Every write of a row asks each of its indexes whether it belongs there. Only who is to be tried again has a time for
-- it, and asking for a time costs less than comparing words.
DROP INDEX optins_due;
CREATE INDEX optins_due ON optins (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;

-- The attempts that probe a held page: mostly none. Whoever records an acceptance asks for its attempt here, and not
-- for its page.
CREATE INDEX pages_probe ON pages (probe) WHERE probe IS NOT NULL;
