//! Verbs that talk to a server.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cli::goal::Goal;
use crate::duration;
use crate::subject::{self, Subject};

/// Examples of `start`, `suspend` and `cancel`.
pub(crate) const CHANGE_HELP: &str = "\
Examples:
  drey start top-speed --wait
  drey suspend top-speed fraud-detection --wait --timeout 2m
  drey cancel -l team=payments
  drey start sessioncluster/shared --wait";

/// `drey get`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drey get dep
  drey get dep top-speed -o yaml
  drey get dep -l team=payments -o json | jq '.items[].status.state'
  drey get dep -w -o jsonl
  drey get sp top-speed              the savepoints of one Deployment
  drey get jobs -o wide")]
pub(crate) struct Get {
    /// Kind: deployments (dep), deploymenttargets (dt), deploymentdefaults (dd), sessionclusters (sc), jobs, savepoints
    /// (sp), events (ev), secretvalues (sv), namespaces (ns), apitokens (token), artifacts; or KIND/NAME
    #[arg(value_name = "KIND")]
    pub(crate) subject: Subject,
    /// Names. For jobs, savepoints and events: ids, or the names of Deployments
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Only Deployments with these labels, for example team=payments,env=prod
    #[arg(short = 'l', long, value_name = "SEL")]
    pub(crate) selector: Option<String>,
    /// Go on and show every change
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// A kind and a name.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  drey describe dep top-speed\n  drey describe sc/shared\n  drey describe job/0198c0de-7000-7000-8000-000000000001"
)]
pub(crate) struct One {
    /// Kind, or KIND/NAME
    #[arg(value_name = "KIND")]
    pub(crate) subject: Subject,
    /// Name, or id for jobs and savepoints
    pub(crate) name: Option<String>,
}

/// `drey apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
Documents are applied in an order that works: namespaces, deployment targets, secret values, session clusters,
deployment defaults, Deployments. What does not exist is created; what exists is merged with the document: members that
the document leaves out keep their value, and null removes one.

Examples:
  drey apply -f deployment.yaml
  drey apply -f jobs/ --wait --timeout 5m
  kubectl get vvpdeployment x -o yaml | drey apply -f -
  drey apply -f deployment.yaml --if-version 1842      only if nobody changed it since
  drey apply -f deployment.yaml --dry-run              only check it")]
pub(crate) struct Apply {
    /// File, folder, URL, or - for standard input; YAML or JSON, also several documents. Repeatable
    #[arg(short, long = "filename", required = true, value_name = "FILE|DIR|URL|-")]
    pub(crate) files: Vec<String>,
    /// Wait until every applied Deployment and session cluster is as declared
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --wait: how long
    #[arg(long, value_parser = duration::parse, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Duration,
    /// Change the object only if this is still its metadata.resourceVersion
    #[arg(long, value_name = "N")]
    pub(crate) if_version: Option<i32>,
    /// Only have the server check everything; nothing is changed. `drey diff` shows what would be
    #[arg(long, conflicts_with = "wait")]
    pub(crate) dry_run: bool,
}

/// `drey edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Uses $VISUAL or $EDITOR. When the server refuses the change, the editor opens again with the reason on top.
Leave the text as it is, or empty it, to give up.

Examples:
  drey edit dep top-speed
  EDITOR=nano drey edit dep/top-speed")]
