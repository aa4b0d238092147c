//! Secrets and uploaded artifacts with a real Flink: the job gets the values, and nobody else does.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Cluster, Server, Signal, deployment, jar, send, text};

const SECRETS: &str = "/api/v1/namespaces/default/secret-values";
const ARTIFACTS: &str = "/artifacts/v1/namespaces/default/artifacts";
/// Under a key that Flink holds for harmless.
pub(crate) const GREETING: &str = "gr33ting: \"ünïque\" #1";
/// On the command line of Java.
pub(crate) const PASSWORD: &str = "p4ss w0rd'$\\";

fn keep(server: &Server, name: &str, value: &str) {
    let secret =
        json!({ "metadata": { "name": name }, "spec": { "kind": "Plain", "value": value } });
    server.done("POST", SECRETS, Some(&secret));
}

pub(crate) fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn secret_job(name: &str, uri: &str) -> Value {
    let mut document = deployment(name, "SecretJob", "--rate 2000");
    let spec = &mut document["spec"]["template"]["spec"];
    spec["artifact"]["jarUri"] = json!(uri);
    spec["flinkConfiguration"]["fixture.greeting"] = json!("hello ${greeting}");
    spec["flinkConfiguration"]["env.java.opts.all"] = json!("-Dfixture.pw=${pw}");
    document
}

/// Both secrets, in any spelling that JSON gives them.
#[track_caller]
pub(crate) fn assert_hidden(what: &str, shown: &str) {
    for part in ["gr33ting", "ünïque", "p4ss w0rd"] {
        assert!(!shown.contains(part), "{what} shows {part}");
    }
}

/// Files below a folder that hold a secret.
fn files_with_secrets(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_with_secrets(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            let has =
                |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
            if has("gr33ting") || has("p4ss w0rd") {
                found.push(path.display().to_string());
            }
        }
    }
}

/// The program of a cluster, as it lies in the cache.
fn program(server: &Server, job: &str) -> String {
    let plan = server.data_dir().join("clusters").join(job).join("plan.json");
    let plan: Value = serde_json::from_slice(&fs::read(plan).unwrap()).unwrap();
    text(&plan, "/parts/jar")
}

/// Nobody who looks at the job sees a secret: through the API, the dashboard, or at its processes.
#[track_caller]
pub(crate) fn assert_unseen(server: &Server, job: &str) {
    let configuration = server.job(job);
    let configured = configuration.pointer("/spec/flinkConfiguration/fixture.greeting");
    assert_eq!(configured, Some(&json!("hello ${greeting}")));
    let (logs, ui) = (
        format!("/ext/v1/namespaces/default/jobs/{job}/logs"),
        format!("/flink-ui/v1/namespaces/default/jobs/{job}"),
    );
    let mut looks = vec![
        format!("{logs}/jobmanager.out"),
        format!("{logs}/jobmanager.log?limit=1000000"),
        format!("{logs}/drey.log"),
        format!("{ui}/jobmanager/config"),
        format!("{ui}/jobmanager/environment"),
        format!("{ui}/jobmanager/stdout"),
        format!("{ui}/jobmanager/log"),
        format!("{ui}/jobs/{}/jobmanager/config", job.replace('-', "")),
        format!("{ui}/jobs/{}/config", job.replace('-', "")),
        "/ext/v1/namespaces/default/deployments/app".to_owned(),
    ];
    for kind in ["deployments", "jobs", "events", "secret-values"] {
        looks.push(format!("/api/v1/namespaces/default/{kind}"));
    }
    for path in looks {
        let answer = server.call("GET", &path, None).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_hidden(&path, &answer.body);
    }
    let said = server.call("GET", &format!("{logs}/jobmanager.out"), None).unwrap().body;
    assert!(said.contains("FIXTURE SecretJob says hello ****** and ******."), "{said}");
    for process in server.processes() {
        assert_hidden("a command line", &process.command);
    }
}

#[test]
fn a_job_gets_its_secrets_and_nobody_who_looks_at_it_does() {
    let server = Server::start();
    keep(&server, "greeting", GREETING);
    keep(&server, "pw", PASSWORD);
    let uri = server.upload(ARTIFACTS, "secret job.jar", &fs::read(jar()).unwrap());
    server.create(&secret_job("app", &uri));
    let job = server.start_job("app");

    let expected = format!(
        "FIXTURE SecretJob greeting {} pw {}",
        hash(&format!("hello {GREETING}")),
        hash(PASSWORD)
    );
    let out = server.data_dir().join("logs").join(&job).join("jobmanager.out");
    server.until("what the job found", || {
        fs::read_to_string(&out).ok()?.contains(&expected).then_some(())
    });
    assert!(fs::read_to_string(&out).unwrap().contains(GREETING), "the job said it aloud");

    assert_unseen(&server, &job);

    // What runs keeps the value that it was started with, on TaskManagers of later days too.
    let change = json!({ "spec": { "value": "an0ther" } });
    server.done("PATCH", &format!("{SECRETS}/greeting"), Some(&change));
    let cluster: Cluster = server.cluster(&job);
    let first = cluster.pid("taskmanager-1").unwrap();
    send(first, Signal::KILL);
    server
        .until("another TaskManager", || cluster.pid("taskmanager-1").filter(|pid| *pid != first));
    let old = program(&server, &job);

    // The same name with another content is another program at the next start.
    let mut changed = fs::read(jar()).unwrap();
    let end = changed.len();
    changed[end - 2] = 1;
    changed.push(b'x');
    assert_eq!(server.upload(ARTIFACTS, "secret job.jar", &changed), uri);
    server.cancel("app");
    server.until_nothing_left();
    let mut left = Vec::new();
    files_with_secrets(&server.data_dir(), &mut left);
    assert_eq!(left, Vec::<String>::new(), "secrets on the disk after the job's end");

    let second = server.start_job("app");
    assert_ne!(program(&server, &second), old);
    let out = server.data_dir().join("logs").join(&second).join("jobmanager.out");
    let expected = hash("hello an0ther");
    server.until("the new value", || {
        fs::read_to_string(&out).ok()?.contains(&expected).then_some(())
    });
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn a_missing_secret_fails_each_attempt_by_name_and_starts_no_process() {
    let server = Server::start();
    keep(&server, "pw", PASSWORD);
    let mut document = secret_job("app", &format!("file://{}", jar()));
    document["spec"]["maxJobCreationAttempts"] = json!(2);
    document["spec"]["state"] = json!("RUNNING");
    server.create(&document);
    server.reach("app", "FAILED");
    let attempts = server.events_named("app", "FAILED_CREATING_A_NEW_JOB");
    assert_eq!(attempts.len(), 2, "{attempts:#?}");
    let path = "spec.template.spec.flinkConfiguration[\"fixture.greeting\"]";
    for message in &attempts {
        assert!(message.contains("'greeting'") && message.contains(path), "{message}");
    }
    let explained = server.try_get("/ext/v1/namespaces/default/deployments/app").to_string();
    assert!(explained.contains("'greeting'"), "{explained}");
    assert_eq!(server.jobs_seen_alive().len(), 0);
    for job in server.jobs("app") {
        let logs = server.data_dir().join("logs").join(text(&job, "/metadata/id"));
        assert!(!logs.join("jobmanager.out").exists());
    }
    server.assert_nothing_left();
}
