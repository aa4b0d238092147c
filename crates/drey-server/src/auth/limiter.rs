//! Failed attempts to prove an identity cost time: per client address, and for all together.
//!
//! It only ever turns one refusal (401) into another (429, try later): what is good is let in whoever else failed from
//! there, so nobody can lock out others. With secrets of 256 bits there is nothing to guess; what is limited is the noise.
//! Memory is bounded; time is the caller's.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Failures of one address in a row; then one more each [`ADDRESS_PAUSE_MS`].
const ADDRESS_BURST: i64 = 10;
const ADDRESS_PAUSE_MS: i64 = 6_000;
/// Failures of all addresses in a row; then one more each [`TOTAL_PAUSE_MS`].
const TOTAL_BURST: i64 = 300;
const TOTAL_PAUSE_MS: i64 = 200;
/// Addresses that are remembered.
const REMEMBERED_MAX: usize = 4_096;

/// A leaky bucket: empty at first, each drop leaves after a pause.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    burst: i64,
    pause_ms: i64,
    /// When it will be empty.
    empty_at_ms: i64,
}

impl Bucket {
    /// An empty bucket for `burst` drops that leave one by one after `pause_ms` each.
    pub(crate) const fn new(burst: i64, pause_ms: i64) -> Self {
        Self { burst, pause_ms, empty_at_ms: 0 }
    }

    /// Milliseconds until there is room for a drop; 0: there is.
    pub(crate) fn wait_ms(&self, now: Timestamp) -> i64 {
        let full_after = (self.burst - 1) * self.pause_ms;
        (self.empty_at_ms - now.as_millisecond() - full_after).clamp(0, self.burst * self.pause_ms)
    }

    /// Adds a drop.
    pub(crate) fn add(&mut self, now: Timestamp) {
        let now = now.as_millisecond();
        let most = now + self.burst * self.pause_ms;
        // Not above the brim, also when the clock was set back.
        self.empty_at_ms = (self.empty_at_ms.max(now) + self.pause_ms).min(most);
    }

    fn is_empty(&self, now: Timestamp) -> bool {
        self.empty_at_ms <= now.as_millisecond()
    }
}

/// The failures that count.
pub(crate) struct Limiter(Mutex<State>);

struct State {
    addresses: HashMap<Option<IpAddr>, Bucket>,
    total: Bucket,
}

impl Default for Limiter {
    fn default() -> Self {
        Self(Mutex::new(State {
            addresses: HashMap::new(),
            total: Bucket::new(TOTAL_BURST, TOTAL_PAUSE_MS),
        }))
    }
}

impl Limiter {
    /// Seconds until there is room for a failure; `None`: there is.
    pub(crate) fn wait_s(&self, from: Option<IpAddr>, now: Timestamp) -> Option<u16> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = state.addresses.get(&network(from)).map_or(0, |bucket| bucket.wait_ms(now));
        let wait_ms = own.max(state.total.wait_ms(now));
        (wait_ms > 0).then(|| u16::try_from(wait_ms.div_euclid(1_000) + 1).unwrap_or(u16::MAX))
    }

    /// Counts a failure.
    pub(crate) fn failed(&self, from: Option<IpAddr>, now: Timestamp) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.total.add(now);
        let from = network(from);
        if state.addresses.len() >= REMEMBERED_MAX && !state.addresses.contains_key(&from) {
            state.make_room(now);
        }
        let fresh = Bucket::new(ADDRESS_BURST, ADDRESS_PAUSE_MS);
        state.addresses.entry(from).or_insert(fresh).add(now);
    }
}

impl State {
    /// Forgets addresses that owe nothing any more, else the one that owes least.
    fn make_room(&mut self, now: Timestamp) {
        self.addresses.retain(|_, bucket| !bucket.is_empty(now));
        if self.addresses.len() >= REMEMBERED_MAX {
            let least = self.addresses.iter().min_by_key(|(_, b)| b.empty_at_ms).map(|(a, _)| *a);
            least.map(|least| self.addresses.remove(&least));
        }
    }
}

/// Addresses that one party surely has together: all of an IPv6 network of 64 bits.
fn network(from: Option<IpAddr>) -> Option<IpAddr> {
    from.map(|address| match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + ms).expect("a time")
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn after_ten_failures_an_address_waits_and_the_others_do_not() {
        let limiter = Limiter::default();
        for _ in 0..ADDRESS_BURST {
            assert_eq!(limiter.wait_s(address("192.0.2.1"), at(0)), None);
            limiter.failed(address("192.0.2.1"), at(0));
        }
        assert_eq!(limiter.wait_s(address("192.0.2.1"), at(0)), Some(7));
        assert_eq!(limiter.wait_s(address("192.0.2.1"), at(5_999)), Some(1));
        assert_eq!(limiter.wait_s(address("192.0.2.1"), at(6_000)), None);
        assert_eq!(limiter.wait_s(address("192.0.2.2"), at(0)), None);
    }

    #[test]
    fn many_addresses_together_are_limited_too_and_memory_is_bounded() {
        let limiter = Limiter::default();
        for n in 0..10_000_u32 {
            let from = Some(IpAddr::V4(n.into()));
            limiter.failed(from, at(0));
        }
        assert!(limiter.wait_s(address("198.51.100.1"), at(0)).is_some());
        assert_eq!(limiter.wait_s(address("198.51.100.1"), at(TOTAL_PAUSE_MS)), None);
        let state = limiter.0.lock().expect("a lock");
        assert!(state.addresses.len() <= REMEMBERED_MAX);
    }

    #[test]
    fn neighbours_in_a_small_ipv6_network_are_one() {
        let limiter = Limiter::default();
        for n in 0..ADDRESS_BURST {
            limiter.failed(address(&format!("2001:db8::{n:x}")), at(0));
        }
        assert!(limiter.wait_s(address("2001:db8::ffff"), at(0)).is_some());
        assert_eq!(limiter.wait_s(address("2001:db8:0:1::1"), at(0)), None);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_longer_than_the_limit() {
        let limiter = Limiter::default();
        limiter.failed(address("192.0.2.1"), at(86_400_000));
        let wait = limiter.wait_s(address("192.0.2.1"), at(0)).map_or(0, i64::from);
        assert!(wait <= ADDRESS_BURST * ADDRESS_PAUSE_MS / 1_000 + 1, "{wait}");
        limiter.failed(address("192.0.2.1"), at(0));
        assert_eq!(limiter.wait_s(address("192.0.2.1"), at(60_000)), None);
    }
}