pub(crate) struct Edit {
    /// What to edit
    #[command(flatten)]
    pub(crate) one: One,
    /// Only have the server check the change; nothing is changed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `drey delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
A Deployment can be deleted when its job is not running, a session cluster when it is stopped and nothing refers to it.
Snapshots stay in storage.

Examples:
  drey delete dep top-speed
  drey delete dep/top-speed --yes
  drey delete secret db-password")]
pub(crate) struct Delete {
    /// What to delete
    #[command(flatten)]
    pub(crate) one: One,
    /// Only ask whether it could be deleted; nothing is changed
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `drey start`, `drey suspend`, `drey cancel`.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Deployments; for start also session clusters: sc/NAME
    #[arg(value_name = "NAME", required_unless_present = "selector")]
    pub(crate) names: Vec<String>,
    /// All Deployments with these labels
    #[arg(short = 'l', long, value_name = "SEL", conflicts_with = "names")]
    pub(crate) selector: Option<String>,
    /// Wait until it is so
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --wait: how long
    #[arg(long, value_parser = duration::parse, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// `drey stop`.
#[derive(Debug, Args)]
#[command(after_help = "\
Refused while Deployments run on it; suspend or cancel them first.

Examples:
  drey stop sessioncluster/shared --wait
  drey stop sc/shared")]
pub(crate) struct Stop {
    /// Session clusters: sessioncluster/NAME or sc/NAME
    #[arg(value_name = "sessioncluster/NAME", required = true)]
    pub(crate) names: Vec<String>,
    /// Wait until no process of them runs
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --wait: how long
    #[arg(long, value_parser = duration::parse, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// `drey scale`.
#[derive(Debug, Args)]
#[command(after_help = "\
A session cluster changes the number of its TaskManagers without a restart, idle ones first. A Deployment is upgraded
to the new parallelism by its upgrade strategy.

Examples:
  drey scale sessioncluster/shared 4 --wait
  drey scale dep/top-speed 8")]
pub(crate) struct Scale {
    /// sessioncluster/NAME, dep/NAME or the NAME of a Deployment
    #[arg(value_name = "KIND/NAME", value_parser = subject::named)]
    pub(crate) subject: Subject,
    /// TaskManagers of a session cluster, or parallelism of a Deployment
    #[arg(value_name = "COUNT", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) count: i32,
    /// Wait until as many TaskManagers take jobs, or the job runs with the new parallelism
    #[arg(long)]
    pub(crate) wait: bool,
    /// With --wait: how long
    #[arg(long, value_parser = duration::parse, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// `drey savepoint`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drey savepoint create top-speed --wait
  drey savepoint list top-speed
  drey savepoint get top-speed        the newest complete one")]
pub(crate) struct Savepoints {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: SavepointVerb,
}

/// What to do with savepoints.
#[derive(Debug, Subcommand)]
pub(crate) enum SavepointVerb {
    /// Take a savepoint of a running Deployment; the job goes on
    Create {
        /// Deployment
        name: String,
        /// Wait until it is complete
        #[arg(long)]
        wait: bool,
        /// With --wait: how long
        #[arg(long, value_parser = duration::parse, default_value = "10m", value_name = "TIME")]
        timeout: Duration,
    },
    /// List savepoints and retained checkpoints, newest first
    List {
        /// Only those of this Deployment
        name: Option<String>,
    },
    /// Show one
    Get {
        /// Id of a savepoint, or a Deployment for its newest complete one
        name: String,
    },
}

/// `drey wait`.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 0 when it is so, 7 as soon as it cannot become so, 8 when the time is up (10 if it waited for the CPU quota
then), 3 when the object disappears.

Examples:
  drey wait dep/top-speed --for running
  drey wait dep/top-speed --for healthy --stable 60s --timeout 5m
  drey wait dep/a dep/b --for stopped
  drey wait sc/shared --for running
  drey wait top-speed --for condition=JobFailing=False --fail-on none")]
pub(crate) struct Wait {
    /// Deployments (dep/NAME or NAME) and session clusters (sc/NAME)
    #[arg(value_name = "KIND/NAME", required = true, value_parser = subject::named)]
    pub(crate) subjects: Vec<Subject>,
    /// running, stopped, suspended, cancelled, finished, healthy, upgrade, deleted, state=X, condition=TYPE=STATUS,
    /// jsonpath='{.path}'=VALUE. Repeatable: all must hold. Session clusters: running, stopped, healthy, deleted,
    /// state=X, jsonpath
    #[arg(long = "for", required = true, value_name = "WHAT")]
    pub(crate) goals: Vec<Goal>,
    /// The first of several --for is enough
    #[arg(long)]
    pub(crate) any: bool,
    /// How long, when and why to give up
    #[command(flatten)]
    pub(crate) rules: WaitRules,
}

/// When to give up waiting, and what does not count.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitRules {
    /// How long to wait; 0 looks once
    #[arg(long, value_parser = duration::parse, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Duration,
    /// What ends the wait at once: failed, failing, quota, or none
    #[arg(long, value_delimiter = ',', default_value = "failed", value_name = "WHAT")]
    pub(crate) fail_on: Vec<FailOn>,
    /// It must hold that long without a break
    #[arg(long, value_parser = duration::parse, default_value = "0", value_name = "TIME")]
    pub(crate) stable: Duration,
    /// Ignore what was before this metadata.resourceVersion; `apply --wait` passes it by itself
    #[arg(long, value_name = "N")]
    pub(crate) since_version: Option<i32>,
}

/// What ends a wait at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FailOn {
    /// The state FAILED
    Failed,
    /// Also the condition JobFailing
    Failing,
    /// Also a launch that the CPU quota has no room for
    Quota,
    /// Nothing but the timeout
    None,
}

/// `drey events`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  drey events top-speed\n  drey events top-speed -f\n  drey events sc/shared\n  drey events top-speed -o jsonl | jq .spec.message"
)]
pub(crate) struct Events {
    /// Deployment, or sc/NAME
    pub(crate) name: String,
    /// Go on and show what happens
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// `drey logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  drey logs top-speed                     the JobManager's log of the newest run
  drey logs top-speed -c tm -f            a TaskManager's, as it grows
  drey logs top-speed -c list             which files there are
  drey logs top-speed -c taskmanager-1.out --tail 20
  drey logs top-speed --previous          of the run before
  drey logs sc/shared                     the JobManager's log of a SessionCluster's newest run")]
pub(crate) struct Logs {
    /// Deployment, the id of one of its jobs, or sc/NAME
    pub(crate) name: String,
    /// jm, tm, the name of a file, or list
    #[arg(short = 'c', long = "component", default_value = "jm", value_name = "jm|tm|FILE|list")]
    pub(crate) component: String,
    /// Go on and show what is written
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin with the last N lines
    #[arg(long, value_name = "N")]
    pub(crate) tail: Option<usize>,
    /// Of the run before the newest one
    #[arg(short, long)]
    pub(crate) previous: bool,
}
