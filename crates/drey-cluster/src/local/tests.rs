//! The backend with a fake `java`: a shell script that notes each launch and then does what the test says.

use std::fmt::Debug;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drey_model::job::{JobMetadata, JobSpec};
use drey_model::seen::ClusterPhase;
use drey_model::target::{KubernetesTarget, LocalTarget};

use super::process::Signal;
use super::*;

const DEADLINE: Duration = Duration::from_secs(30);

pub(super) struct World {
    dir: tempfile::TempDir,
    pub(super) config: LocalConfig,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let java = root.join("java");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *TaskManagerRunner*) who=tm;; *) who=jm;; esac\n\
             echo $who >> {0}/launches\n. {0}/$who.sh\n",
            root.display()
        );
        fs::write(&java, script).unwrap();
        fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(root.join("flink/lib")).unwrap();
        fs::write(root.join("flink/lib/flink-dist-2.2.1.jar"), "").unwrap();
        // The end of an empty archive: a jar without a manifest.
        fs::write(root.join("job.jar"), [b"PK\x05\x06".as_slice(), &[0; 18]].concat()).unwrap();
        let mut config = LocalConfig::new(root.join("data"), root.join("cache"));
        config.java = Some(java);
        config.flink_homes.push(root.join("flink"));
        config.limits.stop_grace = Duration::from_millis(300);
        config.limits.output_check_interval = Duration::from_millis(20);
        let world = Self { dir, config };
        world.behave("jm", "exec sleep 1000");
        world.behave("tm", "exec sleep 1000");
        world
    }

    pub(super) fn behave(&self, who: &str, script: &str) {
        fs::write(self.dir.path().join(format!("{who}.sh")), script).unwrap();
    }

    pub(super) async fn open(&self) -> LocalBackend {
        LocalBackend::open(self.config.clone()).await.unwrap()
    }

    pub(super) fn launches(&self, who: &str) -> usize {
        let all = fs::read_to_string(self.dir.path().join("launches")).unwrap_or_default();
        all.lines().filter(|line| *line == who).count()
    }

    pub(super) fn job(&self) -> Job {
        let metadata = JobMetadata { id: Uuid::now_v7(), ..JobMetadata::default() };
        let mut spec = JobSpec { number_of_task_managers: 2, ..JobSpec::default() };
        spec.deployment_target.local = Some(LocalTarget {});
        spec.artifact.jar_uri = Some(format!("file://{}/job.jar", self.dir.path().display()));
        spec.artifact.entry_class = Some("Main".to_owned());
        spec.artifact.flink_version = Some("2.2.1".to_owned());
        Job::new(metadata, spec)
    }

    pub(super) fn folder(&self, id: Uuid) -> Folder {
        Folder::new(&self.clusters(), id)
    }

    fn clusters(&self) -> PathBuf {
        self.config.data_dir.join("clusters")
    }

    pub(super) fn logs(&self, id: Uuid) -> PathBuf {
        self.config.data_dir.join("logs").join(id.to_string())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for id in folder::ids(&self.clusters()).unwrap_or_default() {
            for slot in self.folder(id).slots().unwrap_or_default() {
                let _ = slot.signal(Signal::KILL);
                let _ = slot.kill_holders();
            }
        }
    }
}

