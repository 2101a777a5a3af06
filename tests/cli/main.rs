//! The real binary, as an operator and their scripts use it, on a temporary SQLite file.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod files;
mod jobs;
mod people;
mod site;
mod watch;

use std::fs;

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use site::{Site, ago};

#[test]
fn help_names_every_command_and_its_examples() {
    let site = Site::new();
    let help = site.done("--help");
    for word in ["run", "demo", "sandbox", "migrate", "status", "optin", "config", "completions", "man", "Exit codes"] {
        assert!(help.contains(word), "{word}\n{help}");
    }
    for line in ["optin import --help", "optin export --help", "demo --help", "config check --help"] {
        assert!(site.done(line).contains("Examples:"), "{line}");
    }
    assert!(site.done("--version").starts_with("firstword 0."));
    site.run("optin lits").assert().code(2).stderr(contains("list"));
    site.run("--config nowhere.toml status").assert().code(2).stderr(contains("--config names it"));
    site.run("status --config nowhere.toml").assert().code(2);
}

#[test]
fn the_sample_is_a_beginning() {
    let site = Site::new();
    let sample = site.done("config sample");
    assert!(sample.contains("[[pages]]") && sample.contains("FIRSTWORD__SEND__MODE"));
    site.write("sample.toml", sample);
    site.run("--config sample.toml config check").assert().code(2).stderr(contains("access_token"));
}

#[test]
fn check_reports_all_faults_at_once() {
    let site = Site::new();
    let good = site.done("config check");
    for word in ["page      1", "| Hello, I am", "hard", "will be made"] {
        assert!(word == "hard" || good.contains(word), "{word}\n{good}");
    }
    assert!(!site.path("firstword.db").exists(), "a check makes no database");
    let check = site.json("config check --json --offline");
    assert_eq!((&check["ok"], &check["pages"][1]["id"]), (&Value::from(true), &Value::from("2")));
    site.write("firstword.toml", "[send]\nmode = \"soon\"\n[servr]\n[policy]\nwindow = \"48h\"\n");
    let all = contains("send.mode").and(contains("servr")).and(contains("policy.window")).and(contains("pages"));
    site.run("config check").assert().code(2).stderr(all);
    let output = site.run("config check --json").assert().code(2).get_output().stdout.clone();
    let faults: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!((&faults["ok"], faults["faults"].as_array().unwrap().len()), (&Value::from(false), 4));
    site.run("status").assert().code(2).stderr(contains("send.mode"));
}

#[test]
fn looking_makes_no_database() {
    let site = Site::new();
    for line in ["status", "optin list", "optin export", "optin show 1", "optin cancel 1"] {
        site.run(line).assert().code(1).stderr(contains("there is no database"));
    }
    assert!(site.done("migrate").contains("made"));
    assert!(site.done("migrate").contains("up to date"));
    assert_eq!(site.json("migrate --json")["made"], false);
    assert_eq!(site.done("optin export"), "");
}

#[test]
fn an_opt_in_from_beginning_to_end() {
    let site = Site::new();
    site.run("optin add --login-id a").assert().code(2).stderr(contains("--page"));
    let added = site.json("optin add --page 1 --login-id a --locale de_DE --reference r --json");
    assert_eq!((&added["result"], &added["state"], &added["id"]), (&"created".into(), &"pending".into(), &1.into()));
    assert!(site.done("optin add --page 1 --login-id a").contains("duplicate 1"));
    assert!(site.done("optin add --page 9 --login-id a").contains("not configured"));
    let late = format!("optin add --page 1 --login-id late --opted-in-at {}", ago(30));
    assert!(site.done(&late).contains("too late"));
    site.run("optin add --page 1 --login-id b --opted-in-at 2099-01-01T00:00:00Z").assert().code(2);

    let list = site.done("optin list");
    assert!(list.contains("LOGIN_ID") && list.contains("arrived_late"), "{list}");
    assert_eq!(site.lines("optin list --json --state pending").len(), 1);
    site.run("optin list --limit 1").assert().code(0).stderr(contains("--after 1"));
    assert_eq!(site.lines("optin list --json --after 1 --limit 1")[0]["id"], 2);

    let story = site.done("optin show 1/a");
    assert!(story.contains("what it means") && story.contains("waits for its turn"), "{story}");
    assert_eq!(site.json("optin show 1 --json")["reference"], "r");

    assert!(site.done("optin show 1").contains("hard stop"));
}

