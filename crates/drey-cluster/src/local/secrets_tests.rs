//! Secrets of clusters that are shell scripts: what they get, what is left, and what is shown.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use drey_model::seen::{Program, Seen};
use uuid::Uuid;

use super::super::process::Signal;
use super::super::session_tests::run;
use super::super::tests::{World, absent, alive, dead, noted, until};
use super::*;
use crate::logs::Query;
use crate::secrets::SecretSource;
use crate::{ClusterBackend, local::LocalBackend};

const VALUE: &str = "hunter2 \"ü\"";

/// What the source answers next, and how often it was asked.
type Answers = Arc<Mutex<(Result<String, Unresolved>, usize)>>;

fn world(answer: Result<&str, Unresolved>) -> (World, Answers) {
    let mut world = World::new();
    let answers: Answers = Arc::new(Mutex::new((answer.map(str::to_owned), 0)));
    let source = Arc::clone(&answers);
    world.config.secrets = SecretSource::new(move |namespace, names| {
        assert_eq!((namespace.as_str(), names.as_slice()), ("team", ["pw".to_owned()].as_slice()));
        let mut answers = source.lock().unwrap();
        answers.1 += 1;
        let answer = answers.0.clone();
        async move { Ok(Values::from([("pw".to_owned(), answer?.into())])) }
    });
    (world, answers)
}

fn job(world: &World) -> Job {
    let mut job = world.job();
    job.metadata.namespace = "team".to_owned();
    for (key, text) in [("a.b", "x ${pw} $${pw}"), ("env.java.opts.all", "-Dpw=${pw}")] {
        for map in [&mut job.spec.flink_configuration, &mut job.spec.user_flink_configuration] {
            map.insert(key.to_owned(), text.to_owned());
        }
    }
    job
}

