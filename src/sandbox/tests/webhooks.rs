//! Webhooks, crowds, and the routes beside the Send API.

use super::*;

#[tokio::test]
async fn webhooks_come_again_until_they_are_acknowledged() {
    let scene = Scene::new(|_| {}).await;
    scene.status.store(503, Ordering::SeqCst);
    let sandbox = scene.sandbox.clone();
    let waiting = scene.tracker.spawn(async move { sandbox.opt_in("p1", "l1", Behaviour::Silent).await });
    scene.until(|report| report.webhooks.retried >= 2).await;
    scene.status.store(200, Ordering::SeqCst);
    assert!(waiting.await.unwrap());
    let report = scene.sandbox.report();
    assert_eq!((report.webhooks.accepted, report.webhooks.failed), (1, 0));
    assert_eq!(report.webhooks.sent, report.webhooks.retried + 1);
    let events = scene.events();
    assert!(events.iter().all(|event| *event == events[0]), "the same event each time");

    scene.status.store(403, Ordering::SeqCst);
    assert!(!scene.sandbox.opt_in("p1", "l2", Behaviour::Silent).await);
    assert_eq!(scene.sandbox.report().webhooks.failed, 1);
    assert!(!scene.sandbox.opt_in("p9", "l2", Behaviour::Silent).await, "an unknown page");
    scene.end().await;
}

#[tokio::test]
async fn a_crowd_opts_in_and_is_listed() {
    let second = Page { id: "p2".to_owned(), token: "other".to_owned() };
    let scene = Scene::new(|options| options.pages.push(second)).await;
    let mix = Mix { block: 0, stop_before: 0, ..Mix::default() };
    scene.sandbox.crowd(Crowd { people: 100, over: Duration::from_millis(50), mix }).await;
    let report = scene.sandbox.report();
    assert_eq!((report.people, report.opted_in, report.webhooks.accepted), (100, 100, 100));
    let listing = scene.client.get(format!("{}/sandbox/people", scene.sandbox.url())).send().await.unwrap();
    let listed: Vec<PersonReport> =
        listing.text().await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(listed, scene.sandbox.people());
    assert_eq!(listed.iter().filter(|person| person.page_id == "p2").count(), 50);
    assert!(listed.iter().all(|person| person.login_id.len() == 64 && person.opted_in_at == Some(T0)));
    scene.end().await;
}

#[tokio::test]
async fn echoes_are_sent_when_told_to() {
    let scene = Scene::new(|options| (options.open, options.echoes) = (true, true)).await;
    let mid = scene.send("l1").await.unwrap().1["message_id"].clone();
    scene.until(|report| report.webhooks.accepted == 2).await;
    let events = scene.events();
    assert_eq!((&events[0]["sender"]["id"], &events[0]["message"]["is_echo"]), (&json!("p1"), &json!(true)));
    assert_eq!((&events[0]["message"]["mid"], &events[0]["message"]["metadata"]), (&mid, &json!("meta")));
    assert_eq!(events[1]["delivery"]["mids"], json!([mid]));
    scene.end().await;
}

#[tokio::test]
async fn other_routes_answer() {
    let scene = Scene::new(|options| options.app_secret = Some(SECRET.to_owned())).await;
    let get = async |path: &str| -> Value {
        let answer =
            scene.client.get(format!("{}{path}", scene.sandbox.url())).bearer_auth(TOKEN).send().await.unwrap();
        answer.json().await.unwrap()
    };
    assert!(get("/").await["about"].is_string());
    assert_eq!(get(&format!("/v26.0/me?fields=id&appsecret_proof={PROOF}")).await, json!({"id": "p1"}));
    assert_eq!(get(&format!("/debug_token?input_token={TOKEN}")).await["data"]["is_valid"], true);
    assert_eq!(get("/debug_token?input_token=x").await["data"]["is_valid"], false);
    assert_eq!(get("/nowhere/at/all/of/it").await["error"]["code"], 2_500);
    let apps = get(&format!("/v26.0/p1/subscribed_apps?appsecret_proof={PROOF}")).await;
    assert!(apps["data"][0]["subscribed_fields"].as_array().unwrap().contains(&"messaging_optins".into()));

    let new = json!({"page_id": "p1", "login_id": "l1", "behaviour": "reply", "after": "5s"});
    let url = format!("{}/sandbox/people", scene.sandbox.url());
    assert_eq!(scene.client.post(url).json(&new).send().await.unwrap().status(), 202);
    scene.until(|report| report.webhooks.accepted == 1).await;
    assert_eq!(scene.sandbox.person("p1", "l1").unwrap().behaviour, Kind::Reply);
    let report: Report = serde_json::from_value(get("/sandbox/report").await).unwrap();
    assert_eq!(report.opted_in, 1);
    scene.end().await;
}

#[tokio::test]
async fn a_stop_ends_hangs_and_retries_at_once() {
    let faults = Faults { latency: Duration::from_hours(1), ..Faults::default() };
    let scene = Scene::new(|options| (options.open, options.faults) = (true, faults)).await;
    scene.status.store(500, Ordering::SeqCst);
    let (sandbox, client) = (scene.sandbox.clone(), scene.client.clone());
    scene.tracker.spawn(async move { sandbox.opt_in("p1", "l1", Behaviour::Silent).await });
    let body = json!({"recipient": {"login_id": "l"}, "messaging_type": "UPDATE", "message": {"text": "Hi"}, "appsecret_proof": PROOF});
    let request = scene.request("/v26.0/me/messages", &body);
    scene.tracker.spawn(async move { request.send().await.map(|answer| answer.status()) });
    scene.until(|report| report.in_flight == 1 && report.accepted == 1 && report.webhooks.sent > 0).await;
    let asked = client.get(format!("{}/sandbox/in-flight", scene.sandbox.url())).send().await.unwrap();
    assert_eq!(asked.json::<Value>().await.unwrap(), json!(["l"]));
    drop(client);
    scene.end().await;
}

#[tokio::test]
async fn a_stop_said_before_a_new_opt_in_stops_nothing() {
    let scene = Scene::new(|_| {}).await;
    scene.sandbox.opt_in("p1", "l1", Behaviour::StopAfter { after: SOON }).await;
    scene.status.store(503, Ordering::SeqCst);
    scene.send("l1").await.unwrap();
    scene.until(|report| report.webhooks.sent == 2).await;
    scene.clock.advance(Duration::from_secs(1));
    assert!(scene.sandbox.register("p1", "l1", Behaviour::Silent, scene.clock.now()));
    scene.status.store(200, Ordering::SeqCst);
    scene.until(|report| report.webhooks.accepted == 2).await;
    scene.clock.advance(Duration::from_secs(10));
    scene.send("l1").await.unwrap();
    let report = scene.sandbox.report();
    assert_eq!((report.violations.total(), report.opted_out, report.opted_in), (0, 0, 2));
    scene.end().await;
}
