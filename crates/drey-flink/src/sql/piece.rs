//! What a piece of a script between two semicolons is, by its first words.
//!
//! Owns only what changes how a piece is treated. Whatever it does not know is run, and Flink says what is wrong with it.

use super::scan::Token;

/// What a piece is.
pub(super) enum Kind<'p, 'a> {
    /// `BEGIN STATEMENT SET`, or `EXECUTE STATEMENT SET BEGIN` with what follows it.
    Begin(&'p [Token<'a>]),
    /// `END`.
    End,
    /// INSERT, from that word on.
    Insert(&'p [Token<'a>]),
    /// `SET`.
    Set,
    /// `RESET`.
    Reset,
    /// A query.
    Query,
    /// A statement that starts a job of its own.
    Job,
    /// Any other statement.
    Run,
    /// Something for people at a prompt; the advice says what to do instead.
    Foreign(&'static str),
}

const JARS: &str = "jars are given with the Deployment, so that every process has them before the script runs. List the \
                    jar in spec.template.spec.artifact.additionalDependencies and remove this statement.";
const PROMPT: &str =
    "this is a command of Flink's SQL client, and means nothing in a script. Remove it.";

/// Tells what a piece is.
pub(super) fn kind<'p, 'a>(piece: &'p [Token<'a>]) -> Kind<'p, 'a> {
    let starts = |words: &[&str]| {
        piece.len() >= words.len() && piece.iter().zip(words).all(|(token, word)| token.is(word))
    };
    let from = |n: usize| piece.get(n..).unwrap_or_default();
    let is_exactly = |words: &[&str]| piece.len() == words.len() && starts(words);
    if is_exactly(&["BEGIN", "STATEMENT", "SET"]) {
        return Kind::Begin(&[]);
    }
    for words in
        [["EXECUTE", "STATEMENT", "SET", "BEGIN"].as_slice(), &["STATEMENT", "SET", "BEGIN"]]
    {
        if starts(words) {
            return Kind::Begin(from(words.len()));
        }
    }
    if is_exactly(&["END"]) {
        return Kind::End;
    }
    if starts(&["EXECUTE", "INSERT"]) {
        return Kind::Insert(from(1));
    }
    let first = piece.first();
    let is_any =
        |words: &[&str]| first.is_some_and(|token| words.iter().any(|word| token.is(word)));
    if is_any(&["INSERT"]) {
        Kind::Insert(piece)
    } else if is_any(&["SET"]) {
        Kind::Set
    } else if is_any(&["RESET"]) {
        Kind::Reset
    } else if is_any(&["SELECT", "WITH", "VALUES", "TABLE", "("]) {
        Kind::Query
    } else if starts(&["ADD", "JAR"]) || starts(&["REMOVE", "JAR"]) {
        Kind::Foreign(JARS)
    } else if is_any(&["QUIT", "EXIT", "CLEAR", "HELP", "SOURCE", "!"]) {
        Kind::Foreign(PROMPT)
    } else if starts_job(piece) {
        Kind::Job
    } else {
        Kind::Run
    }
}

fn starts_job(piece: &[Token<'_>]) -> bool {
    let word = |n: usize, word: &str| piece.get(n).is_some_and(|token| token.is(word));
    match piece.first() {
        Some(first) if ["DELETE", "UPDATE", "ANALYZE", "CALL"].iter().any(|w| first.is(w)) => true,
        Some(first) if first.is("EXECUTE") => word(1, "PLAN"),
        Some(first) if first.is("COMPILE") => word(1, "AND"),
        Some(first) if first.is("CREATE") || first.is("REPLACE") => fills_its_table(piece),
        _ => false,
    }
}

/// `CREATE TABLE … AS SELECT`: AS outside of all parentheses. The AS of a computed column is inside, and that of a view
/// or a function makes no job.
fn fills_its_table(piece: &[Token<'_>]) -> bool {
    let is_table = piece.iter().take(4).take_while(|t| !t.is_symbol('(')).any(|t| t.is("TABLE"));
    let is_other =
        piece.iter().take(4).any(|t| ["VIEW", "FUNCTION", "MATERIALIZED"].iter().any(|w| t.is(w)));
    let mut depth = 0_i64;
    let has_query = piece.iter().any(|token| {
        depth += i64::from(token.is_symbol('(')) - i64::from(token.is_symbol(')'));
        depth == 0 && token.is("AS")
    });
    is_table && !is_other && has_query
}

/// The text of a piece, from its first word to its last: comments inside stay, those around it go.
pub(super) fn source(text: &str, piece: &[Token<'_>]) -> String {
    let (first, last) = (piece.first(), piece.last());
    let range = first.zip(last).map(|(first, last)| first.start..last.end());
    range.and_then(|range| text.get(range)).unwrap_or_default().to_owned()
}
