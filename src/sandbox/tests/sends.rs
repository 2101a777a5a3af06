//! Sends: what is accepted, refused, lost and counted.

use super::*;

#[tokio::test]
async fn a_message_is_accepted_delivered_and_answered() {
    let scene = Scene::new(|_| {}).await;
    assert!(scene.sandbox.opt_in("p1", "l1", Behaviour::QuickReply { after: SOON }).await);
    let (status, body) = scene.send("l1").await.unwrap();
    let mid = body["message_id"].as_str().unwrap();
    assert!(mid.starts_with("m_"));
    assert_eq!((status, &body), (200, &json!({"message_id": mid})));

    let report = scene.until(|report| report.replied == 1).await;
    assert_eq!((report.requests, report.accepted, report.delivered), (1, 1, 1));
    assert_eq!(report.per_node.get("firstword/0.1.0 (node a)"), Some(&1));
    assert_eq!((report.violations.total(), report.token_in_url, report.in_flight, report.peak_second), (0, 0, 0, 1));
    let events = scene.events();
    let opt_in = json!({"recipient": {"id": "p1"}, "timestamp": T0, "optin": {"login_id": "l1"}});
    assert_eq!((events.len(), &events[0]), (2, &opt_in));
    let person = scene.sandbox.person("p1", "l1").unwrap();
    assert_eq!(events[1]["sender"]["id"], person.psid.as_str());
    assert_eq!(events[1]["message"]["quick_reply"]["payload"], "YES#1");
    assert_eq!(events[1]["prior_message"]["identifier"], "l1");
    assert!(person.replied && person.delivered == 1);
    scene.end().await;
}

#[tokio::test]
async fn second_late_and_after_stop_are_delivered_and_counted() {
    let scene = Scene::new(|options| options.window = Duration::from_secs(30)).await;
    scene.sandbox.opt_in("p1", "stops", Behaviour::StopAfter { after: SOON }).await;
    scene.sandbox.opt_in("p1", "late", Behaviour::Silent).await;
    scene.sandbox.opt_in("p1", "shy", Behaviour::StopBefore { after: SOON }).await;
    scene.send("stops").await.unwrap();
    scene.until(|report| report.opted_out == 2).await;
    let events = scene.events();
    assert!(events.iter().any(|event| event["optout"] == json!({"login_id": "shy"}) && event.get("sender").is_none()));
    assert!(events.iter().any(|event| event["message"]["text"] == "stop"));

    scene.clock.advance(Duration::from_secs(3));
    assert_eq!(scene.send("stops").await.unwrap().0, 200);
    assert_eq!(scene.send("shy").await.unwrap().0, 200);
    scene.clock.advance(Duration::from_secs(30));
    assert_eq!(scene.send("late").await.unwrap().0, 200);
    let report = scene.sandbox.report();
    assert_eq!(report.violations, Violations { second: 1, late: 1, after_stop: 2 });
    assert_eq!((report.delivered, report.accepted, report.strictly_after_stop), (3, 4, 2));
    scene.end().await;
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let scene = Scene::new(|_| {}).await;
    scene.sandbox.opt_in("p1", "blocks", Behaviour::Block).await;
    assert_eq!(scene.send("nobody").await.unwrap().1["error"]["error_subcode"], 2_018_001);
    let (status, body) = scene.send("blocks").await.unwrap();
    assert_eq!(
        (status, &body["error"]["code"], &body["error"]["error_subcode"]),
        (403, &json!(551), &json!(1_545_041))
    );

    let body = json!({"recipient": {"id": "1"}, "messaging_type": "UPDATE", "message": {"text": "Hi"}});
    let proven = format!("?appsecret_proof={PROOF}");
    let cases = [
        ("/v26.0/p1/messages", TOKEN, "(#100)", 400, "API calls from the server require an appsecret_proof argument"),
        ("/v26.0/p2/messages", TOKEN, "33", 400, "Unsupported request."),
        ("/v26.0/p1/messages", "wrong", "190", 401, "Invalid OAuth access token."),
        ("/latest/p1/messages", TOKEN, "2500", 400, "Unknown path components"),
    ];
    for (path, token, case, status, message) in cases {
        let answer =
            scene.client.post(format!("{}{path}", scene.sandbox.url())).bearer_auth(token).body(body.to_string());
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{case}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(message), "{text}");
    }
    let answer =
        scene.request(&format!("/v26.0/me/messages{proven}"), &body).send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("(#100) Param recipient[id] must be a valid ID string"), "{answer}");
    let url = format!("{}/v26.0/me/messages{proven}&access_token={TOKEN}", scene.sandbox.url());
    scene.client.post(url).body("not json").send().await.unwrap();

    let report = scene.sandbox.report();
    assert_eq!((report.accepted, report.token_in_url), (0, 1));
    let codes: Vec<&str> = report.refused_by_code.keys().map(String::as_str).collect();
    assert_eq!(codes, ["100", "100/2018001", "100/33", "190", "551/1545041"]);
    scene.end().await;
}

