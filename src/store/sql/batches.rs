//! Batches: which page sends one, to whom, until when.

use crate::store::sql::statements;

statements! {
    /// Opens a batch. $1: page, $2: whoever opted in up to then, $3: until when.
    OPEN = "batches_open" {
        both: ["INSERT INTO batches (page_id, up_to, open_until) VALUES ($1, $2, $3)
                ON CONFLICT (page_id) DO UPDATE SET up_to = excluded.up_to, open_until = excluded.open_until
                WHERE batches.up_to <= excluded.up_to"]
    }
    /// Closes it, unless a later one was opened. $1: page, $2: up to, as opened, $3: now.
    CLOSE = "batches_close" {
        both: ["UPDATE batches SET open_until = $3 WHERE page_id = $1 AND up_to = $2 AND open_until > $3"]
    }
    /// Draws it back to those before the first who was never tried: whoever is left waits for the next one, and must not
    /// be walked over by every claim. $1: page, $2: up to, as opened, $3: cut-off.
    DRAW_BACK = "batches_draw_back" {
        both: ["UPDATE batches SET up_to = COALESCE((SELECT opted_in_at - 1 FROM optins
                    WHERE page_id = $1 AND state = 'pending' AND opted_in_at > $3 AND opted_in_at <= $2 AND attempts = 0
                    ORDER BY opted_in_at, id LIMIT 1), up_to)
                WHERE page_id = $1 AND up_to = $2"]
    }
    /// All of them: page, up to, open until.
    ALL_PAGES = "batches_all" { both: ["SELECT page_id, up_to, open_until FROM batches ORDER BY page_id"] }
    /// How many of a batch wait for a claim. $1: page, $2: cut-off, $3: up to.
    WAITING = "batches_waiting" {
        both: ["SELECT count(*) FROM optins WHERE page_id = $1 AND state = 'pending' AND opted_in_at > $2 AND opted_in_at <= $3"]
    }
    /// Whether something of a batch is left to do: somebody waits, is being sent to, or is tried again soon. $1: page,
    /// $2: cut-off, $3: up to, $4: soon.
    LEFT = "batches_left" {
        sqlite: ["SELECT CASE WHEN
                  EXISTS (SELECT 1 FROM optins WHERE page_id = $1 AND state = 'pending' AND opted_out_at IS NULL
                            AND opted_in_at > $2 AND opted_in_at <= $3)
               OR EXISTS (SELECT 1 FROM optins INDEXED BY optins_new WHERE page_id = $1 AND state = 'new' AND opted_in_at <= $3)
               OR EXISTS (SELECT 1 FROM optins INDEXED BY optins_lease WHERE page_id = $1 AND state = 'sending' AND opted_in_at <= $3)
               OR EXISTS (SELECT 1 FROM optins INDEXED BY optins_due WHERE page_id = $1 AND state = 'retrying' AND opted_in_at <= $3
                            AND next_attempt_at <= $4)
                  THEN 1 ELSE 0 END"],
        postgres: ["SELECT CASE WHEN
                  EXISTS (SELECT 1 FROM optins WHERE page_id = $1 AND state = 'pending' AND opted_out_at IS NULL
                            AND opted_in_at > $2 AND opted_in_at <= $3)
               OR EXISTS (SELECT 1 FROM optins WHERE page_id = $1 AND state = 'new' AND opted_in_at <= $3)
               OR EXISTS (SELECT 1 FROM optins WHERE page_id = $1 AND state = 'sending' AND opted_in_at <= $3)
               OR EXISTS (SELECT 1 FROM optins WHERE page_id = $1 AND state = 'retrying' AND opted_in_at <= $3
                            AND next_attempt_at <= $4)
                  THEN 1::bigint ELSE 0::bigint END"]
    }
}
