//! A real Flink job: time to RUNNING and downtime of a stateful upgrade, with Drey and by hand, in turns.
//!
//! ```text
//!   Drey   PATCH RUNNING ······► all tasks run   PATCH arguments ··► savepoint complete ··► all tasks run    PATCH CANCELLED
//!   hand   java, java ·········► all tasks run   POST stop, poll ··► savepoint complete, kill, java, java ··► all tasks run
//! ```
//!
//! "By hand" is a fast hand: the very command lines that Drey uses, taken from its running processes, polled every
//! 20 ms. When tasks began to run is read from Flink's own record of each task, to the millisecond and alike for both.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Setting;
use crate::clock::ms_between;
use crate::documents;
use crate::report::Row;
use crate::server::{Data, Server};
use crate::stats::Sample;

mod cluster;
mod fixture;
mod hand;
mod rest;

use cluster::Cluster;
use hand::Hand;

const RATIO_MAX: f64 = 1.1;
/// How long a job runs before it is upgraded: some checkpoints, some state.
const RUN: Duration = Duration::from_secs(4);
const NAME: &str = "counter";
const CLASS: &str = "drey.fixtures.CounterJob";
const ARGS: &str = "--rate 2000";

/// Seconds of one kind of contestant.
#[derive(Debug, Default)]
struct Times {
    to_running: Sample,
    upgrade: Sample,
    downtime: Sample,
}

/// Seconds between two times.
fn seconds(from_us: u64, to_us: u64) -> f64 {
    ms_between(from_us, to_us) / 1000.0
}

pub(crate) fn run(setting: &Setting, with_upgrade: bool) -> Result<Vec<Row>> {
    let jar = fixture::jar(setting)?;
    let data = Data::new()?;
    let mut server = Server::start(setting, &data, None)?;
    server.create(&documents::deployment(NAME, &jar.path, CLASS, ARGS))?;
    let (mut drey, mut hand) = (Times::default(), Times::default());
    // Warms the page cache for both, and shows the hand how it is done.
    let model = drey_round(&mut server, false, 0, &mut Times::default())?;
    let rounds = setting.pick(5, 1);
    for round in 1..=rounds {
        // Whoever goes second may profit from the first; so they take turns.
        if round % 2 == 0 {
            hand_round(&model, with_upgrade, &mut hand)?;
        }
        drey_round(&mut server, with_upgrade, round, &mut drey)?;
        if round % 2 == 1 {
            hand_round(&model, with_upgrade, &mut hand)?;
        }
        eprintln!("   round {round} of {rounds}: Drey {drey:?}, by hand {hand:?}");
    }
    Ok(rows(&drey, &hand, with_upgrade))
}

fn rows(drey: &Times, hand: &Times, with_upgrade: bool) -> Vec<Row> {
    let beside =
        |what, of: fn(&Times) -> &Sample| Row::beside(what, of(drey), "s", of(hand), RATIO_MAX);
    let peer = "15.9 s (fake pods, Flink at once)";
    let mut rows =
        vec![beside("time to RUNNING, beside the same by hand", |t| &t.to_running).peer(peer)];
    if with_upgrade {
        rows.push(beside(
            "downtime of a stateful upgrade: savepoint complete to all tasks run",
            |t| &t.downtime,
        ));
        rows.push(beside("the whole upgrade: command to all tasks run", |t| &t.upgrade));
    }
    rows
}

/// Start, upgrade, cancel; returns what the first cluster was made of.
fn drey_round(
    server: &mut Server,
    with_upgrade: bool,
    round: u32,
    times: &mut Times,
) -> Result<cluster::Model> {
    let known = Cluster::all(server.data_dir());
    let sent = server.patch(NAME, &documents::state("RUNNING"))?;
    let first = Cluster::next(server.data_dir(), &known)?;
    let running = rest::all_running(first.rest()?, &first.flink_id())?;
    times.to_running.0.push(seconds(sent, running));
    let model = first.model(server.data_dir())?;
    if with_upgrade {
        server.running_job(NAME, "")?;
        sleep(RUN);
        let known = Cluster::all(server.data_dir());
        let sent =
            server.patch(NAME, &documents::with_args(&format!("{ARGS} --name round-{round}")))?;
        let second = Cluster::next(server.data_dir(), &known)?;
        let running = rest::all_running(second.rest()?, &second.flink_id())?;
        let savepoint =
            second.savepoint()?.context("the new job did not start from a savepoint")?;
        times.upgrade.0.push(seconds(sent, running));
        times.downtime.0.push(seconds(written_us(&savepoint)?, running));
    }
    server.running_job(NAME, "")?;
    server.patch(NAME, &documents::state("CANCELLED"))?;
    server.wait_for_state(NAME, "CANCELLED")?;
    Ok(model)
}

fn hand_round(model: &cluster::Model, with_upgrade: bool, times: &mut Times) -> Result<()> {
    let first = Hand::start(model, None)?;
    let running = rest::all_running(first.rest, &first.flink_id)?;
    times.to_running.0.push(seconds(first.begun_us, running));
    if !with_upgrade {
        return first.end();
    }
    sleep(RUN);
    let sent = crate::clock::now_us();
    let savepoint = rest::stop_with_savepoint(first.rest, &first.flink_id, &first.savepoints())?;
    let place = first.folder();
    first.end()?;
    let second = Hand::start(model, Some(&savepoint))?;
    let running = rest::all_running(second.rest, &second.flink_id)?;
    times.upgrade.0.push(seconds(sent, running));
    times.downtime.0.push(seconds(written_us(&savepoint)?, running));
    second.end()?;
    drop(place);
    Ok(())
}

/// When a savepoint was complete: its `_metadata` is written last.
fn written_us(savepoint: &str) -> Result<u64> {
    let path = savepoint.strip_prefix("file:").unwrap_or(savepoint).trim_start_matches('/');
    let file = PathBuf::from(format!("/{path}/_metadata"));
    let modified = std::fs::metadata(&file).and_then(|m| m.modified());
    let modified = modified.with_context(|| format!("looking at {}", file.display()))?;
    let since =
        modified.duration_since(std::time::UNIX_EPOCH).context("a file from before 1970")?;
    u64::try_from(since.as_micros()).context("a file from the far future")
}
