//! `drey-sim run | mutants | model-check`: see the crate's documentation.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use drey_sim::runs::{self, Order};

#[derive(Parser)]
#[command(about = "Simulates Drey in a world where everything fails")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run random histories and judge each step.
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// How many histories.
    #[arg(long, default_value_t = 1000)]
    histories: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Run this seed alone and tell its story.
    #[arg(long)]
    only: Option<u64>,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Print what was exercised, and how often.
    #[arg(long)]
    coverage: bool,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run(&arguments),
    }
}

/// Below this many histories, what was not exercised proves nothing.
const BIG_RUN: u64 = 2000;

fn run(arguments: &Run) -> ExitCode {
    if let Some(seed) = arguments.only {
        return tell(seed);
    }
    let total = runs::run(Order {
        first: arguments.seed,
        histories: arguments.histories,
        threads: arguments.threads,
        failures_max: arguments.failures,
    });
    let seconds = total.took.as_secs_f64().max(0.001);
    println!(
        "{} histories in {seconds:.1} s: {:.0} per second, {} looks, {} simulated hours",
        total.histories,
        total.histories as f64 / seconds,
        total.looks,
        total.simulated / 3_600_000_000,
    );
    if arguments.coverage {
        print!("{}", total.coverage);
    }
    let missing = total.coverage.missing();
    let is_blind = total.histories >= BIG_RUN && !missing.is_empty();
    if !missing.is_empty() {
        println!("not exercised: {}", missing.join(", "));
    }
    for (seed, violation) in &total.failures {
        println!("seed {seed}: {violation}");
    }
    if let Some((seed, _)) = total.failures.first() {
        println!("replay with: drey-sim run --only {seed}");
    }
    if total.failures.is_empty() && !is_blind { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(seed: u64) -> ExitCode {
    let outcome = runs::one(seed, true);
    print!("{}", outcome.story);
    println!("seed {seed}: {} looks, {} simulated seconds", outcome.looks, outcome.simulated / 1_000_000);
    match outcome.violation {
        Some(violation) => {
            println!("VIOLATION  {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
