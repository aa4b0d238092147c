//! Measurements of the optimised `drey serve`, as a user would meet it: a real process, real HTTP, real files.
//!
//! ```text
//! drey-bench ──starts──► drey serve ──starts──► bin/java = this program again (fake/): many Flinks on two cores
//!     │                                    └──► a real JDK and a real Flink:           time to RUNNING, downtime
//!     ├── scene/*: what is done and timed, one file per question
//!     └── report: figures beside their goals; `--write` puts them into docs/benchmarks.md
//! ```
//!
//! Ratios count, not seconds: both sides of a ratio are measured in the same run, alternating, on the same machine.
//! Everything listens on loopback at ports that the kernel chose, lives in temporary folders, and is stopped by the pid
//! that this program was given. It uses no part of Drey as a library, so that it cannot measure anything but the product.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};

mod binary;
mod cleanup;
mod clock;
mod documents;
mod fake;
mod http;
mod proc;
mod report;
mod scene;
mod server;
mod stats;

use scene::Setting;

/// Measures `drey serve` and prints each figure beside its goal.
#[derive(Parser)]
#[command(name = "drey-bench", bin_name = "cargo xtask bench")]
struct Cli {
    /// What to measure
    #[arg(value_enum, default_values_t = [What::All])]
    what: Vec<What>,
    /// Fewer rounds and shorter windows: shows that it works, not how well
    #[arg(long)]
    quick: bool,
    /// Put the figures into docs/benchmarks.md
    #[arg(long, requires = "date")]
    write: bool,
    /// The day to write beside the figures, for example 2026-11-21
    #[arg(long, value_name = "DAY")]
    date: Option<String>,
    /// Measure this program instead of building `drey`
    #[arg(long, env = "DREY_BENCH_BIN", value_name = "FILE")]
    binary: Option<std::path::PathBuf>,
}

/// One question, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Everything below
    All,
    /// Start of the server to its first answer
    Start,
    /// Resident memory with 0 and with 1,000 Deployments
    Memory,
    /// CPU of a server that has nothing to do
    Idle,
    /// Store writes, requests and CPU per stable RUNNING Deployment
    Stable,
    /// From PATCH to the first effect on the Flink side
    Patch,
    /// The same beside 60 Flinks that do not answer
    Silent,
    /// Time to RUNNING with a real Flink, beside the same by hand
    Running,
    /// A stateful upgrade of a real Flink job, beside the same by hand
    Upgrade,
}

fn main() -> ExitCode {
    // Started by `drey serve` in place of Java: see fake/java_home.rs.
    if std::env::args().nth(1).as_deref() == Some(fake::VERB) {
        return fake::flink::main();
    }
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("drey-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Does and times something.
type Scene = fn(&Setting) -> Result<Vec<report::Row>>;

/// Whether every goal was reached.
fn run(cli: &Cli) -> Result<bool> {
    cleanup::on_signals()?;
    let setting = Setting { binary: binary::find(cli.binary.as_deref())?, is_quick: cli.quick };
    let asked = |what| cli.what.contains(&What::All) || cli.what.contains(&what);
    let mut sections = Vec::new();
    let scenes: [(What, &str, Scene); 6] = [
        (What::Start, "start", scene::start::run),
        (What::Memory, "memory", scene::memory::run),
        (What::Idle, "idle", scene::idle::run),
        (What::Stable, "stable", scene::stable::run),
        (What::Patch, "patch", scene::effect::patch),
        (What::Silent, "silent", scene::effect::silent),
    ];
    for (what, name, scene) in scenes {
        if asked(what) {
            eprintln!("── {name}");
            sections.push(report::Section { name, rows: scene(&setting)? });
        }
    }
    if asked(What::Running) || asked(What::Upgrade) {
        eprintln!("── flink");
        let rows = scene::real::run(&setting, asked(What::Upgrade))?;
        sections.push(report::Section { name: "flink", rows });
    }
    report::print(&sections);
    if cli.write {
        report::write(&sections, cli.date.as_deref().unwrap_or_default(), cli.quick)?;
    }
    Ok(sections.iter().flat_map(|s| &s.rows).all(report::Row::is_reached))
}
