//! What a command is about: a kind, perhaps with a name, in every spelling that people type.
//!
//! `dep`, `deployment`, `deployments`, `dep/top-speed`: the words are those of the API, plus short forms.

use std::str::FromStr;

use drey_model::Kind;

/// A kind and, when one was given, a name or id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The kind.
    pub(crate) kind: Kind,
    /// The name (Deployments, targets, session clusters) or id (Jobs, Savepoints).
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
fn kind_of(word: &str) -> Result<Kind, String> {
    let plain: String = word.to_ascii_lowercase().replace(['-', '_'], "");
    match plain.as_str() {
        "dep" | "deps" | "deployment" | "deployments" => Ok(Kind::Deployment),
        "dt" | "target" | "targets" | "deploymenttarget" | "deploymenttargets" => {
            Ok(Kind::DeploymentTarget)
        }
        "defaults" | "deploymentdefaults" => Ok(Kind::DeploymentDefaults),
        "sc" | "sessioncluster" | "sessionclusters" => Ok(Kind::SessionCluster),
        "job" | "jobs" => Ok(Kind::Job),
        "sp" | "savepoint" | "savepoints" => Ok(Kind::Savepoint),
        "ev" | "event" | "events" => Ok(Kind::Event),
        _ => Err(format!(
            "\"{word}\" is not a kind. Kinds: deployments (dep), deploymenttargets (dt), deploymentdefaults \
             (defaults), sessionclusters (sc), jobs, savepoints (sp), events (ev)"
        )),
    }
}

/// The collection of a kind in the path of a request.
pub(crate) fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "deployments",
        Kind::DeploymentTarget => "deployment-targets",
        Kind::DeploymentDefaults => "deployment-defaults",
        Kind::SessionCluster => "sessionclusters",
        Kind::Job => "jobs",
        Kind::Savepoint => "savepoints",
        Kind::Event => "events",
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
    }
}

#[cfg(test)]
mod tests {
    use drey_model::Kind;

    use super::{Subject, named};

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
}
