//! `drey`: the server, the demo and the command line in one program.
//!
//! ```text
//! args ──► run/serve, run/demo   start something here
//!     └──► flink                 Flink distributions on this machine
//!     └──► cli/*                 talk to a server over REST
//! ```
//!
//! Owns the process: arguments in, exit code out. `failure.rs` has the exit codes.

use std::process::ExitCode;

use clap::Parser;

mod args;
mod cli;
mod client;
mod contexts;
mod duration;
mod failure;
mod flink;
mod output;
mod run;
mod subject;

fn main() -> ExitCode {
    let args = args::Cli::parse();
    let style = output::style::Style::of_stderr(args.global.color);
    match run::process(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.what.is_empty() {
                let error = style.paint(output::style::Colour::Red, "error:");
                output::say(&format!("{error} {failure}"));
            }
            failure.exit.into()
        }
    }
}
