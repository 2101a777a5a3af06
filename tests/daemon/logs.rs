//! At the lowest level, of every target, over failures too: no secret, nobody's name.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firstword::domain::ids::PageId;
use firstword::domain::keyed::{appsecret_proof, derive_login_id, hmac_sha256};
use firstword::sandbox::{Behaviour, Faults};
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{API_TOKEN, APP_SECRET, PAGE, PAGE_TOKEN, Place, until};
use crate::platform::{Platform, now};
use crate::process::Daemon;

const LOGIN: &str = "sentinel-login-5b1f";
/// A person by their app-scoped id.
const PERSON: &str = "10203040506070809";
/// A PSID of nobody we know.
const STRANGER: &str = "99887766554433221";
const REFERENCE: &str = "sentinel-reference-77";

pub(crate) async fn nothing_of_a_person_and_no_secret_is_logged(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    place.set("[messenger]\nrequest_timeout = \"500ms\"");
    place.set("[server]\npublic_url = \"https://site.example\"");
    place.set(
        "[login]\napp_id = \"2002\"\napp_secret = \"sentinel-login-secret\"\nclient_token = \"sentinel-client-token\"",
    );
    let mut daemon = Daemon::start(&place, "trace", &[]);
    daemon.becomes_ready().await;
    let database = Database::of(&place).await;
    everybody_behaves(&platform, &database).await;
    the_platform_fails(&platform, &database).await;
    let answers = answered(&daemon).await;
    odd_events_come(&daemon).await;
    daemon.signal(Signal::HUP);
    until("reloaded", async || daemon.log().contains("rates reloaded").then_some(())).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));

    let log = daemon.log();
    for target in ["firstword::deliver", "firstword::intake", "hyper", "\"TRACE\""] {
        assert!(log.contains(target), "{target} logged nothing");
    }
    assert!(log.contains(PAGE), "a search that finds nothing proves nothing");
    let (text, never) = (format!("{log}\n{}", told(&database, answers).await), names(&platform));
    assert_eq!(leaks(&text, &never), Vec::<String>::new());
    // The same search finds each of them, were it there once.
    for secret in &never {
        assert_eq!(leaks(&format!("{text}a line that says {secret:?}\n"), &never).len(), 1, "{secret}");
    }
}

fn login(n: usize) -> String {
    format!("{LOGIN}-{n}")
}

/// One person of each kind, until nothing more is to be expected of them.
async fn everybody_behaves(platform: &Platform, database: &Database) {
    let behaviours = [
        Behaviour::Reply { after: Duration::ZERO },
        Behaviour::QuickReply { after: Duration::ZERO },
        Behaviour::Silent,
        Behaviour::Block,
        Behaviour::StopAfter { after: Duration::ZERO },
    ];
    for (n, behaviour) in behaviours.into_iter().enumerate() {
        platform.opt_in(&login(n), behaviour).await;
    }
    let busy = "SELECT count(*) FROM optins WHERE state NOT IN ('answered', 'sent', 'unavailable', 'opted_out')
                OR (state = 'sent' AND login_id NOT LIKE '%-2')";
    until("the first five are done", async || (database.number(busy).await == 0).then_some(())).await;
}

/// Answers that are lost, refused or too late.
async fn the_platform_fails(platform: &Platform, database: &Database) {
    for faults in [
        Faults { after: 1.0, hang: Duration::from_secs(1), ..Faults::default() },
        Faults { before: 1.0, ..Faults::default() },
        Faults { throttle: 1.0, ..Faults::default() },
    ] {
        platform.sandbox.set_faults(faults).unwrap();
        let refused = platform.sandbox.report().requests;
        for _ in 0..4 {
            let n = usize::try_from(platform.sandbox.report().people).unwrap();
            platform.opt_in(&login(n), Behaviour::Silent).await;
        }
        until("they were tried", async || {
            // A run of failures holds the page, which is right, and not what is looked at here.
            let lift = "UPDATE pages SET held_since = NULL, held_until = NULL, held_for = NULL, paused_until = 0
                        WHERE held_since IS NOT NULL OR paused_until > 0";
            database.sql(lift).await;
            (platform.sandbox.report().requests > refused).then_some(())
        })
        .await;
    }
}

