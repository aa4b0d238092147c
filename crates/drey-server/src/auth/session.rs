//! Sessions of people: a random cookie in the browser, its hash and what is known of the person in the store.
//!
//! The cookie is HttpOnly (no script reads it), SameSite=Lax (other sites' forms and fetches do not carry it) and, where
//! browsers see https, Secure with the prefix `__Host-`, so that no other host can plant one. For anything that changes
//! something it counts only together with the browser's word that a page of ours sent the request
//! ([`crate::middleware::is_from_our_page`]).

use axum::http::{HeaderMap, HeaderValue, header};
use drey_model::namespace::Member;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

/// A person who is logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    /// The id in `user:<id>`.
    pub(crate) user: String,
    /// What to call them.
    pub(crate) display_name: String,
    /// The names in `group:<id>`.
    pub(crate) groups: Vec<String>,
    /// When they have to log in again.
    pub(crate) expires_at: Timestamp,
}

impl Session {
    /// Whether one of these members is this person, or a group of theirs.
    pub(crate) fn is_among(&self, members: &[Member]) -> bool {
        members.iter().any(|member| match member {
            Member::User(id) => *id == self.user,
            Member::Group(id) => self.groups.contains(id),
            Member::Authenticated => true,
        })
    }
}

/// The cookies of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Who is logged in.
    Session,
    /// A login under way.
    Login,
}

impl Cookie {
    fn name(self, public_url: &Url) -> &'static str {
        match (self, is_secure(public_url)) {
            (Self::Session, true) => "__Host-drey_session",
            (Self::Session, false) => "drey_session",
            (Self::Login, true) => "__Host-drey_login",
            (Self::Login, false) => "drey_login",
        }
    }

    /// The value that a browser sent.
    pub(crate) fn read<'a>(self, headers: &'a HeaderMap, public_url: &Url) -> Option<&'a str> {
        let name = self.name(public_url);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
        values.next().filter(|value| !value.is_empty())
    }

    /// The header that has a browser keep a value for so long; 0 s: forget it.
    pub(crate) fn write(
        self,
        value: &str,
        max_age_s: i64,
        public_url: &Url,
    ) -> Option<HeaderValue> {
        let secure = if is_secure(public_url) { "; Secure" } else { "" };
        let name = self.name(public_url);
        let line =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}");
        HeaderValue::from_str(&line).ok()
    }
}

fn is_secure(public_url: &Url) -> bool {
    public_url.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_told_apart_and_locked_to_the_host_under_https() {
        let (plain, tls) = (Url::parse("http://localhost:1"), Url::parse("https://drey.example"));
        let (plain, tls) = (plain.expect("a URL"), tls.expect("a URL"));
        let set = Cookie::Session.write("v", 60, &tls).expect("a header");
        let set = set.to_str().expect("text");
        assert_eq!(
            set,
            "__Host-drey_session=v; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure"
        );
        let mut headers = HeaderMap::new();
        let sent = "a=b; drey_login=l; xdrey_session=no; drey_session=s";
        headers.insert(header::COOKIE, sent.parse().expect("a header"));
        assert_eq!(Cookie::Session.read(&headers, &plain), Some("s"));
        assert_eq!(Cookie::Login.read(&headers, &plain), Some("l"));
        assert_eq!(Cookie::Session.read(&headers, &tls), None, "only the locked one counts");
    }
}
