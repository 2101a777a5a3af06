-- Deletion requests that were carried out. The code is a keyed hash of the request; nothing here names anybody.
CREATE TABLE deletions (
    code TEXT   PRIMARY KEY,
    at   BIGINT NOT NULL
);

-- How replies say what they answer: each `prior_message.source` ever seen. A new one is worth a look.
CREATE TABLE reply_sources (
    source   TEXT   PRIMARY KEY,
    first_at BIGINT NOT NULL
);