/// What we answer is looked at as well as what we log: to the site, to the platform, and to an eavesdropper.
async fn answered(daemon: &Daemon) -> Vec<(u16, String)> {
    let item = format!(r#"{{"page_id": "{PAGE}", "login_id": "{LOGIN}-site", "ref": "{REFERENCE}"}}"#);
    let mut answers = vec![daemon.site(&item).await];
    assert_eq!(answers[0].0, 200);
    answers.push(daemon.site(&item.replace("ref", LOGIN)).await);
    answers.push(daemon.post("/optins", &item, &[("Authorization", &format!("Bearer {LOGIN}"))]).await);
    let forged = format!("sha256={}", "0".repeat(64));
    for _ in 0..6 {
        answers.push(daemon.post("/webhook", &item, &[("X-Hub-Signature-256", &forged)]).await);
    }
    answers.push(daemon.site(&format!(r#"{{"page_id": "{PAGE}", "app_scoped_id": "{PERSON}"}}"#)).await);
    for path in ["/deauthorize", "/data-deletion"] {
        for secret in ["sentinel-login-secret", "wrong"] {
            let kind = ("Content-Type", "application/x-www-form-urlencoded");
            answers.push(daemon.post(path, &signed_request(secret), &[kind]).await);
        }
        let statuses: Vec<u16> = answers.iter().rev().take(2).map(|answer| answer.0).collect();
        assert_eq!(statuses, [403, 200], "{path}");
    }
    answers.push(daemon.get(&format!("/deletion/{LOGIN}")).await);
    answers.push(daemon.get("/metrics").await);
    answers
}

/// A reply under a PSID that nobody knows, which says in a new way what it answers; a second PSID; what is no event.
async fn odd_events_come(daemon: &Daemon) {
    for (psid, login) in [(STRANGER, "nobody".to_owned()), (STRANGER, login(0))] {
        let reply = format!(
            r#"{{"object":"page","entry":[{{"id":"{PAGE}","messaging":[{{"sender":{{"id":"{psid}"}},"recipient":{{"id":"{PAGE}"}},
               "message":{{"mid":"m_x","text":"{REFERENCE}"}},"prior_message":{{"source":"{REFERENCE}","identifier":"{login}"}}}}]}}]}}"#
        );
        assert_eq!(daemon.webhook(&reply).await, 200);
    }
    let odd = format!(
        r#"{{"object":"page","entry":[{{"id":"{PAGE}","messaging":[{{"optin":{{"login_id":["{LOGIN}"]}}}}]}}]}}"#
    );
    assert_eq!(daemon.webhook(&odd).await, 200);
    assert_eq!(daemon.webhook(&format!("{{\"{LOGIN}\"")).await, 400);
    let handshake = "/webhook?hub.mode=subscribe&hub.challenge=1&hub.verify_token=";
    assert_eq!(daemon.get(&format!("{handshake}verify-token")).await.0, 200);
    assert_eq!(daemon.get(&format!("{handshake}{LOGIN}")).await.0, 403);
}

/// What was answered, and what alerts and runs of jobs say.
async fn told(database: &Database, answers: Vec<(u16, String)>) -> String {
    let mut told: String = answers.into_iter().map(|(_, text)| text + "\n").collect();
    for (table, columns) in [("alerts", "kind || cause || detail"), ("job_runs", "name || COALESCE(detail, '')")] {
        let rows = database.pairs(&format!("SELECT {columns}, CAST(0 AS BIGINT) FROM {table}")).await;
        assert!(table != "alerts" || rows.len() > 2, "{rows:?}");
        told.extend(rows.into_iter().map(|(text, _)| text + "\n"));
    }
    told
}

/// Everybody's names, and every secret.
fn names(platform: &Platform) -> Vec<String> {
    let proof = appsecret_proof(APP_SECRET, PAGE_TOKEN);
    let derived = derive_login_id("sentinel-client-token", "2002", PERSON, &PageId::new(PAGE).unwrap());
    let mut never: Vec<String> = platform.sandbox.people().into_iter().map(|person| person.psid).collect();
    never.extend([LOGIN, REFERENCE, PAGE_TOKEN, APP_SECRET, API_TOKEN, "verify-token", &proof].map(str::to_owned));
    never.extend([PERSON, STRANGER, "sentinel-login-secret", "sentinel-client-token", &derived].map(str::to_owned));
    never
}

/// The lines that name what must not be named.
fn leaks(text: &str, never: &[String]) -> Vec<String> {
    text.lines().filter(|line| never.iter().any(|secret| line.contains(secret))).map(str::to_owned).collect()
}

/// The platform's word that a person wants to be forgotten.
fn signed_request(secret: &str) -> String {
    let at = now().ms() / 1000;
    let payload = format!(r#"{{"algorithm":"HMAC-SHA256","user_id":"{PERSON}","issued_at":{at}}}"#);
    let payload = URL_SAFE_NO_PAD.encode(payload);
    let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(secret.as_bytes(), &[payload.as_bytes()]));
    format!("signed_request={signature}.{payload}")
}
