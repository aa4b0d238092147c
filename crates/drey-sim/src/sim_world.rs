//! The controller's door to time, ids and fault points, as the simulator opens it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use drey_controller::{FaultPoint, World};
use jiff::Timestamp;
use uuid::Uuid;

use crate::core::{Entry, Micros, SECOND, Shared};

const MILLI: Micros = 1000;

/// One replica's world.
pub struct SimWorld {
    /// What is shared.
    pub core: Shared,
    /// Which replica.
    pub replica: usize,
}

impl World for SimWorld {
    fn now(&self) -> Timestamp {
        self.core.lock().clock(self.replica)
    }

    fn id(&self) -> Uuid {
        self.core.lock().id()
    }

    fn pass(&self, point: FaultPoint) -> impl Future<Output = ()> + Send {
        let mut guard = self.core.lock();
        let core = &mut *guard;
        let until = if core.weather.is_calm {
            Some(core.now)
        } else if core.rng.chance(core.weather.crash) {
            core.dying = Some(self.replica);
            core.coverage.count("crash", &point.to_string());
            core.fault("crash", || point.to_string());
            None
        } else if core.rng.chance(core.weather.hesitate) {
            let long = if core.rng.chance(100) { 20 * SECOND } else { 200 * MILLI };
            let pause = core.rng.between(MILLI, long);
            if let Some(task) = core.current {
                core.schedule(pause, Entry::Poll(task));
            }
            Some(core.now + pause)
        } else {
            Some(core.now)
        };
        Pause { core: self.core.clone(), until }
    }
}

/// Waits until a time, or for ever: then this controller is dead, and the future is dropped.
struct Pause {
    core: Shared,
    until: Option<Micros>,
}

impl Future for Pause {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.until {
            Some(until) if self.core.lock().now >= until => Poll::Ready(()),
            Some(_) | None => Poll::Pending,
        }
    }
}
