//! What a command is about: a kind, perhaps with a name, in every spelling that people type; and where it is on the server.
//!
//! `dep`, `deployment`, `deployments`, `dep/top-speed`: the words are those of the API, plus short forms. Most kinds are
//! objects of the store, all in one layout; namespaces, API tokens and artifacts have paths and wrappers of their own
//! (platform API reference §2.3, §2.4), which are told apart here and nowhere else.

use std::str::FromStr;

use serde_json::{Value, json};

/// The kinds that the command line knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantArray)]
pub(crate) enum Kind {
    /// A declared Flink job.
    Deployment,
    /// Where Deployments run.
    DeploymentTarget,
    /// What Deployments are filled up with.
    DeploymentDefaults,
    /// A Flink cluster that Deployments share.
    SessionCluster,
    /// One run.
    Job,
    /// A snapshot.
    Savepoint,
    /// What happened.
    Event,
    /// A text for jobs that is never shown.
    SecretValue,
    /// A room.
    Namespace,
    /// A credential of a program.
    ApiToken,
    /// An uploaded program.
    Artifact,
}

/// A kind and, when one was given, a name or id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The kind.
    pub(crate) kind: Kind,
    /// The name, or the id (Jobs, Savepoints).
    pub(crate) name: Option<String>,
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((kind, name)) = text.split_once('/') else {
            return Ok(Self { kind: kind_of(text)?, name: None });
        };
        if name.is_empty() || name.contains('/') {
            return Err(format!("\"{text}\" is not KIND/NAME, for example dep/top-speed"));
        }
        Ok(Self { kind: kind_of(kind)?, name: Some(name.to_owned()) })
    }
}

/// A name to wait for: `dep/NAME`, or a bare name, which means a Deployment.
pub(crate) fn named(text: &str) -> Result<Subject, String> {
    if text.contains('/') {
        return text.parse();
    }
    Ok(Subject { kind: Kind::Deployment, name: Some(text.to_owned()) })
}

/// The kind behind a word.
pub(crate) fn kind_of(word: &str) -> Result<Kind, String> {
    let plain: String = word.to_ascii_lowercase().replace(['-', '_'], "");
    match plain.as_str() {
        "dep" | "deps" | "deployment" | "deployments" => Ok(Kind::Deployment),
        "dt" | "target" | "targets" | "deploymenttarget" | "deploymenttargets" => {
            Ok(Kind::DeploymentTarget)
        }
        "dd" | "defaults" | "deploymentdefaults" => Ok(Kind::DeploymentDefaults),
        "sc" | "sessioncluster" | "sessionclusters" => Ok(Kind::SessionCluster),
        "job" | "jobs" => Ok(Kind::Job),
        "sp" | "savepoint" | "savepoints" => Ok(Kind::Savepoint),
        "ev" | "event" | "events" => Ok(Kind::Event),
        "sv" | "secret" | "secrets" | "secretvalue" | "secretvalues" => Ok(Kind::SecretValue),
        "ns" | "namespace" | "namespaces" => Ok(Kind::Namespace),
        "token" | "tokens" | "apitoken" | "apitokens" => Ok(Kind::ApiToken),
        "artifact" | "artifacts" => Ok(Kind::Artifact),
        _ => Err(format!(
            "\"{word}\" is not a kind. Kinds: deployments (dep), deploymenttargets (dt), deploymentdefaults (dd), \
             sessionclusters (sc), jobs, savepoints (sp), events (ev), secretvalues (sv), namespaces (ns), \
             apitokens (token), artifacts"
        )),
    }
}

/// The word for all objects of a kind; of most, also their place in the path of a request.
pub(crate) fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "deployments",
        Kind::DeploymentTarget => "deployment-targets",
        Kind::DeploymentDefaults => "deployment-defaults",
        Kind::SessionCluster => "sessionclusters",
        Kind::Job => "jobs",
        Kind::Savepoint => "savepoints",
        Kind::Event => "events",
        Kind::SecretValue => "secret-values",
        Kind::Namespace => "namespaces",
        Kind::ApiToken => "apitokens",
        Kind::Artifact => "artifacts",
    }
}

