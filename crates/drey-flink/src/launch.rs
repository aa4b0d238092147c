//! Command lines of Flink's processes: one JobManager, in application or session mode, and its TaskManagers, without
//! Flink's scripts.
//!
//! ```text
//! Launch ──► files()         config.yaml, log4j.*, *.options   (write them into `conf` before the processes start)
//!        ──► job_manager()   java … StandaloneApplicationClusterEntryPoint --configDir … --job-id … -- args
//!                            java … StandaloneSessionClusterEntrypoint --configDir …
//!        ──► task_manager()  java … TaskManagerRunner --configDir … -Dtaskmanager.…
//! ```
//!
//! Owns arguments, environment and the settings of one cluster: addresses, ports, folders, memory. Pure: nothing is
//! read, written or started here. Does not own processes (`drey-cluster`) or the user's settings ([`crate::config`]).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use drey_model::SessionRun;
use drey_model::args;
use drey_model::deployment::Logging;
use drey_model::job::Job;
use drey_model::meta::TextMap;

use crate::program::Program;
use crate::versions::Version;
use crate::{config, logging, memory, yaml};

const JOB_MANAGER: &str = "jobmanager";
const TASK_MANAGER: &str = "taskmanager";
/// Every process of a local cluster listens here, and nowhere else.
const HOST: &str = "127.0.0.1";
/// Jars that are loaded for the program from where they are, by JobManager and TaskManagers.
const CLASS_PATH: &str = "pipeline.classpaths";
const CLASS_PATH_SEPARATOR: &str = ";";
/// Up to this process size start-up time matters more than peak throughput: the simple collector and compiler save
/// about a third of the CPU time until the job runs.
const FAST_START_BYTES_MAX: u64 = 2_147_483_648;

/// Module flags that Flink needs on Java 11 and newer, as in its stock `env.java.opts.all`.
const EXPORTS: &[&str] = &[
    "java.rmi/sun.rmi.registry",
    "java.security.jgss/sun.security.krb5",
    "jdk.compiler/com.sun.tools.javac.api",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.compiler/com.sun.tools.javac.parser",
    "jdk.compiler/com.sun.tools.javac.tree",
    "jdk.compiler/com.sun.tools.javac.util",
];
const OPENS: &[&str] = &[
    "java.base/java.lang",
    "java.base/java.net",
    "java.base/java.io",
    "java.base/java.nio",
    "java.base/sun.nio.ch",
    "java.base/java.lang.reflect",
    "java.base/java.text",
    "java.base/java.time",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.concurrent.locks",
];

/// Ports of a JobManager; chosen once per cluster and kept, so that TaskManagers find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// REST API.
    pub rest: u16,
    /// Where TaskManagers register.
    pub rpc: u16,
    /// Where TaskManagers fetch jars.
    pub blob: u16,
}

/// Folders of one cluster; all absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Working directory of every process; must not contain a folder `usrlib`.
    pub run: PathBuf,
    /// Where [`files`] are written.
    pub conf: PathBuf,
    /// Log files.
    pub logs: PathBuf,
    /// Temporary files; may vanish with the cluster.
    pub scratch: PathBuf,
}

/// An installed Flink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flink {
    /// The folder with `lib/` and `plugins/`.
    pub home: PathBuf,
    /// Its version.
    pub version: Version,
    /// Jars of `lib/` in the order of [`class_path_order`].
    pub class_path: Vec<PathBuf>,
}

/// Everything that a cluster is started from.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Whose cluster it is.
    pub entry: Entry<'a>,
    /// The `java` program.
    pub java: &'a Path,
    /// The distribution.
    pub flink: &'a Flink,
    /// Ports of the JobManager.
    pub ports: Ports,
    /// Folders.
    pub dirs: &'a Dirs,
}

/// Whose cluster is started.
#[derive(Debug, Clone, Copy)]
pub enum Entry<'a> {
    /// A Job's own: the JobManager runs its program.
    Application {
        /// The Job.
        job: &'a Job,
        /// The program.
        program: &'a Program,
    },
    /// A SessionCluster's: the JobManager waits for jobs.
    Session(&'a SessionRun),
}

