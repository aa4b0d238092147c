//! One login under way, as the browser's cookie has it: a random secret, when it began, where it should lead.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use crate::auth::secret::{challenge, derived, random_text, same};

/// How long a login may take, in seconds.
pub(crate) const LOGIN_S_MAX: i64 = 600;
/// Bytes of the place that a login leads to.
const NEXT_LEN_MAX: usize = 1_000;

/// A login under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    secret: String,
    began_s: i64,
    next: String,
}

impl Login {
    /// A new one; `None` only when the system has no randomness.
    pub(crate) fn begin(next: Option<&str>, now: Timestamp) -> Option<Self> {
        let next = next.filter(|next| is_ours(next)).unwrap_or("/").to_owned();
        Some(Self { secret: random_text()?, began_s: now.as_second(), next })
    }

    /// The one that a cookie holds, unless it has taken too long.
    pub(crate) fn read(cookie: &str, now: Timestamp) -> Option<Self> {
        let mut parts = cookie.splitn(3, '.');
        let secret = parts.next()?.to_owned();
        let began_s: i64 = parts.next()?.parse().ok()?;
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()?;
        let age_s = now.as_second().checked_sub(began_s)?;
        let is_fresh = (0..=LOGIN_S_MAX).contains(&age_s);
        (is_fresh && is_ours(&next)).then_some(Self { secret, began_s, next })
    }

    /// For the cookie.
    pub(crate) fn cookie(&self) -> String {
        let next = URL_SAFE_NO_PAD.encode(self.next.as_bytes());
        format!("{}.{}.{next}", self.secret, self.began_s)
    }

    /// Where the browser goes when the user is in: a path of this server.
    pub(crate) fn next(&self) -> &str {
        &self.next
    }

    /// What the provider sends back with the browser.
    pub(crate) fn state(&self) -> String {
        derived(&self.cookie(), "state")
    }

    /// Whether the provider sent this browser back because of this login.
    pub(crate) fn has_state(&self, state: &str) -> bool {
        same(state, &self.state())
    }

    /// What the provider writes into the ID token.
    pub(crate) fn nonce(&self) -> String {
        derived(&self.cookie(), "nonce")
    }

    /// What proves that the code is ours.
    pub(crate) fn verifier(&self) -> String {
        derived(&self.cookie(), "verifier")
    }

    /// What the provider holds the verifier against.
    pub(crate) fn challenge(&self) -> String {
        challenge(&self.verifier())
    }
}

/// Whether this is a path of this server, however a browser reads it: `//host` and `/\host` lead elsewhere, and control
/// characters vanish before that is decided.
fn is_ours(next: &str) -> bool {
    let is_plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    let is_path = next.starts_with('/') && !next.starts_with("//");
    is_plain && is_path && next.len() <= NEXT_LEN_MAX && !next.starts_with("/auth/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).expect("a time")
    }

    #[test]
    fn a_login_survives_its_cookie_for_ten_minutes() {
        let login = Login::begin(Some("/ui?x=1#y"), at(0)).expect("random");
        let cookie = login.cookie();
        assert_eq!(Login::read(&cookie, at(600)), Some(login.clone()));
        assert_eq!(Login::read(&cookie, at(601)), None);
        assert_eq!(Login::read(&cookie, at(-1)), None);
        assert!(login.has_state(&login.state()) && !login.has_state(&login.nonce()));
        assert_eq!(login.next(), "/ui?x=1#y");
    }

    #[test]
    fn whoever_changes_a_cookie_has_another_login() {
        let login = Login::begin(None, at(0)).expect("random");
        let began = at(0).as_second();
        let later = login.cookie().replace(&began.to_string(), &(began + 1).to_string());
        let later = Login::read(&later, at(2)).expect("a login");
        assert!(!later.has_state(&login.state()));
        for broken in ["", "a", "a.1", "a.b.c", "a.1.!"] {
            assert_eq!(Login::read(broken, at(0)), None, "{broken}");
        }
    }

    #[test]
    fn no_login_leads_away_from_here() {
        for away in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "evil.example",
            "/auth/logout",
            "",
            "/é",
        ] {
            let login = Login::begin(Some(away), at(0)).expect("random");
            assert_eq!(login.next(), "/", "{away:?}");
            let planted = format!("{}.{}.{}", "s", at(0).as_second(), URL_SAFE_NO_PAD.encode(away));
            assert_eq!(Login::read(&planted, at(0)), None, "{away:?}");
        }
    }
}