/// The word for one object of a kind, as in `deployment/top-speed`.
pub(crate) fn singular(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "deployment",
        Kind::DeploymentTarget => "deploymenttarget",
        Kind::DeploymentDefaults => "deploymentdefaults",
        Kind::SessionCluster => "sessioncluster",
        Kind::Job => "job",
        Kind::Savepoint => "savepoint",
        Kind::Event => "event",
        Kind::SecretValue => "secretvalue",
        Kind::Namespace => "namespace",
        Kind::ApiToken => "apitoken",
        Kind::Artifact => "artifact",
    }
}

/// The name of an object, or its id where names mean nothing.
pub(crate) fn handle_of(kind: Kind, object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let found = match kind {
        Kind::Deployment
        | Kind::DeploymentTarget
        | Kind::DeploymentDefaults
        | Kind::SessionCluster
        | Kind::SecretValue => text("/metadata/name"),
        Kind::Job | Kind::Savepoint | Kind::Event => text("/metadata/id"),
        // `namespaces/<short>`, `namespaces/<ns>/apitokens/<short>`.
        Kind::Namespace | Kind::ApiToken => text("/name").and_then(|name| name.rsplit('/').next()),
        Kind::Artifact => text("/filename"),
    };
    found.unwrap_or("?").to_owned()
}

/// Where a request goes, and what its answer is wrapped in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Segments of the path, not escaped.
    pub(crate) path: Vec<String>,
    /// Query parameters.
    pub(crate) query: Vec<(String, String)>,
    /// The member that an object stands in, and the kind that it then gets: where the API's objects have none.
    wrapper: Option<(&'static str, Kind)>,
}

impl Place {
    /// Some other path.
    pub(crate) fn at(path: &[&str]) -> Self {
        Self { path: path.iter().map(ToString::to_string).collect(), ..Self::default() }
    }

    /// Where the objects of a kind are listed and created.
    pub(crate) fn all(ns: &str, kind: Kind) -> Self {
        let mut place = match kind {
            Kind::Namespace => Self::at(&["namespaces", "v1", "namespaces"]),
            Kind::ApiToken => Self::at(&["apitokens", "v1", "namespaces", ns, "apitokens"]),
            Kind::Artifact => Self::at(&["artifacts", "v1", "namespaces", ns, "artifacts:list"]),
            Kind::Deployment
            | Kind::DeploymentTarget
            | Kind::DeploymentDefaults
            | Kind::SessionCluster
            | Kind::Job
            | Kind::Savepoint
            | Kind::Event
            | Kind::SecretValue => Self::at(&["api", "v1", "namespaces", ns, collection(kind)]),
        };
        place.wrapper = wrapper(kind).map(|word| (word, kind));
        place
    }

    /// Where one object is. A namespace has one DeploymentDefaults, which stands where others have their collection.
    pub(crate) fn one(ns: &str, kind: Kind, name: &str) -> Self {
        let mut place = Self::all(ns, kind);
        match kind {
            Kind::DeploymentDefaults => {}
            Kind::Artifact => place.act("artifacts:getMetadata", name),
            _ => place.path.push(name.to_owned()),
        }
        place
    }

    /// Where artifacts are uploaded.
    pub(crate) fn upload(ns: &str) -> Self {
        let mut place = Self::all(ns, Kind::Artifact);
        place.path.pop();
        place.path.push("artifacts:upload".to_owned());
        place
    }

    /// Where one object is deleted.
    pub(crate) fn deletion(ns: &str, kind: Kind, name: &str) -> Self {
        let mut place = Self::one(ns, kind, name);
        if kind == Kind::Artifact {
            place.query.clear();
            place.act("artifacts:delete", name);
        }
        place
    }

    /// The artifact service writes verbs behind a colon and names as a parameter.
    fn act(&mut self, verb: &str, name: &str) {
        self.path.pop();
        self.path.push(verb.to_owned());
        self.query.push(("filename".to_owned(), name.to_owned()));
    }

