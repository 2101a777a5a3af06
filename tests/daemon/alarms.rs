//! What the operator and the site hear, whatever is killed meanwhile.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firstword::domain::keyed::hmac_sha256;
use firstword::sandbox::Behaviour;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::{Platform, now};
use crate::process::Daemon;
use crate::wire::{Full, Wire};

const SITE_SECRET: &str = "site-secret";

/// Looks every second, by a job of the place's own.
fn watching(place: &Place) {
    std::fs::create_dir_all(place.path("jobs")).unwrap();
    let job = "name = \"watch\"\ntask = \"watch-deadlines\"\nschedule = \"* * * * * *\"\n";
    place.write("jobs/watch.toml", job);
}

async fn opts_in(daemon: &Daemon, login: &str) {
    let (status, text) = daemon.site(&format!(r#"{{"page_id": "{PAGE}", "login_id": "{login}"}}"#)).await;
    assert_eq!(status, 200, "{text}");
}

/// The alerts that came: kind and event, with how often.
fn heard(wire: &Wire) -> BTreeMap<(String, String), usize> {
    let mut heard = BTreeMap::new();
    for (_, body) in wire.requests() {
        if let (Some(kind), Some(event)) = (body["kind"].as_str(), body["event"].as_str()) {
            *heard.entry((kind.to_owned(), event.to_owned())).or_default() += 1;
        }
    }
    heard
}

async fn hears(wire: &Wire, kind: &str, event: &str) {
    let said = (kind.to_owned(), event.to_owned());
    until(&format!("{kind} {event}"), async || heard(wire).contains_key(&said).then_some(())).await;
}

/// Waits until nothing is on its way to anybody.
async fn all_arrived(database: &Database) {
    until("everything arrived", async || (database.number("SELECT count(*) FROM outbox").await == 0).then_some(()))
        .await;
}

/// Waits until no tick of a job is under way: whoever is killed with one leaves its lease behind, for a minute.
async fn between_ticks(database: &Database) {
    let running = "SELECT count(*) FROM job_runs WHERE ended_at IS NULL";
    until("no tick is under way", async || (database.number(running).await == 0).then_some(())).await;
}

/// Waits until nobody is being sent to, nor will be in a moment: whoever is killed with somebody leaves a doubt behind.
async fn between_attempts(database: &Database, people: i64) {
    until("everybody waits for their next attempt", async || {
        let soon = now().ms() + 300;
        let waiting = format!("SELECT count(*) FROM optins WHERE state = 'retrying' AND next_attempt_at > {soon}");
        (database.number(&waiting).await == people).then_some(())
    })
    .await;
}

/// A kill that meets nothing under way, while some still wait.
async fn restarted(place: &Place, daemon: Daemon, database: &Database, waiting: i64) -> Daemon {
    all_arrived(database).await;
    between_ticks(database).await;
    between_attempts(database, waiting).await;
    daemon.kill();
    Daemon::ready(place).await
}

/// Each of these was raised once and ended once, whatever was killed meanwhile.
fn told_once(wire: &Wire, kinds: [&str; 3]) {
    let counts = heard(wire);
    for kind in kinds {
        for event in ["raised", "resolved"] {
            assert_eq!(counts[&(kind.to_owned(), event.to_owned())], 1, "{counts:?}");
        }
    }
}

/// The platform is away: that people will miss is told as soon as it is foreseen, who is at risk before the first miss,
/// the miss within a minute, and the end of all three; and a kill between loses nothing and tells nothing anew.
pub(crate) async fn an_outage_is_told_before_the_first_miss(mut place: Place) {
    watching(&place);
    let (wire, got) = (Wire::bind().await, place.path("got"));
    place.set(&format!(
        "[policy]\nwindow = \"25s\"\nsafety_margin = \"1s\"\n[messenger]\nrequest_timeout = \"1s\"\n\
         [send]\nstart_within = \"500ms\"\n[jobs]\ndir = \"jobs\"\n\
         [retry]\nmax_interval = \"3s\"\n[alerts]\nat_risk = \"10s\"\nrepeat = \"1h\"\ncalm_after = \"3s\"\nwebhook_url = \"{}/alerts\"\n\
         command = [\"/bin/sh\", \"-c\", \"cat >> {}; echo >> {}\"]",
        wire.url(),
        got.display(),
        got.display()
    ));
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    for login in ["anna", "bert", "carl"] {
        opts_in(&daemon, login).await;
    }
    hears(&wire, "forecast", "raised").await;
    assert!(!heard(&wire).contains_key(&("at_risk".to_owned(), "raised".to_owned())), "twelve seconds before the risk");
    let daemon = restarted(&place, daemon, &database, 3).await;
    hears(&wire, "at_risk", "raised").await;
    let missed = database.number("SELECT count(*) FROM optins WHERE state = 'missed'").await;
    assert_eq!(missed, 0, "it was told too late");
    let foreseen = place.json("status --json")["pages"][0]["forecast"].clone();
    assert_eq!((&foreseen["waiting"], &foreseen["will_miss"]), (&3.into(), &3.into()), "{foreseen}");
    let daemon = restarted(&place, daemon, &database, 3).await;
    hears(&wire, "missed", "raised").await;
    let told_at = now().ms();
    let missed_at = database.number("SELECT min(state_since) FROM optins WHERE state = 'missed'").await;
    assert!(told_at - missed_at < 60_000, "told {} ms after the miss", told_at - missed_at);
    database.all_in(&["missed"], 3).await;
    hears(&wire, "at_risk", "resolved").await;
    hears(&wire, "forecast", "resolved").await;
    let daemon = restarted(&place, daemon, &database, 0).await;
    hears(&wire, "missed", "resolved").await;
    all_arrived(&database).await;
    told_once(&wire, ["forecast", "at_risk", "missed"]);
    for early in ["forecast", "at_risk"] {
        let at = database.number(&format!("SELECT first_at FROM alerts WHERE kind = '{early}'")).await;
        assert!(at < missed_at, "{early} was raised {} ms after the first miss", at - missed_at);
    }
    let notices = wire.requests().into_iter().map(|(_, body)| body).filter(|body| body["kind"] == "missed");
    let times: Vec<i64> = notices.map(|body| body["times"].as_i64().unwrap()).collect();
    assert_eq!(times.last(), Some(&3), "one alert for three people: {times:?}");
    let got = std::fs::read_to_string(&got).unwrap();
    let got: Vec<Value> = got.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let risks: Vec<_> = got.iter().filter(|one| one["kind"] == "at_risk").map(|one| one["event"].clone()).collect();
    assert_eq!(risks, ["raised", "resolved"], "the program heard the same");
    for login in ["anna", "bert", "carl"] {
        assert!(!wire.bytes().contains(login), "an alert names {login}");
    }
    let none = "firstword_alerts_open{kind=\"missed\"} 0";
    until("no miss is open", async || daemon.get("/metrics").await.1.contains(none).then_some(())).await;
}

/// Sinks that hang: nobody can connect to one, and the other never ends. The log is told at once, and everybody is sent to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_hangs_holds_up_nobody() {
    let (mut place, full, wire) = (Place::sqlite(), Full::bind().await, Wire::bind().await);
    place.without_jobs();
    place.send_to(&wire.url());
    let begun = place.path("begun");
    place.set(&format!(
        "[alerts]\nwebhook_url = \"{}/alerts\"\ncommand = [\"/bin/sh\", \"-c\", \"echo > {}; sleep 600\"]",
        full.url(),
        begun.display()
    ));
    let mut daemon = Daemon::ready(&place).await;
    assert_eq!(daemon.site(r#"{"page_id": "9", "login_id": "stranger"}"#).await.0, 200);
    until("both hang", async || (full.knocked_at() && begun.exists()).then_some(())).await;
    let database = Database::of(&place).await;
    for login in ["anna", "bert"] {
        opts_in(&daemon, login).await;
        database.becomes(login, "sent").await;
    }
    until("the log was told", async || daemon.log().contains("alert: PROBLEM unknown_page").then_some(())).await;
    assert!(full.knocked_at(), "it does not hang any more: nothing was shown");
    assert_eq!(database.number("SELECT count(*) FROM outbox WHERE channel IN ('webhook', 'command')").await, 2);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0), "what hangs keeps nobody from an orderly end: {}", daemon.log());
}

/// Slack gets one line of text and nothing else, in which nothing is a link or a channel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_hears_of_an_alert_and_of_its_end() {
    let (mut place, wire) = (Place::sqlite(), Wire::bind().await);
    place.without_jobs();
    place.set(&format!("[alerts]\nwebhook_url = \"{}/services/T0/B0\"\nwebhook_format = \"slack\"", wire.url()));
    let daemon = Daemon::ready(&place).await;
    // Ids are whatever a site writes.
    let stranger = r#"{"page_id": "<!channel>&co", "login_id": "anna"}"#;
    assert_eq!(daemon.site(stranger).await.0, 200);
    until("it was told", async || (!wire.requests().is_empty()).then_some(())).await;
    place.json("optin opt-out anna --json");
    let said = until("its end was told", async || (wire.requests().len() > 1).then(|| wire.requests())).await;
    for ((head, body), begin) in said.iter().zip(["PROBLEM unknown_page: ", "RESOLVED unknown_page: "]) {
        assert!(head.starts_with("POST /services/T0/B0 HTTP/1.1") && head.contains("application/json"), "{head}");
        let fields = body.as_object().unwrap();
        assert_eq!(fields.len(), 1, "{body}");
        let text = fields["text"].as_str().unwrap();
        assert!(text.starts_with(begin) && text.contains("&lt;!channel&gt;&amp;co"), "{text}");
        assert!(!text.contains(['<', '>', '\n']) && !text.contains("anna"), "{text}");
    }
    assert!(place.command("alert test").output().unwrap().status.success());
    let last = wire.requests().pop().unwrap().1;
    assert!(last["text"].as_str().unwrap().contains("somebody tries whether alerts arrive"), "{last}");
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap()
}

