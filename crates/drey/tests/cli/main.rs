//! The program as its users meet it: real processes, real HTTP, exit codes and words.
//!
//! Two kinds of server: `drey serve` with an empty data folder, where Deployments stay CANCELLED so that no Flink is
//! needed; and a fake one with scripted answers, for what a good server does not do on demand.
//!
//! Beside this file: [`follow`], what goes on until it is stopped; [`quota`], CPU cores; [`sessions`],
//! SessionClusters; [`harness`], what the tests share.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its world does")]

mod follow;
mod harness;
mod kinds;
mod quota;
mod sessions;
mod who;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{DREY, Fake, Server, drey, ends, err, error, http, manifest, out, stage, with_input};

#[test]
fn the_life_of_a_declaration() {
    let server = Server::start();
    let file = server.file("a.yaml", &manifest("a", ""));

    let first = server.drey(&["apply", "-f", &file]);
    ends(&first, 0);
    assert_eq!(out(&first), "deployment/a created\n");
    let again = server.drey(&["apply", "-f", &file]);
    assert_eq!(out(&again), "deployment/a unchanged\n", "{}", err(&again));
    server.file("a.yaml", &manifest("a", "      parallelism: 3\n"));
    let waited = server.drey(&["apply", "-f", &file, "--wait", "--timeout", "20s"]);
    ends(&waited, 0);
    assert!(
        out(&waited).starts_with("deployment/a configured\ndeployment/a is CANCELLED ("),
        "{}",
        out(&waited)
    );

    let table = out(&server.drey(&["get", "dep"]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("NAME  HEALTH     DESIRED    ACTUAL     FLINK"), "{table}");
    assert!(
        lines[1].starts_with("a     Cancelled  CANCELLED  CANCELLED  1.20   3    -         -"),
        "{table}"
    );
    assert_eq!(out(&server.drey(&["get", "dep", "-o", "name"])), "deployment/a\n");
    assert_eq!(out(&server.drey(&["get", "dep", "-l", "team=b", "-o", "name"])), "");
    let json: serde_json::Value =
        serde_json::from_str(&out(&server.drey(&["get", "dep/a", "-o", "json"]))).unwrap();
    assert_eq!(json["spec"]["template"]["spec"]["artifact"]["flinkVersion"], "1.20");
    let page = server.drey(&["describe", "dep", "a"]);
    assert!(out(&page).contains("Desired CANCELLED, actual CANCELLED."), "{}", out(&page));

    let kept = server.drey(&["delete", "dep", "a"]);
    ends(&kept, 2);
    assert!(err(&kept).contains("add --yes"), "{}", err(&kept));
    ends(&server.drey(&["delete", "dep", "a", "--yes"]), 0);
    ends(&server.drey(&["get", "dep", "a"]), 3);
    let gone = server.drey(&["wait", "dep/a", "--for", "deleted", "--timeout", "1s"]);
    assert_eq!(out(&gone), "deployment/a is deleted (0:00)\n");
}

#[test]
fn many_documents_come_from_one_stream_and_from_what_get_printed() {
    let server = Server::start();
    let both = format!("{}---\n{}", manifest("one", ""), manifest("two", ""));
    let applied = with_input(&server.url, &["apply", "-f", "-"], &both);
    assert_eq!(
        out(&applied),
        "deployment/one created\ndeployment/two created\n",
        "{}",
        err(&applied)
    );
    let listed = out(&server.drey(&["get", "dep", "-o", "yaml"]));
    let again = with_input(&server.url, &["apply", "-f", "-"], &listed);
    ends(&again, 0);
    assert_eq!(out(&again).matches("unchanged").count(), 2, "{}", out(&again));
}

#[test]
fn refusals_have_their_own_exit_codes_and_list_every_problem() {
    let server = Server::start();
    let wrong = manifest("bad", "      parallelism: 0\n").replace("local", "nowhere");
    let refused = server.drey(&["apply", "-f", &server.file("bad.yaml", &wrong)]);
    ends(&refused, 6);
    assert!(err(&refused).contains("parallelism"), "{}", err(&refused));
    assert!(err(&refused).contains("deploymentTargetName"), "{}", err(&refused));
    assert_eq!(out(&refused), "");

    let file = server.file("a.yaml", &manifest("a", ""));
    ends(&server.drey(&["apply", "-f", &file]), 0);
    ends(&server.drey(&["apply", "-f", &file, "--if-version", "99"]), 5);
    ends(&server.drey(&["get", "dep", "missing"]), 3);
    ends(&server.drey(&["wait", "missing", "--for", "running"]), 3);
    ends(&server.drey(&["apply", "-f", "/no/such/file"]), 2);
    ends(&server.drey(&["get", "pods"]), 2);
    let unasked = server.drey(&["wait", "dep/a", "--for", "running"]);
    ends(&unasked, 7);
    assert!(err(&unasked).contains("drey start a --wait"), "{}", err(&unasked));
    let late =
        server.drey(&["wait", "dep/a", "--for", "state=RUNNING", "--timeout", "0", "-o", "json"]);
    ends(&late, 8);
    let result: serde_json::Value = serde_json::from_str(&out(&late)).unwrap();
    assert_eq!(result["result"], "timeout");
    assert!(err(&late).contains("desired CANCELLED, actual CANCELLED"), "{}", err(&late));
}

#[cfg(unix)]
#[test]
fn an_edit_that_is_refused_opens_the_editor_again_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("a.yaml", &manifest("a", ""))]), 0);
    let editor = server.file(
        "editor.sh",
        "#!/bin/sh\nif grep -q 'Not saved' \"$1\"; then cp \"$1\" \"$SEEN\"; sed -i 's/parallelism: 0/parallelism: 5/' \"$1\"\n\
         else sed -i 's/parallelism: 1/parallelism: 0/' \"$1\"; fi\n",
    );
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let seen = server.dir.path().join("seen.yaml");
    let edited = Command::new(DREY)
        .args(["edit", "dep", "a"])
        .env("DREY_SERVER", &server.url)
        .env("EDITOR", &editor)
        .env_remove("VISUAL")
        .env("SEEN", &seen)
        .output()
        .unwrap();
    ends(&edited, 0);
    assert_eq!(out(&edited), "deployment/a configured\n");
    let seen = std::fs::read_to_string(&seen).unwrap();
    assert!(seen.starts_with("#: Not saved: editing deployment/a failed\n"), "{seen}");
    assert!(out(&server.drey(&["get", "dep", "a", "-o", "yaml"])).contains("parallelism: 5"));
}

