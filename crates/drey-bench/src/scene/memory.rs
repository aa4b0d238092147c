//! Resident memory, after the work that makes it grow: writing, and reading everything at once.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use super::Setting;
use crate::fake::JavaHome;
use crate::proc;
use crate::report::Row;
use crate::server::{Data, Server};
use crate::stats::Sample;

const GOAL_EMPTY_MIB: f64 = 60.0;
const GOAL_MANY_MIB: f64 = 100.0;
/// Until what a start or a list has begun is over.
const SETTLE: Duration = Duration::from_secs(5);
const PEER: &str = "5,953 MiB with 1,000; 469 MiB with 10";

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let home = JavaHome::create()?;
    let empty = {
        let data = Data::new()?;
        let mut server = Server::start(setting, &data, Some(&home))?;
        settled(&mut server)?
    };
    let data = Data::new()?;
    let declared = {
        let mut server = Server::start(setting, &data, Some(&home))?;
        super::declare_many(&mut server, &home.jar())?;
        settled(&mut server)?
    };
    let again = settled(&mut Server::start(setting, &data, Some(&home))?)?;
    Ok(vec![
        Row::limit("resident, 0 Deployments", &empty, "MiB", GOAL_EMPTY_MIB),
        Row::limit("resident, 1,000 declared just now", &declared, "MiB", GOAL_MANY_MIB).peer(PEER),
        Row::limit("resident, 1,000 after a restart", &again, "MiB", GOAL_MANY_MIB).peer(PEER),
    ])
}

/// After a few seconds of peace, a list of everything, and peace again.
fn settled(server: &mut Server) -> Result<Sample> {
    sleep(SETTLE);
    server.list()?;
    sleep(SETTLE);
    Ok(Sample(vec![proc::resident_mib(server.pid())?]))
}
