//! Verbs that work on this machine: the server, the demo, Flink distributions.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `drey serve`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
The server says `listening on http://ADDR:PORT` when it serves. Ctrl-C or SIGTERM stops it; Flink jobs go on, and the
next start with the same data folder finds them again.

First steps, in another terminal:
  drey flink install                                 once; needs Python 3 with pip. Jobs need Java 17, and those of
                                                     SQL or Python (--python) a whole JDK
  drey apply -f deployment.yaml --wait               declare a job, and wait until it runs
  drey get dep                                       what runs, and how well
  drey describe dep NAME                             why, and what next

Endpoints:
  /api/v1/namespaces/default/deployments             Deployments; also jobs, savepoints, events,
                                                     deployment-targets, deployment-defaults
  /ext/v1/namespaces/default/deployments/NAME        a Deployment with its explanation; POST .../retry tries again
  /ext/v1/namespaces/default/jobs/ID/logs            what the processes of a job wrote
  /ext/v1/watch                                      every change, as server-sent events
  /ext/v1/quota                                      the CPU quota, who uses it and who waits for it
  /flink-ui/v1/namespaces/default/jobs/ID/           Flink's own dashboard of a job
  /swagger   /api/openapi.json   /api/swagger.json   the whole API: as a page to try it; OpenAPI 3.1; Swagger 2.0
  /metrics   /api/v1/status                          for Prometheus; for probes

Data folder:
  drey.db            everything that was declared and what became of it; also drey.db-wal, drey.db-shm
  drey.lock          held while a server runs: one server per folder
  secret.key         seals the secret values in drey.db; back it up, without it they cannot be read
  artifacts/         uploaded jars
  flink-savepoints/  savepoints; flink-jobs/ has checkpoints and what Flink needs to recover
  admin-token        the administrator's token, while access control is on
  logs/              what the processes of each job wrote; clusters/ has their files while they live
Flink distributions, drivers of SQL and Python, and PyFlink are in DREY_CACHE (default ~/.cache/drey) and are made again
when they are missing. The path of the data folder may hold no spaces and nothing else that an address would have to
encode.

Each setting is taken from the first place that has it: flag, environment, --config FILE, default. A config file is
YAML:
  listen: 127.0.0.1:8080
  dataDir: /var/lib/drey
  logFormat: json
  hostNames: [drey.example]
  eventsPerDeployment: 10000
  # CPU cores of all production Deployments together; `drey quota` shows who uses them
  resourceQuota: {limits: {cpu: 16}, toleratedOveruse: {cpu: 2}}
  # What Deployments of every namespace are filled up with
  globalDeploymentDefaults:
    spec:
      template: {spec: {flinkConfiguration: {execution.checkpointing.interval: 10s}}}
  access: { admins: ['user:ann'] }
  secretKeyFile: /etc/drey/secret.key
  artifacts: {maxBytes: 50000000, baseUri: 'file:///srv/drey'}
RUST_LOG chooses what is logged, for example RUST_LOG=debug.

Access control is off unless --auth or an access section of the config file turns it on: then callers show a token, the
first of which is in the file admin-token of the data folder. While it is off, whoever reaches the port may do everything,
so an address that other machines reach is refused without --insecure-no-auth. docs/access.md has the rest: roles, login
with an identity provider, the audit log.

Pages of other sites are kept out, and on a loopback address the server answers to the names of this machine only; behind
a proxy give it the name that browsers see (--host-name).

Examples:
  drey serve
  drey serve --listen 127.0.0.1:0 --data-dir /tmp/try
  DREY_LISTEN=0.0.0.0:8080 drey serve --auth --config /etc/drey.yaml
  curl -s http://127.0.0.1:8080/api/v1/status")]
pub(crate) struct Serve {
    /// Address to listen on; port 0 picks a free one. Default: 127.0.0.1:8080
    #[arg(long, env = "DREY_LISTEN", value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Folder for everything that must survive: database, snapshots, logs, Flink. Default: ~/.local/share/drey
    #[arg(long, env = "DREY_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Settings file (YAML)
    #[arg(long, env = "DREY_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to write the server's log to stderr. Default: text
    #[arg(long, env = "DREY_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Name by which browsers reach this server, beyond those of its machine. Repeatable
    #[arg(long = "host-name", env = "DREY_HOST_NAMES", value_name = "NAME", value_delimiter = ',')]
    pub(crate) host_names: Vec<String>,
    /// Ask callers who they are: tokens, roles, an audit log (docs/access.md)
    #[arg(long, env = "DREY_AUTH", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) auth: bool,
    /// File with the administrator's token. Default: admin-token in the data folder, made at the first start
    #[arg(long, env = "DREY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Let everybody who reaches the port do everything, also on an address that other machines reach
    #[arg(long, env = "DREY_INSECURE_NO_AUTH", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) insecure_no_auth: bool,
    /// Keys of secret values, one a line, the first one seals. Default: secret.key in the data folder, made at the first
    /// start
    #[arg(long, env = "DREY_SECRET_KEY_FILE", value_name = "FILE")]
    pub(crate) secret_key_file: Option<PathBuf>,
    /// CPU cores that production Deployments may use together; a launch beyond them waits. Default: no limit
    #[arg(long, env = "DREY_QUOTA_CPU", value_name = "CORES")]
    pub(crate) quota_cpu: Option<f64>,
    /// How far above --quota-cpu launches are still let through. Default: 0
    #[arg(long, env = "DREY_QUOTA_TOLERATED_CPU", value_name = "CORES")]
    pub(crate) quota_tolerated_cpu: Option<f64>,
    /// Events to keep per Deployment, the newest ones; 0 keeps all. Default: 0
    #[arg(long, env = "DREY_EVENTS_PER_DEPLOYMENT", value_name = "N")]
    pub(crate) events_per_deployment: Option<u32>,
}

/// How the server writes its log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// `drey demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Installs Flink, compiles a small streaming job, starts a server, declares the job as a Deployment and waits until it
runs. Ctrl-C suspends the job: its state is kept, and the next `drey demo` goes on from it.

Examples:
  drey demo
  drey demo --flink-version 1.20.5
  drey demo --data-dir /tmp/demo --port 9090")]
pub(crate) struct Demo {
    /// Version of Apache Flink to run
    #[arg(long, default_value = "2.2.1", value_name = "V")]
    pub(crate) flink_version: String,
    /// Port of the server; when it is taken, the next free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub(crate) port: u16,
    /// Folder of the demo. Default: ~/.local/share/drey/demo
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Suspend and stop as soon as the job runs
    #[arg(long)]
    pub(crate) once: bool,
}

/// `drey flink`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drey flink install 2.2.1
  drey flink install 2.2.1 --python
  drey flink install 1.20.5 --from /mnt/mirror/flink-1.20.5-bin-scala_2.12.tgz
  drey flink list
  export FLINK_HOME=$(drey flink path 2.2.1)")]
pub(crate) struct Flink {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: FlinkVerb,
}

/// What to do with Flink distributions.
#[derive(Debug, Subcommand)]
pub(crate) enum FlinkVerb {
    /// Download a version, check it, and keep it
    Install {
        /// Version, for example 2.2.1 or 1.20
        #[arg(default_value = "2.2.1")]
        version: String,
        /// Take it from here instead of the default sources
        #[arg(long, value_name = "FILE|DIR|pypi|release")]
        from: Option<String>,
        /// Also what Python programs of that version need: PyFlink and its packages, about 500 MB
        #[arg(long)]
        python: bool,
    },
    /// List the installed versions
    List,
    /// Print the folder of a version: the one that holds lib/
    Path {
        /// Version
        version: String,
    },
}
