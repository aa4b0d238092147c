//! A real Flink: installed, started, looked at, stopped with a savepoint and started again from it.
//!
//! `DREY_LIVE_JAR=fixtures.jar [DREY_LIVE_FLINK=1.20.5] cargo test -p drey-flink --test live -- --ignored --nocapture`

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use drey_flink::artifact::Artifacts;
use drey_flink::config::{self, Inputs};
use drey_flink::dist::{Cache, Progress, Source};
use drey_flink::launch::{self, Command, Dirs, Flink, Launch, Ports, Program};
use drey_flink::{Client, FlinkApi, Trigger, jdk};
use drey_model::Job;
use drey_model::deployment::ResourceSpec;
use drey_model::job::{JobMetadata, JobSpec};
use drey_model::seen::{FlinkJob, FlinkStatus, Operation, Seen};
use uuid::Uuid;

struct Print;

impl Progress for Print {
    fn step(&self, text: &str) {
        println!("{text}");
    }
    fn bytes(&self, done: u64, total: Option<u64>) {
        println!("  {done} of {total:?}");
    }
}

/// The processes of one cluster; killed when dropped.
struct Cluster(Vec<Child>);

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

struct Bench {
    dir: tempfile::TempDir,
    java: PathBuf,
    flink: Flink,
    program: Program,
    client: Client,
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn job(storage: &str, args: &str, from: Option<String>) -> Job {
    let id = Uuid::new_v4();
    let user = [
        ("execution.checkpointing.interval", "1s"),
        ("state.backend", "hashmap"),
        ("pipeline.name", "a: \"b\" # c"),
    ];
    let user = user.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let inputs = Inputs {
        user: &user,
        namespace: "default",
        deployment_id: Uuid::from_u128(1),
        job_id: id,
        parallelism: Some(1),
        storage,
        is_local: true,
    };
    let mut spec = JobSpec { savepoint_location: from, ..JobSpec::default() };
    spec.flink_configuration = config::effective(&inputs).config;
    spec.artifact.main_args = Some(args.to_owned());
    let size = |memory: &str| ResourceSpec { cpu: 1.0, memory: Some(memory.to_owned()) };
    spec.resources = [("jobmanager", size("500m")), ("taskmanager", size("1g"))]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
    Job::new(JobMetadata { id, ..JobMetadata::default() }, spec)
}

fn spawn(command: &Command, name: &Path) -> Child {
    let out = std::fs::File::create(name).unwrap();
    let mut process = std::process::Command::new(&command.program);
    process.args(&command.args).envs(command.env.iter().cloned()).current_dir(&command.dir);
    for name in command.env_remove {
        process.env_remove(name);
    }
    process.stdin(Stdio::null()).stderr(out.try_clone().unwrap()).stdout(out).spawn().unwrap()
}

impl Bench {
    fn start(&self, job: &Job) -> (Cluster, String) {
        let run = self.dir.path().join(job.metadata.id.to_string());
        let dirs = Dirs {
            conf: run.join("conf"),
            logs: run.join("logs"),
            scratch: run.join("tmp"),
            run: run.clone(),
        };
        for dir in [&dirs.conf, &dirs.logs, &dirs.scratch] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let ports = Ports { rest: port(), rpc: port(), blob: port() };
        let Self { java, flink, program, .. } = self;
        let launch = Launch { job, java, flink, program, ports, dirs: &dirs };
        for file in launch::files(&launch) {
            std::fs::write(file.path, file.text).unwrap();
        }
        let jm = spawn(&launch::job_manager(&launch).unwrap(), &run.join("jm.out"));
        let tm = spawn(&launch::task_manager(&launch, "tm-1").unwrap(), &run.join("tm.out"));
        (Cluster(vec![jm, tm]), format!("http://127.0.0.1:{}", ports.rest))
    }

    async fn until(&self, rest: &str, id: Uuid, done: impl Fn(&FlinkJob) -> bool) -> FlinkJob {
        let start = Instant::now();
        loop {
            let seen = self.client.job(rest, id).await;
            match &seen {
                Seen::Present(job) if done(job) => return job.clone(),
                _ if start.elapsed() > Duration::from_secs(60) => panic!("{seen:?}"),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn done(&self, rest: &str, t: &Trigger) -> Operation {
        loop {
            match self.client.operation(rest, t.job_id, t.trigger_id).await {
                Seen::Present(Operation::InProgress) => {}
                Seen::Present(operation) => return operation,
                other => panic!("{other:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn bench() -> Bench {
    let version = std::env::var("DREY_LIVE_FLINK").unwrap_or_else(|_| "2.2.1".to_owned());
    let version = version.parse().unwrap();
    let cache = Cache::open().unwrap();
    let start = Instant::now();
    let installed = cache.install(&version, &Source::Auto, &Print).await.unwrap();
    println!("installed {:?} after {:?}", installed.origin, start.elapsed());
    let java = jdk::find(11).await.unwrap();
    println!("{java:?}");
    let uri = format!("file://{}", std::env::var("DREY_LIVE_JAR").unwrap());
    let dir = tempfile::tempdir().unwrap();
    let fetched = Artifacts::new(dir.path()).unwrap().fetch_jar(&uri).await.unwrap();
    let program =
        Program { jar: fetched.0.path, dependencies: Vec::new(), manifest_class: fetched.1 };
    Bench { dir, java: java.java, flink: installed.flink, program, client: Client::new().unwrap() }
}

#[tokio::test]
#[ignore = "needs Java, a network and the fixture jar"]
async fn a_job_lives_a_whole_life() {
    let bench = bench().await;
    let storage = format!("file://{}/state", bench.dir.path().display());
    let first = job(&storage, "--rate 100", None);
    let start = Instant::now();
    let (cluster, rest) = bench.start(&first);
    let id = first.metadata.id;
    bench.until(&rest, id, FlinkJob::is_fully_running).await;
    println!("running after {:?}", start.elapsed());
    let seen = bench.until(&rest, id, |job| job.checkpoint.is_some()).await;
    println!("{seen:?}");

    let base = format!("{}/5", first.spec.flink_configuration[config::SAVEPOINT_DIR]);
    let t = Trigger { job_id: id, trigger_id: Uuid::new_v4(), directory: base };
    bench.client.savepoint(&rest, &t).await.unwrap();
    println!("{:?}", bench.done(&rest, &t).await);
    let t = Trigger { trigger_id: Uuid::new_v4(), ..t };
    bench.client.stop(&rest, &t, false).await.unwrap();
    let Operation::Completed { location } = bench.done(&rest, &t).await else { panic!() };
    println!("{location}");
    bench.until(&rest, id, |job| job.status == FlinkStatus::Finished).await;
    bench.client.cancel(&rest, id).await.unwrap();
    let unknown = bench.client.cancel(&rest, Uuid::from_u128(7)).await.unwrap_err();
    println!("{unknown}");
    let log = bench.dir.path().join(id.to_string()).join("logs/jobmanager.log");
    println!("{} bytes of log", std::fs::metadata(log).unwrap().len());
    drop(cluster);

    let second = job(&storage, "--rate 100 --fail-every-ms 1500", Some(location));
    let (_cluster, rest) = bench.start(&second);
    let seen = bench.until(&rest, second.metadata.id, |job| job.failures.len() >= 2).await;
    println!("{seen:?}");
    let out = bench.dir.path().join(second.metadata.id.to_string()).join("tm.out");
    let out = std::fs::read_to_string(out).unwrap();
    println!("{}", out.lines().take(3).collect::<Vec<_>>().join("\n"));
    assert!(out.contains("restored="), "{out}");
    assert!(seen.cause.is_some());
}
