//! SessionClusters from the command line. The real server has a CPU quota that no cluster fits in, so that one can be
//! started and stopped without Flink; what a cluster does that runs or fails is scripted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{
    Fake, Following, Server, drey, ends, err, error, manifest, out, view, with_env,
};

/// A cluster and a Deployment on it, in an order in which they cannot be made.
fn both() -> String {
    let deployment =
        manifest("a", "").replace("deploymentTargetName: local", "sessionClusterName: shared");
    format!("{deployment}---\n{}", shared(""))
}

fn shared(more: &str) -> String {
    format!(
        "kind: SessionCluster\nmetadata: {{name: shared}}\nspec:\n  deploymentTargetName: local\n  flinkVersion: \"1.20\"\n{more}"
    )
}

#[test]
fn a_cluster_is_declared_waited_for_and_shown() {
    let server = Server::start();
    let file = server.file("both.yaml", &both());
    let applied = server.drey(&["apply", "-f", &file, "--wait", "--timeout", "60s"]);
    ends(&applied, 0);
    let text = out(&applied);
    let (made, waited) = text.split_at(text.find("sessioncluster/shared is").unwrap());
    assert_eq!(made, "sessioncluster/shared created\ndeployment/a created\n");
    assert!(
        waited.starts_with("sessioncluster/shared is STOPPED (")
            && waited.contains("deployment/a is CANCELLED ("),
        "{waited}"
    );
    let again = server.drey(&["apply", "-f", &file]);
    assert_eq!(out(&again), "sessioncluster/shared unchanged\ndeployment/a unchanged\n");

    let table = out(&server.drey(&["get", "sc"]));
    let titles: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(
        titles,
        ["NAME", "DESIRED", "ACTUAL", "FLINK", "TMS", "DEPLOYMENTS", "TARGET", "AGE"]
    );
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().take(7).collect();
    assert_eq!(row, ["shared", "STOPPED", "STOPPED", "1.20", "1", "1", "local"]);
    assert_eq!(
        out(&server.drey(&["get", "sessioncluster", "-o", "name"])),
        "sessioncluster/shared\n"
    );
    let shown = out(&server.drey(&["get", "sc/shared", "-o", "json"]));
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["kind"], "SessionCluster");
    let page = out(&server.drey(&["describe", "sc", "shared"]));
    for part in [
        "Name: shared   Namespace: default   ID: ",
        "State:     Desired STOPPED, actual STOPPED.\n",
        "Cluster:   Flink 1.20, 1 TaskManager of 1 CPU and 2G each, in local\n",
        "Used by:   no Deployment\n",
        "Next:      drey start sc/shared --wait\n",
        "Events:    none yet\n",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let whole = out(&server.drey(&["describe", "sc", "shared", "-o", "yaml"]));
    assert!(
        whole.contains("activeDeployments: []") && whole.contains("sessionCluster:"),
        "{whole}"
    );
    let wide = out(&server.drey(&["get", "sc", "-o", "wide"]));
    assert!(wide.lines().next().unwrap().ends_with("RUNNING SINCE  FAILURE"), "{wide}");
    assert_eq!(err(&server.drey(&["events", "sc/shared"])), "no events yet\n");
}

#[test]
fn a_cluster_is_compared_refused_and_deleted_with_reasons() {
    let server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("both.yaml", &both())]), 0);
    let changed = server.file("sc.yaml", &shared("  numberOfTaskManagers: 3\n"));
    let differs = server.drey(&["diff", "-f", &changed]);
    ends(&differs, 1);
    assert!(out(&differs).contains("~ spec.numberOfTaskManagers  1 -> 3"), "{}", out(&differs));
    let wrong = server
        .file("wrong.yaml", &shared("  numberOfTaskManagers: 0\n").replace("\"1.20\"", "1.2"));
    let refused = server.drey(&["apply", "-f", &wrong]);
    ends(&refused, 6);
    for part in ["spec.numberOfTaskManagers: ", "spec.flinkVersion: ", "it is still STOPPED"] {
        assert!(err(&refused).contains(part), "{part}: {}", err(&refused));
    }
    let never = server
        .file("never.yaml", &shared("  numberOfTaskManagers: 100000\n").replace("1.20", "1.13"));
    let refused = server.drey(&["apply", "-f", &never]);
    ends(&refused, 6);
    for part in ["spec.flinkVersion: ", "100000 TaskManagers of 2 GB", "this machine has"] {
        assert!(err(&refused).contains(part), "{part}: {}", err(&refused));
    }

    let used = server.drey(&["delete", "sc", "shared", "--yes"]);
    ends(&used, 5);
    assert!(
        err(&used).contains("used by 1 deployment (a). Move or delete them first."),
        "{}",
        err(&used)
    );
    assert!(!err(&used).contains("drey stop"), "it is stopped: {}", err(&used));
    ends(&server.drey(&["delete", "dep", "a", "--yes"]), 0);
    ends(&server.drey(&["delete", "sc", "shared", "--yes"]), 0);
    let missing = server.drey(&["get", "sc", "shared"]);
    ends(&missing, 3);
    assert!(err(&missing).contains("drey get sessioncluster"), "{}", err(&missing));
    let gone = server.drey(&["wait", "sc/shared", "--for", "deleted", "--timeout", "5s"]);
    assert_eq!(out(&gone), "sessioncluster/shared is deleted (0:00)\n");
}

