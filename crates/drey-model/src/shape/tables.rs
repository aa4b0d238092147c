//! The tables: every member of every document that users write (platform API reference §1.1, §1.2, §1.6,
//! §1.7).

use super::{Member, Shape, Words};
use crate::deployment::ArtifactKind;

const fn member(name: &'static str, shape: Shape) -> Member {
    Member { name, shape }
}

const fn words(words: &'static [&'static str]) -> Words {
    Words { words, aliases: &[], hints: &[] }
}

const TEXTS: Shape = Shape::Map(&Shape::Text);
const VERSION: Member = member("apiVersion", Shape::Word(&words(&["v1"])));

/// A Deployment.
pub const DEPLOYMENT: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["Deployment"]))),
    VERSION,
    member("metadata", METADATA),
    member("spec", DEPLOYMENT_SPEC),
    member("status", Shape::Ignored),
]);

/// The spec of a Deployment, as it also stands in DeploymentDefaults.
pub const DEPLOYMENT_SPEC: Shape = Shape::Object(&[
    member("state", Shape::Word(&STATE)),
    member("deploymentTargetName", Shape::Text),
    member("deploymentTargetId", Shape::Id),
    member("sessionClusterName", Shape::Text),
    member(
        "upgradeStrategy",
        Shape::Object(&[member("kind", Shape::Word(&words(&["STATEFUL", "STATELESS", "NONE"])))]),
    ),
    member("restoreStrategy", RESTORE_STRATEGY),
    member("maxSavepointCreationAttempts", Shape::Int),
    member("maxJobCreationAttempts", Shape::Int),
    member("jobFailureExpirationTime", Shape::Text),
    member("template", TEMPLATE),
]);

/// The DeploymentDefaults of a namespace.
pub const DEPLOYMENT_DEFAULTS: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["DeploymentDefaults"]))),
    VERSION,
    member("metadata", METADATA),
    member("spec", DEPLOYMENT_SPEC),
    member("status", Shape::Ignored),
]);

/// GlobalDeploymentDefaults, as a settings file gives them.
pub const GLOBAL_DEFAULTS: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["GlobalDeploymentDefaults"]))),
    VERSION,
    member("spec", DEPLOYMENT_SPEC),
]);

/// A DeploymentTarget.
pub const DEPLOYMENT_TARGET: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["DeploymentTarget"]))),
    VERSION,
    member("metadata", METADATA),
    member(
        "spec",
        Shape::Object(&[
            member("kubernetes", Shape::Object(&[member("namespace", Shape::Text)])),
            member("local", Shape::Object(&[])),
            member("deploymentPatchSet", Shape::List(&Shape::Opaque)),
        ]),
    ),
    member("status", Shape::Ignored),
]);

/// A SecretValue without its spec, which no message may repeat (`crate::write` reads it).
pub const SECRET_VALUE: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["SecretValue"]))),
    VERSION,
    member("metadata", METADATA),
    member("status", Shape::Ignored),
]);

/// A SessionCluster.
pub const SESSION_CLUSTER: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["SessionCluster"]))),
    VERSION,
    member("metadata", METADATA),
    member(
        "spec",
        Shape::Object(&[
            member("state", Shape::Word(&CLUSTER_STATE)),
            member("deploymentTargetName", Shape::Text),
            member("flinkVersion", Shape::Text),
            member("flinkImageRegistry", Shape::Text),
            member("flinkImageRepository", Shape::Text),
            member("flinkImageTag", Shape::Text),
            member("numberOfTaskManagers", Shape::Int),
            member("resources", Shape::Keys(&PROCESSES, &RESOURCE)),
            member("flinkConfiguration", TEXTS),
            member("logging", LOGGING),
            member("kubernetes", KUBERNETES),
        ]),
    ),
    member("status", Shape::Ignored),
]);

/// A Savepoint.
pub const SAVEPOINT: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["Savepoint"]))),
    VERSION,
    member(
        "metadata",
        Shape::Object(&[
            member("id", Shape::Ignored),
            member("namespace", Shape::Text),
            member("createdAt", Shape::Ignored),
            member("modifiedAt", Shape::Ignored),
            member("deploymentId", Shape::Id),
            member("jobId", Shape::Ignored),
            member("origin", Shape::Ignored),
            member("type", Shape::Word(&words(&["UNKNOWN", "FULL", "INCREMENTAL"]))),
            member("annotations", TEXTS),
            member("resourceVersion", Shape::Ignored),
        ]),
    ),
    member(
        "spec",
        Shape::Object(&[
            member("savepointLocation", Shape::Text),
            member("flinkSavepointId", Shape::Id),
        ]),
    ),
    member("status", Shape::Ignored),
]);

/// A namespace.
pub const NAMESPACE: Shape = Shape::Object(&[
    member("name", Shape::Text),
    member("createTime", Shape::Ignored),
    member("lifecyclePhase", Shape::Ignored),
    member(
        "roleBindings",
        Shape::List(&Shape::Object(&[
            member("role", Shape::Word(&NAMESPACE_ROLES)),
            member("members", Shape::List(&Shape::Text)),
        ])),
    ),
    member("previewSessionClusterName", Shape::Text),
]);

/// A request of `:setPreviewSessionCluster`.
pub const PREVIEW_SESSION_CLUSTER: Shape =
    Shape::Object(&[member("name", Shape::Text), member("previewSessionClusterName", Shape::Text)]);