    /// The object of an answer.
    pub(crate) fn unwrapped(&self, answer: Value) -> Value {
        let Some((word, kind)) = self.wrapper else { return answer };
        match answer {
            Value::Object(mut members) if members.contains_key(word) => {
                named_kind(kind, members.remove(word).unwrap_or_default())
            }
            other => other,
        }
    }
}

/// The member that an object stands in.
fn wrapper(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Namespace => Some("namespace"),
        Kind::ApiToken => Some("apiToken"),
        Kind::Artifact => Some("artifact"),
        Kind::Deployment
        | Kind::DeploymentTarget
        | Kind::DeploymentDefaults
        | Kind::SessionCluster
        | Kind::Job
        | Kind::Savepoint
        | Kind::Event
        | Kind::SecretValue => None,
    }
}

/// The objects of a list.
pub(crate) fn items(kind: Kind, mut list: Value) -> Vec<Value> {
    let member = match kind {
        Kind::DeploymentDefaults => return vec![list],
        Kind::Namespace => "namespaces",
        Kind::ApiToken => "apiTokens",
        Kind::Artifact => "artifacts",
        Kind::Deployment
        | Kind::DeploymentTarget
        | Kind::SessionCluster
        | Kind::Job
        | Kind::Savepoint
        | Kind::Event
        | Kind::SecretValue => "items",
    };
    match list.get_mut(member).map(Value::take) {
        Some(Value::Array(found)) => {
            found.into_iter().map(|object| named_kind(kind, object)).collect()
        }
        _ => Vec::new(),
    }
}

/// The object with its kind in front, where the API's objects have none: so `apply` knows what `get` printed.
fn named_kind(kind: Kind, object: Value) -> Value {
    match object {
        Value::Object(members) if !members.contains_key("kind") => {
            let mut whole = serde_json::Map::new();
            whole.insert("kind".to_owned(), json!(kind.to_string()));
            whole.extend(members);
            Value::Object(whole)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kind, Place, Subject, handle_of, items, named};

    #[test]
    fn every_spelling_of_a_kind_is_understood() {
        for word in ["dep", "Deployment", "deployments"] {
            assert_eq!(word.parse(), Ok(Subject { kind: Kind::Deployment, name: None }), "{word}");
        }
        for word in ["dt", "deployment-targets", "DeploymentTarget"] {
            assert_eq!(
                word.parse::<Subject>().map(|s| s.kind),
                Ok(Kind::DeploymentTarget),
                "{word}"
            );
        }
        let named_one = Subject { kind: Kind::Savepoint, name: Some("x".to_owned()) };
        assert_eq!("sp/x".parse(), Ok(named_one));
        assert!("pods".parse::<Subject>().is_err_and(|e| e.contains("Kinds: deployments (dep)")));
        assert!("dep/".parse::<Subject>().is_err());
        assert_eq!(named("x").map(|s| s.kind), Ok(Kind::Deployment));
    }

    #[test]
    fn the_kinds_with_services_of_their_own_are_found_and_unwrapped() {
        let place = Place::deletion("a", Kind::Artifact, "x y.jar");
        assert_eq!(place.path.join("/"), "artifacts/v1/namespaces/a/artifacts:delete");
        assert_eq!(place.query, [("filename".to_owned(), "x y.jar".to_owned())]);
        let place = Place::one("ignored", Kind::Namespace, "a");
        assert_eq!(place.path.join("/"), "namespaces/v1/namespaces/a");
        let object = place.unwrapped(json!({ "namespace": { "name": "namespaces/a" } }));
        assert_eq!(object, json!({ "kind": "Namespace", "name": "namespaces/a" }));
        assert_eq!(handle_of(Kind::Namespace, &object), "a");
        let tokens = json!({ "apiTokens": [{ "name": "namespaces/a/apitokens/ci" }] });
        assert_eq!(handle_of(Kind::ApiToken, &items(Kind::ApiToken, tokens)[0]), "ci");
    }
}
