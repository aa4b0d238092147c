//! Which server, which namespace, and as whom: flag, environment, context, default; the first that is there wins.
//!
//! ```text
//! ~/.config/drey/config.yaml          0600: it may hold tokens, so it is refused when others can read it
//! current-context: prod
//! contexts:
//! - {name: prod, server: https://drey.example, namespace: payments, token-file: /home/ann/.drey/prod.token}
//! - {name: dev, server: http://127.0.0.1:8080}
//! ```
//!
//! The token of a context goes to the server of that context and to no other: who names another one with `--server`
//! names a token for it, too. Tokens are never printed. Does not own the verbs that change the file (`cli::context`).

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::args::Global;
use crate::failure::{Failure, Result};
use crate::output::yaml;

/// The server that is asked when nobody names one.
pub(crate) const SERVER_DEFAULT: &str = "http://127.0.0.1:8080";
/// The namespace that is meant when nobody names one.
const NAMESPACE_DEFAULT: &str = "default";
/// The variable with a token.
const TOKEN_VARIABLE: &str = "DREY_TOKEN";
/// The largest token file that is read; what is larger is some other file.
const TOKEN_BYTES_MAX: usize = 16 << 10;

/// All contexts of a user.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Contexts {
    /// The one that counts when no other is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current_context: Option<String>,
    /// All of them.
    pub(crate) contexts: Vec<Context>,
}

/// A server with what is needed to work on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Context {
    /// Its name, unique.
    pub(crate) name: String,
    /// Address of the server.
    pub(crate) server: String,
    /// Namespace to work in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) namespace: Option<String>,
    /// File with the token, read at each use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    /// The token itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<Token>,
}

/// A token in the file.
#[derive(Debug, Clone)]
pub(crate) struct Token(pub(crate) SecretString);

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.into()))
    }
}

/// What a command works on.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// Address of the server.
    pub(crate) server: String,
    /// The namespace.
    pub(crate) namespace: String,
    /// What to show as credentials.
    pub(crate) credential: Option<Credential>,
}

/// A token, and where it is from, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Credential {
    /// The token.
    pub(crate) token: SecretString,
    /// For example `DREY_TOKEN`.
    pub(crate) source: String,
}

impl Connection {
    /// What the global flags, the environment and the contexts say.
    pub(crate) fn of(global: &Global) -> Result<Self> {
        let contexts = Contexts::read()?;
        // An empty variable is one that somebody unset.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let context = contexts.chosen(given(&global.context).as_deref())?;
        let named = given(&global.server);
        let server = named.or_else(|| context.map(|context| context.server.clone()));
        let server = server.unwrap_or_else(|| SERVER_DEFAULT.to_owned());
        let namespace = given(&global.namespace);
        let namespace = namespace.or_else(|| context.and_then(|c| c.namespace.clone()));
        Ok(Self {
            credential: credential(global, context, &server)?,
            namespace: namespace.unwrap_or_else(|| NAMESPACE_DEFAULT.to_owned()),
            server,
        })
    }
}

