//! May they? One decision per request, from the caller, the permission of the route, and the namespace.
//!
//! Who has no role in a namespace gets the same 403 whether it exists or not, so nobody learns which namespaces there
//! are. Who has one, or manages namespaces, gets 404 for what is not there.

use axum::http::{HeaderValue, StatusCode, header};
use drey_model::namespace::{Member, Namespace};
use drey_model::role::{Access, Resource, Role, allows, sufficient};

use super::Caller;
use crate::app::Shared;
use crate::error::Error;
use crate::routes::Permission;

/// Characters of a client's name that a message repeats.
const SHOWN_CHARS_MAX: usize = 100;

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The namespace in the path.
    pub(crate) name: Option<&'a str>,
    /// What is stored of it.
    pub(crate) namespace: Option<&'a Namespace>,
}

/// Whether the caller may: nothing, or 401 or 403.
pub(crate) fn decide(
    shared: &Shared,
    caller: &Caller,
    permission: Permission,
    place: Place<'_>,
) -> Result<(), Error> {
    let (resource, access) = match permission {
        Permission::Public => return Ok(()),
        Permission::Known if *caller == Caller::Nobody => return Err(unknown(shared, None)),
        Permission::Known => return Ok(()),
        Permission::Namespaced { resource, access } | Permission::System { resource, access } => {
            (resource, access)
        }
    };
    let gate = shared.gate.as_ref();
    if resource == Resource::Metrics && gate.is_some_and(|gate| gate.settings.is_metrics_public) {
        return Ok(());
    }
    if *caller == Caller::Nobody {
        return Err(unknown(shared, None));
    }
    let admins: &[Member] = gate.map_or(&[], |gate| &gate.settings.admins);
    let roles = caller.roles(place.namespace, admins);
    if roles.iter().any(|role| allows(*role, resource, access)) {
        return Ok(());
    }
    Err(forbidden(caller, &roles, resource, access, place.name))
}

/// 401, with the way to a token.
pub(crate) fn unknown(shared: &Shared, what: Option<&str>) -> Error {
    let what = what.unwrap_or("This server asks who you are.");
    let login = match shared.gate.as_ref().is_some_and(|gate| gate.oidc.is_some()) {
        true => " People log in with a browser at /auth/login.",
        false => "",
    };
    let message = format!(
        "{what} Send `Authorization: Bearer TOKEN`. Whoever owns a namespace makes tokens for it: POST \
         /apitokens/v1/namespaces/NAMESPACE/apitokens. The first one is made with the administrator's token, whose \
         file the server names in its log when it starts.{login}"
    );
    let value = HeaderValue::from_static("Bearer realm=\"drey\"");
    Error::new(StatusCode::UNAUTHORIZED, message).with_header(header::WWW_AUTHENTICATE, value)
}

/// 403, with what would be needed.
pub(crate) fn forbidden(
    caller: &Caller,
    roles: &[Role],
    resource: Resource,
    access: Access,
    namespace: Option<&str>,
) -> Error {
    let listed = |roles: &[Role]| {
        let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
        names.join(" or ")
    };
    let whose = match (roles, namespace) {
        ([], Some(_)) => "has no role there".to_owned(),
        ([], None) => "is not an administrator".to_owned(),
        (roles, _) => format!("has the role {}", listed(roles)),
    };
    let at = namespace.map_or_else(String::new, |namespace| {
        let shown: String = namespace.chars().take(SHOWN_CHARS_MAX).collect();
        format!(" in namespace {shown:?}")
    });
    let needed = listed(&sufficient(resource, access));
    let next = match caller {
        Caller::Admin => {
            "An administrator manages namespaces, not their content: make a token in the namespace, or give somebody a \
             role in its roleBindings."
        }
        _ => "An owner of the namespace gives roles in its roleBindings, an administrator in any.",
    };
    let name = caller.name();
    let message =
        format!("{access} of {resource}{at} takes the role {needed}; {name} {whose}. {next}");
    Error::new(StatusCode::FORBIDDEN, message)
}
