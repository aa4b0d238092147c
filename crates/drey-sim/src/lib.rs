//! Deterministic simulation: the real controller and engine over the real store, a fake Flink and a fake backend, on
//! simulated time, in one thread, driven by one seed.
//!
//! ```text
//!  seed ─► weather (what goes wrong, how often)
//!       ─► users (what is wished, when)          ┌──────────────── oracle: design §5, after every step
//!       ─► history: executor of the real looks ──┤
//!                                                └── universe: processes, Flink jobs, storage (the truth)
//! ```
//!
//! A history has a storm (safety: nothing bad happens) and then calm weather (liveness: everything comes to rest where
//! the spec says). The same seed gives the same history; a failing one tells its story.
//!
//! [`model`] searches a small world exhaustively instead, with the engine alone; [`mutants`] proves that both find bugs.

pub mod ask;
pub mod backend;
pub mod changes;
pub mod core;
pub mod coverage;
pub mod flink;
pub mod history;
pub mod host;
mod landlord;
mod mishaps;
pub mod model;
pub mod mutants;
pub mod oracle;
pub mod rng;
pub mod runs;
mod session;
pub mod sim_world;
pub mod story;
pub mod universe;
mod users;
pub mod wait;
pub mod weather;
