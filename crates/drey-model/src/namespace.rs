//! The Namespace: a room for Deployments and all that belongs to them, and the list of who may do what in it.
//!
//! Source: platform API reference §1.9, §2.5.5, appendix B.1. On the wire a namespace has its long name,
//! `namespaces/<short>`; paths have the short one. Who is not in a role binding is a stranger there.
//!
//! Owns reading such documents (POST, PUT, PATCH) and who has which role. Does not own what a role allows
//! ([`crate::role`]) or how a namespace is emptied.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::{Document, quoted};
use crate::problem::{Problem, index_path};
use crate::role::Role;
use crate::shape::tables::{NAMESPACE, PREVIEW_SESSION_CLUSTER};
use crate::shape::{Normalised, normalise, point};
use crate::validate::check_namespace_name;
use crate::write::Accepted;

/// Role bindings of one namespace.
const BINDINGS_MAX: usize = 100;
/// Members of one role binding.
const MEMBERS_MAX: usize = 1_000;
/// Characters of a member.
const MEMBER_CHARS_MAX: usize = 300;
const PREFIX: &str = "namespaces/";

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Namespace {
    /// `namespaces/<short>`.
    pub name: String,
    /// When it was created.
    pub create_time: Timestamp,
    /// Whether it is in use, or on its way out.
    pub lifecycle_phase: LifecyclePhase,
    /// Who may do what in it.
    pub role_bindings: Vec<RoleBinding>,
    /// The SessionCluster in which SQL is previewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview_session_cluster_name: Option<String>,
}

/// Where a namespace stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
pub enum LifecyclePhase {
    /// In use.
    #[default]
    #[serde(rename = "LIFECYCLE_PHASE_ACTIVE")]
    #[strum(serialize = "LIFECYCLE_PHASE_ACTIVE")]
    Active,
    /// It is being emptied and takes nothing new; then it is gone.
    #[serde(rename = "LIFECYCLE_PHASE_TERMINATING")]
    #[strum(serialize = "LIFECYCLE_PHASE_TERMINATING")]
    Terminating,
}

/// Who has a role in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoleBinding {
    /// `viewer`, `editor` or `owner`.
    pub role: Role,
    /// `user:<id>`, `group:<id>` or `system:authenticated`.
    pub members: Vec<String>,
}

/// One member of a role binding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Member {
    /// A person.
    User(String),
    /// Everybody in a group of the identity provider.
    Group(String),
    /// Everybody who is logged in.
    Authenticated,
}

impl FromStr for Member {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fine = |id: &str| {
            !id.is_empty()
                && id.chars().count() <= MEMBER_CHARS_MAX
                && id == id.trim()
                && !id.chars().any(char::is_control)
        };
        match text.split_once(':') {
            Some(("user", id)) if is_fine(id) => Ok(Self::User(id.to_owned())),
            Some(("group", id)) if is_fine(id) => Ok(Self::Group(id.to_owned())),
            Some(("system", "authenticated")) => Ok(Self::Authenticated),
            _ => Err(format!(
                "Expected user:ID, group:ID or system:authenticated, found {}.",
                quoted(text)
            )),
        }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Group(id) => write!(f, "group:{id}"),
            Self::Authenticated => f.write_str("system:authenticated"),
        }
    }
}

impl Namespace {
    /// The name as paths have it.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.strip_prefix(PREFIX).unwrap_or(&self.name)
    }

    /// The roles that a person has here.
    #[must_use]
    pub fn roles_of(&self, user: &str, groups: &[String]) -> Vec<Role> {
        let is_them = |member: &String| match member.parse() {
            Ok(Member::User(id)) => id == user,
            Ok(Member::Group(id)) => groups.contains(&id),
            Ok(Member::Authenticated) => true,
            Err(_) => false,
        };
        let theirs =
            self.role_bindings.iter().filter(|binding| binding.members.iter().any(is_them));
        theirs.map(|binding| binding.role).collect()
    }
}

/// `namespaces/<short>`.
#[must_use]
pub fn long_name(short: &str) -> String {
    format!("{PREFIX}{short}")
}

