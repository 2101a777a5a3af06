//! The ticks of jobs.

use crate::store::sql::statements;

statements! {
    /// PostgreSQL: one node at a time looks whether a job runs. $1: name.
    LOCK_JOB = "jobs_lock" {
        sqlite: ["SELECT 0 WHERE $1 IS NULL"],
        postgres: ["SELECT count(pg_advisory_xact_lock(26991, hashtext($1)))"]
    }
    /// Takes a tick: nobody has it, or whoever had it is gone. $1: name, $2: tick, $3: node, $4: now, $5: lease.
    TAKE_TICK = "jobs_take_tick" {
        both: ["INSERT INTO job_runs (name, tick, node, started_at, lease_until) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (name, tick) DO UPDATE SET node = excluded.node, started_at = excluded.started_at,
                    lease_until = excluded.lease_until
                WHERE job_runs.ended_at IS NULL AND job_runs.lease_until <= $4
                RETURNING id, started_at"]
    }
    /// Whether another run of the job still holds its lease. $1: name, $2: now, $3: not this tick.
    JOB_RUNNING = "jobs_running" {
        both: ["SELECT count(*) FROM job_runs WHERE name = $1 AND ended_at IS NULL AND lease_until > $2 AND tick <> $3"]
    }
    /// Ends a tick, if it is still ours. $1: id, $2: started at, $3: now, $4: result, $5: detail.
    END_TICK = "jobs_end_tick" {
        both: ["UPDATE job_runs SET ended_at = $3, result = $4, detail = $5 WHERE id = $1 AND started_at = $2 AND ended_at IS NULL"]
    }
    /// The latest tick of a job that was taken. $1: name.
    LAST_TICK = "jobs_last_tick" { both: ["SELECT tick FROM job_runs WHERE name = $1 ORDER BY tick DESC LIMIT 1"] }
    /// The latest runs. $1: how many.
    RUNS = "jobs_runs" {
        both: ["SELECT name, tick, node, started_at, ended_at, result, detail, lease_until FROM job_runs ORDER BY id DESC LIMIT $1"]
    }
    /// Forgets old runs, but for the latest of each job. $1: before, $2: how many.
    DROP_RUNS = "jobs_drop_runs" {
        both: ["DELETE FROM job_runs WHERE id IN (
                    SELECT o.id FROM job_runs AS o
                    WHERE o.tick < $1 AND o.tick < (SELECT max(tick) FROM job_runs AS r WHERE r.name = o.name) LIMIT $2)"]
    }
    /// Since when a job is known; from now on, if it was not. $1: name, $2: now.
    MEET = "jobs_meet" {
        both: ["INSERT INTO jobs (name, since) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET since = jobs.since
                RETURNING since"]
    }
    /// Ticks that whoever took them left behind. $1: name, $2: now, $3: none older.
    LEFT = "jobs_left" {
        both: ["SELECT tick FROM job_runs WHERE name = $1 AND ended_at IS NULL AND lease_until <= $2 AND tick > $3 ORDER BY tick"]
    }
    /// Keeps a tick for longer, if it is still ours. $1: id, $2: started at, $3: lease.
    RENEW_TICK = "jobs_renew_tick" {
        both: ["UPDATE job_runs SET lease_until = $3 WHERE id = $1 AND started_at = $2 AND ended_at IS NULL"]
    }
    /// One run. $1: name, $2: tick.
    RUN = "jobs_run" {
        both: ["SELECT name, tick, node, started_at, ended_at, result, detail, lease_until FROM job_runs WHERE name = $1 AND tick = $2"]
    }
    /// The latest runs of one job. $1: name, $2: how many.
    RUNS_OF = "jobs_runs_of" {
        both: ["SELECT name, tick, node, started_at, ended_at, result, detail, lease_until FROM job_runs WHERE name = $1
                ORDER BY tick DESC LIMIT $2"]
    }
}
