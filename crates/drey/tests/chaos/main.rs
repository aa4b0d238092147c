//! Chaos on real Flink: for some minutes everything is killed, frozen and changed at random; then the job's own output
//! has to prove that no acknowledged state was lost and that no two copies ran at once.
//!
//! ```text
//! cargo xtask chaos --minutes 3 [--seed S]
//!
//!   mishaps.rs ──► drey serve ──► JobManager, TaskManager ──► journal of the counting job   (journal.rs)
//!                                        ▲                              │
//!   witness.rs ── /proc, Flink's REST ───┘── who lives, what is         ▼
//!                                            acknowledged ──────────► proof.rs ──► table, checks
//! ```
//!
//! The seed repeats the choices, not the timing of the machine. A failed run keeps its folder and says where it is; all
//! processes are ended in any case. Not a `#[test]`: its length is an argument.
//!
//! Environment, prepared by `cargo xtask chaos`: `DREY_CHAOS_MINUTES`, `DREY_CHAOS_SEED`, and what the harness needs.
//! `DREY_CHAOS_KEEP=1` keeps the folder of a run that went well, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::json;

#[path = "../flink/harness/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "made for the suite beside this one, which uses the rest"
)]
mod harness;
#[path = "../flink/harness/http.rs"]
#[allow(dead_code, clippy::duplicate_mod, reason = "the harness keeps its client to itself")]
mod http;

mod journal;
mod mishaps;
mod processes;
mod proof;
mod random;
mod report;
mod snapshots;
mod witness;

use harness::{Server, Signal, counter, send, text};
use mishaps::{Chaos, NAME};
use processes::Role;
use random::Random;
use report::Report;
use witness::Witness;

/// Until the job counts again once chaos has stopped.
const SETTLE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let Ok(minutes) = std::env::var("DREY_CHAOS_MINUTES") else {
        println!("start this with `cargo xtask chaos`");
        return ExitCode::SUCCESS;
    };
    let minutes: f64 = minutes.parse().expect("DREY_CHAOS_MINUTES is a number");
    let seed = std::env::var("DREY_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(witness::now);
    println!("seed {seed}, {minutes} minutes");

    let mut report = Report::default();
    report.check("the judge finds planted faults", proof::is_awake(), "");
    let went_through = catch_unwind(AssertUnwindSafe(|| run(seed, minutes, &mut report)));
    report.check("the run went through", went_through.is_ok(), "a panic, see above");
    report.close(seed)
}

fn run(seed: u64, minutes: f64, report: &mut Report) {
    let mut server = Server::start();
    let mut witness = Witness::watch(server.data_dir());
    let told =
        catch_unwind(AssertUnwindSafe(|| story(&mut server, &witness, seed, minutes, report)));
    let witnessed = witness.stop();
    report.check(
        "the witness watched to the end",
        witnessed && witness.seen().looks > 0,
        "its thread died",
    );
    if let Err(panic) = told {
        report.keep(&mut server);
        std::panic::resume_unwind(panic);
    }
    prove(&server, &witness, report);
    end(&mut server, report);
    let sentinel = catch_unwind(AssertUnwindSafe(|| drop(server)));
    report.check(
        "the sentinel of the harness saw one job at a time",
        sentinel.is_ok(),
        "see above",
    );
}

/// Starts the Deployment, lets chaos rage, and waits for peace.
fn story(server: &mut Server, witness: &Witness, seed: u64, minutes: f64, report: &mut Report) {
    let mut document = counter(NAME);
    let spec = &mut document["spec"];
    spec["upgradeStrategy"] = json!({ "kind": "STATEFUL" });
    spec["restoreStrategy"] = json!({ "kind": "LATEST_STATE" });
    spec["maxJobCreationAttempts"] = json!(100);
    spec["maxSavepointCreationAttempts"] = json!(100);
    spec["template"]["spec"]["artifact"]["mainArgs"] = json!(mishaps::args(2000));
    server.create(&document);
    let job = server.start_job(NAME);
    server.checkpointed(&job);

    let mut chaos = Chaos::new(server, witness, Random::new(seed));
    chaos.rage(Duration::from_secs_f64(minutes * 60.0));
    let wanted = chaos.make_peace();
    report.story.append(&mut chaos.story);
    report.counts.append(&mut chaos.counts);
    report.failures.append(&mut chaos.failures);
    report.check("the server takes a last edit", wanted.is_some(), "it was refused");
    let (settled, state) = settle(server, witness, &wanted.unwrap_or_default());
    report.check("the job counts again within 120 s", settled, &state);
}