/// Asks until the answer is the wanted one.
pub(super) async fn until<T: Debug>(ask: impl AsyncFn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let mut last = ask().await;
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !wanted(&last) {
        assert!(tokio::time::Instant::now() < deadline, "still {last:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
        last = ask().await;
    }
    last
}

pub(super) async fn alive(backend: &LocalBackend, id: Uuid, task_managers: u32) {
    let is = |c: &SeenCluster| c.phase == ClusterPhase::Alive && c.task_managers == task_managers;
    let wanted = |seen: &Seen<SeenCluster>| seen.present().is_some_and(is);
    until(async || backend.inspect(id).await, wanted).await;
}

pub(super) async fn dead(backend: &LocalBackend, id: Uuid) -> String {
    let seen = until(async || backend.inspect(id).await, |seen| why(seen).is_some()).await;
    why(&seen).unwrap()
}

pub(super) async fn absent(backend: &LocalBackend, id: Uuid) {
    until(async || backend.inspect(id).await, |seen| *seen == Seen::Absent).await;
}

fn why(seen: &Seen<SeenCluster>) -> Option<String> {
    match &seen.present()?.phase {
        ClusterPhase::Dead { why } => Some(why.clone()),
        ClusterPhase::Alive | ClusterPhase::Preparing { .. } => None,
    }
}

fn pid_of(folder: &Folder, slot: &str) -> u32 {
    let text = fs::read_to_string(folder.root.join(format!("{slot}.pid"))).unwrap();
    text.lines().next().unwrap().parse().unwrap()
}

/// Waits until the program itself runs in all slots, not only the shell before it.
pub(super) async fn noted(world: &World, who: &str, count: usize) {
    until(async || world.launches(who), |n| *n == count).await;
}

pub(super) async fn launched(world: &World, task_managers: usize) {
    noted(world, "jm", 1).await;
    noted(world, "tm", task_managers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_at_once_launch_one_cluster() {
    let world = World::new();
    let (backend, job) = (world.open().await, world.job());
    let id = job.metadata.id;
    assert_eq!(backend.inspect(id).await, Seen::Absent);
    let calls = (0..20).map(|_| {
        let (backend, job) = (backend.clone(), job.clone());
        tokio::spawn(async move { backend.ensure(&job).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    alive(&backend, id, 2).await;
    for _ in 0..20 {
        backend.ensure(&job).await.unwrap();
    }
    launched(&world, 2).await;
    assert_eq!(world.launches("jm"), 1);
    assert_eq!(backend.list().await.unwrap(), [id]);
    let Seen::Present(cluster) = backend.inspect(id).await else { panic!() };
    assert!(cluster.rest.unwrap().starts_with("http://127.0.0.1:"));
    let folder = world.folder(id);
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid_of(&folder, "jobmanager"))).unwrap();
    let group = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(2).unwrap();
    assert_eq!(group, pid_of(&folder, "jobmanager").to_string(), "Ctrl-C must not reach it");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_drey_adopts_what_runs() {
    let world = World::new();
    let job = world.job();
    let id = job.metadata.id;
    let first = world.open().await;
    first.ensure(&job).await.unwrap();
    alive(&first, id, 2).await;
    launched(&world, 2).await;
    drop(first);
    let second = world.open().await;
    alive(&second, id, 2).await;
    second.ensure(&job).await.unwrap();
    assert!(world.folder(id).job_manager().signal(Signal::KILL).unwrap());
    let why = dead(&second, id).await;
    assert!(why.contains("exit code unknown"), "{why}");
    second.ensure(&job).await.unwrap();
    assert_eq!((world.launches("jm"), world.launches("tm")), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_marker_and_spawn_means_dead() {
    let world = World::new();
    let job = world.job();
    let folder = world.folder(job.metadata.id);
    folder.create().unwrap();
    folder.put(Mark::Wanted, &serde_json::to_vec(&job).unwrap()).unwrap();
    folder.put(Mark::Launched, b"").unwrap();
    let backend = world.open().await;
    backend.ensure(&job).await.unwrap();
    dead(&backend, job.metadata.id).await;
    assert_eq!(world.launches("jm"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_marker_leaves_nothing_and_the_next_ensure_begins_again() {
    let world = World::new();
    let job = world.job();
    let folder = world.folder(job.metadata.id);
    folder.create().unwrap();
    folder.put(Mark::Wanted, &serde_json::to_vec(&job).unwrap()).unwrap();
    let orphan = world.folder(Uuid::now_v7());
    orphan.create().unwrap();
    orphan.put(Mark::Wanted, &serde_json::to_vec(&job).unwrap()).unwrap();
    let backend = world.open().await;
    let id = job.metadata.id;
    assert_eq!(backend.inspect(id).await, Seen::Absent);
    assert_eq!(backend.list().await.unwrap().len(), 2);
    backend.ensure(&job).await.unwrap();
    assert_ne!(backend.inspect(id).await, Seen::Absent);
    alive(&backend, id, 2).await;
    noted(&world, "jm", 1).await;
    for orphan in backend.list().await.unwrap().into_iter().filter(|other| *other != id) {
        backend.remove(orphan).await.unwrap();
    }
    until(async || backend.list().await.unwrap(), |left| *left == [id]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shall_run_elsewhere_does_not_run_here() {
    let world = World::new();
    let mut job = world.job();
    job.spec.deployment_target.local = None;
    let namespace = Some("jobs".to_owned());
    job.spec.deployment_target.kubernetes = Some(KubernetesTarget { namespace });
    let backend = world.open().await;
    let refused = backend.ensure(&job).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(why) if why.contains("namespace jobs")), "{refused}");
    assert_eq!(backend.inspect(job.metadata.id).await, Seen::Absent);
    assert!(backend.list().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_job_manager_stays_dead_and_says_why() {
    let world = World::new();
    world.behave("jm", "echo 'Caused by: java.io.IOException: disk full'; exit 2");
    let (backend, job) = (world.open().await, world.job());
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    let why = dead(&backend, id).await;
    assert!(why.contains("exit code 2") && why.contains("disk full"), "{why}");
    backend.ensure(&job).await.unwrap();
    let again = world.open().await;
    again.ensure(&job).await.unwrap();
    assert_eq!(dead(&again, id).await, why);
    assert_eq!(world.launches("jm"), 1);
    again.remove(id).await.unwrap();
    absent(&again, id).await;
    assert!(fs::read_to_string(world.logs(id).join("drey.log")).unwrap().contains("disk full"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_task_manager_is_replaced() {
    let world = World::new();
    let (backend, job) = (world.open().await, world.job());
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 2).await;
    launched(&world, 2).await;
    assert!(world.folder(id).task_manager(2).signal(Signal::KILL).unwrap());
    alive(&backend, id, 1).await;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 2).await;
    launched(&world, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_outlives_its_task_manager_does_not_keep_the_slot() {
    let world = World::new();
    // A shell gives its children another standard input, unless it is told to hand on a copy.
    let launches = world.dir.path().join("launches").display().to_string();
    let child = "exec 9<&0; sleep 1000 <&9 9<&- & echo child >> ";
    world.behave("tm", &format!("{child}{launches}; exec sleep 1000 9<&-"));
    let (backend, mut job) = (world.open().await, world.job());
    job.spec.number_of_task_managers = 1;
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 1).await;
    noted(&world, "child", 1).await;
    let slot = world.folder(id).task_manager(1);
    fs::write(world.folder(id).root.join("scratch/taskmanager-1/state"), "gigabytes").unwrap();
    assert!(slot.signal(Signal::TERM).unwrap());
    alive(&backend, id, 0).await;
    assert!(slot.is_held().unwrap(), "the child is gone too, so this shows nothing");
    let ensured = async || {
        backend.ensure(&job).await.unwrap();
        world.launches("tm")
    };
    until(ensured, |n| *n == 2).await;
    alive(&backend, id, 1).await;
    let aside = world.folder(id).root.join("aside");
    until(async || fs::read_dir(&aside).unwrap().count(), |n| *n == 0).await;
    assert!(!world.folder(id).root.join("scratch/taskmanager-1/state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_manager_that_cannot_live_is_not_started_in_a_loop() {
    let world = World::new();
    world.behave("tm", "exit 1");
    let (backend, mut job) = (world.open().await, world.job());
    job.spec.number_of_task_managers = 1;
    backend.ensure(&job).await.unwrap();
    alive(&backend, job.metadata.id, 0).await;
    let noted = async || {
        fs::read_to_string(world.logs(job.metadata.id).join("drey.log")).unwrap_or_default()
    };
    let ensured = async || {
        backend.ensure(&job).await.unwrap();
        noted().await
    };
    until(ensured, |text| text.contains("next start in")).await;
    assert_eq!(world.launches("tm"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_ends_processes_that_do_not_want_to_end() {
    let world = World::new();
    world.behave("jm", "trap '' TERM; while :; do sleep 1; done");
    let (backend, job) = (world.open().await, world.job());
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 2).await;
    launched(&world, 2).await;
    assert!(world.folder(id).task_manager(1).signal(Signal::STOP).unwrap());
    backend.remove(id).await.unwrap();
    backend.remove(id).await.unwrap();
    absent(&backend, id).await;
    until(async || world.folder(id).exists().unwrap(), |exists| !exists).await;
    assert!(world.folder(id).has(Mark::Removed).unwrap());
    assert!(backend.list().await.unwrap().is_empty());
    let files = backend.log_files(id).await.unwrap();
    assert!(files.iter().any(|f| f.name == "jobmanager.out"), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_after_a_removal() {
    let world = World::new();
    let (backend, job, other) = (world.open().await, world.job(), world.job());
    backend.remove(other.metadata.id).await.unwrap();
    backend.ensure(&other).await.unwrap();
    backend.ensure(&job).await.unwrap();
    alive(&backend, job.metadata.id, 2).await;
    noted(&world, "jm", 1).await;
    backend.remove(job.metadata.id).await.unwrap();
    absent(&backend, job.metadata.id).await;
    let next = world.open().await;
    for backend in [&backend, &next] {
        for job in [&job, &other] {
            backend.ensure(job).await.unwrap();
            assert_eq!(backend.inspect(job.metadata.id).await, Seen::Absent);
        }
    }
    assert_eq!(world.launches("jm"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_and_a_removal_at_the_same_time_leave_nothing() {
    let world = World::new();
    let backend = world.open().await;
    for delay in 0..12 {
        let job = world.job();
        backend.ensure(&job).await.unwrap();
        tokio::time::sleep(Duration::from_millis(delay * 2)).await;
        backend.remove(job.metadata.id).await.unwrap();
        absent(&backend, job.metadata.id).await;
        backend.ensure(&job).await.unwrap();
        assert_eq!(backend.inspect(job.metadata.id).await, Seen::Absent);
        assert!(!world.folder(job.metadata.id).is_inhabited().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_removal_is_finished_by_the_next_drey() {
    let world = World::new();
    let job = world.job();
    let id = job.metadata.id;
    let first = world.open().await;
    first.ensure(&job).await.unwrap();
    alive(&first, id, 2).await;
    drop(first);
    world.folder(id).put(Mark::Removed, b"").unwrap();
    let second = world.open().await;
    absent(&second, id).await;
    assert!(!world.folder(id).is_inhabited().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_the_same_pid_is_left_alone() {
    let world = World::new();
    let (backend, job) = (world.open().await, world.job());
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    alive(&backend, id, 2).await;
    noted(&world, "jm", 1).await;
    // Start times count hundredths of a second: ours must lie behind us.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut stranger = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid_file = world.folder(id).root.join("jobmanager.pid");
    let ours = fs::read_to_string(&pid_file).unwrap();
    let (_, born) = ours.split_once('\n').unwrap();
    fs::write(&pid_file, format!("{}\n{born}", stranger.id())).unwrap();
    assert!(!world.folder(id).job_manager().signal(Signal::KILL).unwrap());
    backend.remove(id).await.unwrap();
    absent(&backend, id).await;
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was killed");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_prepared_is_dead_for_a_reason() {
    let world = World::new();
    let backend = world.open().await;
    let mut no_jar = world.job();
    no_jar.spec.artifact.jar_uri = Some("file:///nowhere/job.jar".to_owned());
    let mut no_version = world.job();
    no_version.spec.artifact.flink_version = Some("0.1.2".to_owned());
    let mut no_memory = world.job();
    let tiny = ("taskmanager.memory.process.size".to_owned(), "300m".to_owned());
    no_memory.spec.flink_configuration.extend([tiny]);
    for (job, reason) in
        [(no_jar, "/nowhere/job.jar"), (no_version, "0.1.2"), (no_memory, "memory")]
    {
        backend.ensure(&job).await.unwrap();
        let why = dead(&backend, job.metadata.id).await;
        assert!(why.contains(reason), "{why}");
        assert_eq!(dead(&world.open().await, job.metadata.id).await, why);
    }
    assert_eq!(world.launches("jm"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_is_cut_while_the_process_runs() {
    let mut world = World::new();
    world.config.limits.output_bytes_max = 50_000;
    world.behave(
        "jm",
        "n=0; while :; do n=$((n+1)); echo \"line $n 0123456789012345678901234567890\"; done",
    );
    let (backend, job) = (world.open().await, world.job());
    let id = job.metadata.id;
    backend.ensure(&job).await.unwrap();
    let cut = world.logs(id).join("jobmanager.out.1");
    let first = until(async || fs::read_to_string(&cut).ok(), Option::is_some).await;
    until(async || fs::read_to_string(&cut).ok(), |now| now.is_some() && *now != first).await;
    assert!(fs::metadata(&cut).unwrap().len() <= 50_000);
    alive(&backend, id, 2).await;
    let mode = fs::metadata(world.logs(id)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "logs are for their owner only");
    let query = |file: &str| crate::logs::Query { file: file.to_owned(), offset: None, limit: 100 };
    assert_eq!(backend.log(id, &query("jobmanager.out.1")).await.unwrap().text.len(), 100);
    let secret = backend.log(id, &query("../../clusters/x/wanted.log")).await;
    assert!(matches!(secret, Err(Error::NotFound(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_a_cluster_runs_from_is_never_pruned() {
    let world = World::new();
    let (backend, job) = (world.open().await, world.job());
    backend.ensure(&job).await.unwrap();
    alive(&backend, job.metadata.id, 2).await;
    let artifacts = world.config.cache.join("artifacts");
    let lost = artifacts.join("0".repeat(64));
    fs::create_dir(&lost).unwrap();
    let hashes = || {
        let names = fs::read_dir(&artifacts).unwrap().map(|e| e.unwrap().path());
        names.filter(|path| !path.ends_with(".tmp")).collect::<Vec<_>>()
    };
    let old = std::time::SystemTime::now() - Duration::from_hours(24 * 40);
    for folder in hashes() {
        fs::File::open(folder).unwrap().set_modified(old).unwrap();
    }
    let _next = world.open().await;
    until(async || lost.exists(), |exists| !exists).await;
    assert_eq!(hashes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_read_is_unknown() {
    let world = World::new();
    let backend = world.open().await;
    let id = Uuid::now_v7();
    let root: &Path = &world.folder(id).root;
    fs::write(root, "a file in place of the folder").unwrap();
    assert!(matches!(backend.inspect(id).await, Seen::Unknown { .. }));
    fs::remove_file(root).unwrap();
}