#[test]
fn a_cluster_that_waits_for_cores_says_so_and_can_be_stopped() {
    let server = Server::start_with(&["--quota-cpu", "0.5"]);
    ends(&server.drey(&["apply", "-f", &server.file("both.yaml", &both())]), 0);
    let started = server.drey(&["start", "sc/shared"]);
    assert_eq!(out(&started), "sessioncluster/shared starting\n", "{}", err(&started));
    let wait = ["wait", "sc/shared", "--for", "running", "--fail-on", "quota", "--timeout", "60s"];
    let refused = server.drey(&wait);
    ends(&refused, 10);
    let told = err(&refused);
    for part in [
        "error: sessioncluster/shared did not get to be running\n  why:  ",
        "desired RUNNING, actual STARTING",
        "drey events sc/shared",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let json = out(&server.drey(&[&wait[..], &["-o", "json"]].concat()));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["result"], &json["deployments"]), (&json!("quota"), &json!([])));
    assert_eq!(json["sessionClusters"][0]["state"], "STARTING");
    assert_eq!(json["sessionClusters"][0]["failure"]["reason"], "ResourceQuotaExceeded");
    assert!(out(&server.drey(&["quota"])).contains("SessionCluster default/shared needs"));
    let events = out(&server.drey(&["events", "sc/shared"]));
    assert!(events.starts_with("AGE  OBJECT  EVENT"), "{events}");
    assert!(events.contains("RESOURCE_QUOTA_EXCEEDED  The CPU quota has no room."), "{events}");
    let page = out(&server.drey(&["describe", "sc/shared"]));
    for part in [
        "Desired RUNNING, actual STARTING.",
        "Waiting:   for free CPU cores",
        "(ResourceQuotaExceeded, ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }

    // Who uses it keeps it from being stopped, and is named.
    ends(&server.drey(&["start", "a"]), 0);
    let kept = server.drey(&["stop", "sc/shared", "--wait"]);
    ends(&kept, 5);
    for part in ["1 deployment runs on SessionCluster shared (a)", "drey suspend NAME --wait"] {
        assert!(err(&kept).contains(part), "{part}: {}", err(&kept));
    }
    ends(&server.drey(&["cancel", "a", "--wait", "--timeout", "60s"]), 0);
    let stopped = server.drey(&["stop", "sc/shared", "--wait", "--timeout", "60s"]);
    ends(&stopped, 0);
    let text = out(&stopped);
    assert!(
        text.starts_with("sessioncluster/shared stopping\nsessioncluster/shared is STOPPED ("),
        "{text}"
    );
    let again = server.drey(&["stop", "sc/shared", "--wait"]);
    assert!(
        out(&again).starts_with("sessioncluster/shared is STOPPED already\n"),
        "{}",
        out(&again)
    );
}

#[test]
fn scaling_waits_for_what_can_come() {
    let server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("both.yaml", &both())]), 0);
    for (subject, count, now, next) in [
        ("sc/shared", "3", "it will start with 3 TaskManagers", "drey start sc/shared --wait"),
        ("a", "4", "it will start with parallelism 4", "drey start a --wait"),
    ] {
        let scaled = server.drey(&["scale", subject, count, "--wait"]);
        ends(&scaled, 7);
        assert!(out(&scaled).contains(" scaling to "), "it is stored: {}", out(&scaled));
        for part in ["there is nothing to wait for", "its desired state is", now, next] {
            assert!(err(&scaled).contains(part), "{part}: {}", err(&scaled));
        }
    }
    let shown = out(&server.drey(&["get", "sc/shared", "-o", "json"]));
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["spec"]["numberOfTaskManagers"], 3);
    let one = server.drey(&["scale", "sc/shared", "1"]);
    assert_eq!(out(&one), "sessioncluster/shared scaling to 1 TaskManager\n");
    ends(&server.drey(&["scale", "sc/shared", "0"]), 2);
}

