//! Defaults as resources: the one object of each namespace, and the view of what holds everywhere (platform API
//! reference §1.3).

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::deployment::DeploymentSpec;
use crate::meta::{API_VERSION, Kind, Metadata};

/// `metadata.name` of every DeploymentDefaults: a namespace has exactly one.
pub const DEFAULTS_NAME: &str = "deployment-defaults";

/// What the Deployments of a namespace are filled up with when they are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDefaults {
    /// Always `DeploymentDefaults`.
    pub kind: Kind,
    /// Always `v1`.
    pub api_version: String,
    /// Identity and bookkeeping.
    pub metadata: Metadata,
    /// The members that this namespace sets, and only those (platform API reference Q12).
    #[schemars(schema_with = "some_members")]
    pub spec: Value,
}

impl DeploymentDefaults {
    /// Defaults that set these members.
    #[must_use]
    pub fn new(metadata: Metadata, spec: Value) -> Self {
        Self { kind: Kind::DeploymentDefaults, api_version: API_VERSION.to_owned(), metadata, spec }
    }

    /// The layer that these defaults are.
    #[must_use]
    pub fn layer(&self) -> Value {
        json!({ "spec": self.spec })
    }
}

/// What holds in every namespace: the built-in defaults with the configured ones over them. Read-only.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalDeploymentDefaults {
    /// Always `GlobalDeploymentDefaults`.
    pub kind: &'static str,
    /// Always `v1`.
    pub api_version: &'static str,
    /// Always empty: nobody writes these through the API.
    pub metadata: BTreeMap<String, String>,
    /// Every member that has a default.
    #[schemars(schema_with = "some_members")]
    pub spec: Value,
}

/// What a new SessionCluster has that says nothing; read-only. The platform's own pages apply these, its API does not
/// (platform API reference §1.7).
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalSessionClusterDefaults {
    /// Always `GlobalSessionClusterDefaults`.
    pub kind: &'static str,
    /// Always `v1`.
    pub api_version: &'static str,
    /// Always empty: nobody writes these through the API.
    pub metadata: BTreeMap<String, String>,
    /// Every member that has a default.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub spec: Value,
}

impl GlobalSessionClusterDefaults {
    /// The defaults with this Flink version.
    #[must_use]
    pub fn new(flink_version: &str) -> Self {
        let (kind, metadata) = ("GlobalSessionClusterDefaults", BTreeMap::new());
        let spec = crate::write::session_cluster_defaults(flink_version);
        Self { kind, api_version: API_VERSION, metadata, spec }
    }
}

/// A spec of which every member may be left out, at every depth.
fn some_members(generator: &mut SchemaGenerator) -> Schema {
    let mut settings = generator.settings().clone();
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<DeploymentSpec>();
    let mut schema = schema.to_value();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("title");
        schema.remove("$schema");
    }
    relax(&mut schema);
    Schema::try_from(schema).unwrap_or_default()
}

/// Takes away every `required` of a schema and of those within it.
fn relax(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|key, value| key != "required" || !value.is_array());
            members.values_mut().for_each(relax);
        }
        Value::Array(items) => items.iter_mut().for_each(relax),
        _ => {}
    }
}

impl GlobalDeploymentDefaults {
    /// A view of layers that were merged.
    #[must_use]
    pub fn new(spec: Value) -> Self {
        let (kind, metadata) = ("GlobalDeploymentDefaults", BTreeMap::new());
        Self { kind, api_version: API_VERSION, metadata, spec }
    }
}