/// Waits until a Job with the arguments of the last edit runs and completes checkpoints; says whether it does, and how
/// it stands.
fn settle(server: &Server, witness: &Witness, args: &str) -> (bool, String) {
    let (begin, since) = (Instant::now(), witness::now());
    loop {
        let deployment = server.deployment(NAME);
        let job = text(&deployment, "/status/running/jobId");
        let seen = witness.seen();
        // Not the Job that the last edit is about to replace.
        let is_current = text(&server.job(&job), "/spec/artifact/mainArgs") == args;
        let is_running =
            text(&deployment, "/status/state") == "RUNNING" && seen.running.contains(&job);
        let counts = seen.completed.iter().any(|((of, _), at)| *of == job && *at > since);
        if is_running && is_current && counts {
            println!("settled {:.1} s after the last mishap", begin.elapsed().as_secs_f64());
            return (true, String::new());
        }
        if begin.elapsed() > SETTLE {
            let explained =
                server.try_get(&format!("/ext/v1/namespaces/default/deployments/{NAME}"));
            return (false, format!("{:#}\n{explained:#}", deployment["status"]));
        }
        std::thread::sleep(POLL);
    }
}

/// Reads all that was said, and judges it.
fn prove(server: &Server, witness: &Witness, report: &mut Report) {
    let seen = witness.seen();
    let data_dir = server.data_dir();
    let claimed = snapshots::claimed(server, NAME);
    let unreadable: Vec<String> = claimed
        .iter()
        .filter(|c| c.number().is_none())
        .map(|c| format!("{} {}", c.origin, c.location))
        .collect();
    let runs = match journal::read(&data_dir) {
        Ok(runs) => runs,
        Err(fault) => return report.check("the journal is complete", false, &fault),
    };
    let acknowledged = snapshots::acknowledged(&runs, &seen, &claimed, &data_dir);
    let verdict = proof::judge(&runs, &acknowledged);
    report.table(&verdict, &runs, &acknowledged, &seen);

    let lost: Vec<String> = verdict
        .starts
        .iter()
        .filter_map(|s| Some(format!("{}: {}", s.job, s.fault.as_ref()?)))
        .collect();
    report.check(
        "no acknowledged state was lost",
        lost.is_empty() && !runs.is_empty(),
        &lost.join("\n"),
    );
    report.check(
        "no two Jobs counted at once",
        verdict.overlaps.is_empty(),
        &verdict.overlaps.join("\n"),
    );
    let violations: Vec<String> = seen.violations.iter().cloned().collect();
    report.check(
        "no two Jobs had processes or live Flink jobs at once",
        violations.is_empty(),
        &violations.join("\n"),
    );
    report.check(
        "every completed Savepoint is there",
        unreadable.is_empty(),
        &unreadable.join("\n"),
    );
    let is_eventful = verdict.starts.len() > 1 && seen.answers > 0;
    report.check(
        "the job was restarted, and the witness had answers",
        is_eventful,
        "nothing happened",
    );
}

/// Cancels the Deployment: nothing may be left of it. Keeps the folder if anything has failed.
fn end(server: &mut Server, report: &mut Report) {
    let begin = Instant::now();
    let mut accepted = false;
    let left = loop {
        accepted = accepted || server.try_patch(NAME, &json!({ "spec": { "state": "CANCELLED" } }));
        let is_over = server.state(NAME) == "CANCELLED";
        let left = server.processes();
        if (is_over && left.is_empty()) || begin.elapsed() > SETTLE {
            break left;
        }
        std::thread::sleep(POLL);
    };
    let state = server.state(NAME);
    report.check(
        "cancelled, it leaves no process",
        state == "CANCELLED" && left.is_empty(),
        &format!("{state}: {left:#?}"),
    );
    if report.has_failed() || std::env::var_os("DREY_CHAOS_KEEP").is_some() {
        report.keep(server);
    }
}

/// Ends every process of the data folder, the server included.
fn end_processes(server: &mut Server) {
    server.kill();
    for process in processes::of(&server.data_dir()).iter().filter(|p| p.role != Role::Server) {
        send(process.pid, Signal::CONT);
        send(process.pid, Signal::KILL);
    }
}
