//! Settings of the server: flag, environment, config file, default; the first that is there wins.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use drey_model::quota::{Cores, Limit};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use url::Url;

use super::access::{AUDIT_DAYS_DEFAULT, AccessFile, AccessOptions};
use super::defaults;
use crate::args::{LogFormat, Serve};
use crate::failure::{Failure, Result};

/// Where the server listens unless it is told otherwise.
const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// More CPU cores than a quota can mean; what is above is a slip of the pen.
const QUOTA_CORES_MAX: f64 = 1_000_000.0;

/// Everything that the server needs to know before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServeOptions {
    /// Address to listen on; port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// Folder for everything that must survive.
    pub(crate) data_dir: PathBuf,
    /// How to write the log.
    pub(crate) log_format: LogFormat,
    /// Names that the server answers to beyond those of its machine.
    pub(crate) host_names: Vec<String>,
    /// Events that each Deployment keeps, the newest ones; all when not given.
    pub(crate) events_per_deployment: Option<NonZeroU32>,
    /// How many CPU cores Deployments may use; as many as there are when not given.
    pub(crate) quota: Option<Limit>,
    /// What Deployments are filled up with over what is built in: a layer.
    pub(crate) global_defaults: Option<Value>,
    /// Who may do what; everybody everything when not given.
    pub(crate) access: Option<AccessOptions>,
    /// Days for which the audit log is kept.
    pub(crate) audit_days: u32,
    /// Keys of secret values; in the data folder when not given.
    pub(crate) secret_key_file: Option<PathBuf>,
    /// Uploaded artifacts.
    pub(crate) artifacts: ArtifactOptions,
}

/// Settings of uploaded artifacts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ArtifactOptions {
    /// Bytes of the largest one.
    pub(crate) max_bytes: Option<u64>,
    /// Where they are; the data folder when not given.
    pub(crate) base_uri: Option<Url>,
}

/// A config file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct File {
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    log_format: Option<LogFormat>,
    host_names: Vec<String>,
    events_per_deployment: Option<u32>,
    resource_quota: Option<QuotaFile>,
    /// Read by [`defaults::layer`].
    global_deployment_defaults: Option<IgnoredAny>,
    #[serde(skip)]
    global_defaults: Option<Value>,
    access: Option<AccessFile>,
    secret_key_file: Option<PathBuf>,
    artifacts: ArtifactOptions,
}

/// `resourceQuota`, written as the API shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct QuotaFile {
    limits: Option<Amount>,
    tolerated_overuse: Option<Amount>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Amount {
    cpu: f64,
}

impl ServeOptions {
    /// The settings behind a command line (clap has looked into the environment already).
    pub(crate) fn of(args: &Serve) -> Result<Self> {
        let file = args.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let data_dir = args.data_dir.clone().or(file.data_dir);
        let host_names =
            if args.host_names.is_empty() { file.host_names } else { args.host_names.clone() };
        let listen = args.listen.or(file.listen).unwrap_or(LISTEN_DEFAULT);
        let events = args.events_per_deployment.or(file.events_per_deployment);
        Ok(Self {
            access: AccessOptions::of(args, file.access.as_ref(), listen)?,
            audit_days: file.access.and_then(|a| a.audit_days).unwrap_or(AUDIT_DAYS_DEFAULT),
            listen,
            data_dir: data_dir.map_or_else(default_data_dir, Ok)?,
            log_format: args.log_format.or(file.log_format).unwrap_or_default(),
            host_names,
            events_per_deployment: events.and_then(NonZeroU32::new),
            quota: quota(args, file.resource_quota)?,
            global_defaults: file.global_defaults,
            secret_key_file: args.secret_key_file.clone().or(file.secret_key_file),
            artifacts: file.artifacts,
        })
    }
}

/// The limit, each part from the first place that has it.
fn quota(args: &Serve, file: Option<QuotaFile>) -> Result<Option<Limit>> {
    let from_file = |amount: Option<Amount>| amount.map(|amount| amount.cpu);
    let (limits, tolerated) = file.map_or((None, None), |f| (f.limits, f.tolerated_overuse));
    let cpu = args.quota_cpu.or(from_file(limits));
    let read = |flag, given: Option<f64>, member| if given.is_some() { flag } else { member };
    let limit = read("--quota-cpu", args.quota_cpu, "resourceQuota.limits.cpu in the config file");
    let overuse = read(
        "--quota-tolerated-cpu",
        args.quota_tolerated_cpu,
        "resourceQuota.toleratedOveruse.cpu in the config file",
    );
    let tolerated = args.quota_tolerated_cpu.or(from_file(tolerated));
    for (name, cores) in [(limit, cpu), (overuse, tolerated)] {
        if let Some(cores) = cores.filter(|cores| !(0.0..=QUOTA_CORES_MAX).contains(cores)) {
            return Err(Failure::usage(format!("{name} is {cores}")).why(format!(
                "a number of CPU cores is 0 or more and at most {QUOTA_CORES_MAX}, for example 16 or 2.5"
            )));
        }
    }
    match (cpu, tolerated) {
        (None, None) => Ok(None),
        (Some(cpu), tolerated) => Ok(Some(Limit {
            cpu: Cores::new(cpu),
            tolerated: Cores::new(tolerated.unwrap_or(0.0)),
        })),
        (None, Some(_)) => Err(Failure::usage("a tolerated overuse without a limit")
            .why("--quota-tolerated-cpu says how far above --quota-cpu launches are let through")
            .next("add --quota-cpu CORES, or resourceQuota.limits.cpu in the config file")),
    }
}

