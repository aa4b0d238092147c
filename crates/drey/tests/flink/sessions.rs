//! SessionClusters: Deployments on a Flink cluster that they share.

use serde_json::{Value, json};

use crate::harness::{
    Cluster, Server, Signal, counter, deployment, flink_id, is_alive, jar, send, sql, text,
};

pub(crate) const CLUSTERS: &str = "/api/v1/namespaces/default/sessionclusters";

/// A small cluster with room for two jobs on each TaskManager.
pub(crate) fn shared() -> Value {
    let template = counter("unused")["spec"]["template"]["spec"].clone();
    json!({
        "metadata": { "name": "shared" },
        "spec": {
            "state": "RUNNING",
            "deploymentTargetName": "local",
            "flinkVersion": template["artifact"]["flinkVersion"],
            "resources": template["resources"],
            "flinkConfiguration": { "taskmanager.numberOfTaskSlots": "2" },
        },
    })
}

/// The counter on that cluster. Its Flink job has the Deployment's name, by which the sentinel tells jobs apart.
pub(crate) fn on_shared(name: &str) -> Value {
    let mut deployment = moved(counter(name));
    let artifact = &mut deployment["spec"]["template"]["spec"]["artifact"];
    artifact["mainArgs"] = json!(format!("--rate 2000 --name {name}"));
    deployment
}

/// The same Deployment on that cluster.
pub(crate) fn moved(mut deployment: Value) -> Value {
    let spec = &mut deployment["spec"];
    spec["deploymentTargetName"] = Value::Null;
    spec["sessionClusterName"] = json!("shared");
    spec["template"]["spec"]["flinkConfiguration"] =
        json!({ "execution.checkpointing.interval": "1 s" });
    deployment
}

fn cluster(server: &Server) -> Value {
    server.try_get(&format!("{CLUSTERS}/shared"))
}

/// Waits for a state, with as many TaskManagers as asked for; returns the run.
pub(crate) fn reach(server: &Server, state: &str, managers: usize) -> String {
    server.until(&format!("the cluster to be {state}"), || {
        (text(&cluster(server), "/status/state") == state).then_some(())
    });
    let explained = server.try_get("/ext/v1/namespaces/default/sessionclusters/shared");
    let run = text(&explained, "/runId");
    if state == "RUNNING" {
        let live = Cluster::of(&server.data_dir(), &run).pids().len();
        assert_eq!(live, managers + 1, "a JobManager and its TaskManagers");
    }
    run
}

pub(crate) fn patch(server: &Server, change: &Value) -> u16 {
    server.call("PATCH", &format!("{CLUSTERS}/shared"), Some(change)).unwrap().status
}

/// What a job started from, by Flink's own account.
pub(crate) fn restored_from(server: &Server, job: &str) -> String {
    let path = format!("jobs/{}/checkpoints", flink_id(job));
    server.until("the job's restored snapshot", || {
        let answer = server.flink(job, &path);
        let found = answer.pointer("/latest/restored/external_path")?.as_str()?.to_owned();
        Some(found.replacen("file:/", "file:///", 1).replacen("file://///", "file:///", 1))
    })
}

fn started(server: &Server) {
    server.done("POST", CLUSTERS, Some(&shared()));
    reach(server, "RUNNING", 1);
}

