-- Every write of a row asks each of its indexes whether it belongs there. Only who is to be tried again has a time for
-- it, and asking for a time costs less than comparing words.
DROP INDEX optins_due;
CREATE INDEX optins_due ON optins (next_attempt_at, id) WHERE next_attempt_at IS NOT NULL;

-- The attempts that probe a held page: mostly none. Whoever records an acceptance asks for its attempt here, and not
-- for its page.
CREATE INDEX pages_probe ON pages (probe) WHERE probe IS NOT NULL;

-- A constraint is checked again by every update, whatever it changes. These look at what is inserted, once: a row is
-- updated by us alone.
ALTER TABLE optins
    DROP CONSTRAINT optins_page_id_check, DROP CONSTRAINT optins_login_id_check, DROP CONSTRAINT optins_opted_in_at_check,
    DROP CONSTRAINT optins_state_check, DROP CONSTRAINT optins_locale_check, DROP CONSTRAINT optins_reference_check;

CREATE FUNCTION optins_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'check_violation', TABLE = 'optins', COLUMN = TG_ARGV[0],
        MESSAGE = format('optins.%s must be %s', TG_ARGV[0], TG_ARGV[1]);
END $$;

CREATE TRIGGER optins_page_id BEFORE INSERT ON optins FOR EACH ROW
    WHEN (NOT (length(NEW.page_id) BETWEEN 1 AND 256 AND NEW.page_id = btrim(NEW.page_id)))
    EXECUTE FUNCTION optins_refuse('page_id', '1 to 256 characters, without blanks around them');
CREATE TRIGGER optins_login_id BEFORE INSERT ON optins FOR EACH ROW
    WHEN (NOT (length(NEW.login_id) BETWEEN 1 AND 256 AND NEW.login_id = btrim(NEW.login_id)))
    EXECUTE FUNCTION optins_refuse('login_id', '1 to 256 characters, without blanks around them');
CREATE TRIGGER optins_opted_in_at BEFORE INSERT ON optins FOR EACH ROW
    WHEN (NOT (NEW.opted_in_at BETWEEN 1577836800000 AND 4102444800000))
    EXECUTE FUNCTION optins_refuse('opted_in_at', 'milliseconds since 1970, between 2020 and 2100');
CREATE TRIGGER optins_state BEFORE INSERT ON optins FOR EACH ROW
    WHEN (NEW.state NOT IN ('new', 'pending', 'retrying', 'sending', 'uncertain', 'sent', 'answered', 'expired', 'missed',
                            'unavailable', 'opted_out', 'cancelled', 'refused'))
    EXECUTE FUNCTION optins_refuse('state', 'new, or left out');
CREATE TRIGGER optins_locale BEFORE INSERT ON optins FOR EACH ROW
    WHEN (length(NEW.locale) > 64) EXECUTE FUNCTION optins_refuse('locale', '64 characters at most');
CREATE TRIGGER optins_reference BEFORE INSERT ON optins FOR EACH ROW
    WHEN (length(NEW.reference) > 1024) EXECUTE FUNCTION optins_refuse('reference', '1024 characters at most');

-- An attempt is found by its message over the row that names it: an index of the attempts' own would be written with
-- every acceptance. Here are the messages that no row names: of somebody greeted again, or before fresh consent.
CREATE INDEX optins_message ON optins (message_id) WHERE message_id IS NOT NULL;
CREATE TABLE other_messages (
    message_id TEXT    NOT NULL,
    optin_id   BIGINT  NOT NULL,
    PRIMARY KEY (message_id, optin_id)
);
CREATE INDEX other_messages_optin ON other_messages (optin_id);
INSERT INTO other_messages
SELECT DISTINCT a.message_id, a.optin_id FROM attempts AS a JOIN optins AS o ON o.id = a.optin_id
WHERE a.message_id IS NOT NULL AND a.message_id IS DISTINCT FROM o.message_id;
DROP INDEX attempts_message;
-- An attempt is written once more, at its end; with room for that on its page no index is touched.
ALTER TABLE attempts SET (fillfactor = 35);
