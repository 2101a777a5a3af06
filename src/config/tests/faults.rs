//! Faults and warnings: all of them, and each with what to do.

use std::time::Duration;

use super::super::Faults;
use super::{PAGE, Site, site};

const EVERYTHING_WRONG: &str = r#"
        colour = "blue"
        [database]
        url = "mysql://root:hunter2@db/x"
        [server]
        listen = "localhost:8080"
        max_body = "lots"
        [messenger]
        graph_url = "http://graph.facebook.com"
        api_version = "26"
        [send]
        mode = "contnuous"
        max_in_flight = 0
        poll_intervall = "1s"
        [policy]
        uncertain = "retry"
        window = "25h"
        greet_again = "yes"
        stop_words = ["stop", " "]
        [retry]
        initial_interval = "1m"
        max_interval = "5s"
        multiplier = 0.5
        [alerts]
        webhook_url = "mailto:me"
        command = "page-me now"
        [jobs]
        dir = "nowhere"
        [[pages]]
        id = "1"
        message = "missing.json"
        rate_per_second = nan
        [[pages]]
        id = ""
        access_token = ""
        message = "bad.json"
    "#;

const EXPECTED: [&str; 24] = [
    "database.url: is not the address of a database we know",
    r#"server.listen: is "localhost:8080"; use an IP address and a port"#,
    r#"server.max_body: is "lots"; use 64KiB to 256MiB"#,
    "messenger.graph_url: is \"http://graph.facebook.com\"; use https://",
    "messenger.api_version: is \"26\"; use a version such as \"v26.0\"",
    r#"send.mode: is "contnuous"; use "continuous" or "batch""#,
    "send.max_in_flight: is 0; use 1 to 1000",
    r#"send.poll_intervall: is not a known key; did you mean "poll_interval"?"#,
    r#"policy.uncertain: is "retry"; use "evidence" or "hold" or "resend""#,
    r#"policy.window: is "25h"; use 1s to 24h, written"#,
    r#"policy.greet_again: is "yes"; use true or false"#,
    "policy.stop_words: is not a list of texts, none of them empty",
    "retry.max_interval: is shorter than retry.initial_interval",
    "retry.multiplier: is 0.5; use 1 to 10",
    "alerts.webhook_url: is not an address on the web",
    "alerts.command: is not a list of texts",
    "jobs.dir: is no directory",
    "pages[0].access_token: is missing; set it, or access_token_file, or give systemd the credential page.1.access_token",
    "pages[0].message: cannot be read from",
    "pages[0].rate_per_second: is nan; use 0.001 to 1000000",
    "pages[1].id: is \"\"; use the page's id",
    "pages[1].access_token: is empty",
    "bad.json: says nothing",
    "colour: is not a known section",
];

#[test]
fn every_fault_is_reported_at_once() {
    let site = Site::new(EVERYTHING_WRONG);
    site.write("bad.json", "{}");
    let all = Faults(site.faults()).to_string();
    for expected in EXPECTED {
        assert!(all.contains(expected), "{expected}\nis not in\n{all}");
    }
    assert!(!all.contains("hunter2") && !all.contains("mailto"), "{all}");
}

#[test]
fn variables_that_set_nothing_are_faults() {
    for (name, expected) in [
        ("FIRSTWORD__SEND__MOD", "sets no known key; did you mean FIRSTWORD__SEND__MODE?"),
        ("FIRSTWORD__SEND", "sets no known key"),
        ("FIRSTWORD__send__mode", "sets no known key; did you mean FIRSTWORD__SEND__MODE?"),
        ("FIRSTWORD__PAGES__2__ID", "sets no known key; did you mean FIRSTWORD__PAGES__0__ID?"),
        ("FIRSTWORD__SOMETHING__ELSE", "sets no known key; unset it"),
        ("FIRSTWORD__POLICY__STOP_WORDS__1", "sets no known key"),
    ] {
        let fault = site("").with(name, "stop").fault();
        assert!(fault.starts_with(&format!("environment: {name}: {expected}")), "{fault}");
    }
    let fault = site("").with("FIRSTWORD__SEND__MAX_IN_FLIGHT", "many").fault();
    assert_eq!(fault, r#"environment: FIRSTWORD__SEND__MAX_IN_FLIGHT: is "many"; use 1 to 1000"#);
    assert!(site("").with("FIRSTWORD_LOG", "debug").load().is_ok());
}

#[test]
fn what_leaves_nothing_of_the_window_is_refused_with_the_sum() {
    let fault = site("[policy]\nwindow = \"1m\"\nsafety_margin = \"50s\"\n[send]\nstart_within = \"1s\"").fault();
    assert!(fault.starts_with("firstword.toml: policy.window: is 1m, but"), "{fault}");
    assert!(fault.contains("request_timeout 10s = 1m 1s leave nothing of it"), "{fault}");
    let config = site("[policy]\nwindow = \"62s\"\nsafety_margin = \"50s\"\n[send]\nstart_within = \"1s\"").config();
    assert_eq!(config.policy.window.usable(), Duration::from_secs(1));
    assert!(config.warnings.iter().any(|warning| warning.starts_with("alerts.at_risk")));
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let text = format!("[messenger]\napi_version = \"v9.0\"\n{PAGE}rate_per_second = 301");
    let config = Site::new(&text).config();
    let warns = |start: &str| config.warnings.iter().any(|warning| warning.starts_with(start));
    assert!(warns("messenger.api_version: v9.0") && warns("pages 1: rate_per_second is 301"), "{:?}", config.warnings);
    let sandbox = format!("[messenger]\ngraph_url = \"http://127.0.0.1:8081/\"\n{PAGE}rate_per_second = 5000");
    let config = Site::new(&sandbox).config();
    assert_eq!(config.messenger.graph_url, "http://127.0.0.1:8081");
    assert!(!config.warnings.iter().any(|warning| warning.contains("rate_per_second")));
}

#[test]
fn sections_of_the_wrong_shape_and_keys_out_of_place_are_named() {
    assert!(
        site("[[send]]\nmode = \"batch\"").fault().starts_with("firstword.toml: send: is not a section; write [send]")
    );
    let pages = Site::new("[pages]\nid = \"1\"").fault();
    assert!(pages.starts_with("firstword.toml: pages: is not a list of sections; write [[pages]]"), "{pages}");
    let none = Site::new("").fault();
    assert!(none.starts_with("firstword.toml: pages: names no page; write [[pages]]"), "{none}");
    let moved = site("[policy]\nstart_within = \"2s\"").fault();
    assert_eq!(moved, "firstword.toml: policy.start_within: is not a known key; it belongs to the section send");
    let top = site("listen = \"127.0.0.1:1\"").fault();
    assert!(top.ends_with("it belongs to the section server"), "{top}");
    let misspelt = site("[messanger]\napp_id = \"1\"").fault();
    assert!(misspelt.ends_with("is not a known section; did you mean \"messenger\"?"), "{misspelt}");
    let twins = Site::new(&format!("{PAGE}{PAGE}")).fault();
    assert_eq!(twins, "firstword.toml: pages[1].id: is 1, as another page's is; give each page one section");
    let same = site("[server]\nadmin_listen = \"127.0.0.1:8080\"").fault();
    assert!(same.starts_with("firstword.toml: server.admin_listen: is the same as server.listen"), "{same}");
    let underivable = site("[login]\nclient_token = \"x\"").fault();
    assert!(underivable.starts_with("firstword.toml: login.app_id: is missing"), "{underivable}");
}