/// A new namespace from a document (POST).
///
/// # Errors
/// Everything that is wrong with it.
pub fn create(document: &Document, now: Timestamp) -> Result<Accepted<Namespace>, Vec<Problem>> {
    let mut found = normalise(document, &NAMESPACE, "Namespace");
    let short =
        text(&found, "name").map(|name| name.strip_prefix(PREFIX).unwrap_or(name).to_owned());
    match &short {
        None => {
            let message = "A namespace needs a name. Expected namespaces/NAME.";
            found.problems.push(Problem::new("name", message));
        }
        Some(short) => {
            let problem = check_namespace_name(short).map(|why| Problem::new("name", why));
            found.problems.extend(problem);
        }
    }
    let mut namespace = Namespace {
        name: long_name(&short.unwrap_or_default()),
        create_time: now,
        ..Namespace::default()
    };
    write_members(&mut found, &mut namespace);
    finish(found, namespace)
}

/// A namespace with other members (PATCH): what is given replaces, null removes, what is absent stays.
///
/// # Errors
/// Everything that is wrong with the result.
pub fn patch(
    current: &Namespace,
    document: &Document,
) -> Result<Accepted<Namespace>, Vec<Problem>> {
    let mut found = normalise(document, &NAMESPACE, "Namespace");
    let mut namespace = current.clone();
    check_same_name(&mut found, current);
    write_members(&mut found, &mut namespace);
    finish(found, namespace)
}

/// A namespace replaced by a document (PUT): members that are absent are emptied.
///
/// # Errors
/// Everything that is wrong with the result.
pub fn replace(
    current: &Namespace,
    document: &Document,
) -> Result<Accepted<Namespace>, Vec<Problem>> {
    let emptied = Namespace {
        role_bindings: Vec::new(),
        preview_session_cluster_name: None,
        ..current.clone()
    };
    patch(&emptied, document)
}

/// The SessionCluster that a request of `:setPreviewSessionCluster` names; none to unset it.
///
/// # Errors
/// Everything that is wrong with the request.
pub fn preview_session_cluster(
    current: &Namespace,
    document: &Document,
) -> Result<Accepted<Namespace>, Vec<Problem>> {
    let mut found = normalise(document, &PREVIEW_SESSION_CLUSTER, "request");
    check_same_name(&mut found, current);
    let named = text(&found, "previewSessionClusterName").filter(|name| !name.is_empty());
    let namespace =
        Namespace { preview_session_cluster_name: named.map(str::to_owned), ..current.clone() };
    finish(found, namespace)
}

fn text<'a>(found: &'a Normalised, member: &str) -> Option<&'a str> {
    found.value.get(member).and_then(Value::as_str)
}

fn check_same_name(found: &mut Normalised, current: &Namespace) {
    let Some(given) = text(found, "name") else { return };
    if given != current.name && given != current.short_name() {
        let message = format!(
            "The name of a namespace never changes. Expected {:?}, as in the path, or nothing; found {}.",
            current.name,
            quoted(given)
        );
        found.problems.push(Problem::new("name", message));
    }
}

/// Takes over the members that an administrator may write.
fn write_members(found: &mut Normalised, namespace: &mut Namespace) {
    match found.value.get("previewSessionClusterName") {
        Some(Value::String(name)) if !name.is_empty() => {
            namespace.preview_session_cluster_name = Some(name.clone());
        }
        Some(_) => namespace.preview_session_cluster_name = None,
        None => {}
    }
    match found.value.get("roleBindings").cloned() {
        Some(Value::Array(given)) => namespace.role_bindings = bindings(&given, found),
        Some(_) => namespace.role_bindings = Vec::new(),
        None => {}
    }
}

fn bindings(given: &[Value], found: &mut Normalised) -> Vec<RoleBinding> {
    if given.len() > BINDINGS_MAX {
        let message = format!("{} role bindings; {BINDINGS_MAX} are possible.", given.len());
        found.problems.push(Problem::new("roleBindings", message));
        return Vec::new();
    }
    let mut bindings = Vec::new();
    for (place, binding) in given.iter().enumerate() {
        let path = index_path("roleBindings", place);
        let role = binding.get("role").and_then(Value::as_str).and_then(|r| r.parse().ok());
        let members = members(binding, &path, found);
        match role {
            Some(role) => bindings.push(RoleBinding { role, members }),
            // A word that is none has been said already.
            None if found.problems.iter().any(|p| p.path.starts_with(&path)) => {}
            None => {
                let message = "Expected viewer, editor or owner.";
                found.problems.push(Problem::new(format!("{path}.role"), message));
            }
        }
    }
    bindings
}