/// A cluster as both APIs show it.
fn cluster(desired: &str, state: &str, version: i32, (wanted, has): (i32, i32)) -> Value {
    let failure = json!({"message": "no such release", "reason": "TooManyFailedAttempts", "failedAt": "2026-01-01T00:00:00Z"});
    json!({
        "kind": "SessionCluster", "apiVersion": "v1",
        "metadata": {"name": "shared", "resourceVersion": version},
        "spec": {"state": desired, "deploymentTargetName": "local", "numberOfTaskManagers": wanted},
        "status": {"state": state, "failure": if state == "FAILED" { failure } else { Value::Null }},
        "taskManagers": has,
    })
}

/// Answers the API with the first picture, a change with the second, and each look with the next, the last for good.
fn scripted(before: Value, after: Value, looks: Vec<Value>) -> Fake {
    let (asked, looked) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    Fake::new(move |path| {
        if path.starts_with("/ext/v1/watch") {
            return error(404, "NotFound", "no watch here");
        }
        if path.contains("/events") {
            let none =
                json!({"kind": "EventList", "apiVersion": "v1", "metadata": {}, "items": []});
            return (200, none.to_string());
        }
        if path.starts_with("/ext/") {
            let at = looked.fetch_add(1, Ordering::Relaxed).min(looks.len() - 1);
            let look = &looks[at];
            let view = json!({"sessionCluster": look, "taskManagers": look["taskManagers"], "activeDeployments": []});
            return (200, view.to_string());
        }
        let is_first = asked.fetch_add(1, Ordering::Relaxed) == 0;
        (200, if is_first { &before } else { &after }.to_string())
    })
}

#[test]
fn stopping_a_cluster_that_failed_waits_until_the_controller_has_seen_it() {
    let fake = scripted(
        cluster("RUNNING", "FAILED", 3, (1, 0)),
        cluster("STOPPED", "FAILED", 4, (1, 0)),
        vec![
            cluster("STOPPED", "FAILED", 4, (1, 0)),
            cluster("STOPPED", "FAILED", 4, (1, 0)),
            cluster("STOPPED", "STOPPED", 5, (1, 0)),
        ],
    );
    let stopped = drey(&fake.url, &["stop", "sc/shared", "--wait", "--timeout", "30s"]);
    ends(&stopped, 0);
    assert!(out(&stopped).contains("sessioncluster/shared is STOPPED ("), "{}", out(&stopped));
}

#[test]
fn starting_a_cluster_waits_through_an_old_failure_and_ends_at_a_new_one() {
    let fake = scripted(
        cluster("STOPPED", "STOPPED", 3, (1, 0)),
        cluster("RUNNING", "STOPPED", 4, (1, 0)),
        vec![
            cluster("RUNNING", "STOPPED", 4, (1, 0)),
            cluster("RUNNING", "STARTING", 5, (1, 0)),
            cluster("RUNNING", "FAILED", 6, (1, 0)),
        ],
    );
    let failed = drey(&fake.url, &["start", "sc/shared", "--wait", "--timeout", "30s"]);
    ends(&failed, 7);
    assert_eq!(
        err(&failed).trim_end(),
        "error: sessioncluster/shared did not get to be as declared\n  why:  no such release\n  now:  desired RUNNING, \
         actual FAILED\n  next: drey stop sc/shared --wait     then mend the cause\n        drey start sc/shared --wait\n        \
         drey events sc/shared\n        drey describe sc/shared"
    );
    // A start alone does not mend it, and does not pretend to.
    let given_up = cluster("RUNNING", "FAILED", 6, (1, 0));
    let fake = scripted(given_up.clone(), given_up.clone(), vec![given_up]);
    let refused = drey(&fake.url, &["start", "sc/shared", "--wait"]);
    ends(&refused, 5);
    assert!(err(&refused).contains("starts again only after it was stopped"), "{}", err(&refused));
    assert!(err(&refused).contains("no such release"), "{}", err(&refused));
    assert_eq!(fake.asked().len(), 1, "nothing was changed");
}

