//! What can be asked of a running system from outside: `doctor` and `check-pages` against a platform where one thing
//! after the other is wrong, and `check` beside a daemon and without one.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use firstword::domain::graph_version::{Life, TABLE, life};
use firstword::sandbox::{Behaviour, Faults};
use serde_json::Value;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::{Platform, now};
use crate::process::Daemon;

/// The app the sandbox is.
const APP_ID: &str = "1517776481860111";

/// What a command answers, whatever its exit code is.
fn asked(place: &Place, line: &str) -> (i32, Value) {
    let output = tokio::task::block_in_place(|| place.command(line).output().unwrap());
    let told: Option<Value> = serde_json::from_slice(&output.stdout).ok();
    assert!(told.is_some(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), told.unwrap_or_default())
}

/// What is not as it should be: kind, how bad, in what words. Each comes with a remedy, and a problem shows in the exit
/// code.
fn wrong(place: &Place) -> Vec<(String, String, String)> {
    let (code, told) = asked(place, "doctor --json");
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = told["findings"].as_array().unwrap();
    let wrong = findings.iter().filter(|finding| finding["severity"] != "ok");
    let wrong: Vec<_> = wrong
        .inspect(|finding| assert!(word(finding, "remedy").len() > 10, "{finding}"))
        .map(|finding| (word(finding, "kind"), word(finding, "severity"), word(finding, "what")))
        .collect();
    let problem = wrong.iter().any(|(_, severity, _)| severity == "problem");
    assert_eq!((code, &told["ok"]), (i32::from(problem), &Value::Bool(!problem)), "{told}");
    wrong
}

/// One thing is wrong, and the words name it.
fn one_wrong(place: &Place, kind: &str, severity: &str, what: &str) {
    let found = wrong(place);
    assert!(found.len() == 1 && found[0].0 == kind && found[0].1 == severity, "{kind} {severity}: {found:?}");
    assert!(found[0].2.contains(what), "{found:?}");
}

/// The alerts that stand after a run of `check-pages`.
async fn alerts(place: &Place) -> Vec<String> {
    until("the pages are checked", async || {
        (place.json("job run check-pages --now --json")["result"] == "done").then_some(())
    })
    .await;
    let listed = place.json("alert list --json");
    listed["alerts"].as_array().unwrap().iter().map(|alert| alert["kind"].as_str().unwrap().to_owned()).collect()
}

pub(crate) async fn each_finding_has_its_words_its_remedy_and_its_alert(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set(&format!("[messenger]\napp_id = \"{APP_ID}\"\napi_version = \"v26.0\""));
    set_permissions(place.path("firstword.toml"), Permissions::from_mode(0o600)).unwrap();
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "sent").await;
    assert_eq!(wrong(&place), [], "everything is fine");
    assert_eq!(alerts(&place).await, Vec::<String>::new());
    let kinds: Vec<_> = asked(&place, "doctor --json").1["findings"].as_array().unwrap().clone();
    for kind in [
        "config",
        "database",
        "hold",
        "webhook_silence",
        "token",
        "permission",
        "subscription",
        "graph_version",
        "clock_skew",
        "testing",
    ] {
        assert!(kinds.iter().any(|finding| finding["kind"] == kind), "{kind} was looked at");
    }

    let hours = Duration::from_hours;
    let cases = [
        (
            Faults { token_ends_in: Some(hours(24 * 10)), ..Faults::default() },
            "token",
            "warning",
            "the token ends",
            "token_expiring",
        ),
        (
            Faults { token_ends_in: Some(hours(49)), ..Faults::default() },
            "token",
            "problem",
            "in 2 days",
            "token_expiring",
        ),
        (
            Faults { unsubscribed: true, ..Faults::default() },
            "subscription",
            "problem",
            "no opt-in and no reply",
            "subscription_missing",
        ),
        (
            Faults { served: Some("v22.0".into()), ..Faults::default() },
            "graph_version",
            "problem",
            "v22.0 answered",
            "graph_version",
        ),
        (
            Faults { clock_ahead: Duration::from_secs(50), ..Faults::default() },
            "clock_skew",
            "warning",
            "ahead of ours",
            "clock_skew",
        ),
        (Faults { clock_ahead: hours(1), ..Faults::default() }, "clock_skew", "problem", "ahead of ours", "clock_skew"),
    ];
    for (faults, kind, severity, what, alert) in cases {
        platform.sandbox.set_faults(faults).unwrap();
        one_wrong(&place, kind, severity, what);
        assert_eq!(alerts(&place).await, [alert]);
    }
    platform.sandbox.set_faults(Faults::default()).unwrap();
    assert_eq!(alerts(&place).await, Vec::<String>::new(), "what is mended ends its alert");

    // All of it can be asked while no daemon runs.
    daemon.kill();
    let silent = now().minus(hours(7)).ms();
    database.sql(&format!("UPDATE settings SET value = '{silent}' WHERE key = 'last_webhook_at'")).await;
    one_wrong(&place, "webhook_silence", "warning", "no webhook came for 7h");
    assert_eq!(alerts(&place).await, ["webhook_silence"]);
    database.sql(&format!("UPDATE settings SET value = '{}' WHERE key = 'last_webhook_at'", now().ms())).await;
    assert_eq!(wrong(&place), []);
    place.send_to("http://127.0.0.1:9");
    one_wrong(&place, "platform", "problem", "the platform does not answer");
    assert_eq!(alerts(&place).await, ["platform_unreachable"]);
    place.send_to(&platform.sandbox.url());
    let page = format!("id = \"{PAGE}\"\naccess_token = \"another\"\nmessage = \"hello.json\"");
    place.set(&format!("[[pages]]\n{page}"));
    one_wrong(&place, "token", "problem", "the platform refused the token");
    assert_eq!(alerts(&place).await, ["token_expiring"]);
}

