//! API tokens: shown once, good until deleted, and not to be guessed.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use serde_json::json;

use crate::guard::{ADMIN, guarded, settings, tokens_of};
use crate::world::{Answer, Server, request};

const LIST: &str = "/api/v1/namespaces/a/deployments";

#[tokio::test]
async fn a_secret_is_in_the_answer_to_its_creation_and_nowhere_else() {
    let server = guarded(settings()).await;
    let body = json!({ "name": "namespaces/a/apitokens/ci", "role": "EDITOR" });
    let made = server.bearing(ADMIN, "POST", &tokens_of("a"), Some(body)).await;
    assert_eq!(made.header("cache-control"), "no-store");
    let token = made.expect(201)["apiToken"].clone();
    assert_eq!(token["name"], "namespaces/a/apitokens/ci");
    assert_eq!(token["role"], "editor");
    let secret = token["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("drey_") && secret.len() > 60, "{}", secret.len());

    let one = format!("{}/ci", tokens_of("a"));
    for path in [tokens_of("a"), one.clone(), "/api/v1/logs/".to_owned()] {
        let answer = server.bearing(ADMIN, "GET", &path, None).await;
        answer.expect(200);
        assert!(!answer.text.contains("secret") && !answer.text.contains(&secret), "{path}");
    }
    let stored = server.app.store.api_token("a", "ci").await.unwrap().unwrap();
    assert_eq!(stored.hash.len(), 64);
    assert!(!format!("{stored:?}").contains(&secret[5..]));

    server.bearing(&secret, "GET", LIST, None).await.expect(200);
    assert_eq!(server.bearing(ADMIN, "DELETE", &one, None).await.expect(200), json!({}));
    server.bearing(&secret, "GET", LIST, None).await.refused(401, "Unauthorized");
    server.bearing(ADMIN, "DELETE", &one, None).await.refused(404, "NotFound");
}

#[tokio::test]
async fn a_name_is_taken_once_and_every_mistake_is_said() {
    let server = guarded(settings()).await;
    server.token("a", "viewer").await;
    let again = json!({ "name": "viewer", "role": "viewer" });
    let answer = server.bearing(ADMIN, "POST", &tokens_of("a"), Some(again)).await;
    assert!(answer.refused(409, "Conflict").contains("already exists"));
    let wrong = json!({ "name": "namespaces/b/apitokens/x", "role": "admin" });
    let answer = server.bearing(ADMIN, "POST", &tokens_of("a"), Some(wrong)).await;
    assert!(answer.refused(400, "BadRequest").starts_with("2 problems"));
}

#[tokio::test]
async fn what_is_no_good_token_is_refused_however_it_is_shown() {
    let server = guarded(settings()).await;
    let good = server.token("a", "viewer").await;
    for shown in [
        format!("Basic {good}"),
        good.clone(),
        "Bearer".to_owned(),
        format!("Bearer {}", &good[..good.len() - 1]),
        format!("Bearer {}x", &good[..good.len() - 1]),
        format!("Bearer {}", ADMIN.to_uppercase()),
    ] {
        let headers = [("authorization", shown.as_str())];
        let answer = server.send(request("GET", LIST, &headers, Body::empty())).await;
        answer.refused(401, "Unauthorized");
        assert!(!answer.text.contains(&good[5..40]), "{}", answer.text);
    }
    let shown = format!("bearer  {good}");
    let headers = [("authorization", shown.as_str())];
    server.send(request("GET", LIST, &headers, Body::empty())).await.expect(200);
}

async fn from(server: &Server, address: &str, headers: &[(&str, &str)]) -> Answer {
    let mut asked = request("GET", LIST, headers, Body::empty());
    let address: SocketAddr = address.parse().unwrap();
    asked.extensions_mut().insert(ConnectInfo(address));
    server.send(asked).await
}

#[tokio::test]
async fn who_fails_too_often_waits_and_nobody_else_does() {
    let server = guarded(settings()).await;
    let (known, fresh) = (server.token("a", "viewer").await, server.token("a", "editor").await);
    let (known, fresh) = (format!("Bearer {known}"), format!("Bearer {fresh}"));
    from(&server, "192.0.2.1:1", &[("authorization", &known)]).await.expect(200);
    let wrong = [("authorization", "Bearer guess"), ("x-forwarded-for", "198.51.100.7")];
    for _ in 0..10 {
        from(&server, "192.0.2.1:2", &wrong).await.refused(401, "Unauthorized");
    }
    let answer = from(&server, "192.0.2.1:3", &wrong).await;
    answer.refused(429, "TooManyRequests");
    let wait: u16 = answer.header("retry-after").parse().unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    // Whoever shows what is good is let in, whoever else failed from there.
    from(&server, "192.0.2.1:4", &[("authorization", &fresh)]).await.expect(200);
    from(&server, "192.0.2.1:5", &[("authorization", &known)]).await.expect(200);
    from(&server, "192.0.2.2:1", &[("authorization", &fresh)]).await.expect(200);
    let log = server.bearing(ADMIN, "GET", "/api/v1/logs/?pageSize=3", None).await.expect(200);
    assert_eq!(log["items"][0]["status"], 429);
    assert_eq!(
        log["items"][0]["address"], "192.0.2.1",
        "what a client says of itself is not believed"
    );
}

#[tokio::test]
async fn behind_a_proxy_that_is_trusted_each_client_has_its_own_limit() {
    let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    let server = guarded(drey_server::AccessSettings { trusted_proxies, ..settings() }).await;
    for _ in 0..11 {
        let wrong = [("authorization", "Bearer guess"), ("x-forwarded-for", "198.51.100.7")];
        from(&server, "10.0.0.1:2", &wrong).await;
    }
    let wrong = |client| [("authorization", "Bearer guess"), ("x-forwarded-for", client)];
    from(&server, "10.0.0.1:2", &wrong("198.51.100.7")).await.refused(429, "TooManyRequests");
    from(&server, "10.0.0.1:2", &wrong("198.51.100.8")).await.refused(401, "Unauthorized");
}

#[tokio::test]
async fn metrics_can_be_opened_to_scrapers() {
    let closed = guarded(settings()).await;
    closed.get("/metrics").await.refused(401, "Unauthorized");
    let open = drey_server::AccessSettings { is_metrics_public: true, ..settings() };
    let open = guarded(open).await;
    assert_eq!(open.get("/metrics").await.status, 200);
    open.get(LIST).await.refused(401, "Unauthorized");
}
