//! SQL scripts and Python programs on a SessionCluster, beside each other and beside jars.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, deployment, flink_id, jar, of_artifact, sql, text};
use crate::python::{TABLES, file, python};
use crate::sessions::{CLUSTERS, moved, on_shared, patch, reach, restored_from, shared};

/// Counts clicks by a name that a function of an additional jar makes.
const SCRIPT: &str = "\
CREATE TEMPORARY TABLE clicks (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20',
  'fields.id.min' = '1', 'fields.id.max' = '3');
CREATE TEMPORARY TABLE counts (id STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TEMPORARY FUNCTION shout AS 'drey.fixtures.Shout';
INSERT INTO counts SELECT shout('s' || CAST(id AS STRING)), COUNT(*) FROM clicks GROUP BY id;";

/// A short job with the name that the program itself gives it.
const SHORT: &str = r#"
import sys
from pyflink.table import EnvironmentSettings, TableEnvironment

tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.get_config().set("pipeline.name", sys.argv[1])
tables.execute_sql("CREATE TEMPORARY TABLE clicks (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3')")
tables.execute_sql("CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole')")
tables.execute_sql("INSERT INTO nowhere SELECT id FROM clicks")
"#;

const SHORT_SCRIPT: &str = "\
CREATE TEMPORARY TABLE clicks (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO nowhere SELECT id FROM clicks;";

/// A cluster with room for all jobs of a test.
fn started(server: &Server) -> String {
    let mut document = shared();
    document["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"] = json!("8");
    document["spec"]["resources"]["taskmanager"]["memory"] = json!("2G");
    server.done("POST", CLUSTERS, Some(&document));
    reach(server, "RUNNING", 1)
}

fn python_on_shared(folder: &Path, name: &str, program: &str, args: &str) -> Value {
    let mut artifact = python(&file(folder, &format!("{name}.py"), program));
    artifact["mainArgs"] = json!(args);
    moved(of_artifact(name, artifact))
}

/// The highest count of each name that begins like this, and how many counts were begun.
fn counted(server: &Server, job: &str, begin: &str) -> (u64, usize) {
    let lines = server.printed(job);
    let (mut highest, mut begun) = (0, 0);
    for line in &lines {
        // Such as `+U[user-1, 7]`; the last line may not be complete.
        let Some((change, row)) = line.split_once('[').filter(|(_, row)| row.starts_with(begin))
        else {
            continue;
        };
        let count = row.strip_suffix(']').and_then(|row| row.rsplit_once(", ")?.1.parse().ok());
        highest = highest.max(count.unwrap_or(0));
        begun += usize::from(change == "+I");
    }
    (highest, begun)
}

fn reach_count(server: &Server, job: &str, begin: &str, least: u64) {
    server.until(&format!("{begin} to be counted to {least}"), || {
        (counted(server, job, begin).0 >= least).then_some(())
    });
}

/// Names of all jobs that the cluster knows, by their ids.
fn jobs(server: &Server, one: &str) -> BTreeMap<String, String> {
    let overview = server.flink(one, "jobs/overview");
    let jobs = overview["jobs"].as_array().cloned().unwrap_or_default();
    jobs.iter().map(|job| (text(job, "/jid"), text(job, "/name"))).collect()
}

/// Waits until no program is left on the cluster, and stops it.
fn stop(server: &Server, one: &str) {
    server.until("the uploads to be deleted", || {
        let jars = server.flink(one, "jars");
        jars["files"].as_array()?.is_empty().then_some(())
    });
    assert_eq!(patch(server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(server, "STOPPED", 0);
    server.assert_nothing_left();
}

#[test]
fn a_script_a_program_and_a_jar_begin_at_once_and_resume_with_their_state() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    started(&server);
    let mut script = moved(sql("script", SCRIPT));
    script["spec"]["template"]["spec"]["artifact"]["additionalDependencies"] =
        json!([format!("file://{}", jar())]);
    server.create(&script);
    let mut program = python_on_shared(folder.path(), "program", TABLES, "-py 20");
    let template = &mut program["spec"]["template"]["spec"];
    let library = file(folder.path(), "labels.py", "def label(n): return 'user-%d' % n\n");
    template["artifact"]["additionalPythonLibraries"] = json!([library]);
    template["flinkConfiguration"]["pipeline.name"] = json!("program");
    server.create(&program);
    server.create(&on_shared("jar"));
    let names = ["program", "script", "jar"];
    names.iter().for_each(|name| server.want(name, "RUNNING"));
    let first = names.map(|name| server.running(name, ""));
    let expected: BTreeMap<String, String> =
        first.iter().zip(names).map(|(job, name)| (flink_id(job), name.to_owned())).collect();
    assert_eq!(jobs(&server, &first[0]), expected);

    for (name, begin, job) in [("program", "user-", &first[0]), ("script", "S", &first[1])] {
        reach_count(&server, job, begin, 10);
        server.want(name, "SUSPENDED");
        server.reach(name, "SUSPENDED");
        let savepoint = server.only_savepoint(name, "SUSPEND");
        let (highest, begun) = counted(&server, job, begin);
        let second = server.start_job(name);
        assert_eq!(restored_from(&server, &second), text(&savepoint, "/spec/savepointLocation"));
        reach_count(&server, &second, begin, highest + 1);
        assert_eq!(counted(&server, &second, begin).1, begun, "restored counts go on");
    }
    assert_eq!(server.running("jar", ""), first[2], "the neighbour did not notice");
    names.iter().for_each(|name| server.cancel(name));
    stop(&server, &first[2]);
}

#[test]
fn errors_of_a_script_and_of_a_program_are_told_with_their_place() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    started(&server);
    let raises = "def inner():\n    raise ValueError('fixture: no such thing')\n\ninner()\n";
    let script = SCRIPT.replace("CAST(id ", "CAST(idd ");
    let mut script = moved(sql("script", &script));
    script["spec"]["template"]["spec"]["artifact"]["additionalDependencies"] =
        json!([format!("file://{}", jar())]);
    let table = "from pyflink.table import EnvironmentSettings, TableEnvironment\n\
                 TableEnvironment.create(EnvironmentSettings.in_batch_mode()).execute_sql('INSERT INTO nowhere SELECT 1')\n";
    let told = [
        (script, "line 5, column 45 of the SQL script: ", "Column 'idd' not found in any table"),
        (
            python_on_shared(folder.path(), "raises", raises, ""),
            "raises.py, line 2: ValueError: fixture: no such thing",
            "code: 1",
        ),
        (python_on_shared(folder.path(), "table", table, ""), "table.py, line 2: ", "nowhere"),
    ];
    for (mut document, begin, within) in told {
        let name = text(&document, "/metadata/name");
        document["spec"]["maxJobCreationAttempts"] = json!(1);
        document["spec"]["state"] = json!("RUNNING");
        server.create(&document);
        server.reach(&name, "FAILED");
        let message = text(&server.jobs(&name)[0], "/status/failure/message");
        assert!(message.contains(begin) && message.contains(within), "{name}: {message}");
        server.cancel(&name);
    }
    assert_eq!(patch(&server, &json!({ "spec": { "state": "STOPPED" } })), 200);
    reach(&server, "STOPPED", 0);
    server.assert_nothing_left();
}

#[test]
fn programs_that_begin_at_once_keep_their_own_ids_and_settings() {
    const ROUNDS: usize = 3;
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    started(&server);
    server.create(&on_shared("jar"));
    let witness = server.start_job("jar");
    let mut expected = BTreeMap::from([(flink_id(&witness), "jar".to_owned())]);
    for round in 0..ROUNDS {
        let names = |kind: &str, count: usize| -> Vec<String> {
            (0..count).map(|n| format!("{kind}-{round}-{n}")).collect()
        };
        let (programs, scripts) = (names("program", 4), names("script", 2));
        let jars = names("jar", 2);
        for name in &programs {
            server.create(&python_on_shared(folder.path(), name, SHORT, name));
        }
        for name in &scripts {
            server.create(&moved(sql(name, SHORT_SCRIPT)));
        }
        for name in &jars {
            let args = format!("--n 20 --name {name}");
            server.create(&moved(deployment(name, "FiniteJob", &args)));
        }
        let all: Vec<String> = [programs, scripts, jars].concat();
        all.iter().for_each(|name| server.want(name, "RUNNING"));
        for name in all {
            server.reach(&name, "FINISHED");
            let found = server.jobs(&name);
            assert_eq!(found.len(), 1, "{name} needed another Job: {found:#?}");
            expected.insert(flink_id(&text(&found[0], "/metadata/id")), name);
        }
    }
    assert_eq!(jobs(&server, &witness), expected);
    server.cancel("jar");
    stop(&server, &witness);
}
