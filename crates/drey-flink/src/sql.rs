//! SQL scripts: from the text that a user wrote to the steps that our driver takes with it inside of Flink.
//!
//! ```text
//! text ──scan──► tokens with places ──`;`──► pieces ──what each one is──► steps ──encode──► an entry of the program's jar
//!                                                └─ what cannot be ──► problems, all at once, each with its place
//! ```
//!
//! All INSERTs of a script, inside of `BEGIN STATEMENT SET … END` or not, become one statement set: one Flink job, with
//! the id that Drey chose and the state that it restores. Owns what a script may hold and where its statements stand.
//! Does not own what a statement means (Flink parses it), nor how a step is taken (`driver/`).

use std::fmt;

mod piece;
mod scan;
mod setting;

use scan::Token;

/// Of more problems only the first ones are told.
const PROBLEMS_MAX: usize = 20;

/// A place in a script: line and column from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a script cannot become a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// Why a script is refused: its problems in the order of the script, at most 20 of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading the SQL script: {}", listed(.0))]
pub struct Refused(pub Vec<Problem>);

fn listed(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What to do with one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A setting that Flink needs before its table environment exists.
    Create {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// `SET`.
    Set {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// `RESET`, of one setting or of all.
    Reset {
        /// Key.
        key: Option<String>,
    },
    /// Run it: it starts no job.
    Run(String),
    /// A part of the statement set.
    Insert(String),
    /// Run it: it starts the job.
    Job(String),
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it begins.
    pub at: Place,
    /// What to do with it.
    pub action: Action,
}

/// A script that makes exactly one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its statements in order.
    pub steps: Vec<Step>,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// Something that is never closed, statements that have no place in a Deployment, no job or more than one.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let tokens = scan::tokens(text).map_err(|problem| Refused(vec![problem]))?;
        let mut reading = Reading::default();
        for piece in tokens.split(|token| token.is_symbol(';')).filter(|piece| !piece.is_empty()) {
            reading.take(text, piece);
        }
        reading.finish()
    }

    /// The script as the driver reads it: a count, then for each step a letter, line, column and two texts, each text
    /// with its length before it. Numbers are 32 bits, the high byte first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, self.steps.len());
        for Step { at, action } in &self.steps {
            let (letter, first, second) = match action {
                Action::Create { key, value } => (b'C', key.as_str(), value.as_str()),
                Action::Set { key, value } => (b'S', key.as_str(), value.as_str()),
                Action::Reset { key } => (b'R', key.as_deref().unwrap_or_default(), ""),
                Action::Run(sql) => (b'X', sql.as_str(), ""),
                Action::Insert(sql) => (b'I', sql.as_str(), ""),
                Action::Job(sql) => (b'J', sql.as_str(), ""),
            };
            bytes.push(letter);
            bytes.extend(at.line.to_be_bytes());
            bytes.extend(at.column.to_be_bytes());
            for text in [first, second] {
                put_number(&mut bytes, text.len());
                bytes.extend(text.as_bytes());
            }
        }
        bytes
    }
}

