//! `kill -9` of Drey at every boundary between intent, effect and record.
//!
//! ```text
//! life 1 (DREY_FAULT=p1) ─ asked for the transition ─ dies at p1
//! life 2 (DREY_FAULT=p2) ─ goes on from what is stored ─ dies at p2
//! …
//! last life (no fault)   ─ reaches the goal: one job or none, newest state, each snapshot taken once
//! ```
//!
//! Lives follow each other within one transition, so that one start of Flink serves many boundaries, and so that no
//! progress may depend on anything that a single process remembers. `after-record` comes last and again and again: each
//! life then dies of the first thing it writes, until nothing is left to write.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, counter, is_quick, text, with_args};

/// How long a life may take to die or to reach the goal.
const LIFE: Duration = Duration::from_secs(90);
/// How long a dying process may take.
const LAST_BREATH: Duration = Duration::from_millis(500);
/// More records than any transition needs.
const LIVES_MAX: usize = 40;

/// A transition under test.
struct Transition<'a> {
    /// Asks for it; says whether that was accepted. Asking twice must be harmless.
    ask: &'a dyn Fn(&Server) -> bool,
    /// Whether it is over.
    is_over: &'a dyn Fn(&Server) -> bool,
}

impl Transition<'_> {
    /// Goes through it with a death at each of `faults`, in this order, then at every record that is left to write.
    fn survive(&self, server: &mut Server, faults: &[&str]) {
        let mut accepted = false;
        for fault in faults {
            assert!(self.live(server, fault, &mut accepted), "{fault} was not reached");
        }
        for _ in 0..LIVES_MAX {
            if !self.live(server, "after-record", &mut accepted) {
                break;
            }
        }
        assert!(server.run(None), "drey serve does not listen");
        if !accepted {
            assert!((self.ask)(server));
        }
        server.until("the goal", || (self.is_over)(server).then_some(()));
    }

    /// One life of the server; whether it died of its fault before the transition was over.
    fn live(&self, server: &mut Server, fault: &str, accepted: &mut bool) -> bool {
        server.run(Some(fault));
        let deadline = Instant::now() + LIFE;
        loop {
            *accepted = *accepted || (self.ask)(server);
            let is_over = *accepted && (self.is_over)(server);
            if server.has_died() {
                return true;
            }
            if is_over {
                return dies_within(server, LAST_BREATH);
            }
            assert!(
                Instant::now() < deadline,
                "{fault}: neither dead nor at the goal after {LIFE:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether the server dies soon. Its last record can be read a moment before it dies of it.
fn dies_within(server: &mut Server, grace: Duration) -> bool {
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline {
        if server.has_died() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn want<'a>(state: &'static str) -> impl Fn(&Server) -> bool + 'a {
    move |server| server.try_patch("app", &json!({ "spec": { "state": state } }))
}

fn is<'a>(state: &'static str) -> impl Fn(&Server) -> bool + 'a {
    move |server| server.state("app") == state
}

fn job_of(server: &Server) -> String {
    text(&server.deployment("app"), "/status/running/jobId")
}

/// Asserts that so many Jobs ran. A death after the mark of a launch and before the launch itself costs one more
/// attempt, which never ran.
fn assert_ran(server: &Server, count: usize) {
    let (ran, failed): (Vec<_>, Vec<_>) =
        server.jobs("app").into_iter().partition(|job| job.pointer("/status/started").is_some());
    assert_eq!(ran.len(), count, "{ran:#?}");
    for job in failed {
        let why = text(&job, "/status/failure/message");
        assert!(why.contains("while Drey was not watching"), "{job:#}");
    }
}

/// The newest Job's place to start from, and the proof that Flink did.
fn assert_restored(server: &Server, job: &str, location: &str, counted: u64) {
    assert_eq!(text(&server.job(job), "/spec/savepointLocation"), location);
    let restored = server.restored(job, 1);
    assert_eq!(restored.len(), 1, "it started once: {restored:?}");
    assert!(restored[0] >= counted, "restored {restored:?}, counted {counted} before");
}

fn location(savepoint: &Value) -> String {
    text(savepoint, "/spec/savepointLocation")
}

#[test]
fn a_server_that_dies_while_it_starts_suspends_and_resumes_a_job_loses_and_doubles_nothing() {
    let mut server = Server::start();
    server.create(&counter("app"));
    let start = Transition { ask: &want("RUNNING"), is_over: &is("RUNNING") };
    let suspend = Transition { ask: &want("SUSPENDED"), is_over: &is("SUSPENDED") };
    start.survive(
        &mut server,
        &[
            "before-record#2",
            "after-record",
            "before-effect:ensure-cluster",
            "after-effect:ensure-cluster",
        ],
    );
    let first = job_of(&server);
    assert_eq!(server.restored(&first, 1), [0]);
    assert_ran(&server, 1);
    let counted = server.counted(&first);

    suspend.survive(
        &mut server,
        &[
            "before-record#2",
            "after-record",
            "before-effect:stop",
            "after-effect:stop",
            "before-effect:remove-cluster",
            "after-effect:remove-cluster",
        ],
    );
    let savepoint = server.only_savepoint("app", "SUSPEND");
    assert_eq!(server.savepoints_on_disk("app").len(), 1);
    assert_eq!(text(&server.job(&first), "/status/state"), "FINISHED");
    server.assert_nothing_left();

    start.survive(&mut server, &["after-effect:ensure-cluster"]);
    assert_ran(&server, 2);
    assert_restored(&server, &job_of(&server), &location(&savepoint), counted);
}

#[test]
fn a_server_that_dies_during_an_upgrade_ends_with_the_new_job_and_one_savepoint() {
    let mut server = Server::start();
    server.create(&counter("app"));
    let mut old = server.start_job("app");
    let all: &[&[&str]] = &[
        &[
            "after-record",
            "before-effect:stop",
            "after-effect:stop",
            "before-effect:remove-cluster",
        ],
        &["before-record#3", "after-effect:remove-cluster", "before-effect:ensure-cluster"],
        &["after-record#2", "after-effect:ensure-cluster"],
    ];
    let rounds = if is_quick() { &all[..1] } else { all };
    for (round, faults) in rounds.iter().enumerate() {
        let counted = server.counted(&old);
        let args = format!("--rate {}", 1900 - round);
        let expected = old.clone();
        let upgrade = Transition {
            ask: &|server: &Server| server.try_patch("app", &with_args(&args)),
            is_over: &|server: &Server| {
                let job = job_of(server);
                !job.is_empty() && job != expected
            },
        };
        upgrade.survive(&mut server, faults);
        let new = job_of(&server);
        let savepoints = server.savepoints("app", "SUSPEND_AND_UPGRADE");
        assert_eq!(savepoints.len(), round + 1, "{savepoints:#?}");
        assert!(
            savepoints.iter().all(|s| text(s, "/status/state") == "COMPLETED"),
            "{savepoints:#?}"
        );
        assert_eq!(server.savepoints_on_disk("app").len(), round + 1);
        assert_restored(&server, &new, &location(&savepoints[round]), counted);
        assert_ran(&server, round + 2);
        assert_eq!(text(&server.job(&old), "/status/state"), "FINISHED");
        old = new;
    }
}

#[test]
fn a_server_that_dies_while_it_takes_a_savepoint_or_cancels_does_each_once() {
    let mut server = Server::start();
    server.create(&counter("app"));
    let job = server.start_job("app");
    let rounds: &[&[&str]] = &[
        &["after-record", "before-effect:savepoint", "after-effect:savepoint"],
        &["before-record#2", "after-effect:savepoint"],
        &["after-record#2"],
        &["after-record#3"],
    ];
    for (round, faults) in rounds.iter().enumerate() {
        let taken = |server: &Server| server.savepoints("app", "USER_REQUEST");
        let savepoint = Transition {
            // A request whose answer was lost has been made all the same.
            ask: &|server: &Server| taken(server).len() > round || server.try_take_savepoint("app"),
            is_over: &|server: &Server| {
                taken(server).get(round).is_some_and(|s| text(s, "/status/state") == "COMPLETED")
            },
        };
        savepoint.survive(&mut server, faults);
        let all = taken(&server);
        assert_eq!(all.len(), round + 1, "{all:#?}");
        assert_eq!(server.savepoints_on_disk("app").len(), round + 1);
        assert_eq!(server.running("app", ""), job);
    }
    assert_eq!(server.restored(&job, 1), [0], "the job never restarted");

    server.checkpointed(&job);
    let cancel = Transition { ask: &want("CANCELLED"), is_over: &is("CANCELLED") };
    cancel.survive(
        &mut server,
        &[
            "before-record#2",
            "after-record",
            "before-effect:cancel",
            "after-effect:cancel",
            "before-effect:remove-cluster",
            "after-effect:remove-cluster",
        ],
    );
    server.assert_nothing_left();
    server.only_savepoint("app", "RETAINED_CHECKPOINT");
    assert_eq!(text(&server.job(&job), "/status/state"), "TERMINATED");
    assert_eq!(server.jobs("app").len(), 1);
}