#[cfg(unix)]
#[test]
fn the_server_stops_when_told_and_keeps_what_it_knew() {
    let mut server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("a.yaml", &manifest("a", ""))]), 0);
    let second = Command::new(DREY)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.dir.path().join("data"))
        .output()
        .unwrap();
    ends(&second, 1);
    assert!(err(&second).contains("in use by another Drey server"), "{}", err(&second));
    let pid = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let status = server.child.wait().unwrap();
    assert!(status.success(), "{status}");
    ends(&server.drey(&["get", "dep"]), 9);
    let dir = std::mem::replace(&mut server.dir, tempfile::tempdir().unwrap());
    let mut next = Server::start_at(&dir);
    assert_eq!(out(&next.drey(&["get", "dep", "-o", "name"])), "deployment/a\n");
    next.child.kill().unwrap();
}
#[test]
fn each_refusal_of_a_server_has_its_exit_code() {
    let cases = [
        (401, "Unauthorized", 4),
        (403, "Forbidden", 4),
        (409, "Conflict", 5),
        (412, "PreconditionFailed", 5),
        (400, "BadRequest", 6),
        (500, "InternalError", 9),
        (503, "Unavailable", 9),
        (403, "ResourceQuotaExceeded", 10),
    ];
    for (status, reason, code) in cases {
        let fake = Fake::new(move |_| error(status, reason, "the very reason"));
        let refused = drey(&fake.url, &["get", "dep"]);
        ends(&refused, code);
        assert!(err(&refused).contains("the very reason"), "{}", err(&refused));
    }
    let nobody = drey("http://127.0.0.1:9", &["get", "dep"]);
    ends(&nobody, 9);
    assert!(err(&nobody).contains("drey serve"), "{}", err(&nobody));
    let html = Fake::new(|_| (200, "<html>".to_owned()));
    ends(&drey(&html.url, &["get", "dep"]), 9);
    ends(&drey("not a url", &["get", "dep"]), 2);
}

