-- Every write of a row asks each of its indexes whether it belongs there. Only who is to be tried again has a time for
-- it, and asking for a time costs less than comparing words.
DROP INDEX optins_due;
CREATE INDEX optins_due ON optins (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;

-- The attempts that probe a held page: mostly none. Whoever records an acceptance asks for its attempt here, and not
-- for its page.
CREATE INDEX pages_probe ON pages (probe) WHERE probe IS NOT NULL;

-- An attempt is found by its message over the row that names it: an index of the attempts' own would be written with
-- every acceptance. Here are the messages that no row names: of somebody greeted again, or before fresh consent.
CREATE INDEX optins_message ON optins (message_id) WHERE message_id IS NOT NULL;
CREATE TABLE other_messages (
    message_id TEXT    NOT NULL,
    optin_id   INTEGER NOT NULL,
    PRIMARY KEY (message_id, optin_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX other_messages_optin ON other_messages (optin_id);
INSERT INTO other_messages
SELECT DISTINCT a.message_id, a.optin_id FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id
WHERE a.message_id IS NOT NULL AND a.message_id IS NOT o.message_id;
DROP INDEX attempts_message;
