//! `[messenger]` and `[login]`: the apps on the platform's side.

use std::time::Duration;

use secrecy::SecretString;

use super::section::Section;
use super::web;

/// How we reach the platform, and how it proves itself to us.
#[derive(Debug, Clone)]
pub struct Messenger {
    /// Where the Graph API is: `https`, or `http` on this machine; without a trailing slash.
    pub graph_url: String,
    /// Its version, such as `v26.0`.
    pub api_version: String,
    /// The app that sends.
    pub app_id: Option<String>,
    /// The app's secrets, the current one first; more than one during a rotation. With none, webhooks are refused.
    pub app_secrets: Vec<SecretString>,
    /// What the platform says when it subscribes us.
    pub verify_token: Option<SecretString>,
}

impl Messenger {
    /// The app's current secret: what is sent is proved with it.
    #[must_use]
    pub fn app_secret(&self) -> Option<&SecretString> {
        self.app_secrets.first()
    }
}

/// The app people log in with, where it is not the one that sends, or where `login_id`s are derived.
#[derive(Debug, Clone)]
pub struct Login {
    /// The app's id.
    pub app_id: Option<String>,
    /// Its secrets, the current one first: signed requests are checked with them.
    pub app_secrets: Vec<SecretString>,
    /// The token from which `login_id`s are derived.
    pub client_token: Option<SecretString>,
}

/// Graph API versions that can still be called as of the newest one here.
const VERSIONS: [&str; 6] = ["v26.0", "v25.0", "v24.0", "v23.0", "v22.0", "v21.0"];
const NEWEST: &str = "v26.0";

/// Reads the section, and the time a request may take.
pub(super) fn read(section: &mut Section<'_>) -> (Messenger, Duration) {
    let url_remedy = "use https://HOST, or http:// for a host on this machine, without user, query or fragment";
    let graph_url = section.text_as("graph_url", url_remedy, web::base);
    let messenger = Messenger {
        graph_url: graph_url.unwrap_or_else(|| "https://graph.facebook.com".to_owned()),
        api_version: version(section),
        app_id: app_id(section),
        app_secrets: section.secrets("app_secret"),
        verify_token: section.secret("verify_token"),
    };
    let range = Duration::from_millis(200)..=Duration::from_mins(2);
    (messenger, section.span("request_timeout", range, Duration::from_secs(10)))
}

/// Reads the section, if anything is in it.
pub(super) fn login(section: &mut Section<'_>) -> Option<Login> {
    let login = Login {
        app_id: app_id(section),
        app_secrets: section.secrets("app_secret"),
        client_token: section.secret("client_token"),
    };
    let given = login.app_id.is_some() || !login.app_secrets.is_empty() || login.client_token.is_some();
    given.then_some(login)
}

fn version(section: &mut Section<'_>) -> String {
    let check = |text: &str| {
        let (major, minor) = text.strip_prefix('v')?.split_once('.')?;
        let number = |part: &str| !part.is_empty() && part.len() < 4 && part.chars().all(|c| c.is_ascii_digit());
        (number(major) && number(minor)).then(|| text.to_owned())
    };
    let version = section.text_as("api_version", &format!("use a version such as {NEWEST:?}"), check);
    let version = version.unwrap_or_else(|| NEWEST.to_owned());
    if !VERSIONS.contains(&version.as_str()) {
        let known = VERSIONS.join(", ");
        section.source.warn(format!("messenger.api_version: {version} is none of those known here ({known})"));
    }
    version
}

fn app_id(section: &mut Section<'_>) -> Option<String> {
    let remedy = "use the app's number, as the platform's dashboard shows it";
    section.id_as("app_id", remedy, |text| {
        let clean = text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric());
        clean.then(|| text.to_owned())
    })
}
