//! Pages: what is configured, paused, held, accepted.

use crate::store::sql::statements;

macro_rules! ended_by_run {
    () => {
        "SELECT o.id, a.outcome, a.code, a.subcode FROM optins AS o JOIN attempts AS a ON a.id = o.fence
         WHERE o.state IN ('expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused') AND o.state_since >= $2
           AND o.page_id = $1 AND (o.state = 'unavailable' OR (o.state = 'missed' AND o.reason = 'window_closed'))
         ORDER BY o.state_since, o.id LIMIT 100"
    };
}

statements! {
    /// Makes sure a configured page has its row. $1: page.
    ENSURE = "pages_ensure" {
        both: ["INSERT INTO pages (page_id, claimer_min, rewound_at, server)
                VALUES ($1, COALESCE((SELECT CAST(value AS BIGINT) FROM settings WHERE key = 'claimer_min'), 1),
                        (SELECT min(rewound_at) FROM pages), (SELECT max(server) FROM pages))
                ON CONFLICT (page_id) DO NOTHING"]
    }
    /// All pages: id, paused until, held since, held until, held for. That the store went back is a hold of its own,
    /// which no other lifts.
    LIST = "pages_list" {
        both: ["SELECT page_id, paused_until, COALESCE(rewound_at, held_since),
                       CASE WHEN rewound_at IS NULL THEN held_until END,
                       CASE WHEN rewound_at IS NULL THEN held_for ELSE 'store rewound' END
                FROM pages ORDER BY page_id"]
    }
    /// The platform asked the page to wait. $1: page, $2: until.
    PAUSE = "pages_pause" { both: ["UPDATE pages SET paused_until = $2 WHERE page_id = $1 AND paused_until < $2"] }
    /// The page cannot send. $1: page, $2: now, $3: until, $4: for what. A hold that stands is its probe's to prolong.
    HOLD = "pages_hold" {
        both: ["UPDATE pages SET held_since = $2, held_until = $3, held_for = $4, holds = 1, probe = NULL
                WHERE page_id = $1 AND held_since IS NULL"]
    }
    /// The probe of a held page, locked: its attempt, and how often the page was held in a row. $1: page.
    PROBE = "pages_probe" {
        sqlite: ["SELECT probe, holds FROM pages WHERE page_id = $1 AND held_since IS NOT NULL"],
        postgres: ["SELECT probe, holds FROM pages WHERE page_id = $1 AND held_since IS NOT NULL FOR UPDATE"]
    }
    /// The probe failed, or never left. $1: page, $2: until, $3: one more hold in a row, or none.
    PROLONG = "pages_prolong" {
        both: ["UPDATE pages SET held_until = $2, holds = holds + $3, probe = NULL WHERE page_id = $1"]
    }
    /// The probe was accepted: nothing holds the page. $1: page.
    LIFT = "pages_lift" {
        both: ["UPDATE pages SET held_since = NULL, held_until = NULL, held_for = NULL, holds = 0, probe = NULL
                WHERE page_id = $1"]
    }
    /// Adds people to a run of failures; returns people and since when. $1: page, $2: sort, $3: now, $4: people.
    FAILED = "runs_failed" {
        both: ["INSERT INTO failure_runs (page_id, sort, since, people) VALUES ($1, $2, $3, $4)
                ON CONFLICT (page_id, sort) DO UPDATE SET people = failure_runs.people + excluded.people
                RETURNING people, since"]
    }
    /// An acceptance, or the hold they led to, ends a page's runs. $1: page.
    CLEAR_RUNS = "runs_clear" { both: ["DELETE FROM failure_runs WHERE page_id = $1"] }
    /// People who may have been ended by a run: id, outcome, code, subcode. $1: page, $2: since. Whoever is locked has
    /// something else happening to them.
    ENDED_BY_RUN = "runs_ended" {
        sqlite: [ended_by_run!()],
        postgres: [ended_by_run!(), " FOR UPDATE OF o SKIP LOCKED"]
    }
    /// Notes the time of an acceptance, at most once a second. $1: page, $2: now.
    ACCEPTED = "pages_accepted" {
        both: ["INSERT INTO acceptances (page_id, accepted_at) VALUES ($1, $2)
                ON CONFLICT (page_id) DO UPDATE SET accepted_at = excluded.accepted_at
                WHERE acceptances.accepted_at < excluded.accepted_at - 1000"]
    }
    /// Whether the page had an acceptance since the claim of an attempt. $1: page, $2: attempt.
    ACCEPTED_SINCE = "pages_accepted_since" {
        both: ["SELECT count(*) FROM acceptances, attempts
                WHERE acceptances.page_id = $1 AND attempts.id = $2 AND accepted_at >= started_at"]
    }
}
