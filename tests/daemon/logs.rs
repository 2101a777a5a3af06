//! At the lowest level, of every target, over failures too: no secret, nobody's name.

use std::time::Duration;

use firstword::domain::keyed::appsecret_proof;
use firstword::sandbox::{Behaviour, Faults};
use rustix::process::Signal;

use crate::database::Database;
use crate::place::{API_TOKEN, APP_SECRET, PAGE, PAGE_TOKEN, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;

const LOGIN: &str = "sentinel-login-5b1f";
const REFERENCE: &str = "sentinel-reference-77";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_person_and_no_secret_is_logged() {
    let mut place = Place::sqlite();
    let platform = Platform::of(&mut place).await;
    place.set("[messenger]\nrequest_timeout = \"500ms\"");
    let mut daemon = Daemon::start(&place, "trace", &[]);
    daemon.becomes_ready().await;
    let login = |n: usize| format!("{LOGIN}-{n}");
    let reply = Behaviour::Reply { after: Duration::ZERO };
    let behaviours = [
        reply,
        Behaviour::QuickReply { after: Duration::ZERO },
        Behaviour::Silent,
        Behaviour::Block,
        Behaviour::StopAfter { after: Duration::ZERO },
    ];
    for (n, behaviour) in behaviours.into_iter().enumerate() {
        platform.opt_in(&login(n), behaviour).await;
    }
    let database = Database::of(&place).await;
    let busy = "SELECT count(*) FROM optins WHERE state NOT IN ('answered', 'sent', 'unavailable', 'opted_out')
                OR (state = 'sent' AND login_id NOT LIKE '%-2')";
    until("the first five are done", async || (database.number(busy).await == 0).then_some(())).await;

    // Answers that are lost, refused or too late, and what an eavesdropper might send.
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
        until("they were tried", async || (platform.sandbox.report().requests > refused).then_some(())).await;
    }
    let item = format!(r#"{{"page_id": "{PAGE}", "login_id": "{LOGIN}-site", "ref": "{REFERENCE}"}}"#);
    assert_eq!(daemon.site(&item).await.0, 200);
    daemon.site(&item.replace("ref", LOGIN)).await;
    daemon.post("/optins", &item, &[("Authorization", &format!("Bearer {LOGIN}"))]).await;
    daemon.post("/webhook", &item, &[("X-Hub-Signature-256", &format!("sha256={}", "0".repeat(64)))]).await;
    let odd = format!(
        r#"{{"object":"page","entry":[{{"id":"{PAGE}","messaging":[{{"optin":{{"login_id":["{LOGIN}"]}}}}]}}]}}"#
    );
    assert_eq!(daemon.webhook(&odd).await, 200);
    assert_eq!(daemon.webhook(&format!("{{\"{LOGIN}\"")).await, 400);
    let handshake = "/webhook?hub.mode=subscribe&hub.challenge=1&hub.verify_token=";
    assert_eq!(daemon.get(&format!("{handshake}verify-token")).await.0, 200);
    assert_eq!(daemon.get(&format!("{handshake}{LOGIN}")).await.0, 403);
    daemon.signal(Signal::HUP);
    until("reloaded", async || daemon.log().contains("rates reloaded").then_some(())).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await, Some(0));

    let log = daemon.log();
    for target in ["firstword::deliver", "firstword::intake", "hyper", "\"TRACE\""] {
        assert!(log.contains(target), "{target} logged nothing");
    }
    assert!(log.contains(PAGE), "a search that finds nothing proves nothing");
    let proof = appsecret_proof(APP_SECRET, PAGE_TOKEN);
    let mut never: Vec<String> = platform.sandbox.people().into_iter().map(|person| person.psid).collect();
    never.extend([LOGIN, REFERENCE, PAGE_TOKEN, APP_SECRET, API_TOKEN, "verify-token", &proof].map(str::to_owned));
    for secret in never {
        let found: Vec<_> = log.lines().filter(|line| line.contains(&secret)).take(3).collect();
        assert!(found.is_empty(), "{secret}: {found:#?}");
    }
}
