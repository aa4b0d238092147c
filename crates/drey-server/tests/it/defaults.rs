//! Defaults of Deployments: what a namespace sets, what holds everywhere, and when they reach a Deployment.

#![allow(clippy::needless_pass_by_value, reason = "rows read better without borrows")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use drey_model::defaults::Layers;
use drey_model::document::{Format, parse, to_yaml};
use drey_server::Preflight;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{DEFAULTS, DEPLOYMENTS, Server, TARGETS, deployment, request};

const GLOBAL: &str = "/api/v1/global-deployment-defaults";

fn template(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

#[tokio::test]
async fn they_are_there_from_the_beginning_and_show_what_the_namespace_set() {
    let server = Server::start().await;
    let answer = server.get(DEFAULTS).await;
    let first = answer.expect(200);
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(
        (&first["kind"], &first["apiVersion"]),
        (&json!("DeploymentDefaults"), &json!("v1"))
    );
    assert_eq!((&first["metadata"]["namespace"], &first["spec"]), (&json!("default"), &json!({})));

    let patch = template(json!({"parallelism": 3, "flinkConfiguration": {"a": 1, "b": "2"}}));
    let answer = server.json("PATCH", DEFAULTS, patch).await;
    assert_eq!(answer.header("etag"), "\"2\"");
    let set = json!({"template": {"spec": {"parallelism": 3, "flinkConfiguration": {"a": "1", "b": "2"}}}});
    assert_eq!(answer.expect(200)["spec"], set);
    let patch = json!({
        "kind": "deploymentdefaults",
        "metadata": {"labels": {"team": "a"}, "annotations": {"why": "b"}, "resourceVersion": 99},
        "spec": {"template": {"spec": {"parallelism": null, "flinkConfiguration": {"a": null}}}},
    });
    let seen = server.json("PATCH", DEFAULTS, patch).await.expect(200);
    assert_eq!(seen["spec"], json!({"template": {"spec": {"flinkConfiguration": {"b": "2"}}}}));
    assert_eq!(
        (&seen["metadata"]["labels"]["team"], &seen["metadata"]["id"]),
        (&json!("a"), &first["metadata"]["id"])
    );
    assert_eq!(server.get(DEFAULTS).await.expect(200), seen);
    let none = server.json("PATCH", DEFAULTS, json!({"spec": null})).await.expect(200);
    assert_eq!(none["spec"], json!({}));
    server.json("PUT", DEFAULTS, json!({})).await.refused(405, "MethodNotAllowed");
    server.delete(DEFAULTS).await.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn nonsense_is_refused_with_every_problem_and_nothing_is_stored() {
    let server = Server::start().await;
    let before = server.app.store.revision().await.unwrap();
    let patch = json!({"metadata": {"name": "other", "labels": {"?": ""}}, "spec": {
        "state": "PAUSED", "deploymentTargetName": "nowhere", "maxJobCreationAttempts": 0,
        "template": {"spec": {
            "parallelism": 0, "resources": {"taskmanager": {"memory": "1m"}},
            "artifact": {"flinkVersion": 1.2},
            "kubernetes": {"pods": {"l": [{"$patch": "delete"}]}},
        }},
    }});
    let answer = server.json("PATCH", DEFAULTS, patch.clone()).await;
    answer.refused(400, "BadRequest");
    let mut patch = patch;
    patch["spec"]["template"]["spec"]["kubernetes"] =
        json!({"pods": {}, "jobManagerPodTemplate": {}});
    let second = server.json("PATCH", DEFAULTS, patch).await;
    second.refused(400, "BadRequest");
    let paths = |answer: &crate::world::Answer| -> Vec<String> {
        let body = answer.json();
        let problems = body["context"]["problems"].as_array().unwrap().iter();
        problems.map(|p| p["path"].as_str().unwrap().to_owned()).collect()
    };
    let spec = "spec.template.spec";
    for (answer, path) in [
        (&answer, "metadata.name".to_owned()),
        (&answer, "spec.state".to_owned()),
        (&answer, format!("{spec}.kubernetes.pods.l[0].$patch")),
        (&second, "metadata.labels[\"?\"]".to_owned()),
        (&second, "spec.deploymentTargetName".to_owned()),
        (&second, "spec.maxJobCreationAttempts".to_owned()),
        (&second, format!("{spec}.parallelism")),
        (&second, format!("{spec}.resources.taskmanager.memory")),
        (&second, format!("{spec}.artifact.flinkVersion")),
        (&second, format!("{spec}.kubernetes.pods")),
    ] {
        assert!(paths(answer).contains(&path), "{path}: {:?}", paths(answer));
    }
    for (patch, path) in [
        (json!({"spec": {"deploymentTargetId": uuid::Uuid::nil()}}), "spec.deploymentTargetId"),
        (
            json!({"spec": {"deploymentTargetName": "local", "sessionClusterName": "s"}}),
            "spec.deploymentTargetName",
        ),
        (json!({"spec": {"sessionClusterName": "s"}}), "spec.sessionClusterName"),
        (json!({"kind": "GlobalDeploymentDefaults"}), "kind"),
        (json!([]), ""),
    ] {
        let answer = server.json("PATCH", DEFAULTS, patch.clone()).await;
        answer.refused(400, "BadRequest");
        assert_eq!(paths(&answer), [path], "{patch}");
    }
    assert_eq!(server.app.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn conditions_are_honoured() {
    let server = Server::start().await;
    let patch = template(json!({"parallelism": 2})).to_string();
    for tag in ["\"2\"", "7, 8", "\"*\""] {
        let refused = server.text("PATCH", DEFAULTS, &[("if-match", tag)], &patch).await;
        assert!(refused.refused(412, "PreconditionFailed").contains("resourceVersion 1"));
    }
    for tag in ["\"1\"", "W/\"2\"", "*", "3, \"4\""] {
        server.text("PATCH", DEFAULTS, &[("if-match", tag)], &patch).await.expect(200);
    }
}

#[tokio::test]
async fn layers_are_laid_one_over_the_other() {
    let mut server = Server::start().await;
    let global = template(json!({
        "parallelism": 2, "numberOfTaskManagers": 2, "flinkConfiguration": {"g": "1", "n": "1", "d": "1"},
    }));
    server.app.layers =
        Layers::new("1.20", [global["spec"].clone()].map(|spec| json!({"spec": spec})));
    server.restart();
    let namespace =
        template(json!({"numberOfTaskManagers": 3, "flinkConfiguration": {"n": "2", "d": "2"}}));
    server.json("PATCH", DEFAULTS, namespace).await.expect(200);
    let mut body = deployment("one");
    body["spec"]["template"]["spec"]["flinkConfiguration"] = json!({"d": "3", "g": null});
    let made = server.json("POST", DEPLOYMENTS, body).await.expect(201);
    let spec = &made["spec"]["template"]["spec"];
    assert_eq!(spec["flinkConfiguration"], json!({"n": "2", "d": "3"}));
    assert_eq!((&spec["parallelism"], &spec["numberOfTaskManagers"]), (&json!(2), &json!(3)));
    assert_eq!(made["spec"]["maxJobCreationAttempts"], 4);

    let all = server.get(GLOBAL).await.expect(200);
    assert_eq!(all["kind"], "GlobalDeploymentDefaults");
    assert_eq!(all["spec"]["state"], "CANCELLED");
    assert_eq!(all["spec"]["template"]["spec"]["numberOfTaskManagers"], 2);
    assert_eq!(all["spec"]["template"]["spec"]["flinkConfiguration"]["n"], "1");
    server.json("PATCH", GLOBAL, json!({})).await.refused(405, "MethodNotAllowed");
}

#[tokio::test]
async fn what_is_wrong_with_the_defaults_is_said_to_be_theirs() {
    let mut server = Server::start().await;
    let elsewhere = json!({"spec": {"deploymentTargetName": "made-later"}});
    server.app.layers = Layers::new("1.20", [elsewhere]);
    server.restart();
    let mut body = deployment("one");
    body["spec"].as_object_mut().unwrap().remove("deploymentTargetName");
    let message = server.json("POST", DEPLOYMENTS, body.clone()).await.refused(400, "BadRequest");
    let theirs = "The document does not say this, the defaults do.";
    assert!(
        message.contains("No DeploymentTarget 'made-later'") && message.contains(theirs),
        "{message}"
    );
    body["spec"]["deploymentTargetName"] = json!("made-later");
    let own = server.json("POST", DEPLOYMENTS, body).await.refused(400, "BadRequest");
    assert!(!own.contains(theirs), "{own}");
}

#[tokio::test]
async fn the_worked_example_of_the_documentation_through_the_api() {
    let server = Server::start().await;
    let yaml = |text: &str| parse(text.as_bytes(), Format::Yaml).unwrap().to_value();
    let data = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../drey-model/tests/data");
        std::fs::read_to_string(format!("{folder}/merge-{name}.yaml")).unwrap()
    };
    let headers = [("content-type", "application/yaml")];
    server.text("PATCH", DEFAULTS, &headers, &data("default")).await.expect(200);
    let target = json!({"metadata": {"name": "test"}, "spec": {"kubernetes": {}}});
    server.json("POST", TARGETS, target).await.expect(201);
    let made = server.text("POST", DEPLOYMENTS, &headers, &data("submitted")).await.expect(201);
    assert_eq!(made["metadata"]["name"], "test");
    let mut expected = yaml(&data("result"))["spec"].clone();
    expected.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    for process in ["jobmanager", "taskmanager"] {
        expected["template"]["spec"]["resources"][process]["cpu"] = json!(1.0);
    }
    assert_eq!(to_yaml(&made["spec"]).unwrap(), to_yaml(&expected).unwrap());
}

#[tokio::test]
async fn a_change_of_defaults_touches_no_stored_deployment() {
    let mut server = Server::start().await;
    let one = server.json("POST", DEPLOYMENTS, deployment("one")).await.expect(201);
    while server.woken.try_recv().is_ok() {}
    let patch = template(
        json!({"parallelism": 9, "numberOfTaskManagers": 9, "flinkConfiguration": {"k": "v"}}),
    );
    server.json("PATCH", DEFAULTS, patch).await.expect(200);
    assert_eq!(server.get(&format!("{DEPLOYMENTS}/one")).await.expect(200), one);
    assert!(server.woken.try_recv().is_err(), "nobody is woken");
    let two = server.json("POST", DEPLOYMENTS, deployment("two")).await.expect(201);
    assert_eq!(two["spec"]["template"]["spec"]["parallelism"], 9);
}

#[tokio::test]
async fn what_a_later_change_fills_in_is_said() {
    let server = Server::start().await;
    server.deploy("one").await;
    let patch = template(
        json!({"parallelism": 9, "numberOfTaskManagers": 9, "flinkConfiguration": {"k": "v"}}),
    );
    server.json("PATCH", DEFAULTS, patch).await.expect(200);
    let path = format!("{DEPLOYMENTS}/one");
    let answer = server.json("PATCH", &path, json!({"spec": {"maxJobCreationAttempts": 7}})).await;
    let spec = &answer.expect(200)["spec"]["template"]["spec"];
    // What is present stays, keys of free maps stay away, an absent member is filled in (Q11).
    assert_eq!((&spec["parallelism"], &spec["flinkConfiguration"]), (&json!(1), &json!({})));
    assert_eq!(spec["numberOfTaskManagers"], 9);
    let warnings: Vec<_> = answer.headers.get_all("drey-warning").iter().collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        answer
            .header("drey-warning")
            .starts_with("spec.template.spec.numberOfTaskManagers: Filled in")
    );
    let again = server.json("PATCH", &path, json!({"spec": {"maxJobCreationAttempts": 8}})).await;
    assert_eq!(again.header("drey-warning"), "");
    let asked = server.json("PATCH", &path, template(json!({"numberOfTaskManagers": null}))).await;
    assert_eq!(asked.header("drey-warning"), "", "null asks for the default");
    // A PUT runs the whole merge: the key of the defaults comes in.
    let put = server.json("PUT", &path, deployment("one")).await;
    assert_eq!(
        put.expect(200)["spec"]["template"]["spec"]["flinkConfiguration"],
        json!({"k": "v"})
    );
    assert!(
        put.header("drey-warning").contains("flinkConfiguration.k: Filled in"),
        "{:?}",
        put.headers
    );
}

/// A server on which the defaults change to `numberOfTaskManagers: 5` exactly once, between the moment when a write was
/// worked out and the one when it is stored.
async fn with_a_change_in_between() -> Server {
    let mut server = Server::start().await;
    let (slot, is_done) = (Arc::new(OnceLock::<Router>::new()), Arc::new(AtomicBool::new(false)));
    let (inner, done) = (Arc::clone(&slot), Arc::clone(&is_done));
    server.app.preflight = Preflight::new(move |_, _| {
        let (inner, is_first) = (Arc::clone(&inner), !done.swap(true, Ordering::SeqCst));
        async move {
            if is_first {
                let body = Body::from(template(json!({"numberOfTaskManagers": 5})).to_string());
                let changed =
                    inner.get().unwrap().clone().oneshot(request("PATCH", DEFAULTS, &[], body));
                assert_eq!(changed.await.unwrap().status(), 200);
            }
            Vec::new()
        }
    });
    server.restart();
    slot.set(server.router()).unwrap();
    server
}

#[tokio::test]
async fn defaults_that_change_during_a_write_hold_for_it() {
    for method in ["POST", "PUT", "PATCH"] {
        let server = with_a_change_in_between().await;
        let path = format!("{DEPLOYMENTS}/one");
        let mut body = deployment("one");
        if method == "PATCH" {
            server.json("POST", DEPLOYMENTS, body.clone()).await.expect(201);
        }
        body["spec"]["state"] = json!("RUNNING");
        body["spec"]["template"]["spec"]["artifact"]["jarUri"] = json!("https://x/other.jar");
        let path = if method == "POST" { DEPLOYMENTS } else { path.as_str() };
        let answer = server.json(method, path, body).await;
        assert!(answer.status.is_success(), "{method}: {}", answer.text);
        assert_eq!(
            answer.json()["spec"]["template"]["spec"]["numberOfTaskManagers"],
            5,
            "{method}"
        );
        let defaults = server.get(DEFAULTS).await.expect(200);
        assert_eq!(defaults["metadata"]["resourceVersion"], 2, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_deployment_is_filled_up_from_defaults_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::on_disk(&folder).await);
    let changes = (1..=20).map(|n| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let patch =
                template(json!({"numberOfTaskManagers": n, "flinkConfiguration": {"n": n}}));
            server.json("PATCH", DEFAULTS, patch).await.expect(200);
        })
    });
    let made = (0..20).map(|n| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            server.json("POST", DEPLOYMENTS, deployment(&format!("d{n}"))).await.expect(201)
        })
    });
    let (changes, made): (Vec<_>, Vec<_>) = (changes.collect(), made.collect());
    for change in changes {
        change.await.unwrap();
    }
    for made in made {
        let spec = made.await.unwrap()["spec"]["template"]["spec"].clone();
        let of_map = spec["flinkConfiguration"].get("n").cloned().unwrap_or_default();
        let of_member = spec.get("numberOfTaskManagers").map(ToString::to_string);
        assert_eq!(
            of_map.as_str().map(str::to_owned),
            of_member,
            "one and the same defaults: {spec}"
        );
    }
    let seen = server.get(DEFAULTS).await.expect(200);
    assert_eq!(seen["metadata"]["resourceVersion"], 21, "no change is lost");
}

