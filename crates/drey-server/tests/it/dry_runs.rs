//! `?dryRun=true`: the answer of the real thing, and nothing else.

use drey_model::{DeploymentState, JobState};
use serde_json::{Value, json};

use crate::guard::tokens_of;
use crate::world::{Answer, DEFAULTS, DEPLOYMENTS, SAVEPOINTS, Server, TARGETS, deployment};

const SECRETS: &str = "/api/v1/namespaces/default/secret-values";
const NAMESPACES: &str = "/namespaces/v1/namespaces";

/// Sends a rehearsal, makes sure that it left no trace, and then the real thing.
async fn both(server: &mut Server, method: &str, path: &str, body: &Value) -> (Answer, Answer) {
    while server.woken.try_recv().is_ok() {}
    let before = server.app.store.revision().await.unwrap();
    let mark = if path.contains('?') { '&' } else { '?' };
    let rehearsed = server.json(method, &format!("{path}{mark}dryRun=true"), body.clone()).await;
    let what = format!("{method} {path}");
    assert_eq!(server.app.store.revision().await.unwrap(), before, "{what} wrote");
    assert!(server.woken.try_recv().is_err(), "{what} woke the controller");
    assert_eq!(rehearsed.header("etag"), "", "{what}");
    assert_eq!(rehearsed.header("drey-dry-run") == "true", rehearsed.status.is_success(), "{what}");
    let real = server.json(method, path, body.clone()).await;
    assert_eq!(real.header("drey-dry-run"), "", "{what}");
    assert_eq!(rehearsed.status, real.status, "{what}: {} {}", rehearsed.text, real.text);
    let warnings = |answer: &Answer| -> Vec<_> {
        answer.headers.get_all("drey-warning").iter().cloned().collect()
    };
    assert_eq!(warnings(&rehearsed), warnings(&real), "{what}");
    (rehearsed, real)
}

/// The body without what differs from one request to the next: times, and the ids of what is made.
fn plain(answer: &Answer) -> Value {
    let mut body = answer.json();
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.retain(|key, _| !matches!(key.as_str(), "id" | "createdAt" | "modifiedAt"));
    }
    if let Some(spec) = body["spec"].as_object_mut() {
        spec.remove("flinkSavepointId");
    }
    body
}

#[tokio::test]
async fn every_write_can_be_rehearsed() {
    let mut server = Server::start().await;
    let (one, two) = (format!("{DEPLOYMENTS}/one"), format!("{DEPLOYMENTS}/two"));
    let target = format!("{TARGETS}/t");
    let spec = json!({"kubernetes": {}});
    let mut odd = deployment("one");
    odd["spec"]["odd"] = json!(1);
    let writes = [
        ("POST", DEPLOYMENTS, odd),
        (
            "PATCH",
            one.as_str(),
            json!({"spec": {"state": "RUNNING"}, "metadata": {"labels": {"a": "b"}}}),
        ),
        ("PUT", one.as_str(), deployment("one")),
        ("PUT", two.as_str(), deployment("two")),
        ("PATCH", DEFAULTS, json!({"spec": {"template": {"spec": {"parallelism": 4}}}})),
        ("POST", TARGETS, json!({"metadata": {"name": "t"}, "spec": spec})),
        ("PUT", target.as_str(), json!({"metadata": {"labels": {"a": "b"}}})),
        ("DELETE", target.as_str(), json!({})),
        ("DELETE", two.as_str(), json!({})),
    ];
    for (method, path, body) in writes {
        let (rehearsed, real) = both(&mut server, method, path, &body).await;
        assert!(real.status.is_success(), "{method} {path}: {}", real.text);
        assert_eq!(plain(&rehearsed), plain(&real), "{method} {path}");
    }
    server.get(&two).await.refused(404, "NotFound");
}