#[test]
fn orders_are_taken_where_they_make_sense() {
    let site = Site::new();
    site.done("optin add --page 1 --login-id a");
    site.done(&format!("optin add --page 1 --login-id late --opted-in-at {}", ago(30)));
    assert!(site.done("optin cancel 1").contains("pending -> cancelled"));
    site.run("optin cancel 1").assert().code(1).stderr(contains("only an opt-in that still waits"));
    assert!(site.done("optin retry 1").contains("cancelled -> pending"));
    site.run("optin retry 1 late").assert().code(1).stderr(contains("window is over"));
    let both = site.run("optin cancel 1 late --json").assert().code(4).get_output().stdout.clone();
    assert_eq!(String::from_utf8(both).unwrap().lines().count(), 2);
    assert!(site.done("optin opt-out 1/a").contains("cancelled"));
    site.run("optin retry 1").assert().code(1).stderr(contains("said stop"));
    site.run("optin show nobody").assert().code(1).stderr(contains("no opt-in is known"));
}

#[test]
fn status_counts_by_page() {
    let site = Site::new();
    for line in ["--page 1 --login-id a", "--page 1 --login-id b", "--page 9 --login-id a"] {
        site.done(&format!("optin add {line}"));
    }
    let status = site.json("status --json");
    assert_eq!(status["total"], 3);
    assert_eq!((&status["pages"][0]["id"], &status["pages"][0]["states"]["pending"]), (&"1".into(), &2.into()));
    assert_eq!((&status["pages"][1]["total"], &status["pages"][2]["configured"]), (&0.into(), &false.into()));
    assert_eq!(status["alerts"][0]["kind"], "unknown_page");
    assert!(site.done("status").contains("not in this configuration"));
}

#[test]
fn whoever_may_be_several_is_named_by_number() {
    let site = Site::new();
    for page in [1, 2] {
        site.done(&format!("optin add --page {page} --login-id 777"));
    }
    let several = contains("page 1").and(contains("page 2")).and(contains("number"));
    site.run("optin show 777").assert().code(2).stderr(several);
    site.run("optin cancel 777").assert().code(2);
    assert_eq!(site.json("optin show 777 --page 2 --json")["id"], 2);
    assert_eq!(site.json("optin show 2/777 --json")["id"], 2);
    assert_eq!(site.json("optin show 1 --json")["page_id"], "1");
    site.run("optin show 1 --page 2").assert().code(1);
    site.run("optin show psid:5").assert().code(1);
}

#[test]
fn databases_that_do_not_fit_are_refused() {
    let site = Site::new();
    site.write("firstword.db", "this is no database, and has never been one. ".repeat(40));
    for line in ["status", "migrate", "config check", "optin add --page 1 --login-id a"] {
        site.run(line).assert().code(3).stderr(contains("no database"));
    }
    fs::remove_file(site.path("firstword.db")).unwrap();
    site.done("migrate");
    newer(&site);
    for line in ["status", "migrate", "optin list"] {
        site.run(line).assert().code(3).stderr(contains("newer firstword"));
    }
}