impl Entry<'_> {
    fn configuration(&self) -> &TextMap {
        match self {
            Self::Application { job, .. } => &job.spec.flink_configuration,
            Self::Session(run) => &run.flink_configuration,
        }
    }

    fn logging(&self) -> Option<&Logging> {
        match self {
            Self::Application { job, .. } => job.spec.logging.as_ref(),
            Self::Session(run) => run.spec.logging.as_ref(),
        }
    }

    fn subject(&self) -> logging::Subject<'_> {
        match self {
            Self::Application { job, .. } => logging::Subject {
                namespace: &job.metadata.namespace,
                owner_id: job.metadata.deployment_id,
                owner_name: &job.metadata.deployment_name,
                run_id: job.metadata.id,
            },
            Self::Session(run) => logging::Subject {
                namespace: &run.namespace,
                owner_id: run.session_cluster_id,
                owner_name: &run.name,
                run_id: run.id,
            },
        }
    }

    fn memory(&self, process: &str) -> Option<&str> {
        let resources = match self {
            Self::Application { job, .. } => &job.spec.resources,
            Self::Session(run) => &run.spec.resources,
        };
        resources.get(process).and_then(|r| r.memory.as_deref())
    }
}

/// A process to start. Standard input is closed; standard output and error belong to the user's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables to set.
    pub env: Vec<(&'static str, OsString)>,
    /// Inherited variables to remove: they would change where Flink looks for things.
    pub env_remove: &'static [&'static str],
    /// Working directory.
    pub dir: PathBuf,
    /// The file that Flink's own log lines go to.
    pub log_file: PathBuf,
}

/// A file to write before the processes start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
}

/// Why no command line can be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text of the user cannot be split into words.
    #[error("splitting {what} into words: it {why}")]
    Words {
        /// Which text.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A value that this Flink's configuration file cannot hold.
    #[error(
        "writing the configuration: {key} holds '#' or a line break, which the configuration file of Flink {version} \
         cannot hold; Flink 1.19 and newer can"
    )]
    Unwritable {
        /// The key.
        key: String,
        /// The version of Flink.
        version: Version,
    },
    /// A path cannot be written as a URI.
    #[error("naming {} as a URI: the path is not absolute", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// The memory cannot be laid out.
    #[error("computing the memory of a process")]
    Memory(#[from] memory::Error),
}

/// The files that the processes of the cluster read.
#[must_use]
pub fn files(launch: &Launch<'_>) -> Vec<File> {
    let version = &launch.flink.version;
    let conf = &launch.dirs.conf;
    let log = logging::render(launch.entry.logging(), &launch.entry.subject());
    let text = yaml::render(&configuration(launch), version);
    let config = File { path: conf.join(yaml::file_name(version)), text };
    let mut files = vec![config, File { path: conf.join(log.name), text: log.text }];
    for role in [JOB_MANAGER, TASK_MANAGER] {
        // What cannot be split stops the launch in `job_manager` and `task_manager`.
        let options = user_jvm_options(launch, role).unwrap_or_default();
        if !options.is_empty() {
            files.push(File { path: options_file(launch, role), text: argument_file(&options) });
        }
    }
    files
}

/// The Job's configuration with the settings of this one cluster.
#[must_use]
pub fn configuration(launch: &Launch<'_>) -> TextMap {
    let mut all = config::for_version(launch.entry.configuration(), &launch.flink.version);
    if let Entry::Application { program, .. } = launch.entry {
        all.extend(program.settings.clone());
    }
    let Ports { rest, rpc, blob } = launch.ports;
    let scratch = launch.dirs.scratch.display().to_string();
    all.entry("io.tmp.dirs".to_owned()).or_insert_with(|| scratch.clone());
    let settings = [
        ("jobmanager.rpc.address", HOST.to_owned()),
        ("jobmanager.rpc.port", rpc.to_string()),
        ("jobmanager.bind-host", HOST.to_owned()),
        ("rest.address", HOST.to_owned()),
        ("rest.bind-address", HOST.to_owned()),
        ("rest.port", rest.to_string()),
        ("rest.bind-port", rest.to_string()),
        ("blob.server.port", blob.to_string()),
        ("taskmanager.host", HOST.to_owned()),
        ("taskmanager.bind-host", HOST.to_owned()),
        // By default Flink copies the program to a folder that all clusters of the machine share, and takes whatever
        // file of that name is there already: the program of another Deployment, or the one before an upgrade.
        ("user.artifacts.base-dir", format!("{scratch}/artifacts")),
        ("web.upload.dir", format!("{scratch}/upload")),
        ("web.tmpdir", scratch),
    ];
    all.extend(settings.map(|(key, value)| (key.to_owned(), value)));
    all
}

