//! Who may do what: roles, resources, verbs, and the one matrix that joins them.
//!
//! Source: platform API reference §2.6. Roles are per namespace, except `admin`, which manages namespaces and not what
//! is in them. One cell differs from that matrix: an admin may manage API tokens, so that a new installation has a way in.
//! Logs, metrics and the audit log are rows of ours.
//!
//! Does not own who has which role (`crate::namespace`), or how a caller proves who it is (`drey-server`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a caller may be in a namespace; `Admin` is for the whole installation.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Runs jobs.
    Editor,
    /// Also decides where they run, by which defaults, and who may come in.
    Owner,
    /// Manages namespaces, not their content.
    Admin,
}

/// What is guarded: the rows of the matrix, and what is ours.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum Resource {
    /// Uploaded jars.
    Artifacts,
    /// Credentials of programs.
    ApiTokens,
    /// A namespace's defaults, and the global ones.
    DeploymentDefaults,
    /// Where Deployments run.
    DeploymentTargets,
    /// Declared Flink jobs.
    Deployments,
    /// Their runs.
    Jobs,
    /// Their snapshots.
    Savepoints,
    /// What happened to them.
    Events,
    /// Shared clusters.
    SessionClusters,
    /// Flink's own dashboards.
    FlinkUi,
    /// Namespaces with their role bindings.
    Namespaces,
    /// Sealed values.
    SecretValues,
    /// What a Job wrote; read by whoever may read Jobs.
    Logs,
    /// Figures of the whole process.
    Metrics,
    /// Who did what.
    AuditLog,
}

/// What is done to a resource: the words in the cells of the matrix, where "All" is each of them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::Display,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum Access {
    /// See all of them.
    List,
    /// See one.
    Get,
    /// See one without its content.
    GetMetadata,
    /// Make one.
    Create,
    /// Change one, or have it act.
    Update,
    /// Delete one.
    Delete,
    /// As the method says: GET and HEAD see, all others change. Flink changes things upon GET too, below the paths that
    /// the server's authorisation knows.
    ByMethod,
}

/// A cell of the matrix.
#[derive(Debug, Clone, Copy)]
enum Allowed {
    Nothing,
    Only(&'static [Access]),
    All,
}

/// Whether a role is enough: the matrix of platform API reference §2.6. What goes by the method of a request is asked for
/// by [`Access::Get`] or [`Access::Update`]; asked for as such, it is the stronger of the two.
#[must_use]
pub fn allows(role: Role, resource: Resource, access: Access) -> bool {
    use Access::{Get, GetMetadata, List, Update};
    use Allowed::{All, Nothing, Only};
    const READ: Allowed = Only(&[List, Get]);
    let [viewer, editor, owner, admin] = match resource {
        Resource::Artifacts => [Only(&[List, GetMetadata]), All, All, Nothing],
        Resource::ApiTokens => [Nothing, Nothing, All, All],
        Resource::DeploymentDefaults => [Only(&[Get]), Only(&[Get]), All, Nothing],
        Resource::DeploymentTargets => [READ, READ, All, Nothing],
        Resource::Deployments
        | Resource::Jobs
        | Resource::Savepoints
        | Resource::Events
        | Resource::SessionClusters
        | Resource::FlinkUi
        | Resource::Logs => [READ, All, All, Nothing],
        Resource::Namespaces => [Nothing, Nothing, Only(&[Get, Update]), All],
        Resource::SecretValues => [Nothing, All, All, Nothing],
        Resource::Metrics | Resource::AuditLog => [Nothing, Nothing, Nothing, All],
    };
    let cell = match role {
        Role::Viewer => viewer,
        Role::Editor => editor,
        Role::Owner => owner,
        Role::Admin => admin,
    };
    match cell {
        Nothing => false,
        Only(allowed) => allowed.contains(&access),
        All => true,
    }
}

/// The roles that are enough, the weakest first.
#[must_use]
pub fn sufficient(resource: Resource, access: Access) -> Vec<Role> {
    let all = [Role::Viewer, Role::Editor, Role::Owner, Role::Admin];
    all.into_iter().filter(|role| allows(*role, resource, access)).collect()
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    /// One line per resource: what each role may do.
    #[test]
    fn the_matrix_is_that_of_the_platform() {
        let mut lines = Vec::new();
        for resource in Resource::VARIANTS {
            let cells = Role::VARIANTS.iter().map(|role| {
                let may = |access: &&Access| allows(*role, *resource, **access);
                let words: Vec<String> =
                    Access::VARIANTS.iter().filter(may).map(ToString::to_string).collect();
                match words.len() {
                    0 => "-".to_owned(),
                    n if n == Access::VARIANTS.len() => "All".to_owned(),
                    _ => words.join("+"),
                }
            });
            lines.push(format!("{resource}: {}", cells.collect::<Vec<_>>().join(" ")));
        }
        assert_eq!(
            lines,
            [
                "Artifacts: List+GetMetadata All All -",
                "ApiTokens: - - All All",
                "DeploymentDefaults: Get Get All -",
                "DeploymentTargets: List+Get List+Get All -",
                "Deployments: List+Get All All -",
                "Jobs: List+Get All All -",
                "Savepoints: List+Get All All -",
                "Events: List+Get All All -",
                "SessionClusters: List+Get All All -",
                "FlinkUi: List+Get All All -",
                "Namespaces: - - Get+Update All",
                "SecretValues: - All All -",
                "Logs: List+Get All All -",
                "Metrics: - - - All",
                "AuditLog: - - - All",
            ]
        );
    }

    #[test]
    fn messages_name_the_roles_that_would_do() {
        let would_do = sufficient(Resource::DeploymentTargets, Access::Create);
        assert_eq!(would_do, [Role::Owner]);
        assert_eq!(sufficient(Resource::Namespaces, Access::Create), [Role::Admin]);
        assert_eq!("EDITOR".parse(), Ok(Role::Editor));
    }
}
