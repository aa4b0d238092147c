//! The names that this server answers to.
//!
//! A page of any site can have a browser send requests to `127.0.0.1`, and a name of its own that resolves there makes
//! the browser take them for its own site's (DNS rebinding). What such a request cannot change is the name in its `Host`
//! header, so a server for this machine alone answers to names of this machine alone.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

/// Which `Host` headers are accepted. The default: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    is_local: bool,
    names: Vec<String>,
}

impl Hosts {
    /// For a server that listens on `address`, with the names it is known by beyond those of its machine. On a loopback
    /// address only these and loopback names count; elsewhere any name does, unless some are given: then these and
    /// plain addresses, which no name server can redirect.
    #[must_use]
    pub fn of(address: SocketAddr, names: impl IntoIterator<Item = String>) -> Self {
        let names = names.into_iter().map(|name| host_of(&name).unwrap_or(name));
        Self {
            is_local: address.ip().to_canonical().is_loopback(),
            names: names.filter(|name| !name.is_empty()).collect(),
        }
    }

    /// Whether a request for this `Host` (`name`, `name:port`, `[::1]:port`) is meant for this server.
    pub(crate) fn answer_to(&self, authority: &str) -> bool {
        if !self.is_local && self.names.is_empty() {
            return true;
        }
        let Some(host) = host_of(authority) else { return false };
        let ip = host.parse::<IpAddr>().ok();
        let is_loopback =
            host == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback());
        is_loopback || self.names.contains(&host) || (!self.is_local && ip.is_some())
    }

    /// Whether this is one of the names that were given.
    pub(crate) fn name(&self, host: &str) -> bool {
        host_of(host).is_some_and(|host| self.names.contains(&host))
    }
}

/// The host of `host:port` in small letters, without brackets and without the dot of the root.
fn host_of(authority: &str) -> Option<String> {
    let authority: Authority = authority.parse().ok()?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    Some(host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str, names: &[&str]) -> Hosts {
        let address = address.parse().expect("an address");
        Hosts::of(address, names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn a_local_server_answers_to_names_of_its_machine() {
        for address in ["127.0.0.1:8080", "[::1]:0", "[::ffff:127.0.0.1]:1"] {
            let local = hosts(address, &["Drey.Example:443"]);
            for good in [
                "localhost",
                "LOCALHOST.:1",
                "127.0.0.1:8080",
                "127.9.9.9",
                "[::1]:8080",
                "drey.example",
            ] {
                assert!(local.answer_to(good), "{good}");
            }
            for bad in [
                "evil.example",
                "localhost.evil.example",
                "10.0.0.1",
                "127.0.0.1.nip.io",
                "",
                "a b",
            ] {
                assert!(!local.answer_to(bad), "{bad}");
            }
        }
    }

    #[test]
    fn elsewhere_any_name_will_do_unless_some_are_given() {
        assert!(hosts("0.0.0.0:8080", &[]).answer_to("whatever"));
        assert!(Hosts::default().answer_to("whatever"));
        let named = hosts("0.0.0.0:8080", &["drey.example"]);
        assert!(named.answer_to("drey.example:8080") && named.answer_to("10.0.0.1:8080"));
        assert!(!named.answer_to("evil.example"));
    }
}
