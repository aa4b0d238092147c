//! A real Flink job as local processes, through a crash of Drey.
//!
//! ```text
//! local start  <data folder> <job jar> <Flink version> [<Flink archive>]   runs CounterJob, then dies without a word
//! local finish <data folder> <job id>                   adopts it, loses a TaskManager, removes everything
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use drey_cluster::ClusterBackend;
use drey_cluster::local::{DataDir, LocalBackend, LocalConfig};
use drey_flink::config::{Inputs, effective};
use drey_flink::dist::{Cache, Source};
use drey_model::Job;
use drey_model::job::{JobMetadata, JobSpec};
use drey_model::meta::TextMap;
use drey_model::seen::{ClusterPhase, Seen};
use drey_model::target::LocalTarget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["start", data, jar, version] => start(data, jar, version, Source::Auto).await,
        ["start", data, jar, version, archive] => {
            start(data, jar, version, Source::Path(archive.into())).await
        }
        ["finish", data, id] => finish(data, id.parse()?).await,
        _ => bail!("see the head of this file"),
    }
}

async fn start(data: &str, jar: &str, version: &str, source: Source) -> Result<()> {
    let data = DataDir::lock(&PathBuf::from(data))?;
    let job = counter_job(&data, jar, version);
    let id = job.metadata.id;
    std::fs::write(data.path().join(format!("{id}.json")), serde_json::to_vec(&job)?)?;
    let mut config = LocalConfig::new(data.path(), Cache::open()?.root());
    config.flink_source = source;
    let backend = LocalBackend::open(config).await?;
    let began = Instant::now();
    backend.ensure(&job).await?;
    wait_until_running(&backend, &job, began).await?;
    println!("job {id}");
    // What kill -9 would do: no destructor runs.
    std::process::abort();
}

async fn finish(data: &str, id: Uuid) -> Result<()> {
    let data = DataDir::lock(&PathBuf::from(data))?;
    let job: Job = serde_json::from_slice(&std::fs::read(data.path().join(format!("{id}.json")))?)?;
    let backend = LocalBackend::open(LocalConfig::new(data.path(), Cache::open()?.root())).await?;
    let began = Instant::now();
    let seen = backend.inspect(id).await;
    println!("adopted in {:?}: {seen:?}", began.elapsed());
    backend.ensure(&job).await?;
    wait_until_running(&backend, &job, began).await?;
    let inspect = Instant::now();
    for _ in 0..1000 {
        backend.inspect(id).await;
    }
    println!("inspect takes {:?}", inspect.elapsed() / 1000);
    for file in backend.log_files(id).await? {
        println!("{} {}", file.name, file.size);
    }
    println!("checkpoint while running: {:?}", backend.retained_checkpoint(&job).await);
    let removal = Instant::now();
    backend.remove(id).await?;
    while backend.inspect(id).await != Seen::Absent {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("removed in {:?}", removal.elapsed());
    println!("retained: {:?}", backend.retained_checkpoint(&job).await);
    backend.shutdown().await;
    Ok(())
}

fn counter_job(data: &DataDir, jar: &str, version: &str) -> Job {
    let id = Uuid::now_v7();
    let user = TextMap::from([("execution.checkpointing.interval".to_owned(), "1 s".to_owned())]);
    let inputs = Inputs {
        user: &user,
        namespace: "default",
        deployment_id: Uuid::now_v7(),
        job_id: id,
        resources: &std::collections::BTreeMap::new(),
        parallelism: Some(2),
        storage: &format!("file://{}", data.path().display()),
        is_local: true,
    };
    let mut spec = JobSpec { parallelism: 2, number_of_task_managers: 2, ..JobSpec::default() };
    spec.deployment_target.local = Some(LocalTarget {});
    spec.flink_configuration = effective(&inputs).config;
    spec.artifact.jar_uri = Some(format!("file://{jar}"));
    spec.artifact.entry_class = Some("drey.fixtures.CounterJob".to_owned());
    spec.artifact.main_args = Some("--rate 2000".to_owned());
    spec.artifact.flink_version = Some(version.to_owned());
    Job::new(JobMetadata { id, ..JobMetadata::default() }, spec)
}

async fn wait_until_running(backend: &LocalBackend, job: &Job, began: Instant) -> Result<()> {
    let mut last = String::new();
    while began.elapsed() < Duration::from_secs(180) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        backend.ensure(job).await?;
        let Seen::Present(cluster) = backend.inspect(job.metadata.id).await else { continue };
        let now = match (&cluster.phase, &cluster.rest) {
            (ClusterPhase::Dead { why }, _) => bail!("dead: {why}"),
            (ClusterPhase::Preparing { what }, _) => what.clone(),
            (ClusterPhase::Alive, rest) => {
                let rest = rest.as_deref().context("no REST address")?;
                get(rest, "/v1/jobs/overview").await.unwrap_or_else(|e| e.to_string())
            }
        };
        // Two vertices with a parallelism of 2.
        let is_running = now.contains("\"running\":4");
        if now != last && (is_running || !now.starts_with('{')) {
            println!("{:>7.3} s  {now}", began.elapsed().as_secs_f64());
        }
        if is_running {
            return Ok(());
        }
        last = now;
    }
    bail!("not running in time: {last}")
}

async fn get(rest: &str, path: &str) -> Result<String> {
    let host = rest.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(body.to_owned())
}
