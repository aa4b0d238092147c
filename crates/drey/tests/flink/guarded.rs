//! A server that asks who is calling, and everything from the command line: tokens, an upload, secrets, a running job.

use std::fs;

use crate::harness::{Server, jar, text};
use crate::secrets::{GREETING, PASSWORD, assert_hidden, assert_unseen, hash, secret_job};

#[test]
fn with_a_token_an_uploaded_program_runs_with_secrets_that_nobody_sees() {
    let server = Server::guarded();
    let folder = tempfile::tempdir().unwrap();
    let uri = server.drey(&["artifact", "upload", &jar(), "--name", "secret job.jar"], "");
    server.drey(&["secret", "set", "greeting"], &format!("{GREETING}\n"));
    server.drey(&["secret", "set", "pw"], PASSWORD);

    let mut document = secret_job("app", uri.trim());
    document["spec"]["state"] = "RUNNING".into();
    let file = folder.path().join("app.json");
    fs::write(&file, document.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let (code, would) = server.try_drey(&["diff", "-f", file], "");
    assert_eq!(code, Some(1), "{would}");
    assert!(would.starts_with("deployment/app would be created; a job is started\n"), "{would}");
    server.drey(&["apply", "-f", file, "--wait", "--timeout", "90s"], "");
    let job = text(&server.deployment("app"), "/status/running/jobId");

    let expected = hash(&format!("hello {GREETING}"));
    let said = server.data_dir().join("logs").join(&job).join("jobmanager.out");
    server.until("what the job found", || {
        fs::read_to_string(&said).ok()?.contains(&expected).then_some(())
    });
    assert_unseen(&server, &job);

    document["spec"]["template"]["spec"]["flinkConfiguration"]["web.timeout"] = "700000".into();
    fs::write(file, document.to_string()).unwrap();
    let (code, would) = server.try_drey(&["diff", "-f", file], "");
    assert_eq!(code, Some(1), "{would}");
    assert!(would.contains("the running job: restart with state"), "{would}");
    for args in [
        &["get", "dep", "app", "-o", "yaml"][..],
        &["get", "secret", "-o", "yaml"],
        &["describe", "dep", "app"],
        &["events", "app"],
        &["logs", "app"],
        &["logs", "app", "-c", "jobmanager.out"],
    ] {
        assert_hidden(&args.join(" "), &server.drey(args, ""));
    }
    let log = fs::read_to_string(server.stderr()).unwrap();
    assert_hidden("the server's log", &log);
    assert!(!log.contains(&server.token()), "the server's log shows a token");

    server.drey(&["cancel", "app", "--wait", "--timeout", "90s"], "");
    server.assert_nothing_left();
}