#[test]
fn a_wait_fails_fast_and_says_why_now_and_next() {
    let fake = Fake::new(stage(4, "TRANSITIONING"));
    let url = fake.url.clone();
    let waiting = std::thread::spawn(move || {
        drey(&url, &["wait", "x", "--for", "running", "--since-version", "3"])
    });
    std::thread::sleep(Duration::from_millis(700));
    fake.change(stage(5, "FAILED"));
    let started = Instant::now();
    let failed = waiting.join().unwrap();
    ends(&failed, 7);
    assert!(started.elapsed() < Duration::from_secs(8));
    assert_eq!(
        err(&failed).trim_end(),
        "error: deployment/x did not get to be running\n  why:  no such jar\n  now:  desired RUNNING, actual FAILED; \
         no Flink job is running\n  next: drey edit dep x\n        drey events x\n        drey logs x"
    );
}

#[test]
fn a_wait_outlives_lost_connections_and_old_failures_until_its_time_is_up() {
    let fake = Fake::new(stage(3, "FAILED"));
    let url = fake.url.clone();
    let waiting = std::thread::spawn(move || {
        drey(&url, &["wait", "x", "--for", "running", "--since-version", "3", "--timeout", "20s"])
    });
    std::thread::sleep(Duration::from_millis(700));
    fake.change(|_| error(503, "Unavailable", "restarting"));
    std::thread::sleep(Duration::from_millis(2_500));
    fake.change(stage(4, "RUNNING"));
    let done = waiting.join().unwrap();
    ends(&done, 0);
    assert!(out(&done).starts_with("deployment/x is RUNNING ("), "{}", out(&done));
    assert!(err(&done).contains("connection lost"), "{}", err(&done));

    let stuck = Fake::new(stage(3, "TRANSITIONING"));
    let late = drey(&stuck.url, &["wait", "x", "--for", "running", "--timeout", "1s"]);
    ends(&late, 8);
    assert!(
        err(&late).starts_with(
            "error: deployment/x is not running after 1s\n  why:  it is TRANSITIONING"
        ),
        "{}",
        err(&late)
    );
}

#[test]
fn a_wait_notices_that_its_object_disappears() {
    let fake = Fake::new(stage(3, "TRANSITIONING"));
    let url = fake.url.clone();
    let waiting = std::thread::spawn(move || drey(&url, &["wait", "x", "--for", "running"]));
    std::thread::sleep(Duration::from_millis(700));
    fake.change(|_| error(404, "NotFound", "no such deployment"));
    let gone = waiting.join().unwrap();
    ends(&gone, 3);
    assert!(err(&gone).contains("deleted meanwhile"), "{}", err(&gone));
}

#[test]
fn help_teaches_by_example_and_completion_knows_the_verbs() {
    let verbs = [
        "get",
        "describe",
        "apply",
        "diff",
        "edit",
        "delete",
        "start",
        "suspend",
        "cancel",
        "stop",
        "scale",
        "savepoint",
        "wait",
        "events",
        "logs",
        "artifact",
        "secret",
        "namespace",
        "token",
        "context",
        "explain",
        "quota",
        "serve",
        "demo",
        "flink",
        "completion",
    ];
    for verb in verbs {
        let help = drey("", &[verb, "--help"]);
        ends(&help, 0);
        assert!(out(&help).contains("Example"), "{verb}: {}", out(&help));
    }
    assert!(out(&drey("", &["--help"])).contains("8  wait: timeout"));
    let serve = out(&drey("", &["serve", "--help"]));
    for taught in [
        "/api/v1/namespaces/default/deployments",
        "/ext/v1/watch",
        "/flink-ui/v1/",
        "/metrics",
        "drey.db",
        "drey flink install",
        "drey apply",
        "DREY_LISTEN",
        "DREY_DATA_DIR",
        "DREY_CONFIG",
        "DREY_LOG_FORMAT",
        "DREY_HOST_NAMES",
        "DREY_EVENTS_PER_DEPLOYMENT",
        "DREY_QUOTA_CPU",
        "DREY_QUOTA_TOLERATED_CPU",
        "DREY_CACHE",
        "RUST_LOG",
        "SIGTERM",
    ] {
        assert!(serve.contains(taught), "{taught}: {serve}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = drey("", &["completion", shell]);
        ends(&script, 0);
        assert!(verbs.iter().all(|verb| out(&script).contains(verb)), "{shell}");
    }
    ends(&drey("", &["frobnicate"]), 2);
}

#[test]
fn a_data_folder_that_flink_cannot_name_is_refused_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("my data");
    let refused = Command::new(DREY)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&folder)
        .output()
        .unwrap();
    ends(&refused, 2);
    assert!(err(&refused).contains("its path has a space in it"), "{}", err(&refused));
    assert!(err(&refused).contains("--data-dir DIR"), "{}", err(&refused));
    assert!(!folder.exists());
}

