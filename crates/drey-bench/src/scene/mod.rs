//! What is measured: one file per question, each a function from the setting to rows.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::documents;
use crate::fake::JavaHome;
use crate::server::{Data, Server};

pub(crate) mod effect;
pub(crate) mod idle;
pub(crate) mod memory;
pub(crate) mod real;
pub(crate) mod stable;
pub(crate) mod start;

/// How many Deployments count as many.
const MANY: usize = 1000;
/// The entry class that fakes are started with.
const FAKE_CLASS: &str = "bench.Fake";

/// What every scene needs to know.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The `drey` to measure.
    pub(crate) binary: PathBuf,
    /// Whether to save time at the cost of precision.
    pub(crate) is_quick: bool,
}

impl Setting {
    /// One of two numbers.
    fn pick<T>(&self, full: T, quick: T) -> T {
        if self.is_quick { quick } else { full }
    }
}

/// A data folder in which [`MANY`] Deployments are declared, and no server.
fn many(setting: &Setting, home: &JavaHome) -> Result<Data> {
    let data = Data::new()?;
    let mut server = Server::start(setting, &data, Some(home))?;
    declare_many(&mut server, &home.jar())?;
    Ok(data)
}

fn declare_many(server: &mut Server, jar: &Path) -> Result<()> {
    for number in 0..MANY {
        let name = format!("declared-{number:04}");
        let args = format!("--input s3://bucket/{number} --output s3://bucket/out/{number}");
        server.create(&documents::deployment(&name, jar, FAKE_CLASS, &args))?;
    }
    Ok(())
}
