//! Command lines as text: what would be started for a Job.

use std::collections::BTreeSet;
use std::path::PathBuf;

use drey_model::configuration::is_high_availability;
use drey_model::deployment::ResourceSpec;
use drey_model::job::{JobMetadata, JobSpec};
use uuid::Uuid;

use super::*;

fn job(change: impl FnOnce(&mut JobSpec)) -> Job {
    let metadata = JobMetadata { id: Uuid::from_u128(0xabc), ..JobMetadata::default() };
    let mut spec = JobSpec::default();
    change(&mut spec);
    Job::new(metadata, spec)
}

fn with<T>(job: &Job, check: impl FnOnce(&Launch<'_>) -> T) -> T {
    let flink = Flink {
        home: "/flink".into(),
        version: "2.2.1".parse().unwrap(),
        class_path: vec!["/flink/lib/a.jar".into(), "/flink/lib/flink-dist-2.2.1.jar".into()],
    };
    let program = Program {
        jar: "/jars/my job.jar".into(),
        dependencies: vec!["/jars/b.jar".into()],
        class: "a.Main".to_owned(),
        args: ["--rate", "5", "-Dx=y", "--fromSavepoint"].map(str::to_owned).into(),
        ..Program::default()
    };
    let dirs = Dirs {
        run: "/run".into(),
        conf: "/run/conf".into(),
        logs: "/run/log".into(),
        scratch: "/run/tmp".into(),
    };
    let ports = Ports { rest: 1, rpc: 2, blob: 3 };
    let java = PathBuf::from("/usr/bin/java");
    let entry = Entry::Application { job, program: &program };
    let launch = Launch { entry, java: &java, flink: &flink, ports, dirs: &dirs };
    check(&launch)
}

fn args(command: &Command) -> Vec<String> {
    command.args.iter().map(|a| a.to_string_lossy().into_owned()).collect()
}

#[test]
fn the_job_manager_gets_its_options_in_an_order_that_flink_understands() {
    let job = job(|spec| {
        spec.savepoint_location = Some("file:///sp/1".to_owned());
        spec.allow_non_restored_state = true;
    });
    let command = with(&job, job_manager).unwrap();
    let args = args(&command);
    let main = args.iter().position(|a| a.ends_with("StandaloneApplicationClusterEntryPoint"));
    assert_eq!(
        args[main.unwrap() + 1..].join(" "),
        "--configDir /run/conf --jars file:///jars/my%20job.jar,file:///jars/b.jar --job-classname a.Main \
         --job-id 00000000000000000000000000000abc --fromSavepoint file:///sp/1 --allowNonRestoredState \
         -- --rate 5 -Dx=y --fromSavepoint"
    );
    assert!(args.contains(&"/flink/lib/a.jar:/flink/lib/flink-dist-2.2.1.jar".to_owned()));
    assert!(args.contains(&"-Dlog.file=/run/log/jobmanager.log".to_owned()));
    assert_eq!(args.iter().filter(|a| a.starts_with("--add-")).count(), 19);
    assert!(args.contains(&"-Xmx396020224".to_owned()), "{args:?}");
    assert!(command.env_remove.contains(&"FLINK_LIB_DIR"));
}

#[test]
fn a_flink_that_takes_no_jars_loads_them_from_where_they_are() {
    let all = with(&job(|_| ()), |launch| {
        let flink = Flink { version: "1.18.1".parse().unwrap(), ..launch.flink.clone() };
        args(&job_manager(&Launch { flink: &flink, ..*launch }).unwrap())
    });
    let expected = "-Dpipeline.classpaths=file:///jars/my%20job.jar;file:///jars/b.jar";
    assert!(all.contains(&expected.to_owned()) && !all.contains(&"--jars".to_owned()), "{all:?}");
}

#[test]
fn nothing_is_dropped_from_state_that_is_not_restored() {
    let job = job(|spec| spec.allow_non_restored_state = true);
    let args = args(&with(&job, job_manager).unwrap());
    assert!(!args.iter().any(|a| a == "--allowNonRestoredState"));
}

#[test]
fn the_settings_of_a_program_win_and_no_arguments_need_no_separator() {
    let job = job(|spec| {
        spec.flink_configuration.insert("python.files".to_owned(), "/b.py".to_owned());
    });
    with(&job, |launch| {
        let settings = TextMap::from([("python.files".to_owned(), "/a.py,/b.py".to_owned())]);
        let Entry::Application { job, program } = launch.entry else { panic!() };
        let program = Program { args: vec![], settings, ..program.clone() };
        let launch = Launch { entry: Entry::Application { job, program: &program }, ..*launch };
        assert_eq!(configuration(&launch)["python.files"], "/a.py,/b.py");
        assert!(!args(&job_manager(&launch).unwrap()).contains(&"--".to_owned()));
    });
}

#[test]
fn a_task_manager_is_told_every_size() {
    let job = job(|spec| {
        let memory = Some("1g".to_owned());
        spec.resources.insert("taskmanager".to_owned(), ResourceSpec { cpu: 0.5, memory });
        let options = "-Da=b -XX:+UseG1GC".to_owned();
        spec.flink_configuration.insert("env.java.opts.taskmanager".to_owned(), options);
        spec.flink_configuration.insert(config::SLOTS.to_owned(), "2".to_owned());
    });
    let args = args(&with(&job, |launch| task_manager(launch, "tm-1")).unwrap());
    for expected in [
        "-Dtaskmanager.cpu.cores=2.0",
        "-Dtaskmanager.memory.task.heap.size=134217728b",
        "-Dtaskmanager.resource-id=tm-1",
        "-Dlog.file=/run/log/tm-1.log",
        "-XX:MaxDirectMemorySize=201326592",
        "@/run/conf/taskmanager.options",
    ] {
        assert!(args.iter().any(|a| a == expected), "{expected} in {args:?}");
    }
}

#[test]
fn the_users_jvm_options_are_in_a_file_and_not_on_the_command_line() {
    let job = job(|spec| {
        let options = "-Dpw=\"a b\\\\\" '#x'".to_owned();
        spec.flink_configuration.insert("env.java.opts.all".to_owned(), options);
    });
    let files = with(&job, files);
    let texts: Vec<_> = files
        .iter()
        .filter(|f| f.path.extension().is_some_and(|e| e == "options"))
        .map(|f| (f.path.to_str().unwrap(), f.text.as_str()))
        .collect();
    let text = "\"-Dpw=a b\\\\\"\n\"#x\"\n";
    assert_eq!(
        texts,
        [("/run/conf/jobmanager.options", text), ("/run/conf/taskmanager.options", text)]
    );
    for command in [with(&job, job_manager), with(&job, |launch| task_manager(launch, "tm-1"))] {
        let args = args(&command.unwrap());
        let at = |wanted: &str| args.iter().position(|arg| arg.ends_with(wanted)).unwrap();
        assert!(at(".options") < at("flink-dist-2.2.1.jar"), "{args:?}");
        assert!(!args.iter().any(|arg| arg.contains("pw")), "{args:?}");
    }
}

#[test]
fn the_configuration_of_a_cluster_adds_its_addresses() {
    let job = job(|spec| {
        spec.flink_configuration.insert("rest.port".to_owned(), "8081".to_owned());
        spec.flink_configuration.insert("io.tmp.dirs".to_owned(), "/big/disk".to_owned());
    });
    let files = with(&job, files);
    assert_eq!(files[0].path, PathBuf::from("/run/conf/config.yaml"));
    for line in ["rest.port: \"1\"", "jobmanager.rpc.port: \"2\"", "io.tmp.dirs: \"/big/disk\""] {
        assert!(files[0].text.contains(line), "{line} in {}", files[0].text);
    }
    assert_eq!(files[1].path, PathBuf::from("/run/conf/log4j.properties"));
}

/// What becomes of a key that the user sets to something else: whether the value reaches Flink.
fn holds(key: &str, version: &str) -> bool {
    let user = TextMap::from([(key.to_owned(), "of the user".to_owned())]);
    let inputs = config::Inputs {
        user: &user,
        namespace: "default",
        deployment_id: Uuid::nil(),
        job_id: Uuid::nil(),
        resources: &std::collections::BTreeMap::new(),
        parallelism: Some(3),
        storage: "file:///data",
        is_local: true,
    };
    let job = job(|spec| spec.flink_configuration = config::effective(&inputs).config);
    with(&job, |launch| {
        let flink = Flink { version: version.parse().unwrap(), ..launch.flink.clone() };
        let all = configuration(&Launch { flink: &flink, ..*launch });
        all.values().any(|value| value == "of the user")
    })
}

#[test]
fn exactly_the_keys_that_users_are_warned_about_do_not_hold() {
    let nothing = job(|_| ());
    let set = with(&nothing, configuration).into_keys();
    let renamed = config::ALIASES.iter().flat_map(|(new, old)| [*new, *old]).map(str::to_owned);
    let warned = drey_model::validate::OWNED_KEYS;
    let known: BTreeSet<String> =
        set.chain(renamed).chain(warned.iter().map(|key| (*key).to_owned())).collect();
    for version in ["1.20.5", "2.3.0"] {
        for key in &known {
            let is_warned = warned.contains(&key.as_str()) || is_high_availability(key);
            assert_eq!(holds(key, version), !is_warned, "{key} in Flink {version}");
        }
    }
}

#[test]
fn a_cluster_keeps_its_copy_of_the_program_to_itself() {
    let job = job(|spec| {
        let shared = "/opt/flink/artifacts".to_owned();
        spec.flink_configuration.insert("user.artifacts.base-dir".to_owned(), shared);
    });
    let (all, scratch) =
        with(&job, |launch| (configuration(launch), launch.dirs.scratch.to_owned()));
    assert_eq!(all["user.artifacts.base-dir"], format!("{}/artifacts", scratch.display()));
}

#[test]
fn flink_dist_stands_last_on_the_class_path() {
    let mut jars: Vec<PathBuf> =
        ["/l/log4j.jar", "/l/flink-dist-1.jar", "/l/flink-csv.jar"].map(PathBuf::from).into();
    class_path_order(&mut jars);
    assert_eq!(
        jars,
        ["/l/flink-csv.jar", "/l/log4j.jar", "/l/flink-dist-1.jar"].map(PathBuf::from)
    );
}

#[test]
fn a_session_cluster_waits_for_jobs_with_its_own_configuration() {
    let mut run = SessionRun {
        id: Uuid::from_u128(7),
        session_cluster_id: Uuid::from_u128(8),
        name: "shared".to_owned(),
        namespace: "default".to_owned(),
        spec: drey_model::session_cluster::SessionClusterSpec::default(),
        flink_configuration: TextMap::from([("a.b".to_owned(), "c".to_owned())]),
        target: drey_model::job::JobTarget::default(),
    };
    let memory =
        |text: &str| ResourceSpec { memory: Some(text.to_owned()), ..ResourceSpec::default() };
    run.spec.resources = [("jobmanager".to_owned(), memory("1G"))].into();
    let none = job(|_| ());
    let (command, text, manager) = with(&none, |launch| {
        let launch = Launch { entry: Entry::Session(&run), ..*launch };
        let config = files(&launch).remove(0).text;
        (job_manager(&launch).unwrap(), config, task_manager(&launch, "tm-1").unwrap())
    });
    let args = args(&command);
    let main = args.iter().position(|a| a.ends_with(".StandaloneSessionClusterEntrypoint"));
    assert_eq!(args[main.unwrap() + 1..], ["--configDir", "/run/conf"]);
    assert!(text.contains("a.b") && text.contains("rest.port"), "{text}");
    assert!(manager.args.iter().any(|a| a == "-Dtaskmanager.resource-id=tm-1"));
}
