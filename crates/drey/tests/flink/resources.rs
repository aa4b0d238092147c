//! Logging, resources and configuration: what the Deployment says reaches the processes.

use serde_json::{Value, json};

use crate::harness::{Server, counter, text};

/// The template of the documentation, as a reader copies it.
fn template() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/logging-and-resources.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, block) = page.split_once("```xml\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    block.to_owned()
}

/// The whole log of a process.
fn log(server: &Server, job: &str, file: &str) -> String {
    let path = format!("/ext/v1/namespaces/default/jobs/{job}/logs/{file}?offset=0&limit=1000000");
    server.call("GET", &path, None).map(|answer| answer.body).unwrap_or_default()
}

#[test]
fn log_levels_and_templates_reach_jobmanager_and_taskmanager() {
    let server = Server::start();
    let mut document = counter("app");
    let levels = json!({
        "": "WARN",
        "org.apache.flink.runtime.checkpoint": "DEBUG",
        "org.apache.flink.runtime.taskexecutor": "DEBUG",
    });
    document["spec"]["template"]["spec"]["logging"] = json!({ "log4jLoggers": levels });
    server.create(&document);
    let first = server.start_job("app");
    for (file, class) in [
        ("jobmanager.log", "org.apache.flink.runtime.checkpoint"),
        ("taskmanager-1.log", "org.apache.flink.runtime.taskexecutor"),
    ] {
        let wanted = format!(" DEBUG {class}");
        server.until(&format!("`{wanted}` in {file}"), || {
            log(&server, &first, file).contains(&wanted).then_some(())
        });
        let text = log(&server, &first, file);
        let other = text.lines().find(|line| line.contains(" INFO  org.apache.flink.runtime.rpc"));
        assert_eq!(other, None, "{file} is at WARN otherwise");
    }

    let logging = json!({ "log4j2ConfigurationTemplate": template() });
    server.patch("app", &json!({ "spec": { "template": { "spec": { "logging": logging } } } }));
    let second = server.running("app", &first);
    for (file, class) in [
        ("jobmanager.log", "org.apache.flink.runtime.checkpoint"),
        ("taskmanager-1.log", "org.apache.flink.runtime.taskexecutor"),
    ] {
        let wanted = format!("DEBUG app {class}");
        server.until(&format!("`{wanted}` in {file}"), || {
            log(&server, &second, file).contains(&wanted).then_some(())
        });
    }
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn sizes_slots_and_configuration_reach_the_processes_and_the_job_shows_both_sides() {
    let server = Server::start();
    let mut document = counter("app");
    let spec = &mut document["spec"]["template"]["spec"];
    spec["parallelism"] = json!(3);
    spec["resources"]["taskmanager"] = json!({ "cpu": 0.5, "memory": "1.1G" });
    spec["flinkConfiguration"]["heartbeat.timeout"] = json!("7 s");
    spec["flinkConfiguration"]["rest.port"] = json!("1");
    let answer =
        server.call("POST", "/api/v1/namespaces/default/deployments", Some(&document)).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let job = server.start_job("app");

    // 3 tasks at 2 slots each: two TaskManagers.
    let managers = server.flink(&job, "taskmanagers")["taskmanagers"].clone();
    let managers = managers.as_array().cloned().unwrap_or_default();
    assert_eq!(managers.len(), 2, "{managers:#?}");
    for manager in &managers {
        assert_eq!(manager["slotsNumber"], 2, "{manager:#}");
        let id = text(manager, "/id");
        let detail = server.flink(&job, &format!("taskmanagers/{id}"));
        let memory = &detail["memoryConfiguration"];
        assert_eq!(memory["totalProcessMemory"], 1_100_000_000, "{detail:#}");
    }
    let own = server.flink(&job, "jobmanager/config");
    let own = own.as_array().cloned().unwrap_or_default();
    let value = |key: &str| {
        let found = own.iter().find(|line| text(line, "/key") == key);
        found.map(|line| text(line, "/value")).unwrap_or_default()
    };
    assert_eq!(value("heartbeat.timeout"), "7 s", "the user's wins over the default");
    assert_eq!(value("execution.shutdown-on-application-finish"), "false");
    assert_ne!(value("rest.port"), "1", "what is reserved stays");

    let spec = &server.job(&job)["spec"];
    let (effective, user) = (&spec["flinkConfiguration"], &spec["userFlinkConfiguration"]);
    assert_eq!(effective["taskmanager.memory.process.size"], "1100000000b");
    assert_eq!(effective["heartbeat.timeout"], "7 s");
    assert_eq!(user["heartbeat.timeout"], "7 s");
    assert_eq!(user["taskmanager.memory.process.size"], Value::Null);
    assert_eq!(spec["numberOfTaskManagers"], 2);
    server.cancel("app");

    let too_much = json!({ "spec": { "template": { "spec": { "flinkConfiguration": {
        "taskmanager.memory.managed.size": "3g",
    } } } } });
    let path = "/api/v1/namespaces/default/deployments/app";
    let refused = server.call("PATCH", path, Some(&too_much)).unwrap();
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("resources.taskmanager.memory"), "{refused:?}");
    server.assert_nothing_left();
}
