//! Who may do what: every route, every role, the own and a foreign namespace. A route without a line here fails.

use std::collections::BTreeSet;

use axum::body::Body;
use drey_server::{Method, Route, routes};

use crate::guard::{ADMIN, guarded, settings};
use crate::world::{Server, request};

/// Who calls, in the order of the letters below.
const CALLERS: [&str; 5] = ["nobody", "viewer", "editor", "owner", "admin"];

/// `y`: is let in; `-`: is not. The first word is about the namespace that the tokens are of, the second about another
/// one; what is in no namespace has one word. Platform API reference §2.6.
const EXPECTED: &str = "
    listDeployments            -yyy-  -----
    createDeployment           --yy-  -----
    getDeployment              -yyy-  -----
    putDeployment              --yy-  -----
    patchDeployment            --yy-  -----
    deleteDeployment           --yy-  -----
    listDeploymentTargets      -yyy-  -----
    createDeploymentTarget     ---y-  -----
    getDeploymentTarget        -yyy-  -----
    putDeploymentTarget        ---y-  -----
    deleteDeploymentTarget     ---y-  -----
    getDeploymentDefaults      -yyy-  -----
    patchDeploymentDefaults    ---y-  -----
    getGlobalDeploymentDefaults -yyyy
    listJobs                   -yyy-  -----
    getJob                     -yyy-  -----
    listSavepoints             -yyy-  -----
    createSavepoint            --yy-  -----
    getSavepoint               -yyy-  -----
    deleteSavepoint            --yy-  -----
    listEvents                 -yyy-  -----
    getStatus                  yyyyy
    getSystemInformation       -yyyy
    listSecretValues           --yy-  -----
    createSecretValue          --yy-  -----
    getSecretValue             --yy-  -----
    patchSecretValue           --yy-  -----
    deleteSecretValue          --yy-  -----
    listArtifacts              -yyy-  -----
    getArtifactMetadata        -yyy-  -----
    uploadArtifact             --yy-  -----
    deleteArtifact             --yy-  -----
    listNamespaces             -yyyy
    createNamespace            ----y
    getNamespace               ---yy  ----y
    putNamespace               ---yy  ----y
    patchNamespace             ---yy  ----y
    deleteNamespace            ----y  ----y
    setPreviewSessionCluster   ---yy  ----y
    explainNamespace           ---yy  ----y
    listApiTokens              ---yy  ----y
    createApiToken             ---yy  ----y
    getApiToken                ---yy  ----y
    deleteApiToken             ---yy  ----y
    login                      yyyyy
    loginCallback              yyyyy
    logout                     yyyyy
    whoAmI                     yyyyy
    listSessionClusters        -yyy-  -----
    createSessionCluster       --yy-  -----
    getSessionCluster          -yyy-  -----
    putSessionCluster          --yy-  -----
    patchSessionCluster        --yy-  -----
    deleteSessionCluster       --yy-  -----
    getGlobalSessionClusterDefaults -yyyy
    explainSessionCluster      -yyy-  -----
    listAuditLog               ----y
    reportAuditLog             ----y
    explainDeployment          -yyy-  -----
    retryDeployment            --yy-  -----
    listLogs                   -yyy-  -----
    readLog                    -yyy-  -----
    listSessionClusterLogs     -yyy-  -----
    readSessionClusterLog      -yyy-  -----
    watch                      -yyyy
    getMetrics                 ----y
    getQuota                   ----y
    index                      yyyyy
    getOpenApi                 yyyyy
    getSwagger                 yyyyy
    getSwaggerUi               yyyyy
    getSwaggerUiFile           yyyyy
    openDashboard:GET          -yyy-  -----
    openDashboard:POST         --yy-  -----
    getDashboard:GET           -yyy-  -----
    getDashboard:POST          --yy-  -----
    passToFlink:GET            -yyy-  -----
    passToFlink:DELETE         --yy-  -----
";

fn path_of(route: &Route, ns: &str) -> String {
    let id = "3f0e7c0e-7d6f-4a5a-9a83-0b3c3f4f1c11";
    let action =
        if route.id == "setPreviewSessionCluster" { ":setPreviewSessionCluster" } else { "" };
    let filled = [("{ns}", ns), ("{name}", "x"), ("{id}", id), ("{jobId}", id)];
    let filled =
        filled.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
    format!("{}{action}", filled.replace("{file}", "x").replace("{*path}", "jobs"))
}

/// The status for each caller.
async fn statuses(server: &Server, tokens: &[String], method: &str, path: &str) -> Vec<u16> {
    let mut statuses = Vec::new();
    for token in tokens {
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("content-type", "application/json")];
        if !token.is_empty() {
            headers.push(("authorization", authorization.as_str()));
        }
        let answer = server.open(request(method, path, &headers, Body::from("{}"))).await;
        statuses.push(answer.status().as_u16());
    }
    statuses
}

/// `y` for who was let in, whatever then became of it. A caller that is not let in must have been told so rightly.
fn letters(statuses: &[u16], route: &str) -> String {
    let letter = |(caller, status): (&&str, &u16)| match (*caller, *status) {
        ("nobody", 401) => '-',
        ("nobody", 403) => panic!("{route}: nobody is told 403"),
        // The callback of a login that never began.
        (_, 401) if route == "loginCallback" => 'y',
        (_, 401) => panic!("{route}: {caller} is told 401"),
        (_, 403) => '-',
        _ => 'y',
    };
    CALLERS.iter().zip(statuses).map(letter).collect()
}

