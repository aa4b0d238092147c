//! SQL scripts on a real Flink: one job with state, errors with their place in the script, what Deployments add to it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, flink_id, jar, sql, text};

const GENERATOR: &str = "CREATE TEMPORARY TABLE clicks (id BIGINT) WITH ('connector' = 'datagen',\n  'rows-per-second' = '50', \
     'fields.id.min' = '1', 'fields.id.max' = '5');\n";

fn with_script(script: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "artifact": { "sqlScript": script } } } } })
}

/// Counts clicks into the output of the TaskManager, and copies them into files.
fn counting(files: &Path, comment: &str) -> String {
    format!(
        "-- {comment}; with a semicolon\n\
         SET 'table.exec.mini-batch.enabled' = 'false';\n{GENERATOR}\
         CREATE TEMPORARY TABLE counts (id BIGINT, n BIGINT) WITH ('connector' = 'print');\n\
         CREATE TEMPORARY TABLE copies (id BIGINT) WITH ('connector' = 'filesystem', 'format' = 'csv',\n\
           'path' = 'file://{}', 'sink.rolling-policy.rollover-interval' = '1 s',\n\
           'sink.rolling-policy.check-interval' = '1 s');\n\
         BEGIN STATEMENT SET;\n\
         INSERT INTO counts SELECT id, COUNT(*) FROM clicks GROUP BY id;\n\
         INSERT INTO copies SELECT id FROM clicks;\n\
         END;\n",
        files.display()
    )
}

/// The highest count that a job printed, and whether it began any count anew.
fn counted(server: &Server, job: &str) -> (u64, bool) {
    let lines = server.printed(job);
    let count = |line: &String| line.trim_end_matches(']').rsplit(", ").next()?.parse::<u64>().ok();
    let highest = lines.iter().filter_map(count).max().unwrap_or(0);
    (highest, lines.iter().any(|line| line.starts_with("+I[")))
}

fn reach_count(server: &Server, job: &str, least: u64) -> u64 {
    server.until(&format!("a count of {least} of Job {job}"), || {
        let (highest, _) = counted(server, job);
        (highest >= least).then_some(highest)
    })
}

/// Rows in files that are complete.
fn copied(files: &Path) -> usize {
    let entries = fs::read_dir(files).into_iter().flatten().flatten();
    let complete = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    complete.map(|entry| fs::read_to_string(entry.path()).unwrap().lines().count()).sum()
}

