//! Imports and exports.

use std::fs;

use assert_cmd::Command;
use predicates::str::contains;
use serde_json::Value;

use crate::site::{Site, ago};

#[test]
fn csv_is_imported_line_by_line() {
    let site = Site::new();
    let (fresh, old) = (ago(1), ago(40));
    let mut csv = format!(
        "opted_in_at,login_id,page_id,reference,plan\n{fresh},a,1,\"x, \"\"y\"\"\",p\n{fresh},b,1,,\n\n{old},c,2,,\n\
         {fresh},,1,,\nsoon,d,1,,\n{fresh},e\n{fresh},\"f,1,,\n{fresh},g,3,,\n{fresh},a,1,,\n"
    )
    .into_bytes();
    csv.extend(b"\xff\xfe\n\0\n");
    csv.extend("z".repeat(200_000).bytes());
    csv.extend(format!("\n{fresh},last,1,,").bytes());
    site.write("in.csv", csv);
    let first = site.run("optin import in.csv --bad bad.csv --batch 3").assert().code(4);
    let said = String::from_utf8(first.get_output().stderr.clone()).unwrap();
    for (line, reason) in [
        (6, "login_id is empty"),
        (7, "opted_in_at is neither"),
        (8, "has 2 columns where the header has 5"),
        (9, "leaves a quote open"),
        (12, "is not UTF-8"),
        (13, "has a NUL"),
        (14, "is longer than 64 KiB"),
    ] {
        assert!(said.contains(&format!("line {line}: {reason}")), "{line}: {said}");
    }
    assert!(said.contains("columns that are not read: plan"), "{said}");
    let out = String::from_utf8(first.get_output().stdout.clone()).unwrap();
    assert!(out.contains("13 lines") && out.contains("5 created, 1 duplicates, 7 bad"), "{out}");
    assert!(out.contains("1 came after their window") && out.contains("1 are for pages"), "{out}");
    assert_eq!(fs::read_to_string(site.path("bad.csv")).unwrap().lines().count(), 8);

    let again = site.run("optin import in.csv --json").assert().code(4).get_output().stdout.clone();
    let again: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!((&again["created"], &again["duplicates"], &again["bad"]), (&0.into(), &6.into(), &7.into()));
    assert_eq!(again["bad_lines"][0]["line"], 6);
    assert_eq!(site.json("optin show 1/a --json")["reference"], "x, \"y\"");
    assert_eq!(site.json("optin show 2/c --json")["reason"], "arrived_late");
}

#[test]
fn jsonl_is_imported_from_a_pipe_and_an_export_comes_back() {
    let site = Site::new();
    let at = ago(1);
    let input = format!(
        "{{\"page_id\": \"1\", \"login_id\": \"a\", \"opted_in_at\": {at}}}\nnonsense\n{{\"login_id\": \"b\"}}\n\
         {{\"login_id\": \"c\", \"opted_in_at\": \"{at}\"}}\n"
    );
    let first = site.run("optin import - --page 2").write_stdin(input).assert().code(4);
    let said = String::from_utf8(first.get_output().stderr.clone()).unwrap();
    assert!(said.contains("line 2: is not JSON") && said.contains("line 3: opted_in_at is empty"), "{said}");
    let exported = site.done("optin export");
    let keys = "page_id login_id state opted_in_at deadline attempts message_id psid opted_out_at reason id sent_at \
                replied_at window_open_until locale reference variant cycle";
    let row = exported.lines().next().unwrap();
    let mut places = keys.split(' ').map(|key| row.find(&format!("\"{key}\":")).unwrap());
    let mut before = places.next().unwrap();
    assert!(places.all(|place| std::mem::replace(&mut before, place) < place), "the keys have an order: {row}");
    assert!(row.contains("\"psid\":null"));
    let other = Site::new();
    let summary = other.run("optin import - --json").write_stdin(exported).assert().code(0).get_output().stdout.clone();
    assert_eq!(serde_json::from_slice::<Value>(&summary).unwrap()["created"], 2);
}

#[test]
fn imports_that_cannot_begin_say_why() {
    let site = Site::new();
    site.write("no-header.csv", "1,2,3\n");
    site.run("optin import no-header.csv").assert().code(2).stderr(contains("it lacks page_id, login_id"));
    site.write("empty.csv", "");
    site.run("optin import empty.csv").assert().code(2).stderr(contains("empty"));
    site.run("optin import nowhere.csv").assert().code(1).stderr(contains("nowhere.csv"));
    site.write("ids.csv", "login_id\na\nb\n");
    site.run("optin import ids.csv --page 1 --opted-in-at now").assert().code(0).stdout(contains("2 created"));
}

#[test]
fn exports_are_chosen_and_written_whole() {
    let site = Site::new();
    for login in ["a", "b"] {
        site.done(&format!("optin add --page 1 --login-id {login}"));
    }
    site.done("optin cancel 2");
    assert_eq!(site.done("optin export --state cancelled --fields login_id,id"), "{\"login_id\":\"b\",\"id\":2}\n");
    assert_eq!(site.done("optin export --format csv --fields id,psid"), "id,psid\n1,\n2,\n");
    site.run("optin export --fields id,name").assert().code(2).stderr(contains("name"));
    site.run("optin export --output out.jsonl").assert().code(0).stdout("").stderr(contains("2 opt-ins"));
    assert_eq!(fs::read_to_string(site.path("out.jsonl")).unwrap().lines().count(), 2);
    assert!(!site.path("out.jsonl.part").exists());
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let site = Site::new();
    let mut csv = "page_id,login_id,opted_in_at\n".to_owned();
    csv.extend((0..20_000).map(|n| format!("1,person-{n},{}\n", ago(1))));
    site.write("many.csv", csv);
    site.run("optin import many.csv").assert().code(0);
    let binary = assert_cmd::cargo::cargo_bin("firstword");
    let script = format!("{} optin export | head -n 1 >/dev/null; echo ${{PIPESTATUS[0]}}", binary.display());
    let output = Command::new("bash").arg("-c").arg(script).current_dir(site.0.path()).assert().get_output().clone();
    assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"0\n"[..], &b""[..]));
}
