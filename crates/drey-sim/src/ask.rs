//! The way of a message to the fake world and back, and everything that can happen to it on the way.
//!
//! A message that was sent arrives or not, whatever becomes of its sender: a controller that dies does not call back
//! what is under way.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::core::{Core, Entry, Micros, SECOND, Shared, Task};

const MILLI: Micros = 1000;
/// After this long without an answer, a call gives up.
const TIMEOUT: Micros = 4 * SECOND;
/// How late a request may arrive.
pub(crate) const LATEST: Micros = 20 * SECOND;

/// What is asked, and of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// One word.
    pub name: &'static str,
    /// Whether it changes anything.
    pub is_effect: bool,
    /// Until when nothing gets through.
    pub out_until: Micros,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply<T> {
    /// An answer.
    Done(T),
    /// 503 at once; nothing was done.
    Unavailable,
    /// Nothing.
    TimedOut,
}

type Work<T> = Arc<dyn Fn(&mut Core) -> T + Send + Sync>;

/// A call on its way.
pub struct Ask<T> {
    core: Shared,
    call: Call,
    work: Work<T>,
    slot: Arc<Mutex<Option<T>>>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Sent { answer_at: Option<Micros>, give_up_at: Micros },
}

enum Fate {
    AtOnce,
    Unavailable,
    Sent { arrives: Vec<Micros>, answer: Option<Micros> },
}

/// Asks.
pub fn ask<T: Send + 'static>(
    core: &Shared,
    call: Call,
    work: impl Fn(&mut Core) -> T + Send + Sync + 'static,
) -> Ask<T> {
    let slot = Arc::default();
    Ask { core: core.clone(), call, work: Arc::new(work), slot, state: State::New }
}

impl<T: Send + 'static> Future for Ask<T> {
    type Output = Reply<T>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.core.clone();
        let mut core = shared.lock();
        match self.state {
            State::New => match fate(&mut core, self.call) {
                Fate::AtOnce => Poll::Ready(Reply::Done((self.work)(&mut core))),
                Fate::Unavailable => Poll::Ready(Reply::Unavailable),
                Fate::Sent { arrives, answer } => {
                    for after in arrives {
                        let (work, slot) = (Arc::clone(&self.work), Arc::clone(&self.slot));
                        core.schedule(after, Entry::Deliver(deliver(work, slot)));
                    }
                    let answer_at = answer.map(|after| core.now + after);
                    let give_up_at = core.now + TIMEOUT;
                    self.state = State::Sent { answer_at, give_up_at };
                    if let Some(task) = core.current {
                        wake_at(&mut core, answer_at.unwrap_or(give_up_at), task);
                    }
                    Poll::Pending
                }
            },
            State::Sent { answer_at, give_up_at } => {
                let answer = self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                match (answer_at, answer) {
                    (Some(at), Some(answer)) if at <= core.now => Poll::Ready(Reply::Done(answer)),
                    (Some(at), None) if at <= core.now => Poll::Ready(Reply::TimedOut),
                    _ if give_up_at <= core.now => Poll::Ready(Reply::TimedOut),
                    (_, answer) => {
                        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = answer;
                        Poll::Pending
                    }
                }
            }
        }
    }
}

fn wake_at(core: &mut Core, at: Micros, task: Task) {
    let after = at - core.now;
    core.schedule(after, Entry::Poll(task));
}

fn deliver<T: Send + 'static>(work: Work<T>, slot: Arc<Mutex<Option<T>>>) -> crate::core::Delivery {
    Box::new(move |core: &mut Core| {
        let answer = work(core);
        slot.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(answer);
    })
}

fn fate(core: &mut Core, call: Call) -> Fate {
    let name = call.name;
    if call.out_until > core.now {
        return Fate::Sent { arrives: Vec::new(), answer: None };
    }
    if core.weather.is_calm {
        return Fate::AtOnce;
    }
    let weather = core.weather.clone();
    if core.rng.chance(weather.election) {
        core.fault("leader election", || format!("503 to {name}"));
        return Fate::Unavailable;
    }
    if core.rng.chance(weather.lost) {
        core.fault("request lost", || name.to_owned());
        return Fate::Sent { arrives: Vec::new(), answer: None };
    }
    let trip = core.rng.between(1, 300) * MILLI;
    let back = core.rng.between(1, 300) * MILLI;
    if core.rng.chance(weather.answer_lost) {
        core.fault("answer lost", || name.to_owned());
        return Fate::Sent { arrives: vec![trip], answer: None };
    }
    if call.is_effect && core.rng.chance(weather.late) {
        let late = core.rng.between(TIMEOUT, LATEST);
        core.fault("request late", || format!("{name}, by {} s", late / SECOND));
        return Fate::Sent { arrives: vec![late], answer: None };
    }
    if call.is_effect && core.rng.chance(weather.twice) {
        let again = core.rng.between(trip, LATEST);
        core.fault("request twice", || format!("{name}, again after {} s", again / SECOND));
        return Fate::Sent { arrives: vec![trip, again], answer: Some(trip + back) };
    }
    if core.rng.chance(weather.slow) {
        let back = if core.rng.chance(100) { 8 * back } else { back };
        core.fault("slow answer", || name.to_owned());
        return Fate::Sent { arrives: vec![trip], answer: Some(trip + back) };
    }
    Fate::AtOnce
}