/// The JobManager, which runs the program's `main()`, or waits for jobs.
///
/// # Errors
/// A jar that cannot be named, JVM options that cannot be split, memory that does not suffice.
pub fn job_manager(launch: &Launch<'_>) -> Result<Command, Error> {
    let user = launch.entry.configuration();
    if let Some(key) = yaml::unwritable(user, &launch.flink.version) {
        return Err(Error::Unwritable { key: key.to_owned(), version: launch.flink.version });
    }
    let process = memory::process_size("jobmanager", user, launch.entry.memory(JOB_MANAGER))?;
    let flags = memory::JobManager::new(process, user)?.jvm_flags();
    let mut command = java(launch, JOB_MANAGER, flags, true)?;
    match launch.entry {
        Entry::Application { job, program } => {
            application(launch, job, program, &mut command.args)?;
        }
        Entry::Session(_) => {
            command.args.push(
                "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint".into(),
            );
            // Of 1.x and 2.x alike it knows this option, and no other that matters.
            let config = launch.dirs.conf.clone().into_os_string();
            command.args.extend(["--configDir".into(), config]);
        }
    }
    Ok(command)
}

fn application(
    launch: &Launch<'_>,
    owner: &Job,
    program: &Program,
    args: &mut Vec<OsString>,
) -> Result<(), Error> {
    let job = &owner.spec;
    args.push(
        "org.apache.flink.container.entrypoint.StandaloneApplicationClusterEntryPoint".into(),
    );
    args.extend(["--configDir".into(), launch.dirs.conf.clone().into_os_string()]);
    if launch.flink.version.takes_jars() {
        // `--jars` takes everything up to the next option that Flink knows: it must not stand last.
        args.extend(["--jars".into(), jars(program)?.join(",").into()]);
    } else {
        // The class path of the program, which is read from the same place on every process of this machine.
        let jars = jars(program)?.join(CLASS_PATH_SEPARATOR);
        args.push(format!("-D{CLASS_PATH}={jars}").into());
    }
    args.extend(["--job-classname".into(), program.class.clone().into()]);
    args.extend(["--job-id".into(), owner.flink_job_id().into()]);
    if let Some(snapshot) = &job.savepoint_location {
        args.extend(["--fromSavepoint".into(), snapshot.into()]);
        if job.allow_non_restored_state {
            args.push("--allowNonRestoredState".into());
        }
    }
    if !program.args.is_empty() {
        args.push("--".into());
        args.extend(program.args.iter().map(OsString::from));
    }
    Ok(())
}

/// A TaskManager. `resource_id` is its name in Flink's REST API and of its log: unique within the cluster.
///
/// # Errors
/// Memory that does not suffice, JVM options that cannot be split.
pub fn task_manager(launch: &Launch<'_>, resource_id: &str) -> Result<Command, Error> {
    let user = launch.entry.configuration();
    let process = memory::process_size("taskmanager", user, launch.entry.memory("taskmanager"))?;
    let memory = memory::TaskManager::new(process, user)?;
    let is_small = process <= FAST_START_BYTES_MAX;
    let mut command = java(launch, resource_id, memory.jvm_flags(), is_small)?;
    let args = &mut command.args;
    args.push("org.apache.flink.runtime.taskexecutor.TaskManagerRunner".into());
    args.extend(["--configDir".into(), launch.dirs.conf.clone().into_os_string()]);
    let cores = user.get("taskmanager.cpu.cores").and_then(|text| text.trim().parse().ok());
    let cores = cores.unwrap_or_else(|| f64::from(config::slots(user)));
    for (key, value) in memory.settings(cores) {
        args.push(format!("-D{key}={value}").into());
    }
    args.push(format!("-Dtaskmanager.resource-id={resource_id}").into());
    Ok(command)
}

/// Sorts the jars of `lib/` as Flink's scripts would: by name, flink-dist last.
pub fn class_path_order(jars: &mut [PathBuf]) {
    let is_dist = |path: &Path| {
        let name = path.file_name().and_then(|n| n.to_str());
        name.is_some_and(|n| n.starts_with("flink-dist-"))
    };
    jars.sort_by(|a, b| (is_dist(a), a.as_path()).cmp(&(is_dist(b), b.as_path())));
}

