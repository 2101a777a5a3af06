//! Addresses on the web, looked at just closely enough that no secret goes to a place nobody meant.

use std::net::IpAddr;

/// The parts of an address that decide where a request goes.
struct Address<'a> {
    https: bool,
    host: &'a str,
    /// Path, query and fragment.
    rest: &'a str,
}

/// An address to which paths are appended: `https`, or `http` on this machine; no user, query or fragment. Without
/// its trailing slashes.
pub(super) fn base(text: &str) -> Option<String> {
    let address = Address::read(text)?;
    let plain = !address.rest.contains(['?', '#']);
    let kept_private = address.https || is_loopback(address.host);
    (plain && kept_private).then(|| text.trim_end_matches('/').to_owned())
}

/// Any `http` or `https` address without a user in it.
pub(super) fn is_address(text: &str) -> bool {
    Address::read(text).is_some()
}

/// The host an address leads to.
pub(super) fn host(text: &str) -> Option<&str> {
    Address::read(text).map(|address| address.host)
}

impl<'a> Address<'a> {
    /// Refuses whatever two readers could take for two different hosts.
    fn read(text: &'a str) -> Option<Self> {
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return None;
        }
        let (scheme, after) = text.split_once("://")?;
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let end = after.find(['/', '?', '#']).unwrap_or(after.len());
        let (authority, rest) = after.split_at_checked(end)?;
        Some(Self { https, host: host_of(authority)?, rest })
    }
}

/// The host of `host`, `host:port`, `[::1]` or `[::1]:port`.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_name = |host: &str| host.chars().all(|c| c.is_alphanumeric() || "-._:".contains(c));
    let known_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!host.is_empty() && is_name(host) && known_port).then_some(host)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        for good in [
            "https://graph.facebook.com",
            "http://127.0.0.1:8081",
            "http://127.9.9.9",
            "http://localhost:1",
            "http://[::1]:80",
        ] {
            assert_eq!(base(good).as_deref(), Some(good));
        }
        assert_eq!(base("https://example.com/graph/").as_deref(), Some("https://example.com/graph"));
        for bad in [
            "http://graph.facebook.com",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "http://127.0.0.1\\@evil.com",
            "http://127.0.0.1 .evil.com",
            "http://0.0.0.0:80",
            "https://",
            "https://a:b",
            "https://a:0",
            "https://a?x=1",
            "https://a/#x",
            "ftp://a",
            "graph.facebook.com",
        ] {
            assert_eq!(base(bad), None, "{bad}");
        }
    }
}
