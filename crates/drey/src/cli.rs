//! The verbs that talk to a server: one module each, and what they share.
//!
//! Owns who asks (server, namespace), how to print, and whether questions may be asked. Decides nothing about jobs:
//! the server does.

use std::io::{IsTerminal, Write};

use drey_model::Deployment;

use crate::args::{Command, Format, Global};
use crate::client::Client;
use crate::contexts::Connection;
use crate::failure::{Exit, Failure, Result};
use crate::output::style::Style;
use crate::output::{put, say};
use crate::subject::{Kind, Subject, handle_of, singular};

mod apply;
mod artifact;
pub(crate) mod change;
pub(crate) mod context;
mod delete;
mod describe;
mod diff;
mod documents;
mod edit;
mod events;
pub(crate) mod explain;
mod get;
pub(crate) mod goal;
pub(crate) mod judge;
mod logs;
mod namespace;
pub(crate) mod picture;
mod printer;
mod quota;
mod savepoint;
mod secret;
mod session;
mod token;
mod version;
pub(crate) mod wait;

/// What every verb needs.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// The server.
    pub(crate) client: Client,
    /// The namespace.
    pub(crate) ns: String,
    /// The format that was asked for.
    pub(crate) format: Option<Format>,
    /// Whether tables have titles.
    pub(crate) headers: bool,
    /// Colours of stdout.
    pub(crate) out: Style,
    quiet: bool,
    yes: bool,
    ask: bool,
}

impl Shell {
    /// The surroundings that the global flags describe.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let connection = Connection::of(global)?;
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Ok(Self {
            client: Client::new(&connection, global.request_timeout, global.quiet)?,
            ns: connection.namespace,
            format: global.output,
            headers: !global.no_headers,
            out: Style::of_stdout(global.color),
            quiet: global.quiet,
            yes: global.yes,
            ask: terminal && !global.no_input,
        })
    }

    /// Progress or advice, to stderr.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Whether notes are shown.
    pub(crate) fn talks(&self) -> bool {
        !self.quiet
    }

    /// The same, whose changes are only rehearsed.
    pub(crate) fn rehearsing(&self) -> Self {
        Self { client: self.client.rehearsing(), ..self.clone() }
    }

    /// Asks before something that cannot be taken back.
    pub(crate) fn confirm(&self, question: &str) -> Result<()> {
        if self.yes {
            return Ok(());
        }
        if !self.ask {
            return Err(Failure::usage(question.to_owned())
                .why("this needs a yes, and there is no terminal to ask on")
                .next("add --yes"));
        }
        let mut err = std::io::stderr();
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        let agreed = matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
        if read.is_ok() && agreed {
            return Ok(());
        }
        Err(Failure::new(Exit::No, "nothing was changed"))
    }

    /// What was done to an object: one line, or the object itself with `-o json|yaml|jsonl`.
    pub(crate) fn report(&self, kind: Kind, object: &serde_json::Value, did: &str) -> Result<()> {
        let name = handle_of(kind, object);
        let rehearsed = if self.client.is_rehearsing() { " (dry run)" } else { "" };
        match self.format {
            Some(Format::Json | Format::Yaml | Format::Jsonl) => {
                put(&printer::document(self.format, object)?)
            }
            Some(Format::Name) => put(&format!("{}/{name}\n", singular(kind))),
            Some(Format::Table | Format::Wide) | None => {
                put(&format!("{}/{name} {did}{rehearsed}\n", singular(kind)))
            }
        }
    }
}

/// Carries out a verb that talks to a server.
pub(crate) async fn run(command: Command, global: &Global) -> Result<()> {
    let shell = Shell::new(global)?;
    let verb = async {
        match command {
            Command::Get(args) => get::run(&shell, args).await,
            Command::Describe(args) => describe::run(&shell, args).await,
            Command::Apply(args) => apply::run(&shell, args).await,
            Command::Diff(args) => diff::run(&shell, args).await,
            Command::Edit(args) => edit::run(&shell, args).await,
            Command::Delete(args) => delete::run(&shell, args).await,
            Command::Start(args) => change::run(&shell, args, change::START).await,
            Command::Suspend(args) => change::run(&shell, args, change::SUSPEND).await,
            Command::Cancel(args) => change::run(&shell, args, change::CANCEL).await,
            Command::Stop(args) => session::stop(&shell, args).await,
            Command::Scale(args) => session::scale(&shell, args).await,
            Command::Savepoint(args) => savepoint::run(&shell, args.verb).await,
            Command::Wait(args) => wait::run(&shell, args).await,
            Command::Events(args) => events::run(&shell, args).await,
            Command::Logs(args) => logs::run(&shell, args).await,
            Command::Artifact(args) => artifact::run(&shell, args.verb).await,
            Command::Secret(args) => secret::run(&shell, args.verb).await,
            Command::Namespace(args) => namespace::run(&shell, args.verb).await,
            Command::Token(args) => token::run(&shell, args.verb).await,
            Command::Quota => quota::run(&shell).await,
            Command::Version => version::run(&shell).await,
            Command::Serve(_)
            | Command::Demo(_)
            | Command::Flink(_)
            | Command::Context(_)
            | Command::Explain(_)
            | Command::Completion { .. } => {
                Err(Failure::new(Exit::Bug, "this verb needs no server"))
            }
        }
    };
    tokio::select! {
        done = verb => done,
        _ = tokio::signal::ctrl_c() => Err(Failure::new(Exit::Interrupted, "interrupted")
            .now("what was asked of the server goes on there")),
    }
}

/// The subject and its name, from `KIND NAME` or `KIND/NAME`.
fn one(subject: Subject, name: Option<String>) -> Result<(Kind, String)> {
    match (subject.name, name) {
        (Some(name), None) | (None, Some(name)) => Ok((subject.kind, name)),
        (Some(first), Some(second)) => {
            Err(Failure::usage(format!("two names were given: {first} and {second}")))
        }
        (None, None) => {
            let word = singular(subject.kind);
            Err(Failure::usage(format!("which {word}?")).next(format!("drey get {word}")))
        }
    }
}

/// The id of a Deployment, for filters.
fn id_of(deployment: &Deployment) -> String {
    deployment.metadata.id.to_string()
}