fn members(binding: &Value, path: &str, found: &mut Normalised) -> Vec<String> {
    let given = binding.get("members").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let path = format!("{path}.members");
    if given.len() > MEMBERS_MAX {
        let message = format!("{} members; {MEMBERS_MAX} are possible. Use a group.", given.len());
        found.problems.push(Problem::new(path, message));
        return Vec::new();
    }
    let mut members = Vec::new();
    for (place, member) in given.iter().enumerate() {
        let text = member.as_str().unwrap_or_default();
        match text.parse::<Member>() {
            Ok(member) => members.push(member.to_string()),
            Err(why) => found.problems.push(Problem::new(index_path(&path, place), why)),
        }
    }
    members
}

fn finish(
    mut found: Normalised,
    namespace: Namespace,
) -> Result<Accepted<Namespace>, Vec<Problem>> {
    point(&mut found.problems, &found.places);
    point(&mut found.warnings, &found.places);
    if found.problems.is_empty() {
        return Ok(Accepted { object: namespace, warnings: found.warnings });
    }
    Err(found.problems)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Namespace, Vec<String>> {
        let document = Document::from_value(value);
        let created = create(&document, Timestamp::UNIX_EPOCH);
        let texts =
            |p: Vec<Problem>| p.iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
        created.map(|accepted| accepted.object).map_err(texts)
    }

    #[test]
    fn both_forms_of_the_name_and_any_case_of_a_role_are_read() {
        for name in ["a-team", "namespaces/a-team"] {
            let bindings =
                json!([{ "role": "OWNER", "members": ["user:u", "system:authenticated"] }]);
            let found = read(&json!({ "name": name, "roleBindings": bindings })).unwrap();
            assert_eq!((found.name.as_str(), found.short_name()), ("namespaces/a-team", "a-team"));
            assert_eq!(found.role_bindings[0].role, Role::Owner);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = read(&json!({
            "name": "A Team",
            "roleBindings": [
                { "role": "admin", "members": ["user:a"] },
                { "members": ["bob", "user:", "group:g"] },
            ],
        }));
        let wrong = wrong.unwrap_err();
        assert_eq!(wrong.len(), 4, "{wrong:#?}");
        for part in [
            "name: ",
            "roleBindings[0].role: ",
            "[1].members[0]: Expected user:ID",
            "[1].members[1]",
        ] {
            assert!(wrong.iter().any(|line| line.contains(part)), "{part}: {wrong:#?}");
        }
        assert!(read(&json!({})).unwrap_err()[0].starts_with("name: A namespace needs a name"));
    }

    #[test]
    fn a_patch_keeps_what_it_does_not_name_and_a_put_does_not() {
        let bindings = json!([{ "role": "viewer", "members": ["user:u"] }]);
        let current = read(&json!({
            "name": "a", "roleBindings": bindings, "previewSessionClusterName": "p",
        }));
        let current = current.unwrap();
        let empty = Document::from_value(&json!({}));
        assert_eq!(patch(&current, &empty).unwrap().object, current);
        let put = replace(&current, &empty).unwrap().object;
        assert_eq!((put.role_bindings.len(), put.preview_session_cluster_name), (0, None));
        let nulls = json!({ "roleBindings": null, "name": "namespaces/a" });
        let patched = patch(&current, &Document::from_value(&nulls)).unwrap().object;
        assert_eq!(patched.role_bindings, []);
        assert_eq!(patched.preview_session_cluster_name.as_deref(), Some("p"));
        let renamed = patch(&current, &Document::from_value(&json!({ "name": "b" })));
        assert!(renamed.unwrap_err()[0].message.contains("never changes"));
    }

    #[test]
    fn a_person_has_the_roles_of_their_name_their_groups_and_of_everybody() {
        let namespace = read(&json!({ "name": "a", "roleBindings": [
            { "role": "owner", "members": ["user:ann"] },
            { "role": "editor", "members": ["group:dev", "group:ops"] },
            { "role": "viewer", "members": ["system:authenticated"] },
        ]}));
        let namespace = namespace.unwrap();
        let groups = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(namespace.roles_of("ann", &[]), [Role::Owner, Role::Viewer]);
        assert_eq!(namespace.roles_of("bob", &groups(&["ops"])), [Role::Editor, Role::Viewer]);
        // A group is no user, and a name is matched whole.
        assert_eq!(namespace.roles_of("dev", &groups(&["ann", "de"])), [Role::Viewer]);
    }
}
