//! Holds with an owner, and the credentials a page was sent for with.

use crate::store::sql::statements;

statements! {
    /// Every hold: page, owner, reason, since, until.
    ALL_HOLDS = "holds_list" { both: ["SELECT page_id, owner, reason, since, until FROM holds ORDER BY page_id, since, owner"] }
    /// One hold: reason, until. $1: page, $2: owner.
    ONE = "holds_one" { both: ["SELECT reason, until FROM holds WHERE page_id = $1 AND owner = $2"] }
    /// Holds a page. $1: page, $2: owner, $3: reason, $4: now, $5: until.
    PUT = "holds_put" {
        both: ["INSERT INTO holds (page_id, owner, reason, since, until) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (page_id, owner) DO UPDATE SET reason = excluded.reason, until = excluded.until"]
    }
    /// Lifts a hold. $1: page, $2: owner.
    DROP = "holds_drop" { both: ["DELETE FROM holds WHERE page_id = $1 AND owner = $2"] }
    /// Writes the latest end of a page's holds onto its row. $1: page, $2: the end of one without an end.
    STOP = "holds_stop" {
        both: ["UPDATE pages SET stopped_until = COALESCE((SELECT max(COALESCE(until, $2)) FROM holds
                                                           WHERE holds.page_id = pages.page_id), 0)
                WHERE page_id = $1"]
    }
    /// The platform enforced a policy, unless something later is known. $1: page, $2: when.
    ENFORCED = "holds_enforced" { both: ["UPDATE pages SET policy_at = $2 WHERE page_id = $1 AND policy_at <= $2"] }
    /// Whether anything holds a page. $1: page, $2: now.
    ANY = "holds_any" {
        both: ["SELECT count(*) FROM pages WHERE page_id = $1 AND (held_since IS NOT NULL OR stopped_until > $2)"]
    }
    /// Holds whose time is over: page, owner. $1: now.
    OVER = "holds_over" { both: ["SELECT page_id, owner FROM holds WHERE until <= $1 ORDER BY page_id, owner"] }
    /// A node begins to send for a page with a credential. $1: page, $2: credential, $3: now, $4: node.
    INTRODUCE = "credentials_introduce" {
        both: ["INSERT INTO credentials (page_id, credential, introduced_at, node) VALUES ($1, $2, $3, $4)
                ON CONFLICT (page_id, credential) DO NOTHING"]
    }
    /// A page that is held for another credential is probed with this one at once. $1: page, $2: credential, $3: now.
    TRY_NOW = "credentials_try_now" {
        both: ["UPDATE pages SET held_until = $3
                WHERE page_id = $1 AND held_since IS NOT NULL AND held_credential <> $2 AND held_until > $3"]
    }
    /// Whether a newer credential is known. $1: page, $2: credential.
    OUTDATED = "credentials_outdated" {
        both: ["SELECT count(*) FROM credentials AS c WHERE c.page_id = $1 AND c.credential = $2
                  AND c.introduced_at < (SELECT max(introduced_at) FROM credentials WHERE page_id = $1)"]
    }
    /// Whose attempts these were: attempt, credential, node, whether a newer credential is known. $1: page, $2: JSON
    /// array of attempts.
    OF_ATTEMPTS = "credentials_of_attempts" {
        sqlite: ["SELECT a.id, a.credential, a.node,
                         COALESCE(c.introduced_at < (SELECT max(introduced_at) FROM credentials WHERE page_id = $1), 0)
                  FROM attempts AS a LEFT JOIN credentials AS c ON c.page_id = $1 AND c.credential = a.credential
                  WHERE a.id IN (SELECT value FROM json_each($2)) ORDER BY a.id"],
        postgres: ["SELECT a.id, a.credential, a.node,
                           COALESCE((c.introduced_at < (SELECT max(introduced_at) FROM credentials WHERE page_id = $1))::int, 0)::bigint
                    FROM attempts AS a LEFT JOIN credentials AS c ON c.page_id = $1 AND c.credential = a.credential
                    WHERE a.id = ANY (ARRAY(SELECT json_array_elements_text($2::json)::bigint)) ORDER BY a.id"]
    }
    /// A node fails with a credential that others have left behind. $1: page, $2: credential, $3: now, $4: why, $5: node.
    REFUSE = "credentials_refuse" {
        both: ["UPDATE credentials SET refused_at = $3, refused_for = $4, node = $5
                WHERE page_id = $1 AND credential = $2 AND refused_at IS NULL"]
    }
    /// Refused credentials are tried again. $1: page.
    FORGIVE = "credentials_forgive" { both: ["UPDATE credentials SET refused_at = NULL, refused_for = NULL WHERE page_id = $1"] }
    /// The nodes whose credentials are refused. $1: page.
    REFUSED_NODES = "credentials_refused_nodes" {
        both: ["SELECT node FROM credentials WHERE page_id = $1 AND refused_at IS NOT NULL ORDER BY node"]
    }
    /// Whether a credential is refused: since when, for what. $1: page, $2: credential.
    REFUSED = "credentials_refused" {
        both: ["SELECT refused_at, refused_for FROM credentials
                WHERE page_id = $1 AND credential = $2 AND refused_at IS NOT NULL"]
    }
}