/// Leaves the mark of a migration that this version does not know.
#[tokio::main(flavor = "current_thread")]
async fn newer(site: &Site) {
    use sqlx::{Connection, SqliteConnection};
    let url = format!("sqlite://{}", site.path("firstword.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
}

#[test]
fn completions_and_manual_pages_are_made() {
    let site = Site::new();
    for (shell, word) in [("bash", "complete -F"), ("zsh", "#compdef firstword"), ("fish", "complete -c firstword")] {
        assert!(site.done(&format!("completions {shell}")).contains(word), "{shell}");
    }
    assert!(site.done("man").contains(".TH firstword 1"));
    site.done("man pages");
    assert!(site.path("pages/firstword-optin-import.1").exists());
}

#[test]
fn doctor_tells_what_is_wrong_and_what_to_do() {
    let site = Site::new();
    site.run("doctor --offline").assert().code(1).stdout(contains("there is no database").and(contains("-> ")));
    site.done("migrate");
    let fine = site.done("doctor --offline");
    for word in
        ["SQLite 3.", "wal", "may send", "reset_messenger_state=1", "Page ID is not valid", "messenger.app_secret"]
    {
        assert!(fine.contains(word), "{word}\n{fine}");
    }
    site.write("firstword.toml", format!("{PAGE}[messenger]\ngraph_url = \"http://127.0.0.1:9\"\n"));
    let output = site.run("doctor --json").assert().code(1).get_output().stdout.clone();
    let told: Value = serde_json::from_slice(&output).unwrap();
    let problems = told["findings"].as_array().unwrap().iter().filter(|finding| finding["severity"] == "problem");
    assert_eq!(problems.map(|finding| finding["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["platform"]);
    site.write("firstword.toml", "[send]\nmode = \"soon\"\n");
    site.run("doctor").assert().code(1).stdout(contains("send.mode"));
}

const PAGE: &str = "[[pages]]\nid = \"1\"\naccess_token = \"t-1\"\nmessage = \"hello.json\"\n";

#[test]
fn attempts_of_unknown_end_are_settled() {
    let site = Site::new();
    for login in ["a", "b", "c"] {
        site.done(&format!("optin add --page 1 --login-id {login}"));
    }
    in_doubt(&site);
    let told = site.json("optin doubts --page 1 --json");
    assert_eq!((&told["in_doubt"], &told["held"], &told["echoed"]), (&2.into(), &2.into(), &0.into()));
    for line in ["optin doubts", "optin show 1"] {
        assert!(site.done(line).contains("0 of 300 accepted messages in a row were echoed"), "{line}");
    }
    assert!(site.done("status").contains("2 in doubt"));
    site.run("optin doubts --trust").assert().code(2).stderr(contains("--page"));
    site.run("optin doubts --trust --page 1").assert().code(0).stderr(contains("nothing was proved"));
    site.run("optin settle 1").assert().code(2).stderr(contains("--sent"));
    site.run("optin settle --sent").assert().code(2).stderr(contains("--before"));
    site.run("optin settle 1 --sent --not-sent").assert().code(2);
    site.run("optin settle --before 2099-01-01T00:00:00Z --sent").assert().code(2).stderr(contains("lies ahead"));
    site.run("optin settle 3 --sent").assert().code(1).stderr(contains("only what is uncertain"));
    assert!(site.done("optin settle 1 --sent").contains("1: uncertain -> sent"));
    let settled = site.json(&format!("optin settle --page 1 --before {} --not-sent --json", ago(0)));
    assert_eq!(settled["settled"], 1);
    let states: Vec<_> = site.lines("optin export").iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["sent", "retrying", "pending"]);
}

/// Puts the first two opt-ins in doubt, as a crash would.
#[tokio::main(flavor = "current_thread")]
async fn in_doubt(site: &Site) {
    use sqlx::{Connection, SqliteConnection};
    let url = format!("sqlite://{}", site.path("firstword.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE optins SET state = 'uncertain', maybe_greeted_at = state_since, lease_until = 1, attempts = 1 WHERE id < 3")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

#[test]
fn erasing_is_asked_for_twice_and_leaves_nothing() {
    let site = Site::new();
    for page in [1, 2] {
        site.done(&format!("optin add --page {page} --login-id 777"));
    }
    site.done("optin add --page 1 --login-id anna");
    site.run("optin erase 777").assert().code(2).stderr(contains("--yes"));
    assert_eq!(site.json("status --json")["total"], 3);
    // On every page where the person is known, by whichever name.
    let erased = site.json("optin erase --yes --json 777");
    assert_eq!((&erased["optins"], &erased["pages"]), (&2.into(), &serde_json::json!(["1", "2"])));
    assert_eq!(site.json("optin erase 1/anna --yes --json")["optins"], 1);
    assert_eq!(site.json("status --json")["total"], 0);
    site.run("optin add --page 2 --login-id 777").assert().stderr(contains("erased"));
    // Nobody is known by these: they are remembered all the same.
    assert!(site.done("optin erase --yes psid:5 login:zoe").contains("0 opt-ins"));
    site.run("optin erase --yes asid:5").assert().code(2).stderr(contains("login.client_token"));
    site.run("optin add --page 1 --login-id zoe").assert().stderr(contains("erased"));
}
