//! What the program does with its arguments: one runtime, one verb, one result.

use clap::CommandFactory;

use crate::args::{Cli, Command};
use crate::failure::{Exit, Failure, Result};

mod access;
mod artifacts;
mod compile;
mod defaults;
mod demo;
mod options;
mod preflight;
mod secrets;
mod serve;
mod storage;
mod upkeep;

/// Carries out a command line.
pub(crate) fn process(args: Cli) -> Result<()> {
    if let Command::Completion { shell } = args.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "drey", &mut script);
        return crate::output::put(&String::from_utf8_lossy(&script));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|e| Failure::new(Exit::Bug, "starting the runtime").why(e.to_string()))?;
    let verb = runtime.spawn(async move {
        match args.command {
            Command::Serve(serve) => {
                serve::run(options::ServeOptions::of(&serve)?).await.map_err(Failure::from)
            }
            Command::Demo(demo) => demo::run(demo, &args.global).await,
            Command::Context(context) => crate::cli::context::run(context.verb, &args.global),
            Command::Explain(explain) => crate::cli::explain::run(&explain, &args.global),
            Command::Flink(flink) => crate::flink::run(flink, &args.global).await,
            other => crate::cli::run(other, &args.global).await,
        }
    });
    let done = runtime.block_on(verb);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done.unwrap_or_else(|panicked| {
        Err(Failure::new(Exit::Bug, "drey made a mistake")
            .why(panicked.to_string())
            .next("please report it, with what is above"))
    })
}
