//! What the platform's rules ask of what an operator is shown: windows, audiences, answer rates, explanations.

use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use crate::site::{Site, derived};

fn four_people() -> Site {
    let site = Site::new();
    for login in ["a", "b", "c", "d"] {
        site.done(&format!("optin add --page 1 --login-id {login}"));
    }
    site
}

#[test]
fn whoever_answered_is_exported_with_their_window_and_as_an_audience() {
    let site = four_people();
    let replied =
        "state = 'answered', sent_at = state_since, maybe_greeted_at = state_since, replied_at = 1795338000000";
    site.sql(&format!("UPDATE optins SET {replied}, psid = 'p' || id WHERE login_id IN ('a', 'b')"));
    site.sql("UPDATE optins SET opted_out_at = 1795338000000 WHERE login_id = 'b'");
    let answered = site.lines("optin export --state answered");
    assert_eq!(answered.len(), 1, "whoever said stop is left out: {answered:?}");
    let (replied, until) = (&answered[0]["replied_at"], &answered[0]["window_open_until"]);
    assert_eq!((replied, until), (&"2026-11-22T09:00:00.000Z".into(), &"2026-11-23T09:00:00.000Z".into()));
    assert_eq!(site.done("optin export --state answered --fields psid --format csv"), "psid\np1\n");
    let waiting = site.lines("optin export --state pending --fields login_id,window_open_until,psid");
    assert_eq!((waiting.len(), &waiting[0]["window_open_until"]), (2, &Value::Null));
}

#[test]
fn answer_rates_are_told_by_variant() {
    let site = four_people();
    let sent = "state = 'sent', sent_at = state_since, maybe_greeted_at = state_since";
    site.sql(&format!("UPDATE optins SET {sent}, variant = CASE WHEN id < 4 THEN 'warm' ELSE 'short' END"));
    site.sql("UPDATE optins SET state = 'answered', replied_at = state_since, psid = 'p' WHERE login_id = 'a'");
    let variants = site.json("status --json")["pages"][0]["variants"].clone();
    assert_eq!(
        (&variants[0]["name"], &variants[0]["sent"], &variants[0]["answer_rate"]),
        (&"short".into(), &1.into(), &0.0.into())
    );
    assert_eq!((&variants[1]["sent"], &variants[1]["answered"]), (&3.into(), &1.into()));
    let shown = site.done("status");
    assert!(shown.contains("variants") && shown.contains("33.3%"), "{shown}");
    let report = site.done("job run daily-report");
    assert!(report.contains("answered 1") && report.contains("opted_in 4") && report.contains("sent 4"), "{report}");
}

#[test]
fn the_two_errors_of_the_faq_are_explained() {
    let site = four_people();
    let attempt = |optin: u8, code: &str, detail: &str| {
        format!(
            "INSERT INTO attempts (optin_id, cycle, number, node, credential, started_at, ended_at, outcome, http_status, code, detail)
             VALUES ({optin}, 1, 1, 'n', 'c', 1795338000000, 1795338000001, 'page_hold', 400, {code}, '{detail}')"
        )
    };
    site.sql(&attempt(1, "100", "(#100) Param recipient[id] must be a valid ID string (e.g., \"123\")"));
    site.sql(&attempt(2, "NULL", "Page ID is not valid"));
    site.run("optin show 1")
        .assert()
        .code(0)
        .stdout(contains("pages_messaging").and(contains("always uses `login_id`")));
    site.run("optin show 2").assert().code(0).stdout(contains("has no role in the app"));
    site.run("doctor --offline")
        .assert()
        .code(0)
        .stdout(contains("has no role in the app").or(contains("pages_messaging")));
    site.run("doctor --offline").assert().stdout(contains("\"Page ID is not valid\" at the login means"));
}

#[test]
fn an_operator_stops_people_nobody_knows_yet() {
    let site = Site::new();
    site.run("optin opt-out zoe").assert().code(1).stderr(contains("there is no database"));
    site.done("migrate");
    let told = site.done("optin opt-out zoe --page 1");
    assert!(told.contains("nobody here has that login_id") && told.contains("10m after this"), "{told}");
    // The opt-in that comes then is not sent to, the next one is.
    for login in ["zoe", "yves"] {
        site.done(&format!("optin add --page 1 --login-id {login}"));
    }
    let rows = site.lines("optin export --fields login_id,state,reason");
    let states: Vec<_> = rows.iter().map(|row| (&row["login_id"], &row["state"], &row["reason"])).collect();
    let stopped = (&"zoe".into(), &"opted_out".into(), &"operator".into());
    assert_eq!(states, [stopped, (&"yves".into(), &"pending".into(), &Value::Null)]);
    // Once known, they are named as everybody is. A number that no opt-in has is a login_id, on every page.
    assert!(site.done("optin opt-out zoe yves").contains("pending -> opted_out"));
    let pages = site.lines("optin opt-out 777 --json");
    let told = |n: usize| (&pages[n]["page_id"], &pages[n]["result"], &pages[n]["state"], pages[n]["id"].is_number());
    assert_eq!(pages.len(), 2);
    for (n, page) in ["1", "2"].into_iter().enumerate() {
        assert_eq!(told(n), (&page.into(), &"recorded".into(), &"opted_out".into(), true), "{pages:?}");
    }
    assert_eq!(site.lines("optin opt-out 2/abe --json")[0]["page_id"], "2");
    site.run("optin opt-out 777").assert().code(2).stderr(contains("may be any of these"));
    // Whoever was erased stays so.
    site.done("optin erase --yes --page 1 login:anna");
    assert!(site.done("optin opt-out anna --page 1").contains("nothing is stored"));
    assert_eq!(site.lines("optin list --json").len(), 5);
}

