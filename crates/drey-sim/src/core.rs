//! What everything in a history shares: simulated time, chance, the agenda, the fake world and the oracle.
//!
//! ```text
//!  agenda ──► history (polls looks, lets the world change, lets users act)
//!                │ poll                                  ▲ schedule
//!                ▼                                       │
//!          real controller ──► fake backend, fake Flink ─┘     each call draws its fate here
//! ```
//!
//! One thread, one mutex, no real clock. Anything that takes time is an entry of the agenda.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drey_store::Store;
use jiff::Timestamp;
use uuid::Uuid;

use crate::coverage::Coverage;
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::story::Story;
use crate::universe::{Change, Universe};
use crate::weather::Weather;

/// Microseconds since the history began: the true time, which nobody in the history sees.
pub type Micros = i64;
/// One second.
pub const SECOND: Micros = 1_000_000;
/// One minute.
pub const MINUTE: Micros = 60 * SECOND;
/// The true time at which every history begins: 2030-01-01T00:00:00Z.
const BEGINNING: Micros = 1_893_456_000 * SECOND;

/// The looks of one replica at one Deployment.
pub type Task = (usize, Uuid);
/// Something that happens on the way of a message.
pub type Delivery = Box<dyn FnOnce(&mut Core) + Send>;

/// An entry of the agenda.
pub enum Entry {
    /// A look may go on.
    Poll(Task),
    /// A timer of a replica.
    Due(Task, u64),
    /// A message arrives.
    Deliver(Delivery),
    /// The fake world changes.
    World(Change),
    /// A user does something.
    User,
    /// Something bad happens.
    Mishap,
    /// A replica tends to its lease.
    Lease(usize),
    /// A replica starts.
    Start(usize),
    /// Users do something to the session cluster.
    Landlord,
    /// They go on mending it, in calm weather.
    Mend,
    /// Calm weather from here on.
    Calm,
    /// Has everything come to rest?
    Check,
    /// The history ends, settled or not.
    End,
}

struct Appointment {
    at: Micros,
    number: u64,
    entry: Entry,
}

impl PartialEq for Appointment {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Appointment {}
impl PartialOrd for Appointment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Appointment {
    /// The earliest is the greatest, because the agenda is a max-heap.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

/// Everything shared.
pub struct Core {
    /// True time.
    pub now: Micros,
    /// Chance.
    pub rng: Rng,
    /// What may go wrong in this history.
    pub weather: Weather,
    /// Processes, Flink jobs, storage.
    pub universe: Universe,
    /// The judge.
    pub oracle: Oracle,
    /// What happened, for people.
    pub story: Story,
    /// What was exercised.
    pub coverage: Coverage,
    /// How far each replica's clock is from the truth.
    pub clocks: [Micros; 2],
    /// By how much the clocks were set back, in sum.
    pub set_back: Micros,
    /// The look that is being polled.
    pub current: Option<Task>,
    /// Set by a fault point: this replica dies at the end of the poll.
    pub dying: Option<usize>,
    /// Whether Deployments run in session mode, mostly.
    pub is_session: bool,
    /// Whether there is a session cluster now.
    pub has_shared: bool,
    /// Deployments whose spec was written in calm weather.
    pub fresh_specs: BTreeSet<Uuid>,
    /// The real store.
    pub store: Store,
    agenda: BinaryHeap<Appointment>,
    appointments: u64,
    ids: u64,
}

impl Core {
    /// A new world, seeded.
    #[must_use]
    pub fn new(seed: u64, store: Store, is_told: bool) -> Self {
        let mut rng = Rng::new(seed);
        // Not by chance: histories without it go as they always did.
        let is_session = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62 == 0;
        let mut weather = Weather::drawn(&mut rng);
        if is_session {
            weather.draw_for_session(&mut rng);
        }
        let oracle = Oracle::new(&store);
        Self {
            now: 0,
            rng,
            weather,
            universe: Universe::default(),
            oracle,
            story: Story::new(is_told),
            coverage: Coverage::default(),
            clocks: [0, 0],
            set_back: 0,
            current: None,
            dying: None,
            is_session,
            has_shared: false,
            fresh_specs: BTreeSet::new(),
            store,
            agenda: BinaryHeap::new(),
            appointments: 0,
            ids: 0,
        }
    }

    /// Puts something on the agenda.
    pub fn schedule(&mut self, after: Micros, entry: Entry) {
        self.appointments += 1;
        let at = self.now + after.max(0);
        self.agenda.push(Appointment { at, number: self.appointments, entry });
    }

    /// How many Deployments a history begins with.
    pub fn first_deployments(&mut self) -> usize {
        self.weather.deployments(&mut self.rng)
    }

    /// A change of the fake world after a while.
    pub fn change_in(&mut self, after: Micros, change: Change) {
        self.schedule(after, Entry::World(change));
    }

    /// Takes the next entry and moves the time to it.
    pub fn next_entry(&mut self) -> Option<Entry> {
        let next = self.agenda.pop()?;
        self.now = self.now.max(next.at);
        Some(next.entry)
    }

    /// The true time as a timestamp.
    #[must_use]
    pub fn true_time(&self) -> Timestamp {
        timestamp(self.now)
    }

    /// What the clock of this replica shows.
    #[must_use]
    pub fn clock(&self, replica: usize) -> Timestamp {
        timestamp(self.now + self.clocks[replica])
    }

    /// A fresh id; ids grow with time.
    pub fn id(&mut self) -> Uuid {
        self.ids += 1;
        let millis = ((BEGINNING + self.now) / 1000) as u128;
        let tail = u128::from(self.rng.next_u64() & 0xffff_ffff);
        let count = u128::from(self.ids & 0x0fff_ffff);
        Uuid::from_u128((millis << 80) | (0x7 << 76) | (0b10 << 62) | (count << 32) | tail)
    }

    /// Notes a line of the story.
    pub fn tell(&mut self, who: &'static str, what: impl FnOnce() -> String) {
        if self.story.is_told {
            self.story.line(self.now, who, what());
        }
    }

    /// Counts a fault that took effect, and tells it.
    pub fn fault(&mut self, name: &'static str, what: impl FnOnce() -> String) {
        self.coverage.count("fault", name);
        self.tell("world", || format!("[{name}] {}", what()));
    }
}

/// The true time as a timestamp.
#[must_use]
pub fn timestamp(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(BEGINNING + at).unwrap_or(Timestamp::MAX)
}

/// The moment of a timestamp on the true time line.
#[must_use]
pub fn micros(at: Timestamp) -> Micros {
    at.as_microsecond() - BEGINNING
}

/// A handle to the core.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Core>>);

impl Shared {
    /// Shares a core.
    #[must_use]
    pub fn new(core: Core) -> Self {
        Self(Arc::new(Mutex::new(core)))
    }

    /// The core itself. Never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, Core> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first 8 digits that tell ids of one history apart.
#[must_use]
pub fn short(id: Uuid) -> String {
    let text = id.simple().to_string();
    format!("{}-{}", &text[16..24], &text[28..32])
}

/// Counts per key.
pub type Tally<K> = BTreeMap<K, u64>;
