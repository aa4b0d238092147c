//! How long a commit and a look at a Deployment take, in memory and in a file.
//!
//! `cargo run --release -p drey-store --example latency [folder]`

use std::path::Path;
use std::time::{Duration, Instant};

use drey_model::Kind;
use drey_store::{Error, Object, Store, Write};
use uuid::Uuid;

const ROUNDS: usize = 300;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target".to_owned());
    let path = Path::new(&folder).join(format!("latency-{}.db", std::process::id()));
    measure("in memory", &Store::in_memory().await?).await?;
    let file = Store::open(&path).await?;
    measure("file, synchronous=FULL", &file).await?;
    file.raw("PRAGMA synchronous = NORMAL").await?;
    measure("file, synchronous=NORMAL", &file).await?;
    file.close().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    Ok(())
}

async fn measure(what: &str, store: &Store) -> Result<(), Error> {
    let owner = object(Kind::Deployment, None);
    let mut read = store.commit(&[Write::Create(owner.clone())]).await?;
    let (mut commits, mut looks) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let job = Object { open: round < 2, ..object(Kind::Job, Some(owner.id)) };
        let event = object(Kind::Event, Some(owner.id));
        let writes = [Write::Update(owner.clone(), read), Write::Create(job), Write::Create(event)];
        let started = Instant::now();
        read = store.commit(&writes).await? - 2;
        commits.push(started.elapsed());
        let started = Instant::now();
        store.deployment(owner.id).await?;
        looks.push(started.elapsed());
    }
    println!("{what}: commit of 3 rows {}; deployment() {}", spread(commits), spread(looks));
    Ok(())
}

fn object(kind: Kind, owner: Option<Uuid>) -> Object {
    let id = Uuid::now_v7();
    Object {
        kind,
        namespace: "default".to_owned(),
        name: id.to_string(),
        id,
        owner,
        open: false,
        revision: 0,
        doc: format!("{{\"text\":\"{}\"}}", "x".repeat(3000)),
        facts: Some("{}".repeat(200)),
        deleted: false,
    }
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}", at(50), at(99))
}
