//! Logging in with a browser, against a provider that signs real tokens, and what enemies try on the way.

use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drey_model::namespace::Member;
use drey_server::{AccessSettings, App, OidcSettings, World};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::guard::{ADMIN, guarded, settings};
use crate::provider::{CLIENT, CLIENT_SECRET, Forge, NOW_S, Provider};
use crate::world::{Answer, Server, request};

const LIST: &str = "/api/v1/namespaces/a/deployments";

fn with(provider: &Provider) -> AccessSettings {
    let scopes = ["openid", "profile", "email"].map(str::to_owned).to_vec();
    let oidc = OidcSettings {
        issuer: provider.issuer.clone(),
        client_id: CLIENT.to_owned(),
        client_secret: Some(CLIENT_SECRET.to_owned()),
        public_url: "http://localhost:8080".parse().unwrap(),
        scopes,
        user_claim: "sub".to_owned(),
        groups_claim: "groups".to_owned(),
        session_hours: 12,
    };
    AccessSettings { oidc: Some(oidc), ..settings() }
}

/// What a browser holds on to.
#[derive(Debug, Clone, Default)]
struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// Sends a request as a browser does, and keeps the cookies of the answer.
    async fn send(
        &mut self,
        server: &Server,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let mut headers = headers.to_vec();
        headers.push(("host", "localhost:8080"));
        headers.push(("cookie", &cookie));
        let answer = server.send(request(method, path, &headers, Body::empty())).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
            let (name, rest) = set.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            self.cookies.retain(|(known, _)| known != name);
            if !set.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    /// To the provider and back; the place of the callback.
    async fn consent(&mut self, server: &Server, next: &str) -> String {
        let login = format!("/auth/login?next={next}");
        let led = self.send(server, "GET", &login, &[]).await;
        assert_eq!(led.status, 302, "{}", led.text);
        let policy = reqwest::redirect::Policy::none();
        let client = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
        let back = client.get(led.header("location")).send().await.unwrap();
        let location = back.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
        let location = location.unwrap_or_else(|| panic!("no way back: {back:?}"));
        location.strip_prefix("http://localhost:8080").unwrap().to_owned()
    }

    async fn log_in(&mut self, server: &Server) -> Answer {
        let callback = self.consent(server, "/").await;
        self.send(server, "GET", &callback, &[]).await
    }

    async fn me(&mut self, server: &Server) -> Value {
        self.send(server, "GET", "/auth/me", &[]).await.expect(200)
    }
}

async fn bind(server: &Server, role: &str, member: &str) {
    let body = json!({ "roleBindings": [{ "role": role, "members": [member] }] });
    server.bearing(ADMIN, "PATCH", "/namespaces/v1/namespaces/a", Some(body)).await.expect(200);
}

#[tokio::test]
async fn a_person_logs_in_has_the_roles_of_their_groups_and_logs_out() {
    let provider = Provider::start().await;
    let server = guarded(with(&provider)).await;
    bind(&server, "viewer", "group:ops").await;
    let mut browser = Browser::default();
    let before = browser.me(&server).await;
    assert_eq!((&before["name"], &before["login"]), (&json!("nobody"), &json!("/auth/login")));

    let callback = browser.consent(&server, "/ui%3Fa=1").await;
    let entered = browser.send(&server, "GET", &callback, &[]).await;
    assert_eq!((entered.status.as_u16(), entered.header("location")), (302, "/ui?a=1"));
    let me = browser.me(&server).await;
    assert_eq!((&me["name"], &me["displayName"]), (&json!("user:0815"), &json!("Ann")));
    assert_eq!(me["namespaces"], json!([{ "name": "a", "roles": ["viewer"] }]));
    browser.send(&server, "GET", LIST, &[]).await.expect(200);
    browser.send(&server, "GET", &LIST.replace("/a/", "/b/"), &[]).await.refused(403, "Forbidden");
    bind(&server, "viewer", "user:somebody-else").await;
    browser.send(&server, "GET", LIST, &[]).await.refused(403, "Forbidden");

    let stolen = browser.clone();
    let own = [("sec-fetch-site", "same-origin")];
    browser.send(&server, "POST", "/auth/logout", &own).await.expect(200);
    assert_eq!(browser.cookies, [], "the browser forgets");
    assert_eq!(stolen.clone().me(&server).await["name"], "nobody", "and so does the server");
}

#[tokio::test]
async fn a_session_acts_only_from_our_own_pages() {
    let provider = Provider::start().await;
    let server = guarded(with(&provider)).await;
    bind(&server, "owner", "user:0815").await;
    let mut browser = Browser::default();
    browser.log_in(&server).await;
    let target = format!("{}/x", LIST.replace("deployments", "deployment-targets"));
    for foreign in [
        &[][..],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("referer", "http://evil.example/http://localhost:8080/")],
        &[("origin", "http://localhost:8081"), ("sec-fetch-site", "same-site")],
    ] {
        browser.send(&server, "DELETE", &target, foreign).await.refused(403, "Forbidden");
    }
    for own in [
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost:8080"),
        ("referer", "http://localhost:8080/ui"),
    ] {
        browser.send(&server, "DELETE", &target, &[own]).await.refused(404, "NotFound");
    }
}

