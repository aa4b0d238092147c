//! Python programs on a real Flink, with the PyFlink that `drey flink install --python` made.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Server, of_artifact, text};

/// Counts in Python and in Flink's state; its function comes from a library.
pub(crate) const TABLES: &str = r#"
import sys
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

@udf(result_type=DataTypes.STRING())
def label(n):
    import labels
    return labels.label(n)

tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.create_temporary_function("label", label)
tables.execute_sql("""CREATE TEMPORARY TABLE clicks (id BIGINT) WITH ('connector' = 'datagen',
    'rows-per-second' = '%s', 'fields.id.min' = '1', 'fields.id.max' = '3')""" % sys.argv[2])
tables.execute_sql("CREATE TEMPORARY TABLE counts (id STRING, n BIGINT) WITH ('connector' = 'print')")
tables.execute_sql("INSERT INTO counts SELECT label(id), COUNT(*) FROM clicks GROUP BY id")
"#;

const STREAM: &str = r#"
from pyflink.common import Types
from pyflink.datastream import StreamExecutionEnvironment

env = StreamExecutionEnvironment.get_execution_environment()
numbers = env.from_collection([1, 2, 3], type_info=Types.INT())
numbers.map(lambda n: n * 10, output_type=Types.INT()).print()
env.execute("numbers")
"#;

pub(crate) fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    format!("file://{}", path.display())
}

pub(crate) fn python(uri: &str) -> Value {
    json!({ "kind": "PYTHON", "pythonArtifactUri": uri })
}

fn counts(server: &Server, job: &str) -> Vec<(String, u64)> {
    let lines = server.printed(job);
    let parse = |line: &String| {
        let (change, rest) = line.trim_end_matches(']').split_once('[')?;
        let (label, count) = rest.split_once(", ")?;
        Some((format!("{change} {label}"), count.parse().ok()?))
    };
    lines.iter().filter_map(parse).collect()
}

#[test]
fn a_program_with_a_library_and_arguments_runs_and_resumes_with_its_state() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let mut artifact = python(&file(folder.path(), "counts.py", TABLES));
    let library = file(folder.path(), "labels.py", "def label(n): return 'user-%d' % n\n");
    artifact["additionalPythonLibraries"] = json!([library]);
    // Flink itself knows an option of this name.
    artifact["mainArgs"] = json!("-py 20");
    server.create(&of_artifact("app", artifact));
    let first = server.start_job("app");
    let highest = server.until("counts of 10", || {
        let all = counts(&server, &first);
        all.iter().map(|(_, n)| *n).max().filter(|n| *n >= 10)
    });
    assert!(counts(&server, &first).iter().all(|(label, _)| label.contains(" user-")));
    server.want("app", "SUSPENDED");
    server.reach("app", "SUSPENDED");
    server.only_savepoint("app", "SUSPEND");
    server.assert_nothing_left();

    let second = server.start_job("app");
    server.until("a higher count", || {
        counts(&server, &second).iter().any(|(_, n)| *n > highest).then_some(())
    });
    let begun = counts(&server, &second).into_iter().any(|(label, _)| label.starts_with("+I"));
    assert!(!begun, "a restored count goes on");
    server.cancel("app");
    server.assert_nothing_left();
}

#[test]
fn a_program_that_raises_is_told_with_its_place_and_a_module_of_a_zip_finishes() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let raises = "def inner():\n    raise ValueError('fixture: no such thing')\n\ninner()\n";
    let mut document = of_artifact("app", python(&file(folder.path(), "raises.py", raises)));
    document["spec"]["maxJobCreationAttempts"] = json!(1);
    server.create(&document);
    server.want("app", "RUNNING");
    server.reach("app", "FAILED");
    let message = text(&server.jobs("app")[0], "/status/failure/message");
    assert!(
        message.starts_with("raises.py, line 2: ValueError: fixture: no such thing"),
        "{message}"
    );

    let table = "from pyflink.table import EnvironmentSettings, TableEnvironment\n\
                 TableEnvironment.create(EnvironmentSettings.in_batch_mode()).execute_sql('INSERT INTO nowhere SELECT 1')\n";
    let uri = file(folder.path(), "table.py", table);
    server
        .patch("app", &json!({ "spec": { "template": { "spec": { "artifact": python(&uri) } } } }));
    server.until("the second failure", || (server.jobs("app").len() == 2).then_some(()));
    server.reach("app", "FAILED");
    let message = text(&server.jobs("app")[1], "/status/failure/message");
    assert!(message.starts_with("table.py, line 2: "), "{message}");
    assert!(message.contains("Cannot find table") && message.contains("nowhere"), "{message}");

    let uri = zip(folder.path(), "app.zip", &[("app/__init__.py", ""), ("app/main.py", STREAM)]);
    let mut artifact = python(&uri);
    artifact["entryModule"] = json!("app.main");
    server.patch("app", &json!({ "spec": { "template": { "spec": { "artifact": artifact } } } }));
    server.reach("app", "FINISHED");
    let mut printed = server.printed(&text(&server.jobs("app")[2], "/metadata/id"));
    printed.sort();
    assert_eq!(printed, ["10", "20", "30"]);
    server.until_nothing_left();
}

/// Its function needs a package, and a file of an archive.
const PACKAGES: &str = r#"
from pyflink.table import DataTypes, EnvironmentSettings, TableEnvironment
from pyflink.table.udf import udf

@udf(result_type=DataTypes.STRING())
def greet(name):
    import greetings
    with open("words.zip/word.txt") as word:
        return greetings.greet(word.read(), name)

tables = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
tables.create_temporary_function("greet", greet)
tables.execute_sql("CREATE TEMPORARY TABLE results (x STRING) WITH ('connector' = 'print')")
tables.execute_sql("INSERT INTO results SELECT greet(x) FROM (VALUES ('a'), ('b')) AS t (x)")
"#;

fn zip(folder: &Path, name: &str, entries: &[(&str, &str)]) -> String {
    let path = folder.join(name);
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, content) in entries {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    format!("file://{}", path.display())
}

#[test]
fn functions_find_archives_and_required_packages() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let packages = folder.path().join("packages");
    fs::create_dir(&packages).unwrap();
    let about = "greetings-1.0.dist-info";
    zip(
        &packages,
        "greetings-1.0-py3-none-any.whl",
        &[
            ("greetings.py", "def greet(word, name): return word + ' ' + name\n"),
            (
                &format!("{about}/METADATA"),
                "Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n",
            ),
            (
                &format!("{about}/WHEEL"),
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            ),
            (&format!("{about}/RECORD"), ""),
        ],
    );
    let requirements = folder.path().join("requirements.txt");
    fs::write(&requirements, "greetings==1.0\n").unwrap();
    let mut artifact = python(&file(folder.path(), "packages.py", PACKAGES));
    artifact["additionalPythonArchives"] =
        json!([zip(folder.path(), "words.zip", &[("word.txt", "hello")])]);
    let mut document = of_artifact("app", artifact);
    // Without a folder of packages, Flink asks PyPI.
    document["spec"]["template"]["spec"]["flinkConfiguration"]["python.requirements"] =
        json!(format!("{}#{}", requirements.display(), packages.display()));
    server.create(&document);
    server.want("app", "RUNNING");
    server.reach("app", "FINISHED");
    let mut printed = server.printed(&text(&server.jobs("app")[0], "/metadata/id"));
    printed.sort();
    assert_eq!(printed, ["+I[hello a]", "+I[hello b]"]);
    server.until_nothing_left();
}
