//! The rows of secret values (platform API reference §2.2, §2.5.3).

use drey_model::SecretValue;

use super::{Access, Docs, Handler, Method, Resource, Route, Tag, may, to};
use crate::api::secrets::{self, SecretValueBody};

const SECRETS: &str = "/api/v1/namespaces/{ns}/secret-values";
const SECRET: &str = "/api/v1/namespaces/{ns}/secret-values/{name}";

fn row(
    at: (Method, &'static str),
    id: &'static str,
    access: Access,
    summary: &'static str,
    handler: Handler,
    docs: Docs,
) -> Route {
    super::row(
        at,
        (Tag::SecretValues, id),
        summary,
        may(Resource::SecretValues, access),
        handler,
        docs,
    )
}

pub(super) fn routes() -> [Route; 5] {
    [
        row(
            (Method::Get, SECRETS),
            "listSecretValues",
            Access::List,
            "All SecretValues of a namespace, without their values.",
            to(secrets::list),
            Docs::list::<SecretValue>(),
        ),
        row(
            (Method::Post, SECRETS),
            "createSecretValue",
            Access::Create,
            "Creates a SecretValue; its value is never shown again.",
            to(secrets::create),
            Docs::create::<SecretValue>().taking::<SecretValueBody>(),
        ),
        row(
            (Method::Get, SECRET),
            "getSecretValue",
            Access::Get,
            "One SecretValue, by name, without its value.",
            to(secrets::get),
            Docs::one::<SecretValue>(),
        ),
        row(
            (Method::Patch, SECRET),
            "patchSecretValue",
            Access::Update,
            "Changes what is given of a SecretValue; jobs that run keep the value that they were launched with.",
            to(secrets::patch),
            Docs::patch::<SecretValue>().taking::<SecretValueBody>(),
        ),
        row(
            (Method::Delete, SECRET),
            "deleteSecretValue",
            Access::Delete,
            "Deletes a SecretValue that no Deployment names.",
            to(secrets::delete),
            Docs::delete::<SecretValue>(),
        ),
    ]
}
