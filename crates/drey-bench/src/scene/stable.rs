//! What a Deployment costs that runs and does not change: writes, requests to Flink, CPU; each per Deployment and minute.
//!
//! Its Flink completes a checkpoint a second, as most do, so there is news at every look that must not be stored.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{FAKE_CLASS, Setting};
use crate::documents;
use crate::fake::{Fake, JavaHome};
use crate::proc;
use crate::report::Row;
use crate::server::{Data, Server};
use crate::stats::Sample;

const GOAL_CPU_MS: f64 = 10.0;
/// "Stable" is what has not changed for a while, and both sides remember for how long.
const SETTLE: Duration = Duration::from_secs(45);

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let (home, data) = (JavaHome::create()?, Data::new()?);
    let mut server = Server::start(setting, &data, Some(&home))?;
    let number = setting.pick(50, 10);
    let mut fakes = running(&mut server, &home, number)?;
    sleep(SETTLE);
    let began = Instant::now();
    let before = look(&mut server, &mut fakes)?;
    sleep(Duration::from_secs(setting.pick(120, 20)));
    let after = look(&mut server, &mut fakes)?;
    let unit = number as f64 * began.elapsed().as_secs_f64() / 60.0;
    let rate = |of: fn(&Look) -> f64| Sample(vec![(of(&after) - of(&before)) / unit]);
    let (writes, requests, cpu) = (rate(|l| l.commits), rate(|l| l.requests), rate(|l| l.cpu_ms));
    Ok(vec![
        Row::limit("store writes per stable Deployment and minute", &writes, "", 0.0).peer("0"),
        Row::plain("requests to Flink per stable Deployment and minute", &requests, "").peer("20"),
        Row::limit("CPU per stable Deployment and minute", &cpu, "ms", GOAL_CPU_MS)
            .peer("59–88 ms"),
    ])
}

/// Everything that counts, so far.
struct Look {
    commits: f64,
    requests: f64,
    cpu_ms: f64,
}

fn look(server: &mut Server, fakes: &mut [Fake]) -> Result<Look> {
    let cpu_ms = proc::cpu_ms(server.pid())? as f64;
    let mut requests = 0;
    for fake in fakes {
        requests += fake.requests()?;
    }
    let commits = server.counter("drey_store_commits_total")?;
    Ok(Look { commits, requests: requests as f64, cpu_ms })
}

/// Declares Deployments and waits until they run.
pub(super) fn running(server: &mut Server, home: &JavaHome, number: usize) -> Result<Vec<Fake>> {
    let names: Vec<String> = (0..number).map(|n| format!("stable-{n:02}")).collect();
    for name in &names {
        server.create(&documents::deployment(name, &home.jar(), FAKE_CLASS, ""))?;
        server.patch(name, &documents::state("RUNNING"))?;
    }
    let mut fakes = Vec::new();
    for name in &names {
        let job = server.running_job(name, "")?;
        fakes.push(Fake::of(server.data_dir(), &job)?);
    }
    Ok(fakes)
}