#[tokio::test]
async fn every_route_lets_in_whom_the_matrix_names() {
    let server = guarded(settings()).await;
    let mut tokens = vec![String::new()];
    for role in ["viewer", "editor", "owner"] {
        tokens.push(server.token("a", role).await);
    }
    tokens.push(ADMIN.to_owned());
    let mut missing: BTreeSet<&str> =
        EXPECTED.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut wrong = Vec::new();
    // Deleting is last: a namespace that is being deleted refuses on other grounds.
    let mut rows = routes();
    rows.sort_by_key(|route| route.method == Method::Delete);
    for route in rows {
        let methods: Vec<String> = match route.method {
            Method::Any if route.id == "passToFlink" => vec!["GET".into(), "DELETE".into()],
            Method::Any => vec!["GET".into(), "POST".into()],
            method => vec![method.to_string()],
        };
        for method in methods {
            let name = match route.method {
                Method::Any => format!("{}:{method}", route.id),
                _ => route.id.to_owned(),
            };
            let line = EXPECTED.lines().find(|line| line.split_whitespace().next() == Some(&name));
            let Some(line) = line else {
                wrong.push(format!("{name}: this route has no line"));
                continue;
            };
            let expected: Vec<&str> = line.split_whitespace().skip(1).collect();
            let spaces: &[&str] = if route.path.contains("{ns}") { &["a", "b"] } else { &["-"] };
            assert_eq!(spaces.len(), expected.len(), "{name}");
            for (ns, expected) in spaces.iter().zip(&expected) {
                let statuses = statuses(&server, &tokens, &method, &path_of(&route, ns)).await;
                if route.id == "loginCallback" {
                    assert!(statuses.iter().all(|status| *status == 404), "there is no provider");
                }
                let found = letters(&statuses, &name);
                if found != *expected {
                    wrong.push(format!("{name} in {ns}: {found}, not {expected} ({statuses:?})"));
                }
            }
            missing.remove(name.as_str());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(missing.is_empty(), "these routes are gone: {missing:?}");
}

#[tokio::test]
async fn a_stranger_cannot_tell_whether_a_namespace_exists() {
    let server = guarded(settings()).await;
    let token = server.token("a", "owner").await;
    for place in [
        "/api/v1/namespaces/NS/deployments",
        "/namespaces/v1/namespaces/NS",
        "/apitokens/v1/namespaces/NS/apitokens",
        "/ext/v1/watch?namespace=NS",
    ] {
        let mut said = Vec::new();
        for ns in ["b", "c"] {
            let answer = server.bearing(&token, "GET", &place.replace("NS", ns), None).await;
            said.push(answer.refused(403, "Forbidden").replace(&format!("{ns:?}"), "NS"));
        }
        assert_eq!(said[0], said[1], "{place}");
        assert!(said[0].contains("apitoken:a/owner has no role there"), "{}", said[0]);
    }
    let gone = server.bearing(ADMIN, "GET", "/namespaces/v1/namespaces/c", None).await;
    gone.refused(404, "NotFound");
}

#[tokio::test]
async fn a_refusal_says_what_would_be_needed() {
    let server = guarded(settings()).await;
    let answer = server.get("/api/v1/namespaces/a/deployments").await;
    let message = answer.refused(401, "Unauthorized");
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"drey\"");
    assert!(message.contains("/apitokens/v1/namespaces/"), "{message}");

    let viewer = server.token("a", "viewer").await;
    let path = "/api/v1/namespaces/a/deployment-targets";
    let answer = server.bearing(&viewer, "POST", path, Some(serde_json::json!({}))).await;
    let message = answer.refused(403, "Forbidden");
    for part in ["Create of DeploymentTargets", "namespace \"a\"", "takes the role owner", "viewer"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[tokio::test]
async fn what_flink_does_upon_get_takes_more_than_looking() {
    let server = guarded(settings()).await;
    let (viewer, editor) = (server.token("a", "viewer").await, server.token("a", "editor").await);
    let base = "/flink-ui/v1/namespaces/a/jobs/3f0e7c0e-7d6f-4a5a-9a83-0b3c3f4f1c11/jobs/x";
    for path in ["yarn-cancel", "yarn%2Dcancel", "y%61rn-stop", "./yarn-cancel"] {
        let path = format!("{base}/{path}");
        server.bearing(&viewer, "GET", &path, None).await.refused(403, "Forbidden");
        // Let in: there is no such Job.
        server.bearing(&editor, "GET", &path, None).await.refused(404, "NotFound");
    }
}

#[tokio::test]
async fn a_watch_shows_what_its_caller_may_read() {
    let server = guarded(settings()).await;
    let (in_a, in_b) = (server.token("a", "owner").await, server.token("b", "owner").await);
    for (token, ns) in [(&in_a, "a"), (&in_b, "b")] {
        let path = format!("/api/v1/namespaces/{ns}/deployment-targets");
        let body = serde_json::json!({ "metadata": { "name": "t" }, "spec": { "local": {} } });
        server.bearing(token, "POST", &path, Some(body)).await.expect(201);
    }
    let heard = |token: String| {
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", authorization.as_str())];
        let asked = request("GET", "/ext/v1/watch?kinds=DeploymentTarget", &headers, Body::empty());
        let answer = server.open(asked);
        async move {
            use futures::StreamExt;
            let mut pieces = answer.await.into_body().into_data_stream();
            let mut text = String::new();
            while !text.contains("SNAPSHOT_END") {
                text.push_str(&String::from_utf8_lossy(&pieces.next().await.unwrap().unwrap()));
            }
            text
        }
    };
    let text = heard(in_a.clone()).await;
    assert!(
        text.contains("\"namespace\":\"a\"") && !text.contains("\"namespace\":\"b\""),
        "{text}"
    );
    assert!(!heard(ADMIN.to_owned()).await.contains("namespace"), "admins see no content");
}
