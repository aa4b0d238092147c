//! What Flink is asked to run, the same for every kind of artifact and every kind of cluster: jars, a class, arguments,
//! settings.
//!
//! ```text
//! JAR        the user's jar         entryClass or the manifest's    mainArgs
//! SQLSCRIPT  driver with script     io.drey.driver.SqlScript        name of the job
//! PYTHON     driver, flink-python   io.drey.driver.PythonProgram    script|module, mainArgs      python.* settings
//! ```
//!
//! Owns the meaning of an artifact's members (platform API reference §1.1.5). Pure: whoever starts a program has fetched
//! its files before. Does not own command lines ([`crate::launch`]).

use std::path::{Path, PathBuf};

use drey_model::args;
use drey_model::deployment::Artifact;
use drey_model::meta::TextMap;
use serde::{Deserialize, Serialize};

use crate::driver;

/// The interpreter of user-defined functions.
const EXECUTABLE: &str = "python.executable";
/// The interpreter of the program itself.
const CLIENT_EXECUTABLE: &str = "python.client.executable";
const FILES: &str = "python.files";
const ARCHIVES: &str = "python.archives";

/// A program with everything that it needs, on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// The entry jar.
    pub jar: PathBuf,
    /// Further jars for the class path.
    pub dependencies: Vec<PathBuf>,
    /// Further files that it reads while it starts.
    pub files: Vec<PathBuf>,
    /// Class with `main`.
    pub class: String,
    /// Arguments of `main`.
    pub args: Vec<String>,
    /// Flink settings that belong to the program; they win over the Deployment's, which they contain.
    pub settings: TextMap,
}

/// Files of a PYTHON artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonFiles {
    /// The driver with Flink's Python side ([`driver::python_jar`]).
    pub jar: PathBuf,
    /// `pythonArtifactUri`: a `.py` file or a zip.
    pub main: PathBuf,
    /// `additionalDependencies`.
    pub dependencies: Vec<PathBuf>,
    /// `additionalPythonLibraries`.
    pub libraries: Vec<PathBuf>,
    /// `additionalPythonArchives`.
    pub archives: Vec<PathBuf>,
    /// An interpreter with PyFlink, for a configuration that names none.
    pub python: Option<PathBuf>,
}

/// Why an artifact is no program.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing says which class to start.
    #[error(
        "finding the class to start: {} has no Main-Class in its manifest, and the Deployment sets no entryClass",
        jar.display()
    )]
    NoEntryClass {
        /// The jar.
        jar: PathBuf,
    },
    /// Nothing says which module to start.
    #[error(
        "finding the module to start: {} is no .py file, so the Deployment needs spec.template.spec.artifact.entryModule",
        file.display()
    )]
    NoEntryModule {
        /// The file.
        file: PathBuf,
    },
    /// `mainArgs` cannot be split into words.
    #[error("splitting mainArgs into words: it {why}")]
    Args {
        /// What is wrong with it.
        why: String,
    },
}

impl Program {
    /// The program of a JAR artifact. `manifest_class`: the Main-Class of the jar.
    ///
    /// # Errors
    /// No class to start, arguments that cannot be split.
    pub fn jar(
        artifact: &Artifact,
        jar: PathBuf,
        dependencies: Vec<PathBuf>,
        manifest_class: Option<String>,
    ) -> Result<Self, Error> {
        let asked = artifact.entry_class.as_deref().map(str::trim);
        let asked = asked.filter(|class| !class.is_empty()).map(str::to_owned);
        let Some(class) = asked.or(manifest_class) else {
            return Err(Error::NoEntryClass { jar });
        };
        Ok(Self { jar, dependencies, class, args: words(artifact)?, ..Self::default() })
    }

    /// The program of a SQLSCRIPT artifact. `jar`: the script with the driver ([`driver::script_jar`]); `name`: the
    /// name of the job, unless the script or the configuration sets one.
    #[must_use]
    pub fn sql(jar: PathBuf, dependencies: Vec<PathBuf>, name: &str) -> Self {
        let (class, args) = (driver::SQL_CLASS.to_owned(), vec![name.to_owned()]);
        Self { jar, dependencies, class, args, ..Self::default() }
    }

    /// The program of a PYTHON artifact. `configuration`: the Job's.
    ///
    /// # Errors
    /// No module to start, arguments that cannot be split.
    pub fn python(
        artifact: &Artifact,
        configuration: &TextMap,
        files: PythonFiles,
    ) -> Result<Self, Error> {
        let PythonFiles { jar, main, dependencies, libraries, archives, python } = files;
        let module =
            artifact.entry_module.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let is_script = has_extension(&main, "py");
        if module.is_none() && !is_script {
            return Err(Error::NoEntryModule { file: main });
        }
        let (jars, others): (Vec<_>, Vec<_>) =
            dependencies.into_iter().partition(|path| has_extension(path, "jar"));
        // The program's own modules come first, then what it needs.
        let modules = module.map(|_| main.clone());
        let modules: Vec<PathBuf> = modules.into_iter().chain(libraries).chain(others).collect();
        let mut settings = TextMap::new();
        for (key, paths) in [(FILES, &modules), (ARCHIVES, &archives)] {
            let own = paths.iter().map(|path| path.display().to_string());
            let users = configuration.get(key).map(|list| list.trim().to_owned());
            let all: Vec<String> = own.chain(users.filter(|list| !list.is_empty())).collect();
            if !all.is_empty() {
                settings.insert(key.to_owned(), all.join(","));
            }
        }
        settings.extend(interpreters(configuration, python));
        let start = match module {
            Some(name) => ["module".to_owned(), name.to_owned()],
            None => ["script".to_owned(), main.display().to_string()],
        };
        // Flink would take the program's own `-py` for its option, wherever it stands; the driver removes the sign.
        let words = words(artifact)?.into_iter().map(|word| format!("={word}"));
        let args = start.into_iter().chain(words).collect();
        let files = std::iter::once(main).chain(modules).chain(archives).collect();
        let class = driver::PYTHON_CLASS.to_owned();
        Ok(Self { jar, dependencies: jars, files, class, args, settings })
    }
}

