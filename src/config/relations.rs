//! What must hold between sections, and what works but is probably not meant.

use std::time::Duration;

use crate::domain::policy::UncertainPolicy;

use super::source::Source;
use super::{Config, web};
use crate::domain::span::show;

/// Looks at the configuration as a whole.
pub(super) fn check(source: &mut Source, config: &Config) {
    window(source, config);
    addresses(source, config);
    closed_doors(source, config);
    privacy(source, config);
    rates(source, config);
    login(source, config);
}

/// Some of the window must be left once everything that shortens it is taken away.
fn window(source: &mut Source, config: &Config) {
    let window = config.policy.window;
    let usable = window.usable();
    if usable == Duration::ZERO {
        let sum = window.safety_margin + window.start_within + window.request_timeout;
        let what = format!(
            "is {}, but policy.safety_margin {} + send.start_within {} + messenger.request_timeout {} = {} leave nothing of it",
            show(window.window),
            show(window.safety_margin),
            show(window.start_within),
            show(window.request_timeout),
            show(sum),
        );
        source.fault("policy.window", what, "make it longer than that, or one of the others shorter");
        return;
    }
    if config.alerts.at_risk >= usable {
        let at_risk = show(config.alerts.at_risk);
        source.warn(format!("alerts.at_risk: is {at_risk}, so every opt-in is at risk from its first second on"));
    }
    if config.policy.uncertain == UncertainPolicy::Evidence && window.lease() + config.policy.settle_after >= usable {
        let settle = show(config.policy.settle_after);
        source.warn(format!(
            "policy.settle_after: is {settle}, so the window is over before evidence can settle anything"
        ));
    }
}

fn addresses(source: &mut Source, config: &Config) {
    let server = &config.server;
    if server.admin_listen == Some(server.listen) && server.listen.port() != 0 {
        source.fault("server.admin_listen", "is the same as server.listen", "give it its own port, or leave it out");
    }
}

/// Routes that stay shut because their secret is missing.
fn closed_doors(source: &mut Source, config: &Config) {
    let messenger = &config.messenger;
    if messenger.app_secrets.is_empty() {
        source.warn(
            "messenger.app_secret: is missing, so webhooks cannot be verified: POST /webhook answers 403".to_owned(),
        );
    }
    if messenger.verify_token.is_none() {
        source.warn(
            "messenger.verify_token: is missing, so the platform cannot subscribe us: GET /webhook answers 403"
                .to_owned(),
        );
    }
    if config.server.api_token.is_none() {
        source.warn("server.api_token: is missing, so POST /optins is closed".to_owned());
    }
}

/// People's requests need all of it, or none will be served.
fn privacy(source: &mut Source, config: &Config) {
    let derives = config.login.as_ref().is_some_and(|login| login.client_token.is_some());
    if derives && config.server.public_url.is_none() {
        source.warn("server.public_url: is missing, so POST /data-deletion answers 403".to_owned());
    }
    if !derives && config.server.public_url.is_some() {
        source.warn(
            "login.client_token: is missing, so POST /data-deletion and /deauthorize answer 403: nobody can be found \
             by an app-scoped id"
                .to_owned(),
        );
    }
}

fn rates(source: &mut Source, config: &Config) {
    if web::host(&config.messenger.graph_url) != Some("graph.facebook.com") {
        return;
    }
    for page in config.pages.iter().filter(|page| page.rate_per_second > 300.0) {
        source.warn(format!(
            "pages {}: rate_per_second is {}; the platform takes 300 a second from a page, and 10 with audio or video",
            page.id, page.rate_per_second
        ));
    }
}

fn login(source: &mut Source, config: &Config) {
    let derives = config.login.as_ref().is_some_and(|login| login.client_token.is_some() && login.app_id.is_none());
    if derives && config.messenger.app_id.is_none() {
        let what = "is missing, but login_ids are derived from it and login.client_token";
        source.fault("login.app_id", what, "set it, or messenger.app_id if one app does both");
    }
}