/// `java` with everything that JobManager and TaskManager have in common, up to the main class.
fn java(
    launch: &Launch<'_>,
    name: &str,
    memory: Vec<String>,
    is_fast_start: bool,
) -> Result<Command, Error> {
    let Launch { flink, dirs, .. } = launch;
    let log_file = dirs.logs.join(format!("{name}.log"));
    let log4j = dirs.conf.join(logging::file_name(launch.entry.logging()));
    let mut args: Vec<OsString> = memory.into_iter().map(OsString::from).collect();
    if is_fast_start {
        args.extend(["-XX:+UseSerialGC".into(), "-XX:TieredStopAtLevel=1".into()]);
    }
    let open = |flag: &str, packages: &[&str]| -> Vec<OsString> {
        packages.iter().map(|p| format!("{flag}={p}=ALL-UNNAMED").into()).collect()
    };
    args.extend(open("--add-exports", EXPORTS));
    args.extend(open("--add-opens", OPENS));
    let role = if name == JOB_MANAGER { JOB_MANAGER } else { TASK_MANAGER };
    if !user_jvm_options(launch, role)?.is_empty() {
        args.push(prefixed("@", &options_file(launch, role)));
    }
    args.push(prefixed("-Dlog.file=", &log_file));
    args.push(uri(&log4j).map(|uri| format!("-Dlog4j.configurationFile={uri}").into())?);
    args.push(prefixed("-Djava.io.tmpdir=", &dirs.scratch));
    args.push("-cp".into());
    args.push(class_path(flink));
    let command = Command {
        program: launch.java.to_owned(),
        args,
        env: vec![
            ("FLINK_CONF_DIR", dirs.conf.clone().into_os_string()),
            ("FLINK_PLUGINS_DIR", flink.home.join("plugins").into_os_string()),
            ("FLINK_OPT_DIR", flink.home.join("opt").into_os_string()),
        ],
        env_remove: &["FLINK_LIB_DIR", "FLINK_HOME", "FLINK_PROPERTIES", "CLASSPATH"],
        dir: dirs.run.clone(),
        log_file,
    };
    Ok(command)
}

/// The user's JVM options are in a file of their own: they may hold passwords, and the command line of a process is
/// for every user of the machine to see.
fn options_file(launch: &Launch<'_>, role: &str) -> PathBuf {
    launch.dirs.conf.join(format!("{role}.options"))
}

/// The text of an argument file of `java`: one quoted argument a line.
fn argument_file(arguments: &[String]) -> String {
    let mut text = String::new();
    for argument in arguments {
        text.push('"');
        for c in argument.chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\u{c}' => text.push_str("\\f"),
                other => text.push(other),
            }
        }
        text.push_str("\"\n");
    }
    text
}

/// `env.java.opts.*`, which Flink leaves to its scripts. They stand last, so they win.
fn user_jvm_options(launch: &Launch<'_>, role: &str) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for key in ["env.java.opts.all".to_owned(), format!("env.java.opts.{role}")] {
        let text = launch.entry.configuration().get(&key).map_or("", String::as_str);
        let words = args::split(text).map_err(|why| Error::Words { what: "env.java.opts", why })?;
        all.extend(words);
    }
    Ok(all)
}

/// The entry jar first: Flink looks for the entry class in the order given.
fn jars(program: &Program) -> Result<Vec<String>, Error> {
    std::iter::once(&program.jar).chain(&program.dependencies).map(|path| uri(path)).collect()
}

fn uri(path: &Path) -> Result<String, Error> {
    let uri = url::Url::from_file_path(path);
    // These separate jars.
    let uri = uri.map(|uri| uri.as_str().replace(',', "%2C").replace(';', "%3B"));
    uri.map_err(|()| Error::Path { path: path.to_owned() })
}

fn class_path(flink: &Flink) -> OsString {
    let mut text = OsString::new();
    for (n, jar) in flink.class_path.iter().enumerate() {
        if n > 0 {
            text.push(if cfg!(windows) { ";" } else { ":" });
        }
        text.push(jar);
    }
    text
}

fn prefixed(prefix: &str, path: &Path) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}

#[cfg(test)]
mod tests;
