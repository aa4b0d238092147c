//! `drey-sim run | mutants | model-check`: see the crate's documentation.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::{Parser, Subcommand};
use drey_model::deployment::{RestoreKind, UpgradeKind};
use drey_sim::model::{self, Budget};
use drey_sim::mutants::{self, Fate, Nursery};
use drey_sim::runs::{self, Order};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The combinations that behave differently.
const STRATEGIES: [(UpgradeKind, RestoreKind); 3] = [
    (UpgradeKind::Stateful, RestoreKind::LatestState),
    (UpgradeKind::Stateless, RestoreKind::LatestState),
    (UpgradeKind::Stateful, RestoreKind::LatestSavepoint),
];

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
    /// Build the real code with one bug each time, and prove that the bug is found.
    Mutants(Mutants),
    /// Search a small world exhaustively, with the engine alone.
    ModelCheck(ModelCheck),
}

#[derive(clap::Args)]
struct Mutants {
    /// Histories per mutant at most.
    #[arg(long, default_value_t = 5000)]
    histories: u64,
    /// Only mutations whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Where the workspace is.
    #[arg(long, default_value = ".")]
    workspace: PathBuf,
    /// Cargo's target directory.
    #[arg(long, env = "CARGO_TARGET_DIR", default_value = "target")]
    target: PathBuf,
}

#[derive(clap::Args)]
struct ModelCheck {
    /// Edits of the user.
    #[arg(long, default_value_t = 3)]
    edits: u8,
    /// Failures of the world and of messages.
    #[arg(long, default_value_t = 2)]
    failures: u8,
    /// Crashes of the controller.
    #[arg(long, default_value_t = 1)]
    crashes: u8,
    /// Only this combination of strategies, by number.
    #[arg(long)]
    only: Option<usize>,
    /// Threads; each combination takes one, and up to 5 GB.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// States to search at most, per combination; to be cut off is a failure.
    #[arg(long, default_value_t = 20_000_000)]
    states: usize,
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
        Command::Mutants(arguments) => mutants(&arguments).unwrap_or_else(|error| {
            println!("the mutants cannot be raised: {error}");
            ExitCode::FAILURE
        }),
        Command::ModelCheck(arguments) => model_check(&arguments),
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
    println!(
        "seed {seed}: {} looks, {} simulated seconds",
        outcome.looks,
        outcome.simulated / 1_000_000
    );
    match outcome.violation {
        Some(violation) => {
            println!("VIOLATION  {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn model_check(arguments: &ModelCheck) -> ExitCode {
    let is_wanted = |number: usize| arguments.only.is_none_or(|only| only == number);
    let wanted = STRATEGIES.into_iter().enumerate().filter(|(number, _)| is_wanted(*number));
    let todo = Mutex::new(wanted);
    let is_sound = AtomicBool::new(true);
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, strategies)) = next else { break };
                    is_sound.fetch_and(check(arguments, number, strategies), Ordering::Relaxed);
                }
            });
        }
    });
    if is_sound.into_inner() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Searches with one combination of strategies; whether it is sound, and was searched to the end.
fn check(arguments: &ModelCheck, number: usize, strategies: (UpgradeKind, RestoreKind)) -> bool {
    let (upgrade, restore) = strategies;
    let budget =
        Budget { edits: arguments.edits, failures: arguments.failures, crashes: arguments.crashes };
    let found = model::search(budget, upgrade, restore, arguments.states);
    let mut text = format!(
        "{number}: upgrade {upgrade}, restore {restore}: {} states ({} with what may still happen, {} at rest), \
         {} transitions, {:.1} s{}\n",
        found.states,
        found.nodes,
        found.settled,
        found.transitions,
        found.took.as_secs_f64(),
        if found.is_cut { " (cut off)" } else { "" },
    );
    if let Some((why, steps)) = &found.violation {
        text.push_str(&model::tell(budget, upgrade, restore, steps));
        text.push_str(&format!("VIOLATION  {why}\n"));
    }
    print!("{text}");
    found.violation.is_none() && !found.is_cut
}

fn mutants(arguments: &Mutants) -> io::Result<ExitCode> {
    let workspace = std::path::absolute(&arguments.workspace)?;
    let all = mutants::read(&workspace.join("crates/drey-sim/mutations"))?;
    let is_wanted = |name: &str| arguments.only.as_deref().is_none_or(|only| name.contains(only));
    let chosen: Vec<_> = all.iter().filter(|m| is_wanted(&m.name)).collect();
    let nursery = Nursery::new(&workspace, &std::path::absolute(&arguments.target)?)?;
    let mut caught = 0;
    for mutation in &chosen {
        match nursery.raise(mutation, arguments.histories)? {
            Fate::Caught(words) => {
                caught += 1;
                println!("caught  {:<26} {words}", mutation.name);
            }
            Fate::Missed => println!("MISSED  {:<26} {}", mutation.name, mutation.why),
            Fate::Broken(why) => println!("BROKEN  {:<26} {why}", mutation.name),
        }
    }
    println!("{caught} of {} mutants caught", chosen.len());
    Ok(if caught == chosen.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
