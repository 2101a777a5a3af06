//! A running daemon.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::{API_TOKEN, APP_SECRET, Place, until};
use firstword::domain::keyed::hmac_sha256;

pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    base: String,
    http: Client,
}

impl Daemon {
    /// Starts it and goes on at once.
    pub(crate) fn start(place: &Place, level: &str, environment: &[(&str, &str)]) -> Self {
        let log = place.path("log");
        let mut command = place.command(&format!("run --log {level}"));
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let child = command.envs(environment.iter().copied()).stderr(output).spawn().unwrap();
        // Chosen once for the process; whoever was first is as good.
        _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(Duration::from_secs(30));
        Self { child, log, base: place.url(""), http: http.build().unwrap() }
    }

    /// Starts it and waits until it does its work.
    pub(crate) async fn ready(place: &Place) -> Self {
        let mut daemon = Self::start(place, "debug", &[]);
        daemon.becomes_ready().await;
        daemon
    }

    pub(crate) async fn becomes_ready(&mut self) {
        until("ready", async || {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended: {}", self.log());
            (self.get("/readyz").await.0 == 200).then_some(())
        })
        .await;
    }

    /// The status and text of a page; 0 where nobody answers.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        answer(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Posts a webhook as the platform does.
    pub(crate) async fn webhook(&self, body: &str) -> u16 {
        let signature = hex::encode(hmac_sha256(APP_SECRET.as_bytes(), &[body.as_bytes()]));
        self.post("/webhook", body, &[("X-Hub-Signature-256", &format!("sha256={signature}"))]).await.0
    }

    /// Reports opt-ins as the site does.
    pub(crate) async fn site(&self, body: &str) -> (u16, String) {
        let bearer = format!("Bearer {API_TOKEN}");
        self.post("/optins", body, &[("Authorization", &bearer), ("Content-Type", "application/json")]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let request = self.http.post(format!("{}{path}", self.base)).body(body.to_owned());
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        until("its end", async || self.child.try_wait().unwrap()).await.code()
    }

    /// What it logged so far, over all its lives.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    match request.send().await {
        Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
        Err(_) => (0, String::new()),
    }
}
