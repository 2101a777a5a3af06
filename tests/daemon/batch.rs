//! Batches: sent on the ticks of a job, by the daemon or by cron beside it or without it, and at once to whoever cannot
//! wait.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use firstword::clock::{Clock, SystemClock};
use firstword::sandbox::Behaviour;

use crate::database::Database;
use crate::place::{PAGE, PAGE_TOKEN, Place, until};
use crate::platform::Platform;
use crate::process::Daemon;
use crate::wire::Wire;

/// Batches by a job with this cron line.
fn batches(place: &mut Place, schedule: &str) {
    place.set("[send]\nmode = \"batch\"\n[jobs]\ndir = \"jobs\"");
    fs::create_dir(place.path("jobs")).unwrap();
    let job = format!("name = \"send\"\ntask = \"send-batch\"\nschedule = \"{schedule}\"\ncatch_up = \"skip\"\n");
    place.write("jobs/send.toml", job);
}

/// A daily tick, three hours from now.
fn in_three_hours() -> String {
    let then = SystemClock::new().now().plus(Duration::from_hours(3)).to_string();
    let part = |from: usize| then.get(from..from + 2).unwrap().to_owned();
    format!("{} {} * * *", part(14), part(11))
}

pub(crate) async fn a_batch_waits_for_its_tick_unless_somebody_cannot(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    batches(&mut place, &in_three_hours());
    let daemon = Daemon::ready(&place).await;
    let database = Database::of(&place).await;
    platform.opt_in("anna", Behaviour::Silent).await;
    database.becomes("anna", "pending").await;
    // Two hours are left of bert's window, and three until the next tick.
    platform.register("bert");
    let ago = SystemClock::new().now().minus(Duration::from_hours(22)).ms();
    place.json(&format!("optin add --login-id bert --opted-in-at {ago} --json"));
    database.becomes("bert", "sent").await;
    assert_eq!(place.json("optin show anna --json")["state"], "pending", "she can wait");

    // Cron beside the daemon: one of them sends, and nobody twice.
    let ran = place.json("job run send --json");
    assert_eq!((&ran["result"], &ran["detail"]), (&"done".into(), &"left 0, waited 1".into()));
    database.becomes("anna", "sent").await;
    assert_eq!(place.json("job run send --json")["result"], "taken");
    let forecast = place.json("status --json")["pages"][0]["forecast"].clone();
    assert_eq!((&forecast["waiting"], &forecast["will_miss"]), (&0.into(), &0.into()));

    // And without one.
    daemon.kill();
    platform.register("carl");
    place.json("optin add --login-id carl --json");
    let ran = place.json("job run send --now --json");
    assert_eq!((&ran["result"], &ran["detail"]), (&"done".into(), &"left 0, waited 1".into()));
    assert_eq!(place.json("optin show carl --json")["state"], "sent");
    let report = platform.clean();
    assert_eq!((report.requests, report.delivered), (3, 3));
}

/// When a job's time is over nobody new is claimed; what has left is awaited, and the rest waits for the next tick.
pub(crate) async fn a_batch_whose_time_is_over_claims_nobody_more(mut place: Place) {
    let platform = Platform::of(&mut place).await;
    // The first answer takes longer than the job may: nobody but the first is claimed. The time is long enough for a
    // tick to serve them, so that nobody is sent to because they could not wait for one.
    platform.answers_after(Duration::from_secs(14));
    place.set("[messenger]\nrequest_timeout = \"25s\"");
    let schedule = in_three_hours();
    batches(&mut place, &schedule);
    let timed = |timeout: &str| {
        let job =
            format!("name = \"send\"\ntask = \"send-batch\"\nschedule = \"{schedule}\"\ntimeout = \"{timeout}\"\n");
        place.write("jobs/send.toml", job);
    };
    timed("12s");
    for login in ["anna", "bert", "carl"] {
        platform.register(login);
        place.json(&format!("optin add --login-id {login} --json"));
    }
    let ran = tokio::task::block_in_place(|| place.command("job run send --json --now").output().unwrap());
    let told: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((ran.status.code(), &told["result"]), (Some(1), &"timed_out".into()), "{told}");
    assert_eq!(told["detail"], "not done within 12s: left 2, waited 3");
    let states = |name: &str| place.json(&format!("optin show {name} --json"))["state"].clone();
    assert_eq!(["anna", "bert", "carl"].map(states), ["sent", "pending", "pending"], "what had left was awaited");
    let alerts = place.json("alert list --json");
    assert_eq!((&alerts["alerts"][0]["kind"], &alerts["alerts"][0]["cause"]), (&"job_failing".into(), &"send".into()));

    platform.answers_after(Duration::ZERO);
    timed("5m");
    assert_eq!(place.json("job run send --json --now")["detail"], "left 0, waited 2");
    assert_eq!(place.json("alert list --json")["alerts"], serde_json::Value::Array(vec![]));
    assert_eq!(platform.clean().delivered, 3);
}

