//! The contract in writing: an OpenAPI 3.1 document, made from the table of routes and the types that are served.
//!
//! ```text
//! routes ──► paths   ──┐
//!                      ├──► document ──► /api/openapi.json   (docs/openapi.json is a copy)
//! types  ──► schemas ──┘        │
//!  (schemars)  + examples       └─ swagger2 ──► /api/swagger.json   for old generators
//! ```
//!
//! Nothing here is written twice: a member's description is its doc comment, a parameter's is its row's. What the
//! documents promise is held against every answer of the test-suite, with unknown members forbidden.

mod examples;
mod paths;
mod schemas;
mod swagger2;

use std::sync::LazyLock;

use serde_json::{Value, json};
use strum::VariantArray;

use crate::routes::{Tag, routes};
use schemas::Schemas;

/// What the API is, for readers of the document.
const ABOUT: &str = "Drey is an open control plane for Apache Flink. A Deployment says which artifact to run, how, and \
     whether it should be RUNNING, SUSPENDED or CANCELLED; Drey makes the real Flink job equal to it and keeps it so.\n\n\
     Paths below `/api/v1`, `/namespaces/v1`, `/apitokens/v1` and `/artifacts/v1` are those of Ververica Platform; what \
     is ours stands below `/ext/v1`.\n\n\
     Reading is tolerant: the letter case of enums and kinds, numbers where text is meant, members that are not known \
     (a `Drey-Warning` header names them), `status` and server-owned metadata, which are ignored. Writing is strict: \
     answers are exactly as the schemas say. Schemas whose name ends in `Input` are what is read; every member of them \
     may be left out or `null`, and is then filled from the defaults.";

static OPENAPI: LazyLock<Value> = LazyLock::new(build);
static SWAGGER: LazyLock<Value> = LazyLock::new(|| swagger2::convert(&OPENAPI));

/// The OpenAPI 3.1 document.
#[must_use]
pub fn openapi() -> &'static Value {
    &OPENAPI
}

/// The same as Swagger 2.0: the platform's part, with the platform's shapes.
#[must_use]
pub fn swagger() -> &'static Value {
    &SWAGGER
}

fn build() -> Value {
    let mut schemas = Schemas::new();
    let paths = paths::of(&routes(), &mut schemas);
    let failures = paths::failures(&mut schemas);
    let mut components = schemas.finish();
    examples::add(&mut components);
    let tags: Vec<Value> = Tag::VARIANTS
        .iter()
        .map(|tag| json!({ "name": tag.to_string(), "description": tag.about() }))
        .collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Drey",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "This server." }],
        "tags": tags,
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": failures,
            "headers": paths::headers(),
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API token: `Authorization: Bearer …`. Not needed while access control is off.",
            } },
        },
    });
    schemas::settle(&mut document);
    document
}
