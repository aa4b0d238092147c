//! Pauses between attempts, and which failed attempts still count (platform API reference §1.1.3, Q23).

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::draft::SaturatingAdd;

const FIRST: SignedDuration = SignedDuration::from_secs(1);
const LONGEST: SignedDuration = SignedDuration::from_mins(5);

/// When attempt number `failures + 1` may begin: 1 s after the first failure, doubling to 5 minutes, up to a quarter
/// longer by chance. The chance comes from `seed`, so that a decision stays repeatable.
pub(crate) fn next_attempt(now: Timestamp, failures: usize, seed: Uuid) -> Timestamp {
    let doublings = failures.saturating_sub(1).min(16) as u32;
    let base = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let share = i64::from(seed.as_bytes()[15]);
    let jitter = SignedDuration::from_millis((base.as_millis() as i64) * share / 1020);
    now.saturating_add_or_max(base.saturating_add(jitter))
}

/// Drops the attempts that are older than `expiration`; zero or none keeps all.
pub(crate) fn forget_expired(
    attempts: &mut Vec<Timestamp>,
    expiration: Option<SignedDuration>,
    now: Timestamp,
) {
    if let Some(limit) = expiration.filter(SignedDuration::is_positive) {
        attempts.retain(|at| now.duration_since(*at) <= limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_one_second_to_five_minutes_with_at_most_a_quarter_on_top() {
        let now = Timestamp::UNIX_EPOCH;
        for (failures, base) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (50, 300)] {
            for seed in [0_u128, u128::MAX] {
                let pause = next_attempt(now, failures, Uuid::from_u128(seed)).duration_since(now);
                let seconds = pause.as_secs_f64() / f64::from(base);
                assert!((1.0..=1.26).contains(&seconds), "{failures} failures: {pause}");
            }
        }
    }

    #[test]
    fn attempts_expire_only_when_an_expiration_is_set() {
        let old = Timestamp::UNIX_EPOCH;
        let now = old + SignedDuration::from_secs(100);
        for (expiration, kept) in [(None, 2), (Some(0), 2), (Some(99), 1), (Some(100), 2)] {
            let mut attempts = vec![old, now];
            forget_expired(&mut attempts, expiration.map(SignedDuration::from_secs), now);
            assert_eq!(attempts.len(), kept, "{expiration:?}");
        }
    }
}
