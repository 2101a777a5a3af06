//! The sandbox as the process an operator starts: `firstword sandbox`, asked over its own routes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::Duration;

use firstword::sandbox::{Kind, PersonReport, Report};
use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::place::{APP_SECRET, PAGE, PAGE_TOKEN, Place, until};

pub(crate) struct Outside {
    child: Child,
    base: String,
    http: Client,
}

impl Outside {
    /// Starts it on a port of its own; the place sends to it from now on.
    pub(crate) async fn start(place: &mut Place, callback: &str, plan: &str, seed: u64) -> Self {
        let port = crate::place::free_port();
        place.write("plan.toml", plan);
        let line = format!(
            "sandbox --listen 127.0.0.1:{port} --page {PAGE}={PAGE_TOKEN} --app-secret {APP_SECRET} \
             --callback {callback} --plan plan.toml --seed {seed} --json"
        );
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let child = place.command(&line).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
        let this = Self { child, base: format!("http://127.0.0.1:{port}"), http };
        until("the sandbox listens", async || this.http.get(&this.base).send().await.ok()).await;
        place.send_to(&this.base);
        this
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    async fn get(&self, path: &str) -> String {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn report(&self) -> Report {
        serde_json::from_str(&self.get("/sandbox/report").await).unwrap()
    }

    /// Whose message was judged and is not answered yet.
    pub(crate) async fn in_flight(&self) -> BTreeSet<String> {
        serde_json::from_str(&self.get("/sandbox/in-flight").await).unwrap()
    }

    pub(crate) async fn people(&self) -> BTreeMap<String, PersonReport> {
        let people = self.get("/sandbox/people").await;
        let people = people.lines().map(|line| serde_json::from_str::<PersonReport>(line).unwrap());
        people.map(|person| (person.login_id.clone(), person)).collect()
    }

    /// Somebody opts in now; the webhook follows until it is acknowledged.
    pub(crate) async fn opt_in(&self, login: &str, behaviour: Kind, after: Duration) {
        let after = format!("{}ms", after.as_millis());
        let new = json!({"page_id": PAGE, "login_id": login, "behaviour": behaviour, "after": after});
        let url = format!("{}/sandbox/people", self.base);
        let status = self.http.post(url).json(&new).send().await.unwrap().status();
        assert_eq!(status, 202, "the sandbox takes in {login}");
    }

    /// Ends it in order: its last report, after its own verdict that no promise was broken.
    pub(crate) async fn end(mut self) -> Report {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = until("the sandbox ends", async || self.child.try_wait().unwrap()).await;
        let told = std::io::read_to_string(self.child.stdout.take().unwrap()).unwrap();
        assert_eq!(status.code(), Some(0), "{told}");
        serde_json::from_str(&told).unwrap()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