#[tokio::test]
async fn secrets_too_and_no_value_is_kept() {
    let mut server = Server::start().await;
    let path = format!("{SECRETS}/pw");
    let spec = json!({ "kind": "Plain", "value": "hunter2-hunter2" });
    let writes = [
        ("POST", SECRETS, json!({ "metadata": { "name": "pw" }, "spec": spec })),
        ("PATCH", path.as_str(), json!({ "spec": { "value": "hunter3-hunter3" } })),
        ("DELETE", path.as_str(), json!({})),
    ];
    for (method, path, body) in writes {
        let (rehearsed, real) = both(&mut server, method, path, &body).await;
        assert!(real.status.is_success(), "{method} {path}: {}", real.text);
        assert_eq!(plain(&rehearsed), plain(&real), "{method} {path}");
        assert!(!rehearsed.text.contains("hunter"), "{}", rehearsed.text);
    }
}

#[tokio::test]
async fn namespaces_and_tokens_too_and_no_secret_is_made() {
    let mut server = Server::start().await;
    let (room, tokens) = (format!("{NAMESPACES}/team"), tokens_of("team"));
    let (action, token) = (format!("{room}:setPreviewSessionCluster"), format!("{tokens}/ci"));
    let bindings = json!({ "roleBindings": [{ "role": "viewer", "members": ["group:all"] }] });
    let writes = [
        ("POST", NAMESPACES, json!({ "name": "team" })),
        ("PATCH", room.as_str(), bindings.clone()),
        ("PUT", room.as_str(), json!({})),
        ("POST", action.as_str(), json!({ "previewSessionClusterName": "sql" })),
        ("POST", tokens.as_str(), json!({ "name": "ci", "role": "owner" })),
        ("DELETE", token.as_str(), json!({})),
        ("DELETE", room.as_str(), json!({})),
    ];
    for (method, path, body) in writes {
        let (rehearsed, real) = both(&mut server, method, path, &body).await;
        assert!(real.status.is_success(), "{method} {path}: {}", real.text);
        let timeless = |answer: &Answer| {
            let mut body = answer.json();
            for (object, member) in
                [("namespace", "createTime"), ("apiToken", "createTime"), ("apiToken", "secret")]
            {
                if let Some(members) = body[object].as_object_mut() {
                    members.remove(member);
                }
            }
            body
        };
        assert_eq!(timeless(&rehearsed), timeless(&real), "{method} {path}");
        assert!(rehearsed.json().pointer("/apiToken/secret").is_none(), "{}", rehearsed.text);
    }
}

#[tokio::test]
async fn what_would_be_refused_of_namespaces_and_tokens_is_refused() {
    let mut server = Server::start().await;
    let other = tokens_of("default");
    server.json("POST", &other, json!({ "name": "ci", "role": "owner" })).await.expect(201);
    for (method, path, body, status) in [
        ("POST", NAMESPACES.to_owned(), json!({ "name": "default" }), 409),
        ("POST", NAMESPACES.to_owned(), json!({ "name": "No" }), 400),
        ("DELETE", format!("{NAMESPACES}/default"), json!({}), 409),
        ("POST", other.clone(), json!({ "name": "ci", "role": "owner" }), 409),
        ("POST", other.clone(), json!({ "name": "cd", "role": "king" }), 400),
        ("DELETE", format!("{other}/none"), json!({}), 404),
    ] {
        let (rehearsed, real) = both(&mut server, method, &path, &body).await;
        assert_eq!(real.status.as_u16(), status, "{method} {path}: {}", real.text);
        assert_eq!(rehearsed.json(), real.json(), "{method} {path}");
    }
}