#[test]
fn an_address_that_others_reach_takes_access_control_or_plain_words() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let args = ["serve", "--listen", "0.0.0.0:0", "--data-dir", data.to_str().unwrap()];
    let refused = drey("http://127.0.0.1:1", &args);
    ends(&refused, 2);
    let text = err(&refused);
    assert!(text.contains("--auth") && text.contains("--insecure-no-auth"), "{text}");
    assert!(!data.exists());
}

#[test]
fn a_server_on_this_machine_keeps_web_pages_out_and_counts_what_it_asks_of_flink() {
    let server = Server::start();
    let rebound = http(&server.url, "GET /api/v1/status HTTP/1.1\r\nhost: evil.example");
    assert!(rebound.starts_with("HTTP/1.1 403 "), "{rebound}");
    let page = "DELETE /api/v1/namespaces/default/deployments/a HTTP/1.1\r\nhost: localhost\r\n\
                origin: http://evil.example";
    let page = http(&server.url, page);
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("evil.example"), "{page}");
    let metrics = http(&server.url, "GET /metrics HTTP/1.1\r\nhost: localhost");
    assert!(metrics.contains("drey_flink_rest_requests_total{op=\"savepoint\"} 0\n"), "{metrics}");
    assert!(metrics.contains("drey_store_commits_total"), "{metrics}");
}

#[test]
fn defaults_are_declared_shown_and_never_deleted() {
    let server = Server::start();
    let spec = |parallelism: &str| {
        format!(
            "kind: DeploymentDefaults\nspec: {{template: {{spec: {{parallelism: {parallelism}}}}}}}\n"
        )
    };
    let file = server.file("defaults.yaml", &spec("3"));
    for did in ["configured", "unchanged"] {
        let applied = server.drey(&["apply", "-f", &file]);
        assert_eq!(out(&applied), format!("deploymentdefaults/deployment-defaults {did}\n"));
    }
    let table = out(&server.drey(&["get", "defaults"]));
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().take(3).collect();
    assert_eq!(row, ["deployment-defaults", "1", "3"], "{table}");
    server.file("defaults.yaml", &spec("null"));
    ends(&server.drey(&["apply", "-f", &file]), 0);
    let name = "defaults/deployment-defaults";
    let json: serde_json::Value =
        serde_json::from_str(&out(&server.drey(&["get", name, "-o", "json"]))).unwrap();
    assert_eq!(json["spec"], serde_json::json!({"template": {"spec": {}}}));
    ends(&server.drey(&["delete", name, "--yes"]), 2);
}

#[test]
fn a_server_does_not_start_with_defaults_that_make_no_sense() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("drey.yaml");
    let text = "globalDeploymentDefaults:\n  spec:\n    state: PAUSED\n    maxJobCreationAttempts: 0\n    odd: 1\n";
    std::fs::write(&config, text).unwrap();
    let refused = Command::new(DREY)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    ends(&refused, 2);
    for path in ["state", "maxJobCreationAttempts", "odd"] {
        let path = format!("globalDeploymentDefaults.spec.{path}: ");
        assert!(err(&refused).contains(&path), "{path}: {}", err(&refused));
    }
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn installed_flinks_are_found_in_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        Command::new(DREY).args(args).env("DREY_CACHE", dir.path()).output().unwrap()
    };
    ends(&run(&["flink", "path", "2.2.1"]), 3);
    ends(&run(&["flink", "path", "two"]), 2);
    assert_eq!(out(&run(&["flink", "list"])), "");
    let home = dir.path().join("flink").join("2.2.1");
    std::fs::create_dir_all(home.join("lib")).unwrap();
    std::fs::write(home.join("lib").join("flink-dist-2.2.1.jar"), "").unwrap();
    let found = run(&["flink", "path", "2.2"]);
    ends(&found, 0);
    assert_eq!(Path::new(out(&found).trim()), home);
}