/// Cron and the daemon send the same batch at the same time, and a third process too: one message for each all the same.
pub(crate) async fn cron_and_the_daemon_share_a_batch(mut place: Place) {
    const PEOPLE: i64 = 80;
    let platform = Platform::of(&mut place).await;
    batches(&mut place, "*/2 * * * * *");
    let page = format!("id = \"{PAGE}\"\naccess_token = \"{PAGE_TOKEN}\"\nmessage = \"hello.json\"");
    place.set(&format!("[[pages]]\n{page}\nrate_per_second = 5"));
    let daemon = Daemon::ready(&place).await;
    let people = (0..PEOPLE).map(|n| format!("p{n}"));
    let listed = people.map(|login| {
        platform.register(&login);
        format!("{{\"page_id\": \"{PAGE}\", \"login_id\": \"{login}\"}}")
    });
    assert_eq!(daemon.site(&format!("[{}]", listed.collect::<Vec<_>>().join(","))).await.0, 200);
    let others = [(); 2].map(|()| {
        let mut command = place.command("job run send --now");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    });
    let database = Database::of(&place).await;
    database.all_in(&["sent"], PEOPLE).await;
    for mut other in others {
        tokio::task::block_in_place(|| other.wait().unwrap());
    }
    let nodes = database.number("SELECT count(DISTINCT node) FROM attempts").await;
    // Who wins which claim is chance.
    eprintln!("{nodes} processes shared {PEOPLE} people");
    let report = platform.clean();
    assert_eq!((report.requests, report.delivered), (PEOPLE.cast_unsigned(), PEOPLE.cast_unsigned()));
}

/// Plain cron heeds what a daemon was told: a page near its allowance is sent for at a tenth of its rate.
pub(crate) async fn a_batch_by_cron_heeds_what_the_page_has_used(mut place: Place) {
    let wire = Wire::bind().await;
    place.send_to(&wire.url());
    batches(&mut place, &in_three_hours());
    let page = format!("id = \"{PAGE}\"\naccess_token = \"{PAGE_TOKEN}\"\nmessage = \"hello.json\"");
    place.set(&format!("[[pages]]\n{page}\nrate_per_second = 20"));
    for login in ["anna", "bert", "carl", "dora", "emil"] {
        place.json(&format!("optin add --login-id {login} --json"));
    }
    let database = Database::of(&place).await;
    let now = SystemClock::new().now().ms();
    database.sql(&format!("UPDATE pages SET used_percent = 98, used_at = {now}")).await;
    let ran = place.json("job run send --now --json");
    assert_eq!((&ran["result"], &ran["detail"]), (&"done".into(), &"left 0, waited 5".into()));
    let took = database.number("SELECT max(started_at) - min(started_at) FROM attempts").await;
    assert!(took >= 4 * 500 - 4, "five in {took} ms");
    assert_eq!(wire.requests().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_sends_on_its_ticks() {
    let mut place = Place::sqlite();
    let platform = Platform::of(&mut place).await;
    batches(&mut place, "*/2 * * * * *");
    let _daemon = Daemon::ready(&place).await;
    for name in ["anna", "bert", "carl"] {
        platform.opt_in(name, Behaviour::Silent).await;
        Database::of(&place).await.becomes(name, "sent").await;
    }
    let runs = until("a run is noted", async || {
        let runs = place.json("job list send --json")[0]["runs"].clone();
        runs.as_array()
            .is_some_and(|runs| runs.iter().filter(|run| run["result"] == "done").count() >= 3)
            .then_some(runs)
    });
    assert!(runs.await.as_array().unwrap().iter().all(|run| run["result"] != "failed"));
    assert_eq!(platform.clean().delivered, 3);
}
