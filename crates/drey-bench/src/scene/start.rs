//! From the start of the process to the first answer that needs the database.

use anyhow::Result;

use super::{MANY, Setting};
use crate::fake::JavaHome;
use crate::report::Row;
use crate::server::{Data, Server};
use crate::stats::Sample;

const GOAL_MS: f64 = 200.0;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let home = JavaHome::create()?;
    let rounds = setting.pick(15, 4);
    let mut empty = Sample::default();
    for _ in 0..rounds {
        empty.0.push(once(setting, &Data::new()?, &home, 0)?);
    }
    let data = super::many(setting, &home)?;
    let mut full = Sample::default();
    for _ in 0..rounds {
        full.0.push(once(setting, &data, &home, MANY)?);
    }
    Ok(vec![
        Row::limit("start to first answer, new data folder", &empty, "ms", GOAL_MS),
        Row::limit("start to first answer, 1,000 Deployments", &full, "ms", GOAL_MS),
    ])
}

fn once(setting: &Setting, data: &Data, home: &JavaHome, expected: usize) -> Result<f64> {
    let mut server = Server::start(setting, data, Some(home))?;
    let path = "/api/v1/namespaces/default/deployment-targets/local";
    server.http.get(path)?.success("the first request")?;
    let took = server.spawned_at.elapsed();
    anyhow::ensure!(server.list()? == expected, "there are not {expected} Deployments");
    Ok(took.as_secs_f64() * 1000.0)
}
