//! The Caller: who sent a request, and which roles they have where.

use drey_model::namespace::{Member, Namespace};
use drey_model::role::Role;
use uuid::Uuid;

use super::Session;

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody: access control is off.
    Everyone,
    /// Somebody who did not say who they are.
    Nobody,
    /// The administrator's token.
    Admin,
    /// A program with an API token.
    Token {
        /// Of the token.
        id: Uuid,
        /// The one namespace that the token is for.
        namespace: String,
        /// The token's short name.
        name: String,
        /// What it may do there.
        role: Role,
    },
    /// A person with a session.
    Person {
        /// Who.
        session: Session,
        /// The hash under which the session is stored.
        hash: String,
    },
}

impl Caller {
    /// The roles in a namespace; those of the whole installation when it is none.
    pub(crate) fn roles(&self, namespace: Option<&Namespace>, admins: &[Member]) -> Vec<Role> {
        match self {
            Self::Everyone => vec![Role::Viewer, Role::Editor, Role::Owner, Role::Admin],
            Self::Nobody => Vec::new(),
            Self::Admin => vec![Role::Admin],
            Self::Token { namespace: own, role, .. } => {
                let is_own = namespace.is_some_and(|namespace| namespace.short_name() == own);
                if is_own { vec![*role] } else { Vec::new() }
            }
            Self::Person { session, .. } => {
                let mut roles = namespace
                    .map_or_else(Vec::new, |ns| ns.roles_of(&session.user, &session.groups));
                if session.is_among(admins) {
                    roles.push(Role::Admin);
                }
                roles.sort_unstable();
                roles.dedup();
                roles
            }
        }
    }

    /// The caller in messages and in the audit log.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Everyone => "everyone".to_owned(),
            Self::Nobody => "nobody".to_owned(),
            Self::Admin => "admin-token".to_owned(),
            Self::Token { namespace, name, .. } => format!("apitoken:{namespace}/{name}"),
            Self::Person { session, .. } => format!("user:{}", session.user),
        }
    }
}
