//! `firstword check` and `firstword alert`.

use predicates::prelude::*;
use predicates::str::{contains, starts_with};
use serde_json::Value;

use crate::site::{Site, ago};

fn json(site: &Site, line: &str, code: i32) -> Value {
    let output = site.run(line).assert().code(code).get_output().stdout.clone();
    serde_json::from_slice(&output).unwrap()
}

#[test]
fn a_check_answers_as_a_nagios_plugin() {
    let site = Site::new();
    site.run("check").assert().code(2).stdout(contains("CRITICAL - the database cannot be read: there is no database"));
    assert!(!site.path("firstword.db").exists(), "a check makes no database");
    site.done("migrate");
    site.run("check")
        .assert()
        .code(2)
        .stdout(contains("CRITICAL - no daemon ever ran").and(contains(" | missed=0;;0;0")));
    let alone = "check --critical heartbeat=off";
    site.run(alone).assert().code(0).stdout(starts_with("FIRSTWORD OK - 0 missed in the last 1h, 0 at risk"));

    site.done(&format!("optin add --page 1 --login-id anna --opted-in-at {}", ago(23)));
    site.run(alone)
        .assert()
        .code(1)
        .stdout(starts_with("FIRSTWORD WARNING - 1 at risk within 2h").and(contains("next_deadline=")));
    let told = json(&site, &format!("{alone} --warning next_deadline=1h,at_risk=1 --json"), 1);
    let measures = &told["measures"];
    assert_eq!((&told["status"], &measures["at_risk"]["value"]), (&"warning".into(), &1.into()));
    assert_eq!(
        (&measures["at_risk"]["status"], &measures["next_deadline"]["status"]),
        (&"ok".into(), &"warning".into())
    );
    site.run(&format!("{alone},next_deadline=2h")).assert().code(2);
    site.run(&format!("{alone} --warning at_risk=1")).assert().code(0);

    site.done(&format!("optin add --page 1 --login-id bert --opted-in-at {}", ago(30)));
    let missed = contains("1 missed in the last 1h").and(contains("1 open alerts"));
    site.run(alone).assert().code(2).stdout(missed);
    site.run("check --warning sent=1").assert().code(2).stderr(contains("next_deadline"));
}

#[test]
fn what_a_check_cannot_judge_is_unknown() {
    let site = Site::new();
    site.write("firstword.db", "this is no database, and has never been one. ".repeat(40));
    site.run("check").assert().code(3).stdout(contains("UNKNOWN - the database cannot be read"));
    site.write("firstword.toml", "[send]\nmode = \"soon\"\n");
    site.run("check")
        .assert()
        .code(3)
        .stdout(contains("UNKNOWN - the configuration is faulty: ").and(contains("send.mode is")));
    assert_eq!(json(&site, "check --json", 3)["code"], 3);
}

#[test]
fn alerts_are_listed_and_their_places_tried() {
    let site = Site::new();
    site.done("optin add --page 9 --login-id anna");
    let list = json(&site, "alert list --json", 0);
    assert_eq!((&list["alerts"][0]["kind"], &list["alerts"][0]["cause"]), (&"unknown_page".into(), &"9".into()));
    assert!(site.done("alert list").contains("unknown_page"));
    site.run("alert test").assert().code(0).stdout("log: told\n").stderr(contains("somebody tries"));
    let config = std::fs::read_to_string(site.path("firstword.toml")).unwrap();
    let got = site.path("got");
    let program = |text: &str| {
        site.write("firstword.toml", format!("[alerts]\ncommand = [\"/bin/sh\", \"-c\", \"{text}\"]\n{config}"));
    };
    program(&format!("cat > {}", got.display()));
    site.run("alert unit firstword.service").assert().code(0).stdout(contains("command: told"));
    let notice: Value = serde_json::from_str(&std::fs::read_to_string(&got).unwrap()).unwrap();
    assert_eq!((&notice["kind"], &notice["cause"]), (&"unit_failed".into(), &"firstword.service".into()));
    assert!(notice["text"].as_str().unwrap().contains("journalctl -u firstword.service"), "{notice}");
    program("exit 7");
    let told = json(&site, "alert test --json", 1);
    assert_eq!(told[1]["error"], "/bin/sh ended with exit status: 7");
}
