//! What goes on until it is stopped (`get -w`, `events -f`, `logs -f`), and what is started again after it failed.

use std::sync::{Arc, Mutex};

use crate::harness::{Fake, Following, Server, drey, ends, err, error, manifest, out, view};

const JOB: &str = "0198c0de-7000-7000-8000-000000000001";

#[test]
fn get_w_shows_what_is_there_and_then_every_change() {
    let server = Server::start();
    let file = server.file("a.yaml", &manifest("a", ""));
    ends(&server.drey(&["apply", "-f", &file]), 0);
    let table = Following::start(&server.url, &["get", "dep", "-w"]);
    let lines = Following::start(&server.url, &["get", "dep", "a", "-w", "-o", "jsonl"]);
    assert!(table.line().starts_with("NAME"));
    table.line_with(&["a ", "CANCELLED", " 1 "]);
    lines.line_with(&[r#""type":"ADDED""#, r#""name":"a""#]);

    server.file("a.yaml", &manifest("a", "      parallelism: 3\n"));
    ends(&server.drey(&["apply", "-f", &file]), 0);
    ends(&server.drey(&["apply", "-f", &server.file("b.yaml", &manifest("b", ""))]), 0);
    let changed = table.line_with(&["a ", " 3 "]);
    assert!(!changed.contains("NAME"), "{changed}");
    table.line_with(&["b ", "CANCELLED"]);
    lines.line_with(&[r#""type":"MODIFIED""#, r#""parallelism":3"#]);

    ends(&server.drey(&["delete", "dep", "b", "--yes"]), 0);
    ends(&server.drey(&["delete", "dep", "a", "--yes"]), 0);
    let last = lines.line_with(&["DELETED"]);
    assert!(last.contains(r#""name":"a""#), "{last}");
}

#[test]
fn get_w_of_what_is_not_there_ends_at_once() {
    let server = Server::start();
    ends(&server.drey(&["get", "dep", "missing", "-w"]), 3);
    ends(&server.drey(&["get", "dep", "-w", "-o", "yaml"]), 2);
}

/// Events as the server lists them: the newest first.
fn events(count: usize) -> String {
    let event = |n: usize| {
        format!(
            r#"{{"kind":"Event","apiVersion":"v1","metadata":{{"id":"0198c0de-7000-7000-8000-{n:012}","name":"EXTERNAL",
               "namespace":"default","createdAt":"2026-01-01T00:00:{n:02}Z","resourceVersion":1}},
               "spec":{{"message":"number {n}"}}}}"#
        )
    };
    list("Event", &(0..count).rev().map(event).collect::<Vec<_>>().join(","))
}

fn list(kind: &str, items: &str) -> String {
    format!(r#"{{"kind":"{kind}List","apiVersion":"v1","metadata":{{}},"items":[{items}]}}"#)
}

/// The Deployment of a view alone.
fn deployment(desired: &str, actual: &str) -> String {
    let whole: serde_json::Value = serde_json::from_str(&view(3, actual)).unwrap();
    let mut deployment = whole["deployment"].clone();
    deployment["spec"]["state"] = desired.into();
    deployment.to_string()
}

#[test]
fn events_f_tells_each_event_once_as_it_comes() {
    // Every look at the watch gives one hint and ends; the list is what counts.
    let stage = |count: usize| {
        move |path: &str| {
            let body = match path {
                path if path.starts_with("/ext/v1/watch") => {
                    "event: MODIFIED\ndata: {}\n\n".to_owned()
                }
                path if path.contains("/events") => events(count),
                _ => deployment("RUNNING", "RUNNING"),
            };
            (200, body)
        }
    };
    let fake = Fake::new(stage(2));
    let following = Following::start(&fake.url, &["events", "x", "-f"]);
    for n in 0..2 {
        assert_eq!(following.line(), format!("00:00:0{n}  EXTERNAL  number {n}"));
    }
    fake.change(|_| error(503, "ServiceUnavailable", "restarting"));
    fake.change(stage(4));
    for n in 2..4 {
        assert_eq!(following.line(), format!("00:00:0{n}  EXTERNAL  number {n}"));
    }
}

#[test]
fn logs_f_prints_what_is_written_and_ends_with_the_job() {
    let world = Arc::new(Mutex::new(("first\n".to_owned(), "STARTED")));
    let shown = Arc::clone(&world);
    let fake = Fake::new(move |path| {
        let (log, state) = shown.lock().unwrap().clone();
        let job = format!(
            r#"{{"kind":"Job","apiVersion":"v1","metadata":{{"id":"{JOB}","createdAt":"2026-01-01T00:00:00Z"}},
                "spec":{{}},"status":{{"state":"{state}"}}}}"#
        );
        let body = if path.contains("/logs/jobmanager.log") {
            let offset = path.split_once("offset=").map_or(0, |(_, from)| from.parse().unwrap());
            let (text, end) = (&log[offset..], log.len());
            serde_json::json!({ "text": text, "nextOffset": end, "size": end }).to_string()
        } else if path.ends_with("/logs") {
            r#"{"items":[{"name":"jobmanager.log","size":6},{"name":"taskmanager-1.log","size":0}]}"#.to_owned()
        } else if path.contains("/jobs?") {
            list("Job", &job)
        } else if path.ends_with(JOB) {
            job
        } else {
            deployment("RUNNING", "RUNNING")
        };
        (200, body)
    });
    let following = Following::start(&fake.url, &["logs", "x", "-f"]);
    assert_eq!(following.line(), "first");
    world.lock().unwrap().0.push_str("second\n");
    assert_eq!(following.line(), "second");
    *world.lock().unwrap() = ("first\nsecond\nlast\n".to_owned(), "FINISHED");
    assert_eq!(following.end(), (Some(0), vec!["last".to_owned()]));

    let once = drey(&fake.url, &["logs", "x", "--component", "jobmanager.log"]);
    assert_eq!(out(&once), "first\nsecond\nlast\n");
    ends(&drey(&fake.url, &["logs", "x", "-c", "nothing.log"]), 3);
}

#[test]
fn logs_of_a_session_cluster_are_those_of_one_run_and_end_with_it() {
    let [old, new] = [7, 8].map(|n| format!("00000000-0000-0000-0000-{n:012}"));
    let runs = Arc::new(Mutex::new(vec![old.clone()]));
    let current = Arc::clone(&runs);
    let fake = Fake::new(move |path| {
        let runs = current.lock().unwrap().clone();
        let is_old = path.contains(&format!("run={}", runs[runs.len() - 1]));
        let body = if path.contains("/sessionclusters/shared/logs/jobmanager.log?") {
            let text = if is_old { "one\n" } else { "begun anew\n" };
            let rest = if path.contains("offset=4") { "" } else { text };
            serde_json::json!({ "text": rest, "nextOffset": text.len(), "size": text.len() })
        } else if path.contains("/sessionclusters/shared/logs?run=") {
            serde_json::json!({ "items": [{ "name": "jobmanager.log", "size": 4 }] })
        } else {
            let cluster = serde_json::json!({
                "kind": "SessionCluster", "apiVersion": "v1", "metadata": { "name": "shared" }, "spec": {},
            });
            serde_json::json!({ "sessionCluster": cluster, "runId": runs[0], "runs": runs })
        };
        (200, body.to_string())
    });
    let before = drey(&fake.url, &["logs", "sc/shared", "--previous"]);
    ends(&before, 3);
    assert!(err(&before).contains("sessioncluster/shared has no run before"), "{}", err(&before));

    let following = Following::start(&fake.url, &["logs", "sc/shared", "-f"]);
    assert_eq!(following.line(), "one");
    *runs.lock().unwrap() = vec![new, old.clone()];
    assert_eq!(following.end(), (Some(0), vec![]), "it does not go on in the next run");

    assert_eq!(out(&drey(&fake.url, &["logs", "sc/shared"])), "begun anew\n");
    assert_eq!(out(&drey(&fake.url, &["logs", "sc/shared", "-p"])), "one\n");
    let none = drey(&fake.url, &["logs", "sc/shared", "-p", "-c", "tm"]);
    ends(&none, 3);
    let told = format!("run {old} of sessioncluster/shared has no log tm");
    assert!(err(&none).contains(&told), "{}", err(&none));
    for (wrong, told) in [("dt/local", "dt/local writes no logs"), (JOB, "is one run")] {
        let refused = drey(&fake.url, &["logs", wrong, "-p"]);
        ends(&refused, 2);
        assert!(err(&refused).contains(told), "{}", err(&refused));
    }
}

#[test]
fn start_tries_again_what_failed_and_sets_the_state_otherwise() {
    let path = "/api/v1/namespaces/default/deployments/x";
    let retry = "/ext/v1/namespaces/default/deployments/x/retry";
    for (desired, actual, expected) in [
        ("RUNNING", "FAILED", Some(format!("POST {retry}"))),
        ("SUSPENDED", "FAILED", Some(format!("PATCH {path}"))),
        ("CANCELLED", "CANCELLED", Some(format!("PATCH {path}"))),
        ("RUNNING", "RUNNING", None),
    ] {
        let fake = Fake::new(move |_| (200, deployment(desired, actual)));
        let started = drey(&fake.url, &["start", "x"]);
        ends(&started, 0);
        let told = if expected.is_some() { "starting" } else { "is RUNNING already" };
        assert_eq!(out(&started), format!("deployment/x {told}\n"));
        let asked = [Some(format!("GET {path}")), expected].into_iter().flatten();
        assert_eq!(fake.asked(), asked.collect::<Vec<_>>(), "{desired}, {actual}");
    }
}