/// Every version the table knows is judged by its life, whatever day it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_near_its_end_is_warned_of() {
    let mut place = Place::sqlite();
    let _platform = Platform::of(&mut place).await;
    place.set(&format!("[messenger]\napp_id = \"{APP_ID}\""));
    set_permissions(place.path("firstword.toml"), Permissions::from_mode(0o600)).unwrap();
    place.command("migrate").output().unwrap();
    for (version, _) in TABLE {
        place.set(&format!("[messenger]\napi_version = \"{version}\""));
        let found: Vec<_> = wrong(&place).into_iter().filter(|(kind, ..)| kind == "graph_version").collect();
        let (severity, words) = match life(version, now()) {
            Life::Ending(_) => ("warning", format!("{version} ends 20")),
            Life::Over(_) => ("problem", format!("{version} ended 20")),
            Life::Alive(_) | Life::Unknown => {
                assert_eq!(found, [], "{version}");
                continue;
            }
        };
        assert!(found.len() == 1 && found[0].1 == severity && found[0].2.starts_with(&words), "{version}: {found:?}");
    }
}

/// What the plugin prints: exit code, the words, and the performance data by label.
fn probed(place: &Place, arguments: &str) -> (i32, String, Vec<(String, String)>) {
    let line = format!("check {arguments}");
    let output = tokio::task::block_in_place(|| place.command(line.trim_end()).output().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let (words, data) = text.trim_end().split_once(" | ").unwrap_or((text.trim_end(), ""));
    let data = data.split_whitespace().map(|one| one.split_once('=').unwrap());
    let data = data.map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
    (output.status.code().unwrap(), words.to_owned(), data)
}

pub(crate) async fn a_plugin_asks_beside_the_daemon_and_without_it(mut place: Place) {
    let (code, words, data) = probed(&place, "");
    assert!(code == 2 && words.starts_with("FIRSTWORD CRITICAL - "), "{code} {words} {data:?}");
    let platform = Platform::of(&mut place).await;
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "sent").await;
    until("a beat is noted", async || (database.number("SELECT count(*) FROM beats").await > 0).then_some(())).await;
    let (code, words, data) = probed(&place, "");
    assert!(code == 0 && words.starts_with("FIRSTWORD OK - 0 missed in the last 1h"), "{code} {words}");
    let labels: Vec<_> = data.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["missed", "at_risk", "uncertain", "alerts", "heartbeat"], "nobody waits: no next deadline");
    assert!(data.iter().all(|(_, value)| value.split(';').count() == 4), "value;warning;critical;minimum: {data:?}");
    assert_eq!((data[0].1.as_str(), data[1].1.as_str()), ("0;;0;0", "0;0;;0"));

    // It is down, and somebody waits: the file is read all the same.
    daemon.kill();
    let ago = now().minus(Duration::from_hours(23)).ms();
    place.json(&format!("optin add --login-id bert --opted-in-at {ago} --json"));
    let (code, words, data) = probed(&place, "--critical heartbeat=off");
    assert!(code == 1 && words.starts_with("FIRSTWORD WARNING - 1 at risk within 2h"), "{code} {words}");
    let deadline = data.iter().find(|(label, _)| label == "next_deadline").unwrap();
    assert!(deadline.1.ends_with("s;;900:;0"), "{deadline:?}");
    // A daemon that is silent for longer than is allowed is critical.
    database.sql("UPDATE beats SET at = at - 120000").await;
    let (code, words, _) = probed(&place, "");
    assert!(code == 2 && words.contains("last beat 2m"), "{code} {words}");
    let (code, told) = asked(&place, "check --json");
    assert_eq!(
        (code, &told["status"], &told["measures"]["heartbeat"]["critical"]),
        (2, &"critical".into(), &60.into())
    );
}