#[tokio::test]
async fn a_namespace_without_a_row_has_defaults_all_the_same() {
    let server = Server::start().await;
    let path = "/api/v1/namespaces/default";
    let row = server.app.store.get(
        drey_model::Kind::DeploymentDefaults,
        "default",
        "deployment-defaults",
    );
    let row = row.await.unwrap().unwrap();
    let gone = drey_store::Write::Delete { kind: row.kind, id: row.id, revision: row.revision };
    server.app.store.commit(&[gone]).await.unwrap();
    server.deploy("one").await;
    let seen = server.get(&format!("{path}/deployment-defaults")).await.expect(200);
    assert_eq!((&seen["metadata"]["resourceVersion"], &seen["spec"]), (&json!(1), &json!({})));
    assert_eq!(server.get(DEFAULTS).await.expect(200), seen, "its id stays");
}

#[tokio::test]
async fn the_target_of_the_defaults_is_in_use() {
    let server = Server::start().await;
    let body = json!({"metadata": {"name": "t"}, "spec": {"kubernetes": {}}});
    let made = server.json("POST", TARGETS, body).await.expect(201);
    for place in [
        json!({"deploymentTargetName": "t"}),
        json!({"deploymentTargetId": made["metadata"]["id"]}),
    ] {
        server.json("PATCH", DEFAULTS, json!({"spec": place})).await.expect(200);
        let message = server.delete(&format!("{TARGETS}/t")).await.refused(409, "Conflict");
        assert!(message.contains("deployment-defaults"), "{message}");
        let mut bare = deployment("one");
        bare["spec"].as_object_mut().unwrap().remove("deploymentTargetName");
        let one = server.json("POST", DEPLOYMENTS, bare).await.expect(201);
        assert_eq!(one["spec"]["deploymentTargetName"], "t");
        server.delete(&format!("{DEPLOYMENTS}/one")).await.expect(200);
        server.json("PATCH", DEFAULTS, json!({"spec": null})).await.expect(200);
    }
    server.delete(&format!("{TARGETS}/t")).await.expect(200);
}
