//! `[server]`: what we listen on.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::section::Section;
use super::web;

/// What we listen on, and what we bear from those who call.
#[derive(Debug, Clone)]
pub struct Server {
    /// The address of everything, or of what the outside may reach where `admin_listen` is set.
    pub listen: SocketAddr,
    /// The address of metrics, health and dashboard, where they have their own.
    pub admin_listen: Option<SocketAddr>,
    /// The bearer token of `POST /optins`, which is closed without one.
    pub api_token: Option<SecretString>,
    /// How the outside reaches us: `https`, without a trailing slash.
    pub public_url: Option<String>,
    /// The largest body taken, in bytes.
    pub max_body: usize,
    /// The most connections open at once.
    pub max_connections: usize,
    /// The longest a request's headers, and then its body, may take to arrive.
    pub body_timeout: Duration,
}

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

pub(super) fn read(section: &mut Section<'_>) -> Server {
    Server {
        listen: address(section, "listen").unwrap_or(LISTEN),
        admin_listen: address(section, "admin_listen"),
        api_token: section.secret("api_token"),
        public_url: section.text_as("public_url", "use https://HOST, as the platform reaches it", web::base),
        max_body: section.size("max_body", 64 << 10..=256 << 20, 8 << 20),
        max_connections: section.int_in("max_connections", 1..=1_000_000, 20_000),
        body_timeout: section.span(
            "body_timeout",
            Duration::from_secs(1)..=Duration::from_mins(5),
            Duration::from_secs(20),
        ),
    }
}

fn address(section: &mut Section<'_>, key: &str) -> Option<SocketAddr> {
    let remedy = "use an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
    section.text_as(key, remedy, |text| text.parse().ok())
}
