//! Repository automation: `cargo xtask <verb>`.
//!
//! One verb per thing that a developer or the CI does to this repository, so that nobody has to remember a command line
//! and CI can do nothing that a laptop cannot. The verbs are described in CONTRIBUTING.md; this file only parses them.
//!
//! ```text
//! check ──► format, lint, tidy                       seconds to a minute
//! test  ──► check, then every fast test              no network, no services
//! test-flink ──► drey's own binary with a real Flink minutes; downloads Flink once
//! test-api ──► the API's contract: fuzzing, a generated client   about four minutes; downloads tools once
//! sim, model-check, mutants ──► the simulator
//! chaos ──► random mishaps on a real Flink          as many minutes as asked for
//! ci    ──► .ci/run: test, test-flink, test-api, sim, model-check, chaos
//! ```
//!
//! `test`, `test-flink` and `test-api` end with one line of totals, because the last line is what people read.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod api;
mod chaos;
mod check;
mod flink;
mod run;
mod sim;
mod suite;
mod tally;
mod tidy;
mod vendor;

/// Automation for the Drey repository.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Formatting, lints and tidy.
    Check,
    /// The rules of the repository that no compiler checks.
    Tidy,
    /// `check`, then all tests that need nothing but this checkout.
    Test {
        /// Passed to `cargo test --workspace`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// The tests that run Drey with a real Flink; needs a JDK, and the network for the first time.
    TestFlink {
        /// Flink versions, comma-separated.
        #[arg(long, value_delimiter = ',', default_value = flink::VERSIONS)]
        versions: Vec<String>,
        /// Runs only the tests with this in their name.
        filter: Option<String>,
    },
    /// The API's contract against the real binary: fuzzing, and a generated client. Needs Python 3 and Node.js 20.
    TestApi,
    /// Fetches the files of Swagger UI that the server serves, verifies them and writes them into the checkout.
    VendorSwaggerUi,
    /// Random mishaps on real Flink; then the job's own output has to prove that no state was lost.
    Chaos {
        /// How long mishaps go on.
        #[arg(long, default_value_t = 3.0)]
        minutes: f64,
        /// Repeats the choices of an earlier run.
        #[arg(long)]
        seed: Option<u64>,
        /// The Flink version.
        #[arg(long, default_value = chaos::VERSION)]
        flink: String,
    },
    /// Simulated histories in which everything fails.
    Sim {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        histories: u64,
        /// Repeats an earlier run.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The decision core in every interleaving of a small world.
    ModelCheck {
        /// Passed to the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Plants known bugs in the code and proves that the simulator finds each.
    Mutants {
        /// Passed to the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Measurements of the optimised build.
    Bench {
        /// Passed to the benchmark program.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Exactly what CI runs.
    Ci,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Check => check::all().map(|tally| tally.failed == 0),
        Verb::Tidy => run::root().and_then(|root| tidy::report(&root)),
        Verb::Test { args } => suite::test(&args),
        Verb::TestFlink { versions, filter } => flink::test(&versions, filter.as_deref()),
        Verb::TestApi => api::test(),
        Verb::VendorSwaggerUi => vendor::swagger_ui().map(|()| true),
        Verb::Chaos { minutes, seed, flink } => chaos::chaos(minutes, seed, &flink),
        Verb::Sim { histories, seed } => sim::histories(histories, seed),
        Verb::ModelCheck { args } => sim::model_check(&args),
        Verb::Mutants { args } => sim::mutants(&args),
        Verb::Bench { args } => bench(&args),
        Verb::Ci => {
            run::root().and_then(|root| run::run(run::command(".ci/run").current_dir(root)))
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &[String]) -> anyhow::Result<bool> {
    let mut cargo = run::cargo()?;
    cargo.args(["run", "--release", "-p", "drey-bench", "--"]);
    run::run(cargo.args(args))
}