/// Every row that can change something takes `dryRun`: a route that forgot it would do the real thing.
#[test]
fn no_write_is_without_a_rehearsal() {
    // A session is no object, and nobody rehearses leaving.
    let exempt = ["logout"];
    let writes = |method: &str| method != "get" && method != "head";
    let mut count = 0;
    for (path, item) in drey_server::openapi()["paths"].as_object().unwrap() {
        for (_, operation) in item.as_object().unwrap().iter().filter(|(m, _)| writes(m)) {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let can = parameters.iter().any(|parameter| parameter["name"] == "dryRun");
            let is_exempt = exempt.iter().any(|id| operation["operationId"] == *id);
            assert_ne!(can, is_exempt, "{path}: {}", operation["operationId"]);
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[tokio::test]
async fn savepoints_and_retries_too() {
    let mut server = Server::start().await;
    let id = server.deploy("one").await;
    server.job(id, JobState::Started).await;
    let (rehearsed, real) =
        both(&mut server, "POST", SAVEPOINTS, &json!({"metadata": {"deploymentId": id}})).await;
    assert_eq!(plain(&rehearsed), plain(&real));
    assert_eq!(real.status, 201);
    let body = json!({"metadata": {"deploymentId": id, "type": "FULL"}, "status": {"state": "COMPLETED"},
        "spec": {"savepointLocation": "file:///s", "flinkSavepointId": uuid::Uuid::nil()}});
    let (_, registered) = both(&mut server, "POST", SAVEPOINTS, &body).await;
    let path =
        format!("{SAVEPOINTS}/{}", registered.expect(201)["metadata"]["id"].as_str().unwrap());
    both(&mut server, "DELETE", &path, &json!({})).await.1.refused(409, "Conflict");
    let (rehearsed, real) =
        both(&mut server, "DELETE", &format!("{path}?force=true"), &json!({})).await;
    assert_eq!(rehearsed.expect(200), real.expect(200));
    server.observe(id, DeploymentState::Failed).await;
    let path = "/ext/v1/namespaces/default/deployments/one/retry";
    let (rehearsed, real) = both(&mut server, "POST", path, &json!({})).await;
    assert_eq!((plain(&rehearsed), real.status.as_u16()), (plain(&real), 200));
}

#[tokio::test]
async fn what_would_be_refused_is_refused_with_all_problems() {
    let mut server = Server::start().await;
    let id = server.deploy("one").await;
    let one = format!("{DEPLOYMENTS}/one");
    let invalid = json!({"spec": {"state": "PAUSED", "maxJobCreationAttempts": 0}});
    for (method, path, body, status) in [
        ("POST", DEPLOYMENTS.to_owned(), deployment("one"), 409),
        ("POST", DEPLOYMENTS.to_owned(), invalid.clone(), 400),
        ("PATCH", one.clone(), invalid.clone(), 400),
        ("PUT", one.clone(), invalid.clone(), 400),
        ("PATCH", DEFAULTS.to_owned(), invalid.clone(), 400),
        ("PATCH", format!("{DEPLOYMENTS}/none"), json!({}), 404),
        (
            "POST",
            TARGETS.to_owned(),
            json!({"metadata": {"name": "local"}, "spec": {"local": {}}}),
            409,
        ),
        ("PUT", format!("{TARGETS}/local"), json!({"spec": {"kubernetes": {}}}), 400),
        ("DELETE", format!("{TARGETS}/local"), json!({}), 409),
        ("POST", SAVEPOINTS.to_owned(), json!({"metadata": {"deploymentId": id}}), 400),
    ] {
        let (rehearsed, real) = both(&mut server, method, &path, &body).await;
        assert_eq!(real.status.as_u16(), status, "{method} {path}: {}", real.text);
        assert_eq!(rehearsed.json(), real.json(), "{method} {path}");
    }
    server.observe(id, DeploymentState::Running).await;
    both(&mut server, "DELETE", &one, &json!({})).await.1.refused(409, "Conflict");
    let stale =
        server.text("PATCH", &format!("{one}?dryRun=true"), &[("if-match", "9")], "{}").await;
    stale.refused(412, "PreconditionFailed");
}

#[tokio::test]
async fn who_may_have_meant_a_rehearsal_gets_no_real_one() {
    let server = Server::start().await;
    for query in [
        "dryRun",
        "dryRun=",
        "dryRun=yes",
        "dryRun=All",
        "dryrun=true",
        "dry-run=true",
        "dry_run=1",
        "dryRun=true&dryRun=false",
    ] {
        let answer =
            server.json("POST", &format!("{DEPLOYMENTS}?{query}"), deployment("one")).await;
        assert!(answer.refused(400, "BadRequest").contains("Nothing was changed"), "{query}");
    }
    server.get(&format!("{DEPLOYMENTS}/one")).await.refused(404, "NotFound");
    let real = server.json("POST", &format!("{DEPLOYMENTS}?dryRun=false"), deployment("one")).await;
    real.expect(201);
}
