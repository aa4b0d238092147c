//! `drey flink`: distributions of Apache Flink on this machine.

use std::path::PathBuf;

use drey_flink::dist::{Cache, Installed, Progress, Source};
use drey_flink::versions::Version;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::args::{Flink, FlinkVerb, Format, Global};
use crate::failure::{Exit, Failure, Result};
use crate::output::{json, json_line, put, say, yaml};

pub(crate) async fn run(args: Flink, global: &Global) -> Result<()> {
    let cache = Cache::open().map_err(|e| failed("opening the cache of Flink", &e))?;
    match args.verb {
        FlinkVerb::Install { version, from, python } => {
            let installed = install(&cache, &version, from.as_deref(), global.quiet).await?;
            if python {
                let bar = Bar::new(global.quiet);
                let done = cache.install_python(&installed.flink.version, &bar).await;
                bar.bar.finish_and_clear();
                done.map_err(|e| failed(&format!("installing PyFlink {version}"), &e))?;
            }
            put(&format!("{}\n", installed.flink.home.display()))
        }
        FlinkVerb::List => list(&cache, global),
        FlinkVerb::Path { version } => {
            let found = cache.find(&parsed(&version)?).ok_or_else(|| {
                let what = format!("Flink {version} is not installed");
                Failure::new(Exit::NotFound, what).next(format!("drey flink install {version}"))
            })?;
            put(&format!("{}\n", found.flink.home.display()))
        }
    }
}

/// Installs a version, unless it is there; shows how far it is.
pub(crate) async fn install(
    cache: &Cache,
    version: &str,
    from: Option<&str>,
    quiet: bool,
) -> Result<Installed> {
    let source = match from {
        None => Source::Auto,
        Some("pypi") => Source::PyPi,
        Some("release") => Source::Release,
        Some(path) => Source::Path(PathBuf::from(path)),
    };
    let bar = Bar::new(quiet);
    let done = cache.install(&parsed(version)?, &source, &bar).await;
    bar.bar.finish_and_clear();
    done.map_err(|e| failed(&format!("installing Flink {version}"), &e))
}

fn parsed(version: &str) -> Result<Version> {
    version.parse().map_err(|e| {
        Failure::usage(format!("\"{version}\" is not a version of Flink"))
            .why(format!("{e}"))
            .next("drey flink install 2.2.1")
    })
}

fn list(cache: &Cache, global: &Global) -> Result<()> {
    let installed = cache.installed();
    let as_json = || -> Vec<Value> {
        let one = |i: &Installed| {
            json!({
                "version": i.flink.version.to_string(), "path": i.flink.home,
                "source": i.origin.source, "verified": i.origin.is_verified,
            })
        };
        installed.iter().map(one).collect()
    };
    match global.output {
        Some(Format::Json) => put(&json(&as_json())?),
        Some(Format::Yaml) => put(&yaml(&as_json())?),
        Some(Format::Jsonl) => put(&as_json().iter().map(json_line).collect::<Result<String>>()?),
        Some(Format::Table | Format::Wide | Format::Name) | None => {
            if installed.is_empty() && !global.quiet {
                say("no Flink is installed; `drey flink install` gets one");
            }
            let line = |i: &Installed| {
                let version = i.flink.version.to_string();
                match global.output {
                    Some(Format::Name) => format!("{version}\n"),
                    _ => format!("{version:<8}  {}\n", i.flink.home.display()),
                }
            };
            put(&installed.iter().map(line).collect::<String>())
        }
    }
}

/// A failure with its causes.
fn failed(what: &str, error: &dyn std::error::Error) -> Failure {
    let mut failure = Failure::new(Exit::No, format!("{what} failed")).why(error.to_string());
    let mut cause = error.source();
    while let Some(inner) = cause {
        failure.why.push(inner.to_string());
        cause = inner.source();
    }
    failure
}

/// Progress for people: steps as lines, bytes as a bar that only a terminal shows.
struct Bar {
    bar: ProgressBar,
    quiet: bool,
}

impl Bar {
    fn new(quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let template = "  {bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, quiet }
    }
}

impl Progress for Bar {
    fn step(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| say(&format!("  {text}")));
        }
    }

    fn bytes(&self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(done);
    }
}
