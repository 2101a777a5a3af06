//! The sample: complete, true, and loadable.

use super::super::{Config, SAMPLE, Source, read, syntax};
use super::{HELLO, PAGE, Site, site};

/// The sample with those keys set that `wanted` accepts.
fn sample_with(wanted: impl Fn(&str) -> bool) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if !key.starts_with(' ') && wanted(key) => format!("{key}\n"),
        _ => format!("{line}\n"),
    };
    SAMPLE.lines().map(line).collect()
}

fn sample_site(text: &str) -> Site {
    let site = Site::new(text);
    site.write("messages/welcome.json", HELLO);
    site.write("jobs/empty.toml", "");
    site
}

#[test]
fn the_sample_needs_a_page_and_nothing_else() {
    let keys: Vec<String> = sample_site(SAMPLE).faults().iter().map(|fault| fault.key.clone()).collect();
    assert_eq!(keys, ["pages[0].id", "pages[0].access_token", "pages[0].message"]);
    let page = ["id =", "access_token =", "message ="];
    sample_site(&sample_with(|key| page.iter().any(|wanted| key.starts_with(wanted)))).config();
}

#[test]
fn the_sample_shows_the_defaults() {
    let full = sample_with(|key| !key.contains("_file ="));
    let (full, bare) = (sample_site(&full).config(), site("").config());
    assert_eq!(full.policy, bare.policy);
    assert_eq!(full.later, bare.later);
    assert_eq!(full.send, bare.send);
    assert_eq!(full.server.listen, bare.server.listen);
    assert_eq!(
        (full.server.max_body, full.server.max_connections, full.server.body_timeout),
        (bare.server.max_body, bare.server.max_connections, bare.server.body_timeout)
    );
    assert_eq!(full.messenger.graph_url, bare.messenger.graph_url);
    assert_eq!(full.messenger.api_version, bare.messenger.api_version);
    let times = |config: &Config| {
        let alerts = &config.alerts;
        let more = [alerts.command_timeout, alerts.calm_after, config.site.give_up_after];
        ([alerts.at_risk, alerts.repeat, alerts.heartbeat_every, alerts.webhook_silence], more)
    };
    assert_eq!((full.alerts.webhook_format, &full.site.events), (bare.alerts.webhook_format, &bare.site.events));
    assert_eq!(times(&full), times(&bare));
    assert_eq!(full.warnings, Vec::<String>::new());
}

#[test]
fn the_sample_names_every_key() {
    let site = site("");
    let table = syntax::parse("firstword.toml", &format!("\n{PAGE}")).unwrap();
    let file = site.path("firstword.toml");
    let mut source = Source::new("firstword.toml".to_owned(), &file, &site.environment);
    read(&mut source, &table, file);
    for key in source.known() {
        let (section, leaf) = key.rsplit_once('.').unwrap();
        let header = section.strip_suffix("[0]").map_or(format!("\n[{section}]"), |list| format!("\n[[{list}]]"));
        let (_, after) = SAMPLE.split_once(&header).unwrap();
        let body = after.split("\n[").next().unwrap();
        assert!(body.contains(&format!("\n#{leaf} = ")), "{key} is not in the sample");
    }
}