fn read(path: &Path) -> Result<File> {
    let refused = |why: String| {
        Failure::usage(format!("reading the config file {}", path.display()))
            .why(why)
            .next("drey serve --help        lists the settings")
    };
    let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
    if text.trim().is_empty() {
        return Ok(File::default());
    }
    let mut file: File = serde_saphyr::from_str(&text).map_err(|e| refused(e.to_string()))?;
    if file.global_deployment_defaults.is_some() {
        file.global_defaults =
            defaults::layer(&text).map_err(|problems| refused(problems.join("\n")))?;
    }
    Ok(file)
}

/// `$XDG_DATA_HOME/drey`, else `~/.local/share/drey`.
pub(crate) fn default_data_dir() -> Result<PathBuf> {
    let var = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let xdg = var("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let home = var("HOME").filter(|path| !path.as_os_str().is_empty());
    let base = xdg.or_else(|| home.map(|home| home.join(".local").join("share")));
    base.map(|base| base.join("drey")).ok_or_else(|| {
        Failure::usage("there is no place for data")
            .why("HOME is not set")
            .next("add --data-dir DIR")
    })
}

#[cfg(test)]
mod tests {
    use drey_model::quota::{Cores, Limit};

    use super::{LogFormat, Result, ServeOptions};
    use crate::args::Serve;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_default() {
        let path = std::env::temp_dir().join(format!("drey-options-{}.yaml", std::process::id()));
        std::fs::write(
            &path,
            "listen: 127.0.0.1:1234\ndataDir: /from/file\nlogFormat: json\nhostNames: [a]\n\
             globalDeploymentDefaults: {spec: {state: running}}\n\
             secretKeyFile: /keys\nartifacts: {maxBytes: 7, baseUri: 's3://b/c'}\n",
        )
        .unwrap();
        let mut args = Serve { config: Some(path.clone()), ..Serve::default() };
        args.data_dir = Some("/from/flag".into());
        args.events_per_deployment = Some(0);
        let options = ServeOptions::of(&args).unwrap();
        assert_eq!(options.listen.to_string(), "127.0.0.1:1234");
        assert_eq!(options.data_dir.to_string_lossy(), "/from/flag");
        assert_eq!(options.log_format, LogFormat::Json);
        assert_eq!(options.host_names, ["a"]);
        assert_eq!(options.secret_key_file, Some("/keys".into()));
        assert_eq!(options.artifacts.max_bytes, Some(7));
        assert_eq!(options.artifacts.base_uri.map(String::from), Some("s3://b/c".to_owned()));
        assert_eq!(options.events_per_deployment, None);
        let state = options.global_defaults.as_ref().and_then(|d| d.pointer("/spec/state"));
        assert_eq!(state.and_then(|s| s.as_str()), Some("RUNNING"));
        assert_eq!(options.quota, None);
        std::fs::write(&path, "listn: 127.0.0.1:1234\n").unwrap();
        let wrong = ServeOptions::of(&args).unwrap_err();
        assert!(wrong.to_string().contains("listn"), "{wrong}");
        std::fs::remove_file(&path).unwrap();
    }

    fn quota(text: &str, cpu: Option<f64>, tolerated: Option<f64>) -> Result<Option<Limit>> {
        let file = serde_saphyr::from_str(text).unwrap();
        let args = Serve { quota_cpu: cpu, quota_tolerated_cpu: tolerated, ..Serve::default() };
        super::quota(&args, file)
    }

    #[test]
    fn the_quota_is_put_together_from_flags_and_the_file() {
        let file = "limits: {cpu: 16}\ntoleratedOveruse: {cpu: 1.5}\n";
        let limit =
            |cpu, tolerated| Some(Limit { cpu: Cores::new(cpu), tolerated: Cores::new(tolerated) });
        assert_eq!(quota(file, None, None).unwrap(), limit(16.0, 1.5));
        assert_eq!(quota(file, Some(8.0), None).unwrap(), limit(8.0, 1.5));
        assert_eq!(quota("limits: {cpu: 16}", None, Some(0.0)).unwrap(), limit(16.0, 0.0));
        assert_eq!(quota("{}", Some(0.0), None).unwrap(), limit(0.0, 0.0));
        assert_eq!(quota("{}", None, None).unwrap(), None);
    }

    #[test]
    fn a_quota_that_makes_no_sense_is_refused_with_what_to_do() {
        for (cpu, tolerated, word) in [
            (Some(-1.0), None, "--quota-cpu is -1"),
            (Some(f64::NAN), None, "0 or more"),
            (Some(1e300), None, "at most 1000000"),
            (Some(1.0), Some(f64::INFINITY), "--quota-tolerated-cpu is inf"),
            (None, Some(1.0), "add --quota-cpu"),
        ] {
            let refused = quota("{}", cpu, tolerated).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
        for (file, word) in [
            ("limits: {cpu: -1}", "resourceQuota.limits.cpu in the config file is -1"),
            (
                "{limits: {cpu: 1}, toleratedOveruse: {cpu: -2}}",
                "toleratedOveruse.cpu in the config file is -2",
            ),
        ] {
            let refused = quota(file, None, None).unwrap_err().to_string();
            assert!(refused.contains(word) && !refused.contains("--quota"), "{refused}");
        }
    }
}
