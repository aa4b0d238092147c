//! The command line: every verb, flag and environment variable, with help that teaches by example.
//!
//! Owns names and texts. Does nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;

mod local;
mod manage;
mod remote;

pub(crate) use local::{Demo, Flink, FlinkVerb, LogFormat, Serve};
pub(crate) use manage::{
    ArtifactCommand, ArtifactVerb, ContextAdd, ContextCommand, ContextVerb, Diff, Explain,
    NamespaceCommand, NamespaceVerb, SecretCommand, SecretSet, SecretVerb, TokenCommand, TokenVerb,
};
pub(crate) use remote::{
    Apply, Change, Delete, Edit, Events, FailOn, Get, Logs, One, SavepointVerb, Savepoints, Scale,
    Stop, Wait, WaitRules,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done                     5  conflict                  9  server unreachable
  1  a truthful \"no\"          6  rejected as invalid      10  quota refused
  2  usage                    7  wait: failed state       70  bug in drey
  3  not found                8  wait: timeout           130  interrupted
  4  not allowed

Examples:
  drey demo                                    a real Flink job on this machine, from nothing
  drey serve                                   the server alone
  drey apply -f deployment.yaml --wait         declare a Deployment and wait until it runs
  drey get dep                                 what runs, and how well
  drey describe dep top-speed                  one page: status, why, what next
  drey suspend top-speed --wait                stop it and keep its state";

/// Drey keeps Apache Flink jobs as you declared them: it starts, upgrades, restores and explains them.
#[derive(Debug, Parser)]
#[command(name = "drey", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// The verb.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Address of the server. Default: that of the context, else http://127.0.0.1:8080
    #[arg(long, global = true, env = "DREY_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Namespace to work in. Default: that of the context, else default
    #[arg(short, long, global = true, env = "DREY_NAMESPACE", value_name = "NS")]
    pub(crate) namespace: Option<String>,
    /// Work with this context instead of the one in use (drey context --help)
    #[arg(long, global = true, env = "DREY_CONTEXT", value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// File with the token to show. DREY_TOKEN can hold the token itself
    #[arg(long, global = true, env = "DREY_TOKEN_FILE", value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// How to print
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Format>,
    /// Leave the column titles out
    #[arg(long, global = true)]
    pub(crate) no_headers: bool,
    /// When to use colours; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) color: When,
    /// No progress and no notes on stderr; errors still show
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// How long one request may take
    #[arg(long, global = true, value_parser = duration::parse, default_value = "30s", value_name = "TIME")]
    pub(crate) request_timeout: Duration,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Never ask; fail instead
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
}

/// How to print objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Columns for people
    Table,
    /// More columns
    Wide,
    /// The API's object or list, for jq
    Json,
    /// The same as YAML
    Yaml,
    /// kind/name, one a line
    Name,
    /// One JSON document a line
    Jsonl,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show objects in a table, or as JSON or YAML
    Get(Get),
    /// Show everything about one object on one page: status, why, last events, what next
    Describe(One),
    /// Make the server hold what the files say: create or change
    Apply(Apply),
    /// Show what apply would change, and what it would cost the job that runs
    Diff(Diff),
    /// Change an object in $EDITOR
    Edit(Edit),
    /// Delete an object
    Delete(Delete),
    /// Start Deployments, from their newest state if they have any, or session clusters
    #[command(after_help = remote::CHANGE_HELP)]
    Start(Change),
    /// Stop Deployments with a savepoint; nothing is lost
    #[command(after_help = remote::CHANGE_HELP)]
    Suspend(Change),
    /// Stop Deployments without a savepoint
    #[command(after_help = remote::CHANGE_HELP)]
    Cancel(Change),
    /// Stop session clusters that no Deployment runs on
    Stop(Stop),
    /// Change the TaskManagers of a session cluster, or the parallelism of a Deployment
    Scale(Scale),
    /// Take and list savepoints
    #[command(visible_alias = "sp")]
    Savepoint(Savepoints),
    /// Wait until Deployments or session clusters are as you want them; fails fast and says why
    Wait(Wait),
    /// What happened to a Deployment or a session cluster, oldest first
    Events(Events),
    /// What a Deployment's processes wrote
    Logs(Logs),
    /// Upload programs, list and delete them
    Artifact(ArtifactCommand),
    /// Set, list and delete secret values
    Secret(SecretCommand),
    /// Make, list and delete namespaces
    #[command(visible_alias = "ns")]
    Namespace(NamespaceCommand),
    /// Make, list and delete API tokens
    Token(TokenCommand),
    /// Choose the server to work on, and the token to show
    Context(ContextCommand),
    /// What a kind or a member of it is: type, default, meaning
    Explain(Explain),
    /// The CPU quota, who uses it, and who waits for it
    #[command(
        after_help = "Examples:\n  drey quota\n  drey quota -o json | jq .resourceQuota.status.used.cpu"
    )]
    Quota,
    /// Run the server: API and controller in one process
    Serve(Serve),
    /// Run a real Flink job on this machine, from nothing
    Demo(Demo),
    /// Install and find Apache Flink distributions
    Flink(Flink),
    /// Print a completion script for your shell
    #[command(
        after_help = "Examples:\n  source <(drey completion bash)\n  drey completion fish > ~/.config/fish/completions/drey.fish"
    )]
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the versions of drey and of the server
    Version,
}