#[test]
fn deployments_share_a_cluster_that_scales_without_disturbing_them() {
    let server = Server::start();
    started(&server);
    for name in ["one", "two"] {
        server.create(&on_shared(name));
    }
    let (one, two) = (server.start_job("one"), server.start_job("two"));
    let jars = server.flink(&one, "jars");
    assert_eq!(jars["files"].as_array().unwrap().len(), 1, "one upload for both: {jars:#}");
    let seen = server.jobs_seen_alive();
    assert!(seen.contains(&flink_id(&one)) && seen.contains(&flink_id(&two)), "{seen:?}");

    for managers in [2, 1] {
        let change = json!({ "spec": { "numberOfTaskManagers": managers } });
        assert_eq!(patch(&server, &change), 200);
        server.until("the scaling to be noticed", || {
            let all = server.flink(&one, "taskmanagers");
            let is_done = all["taskmanagers"].as_array()?.len() == managers;
            (is_done && text(&cluster(&server), "/status/state") == "RUNNING").then_some(())
        });
    }
    for job in [&one, &two] {
        let started = server.job(job);
        assert_eq!(started.pointer("/status/started/observedFlinkJobRestarts"), Some(&json!(0)));
    }

    let counted = server.counted(&one);
    server.want("one", "SUSPENDED");
    server.reach("one", "SUSPENDED");
    let savepoint = server.only_savepoint("one", "SUSPEND");
    let again = server.start_job("one");
    assert_eq!(restored_from(&server, &again), text(&savepoint, "/spec/savepointLocation"));
    assert!(server.counted(&again) >= counted, "the count goes on");
    assert_eq!(server.running("two", ""), two, "the neighbour did not notice");

    let refused = server.call(
        "PATCH",
        &format!("{CLUSTERS}/shared"),
        Some(&json!({"spec": {"state": "STOPPED"}})),
    );
    let refused = refused.unwrap();
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(refused.body.contains("(one, two)"), "{}", refused.body);
    assert_eq!(patch(&server, &json!({ "spec": { "flinkVersion": "1.19" } })), 400);
    server.cancel("one");
    server.cancel("two");
    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(&server, "STOPPED", 0);
    server.assert_nothing_left();
    let path = "/ext/v1/namespaces/default/sessionclusters/shared/logs/jobmanager.log?tail=100";
    let log = server.call("GET", path, None).unwrap();
    assert!(log.status == 200 && log.body.contains(&flink_id(&again)), "{}", log.body);
}

#[test]
fn a_killed_job_manager_is_replaced_and_its_jobs_are_restored_also_when_drey_dies_meanwhile() {
    let mut server = Server::start();
    started(&server);
    let old = reach(&server, "RUNNING", 1);
    for name in ["one", "two"] {
        server.create(&on_shared(name));
    }
    let before = [server.start_job("one"), server.start_job("two")];
    let checkpoints = |job: &str| {
        let path = format!("jobs/{}/checkpoints", flink_id(job));
        server.until("a complete checkpoint that holds something", || {
            let counted = server.counted(job);
            let done = server.flink(job, &path).pointer("/counts/completed")?.as_u64()?;
            (done >= 3).then_some(counted)
        })
    };
    before.iter().for_each(|job| {
        checkpoints(job);
    });
    let processes = Cluster::of(&server.data_dir(), &old);
    let pids = processes.pids();
    send(processes.pid("jobmanager").unwrap(), Signal::KILL);
    server.kill();
    assert!(server.run(None));

    for (name, first) in ["one", "two"].into_iter().zip(&before) {
        let second = server.running(name, first);
        let location = text(&server.job(&second), "/spec/savepointLocation");
        assert!(location.contains(&flink_id(first)), "{location} is not of {first}");
        assert_eq!(restored_from(&server, &second), location);
        assert_eq!(server.jobs(name).len(), 2, "one new Job, not more");
    }
    for pid in pids {
        assert!(!is_alive(pid), "{pid} of the old run still runs");
    }
    assert_ne!(reach(&server, "RUNNING", 1), old, "another run");
    server.cancel("one");
    server.cancel("two");
    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(&server, "STOPPED", 0);
    server.assert_nothing_left();
}

#[test]
fn only_the_annotation_gives_up_a_job_that_flink_does_not_cancel() {
    let server = Server::start();
    started(&server);
    let run = reach(&server, "RUNNING", 1);
    server.create(&on_shared("one"));
    let job = server.start_job("one");
    let manager = Cluster::of(&server.data_dir(), &run).pid("jobmanager").unwrap();
    send(manager, Signal::STOP);
    server.want("one", "CANCELLED");
    server.until("a request without an answer", || {
        let explained = server.try_get("/ext/v1/namespaces/default/deployments/one");
        text(&explained, "/explanation/summary").contains("answer").then_some(())
    });
    assert_eq!(server.state("one"), "TRANSITIONING");
    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 409);

    let annotation = json!({ "deployment.sessionmode.force-cancellation": job });
    server.patch("one", &json!({ "metadata": { "annotations": annotation } }));
    server.reach("one", "CANCELLED");
    assert_eq!(text(&server.job(&job), "/status/state"), "TERMINATED");
    let named = server.events_named("one", "GENERAL_FAILURE");
    assert!(named.iter().any(|message| message.contains(&flink_id(&job))), "{named:?}");

    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(&server, "STOPPED", 0);
    server.until_nothing_left();
}

