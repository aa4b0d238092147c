//! Time, ids and fault points: the only door to what is not repeatable. The simulator brings its own world.

use std::fmt;
use std::future::Future;

use jiff::{SignedDuration, Timestamp, TimestampRound, Unit};
use uuid::Uuid;

/// What the loop takes from outside itself, other than the store, the backend and Flink.
pub trait World: Send + Sync + 'static {
    /// The time, in whole microseconds.
    fn now(&self) -> Timestamp;

    /// A fresh id; ids grow with time.
    fn id(&self) -> Uuid;

    /// Called at each boundary between intent, effect and record. A test's world may end the process here.
    fn pass(&self, point: FaultPoint) -> impl Future<Output = ()> + Send;
}

/// A boundary at which a crash must be harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPoint {
    /// Decided; nothing is stored yet.
    BeforeRecord,
    /// The intent is stored; nothing is done yet.
    AfterRecord,
    /// Just before an effect.
    BeforeEffect(&'static str),
    /// Just after an effect; its outcome is not stored.
    AfterEffect(&'static str),
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeforeRecord => f.write_str("before-record"),
            Self::AfterRecord => f.write_str("after-record"),
            Self::BeforeEffect(action) => write!(f, "before-effect:{action}"),
            Self::AfterEffect(action) => write!(f, "after-effect:{action}"),
        }
    }
}

/// The machine's clock and random ids.
#[derive(Debug, Default)]
pub struct RealWorld {
    #[cfg(feature = "faults")]
    fault: faults::Fault,
}

impl World for RealWorld {
    fn now(&self) -> Timestamp {
        now()
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    async fn pass(&self, point: FaultPoint) {
        #[cfg(feature = "faults")]
        self.fault.pass(point);
        #[cfg(not(feature = "faults"))]
        let _ = point;
    }
}

/// The machine's time in whole microseconds, the precision of the API (platform API reference Q32).
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    let micros = TimestampRound::new().smallest(Unit::Microsecond);
    now.round(micros).unwrap_or(now)
}

/// `now + duration`, or the end of time.
pub(crate) fn later(now: Timestamp, duration: SignedDuration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(feature = "faults")]
mod faults {
    //! Ends the process, as `kill -9` would, when the point named by `DREY_FAULT` is passed for the n-th time:
    //! `DREY_FAULT=after-effect:stop` or `DREY_FAULT=before-record#3`.

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::FaultPoint;

    #[derive(Debug)]
    pub(super) struct Fault {
        point: Option<String>,
        left: AtomicU32,
    }

    impl Default for Fault {
        fn default() -> Self {
            let text = std::env::var("DREY_FAULT").ok();
            let (point, count) = match text {
                None => (None, 1),
                Some(text) => match text.rsplit_once('#') {
                    Some((point, count)) => (Some(point.to_owned()), count.parse().unwrap_or(1)),
                    None => (Some(text), 1),
                },
            };
            Self { point, left: AtomicU32::new(count) }
        }
    }

    impl Fault {
        pub(super) fn pass(&self, point: FaultPoint) {
            let is_named = self.point.as_deref() == Some(point.to_string().as_str());
            if is_named && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                tracing::error!(%point, "ending the process at a fault point");
                std::process::abort();
            }
        }
    }
}