#[tokio::test]
async fn every_lost_answer_is_a_delivery() {
    let hang = Duration::from_millis(50);
    let faults = Faults { after: 1.0, hang, ..Faults::default() };
    let scene = Scene::new(|options| (options.open, options.faults) = (true, faults)).await;
    let mut seen = BTreeSet::new();
    for n in 0..60 {
        seen.insert(match scene.send(&format!("l{n}")).await {
            None => "broken".to_owned(),
            Some((200, body)) if body["message_id"].is_string() => "hung".to_owned(),
            Some((status, body)) => format!("{status} {}", body["error"]["code"]),
        });
    }
    let expected = ["200 null", "500 1", "502 null", "broken", "hung"].map(str::to_owned);
    assert_eq!(seen, BTreeSet::from(expected));
    let report = scene.sandbox.report();
    assert_eq!((report.requests, report.accepted, report.delivered, report.faults.after), (60, 60, 60, 60));
    assert!(report.faults.hung > 0 && report.faults.hung < 60);
    scene.end().await;
}

/// Sends raw bytes and returns all that comes back until the connection closes.
async fn raw(scene: &Scene, bytes: &[u8]) -> String {
    let mut connection = TcpStream::connect(scene.sandbox.addr()).await.unwrap();
    connection.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as any here.
    connection.read_to_end(&mut answer).await.unwrap_or_default();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn lost_connections_close_with_nothing_or_in_the_middle() {
    let scene = Scene::new(|options| {
        (options.open, options.app_secret) = (true, None);
        options.callback = None;
        options.faults = Faults { after: 1.0, hang: SOON, ..Faults::default() };
    })
    .await;
    let mut seen = BTreeSet::new();
    for n in 0..60 {
        let body =
            json!({"recipient": {"login_id": n.to_string()}, "messaging_type": "UPDATE", "message": {"text": "Hi"}})
                .to_string();
        let head = format!(
            "POST /v26.0/p1/messages HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let answer = raw(&scene, format!("{head}{body}").as_bytes()).await;
        if answer.is_empty() {
            seen.insert("dropped");
        } else if answer.contains("content-length: 120") {
            assert!(answer.ends_with("{\"message_id\":\"m_"), "{answer}");
            seen.insert("cut");
        }
    }
    assert_eq!(seen, BTreeSet::from(["dropped", "cut"]));
    scene.end().await;
}

#[tokio::test]
async fn a_send_that_breaks_off_is_no_delivery() {
    let scene = Scene::new(|options| options.open = true).await;
    let mut connection = TcpStream::connect(scene.sandbox.addr()).await.unwrap();
    let head = "POST /v26.0/p1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"recipient\":";
    connection.write_all(head.as_bytes()).await.unwrap();
    scene.until(|report| report.in_flight == 1).await;
    drop(connection);
    let report = scene.until(|report| report.in_flight == 0).await;
    assert_eq!((report.requests, report.accepted, report.aborted), (0, 0, 1));
    scene.end().await;
}

#[tokio::test]
async fn answers_show_usage_as_told() {
    let scene = Scene::new(|options| options.open = true).await;
    let faults = Faults { usage: Some(85), regain: Duration::from_secs(61), throttle: 1.0, ..Faults::default() };
    scene.sandbox.set_faults(faults).unwrap();
    let body = json!({"recipient": {"login_id": "l"}, "messaging_type": "UPDATE", "message": {"text": "Hi"}, "appsecret_proof": PROOF});
    let answer = scene.request("/v26.0/me/messages", &body).send().await.unwrap();
    let usage: Value = serde_json::from_str(answer.headers()["x-business-use-case-usage"].to_str().unwrap()).unwrap();
    assert_eq!(
        (&usage["p1"][0]["call_count"], &usage["p1"][0]["estimated_time_to_regain_access"]),
        (&85.into(), &2.into())
    );
    assert_eq!(scene.sandbox.report().faults.throttled, 1);
    assert!(scene.sandbox.set_faults(Faults { before: 2.0, ..Faults::default() }).is_err());
    scene.end().await;
}
