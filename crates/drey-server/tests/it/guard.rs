//! A server that asks who is calling, and callers.

use std::sync::Arc;

use axum::body::Body;
use drey_server::{AccessControl, AccessSettings, App};
use serde_json::{Value, json};

use crate::world::{Answer, Server, request};

/// The administrator's token.
pub(crate) const ADMIN: &str = "the-token-of-the-administrator-0123456789";

/// Access control without an identity provider.
pub(crate) fn settings() -> AccessSettings {
    AccessSettings {
        admin_token: ADMIN.to_owned(),
        admins: Vec::new(),
        is_metrics_public: false,
        trusted_proxies: Vec::new(),
        oidc: None,
    }
}

/// A server behind access control, with the namespaces `default`, `a` and `b`.
pub(crate) async fn guarded(settings: AccessSettings) -> Server {
    let mut server = Server::start().await;
    let access = AccessControl::On(Box::new(settings));
    server.app = App { access, metrics: Arc::default(), ..server.app.clone() };
    server.serve(server.app.clone());
    for name in ["a", "b"] {
        let body = json!({ "name": format!("namespaces/{name}") });
        let made = server.bearing(ADMIN, "POST", "/namespaces/v1/namespaces", Some(body)).await;
        made.expect(201);
    }
    server
}

/// Where the tokens of a namespace are.
pub(crate) fn tokens_of(ns: &str) -> String {
    format!("/apitokens/v1/namespaces/{ns}/apitokens")
}

impl Server {
    /// Sends a request with a token.
    pub(crate) async fn bearing(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request(method, path, &headers, body)).await
    }

    /// Makes a token of a namespace; its secret.
    pub(crate) async fn token(&self, ns: &str, role: &str) -> String {
        let body = json!({ "name": format!("namespaces/{ns}/apitokens/{role}"), "role": role });
        let made = self.bearing(ADMIN, "POST", &tokens_of(ns), Some(body)).await.expect(201);
        made["apiToken"]["secret"].as_str().unwrap().to_owned()
    }
}