/// What a user of ZooKeeper would write; nobody listens there.
fn with_zookeeper(configuration: &mut Value) {
    let lines = [
        ("high-availability", "zookeeper"),
        ("high-availability.zookeeper.quorum", "127.0.0.1:1"),
        ("high-availability.storageDir", "file:///nowhere/ha"),
    ];
    for (key, value) in lines {
        configuration[key] = json!(value);
    }
}

fn assert_without_ha(server: &Server, job: &str) {
    let job = server.job(job);
    let effective = job.pointer("/spec/flinkConfiguration").and_then(Value::as_object).unwrap();
    assert!(!effective.keys().any(|key| key.starts_with("high-availability")), "{effective:#?}");
}

#[test]
fn no_cluster_keeps_jobs_in_a_high_availability_store_where_its_successor_would_find_them() {
    let server = Server::start();
    let mut cluster = shared();
    with_zookeeper(&mut cluster["spec"]["flinkConfiguration"]);
    server.done("POST", CLUSTERS, Some(&cluster));
    reach(&server, "RUNNING", 1);
    let mut own = counter("own");
    for (document, at) in [(&mut own, "own"), (&mut on_shared("one"), "one")] {
        with_zookeeper(&mut document["spec"]["template"]["spec"]["flinkConfiguration"]);
        server.create(document);
        assert_without_ha(&server, &server.start_job(at));
    }
    server.cancel("own");
    server.cancel("one");
    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(&server, "STOPPED", 0);
    server.assert_nothing_left();
}

#[test]
fn a_job_on_a_shared_cluster_shows_what_holds_finds_its_dependencies_and_tells_its_own_time_outs() {
    let server = Server::start();
    started(&server);
    let mut one = on_shared("one");
    let configuration = &mut one["spec"]["template"]["spec"]["flinkConfiguration"];
    configuration["taskmanager.numberOfTaskSlots"] = json!("8");
    configuration["pipeline.max-parallelism"] = json!("64");
    server.create(&one);
    let job = server.start_job("one");
    let effective = server.job(&job)["spec"]["flinkConfiguration"].clone();
    assert_eq!(effective["taskmanager.numberOfTaskSlots"], "2", "of the cluster");
    assert_eq!(effective["pipeline.max-parallelism"], "64", "of the job");

    let folder = tempfile::tempdir().unwrap();
    let dependency = folder.path().join("download");
    std::fs::copy(jar(), &dependency).unwrap();
    let mut script = sql(
        "script",
        "SET 'execution.runtime-mode' = 'batch';\n\
         CREATE TEMPORARY TABLE results (x STRING) WITH ('connector' = 'print');\n\
         CREATE TEMPORARY FUNCTION shout AS 'drey.fixtures.Shout';\n\
         INSERT INTO results SELECT shout(x) FROM (VALUES ('a')) AS t (x)",
    );
    script["spec"]["template"]["spec"]["artifact"]["additionalDependencies"] =
        json!([format!("file://{}", dependency.display())]);
    let mut failing = deployment("failing", "FailStartJob", "--timeout 1");
    failing["spec"]["maxJobCreationAttempts"] = json!(1);
    for (document, name, state) in
        [(&mut script, "script", "FINISHED"), (&mut failing, "failing", "FAILED")]
    {
        document["spec"]["deploymentTargetName"] = Value::Null;
        document["spec"]["sessionClusterName"] = json!("shared");
        document["spec"]["template"]["spec"]["flinkConfiguration"] = json!({});
        server.create(document);
        server.want(name, "RUNNING");
        server.reach(name, state);
    }
    let why = text(&server.jobs("failing")[0], "/status/failure/message");
    assert!(why.ends_with("TimeoutException: fixture: nobody answered main()"), "{why}");
    for name in ["one", "script", "failing"] {
        server.cancel(name);
    }
    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(&server, "STOPPED", 0);
    server.assert_nothing_left();
}