/// Files below a folder that hold the value.
fn holders(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holders(&path));
        } else if fs::read(&path).is_ok_and(|b| b.windows(7).any(|window| window == b"hunter2")) {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

async fn log(
    backend: &LocalBackend,
    id: Uuid,
    offset: Option<u64>,
    limit: u64,
) -> crate::logs::Chunk {
    let query = Query { file: "jobmanager.out".to_owned(), offset, limit };
    backend.log(id, &query).await.unwrap()
}

#[tokio::test]
async fn a_cluster_gets_its_secrets_in_private_files_and_keeps_them() {
    let (world, answers) = world(Ok(VALUE));
    let backend = world.open().await;
    let job = job(&world);
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 2).await;

    let folder = world.folder(id);
    let expected = ["config.yaml", "jobmanager.options", "secrets.json", "taskmanager.options"];
    assert_eq!(holders(&world.config.data_dir), expected);
    for file in ["conf/config.yaml", "conf/jobmanager.options", "secrets.json"] {
        let mode = fs::metadata(folder.root.join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let text = fs::read_to_string(folder.root.join("conf/config.yaml")).unwrap();
    assert!(text.contains(r#"a.b: "x hunter2 \"ü\" ${pw}""#), "{text}");

    // What is gone by now is still there for a TaskManager of a later day.
    answers.lock().unwrap().0 = Err(Unresolved::Unavailable("down".to_owned()));
    noted(&world, "tm", 2).await;
    assert!(folder.task_manager(1).signal(Signal::KILL).unwrap());
    alive(&backend, id, 1).await;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 2).await;
    assert_eq!(answers.lock().unwrap().1, 1, "asked once, before the launch");
}

#[tokio::test]
async fn nothing_that_the_processes_say_shows_a_secret_and_in_the_end_nothing_holds_one() {
    let (world, _) = world(Ok(VALUE));
    let said =
        "echo before 'hunter2 \"ü\"' after; echo 'Error: bad hunter2 \"ü\"!'; sleep 0.2; exit 1";
    world.behave("jm", said);
    let backend = world.open().await;
    let job = job(&world);
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    let why = dead(&backend, id).await;
    assert!(why.contains("bad ******!"), "{why}");

    let whole = log(&backend, id, Some(0), 1000).await.text;
    assert_eq!(whole, "before ****** after\nError: bad ******!\n");
    let (mut pieces, mut at) = (String::new(), 0);
    while at < log(&backend, id, Some(0), 1).await.size {
        let piece = log(&backend, id, Some(at), 3).await;
        pieces.push_str(&piece.text);
        at = piece.next_offset;
    }
    assert_eq!(pieces, whole);
    assert!(!backend.mask(id).await.unwrap().text("x hunter2 \"ü\"").contains("hunter2"));
    assert!(!holders(&world.logs(id)).is_empty(), "the job did say it");

    backend.remove(id).await.unwrap();
    absent(&backend, id).await;
    assert_eq!(holders(&world.config.data_dir), Vec::<String>::new());
    assert_eq!(log(&backend, id, Some(0), 1000).await.text, whole);
    assert!(backend.mask(id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_missing_secret_is_told_with_its_place_and_nothing_is_started() {
    let names = Unresolved::Names(vec![("pw".to_owned(), "does not exist".to_owned())]);
    let (world, _) = world(Err(names));
    let backend = world.open().await;
    let job = job(&world);
    backend.ensure(&job).await.unwrap();
    let why = dead(&backend, job.metadata.id).await;
    assert_eq!(
        why,
        "the secret 'pw', named in spec.template.spec.flinkConfiguration[\"a.b\"] and \
         spec.template.spec.flinkConfiguration[\"env.java.opts.all\"], cannot be filled in: it does not exist"
    );
    assert_eq!(world.launches("jm"), 0);
}

#[tokio::test]
async fn a_store_that_is_silent_fails_nothing_and_the_next_call_begins_again() {
    let (world, answers) = world(Err(Unresolved::Unavailable("locked".to_owned())));
    let backend = world.open().await;
    let job = job(&world);
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    absent(&backend, id).await;
    assert_eq!(world.launches("jm"), 0);
    answers.lock().unwrap().0 = Ok(VALUE.to_owned());
    backend.ensure(&job).await.unwrap();
    noted(&world, "jm", 1).await;
    assert!(matches!(backend.inspect(id).await, Seen::Present(_)));
}

#[tokio::test]
async fn a_jar_that_cannot_be_fetched_is_told_without_the_secrets_of_its_uri() {
    let (world, _) = world(Ok("hunter2"));
    let backend = world.open().await;
    let mut job = world.job();
    job.metadata.namespace = "team".to_owned();
    job.spec.artifact.jar_uri = Some("file:///nowhere/${pw}/job.jar".to_owned());
    backend.ensure(&job).await.unwrap();
    let why = dead(&backend, job.metadata.id).await;
    assert!(why.contains("file:///nowhere/******/job.jar"), "{why}");
}

#[tokio::test]
async fn a_session_cluster_gets_its_secrets_and_hides_them() {
    let (world, answers) = world(Ok(VALUE));
    let backend = world.open().await;
    let mut run = run(1);
    run.namespace = "team".to_owned();
    run.spec.flink_configuration.insert("a.b".to_owned(), "x ${pw}".to_owned());
    run.flink_configuration.clone_from(&run.spec.flink_configuration);
    backend.ensure_session(&run).await.unwrap();
    alive(&backend, run.id, 1).await;
    assert_eq!(holders(&world.config.data_dir), ["config.yaml", "secrets.json"]);
    let shown = backend.mask(run.id).await.unwrap().text(&format!("x {VALUE}"));
    assert_eq!(shown, "x ******");

    answers.lock().unwrap().0 = Err(Unresolved::Unavailable("down".to_owned()));
    run.spec.number_of_task_managers = 2;
    backend.ensure_session(&run).await.unwrap();
    alive(&backend, run.id, 2).await;
    backend.remove(run.id).await.unwrap();
    absent(&backend, run.id).await;
    assert_eq!(holders(&world.config.data_dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_program_for_a_session_cluster_is_fetched_with_its_secrets_which_nothing_shows() {
    let (world, answers) = world(Ok("hunter2"));
    let backend = world.open().await;
    let mut job = world.job();
    job.metadata.namespace = "team".to_owned();
    // The cluster's own, which fetching has nothing to do with.
    job.spec.flink_configuration.insert("a.b".to_owned(), "${other}".to_owned());
    job.spec.artifact.jar_uri = Some("file:///nowhere/${pw}/job.jar".to_owned());
    let failure = async || {
        backend.fetch(&job).await.unwrap();
        match backend.program(job.metadata.id).await {
            Seen::Present(Program::Failed { why }) => Some(why),
            Seen::Present(_) | Seen::Absent | Seen::Unknown { .. } => None,
        }
    };
    answers.lock().unwrap().0 = Err(Unresolved::Unavailable("locked".to_owned()));
    backend.fetch(&job).await.unwrap();
    until(async || backend.program(job.metadata.id).await, |seen| *seen == Seen::Absent).await;
    answers.lock().unwrap().0 = Ok("hunter2".to_owned());
    let why = until(failure, Option::is_some).await.unwrap();
    assert!(why.contains("file:///nowhere/******/job.jar"), "{why}");
    assert_eq!(holders(&world.config.data_dir), Vec::<String>::new());
}