#[test]
fn a_statement_set_is_one_job_that_keeps_its_state_when_suspended_and_when_the_script_changes() {
    let server = Server::start();
    let files = tempfile::tempdir().unwrap();
    let mut document = sql("app", &counting(files.path(), "first"));
    document["spec"]["upgradeStrategy"] = json!({ "kind": "STATEFUL" });
    server.create(&document);
    let first = server.start_job("app");
    let before = reach_count(&server, &first, 10);
    let jobs = server.flink(&first, "jobs/overview");
    let all: Vec<_> = jobs["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|j| (text(j, "/jid"), text(j, "/name")))
        .collect();
    assert_eq!(all, [(flink_id(&first), "app".to_owned())], "one job, with our id and name");

    server.want("app", "SUSPENDED");
    server.reach("app", "SUSPENDED");
    let savepoint = server.only_savepoint("app", "SUSPEND");
    assert!(counted(&server, &first).1, "the first job began its counts");
    assert!(copied(files.path()) > 0, "the second INSERT wrote nothing");
    let second = server.start_job("app");
    let location = text(&server.job(&second), "/spec/savepointLocation");
    assert_eq!(location, text(&savepoint, "/spec/savepointLocation"));
    reach_count(&server, &second, before + 1);
    assert!(
        !counted(&server, &second).1,
        "a restored count goes on: {:#?}",
        server.printed(&second)
    );

    server.patch("app", &with_script(&counting(files.path(), "second")));
    let third = server.running("app", &second);
    reach_count(&server, &third, before + 1);
    assert!(!counted(&server, &third).1, "{:#?}", server.printed(&third));
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn an_error_is_told_with_its_line_and_column_and_a_bounded_script_finishes() {
    let server = Server::start();
    let sink = "CREATE TEMPORARY TABLE results (id BIGINT) WITH ('connector' = 'print');\n";
    let mut document = sql(
        "app",
        &format!("{GENERATOR}{sink}\n  INSERT INTO results\n    SELECT idd FROM clicks;"),
    );
    document["spec"]["maxJobCreationAttempts"] = json!(1);
    server.create(&document);
    server.want("app", "RUNNING");
    server.reach("app", "FAILED");
    let message = "line 6, column 12 of the SQL script: SQL validation failed. From line 6, column 12 to line 6, \
                   column 14: Column 'idd' not found in any table";
    let job = server.jobs("app").remove(0);
    assert_eq!(text(&job, "/status/failure/message"), message);
    let told = server.events_named("app", "FAILED_CREATING_A_NEW_JOB");
    assert!(told[0].contains(message), "{told:?}");
    server.assert_nothing_left();

    // What can be seen without Flink is refused before anything is stored.
    let path = "/api/v1/namespaces/default/deployments/app";
    let refused = server.call("PATCH", path, Some(&with_script("USE a;\n SELECT 1"))).unwrap();
    assert_eq!(refused.status, 400);
    let problem = &refused.json()["context"]["problems"][0];
    assert_eq!(text(problem, "/path"), "spec.template.spec.artifact.sqlScript");
    assert!(text(problem, "/message").starts_with("line 2, column 2: a query alone"), "{problem}");

    let two = "CREATE TEMPORARY TABLE t (x STRING) WITH ('connector' = 'kafkaa', 'password' = 'secret-word');\n";
    server.patch(
        "app",
        &with_script(&format!(
            "{sink}{two}INSERT INTO results VALUES (1);\nINSERT INTO t VALUES ('a')"
        )),
    );
    server.until("the second failure", || (server.jobs("app").len() == 2).then_some(()));
    server.reach("app", "FAILED");
    let message = text(&server.jobs("app")[1], "/status/failure/message");
    assert!(message.starts_with("line 4, column 1 of the SQL script: "), "{message}");
    assert!(message.contains("Could not find any factory for identifier 'kafkaa'"), "{message}");
    assert!(!message.contains("secret-word"), "{message}");

    let bounded = format!(
        "SET 'execution.runtime-mode' = 'batch';\n{sink}INSERT INTO results VALUES (7), (8)"
    );
    server.patch("app", &with_script(&bounded));
    server.reach("app", "FINISHED");
    let job = text(&server.jobs("app")[2], "/metadata/id");
    let mut printed = server.printed(&job);
    printed.sort();
    assert_eq!(printed, ["+I[7]", "+I[8]"]);
}

#[test]
fn a_function_of_an_additional_dependency_is_found_by_planner_and_tasks() {
    let server = Server::start();
    let script = "CREATE TEMPORARY TABLE results (x STRING) WITH ('connector' = 'print');\n\
                  CREATE TEMPORARY FUNCTION shout AS 'drey.fixtures.Shout';\n\
                  INSERT INTO results SELECT shout(x) FROM (VALUES ('a'), ('b')) AS t (x)";
    let mut document = sql("app", script);
    let jars = json!([format!("file://{}", jar())]);
    document["spec"]["template"]["spec"]["artifact"]["additionalDependencies"] = jars;
    server.create(&document);
    server.want("app", "RUNNING");
    server.reach("app", "FINISHED");
    let mut printed = server.printed(&text(&server.jobs("app")[0], "/metadata/id"));
    printed.sort();
    assert_eq!(printed, ["+I[A!]", "+I[B!]"]);
}

#[test]
fn an_insert_means_the_names_of_its_place_and_settings_are_those_of_the_whole_job() {
    let server = Server::start();
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (x STRING) WITH ('connector' = 'print', 'print-identifier' = '{name}');\n"
        )
    };
    let script = format!(
        "SET 'execution.runtime-mode' = 'batch';\n\
         CREATE DATABASE db1;\nCREATE DATABASE db2;\n\
         {}{}\
         CREATE TEMPORARY VIEW word AS SELECT 'first' AS x;\n\
         USE db1;\nCREATE TEMPORARY VIEW word AS SELECT 'first' AS x;\nINSERT INTO t SELECT x FROM word;\n\
         DROP TEMPORARY VIEW word;\nCREATE TEMPORARY VIEW word AS SELECT 'again' AS x;\n\
         INSERT INTO t SELECT x FROM word;\nDROP TEMPORARY VIEW word;\n\
         USE db2;\nINSERT INTO t SELECT CAST(TO_TIMESTAMP_LTZ(0, 3) AS STRING);\n\
         SET 'table.local-time-zone' = 'Asia/Tokyo';\n",
        table("db1.t"),
        table("db2.t"),
    );
    server.create(&sql("app", &script));
    server.want("app", "RUNNING");
    server.reach("app", "FINISHED");
    let mut printed = server.printed(&text(&server.jobs("app")[0], "/metadata/id"));
    printed.sort();
    assert_eq!(
        printed,
        ["db1.t> +I[again]", "db1.t> +I[first]", "db2.t> +I[1970-01-01 09:00:00.000]",]
    );
}
