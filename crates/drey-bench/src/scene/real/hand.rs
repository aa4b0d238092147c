//! The same cluster without Drey: the same command lines with other folders, ports and ids.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use uuid::Uuid;

use super::cluster::{FROM, Model};
use crate::cleanup::{Folder, Guard};
use crate::clock;

const END: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);

/// A running cluster; ends when dropped.
pub(super) struct Hand {
    pub(super) rest: SocketAddr,
    pub(super) flink_id: String,
    /// Just before anything was done.
    pub(super) begun_us: u64,
    folder: Rc<Folder>,
    processes: Vec<(Guard, Child)>,
}

impl Hand {
    /// Writes the files and starts JobManager and TaskManager, one right after the other.
    pub(super) fn start(model: &Model, savepoint: Option<&str>) -> Result<Self> {
        let begun_us = clock::now_us();
        let folder = Folder::new("drey-bench-hand-")?;
        let job = Uuid::new_v4();
        let ports = free_ports()?;
        let swap = Swap { model, data_dir: folder.path().display().to_string(), job, ports };
        let cluster = folder.path().join("clusters").join(job.to_string());
        let conf = cluster.join("conf");
        let places =
            ["run", "scratch/jobmanager", "scratch/taskmanager-1"].map(|p| cluster.join(p));
        let logs = folder.path().join("logs").join(job.to_string());
        for place in places.iter().chain([&conf, &logs]) {
            fs::create_dir_all(place)?;
        }
        for (name, text) in &model.files {
            fs::write(conf.join(name), swap.text(text))?;
        }
        let rest = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
        let flink_id = job.simple().to_string();
        let mut hand =
            Self { rest, flink_id, begun_us, folder: Rc::new(folder), processes: Vec::new() };
        let run = cluster.join("run");
        hand.spawn(&swap, &swap.job_manager(savepoint), &run, &logs.join("jobmanager.out"))?;
        hand.spawn(&swap, &swap.words(&model.task_manager), &run, &logs.join("taskmanager-1.out"))?;
        Ok(hand)
    }

    fn spawn(
        &mut self,
        swap: &Swap<'_>,
        words: &[String],
        run: &Path,
        output: &Path,
    ) -> Result<()> {
        let (program, args) = words.split_first().context("an empty command line")?;
        let output = File::create(output)?;
        let mut command = Command::new(program);
        command.args(args).current_dir(run).env_clear();
        let variables = swap.words(&swap.model.environment);
        command.envs(variables.iter().filter_map(|variable| variable.split_once('=')));
        command.stdin(Stdio::null()).stderr(output.try_clone()?).stdout(output);
        let child = command.spawn().with_context(|| format!("starting {program}"))?;
        self.processes.push((Guard::child(child.id()), child));
        Ok(())
    }

    /// Where savepoints go.
    pub(super) fn savepoints(&self) -> String {
        format!("file://{}/savepoints", self.folder.path().display())
    }

    /// Keeps the folder, and the savepoints in it, until the value is dropped.
    pub(super) fn folder(&self) -> Rc<Folder> {
        Rc::clone(&self.folder)
    }

    /// Ends the processes the polite way and waits for them.
    pub(super) fn end(mut self) -> Result<()> {
        for (_, child) in &self.processes {
            if let Some(pid) = Pid::from_raw(i32::try_from(child.id())?) {
                kill_process(pid, Signal::TERM)?;
            }
        }
        for (_, child) in &mut self.processes {
            clock::wait_for("Flink to end", END, POLL, || Ok(child.try_wait()?))?;
        }
        // Waited for, their pids are no longer theirs.
        self.processes.drain(..).for_each(|(guard, _)| guard.forget());
        Ok(())
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        for (guard, mut child) in self.processes.drain(..) {
            drop(guard);
            let _ = child.wait();
        }
    }
}

/// Puts other folders, ports and ids into what Drey wrote.
struct Swap<'a> {
    model: &'a Model,
    data_dir: String,
    job: Uuid,
    ports: [u16; 3],
}

impl Swap<'_> {
    fn text(&self, text: &str) -> String {
        let old = &self.model.job;
        let mut text = text
            .replace(&self.model.data_dir, &self.data_dir)
            .replace(old, &self.job.to_string())
            .replace(&old.replace('-', ""), &self.job.simple().to_string());
        for (old, new) in self.model.ports.iter().zip(self.ports) {
            text = text.replace(&format!("\"{old}\""), &format!("\"{new}\""));
        }
        text
    }

    fn words(&self, words: &[String]) -> Vec<String> {
        words.iter().map(|word| self.text(word)).collect()
    }

    /// The JobManager, restored from what is given here and nothing else.
    fn job_manager(&self, savepoint: Option<&str>) -> Vec<String> {
        let mut words = self.words(&self.model.job_manager);
        if let Some(at) = words.iter().position(|word| word == FROM) {
            words.drain(at..(at + 2).min(words.len()));
        }
        // Before the arguments of the program.
        let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
        if let Some(savepoint) = savepoint {
            words.splice(end..end, [FROM.to_owned(), savepoint.to_owned()]);
        }
        words
    }
}

/// Three ports that were free a moment ago.
fn free_ports() -> Result<[u16; 3]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [listen()?, listen()?, listen()?];
    let [a, b, c] = &listeners;
    Ok([a.local_addr()?.port(), b.local_addr()?.port(), c.local_addr()?.port()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        let job = "01a1fdb5-c577-766e-8ed5-893c3b773f34";
        let plain = job.replace('-', "");
        let words = [
            "java",
            "--configDir",
            "/d/conf",
            "--job-id",
            &plain,
            FROM,
            "file:/old",
            "--",
            "--rate",
        ];
        Model {
            job_manager: words.map(str::to_owned).to_vec(),
            task_manager: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            data_dir: "/d".to_owned(),
            job: job.to_owned(),
            ports: [4001, 4002, 4003],
        }
    }

    #[test]
    fn a_command_line_moves_to_another_folder_job_and_savepoint() {
        let model = model();
        let swap = Swap {
            model: &model,
            data_dir: "/e".to_owned(),
            job: Uuid::from_u128(7),
            ports: [5001, 5002, 5003],
        };
        let id = "00000000000000000000000000000007";
        let start = ["java", "--configDir", "/e/conf", "--job-id", id];
        assert_eq!(swap.job_manager(None), [&start[..], &["--", "--rate"]].concat());
        let restored = [&start[..], &[FROM, "file:/new", "--", "--rate"]].concat();
        assert_eq!(swap.job_manager(Some("file:/new")), restored);
        assert_eq!(swap.text("rest.port: \"4001\"\nx: 4001"), "rest.port: \"5001\"\nx: 4001");
    }
}