fn credential(
    global: &Global,
    context: Option<&Context>,
    server: &str,
) -> Result<Option<Credential>> {
    if let Some(path) = &global.token_file {
        let source = format!("--token-file {}", path.display());
        return Ok(Some(Credential { token: token_in(path)?, source }));
    }
    let given = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
    if let Some(token) = usable(&given, TOKEN_VARIABLE)? {
        return Ok(Some(Credential { token, source: TOKEN_VARIABLE.to_owned() }));
    }
    let Some(context) = context.filter(|context| is_same(&context.server, server)) else {
        return Ok(None);
    };
    let source = format!("the context {}", context.name);
    match (&context.token, &context.token_file) {
        (Some(Token(token)), _) => Ok(Some(Credential { token: token.clone(), source })),
        (None, Some(path)) => Ok(Some(Credential { token: token_in(path)?, source })),
        (None, None) => Ok(None),
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// The token in a file.
pub(crate) fn token_in(path: &Path) -> Result<SecretString> {
    let what = format!("reading the token file {}", path.display());
    let text = fs::read_to_string(path).map_err(|e| Failure::usage(what).why(e.to_string()))?;
    let place = format!("the token file {}", path.display());
    let token = usable(&text, &place)?;
    token.ok_or_else(|| Failure::usage(format!("{place} is empty")).next("drey token create NAME"))
}

/// A token as it can be sent; nothing when there is none.
pub(crate) fn usable(text: &str, place: &str) -> Result<Option<SecretString>> {
    let token = text.trim();
    let is_sendable = token.len() <= TOKEN_BYTES_MAX && token.chars().all(|c| c.is_ascii_graphic());
    if !is_sendable {
        return Err(Failure::usage(format!("{place} holds no token")).why(
            "a token is one word of letters, digits and signs, without spaces or line ends in it",
        ));
    }
    Ok((!token.is_empty()).then(|| token.into()))
}

impl Contexts {
    /// Those in the user's file; none when there is no file.
    pub(crate) fn read() -> Result<Self> {
        match path() {
            Some(path) => Self::read_from(&path),
            None => Ok(Self::default()),
        }
    }

    fn read_from(path: &Path) -> Result<Self> {
        let refused = |why: String| {
            Failure::usage(format!("reading the contexts in {}", path.display())).why(why)
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(refused(e.to_string())),
        };
        check_private(path)?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        // The library's message quotes the line, and the line may hold a token.
        serde_saphyr::from_str(&text).map_err(|_| {
            refused("it is not a list of contexts as `drey context add` writes it".to_owned())
                .next("drey context --help        shows the layout")
        })
    }

    /// Writes them to the user's file, whole or not at all, readable by nobody else.
    pub(crate) fn write(&self) -> Result<PathBuf> {
        let path = path().ok_or_else(|| {
            Failure::usage("there is no place for contexts").why("HOME is not set")
        })?;
        let text = yaml(self)?;
        write_private(&path, &text).map_err(|e| {
            Failure::usage(format!("writing the contexts to {}", path.display())).why(e.to_string())
        })?;
        Ok(path)
    }

    /// The one that is named, or the current one.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<Option<&Context>> {
        let Some(name) = name.or(self.current_context.as_deref()) else { return Ok(None) };
        self.get(name).map(Some)
    }

    /// The one with this name.
    pub(crate) fn get(&self, name: &str) -> Result<&Context> {
        self.contexts.iter().find(|context| context.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.contexts.iter().map(|c| c.name.as_str()).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Failure::usage(format!("there is no context \"{name}\""))
                .why(format!("contexts: {known}"))
                .next("drey context add NAME --server URL")
        })
    }
}

/// `$XDG_CONFIG_HOME/drey/config.yaml`, else `~/.config/drey/config.yaml`.
pub(crate) fn path() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let xdg = var("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let home = var("HOME").filter(|path| !path.as_os_str().is_empty());
    let base = xdg.or_else(|| home.map(|home| home.join(".config")));
    base.map(|base| base.join("drey").join("config.yaml"))
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(Failure::usage(format!("the contexts in {shown} are not used"))
        .why(format!("others can read or change the file (mode {mode:03o}), and it may hold tokens"))
        .next(format!("chmod 600 {shown}"))
        .next("if somebody may have read it: delete its tokens on the server (drey token delete NAME)"))
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&aside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&aside, path)).inspect_err(|_| {
        // What is left would only lie around.
        let _ = fs::remove_file(&aside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_and_is_never_shown() {
        let token = usable(" secret-123\n", "x").unwrap().unwrap();
        assert_eq!(token.expose_secret(), "secret-123");
        assert!(usable("\n", "x").unwrap().is_none());
        assert!(usable("two words", "x").is_err());
        let context = Context {
            name: "a".into(),
            server: "http://x".into(),
            namespace: None,
            token_file: None,
            token: Some(Token(token)),
        };
        assert!(!format!("{context:?}").contains("secret-123"));
    }

    #[test]
    fn the_file_holds_what_was_written() {
        let text =
            "current-context: prod\ncontexts:\n- {name: prod, server: 'https://d', token: abc}\n";
        let contexts: Contexts = serde_saphyr::from_str(text).unwrap();
        let again: Contexts = serde_saphyr::from_str(&yaml(&contexts).unwrap()).unwrap();
        let context = again.chosen(None).unwrap().unwrap();
        assert_eq!((context.name.as_str(), context.server.as_str()), ("prod", "https://d"));
        assert!(again.get("dev").unwrap_err().why[0].contains("prod"));
    }
}