#[tokio::test]
async fn administrators_are_people_and_groups_of_the_settings() {
    let provider = Provider::start().await;
    let admins = vec![Member::Group("ops".to_owned())];
    let server = guarded(AccessSettings { admins, ..with(&provider) }).await;
    let mut browser = Browser::default();
    browser.log_in(&server).await;
    assert_eq!(browser.me(&server).await["isAdmin"], true);
    browser.send(&server, "GET", "/api/v1/logs/", &[]).await.expect(200);
    browser.send(&server, "GET", LIST, &[]).await.refused(403, "Forbidden");
}

/// A login that must fail, for a reason that only the log has.
async fn fails(provider: &Provider, claims: Value) {
    let server = guarded(with(provider)).await;
    *provider.claims.lock().unwrap() = claims.clone();
    let mut browser = Browser::default();
    let answer = browser.log_in(&server).await;
    let message = answer.refused(401, "Unauthorized");
    assert!(message.contains("Nobody was logged in"), "{claims}: {message}");
    assert_eq!(browser.me(&server).await["name"], "nobody", "{claims}");
}

#[tokio::test]
async fn tokens_that_say_something_wrong_let_nobody_in() {
    let provider = Provider::start().await;
    for claims in [
        json!({ "nonce": "of another login" }),
        json!({ "nonce": null }),
        json!({ "exp": NOW_S - 61 }),
        json!({ "iat": NOW_S + 3_600 }),
        json!({ "aud": "another-client" }),
        json!({ "aud": ["another-client"] }),
        json!({ "aud": [CLIENT, "another-client"] }),
        json!({ "aud": [CLIENT, "another-client"], "azp": "another-client" }),
        json!({ "iss": "https://another.example" }),
        json!({ "sub": "" }),
        json!({ "sub": "line\nbreak" }),
    ] {
        fails(&provider, claims).await;
    }
}

#[tokio::test]
async fn forged_signatures_let_nobody_in() {
    let provider = Provider::start().await;
    let none: Forge = |token| {
        let payload = token.split('.').nth(1).unwrap();
        format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#))
    };
    let altered: Forge = |token| {
        let mut parts = token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(&parts[1]).unwrap()).unwrap();
        parts[1] = URL_SAFE_NO_PAD.encode(claims.replace("0815", "0816"));
        parts.join(".")
    };
    let shared: Forge = |token| {
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"one"}"#))
    };
    let unknown: Forge = |token| {
        let (_, rest) = token.split_once('.').unwrap();
        format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"two"}"#))
    };
    let nonsense: Forge = |_| "a.b.c".to_owned();
    for forge in [none, altered, shared, unknown, nonsense] {
        *provider.forge.lock().unwrap() = Some(forge);
        fails(&provider, json!({})).await;
    }
    *provider.forge.lock().unwrap() = None;
    let server = guarded(with(&provider)).await;
    assert_eq!(Browser::default().log_in(&server).await.status, 302, "an honest one is let in");
}

#[tokio::test]
async fn an_answer_counts_once_and_only_in_the_browser_that_asked() {
    let provider = Provider::start().await;
    let server = guarded(with(&provider)).await;
    let mut browser = Browser::default();
    let callback = browser.consent(&server, "/").await;

    let mut victim = Browser::default();
    victim.send(&server, "GET", &callback, &[]).await.refused(401, "Unauthorized");
    victim.consent(&server, "/").await;
    let planted = victim.send(&server, "GET", &callback, &[]).await;
    assert!(planted.refused(401, "Unauthorized").contains("does not belong to the login"));

    let twin = browser.clone();
    let tampered = callback.replace("state=", "state=x");
    browser.clone().send(&server, "GET", &tampered, &[]).await.refused(401, "Unauthorized");
    let other_issuer = format!("{callback}&iss=https://evil.example");
    browser.clone().send(&server, "GET", &other_issuer, &[]).await.refused(401, "Unauthorized");
    assert_eq!(browser.send(&server, "GET", &callback, &[]).await.status, 302);
    // The code is spent: the provider refuses it, although cookie and state are right.
    let again = twin.clone().send(&server, "GET", &callback, &[]).await;
    assert!(again.refused(401, "Unauthorized").contains("did not accept this login"));
    let denied = "/auth/callback?error=access_denied&state=x";
    browser.send(&server, "GET", denied, &[]).await.refused(401, "Unauthorized");
}