#[test]
fn scaling_is_over_when_the_task_managers_are_there() {
    let fake = scripted(
        cluster("RUNNING", "RUNNING", 4, (2, 1)),
        cluster("RUNNING", "RUNNING", 4, (2, 1)),
        vec![
            cluster("RUNNING", "RUNNING", 4, (2, 1)),
            cluster("RUNNING", "UPDATING", 5, (2, 1)),
            cluster("RUNNING", "RUNNING", 6, (2, 2)),
        ],
    );
    let scaled = drey(&fake.url, &["scale", "sc/shared", "2", "--wait", "-o", "json"]);
    ends(&scaled, 0);
    assert!(out(&scaled).contains("\"resourceVersion\": 6"), "{}", out(&scaled));
    assert_eq!(fake.asked().iter().filter(|asked| asked.contains("/ext/v1/namespaces")).count(), 3);

    // A Deployment is waited for, too: until the controller has made something of the new parallelism.
    let looks = AtomicUsize::new(0);
    let fake = Fake::new(move |path| match path {
        _ if path.starts_with("/ext/v1/watch") => error(404, "NotFound", "no watch here"),
        _ if path.contains("/events") => (200, r#"{"items":[]}"#.to_owned()),
        _ if path.starts_with("/ext/") => {
            let is_first = looks.fetch_add(1, Ordering::Relaxed) == 0;
            (200, if is_first { view(3, "RUNNING") } else { view(4, "RUNNING") })
        }
        _ => {
            let deployment = serde_json::from_str::<Value>(&view(3, "RUNNING")).unwrap();
            (200, deployment["deployment"].to_string())
        }
    });
    let scaled = drey(&fake.url, &["scale", "x", "8", "--wait", "--timeout", "30s"]);
    ends(&scaled, 0);
    assert!(out(&scaled).contains("deployment/x is RUNNING ("), "{}", out(&scaled));
    assert_eq!(fake.asked().iter().filter(|asked| asked.contains("/ext/v1/namespaces")).count(), 2);
}

#[test]
fn verbs_and_goals_of_the_other_kind_are_refused_with_what_to_do() {
    for (args, told) in [
        (&["stop", "top-speed"][..], "drey suspend top-speed"),
        (&["stop", "dep/top-speed"], "drey stop sessioncluster/top-speed"),
        (&["stop", "sc/"], "is no session cluster"),
        (&["suspend", "sc/shared"], "drey stop sessioncluster/shared"),
        (&["cancel", "sessioncluster/shared"], "has no jobs of its own"),
        (&["start", "dt/local"], "a deploymenttarget neither starts nor stops"),
        (&["scale", "dt/local", "2"], "drey scale sessioncluster/shared 4"),
        (&["wait", "sc/shared", "--for", "suspended"], "no sessioncluster is ever suspended"),
        (&["wait", "sc/shared", "--for", "upgrade"], "drey wait sc/shared --for running"),
        (&["wait", "a", "--for", "state=UPDATING"], "no deployment is ever updating"),
        (&["wait", "job/x", "--for", "running"], "only deployments and session clusters"),
        (&["events", "job/x"], "drey events sc/shared"),
        (&["get", "sessioncluser"], "is not a kind"),
        (&["explain", "sc.spec.taskmanagers"], "numberOfTaskManagers"),
    ] {
        let refused = drey("http://127.0.0.1:9", args);
        let code = if args[0] == "explain" { 3 } else { 2 };
        ends(&refused, code);
        assert!(err(&refused).contains(told), "{args:?}: {}", err(&refused));
    }
    let explained = out(&drey("", &["explain", "sc.spec.numberoftaskmanagers"]));
    assert!(explained.starts_with("KIND:     SessionCluster\n"), "{explained}");
    assert!(explained.contains("without a restart"), "{explained}");
    assert!(explained.contains("DEFAULT:  1\n"), "{explained}");
}

#[test]
fn clusters_are_followed_as_they_change() {
    let server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("sc.yaml", &shared(""))]), 0);
    let following = Following::start(&server.url, &["get", "sc", "-w"]);
    following.line_with(&["shared", "STOPPED"]);
    ends(&server.drey(&["scale", "sc/shared", "7"]), 0);
    following.line_with(&["shared", " 7 "]);
    ends(&server.drey(&["delete", "sc/shared", "--yes"]), 0);
    following.line_with(&["shared deleted"]);
}

#[cfg(unix)]
#[test]
fn a_cluster_is_edited_as_it_was_written() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("sc.yaml", &shared(""))]), 0);
    let script = "#!/bin/sh\nsed -i 's/numberOfTaskManagers: 1/numberOfTaskManagers: 5/' \"$1\"\n";
    let editor = server.file("editor.sh", script);
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let env = [("DREY_SERVER", server.url.as_str()), ("EDITOR", &editor), ("VISUAL", "")];
    let edited = with_env(&env, &["edit", "sc", "shared"], "");
    ends(&edited, 0);
    assert_eq!(out(&edited), "sessioncluster/shared configured\n");
    let shown = out(&server.drey(&["get", "sc/shared", "-o", "yaml"]));
    assert!(shown.contains("numberOfTaskManagers: 5"), "{shown}");
}
