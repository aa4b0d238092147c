//! Drey is killed at any instant of a launch, and the JobManager is launched at most once.
//!
//! The test starts itself again as a child that calls `ensure`, kills it (SIGKILL) a little later each time, and looks
//! at what the next backend makes of the folder.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use drey_cluster::ClusterBackend;
use drey_cluster::local::{LocalBackend, LocalConfig};
use drey_model::Job;
use drey_model::job::{JobMetadata, JobSpec};
use drey_model::seen::{Cluster, ClusterPhase, Seen};
use drey_model::target::LocalTarget;
use uuid::Uuid;

/// Tells the child where to work; its presence makes a process the child.
const CHILD: &str = "DREY_TEST_CRASH_FOLDER";
const ROUNDS: u64 = 40;
const DEADLINE: Duration = Duration::from_secs(30);

fn set_up(root: &Path) {
    let java = root.join("java");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *TaskManagerRunner*) ;; *) echo jm >> {}/launches;; esac\nexec sleep 1000\n",
        root.display()
    );
    fs::write(&java, script).unwrap();
    fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(root.join("flink/lib")).unwrap();
    fs::write(root.join("flink/lib/flink-dist-2.2.1.jar"), "").unwrap();
    // The end of an empty archive: a jar without a manifest.
    fs::write(root.join("job.jar"), [b"PK\x05\x06".as_slice(), &[0; 18]].concat()).unwrap();
    let metadata = JobMetadata { id: Uuid::now_v7(), ..JobMetadata::default() };
    let mut spec = JobSpec { number_of_task_managers: 2, ..JobSpec::default() };
    spec.deployment_target.local = Some(LocalTarget {});
    spec.artifact.jar_uri = Some(format!("file://{}/job.jar", root.display()));
    spec.artifact.entry_class = Some("Main".to_owned());
    spec.artifact.flink_version = Some("2.2.1".to_owned());
    let job = Job::new(metadata, spec);
    fs::write(root.join("job.json"), serde_json::to_vec(&job).unwrap()).unwrap();
}

async fn open(root: &Path) -> (LocalBackend, Job) {
    let mut config = LocalConfig::new(root.join("data"), root.join("cache"));
    config.java = Some(root.join("java"));
    config.flink_homes.push(root.join("flink"));
    config.limits.stop_grace = Duration::from_millis(500);
    let job = serde_json::from_slice(&fs::read(root.join("job.json")).unwrap()).unwrap();
    (LocalBackend::open(config).await.unwrap(), job)
}

/// What the cluster settles to.
async fn settled(backend: &LocalBackend, job: &Job) -> ClusterPhase {
    let began = Instant::now();
    loop {
        backend.ensure(job).await.unwrap();
        match backend.inspect(job.metadata.id).await {
            Seen::Present(Cluster { phase: ClusterPhase::Preparing { .. }, .. }) => {}
            Seen::Present(Cluster { phase: ClusterPhase::Alive, task_managers: 0 | 1, .. }) => {}
            Seen::Present(cluster) => return cluster.phase,
            other => panic!("{other:?}"),
        }
        assert!(began.elapsed() < DEADLINE, "does not settle");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn gone(backend: &LocalBackend, id: Uuid) {
    let began = Instant::now();
    while backend.inspect(id).await != Seen::Absent {
        assert!(began.elapsed() < DEADLINE, "does not go away");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drey_never_causes_a_second_launch() {
    if let Some(root) = std::env::var_os(CHILD) {
        let (backend, job) = open(Path::new(&root)).await;
        backend.ensure(&job).await.unwrap();
        std::future::pending::<()>().await;
    }
    let (mut alive, mut dead) = (0, 0);
    for round in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        set_up(root);
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", "a_killed_drey_never_causes_a_second_launch", "-q"]);
        let mut child = child.env(CHILD, root).stdout(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(round)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let (backend, job) = open(root).await;
        let phase = settled(&backend, &job).await;
        let launches =
            || fs::read_to_string(root.join("launches")).unwrap_or_default().lines().count();
        match phase {
            ClusterPhase::Alive => {
                let began = Instant::now();
                while launches() == 0 && began.elapsed() < DEADLINE {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                assert_eq!(launches(), 1, "round {round}");
                alive += 1;
            }
            ClusterPhase::Dead { .. } => {
                assert_eq!(launches(), 0, "round {round}");
                dead += 1;
            }
            ClusterPhase::Preparing { .. } => unreachable!(),
        }
        backend.remove(job.metadata.id).await.unwrap();
        gone(&backend, job.metadata.id).await;
        assert!(launches() <= 1, "round {round}");
    }
    println!("alive {alive}, dead {dead}");
}
