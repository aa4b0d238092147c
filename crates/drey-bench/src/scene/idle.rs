//! CPU of a server that has nothing to do.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Setting;
use crate::fake::JavaHome;
use crate::proc;
use crate::report::Row;
use crate::server::Server;
use crate::stats::Sample;

const GOAL_PERCENT: f64 = 1.0;
const SETTLE: Duration = Duration::from_secs(10);

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let home = JavaHome::create()?;
    let data = super::many(setting, &home)?;
    let server = Server::start(setting, &data, Some(&home))?;
    sleep(SETTLE);
    let (began, before) = (Instant::now(), proc::cpu_ms(server.pid())?);
    sleep(Duration::from_secs(setting.pick(60, 15)));
    let used = proc::cpu_ms(server.pid())? - before;
    let percent = used as f64 / 10.0 / began.elapsed().as_secs_f64();
    let figure = Sample(vec![percent]);
    let what = "CPU, 1,000 declared Deployments and nothing to do";
    Ok(vec![Row::limit(what, &figure, "% of a core", GOAL_PERCENT)])
}