/// An API token.
pub const API_TOKEN: Shape = Shape::Object(&[
    member("name", Shape::Text),
    member("role", Shape::Word(&NAMESPACE_ROLES)),
    member("secret", Shape::Ignored),
    member("createTime", Shape::Ignored),
]);

const NAMESPACE_ROLES: Words = Words {
    words: &["viewer", "editor", "owner"],
    aliases: &[],
    hints: &[("admin", "Administrators are named in the server's settings.")],
};

/// `resources`: the processes of a Flink cluster.
pub const PROCESSES: [&str; 2] = ["jobmanager", "taskmanager"];

const METADATA: Shape = Shape::Object(&[
    member("id", Shape::Ignored),
    member("name", Shape::Text),
    member("displayName", Shape::Text),
    member("namespace", Shape::Text),
    member("createdAt", Shape::Ignored),
    member("modifiedAt", Shape::Ignored),
    member("labels", TEXTS),
    member("annotations", TEXTS),
    member("resourceVersion", Shape::Ignored),
]);

const STATE: Words = Words {
    words: &["RUNNING", "SUSPENDED", "CANCELLED"],
    aliases: &[("CANCELED", "CANCELLED")],
    hints: &[
        ("PAUSED", "To stop and keep state use SUSPENDED."),
        ("PAUSE", "To stop and keep state use SUSPENDED."),
        ("STOPPED", "To stop and keep state use SUSPENDED, to stop without a savepoint CANCELLED."),
        ("FINISHED", "FINISHED can be observed, not asked for."),
        ("FAILED", "FAILED can be observed, not asked for."),
        ("TRANSITIONING", "TRANSITIONING can be observed, not asked for."),
    ],
};

const CLUSTER_STATE: Words = Words {
    words: &["STOPPED", "RUNNING"],
    aliases: &[],
    hints: &[
        ("CANCELLED", "A SessionCluster is STOPPED."),
        ("SUSPENDED", "A SessionCluster is STOPPED; suspend the Deployments that run on it first."),
        ("FAILED", "FAILED can be observed, not asked for."),
    ],
};

const RESTORE_STRATEGY: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["LATEST_STATE", "LATEST_SAVEPOINT", "NONE"]))),
    member("allowNonRestoredState", Shape::Flag),
]);

const TEMPLATE: Shape = Shape::Object(&[
    member("metadata", Shape::Object(&[member("annotations", TEXTS)])),
    member(
        "spec",
        Shape::Object(&[
            member("artifact", ARTIFACT),
            member("parallelism", Shape::Int),
            member("numberOfTaskManagers", Shape::Int),
            member("resources", Shape::Keys(&PROCESSES, &RESOURCE)),
            member("flinkConfiguration", TEXTS),
            member("logging", LOGGING),
            member("kubernetes", KUBERNETES),
            member("latestCheckpointFetchInterval", Shape::Int),
        ]),
    ),
]);

const RESOURCE: Shape =
    Shape::Object(&[member("cpu", Shape::Number), member("memory", Shape::Text)]);

const LOGGING: Shape = Shape::Object(&[
    member("loggingProfile", Shape::Text),
    member("log4jLoggers", TEXTS),
    member("log4j2ConfigurationTemplate", Shape::Text),
]);

const KUBERNETES: Shape = Shape::Object(&[
    member("pods", Shape::Opaque),
    member("jobManagerPodTemplate", Shape::Opaque),
    member("taskManagerPodTemplate", Shape::Opaque),
    member("labels", TEXTS),
]);

const ARTIFACT: Shape = Shape::Object(&[
    member("kind", Shape::Word(&words(&["JAR", "SQLSCRIPT", "PYTHON"]))),
    member("jarUri", Shape::Text),
    member("entryClass", Shape::Text),
    member("mainArgs", Shape::Text),
    member("sqlScript", Shape::Text),
    member("pythonArtifactUri", Shape::Text),
    member("entryModule", Shape::Text),
    member("additionalDependencies", Shape::List(&Shape::Text)),
    member("additionalPythonLibraries", Shape::List(&Shape::Text)),
    member("additionalPythonArchives", Shape::List(&Shape::Text)),
    member("flinkVersion", Shape::Text),
    member("flinkImageRegistry", Shape::Text),
    member("flinkImageRepository", Shape::Text),
    member("flinkImageTag", Shape::Text),
]);

/// Members of a template that session mode takes from the cluster.
pub(crate) const CLUSTER_MEMBERS: [&str; 4] =
    ["numberOfTaskManagers", "resources", "logging", "kubernetes"];
/// Members that say which Flink image runs.
pub const IMAGE_MEMBERS: [&str; 3] =
    ["flinkImageRegistry", "flinkImageRepository", "flinkImageTag"];

/// Members that an artifact of this kind does not have (platform API reference §1.1.5).
#[must_use]
pub fn foreign_members(kind: ArtifactKind) -> &'static [&'static str] {
    match kind {
        ArtifactKind::Jar => &[
            "sqlScript",
            "pythonArtifactUri",
            "entryModule",
            "additionalPythonLibraries",
            "additionalPythonArchives",
        ],
        ArtifactKind::SqlScript => &[
            "jarUri",
            "entryClass",
            "mainArgs",
            "pythonArtifactUri",
            "entryModule",
            "additionalPythonLibraries",
            "additionalPythonArchives",
        ],
        ArtifactKind::Python => &["jarUri", "entryClass", "sqlScript"],
    }
}
