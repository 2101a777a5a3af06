//! Floor 3: jobs, the cron-driven side of the daemon.
//!
//! `spec` reads `jobs/*.toml`; `bell` rings every second; `runner` decides by each job's own schedule and zone what is
//! due, takes the tick as a row (one node a tick, no overlap), and runs the task with a time-out. What a task does is
//! not known here: the wiring hands the runner a function for each.

mod bell;
mod runner;
mod spec;

pub use runner::{Runner, Running, Task, Tasks, run};
pub use spec::{CatchUp, Spec, parse, shipped};