#[tokio::test]
async fn no_login_leads_to_another_site() {
    let provider = Provider::start().await;
    let server = guarded(with(&provider)).await;
    for away in ["https://evil.example", "//evil.example", "/%5Cevil.example", "%09//evil.example"]
    {
        let mut browser = Browser::default();
        let callback = browser.consent(&server, away).await;
        let entered = browser.send(&server, "GET", &callback, &[]).await;
        assert_eq!((entered.status.as_u16(), entered.header("location")), (302, "/"), "{away}");
    }
}

#[tokio::test]
async fn keys_may_rotate_and_are_not_asked_for_without_end() {
    let provider = Provider::start().await;
    let clock = Arc::new(std::sync::Mutex::new(Timestamp::from_second(NOW_S).unwrap()));
    let mut server = guarded(with(&provider)).await;
    let read = Arc::clone(&clock);
    let world = World::of(move || *read.lock().unwrap(), uuid::Uuid::now_v7);
    server.serve(App { world, metrics: Arc::default(), ..server.app.clone() });
    let asked = || *provider.keys_asked.lock().unwrap();

    assert_eq!(Browser::default().log_in(&server).await.status, 302);
    assert_eq!(Browser::default().log_in(&server).await.status, 302);
    assert_eq!(asked(), 1, "keys are kept");
    provider.rotate("two");
    assert_eq!(Browser::default().log_in(&server).await.status, 401, "not again within a minute");
    assert_eq!(asked(), 1);
    *clock.lock().unwrap() += SignedDuration::from_secs(61);
    assert_eq!(Browser::default().log_in(&server).await.status, 302, "ES256, with the new key");
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_session_and_a_login_run_out() {
    let provider = Provider::start().await;
    let clock = Arc::new(std::sync::Mutex::new(Timestamp::from_second(NOW_S).unwrap()));
    let mut server = guarded(with(&provider)).await;
    let read = Arc::clone(&clock);
    let world = World::of(move || *read.lock().unwrap(), uuid::Uuid::now_v7);
    server.serve(App { world, metrics: Arc::default(), ..server.app.clone() });
    let mut late = Browser::default();
    let callback = late.consent(&server, "/").await;
    let mut browser = Browser::default();
    browser.log_in(&server).await;

    *clock.lock().unwrap() += SignedDuration::from_secs(601);
    let refused = late.send(&server, "GET", &callback, &[]).await;
    assert!(refused.refused(401, "Unauthorized").contains("took too long"));
    *clock.lock().unwrap() += SignedDuration::from_secs(12 * 3_600 - 602);
    assert_eq!(browser.me(&server).await["name"], "user:0815");
    *clock.lock().unwrap() += SignedDuration::from_secs(1);
    assert_eq!(browser.me(&server).await["name"], "nobody");
}

#[tokio::test]
async fn who_cannot_log_in_is_slowed_down() {
    let provider = Provider::start().await;
    let server = guarded(with(&provider)).await;
    let mut browser = Browser::default();
    for _ in 0..10 {
        let guess = browser.send(&server, "GET", "/auth/callback?code=x&state=y", &[]).await;
        guess.refused(401, "Unauthorized");
    }
    let limited = browser.send(&server, "GET", "/auth/callback?code=x&state=y", &[]).await;
    limited.refused(429, "TooManyRequests");
    assert!(!limited.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_provider_that_is_down_is_no_fault_of_the_users() {
    let provider = Provider::start().await;
    let mut settings = with(&provider);
    if let Some(oidc) = &mut settings.oidc {
        oidc.issuer = "http://127.0.0.1:1".to_owned();
    }
    let server = guarded(settings).await;
    let answer = server.get("/auth/login").await;
    answer.refused(503, "ServiceUnavailable");
    // Tokens go on working.
    server.bearing(ADMIN, "GET", "/namespaces/v1/namespaces", None).await.expect(200);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_once_by_all_who_wait() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", silent.local_addr().unwrap());
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while silent.accept().await.is_ok() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let asked = || asked.load(std::sync::atomic::Ordering::SeqCst);
    let provider = Provider::start().await;
    let mut settings = with(&provider);
    settings.oidc.iter_mut().for_each(|oidc| oidc.issuer = issuer.clone());
    let mut server = guarded(settings).await;
    let clock = Arc::new(std::sync::Mutex::new(Timestamp::from_second(NOW_S).unwrap()));
    let read = Arc::clone(&clock);
    let world = World::of(move || *read.lock().unwrap(), uuid::Uuid::now_v7);
    server.serve(App { world, metrics: Arc::default(), ..server.app.clone() });
    let logins = (0..5).map(|_| server.get("/auth/login"));
    for answer in futures::future::join_all(logins).await {
        answer.refused(503, "ServiceUnavailable");
    }
    assert_eq!(asked(), 1);
    *clock.lock().unwrap() += SignedDuration::from_secs(16);
    server.get("/auth/login").await.refused(503, "ServiceUnavailable");
    assert_eq!(asked(), 2);
}