/// Whether a request to the site bears the signature of this secret.
fn is_signed(head: &str, raw: &str, secret: &str) -> bool {
    let signed = format!("{}.{}.{raw}", header(head, "webhook-id"), header(head, "webhook-timestamp"));
    let mac = STANDARD.encode(hmac_sha256(secret.as_bytes(), &[signed.as_bytes()]));
    header(head, "webhook-signature") == format!("v1,{mac}")
}

/// The whole requests to a path in the order in which they came: head, and body as it came.
fn calls(wire: &Wire, path: &str) -> Vec<(String, String)> {
    let heads = wire.requests().into_iter().map(|(head, _)| head);
    heads.zip(wire.bodies()).filter(|(head, _)| head.split(' ').nth(1) == Some(path)).collect()
}

/// The site is away while things happen, and the daemon is killed: it hears of everybody once it is back, in their
/// order, by signed requests.
pub(crate) async fn the_site_hears_of_everybody_in_order(mut place: Place) {
    let (platform, wire) = (Wire::bind().await, Wire::bind().await);
    let nowhere = "http://127.0.0.1:9/events";
    place.send_to(&platform.url());
    place.set(&format!("[site]\nwebhook_url = \"{nowhere}\"\nsecret = \"{SITE_SECRET}\""));
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    for login in ["anna", "bert"] {
        opts_in(&daemon, login).await;
        database.becomes(login, "sent").await;
    }
    place.json("optin opt-out anna --json");
    assert_eq!(database.number("SELECT count(*) FROM outbox WHERE channel = 'site'").await, 3);
    until("it was tried", async || {
        (database.number("SELECT count(*) FROM outbox WHERE attempts > 0 AND error IS NOT NULL").await > 0)
            .then_some(())
    })
    .await;
    daemon.kill();

    place.set(&format!("[site]\nwebhook_url = \"{}/events\"", wire.url()));
    database.sql("UPDATE outbox SET due_at = 0").await;
    let daemon = Daemon::ready(&place).await;
    all_arrived(&database).await;
    let told: Vec<(String, Value)> = wire.requests().into_iter().filter(|(head, _)| head.contains("/events")).collect();
    let of = |login: &str| -> Vec<String> {
        let of = told.iter().filter(|(_, body)| body["optin"]["login_id"] == login);
        of.map(|(_, body)| body["event"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((of("anna"), of("bert")), (vec!["sent".to_owned(), "opted_out".to_owned()], vec!["sent".to_owned()]));
    for (head, body) in &told {
        assert_eq!(header(head, "webhook-id"), body["id"].as_str().unwrap());
        let raw = wire.bodies().into_iter().find(|raw| raw.contains(header(head, "webhook-id"))).unwrap();
        assert!(is_signed(head, &raw, SITE_SECRET), "{head}");
    }
    assert!(!daemon.log().contains(SITE_SECRET) && !daemon.log().contains("/events"), "{}", daemon.log());
}

/// The site's server is broken, then overloaded: it gets the same body again, rightly signed, and what came after it
/// waits for its turn.
pub(crate) async fn a_site_that_refuses_is_told_the_same_again(mut place: Place) {
    let (platform, wire) = (Platform::of(&mut place).await, Wire::bind().await);
    place.set(&format!("[site]\nwebhook_url = \"{}/events\"\nsecret = \"{SITE_SECRET}\"", wire.url()));
    wire.refuse([500, 503]);
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "sent").await;
    let psid = platform.person("anna").psid;
    let reply = json!({"sender": {"id": psid}, "recipient": {"id": PAGE}, "timestamp": now().ms(),
                       "message": {"mid": "m_1", "text": "hello"}, "prior_message": {"identifier": "anna"}});
    let reply = json!({"object": "page", "entry": [{"id": PAGE, "time": now().ms(), "messaging": [reply]}]});
    assert_eq!(daemon.webhook(&reply.to_string()).await, 200);
    database.becomes("anna", "answered").await;
    all_arrived(&database).await;
    let told = calls(&wire, "/events");
    assert!(told.iter().all(|(head, raw)| is_signed(head, raw, SITE_SECRET)), "{told:#?}");
    let ids: Vec<&str> = told.iter().map(|(head, _)| header(head, "webhook-id")).collect();
    let bodies: Vec<&str> = told.iter().map(|(_, raw)| raw.as_str()).collect();
    assert_eq!((ids.len(), ids[0], bodies[0]), (4, ids[1], bodies[1]), "{told:#?}");
    assert_eq!((ids[1], bodies[1]), (ids[2], bodies[2]), "{told:#?}");
    let read: Vec<Value> = [bodies[2], bodies[3]].map(|raw| serde_json::from_str(raw).unwrap()).to_vec();
    assert_eq!((&read[0]["event"], &read[1]["event"]), (&"sent".into(), &"answered".into()));
    let person = &read[1]["optin"];
    assert_eq!((person["psid"].as_str(), person["login_id"].as_str()), (Some(psid.as_str()), Some("anna")));
    assert_eq!(platform.clean().delivered, 1);
}

/// Where the site, the alerts and the heartbeat go, and what signs, is read again on SIGHUP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hears_moves_without_a_restart() {
    let (mut place, wire) = (Place::sqlite(), Wire::bind().await);
    place.send_to(&wire.url());
    let lead = |place: &Place, to: &str| {
        place.write("site", format!("{}/events-{to}", wire.url()));
        place.write("secret", format!("{to}-secret"));
        place.write("alerts", format!("{}/alerts-{to}", wire.url()));
        place.write("beats", format!("{}/beats-{to}", wire.url()));
    };
    lead(&place, "old");
    place.set(
        "[site]\nwebhook_url_file = \"site\"\nsecret_file = \"secret\"\n[alerts]\nwebhook_url_file = \"alerts\"\n\
         heartbeat_url_file = \"beats\"\nheartbeat_every = \"1s\"",
    );
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    let happens = async |login: &str, to: &str| {
        opts_in(&daemon, login).await;
        let unknown = format!(r#"{{"page_id": "page-of-{login}", "login_id": "{login}"}}"#);
        assert_eq!(daemon.site(&unknown).await.0, 200);
        for path in ["events", "alerts", "beats"] {
            until(path, async || (!calls(&wire, &format!("/{path}-{to}")).is_empty()).then_some(())).await;
        }
        all_arrived(&database).await;
    };
    happens("anna", "old").await;
    lead(&place, "new");
    daemon.signal(Signal::HUP);
    until("reloaded", async || daemon.log().contains("rates reloaded").then_some(())).await;
    happens("ben", "new").await;
    let heads = wire.requests().into_iter().map(|(head, _)| head);
    let beats: Vec<bool> = heads.filter(|head| head.contains("/beats-")).map(|head| head.contains("-new")).collect();
    assert!(beats.is_sorted(), "{beats:?}");
    let (alerts, told) = (calls(&wire, "/alerts-old"), calls(&wire, "/alerts-new"));
    assert!(told.iter().any(|(_, raw)| raw.contains("page-of-ben")), "{told:#?}");
    assert!(!alerts.iter().any(|(_, raw)| raw.contains("page-of-ben")), "{alerts:#?}");
    for (to, other, login) in [("old", "new", "anna"), ("new", "old", "ben")] {
        for (head, raw) in calls(&wire, &format!("/events-{to}")) {
            assert!(raw.contains(login), "{raw}");
            assert!(is_signed(&head, &raw, &format!("{to}-secret")), "{head}");
            assert!(!is_signed(&head, &raw, &format!("{other}-secret")), "{head}");
        }
    }
    let log = daemon.log();
    assert!(!["-secret", "/events-", "/alerts-", "/beats-"].iter().any(|secret| log.contains(secret)), "{log}");
}
