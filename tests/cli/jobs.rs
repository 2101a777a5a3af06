//! Jobs from the command line.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::site::Site;

/// A job file.
fn job(name: &str, task: &str, rest: &str) -> String {
    format!("name = \"{name}\"\ntask = \"{task}\"\nschedule = \"0 9-18 * * MON-FRI\"\n{rest}")
}

fn with_jobs(files: &[(&str, String)]) -> Site {
    let site = Site::new();
    std::fs::create_dir(site.path("jobs")).unwrap();
    for (name, text) in files {
        site.write(&format!("jobs/{name}.toml"), text);
    }
    let config = std::fs::read_to_string(site.path("firstword.toml")).unwrap();
    site.write("firstword.toml", format!("{config}[jobs]\ndir = \"jobs\"\n"));
    site
}

#[test]
fn jobs_are_listed_and_run_once_a_tick() {
    let site = Site::new();
    site.run("job list").assert().code(1).stderr(contains("there is no database"));
    site.done("migrate");
    let list = site.json("job list --json");
    let names: Vec<_> = list.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    let all = [
        "check-pages",
        "daily-report",
        "expire-unanswered",
        "purge",
        "send-batch",
        "settle-uncertain",
        "watch-deadlines",
    ];
    assert_eq!(names, all);
    assert_eq!(
        (&list[4]["enabled"], &list[4]["next"], &list[4]["runs"]),
        (&false.into(), &Value::Null, &Value::Array(vec![]))
    );
    assert!(list[0]["next"].as_str().unwrap().contains(":00.000Z"));
    assert!(site.done("job list").contains("not by the daemon"));

    assert!(site.done("job run expire-unanswered").starts_with("expire-unanswered done: expired 0, missed 0"));
    let again = site.done("job run expire-unanswered");
    assert!(again.contains("is taken: done") && again.contains("--now"), "{again}");
    assert_eq!(site.json("job run expire-unanswered --json")["result"], "taken");
    assert_eq!(site.json("job run expire-unanswered --now --json")["result"], "done");
    let story = site.json("job list expire-unanswered --json");
    let runs = story[0]["runs"].as_array().unwrap();
    assert!(runs.len() == 2 && runs.iter().all(|run| run["result"] == "done" && run["took_ms"].is_u64()), "{story}");
    assert!(site.done("job list expire-unanswered").contains("\"7 * * * *\" in UTC; the daemon runs it"));
    site.run("job run expire").assert().code(2).stderr(contains("expire-unanswered"));
    site.run("job list expire").assert().code(2).stderr(contains("there is no job"));
}

#[test]
fn a_run_that_fails_says_so_by_its_exit_code_and_an_alert() {
    let site = Site::new();
    site.done("migrate");
    let spoil = |text: &str| site.sql(text);
    spoil("ALTER TABLE optins RENAME COLUMN state_since TO since");
    site.run("job run purge").assert().code(1).stdout(contains("purge failed: "));
    spoil("ALTER TABLE optins RENAME COLUMN since TO state_since");
    assert_eq!(site.json("job list purge --json")[0]["runs"][0]["result"], "failed");
    assert_eq!(site.json("status --json")["alerts"][0]["kind"], "job_failing");
    site.done("job run purge --now");
    assert_eq!(site.json("status --json")["alerts"], Value::Array(vec![]));
}

#[test]
fn faults_of_all_job_files_are_told_before_anything_begins() {
    let bad = "name = \"a\"\ntask = \"sned\"\nschedule = \"soon\"\ntimezone = \"Mars\"\nspeed = 1\n";
    let site = with_jobs(&[("a", bad.to_owned()), ("b", job("b", "purge", "timeout = \"never\"\n"))]);
    for line in ["config check", "run", "job list", "job run b"] {
        let told = contains("task: \"sned\" is no task").and(contains("schedule: \"soon\" is no cron line"));
        let told = told.and(contains("timezone: \"Mars\"")).and(contains("speed: is not known"));
        site.run(line).assert().code(2).stderr(told.and(contains("b.toml: timeout: ")));
    }
    let output = site.run("config check --json").assert().code(2).get_output().stdout.clone();
    let faults: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(faults["faults"].as_array().unwrap().len(), 5, "{faults}");
    site.run("doctor --offline").assert().code(1).stdout(contains("\"sned\" is no task"));
}

#[test]
fn odd_schedules_are_warned_of() {
    let site = with_jobs(&[("watch", job("watch", "watch-deadlines", ""))]);
    let said = site.done("config check --offline");
    for word in ["does settle-uncertain", "does expire-unanswered"] {
        assert!(said.contains(word), "{word}\n{said}");
    }
    assert!(!said.contains("does watch-deadlines") && !said.contains("send.mode"), "{said}");
    site.write("jobs/batch.toml", job("b", "send-batch", "pages = [\"1\", \"9\"]\n"));
    let said = site.done("config check --offline");
    assert!(said.contains("has nothing to do") && said.contains("9 is not in the configuration"), "{said}");
    let config = std::fs::read_to_string(site.path("firstword.toml")).unwrap();
    site.write("firstword.toml", format!("{config}[send]\nmode = \"batch\"\n"));
    let said = site.done("config check --offline");
    assert!(said.contains("sends for the pages 2: until") && said.contains("leaves a pause of 63h after"), "{said}");
    site.write("jobs/batch.toml", job("b", "send-batch", "").replace(" MON-FRI", " *"));
    let said = site.done("config check --offline");
    assert!(!said.contains("send.mode") && !said.contains("pause"), "{said}");
    let shipped = Site::new();
    assert!(!shipped.done("config check --offline").contains("jobs"));
}