/// Whether the configuration names an interpreter, so that nobody has to look for one.
#[must_use]
pub fn names_python(configuration: &TextMap) -> bool {
    [EXECUTABLE, CLIENT_EXECUTABLE].iter().any(|key| set(configuration, key).is_some())
}

/// Both interpreters: the one that is named stands for the other one, too.
fn interpreters(configuration: &TextMap, python: Option<PathBuf>) -> TextMap {
    let found = python.map(|python| python.display().to_string());
    let (functions, client) =
        (set(configuration, EXECUTABLE), set(configuration, CLIENT_EXECUTABLE));
    let all = [(EXECUTABLE, functions.or(client)), (CLIENT_EXECUTABLE, client.or(functions))];
    let all = all.map(|(key, named)| (key, named.map(str::to_owned).or_else(|| found.clone())));
    all.into_iter().filter_map(|(key, path)| Some((key.to_owned(), path?))).collect()
}

fn set<'a>(configuration: &'a TextMap, key: &str) -> Option<&'a str> {
    configuration.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn words(artifact: &Artifact) -> Result<Vec<String>, Error> {
    let text = artifact.main_args.as_deref().unwrap_or_default();
    args::split(text).map_err(|why| Error::Args { why })
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(change: impl FnOnce(&mut Artifact)) -> Artifact {
        let mut artifact = Artifact::default();
        change(&mut artifact);
        artifact
    }

    fn files(main: &str) -> PythonFiles {
        PythonFiles {
            jar: "/drey-python.jar".into(),
            main: main.into(),
            dependencies: vec!["/c/kafka.JAR".into(), "/c/model.bin".into()],
            libraries: vec!["/c/lib.whl".into()],
            archives: vec!["/c/data.zip".into()],
            python: Some("/venv/bin/python".into()),
        }
    }

    fn map(pairs: &[(&str, &str)]) -> TextMap {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn the_class_of_a_jar_comes_from_the_deployment_or_else_from_the_manifest() {
        let class = |entry: Option<&str>, manifest: Option<&str>| {
            let artifact = artifact(|a| a.entry_class = entry.map(str::to_owned));
            Program::jar(&artifact, "/a.jar".into(), vec![], manifest.map(str::to_owned))
        };
        assert_eq!(class(Some(" a.Main "), Some("b.B")).unwrap().class, "a.Main");
        assert_eq!(class(Some(" "), Some("b.B")).unwrap().class, "b.B");
        assert!(class(None, None).unwrap_err().to_string().contains("entryClass"));
    }

    #[test]
    fn a_python_script_gets_its_arguments_and_a_zip_its_module() {
        let with_args = artifact(|a| a.main_args = Some("--rate 5 'a b'".to_owned()));
        let program = Program::python(&with_args, &map(&[]), files("/c/job.py")).unwrap();
        assert_eq!(program.args, ["script", "/c/job.py", "=--rate", "=5", "=a b"]);
        assert_eq!(program.dependencies, [PathBuf::from("/c/kafka.JAR")]);
        assert_eq!(
            program.settings,
            map(&[
                ("python.files", "/c/lib.whl,/c/model.bin"),
                ("python.archives", "/c/data.zip"),
                ("python.executable", "/venv/bin/python"),
                ("python.client.executable", "/venv/bin/python"),
            ])
        );
        let error = Program::python(&with_args, &map(&[]), files("/c/job.zip")).unwrap_err();
        assert!(error.to_string().contains("entryModule"), "{error}");
        let module = artifact(|a| a.entry_module = Some("app.main".to_owned()));
        let program = Program::python(&module, &map(&[]), files("/c/job.zip")).unwrap();
        assert_eq!(program.args, ["module", "app.main"]);
        assert_eq!(program.settings["python.files"], "/c/job.zip,/c/lib.whl,/c/model.bin");
        assert!(program.files.contains(&"/c/job.zip".into()));
    }

    #[test]
    fn the_configuration_adds_files_and_chooses_the_interpreter() {
        let user = map(&[("python.files", "/own.py"), ("python.executable", "/own/python")]);
        assert!(names_python(&user) && !names_python(&map(&[("python.executable", " ")])));
        let program = Program::python(&artifact(|_| ()), &user, files("/c/job.py")).unwrap();
        assert_eq!(program.settings["python.files"], "/c/lib.whl,/c/model.bin,/own.py");
        assert_eq!(program.settings["python.executable"], "/own/python");
        assert_eq!(program.settings["python.client.executable"], "/own/python");
    }
}