fn put_number(bytes: &mut Vec<u8>, number: usize) {
    // A script comes in a request, which is far smaller than 4 GiB.
    bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

/// A script on the way from pieces to steps.
#[derive(Debug, Default)]
struct Reading {
    steps: Vec<Step>,
    problems: Vec<Problem>,
    /// Where the statement set begins that is open, and whether it holds an INSERT already.
    set: Option<(Place, bool)>,
    /// Something else than a setting was there.
    has_begun: bool,
    /// Whether something was refused that its author may have taken for the job.
    lacks_its_job: bool,
}

impl Reading {
    fn take(&mut self, text: &str, piece: &[Token<'_>]) {
        let Some(first) = piece.first() else { return };
        let at = first.at;
        match (self.set, piece::kind(piece)) {
            (Some((_, has_insert)), piece::Kind::End) => {
                self.set = None;
                if !has_insert {
                    self.refuse(at, "the statement set that ends here has no INSERT INTO.");
                }
            }
            (Some((begin, _)), piece::Kind::Insert(from)) => {
                self.set = Some((begin, true));
                self.insert(text, from);
            }
            (Some((begin, _)), _) => self.refuse(
                at,
                format!(
                    "only INSERT INTO can stand in the statement set that begins at {begin}. Move this out of it, or \
                     close the set before with END;"
                ),
            ),
            (None, piece::Kind::Begin(rest)) => {
                self.has_begun = true;
                self.set = Some((at, false));
                if !rest.is_empty() {
                    self.take(text, rest);
                }
            }
            (None, piece::Kind::End) => {
                self.refuse(at, "END closes a statement set, and none is open here.");
            }
            (None, piece::Kind::Insert(from)) => self.insert(text, from),
            (None, piece::Kind::Set) => self.setting(at, piece),
            (None, piece::Kind::Reset) => self.reset(at, piece),
            (None, piece::Kind::Run) => self.step(at, Action::Run(piece::source(text, piece))),
            (None, piece::Kind::Job) => self.step(at, Action::Job(piece::source(text, piece))),
            (None, piece::Kind::Query) => {
                self.lacks_its_job = true;
                self.refuse(
                    at,
                    "a query alone shows its rows to a person, and here is none. Write the rows into a table with \
                     INSERT INTO; one WITH ('connector' = 'print') puts them into the log of the TaskManagers.",
                );
            }
            (None, piece::Kind::Foreign(advice)) => self.refuse(at, advice),
        }
    }

    fn step(&mut self, at: Place, action: Action) {
        self.has_begun = true;
        self.steps.push(Step { at, action });
    }

    fn insert(&mut self, text: &str, from: &[Token<'_>]) {
        if let Some(first) = from.first() {
            self.step(first.at, Action::Insert(piece::source(text, from)));
        }
    }

    fn setting(&mut self, at: Place, piece: &[Token<'_>]) {
        let Some((key, value)) = setting::pair(piece) else {
            return self.refuse(at, "SET needs a key and a value: SET 'key' = 'value';");
        };
        if let Some(why) = setting::misspelled(&key).or_else(|| setting::refusal(&key)) {
            return self.refuse(at, why);
        }
        let is_early = setting::is_early(&key);
        if is_early && self.has_begun {
            let why = format!("SET '{key}' has to stand before the first other statement.");
            return self.refuse(at, why);
        }
        let action =
            if is_early { Action::Create { key, value } } else { Action::Set { key, value } };
        self.steps.push(Step { at, action });
    }

    fn reset(&mut self, at: Place, piece: &[Token<'_>]) {
        let Some(key) = setting::key_of_reset(piece) else {
            return self.refuse(at, "RESET takes one key or nothing: RESET 'key'; or RESET;");
        };
        if let Some(why) = key.as_deref().and_then(setting::misspelled) {
            return self.refuse(at, why);
        }
        self.steps.push(Step { at, action: Action::Reset { key } });
    }

    fn refuse(&mut self, at: Place, message: impl Into<String>) {
        self.problems.push(Problem { at, message: message.into() });
    }

    fn finish(mut self) -> Result<Script, Refused> {
        if let Some((begin, _)) = self.set {
            let message = "the statement set that begins here is not closed. Write END; as a statement of its own after its \
                           last INSERT INTO.";
            self.refuse(begin, message);
        }
        self.demand_one_job();
        self.problems.sort_by_key(|problem| problem.at);
        self.problems.truncate(PROBLEMS_MAX);
        if self.problems.is_empty() {
            Ok(Script { steps: self.steps })
        } else {
            Err(Refused(self.problems))
        }
    }

    /// A Deployment is one Flink job: all INSERTs together, or one other statement that starts a job.
    fn demand_one_job(&mut self) {
        let has_insert = self.steps.iter().any(|step| matches!(step.action, Action::Insert(_)));
        let jobs = self.steps.iter().filter(|step| matches!(step.action, Action::Job(_)));
        let jobs: Vec<Place> = jobs.map(|step| step.at).collect();
        let superfluous =
            if has_insert { jobs.as_slice() } else { jobs.get(1..).unwrap_or_default() };
        for at in superfluous {
            self.refuse(
                *at,
                "this statement starts a Flink job of its own, and a Deployment is one job, which another statement \
                 of this script starts already. Move it to a Deployment of its own.",
            );
        }
        if !has_insert && jobs.is_empty() && !self.lacks_its_job && self.set.is_none() {
            let at = self.steps.last().map_or(Place { line: 1, column: 1 }, |step| step.at);
            let message = "the script starts no job: after its definitions it needs an INSERT INTO. Several become one job.";
            self.refuse(at, message);
        }
    }
}

#[cfg(test)]
mod tests;