#[test]
fn a_stop_by_psid_alone_meets_the_opt_in_that_is_theirs() {
    let site = Site::new();
    site.done("migrate");
    let told = site.json("optin opt-out psid:77 --page 1 --json");
    assert_eq!((&told["result"], &told["id"], &told["state"]), (&"recorded".into(), &Value::Null, &Value::Null));
    assert!(site.done("optin opt-out psid:77 --page 1").contains("nobody here is known by that PSID"));
    for login in ["zoe", "yves"] {
        site.done(&format!("optin add --page 1 --login-id {login}"));
    }
    // Another app of the page writes to both, which tells their PSIDs.
    for (login, psid) in [("zoe", "77"), ("yves", "78")] {
        site.echo(login, psid);
    }
    let rows = site.lines("optin export --fields login_id,psid,state,opted_out_at");
    let stopped: Vec<_> = rows.iter().map(|row| (&row["psid"], row["opted_out_at"].is_string())).collect();
    assert_eq!(stopped, [(&"77".into(), true), (&"78".into(), false)]);
    assert_eq!(rows[0]["state"], "opted_out");
}

#[test]
fn an_app_scoped_id_is_erased_by_the_login_ids_it_leads_to() {
    let site = Site::new();
    derive(&site);
    for page in [1, 2] {
        site.done(&format!("optin add --page {page} --login-id {}", derived("5", &page.to_string())));
    }
    site.done("optin add --page 1 --login-id anna");
    let one = site.json("optin erase --yes --json --page 2 asid:5");
    assert_eq!((&one["optins"], &one["pages"]), (&1.into(), &serde_json::json!(["2"])));
    let both = site.json("optin erase --yes --json asid:5");
    assert_eq!((&both["optins"], &both["pages"]), (&1.into(), &serde_json::json!(["1", "2"])));
    let left: Vec<_> = site.lines("optin export").iter().map(|line| line["login_id"].clone()).collect();
    assert_eq!(left, ["anna"]);
    for page in ["1", "2"] {
        let again = format!("optin add --page {page} --login-id {}", derived("5", page));
        site.run(&again).assert().code(4).stderr(contains("erased"));
    }
}

/// Configures what login_ids are derived with.
fn derive(site: &Site) {
    let config = std::fs::read_to_string(site.path("firstword.toml")).unwrap();
    site.write("firstword.toml", format!("{config}[login]\napp_id = \"66\"\nclient_token = \"client\"\n"));
}

#[test]
fn an_app_scoped_id_is_stopped_by_the_login_id_it_leads_to() {
    let site = Site::new();
    site.done("migrate");
    site.run("optin opt-out asid:5").assert().code(2).stderr(contains("login.client_token"));
    derive(&site);
    let (one, two) = (derived("5", "1"), derived("5", "2"));
    site.done(&format!("optin add --page 1 --login-id {one}"));
    let told = site.lines("optin opt-out asid:5 --json");
    let results: Vec<_> = told.iter().map(|line| (&line["page_id"], &line["result"])).collect();
    assert_eq!(results, [(&"1".into(), &"applied".into()), (&"2".into(), &"recorded".into())]);
    for login in [one, two] {
        assert_eq!(site.json(&format!("optin show {login} --json"))["state"], "opted_out", "{login}");
    }
}

#[test]
fn the_login_url_asks_again_for_a_page() {
    let site = Site::new();
    site.run("login-url --page 1").assert().code(2).stderr(contains("messenger.app_id"));
    let config = std::fs::read_to_string(site.path("firstword.toml")).unwrap();
    site.write("firstword.toml", format!("{config}[messenger]\napp_id = \"55\"\napi_version = \"v25.0\"\n"));
    let url = site.done("login-url --page 2 --redirect-uri https://shop.example/back?x=1");
    assert_eq!(
        url,
        "https://www.facebook.com/v25.0/dialog/oauth?client_id=55&redirect_uri=https%3A%2F%2Fshop.example%2Fback%3Fx%3D1&\
         auth_type=rerequest&scope=email,user_messenger_contact&messenger_page_id=2&reset_messenger_state=1\n"
    );
    site.run("login-url").assert().code(2).stderr(contains("--page: 1, 2"));
    site.run("login-url --page 3").assert().code(2).stderr(contains("not in the configuration"));
    site.write("firstword.toml", format!("{config}[messenger]\napp_id = \"55\"\n[login]\napp_id = \"66\"\n"));
    let told = site.json("login-url --page 1 --json");
    assert!(told["url"].as_str().unwrap().contains("client_id=66&"), "the app people log in with: {told}");
}
