//! The main road: an opt-in, by whatever door it comes, becomes one message.

use std::time::Duration;

use firstword::sandbox::Behaviour;

use crate::database::Database;
use crate::place::{PAGE, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;
use crate::wire::Wire;
use rustix::process::Signal;

pub(crate) async fn an_opt_in_is_answered(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    let _daemon = Daemon::ready(&place).await;
    platform.opt_in("anna", Behaviour::Reply { after: Duration::from_millis(20) }).await;
    Database::of(&place).await.becomes("anna", "answered").await;
    let (person, story) = (platform.person("anna"), place.json("optin show anna --json"));
    assert_eq!((story["state"].as_str(), story["psid"].as_str()), (Some("answered"), Some(&*person.psid)));
    assert_eq!((&story["attempts"], &story["history"][0]["outcome"]), (&1.into(), &"accepted".into()));
    assert_eq!(story["message_id"], story["history"][0]["message_id"]);
    assert!(story["window_open_until"].is_string(), "{story}");
    let list = place.lines("optin list --json --state answered");
    assert_eq!((list.len(), list[0]["login_id"].as_str()), (1, Some("anna")));
    let report = platform.clean();
    assert_eq!((report.requests, report.delivered, report.replied), (1, 1, 1));
}

pub(crate) async fn a_plain_insert_is_sent(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    let _daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.register("bella");
    database.sql(&format!("INSERT INTO optins (page_id, login_id) VALUES ('{PAGE}', 'bella')")).await;
    database.becomes("bella", "sent").await;
    assert_eq!(platform.clean().delivered, 1);
}

pub(crate) async fn the_site_and_then_the_webhook_are_one_message(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.register("carla");
    let body = format!(r#"{{"page_id": "{PAGE}", "login_id": "carla", "ref": "order 17"}}"#);
    let (status, text) = daemon.site(&body).await;
    assert!(status == 200 && text.contains("created"), "{status} {text}");
    assert_eq!(daemon.post("/optins", &body, &[("Content-Type", "application/json")]).await.0, 401);
    until("carla has her message", async || (platform.person("carla").delivered == 1).then_some(())).await;
    platform.opt_in("carla", Behaviour::Silent).await;
    assert!(daemon.site(&body).await.1.contains("duplicate"));
    // Whoever comes later is sent to later: by then a second message for her would have left.
    platform.opt_in("dora", Behaviour::Silent).await;
    database.becomes("dora", "sent").await;
    assert_eq!((platform.person("carla").delivered, platform.clean().requests), (1, 2));
    assert_eq!(place.json("optin show carla --json")["reference"], "order 17");
}

/// The locale that the site tells of a person chooses what they read.
pub(crate) async fn the_locale_chooses_what_is_sent(mut place: Place) {
    let wire = Wire::bind().await;
    place.send_to(&wire.url());
    let say = |name: &str, locale: &str, text: &str| {
        format!(r#"{{"name": "{name}"{locale}, "message": {{"text": "{text} (an automated assistant)"}}}}"#)
    };
    let variants = [
        say("rest", "", "Hello"),
        say("german", r#", "locale": "de""#, "Guten Tag"),
        say("french", r#", "locale": "fr_FR""#, "Bonjour"),
    ];
    place.write("hello.json", format!(r#"{{"variants": [{}]}}"#, variants.join(", ")));
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    let people = [
        ("anna", r#", "locale": "de_AT""#, "german", "Guten Tag"),
        ("bella", r#", "locale": "fr-fr""#, "french", "Bonjour"),
        ("carla", r#", "locale": "sv_SE""#, "rest", "Hello"),
        ("dora", "", "rest", "Hello"),
    ];
    for (login, locale, variant, text) in people {
        let told = daemon.site(&format!(r#"{{"page_id": "{PAGE}", "login_id": "{login}"{locale}}}"#)).await;
        assert_eq!(told.0, 200, "{told:?}");
        database.becomes(login, "sent").await;
        let requests = wire.requests();
        let body = &requests.iter().find(|(_, body)| body["recipient"]["login_id"] == login).unwrap().1;
        let sent = body["message"]["text"].as_str().unwrap();
        assert!(sent.starts_with(text), "{login}: {sent}");
        assert_eq!(place.json(&format!("optin show {login} --json"))["variant"], variant);
    }
}

/// An operator's stop, before anything is known of the person.
pub(crate) async fn who_was_stopped_before_they_came_is_not_sent_to(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    let _daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    let told = place.json("optin opt-out zoe --json");
    assert_eq!((&told["page_id"], &told["result"]), (&PAGE.into(), &"recorded".into()));
    // Whoever comes later is sent to later: by then a message to the first would have left.
    for login in ["zoe", "anna"] {
        platform.opt_in(login, Behaviour::Silent).await;
    }
    database.becomes("anna", "sent").await;
    assert_eq!((platform.person("zoe").delivered, platform.clean().requests), (0, 1));
    database.becomes("zoe", "opted_out").await;
}

/// Whoever opted in for a page that is configured later waits for it, and a reload is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_added_by_a_reload_is_sent_for() {
    let mut place = Place::sqlite();
    let wire = Wire::bind().await;
    place.send_to(&wire.url());
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    assert_eq!(daemon.site(r#"{"page_id": "1002", "login_id": "emma"}"#).await.0, 200);
    database.becomes("emma", "new").await;
    let page =
        |id: &str| format!("[[pages]]\nid = \"{id}\"\naccess_token = \"token-{id}\"\nmessage = \"hello.json\"\n");
    place.set(&format!("{}{}", page(PAGE), page("1002")));
    daemon.signal(Signal::HUP);
    database.becomes("emma", "sent").await;
    assert!(wire.requests()[0].0.contains("/1002/messages"), "{:?}", wire.requests());
}
