//! Pages: what is configured, paused, held, accepted.

use crate::store::sql::statements;

macro_rules! ended_by_run {
    () => {
        "SELECT o.id, a.outcome, a.code, a.subcode FROM optins AS o JOIN attempts AS a ON a.id = o.fence
         WHERE o.state IN ('expired', 'missed', 'unavailable', 'opted_out', 'cancelled', 'refused') AND o.state_since >= $2
           AND o.page_id = $1 AND (o.state = 'unavailable' OR (o.state = 'missed' AND o.reason = 'window_closed'))
         ORDER BY o.state_since, o.id LIMIT 1000"
    };
}

macro_rules! standing {
    () => {
        "SELECT held_since, held_for, holds, generation, probe, pauses, paused_until,
                COALESCE((SELECT accepted_at FROM acceptances WHERE acceptances.page_id = pages.page_id), 0)
         FROM pages WHERE page_id = $1 AND ($2 = 1 OR held_since IS NOT NULL)"
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
    /// All pages: id, paused until, held since, until, for, how often in a row, stopped until, usage in percent, its
    /// time, how often an operator resumed it. That the store went back is a hold of its own, which no other lifts.
    LIST = "pages_list" {
        both: ["SELECT page_id, paused_until, COALESCE(rewound_at, held_since),
                       CASE WHEN rewound_at IS NULL THEN held_until END,
                       CASE WHEN rewound_at IS NULL THEN held_for ELSE 'store rewound' END,
                       holds, stopped_until, used_percent, used_at, resume_seq
                FROM pages ORDER BY page_id"]
    }
    /// How a page stands, locked: held since, for, how often in a row, generation, probe, pauses in a row, paused until,
    /// last acceptance. $1: page, $2: 1 for any page, 0 for held ones only.
    STANDING = "pages_standing" { sqlite: [standing!()], postgres: [standing!(), " FOR UPDATE OF pages"] }
    /// The platform asked the page to wait. $1: page, $2: until, $3: how often in a row.
    PAUSE = "pages_pause" { both: ["UPDATE pages SET paused_until = $2, pauses = $3 WHERE page_id = $1 AND paused_until < $2"] }
    /// How much of its allowance a page has used. $1: page, $2: percent, $3: now.
    USED = "pages_used" { both: ["UPDATE pages SET used_percent = $2, used_at = $3 WHERE page_id = $1"] }
    /// The page cannot send. $1: page, $2: now, $3: until, $4: for what, $5: the first attempt it is for, $6: its
    /// credential. A hold that stands is its probe's to prolong.
    HOLD = "pages_hold" {
        both: ["UPDATE pages SET held_since = $2, held_until = $3, held_for = $4, holds = 1, generation = generation + 1,
                       probe = NULL, probe_until = NULL, probed_at = $2, tried_from = $5, held_credential = $6
                WHERE page_id = $1 AND held_since IS NULL"]
    }
    /// A held page that may be probed: generation, how often held in a row, planned for, last probe, and the earliest
    /// consent of those who wait. $1: page, $2: cut-off, $3: now.
    HELD = "pages_held" {
        both: ["SELECT generation, holds, held_until, probed_at,
                       (SELECT opted_in_at FROM optins
                        WHERE page_id = $1 AND state = 'pending' AND opted_out_at IS NULL AND opted_in_at > $2
                        ORDER BY opted_in_at, id LIMIT 1)
                FROM pages WHERE page_id = $1 AND held_since IS NOT NULL AND stopped_until <= $3 AND paused_until <= $3
                  AND (probe IS NULL OR probe_until <= $3) AND rewound_at IS NULL"]
    }
    /// The probe failed, or never left. $1: page, $2: until, $3: one more hold in a row, or none, $4: now.
    PROLONG = "pages_prolong" {
        both: ["UPDATE pages SET held_until = $2, holds = holds + $3, generation = generation + 1, probe = NULL,
                       probe_until = NULL, probed_at = $4
                WHERE page_id = $1"]
    }
    /// As PROLONG, where nobody was asked to probe yet. $1: page, $2: until, $3: now, $4: generation.
    PUT_OFF = "pages_put_off" {
        both: ["UPDATE pages SET held_until = $2, holds = holds + 1, generation = generation + 1, probed_at = $3
                WHERE page_id = $1 AND generation = $4 AND held_since IS NOT NULL AND (probe IS NULL OR probe_until <= $3)"]
    }
    /// The breaker's hold is over. $1: page.
    LIFT = "pages_lift" {
        both: ["UPDATE pages SET held_since = NULL, held_until = NULL, held_for = NULL, holds = 0, probe = NULL,
                       probe_until = NULL, probed_at = NULL, tried_from = NULL, held_credential = NULL
                WHERE page_id = $1"]
    }
    /// Attempts under way for a page. $1: page.
    UNDER_WAY = "pages_under_way" {
        both: ["SELECT fence FROM optins WHERE state = 'sending' AND page_id = $1 AND fence IS NOT NULL"]
    }
    /// An operator wants a page to go on: every node reads tokens and messages anew. $1: page.
    RESUMED = "pages_resumed" { both: ["UPDATE pages SET resume_seq = resume_seq + 1 WHERE page_id = $1"] }
    /// Adds people to a run of failures; returns people, since when, the first attempt. $1: page, $2: sort, $3: now,
    /// $4: people, $5: the first attempt of them.
    FAILED = "runs_failed" {
        both: ["INSERT INTO failure_runs (page_id, sort, since, people, attempt) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (page_id, sort) DO UPDATE SET people = failure_runs.people + excluded.people
                RETURNING people, since, attempt"]
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
