//! `drey context`: the servers that a user works on. Never prints a token.

use serde_json::{Value, json};

use super::printer;
use crate::args::{ContextAdd, ContextVerb, Format, Global};
use crate::contexts::{Context, Contexts, Token, path, token_in, usable};
use crate::failure::{Exit, Failure, Result};
use crate::output::style::Style;
use crate::output::table;
use crate::output::{put, say};

pub(crate) fn run(verb: ContextVerb, global: &Global) -> Result<()> {
    let mut contexts = Contexts::read()?;
    match verb {
        ContextVerb::List => list(&contexts, global),
        ContextVerb::Show { name } => {
            let chosen = contexts.chosen(name.as_deref().or(global.context.as_deref()))?;
            let chosen = chosen.ok_or_else(|| {
                Failure::new(Exit::NotFound, "no context is in use").next("drey context use NAME")
            })?;
            put(&printer::document(
                global.output.or(Some(Format::Yaml)),
                &shown(&contexts, chosen),
            )?)
        }
        ContextVerb::Use { name } => {
            contexts.get(&name)?;
            contexts.current_context = Some(name.clone());
            contexts.write()?;
            put(&format!("context/{name} is in use\n"))
        }
        ContextVerb::Add(args) => add(contexts, &args, global),
        ContextVerb::Remove { name } => {
            contexts.get(&name)?;
            contexts.contexts.retain(|context| context.name != name);
            contexts.current_context = contexts.current_context.filter(|current| *current != name);
            contexts.write()?;
            put(&format!("context/{name} removed\n"))
        }
    }
}

fn list(contexts: &Contexts, global: &Global) -> Result<()> {
    let current = contexts.current_context.as_deref();
    match global.output {
        Some(Format::Name) => {
            let names =
                contexts.contexts.iter().map(|context| format!("context/{}\n", context.name));
            put(&names.collect::<String>())
        }
        Some(Format::Json | Format::Yaml | Format::Jsonl) => {
            let all: Vec<Value> = contexts.contexts.iter().map(|c| shown(contexts, c)).collect();
            put(&printer::document(global.output, &json!({ "contexts": all }))?)
        }
        Some(Format::Table | Format::Wide) | None if contexts.contexts.is_empty() => {
            if !global.quiet {
                say("no contexts; `drey context add NAME --server URL` makes one");
            }
            Ok(())
        }
        Some(Format::Table | Format::Wide) | None => {
            let style = Style::of_stdout(global.color);
            let table = table::contexts(&contexts.contexts, current);
            put(&table.render(!global.no_headers, style))
        }
    }
}

/// A context without its token.
fn shown(contexts: &Contexts, context: &Context) -> Value {
    let mut object = json!({
        "name": context.name,
        "server": context.server,
        "current": contexts.current_context.as_deref() == Some(context.name.as_str()),
        "token": context.credential_kind(),
    });
    if let Some(namespace) = &context.namespace {
        object["namespace"] = json!(namespace);
    }
    if let Some(path) = &context.token_file {
        object["tokenFile"] = json!(path.display().to_string());
    }
    object
}

impl Context {
    /// Where its token is, in a word.
    pub(crate) fn credential_kind(&self) -> &'static str {
        match (&self.token, &self.token_file) {
            (Some(_), _) => "stored",
            (None, Some(_)) => "file",
            (None, None) => "none",
        }
    }
}

fn add(mut contexts: Contexts, args: &ContextAdd, global: &Global) -> Result<()> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if args.name.is_empty() || !args.name.chars().all(is_name) {
        return Err(Failure::usage(format!("\"{}\" is not the name of a context", args.name))
            .why("use letters, digits, hyphens, underscores and dots"));
    }
    let before = contexts.contexts.iter().position(|context| context.name == args.name);
    let old = before.map(|at| contexts.contexts.remove(at));
    let server = global.server.clone().or_else(|| old.as_ref().map(|old| old.server.clone()));
    let server = server.ok_or_else(|| {
        Failure::usage("which server?")
            .next(format!("drey context add {} --server http://127.0.0.1:8080", args.name))
    })?;
    crate::client::address(&server)?;
    // Another server is another place for a token: the old one must not go there.
    let old = old.filter(|old| old.server == server);
    let namespace = global.namespace.clone();
    let mut context = Context {
        name: args.name.clone(),
        server,
        namespace: namespace.or_else(|| old.as_ref().and_then(|old| old.namespace.clone())),
        token_file: old.as_ref().and_then(|old| old.token_file.clone()),
        token: old.and_then(|old| old.token),
    };
    if args.token_stdin {
        let text = super::secret::standard_input()?;
        let token = usable(&text, "standard input")?;
        let token = token.ok_or_else(|| Failure::usage("standard input is empty"))?;
        (context.token, context.token_file) = (Some(Token(token)), None);
    } else if let Some(path) = &global.token_file {
        token_in(path)?;
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        (context.token, context.token_file) = (None, Some(path));
    }
    contexts.contexts.push(context);
    contexts.contexts.sort_by(|a, b| a.name.cmp(&b.name));
    if contexts.current_context.is_none() || args.use_it {
        contexts.current_context = Some(args.name.clone());
    }
    contexts.write()?;
    let did = if before.is_some() { "changed" } else { "added" };
    let place = path().map(|path| path.display().to_string()).unwrap_or_default();
    if !global.quiet {
        say(&format!("written to {place}"));
    }
    put(&format!("context/{} {did}\n", args.name))
}
