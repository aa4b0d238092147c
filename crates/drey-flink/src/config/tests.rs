//! The effective configuration, line by line.

use super::*;

fn map(pairs: &[(&str, &str)]) -> TextMap {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn of(user: &TextMap) -> Effective {
    let inputs = Inputs {
        user,
        namespace: "default",
        deployment_id: Uuid::from_u128(1),
        job_id: Uuid::from_u128(2),
        resources: &BTreeMap::from([(
            "taskmanager".to_owned(),
            ResourceSpec { cpu: 1.0, memory: Some("4G".to_owned()) },
        )]),
        parallelism: Some(3),
        storage: "file:///data/",
        is_local: true,
    };
    effective(&inputs)
}

fn session(user: &TextMap) -> Effective {
    effective_session(&SessionInputs {
        user,
        namespace: "default",
        name: "shared",
        resources: &BTreeMap::new(),
        storage: "file:///data",
        is_local: true,
    })
}

#[test]
fn an_empty_configuration_gets_everything_a_job_needs() {
    let Effective { config, notes } = of(&map(&[]));
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(
        checkpoint_dir(&config),
        Some(
            "file:///data/flink-jobs/namespaces/default/jobs/00000000-0000-0000-0000-000000000002/checkpoints"
        )
    );
    assert_eq!(
        config[SAVEPOINT_DIR],
        "file:///data/flink-savepoints/namespaces/default/deployments/00000000-0000-0000-0000-000000000001"
    );
    assert_eq!(config["execution.shutdown-on-application-finish"], "false");
    assert_eq!(config["parallelism.default"], "3");
    assert_eq!(slots(&config), 1);
    assert_eq!(config["jobmanager.memory.process.size"], "1000000000b");
    assert_eq!(config["taskmanager.memory.process.size"], "4000000000b");
}

#[test]
fn a_process_size_of_the_user_wins_over_resources_and_a_size_of_flink_alone_does_not_count() {
    let Effective { config, notes } = of(&map(&[
        ("taskmanager.memory.process.size", "1728m"),
        ("jobmanager.memory.flink.size", "1g"),
    ]));
    assert_eq!(config["taskmanager.memory.process.size"], "1728m");
    assert_eq!(config["jobmanager.memory.process.size"], "1000000000b");
    assert!(!config.contains_key("jobmanager.memory.flink.size"));
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn old_names_hold_and_appear_under_the_new_one() {
    let Effective { config, notes } = of(&map(&[
        ("state.checkpoints.dir", "s3://b/c"),
        ("state.savepoints.dir", "s3://b/s"),
        ("state.backend", "rocksdb"),
        ("restart-strategy", "fixed-delay"),
    ]));
    assert_eq!(checkpoint_dir(&config), Some("s3://b/c"));
    assert_eq!(config[SAVEPOINT_DIR], "s3://b/s");
    assert_eq!(config["state.backend.type"], "rocksdb");
    assert_eq!(config["restart-strategy.type"], "fixed-delay");
    assert!(!config.contains_key("state.checkpoints.dir") && !config.contains_key("state.backend"));
    assert!(notes.is_empty());
}

#[test]
fn the_new_name_wins_over_the_old_one_and_says_so() {
    let user = map(&[("state.backend", "rocksdb"), ("state.backend.type", "hashmap")]);
    let Effective { config, notes } = of(&user);
    assert_eq!(config["state.backend.type"], "hashmap");
    assert_eq!(notes.len(), 1);
}

#[test]
fn no_name_of_a_setting_that_drey_reads_itself_may_hold_a_secret() {
    let read = drey_model::validate::READ_KEYS;
    let ours = [CHECKPOINT_DIR, SAVEPOINT_DIR, "execution.checkpointing.create-subdir"];
    for name in ours {
        assert!(read.contains(&name), "{name}");
    }
    for (new, old) in ALIASES {
        assert_eq!(read.contains(new), read.contains(old), "{new} and {old}");
    }
}

#[test]
fn what_drey_depends_on_wins_and_what_is_taste_does_not() {
    let Effective { config, notes } = of(&map(&[
        ("execution.shutdown-on-application-finish", "true"),
        ("parallelism.default", "7"),
        ("heartbeat.timeout", "50 s"),
        ("execution.savepoint.path", "file:///old"),
    ]));
    assert_eq!(config["execution.shutdown-on-application-finish"], "false");
    assert_eq!(config["parallelism.default"], "3");
    assert_eq!(config["heartbeat.timeout"], "50 s");
    assert!(!config.contains_key("execution.state-recovery.path"));
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[test]
fn local_clusters_run_without_high_availability_and_say_so() {
    for value in ["vvp-kubernetes", "KUBERNETES", "zookeeper", "org.example.Factory"] {
        let user = map(&[
            ("high-availability", value),
            ("high-availability.storageDir", "s3://x"),
            ("high-availability.cluster-id", "/mine"),
        ]);
        for Effective { config, notes } in [of(&user), session(&user)] {
            assert!(!config.keys().any(|key| is_high_availability(key)), "{config:?}");
            assert_eq!(notes.len(), 1, "{notes:?}");
        }
        assert_eq!(job_level(&user), TextMap::new());
    }
    assert!(of(&map(&[("high-availability.type", "NONE")])).notes.is_empty());
}

#[test]
fn a_note_names_the_value_that_the_cluster_gets() {
    let user = map(&[("jobstore.expiration-time", "60"), ("web.submit.enable", "false")]);
    let made = session(&user);
    assert_eq!(made.config["jobstore.expiration-time"], "604800");
    assert_eq!(made.config["web.submit.enable"], "true");
    let mut notes = made.notes;
    notes.sort();
    assert_eq!(
        notes,
        [
            "`jobstore.expiration-time` is always `604800`: Drey depends on it.",
            "`web.submit.enable` is always `true`: Drey depends on it.",
        ]
    );
    assert_eq!(of(&user).config["web.submit.enable"], "false");
}

#[test]
fn a_job_on_a_shared_cluster_shows_what_holds_for_it() {
    let user = map(&[
        ("taskmanager.numberOfTaskSlots", "8"),
        ("taskmanager.memory.process.size", "9g"),
        ("taskmanager.state.local.root-dirs", "/tmp/x"),
        ("rest.port", "1"),
        ("jobstore.expiration-time", "1"),
        ("state.backend", "rocksdb"),
        ("parallelism.default", "9"),
    ]);
    let cluster = map(&[("taskmanager.numberOfTaskSlots", "2"), ("state.backend.type", "hashmap")]);
    let expected = map(&[
        ("taskmanager.numberOfTaskSlots", "2"),
        ("state.backend.type", "rocksdb"),
        ("parallelism.default", "3"),
    ]);
    assert_eq!(effective_in_session(&cluster, &user, 3), expected);
    for (new, old) in ALIASES {
        assert_eq!(is_of_cluster(new), is_of_cluster(old), "{new} and {old}");
    }
}

#[test]
fn each_version_gets_what_it_reads() {
    let config = of(&map(&[])).config;
    let old = for_version(&config, &"1.18.1".parse().unwrap());
    assert_eq!(old["state.checkpoints.dir"], config[CHECKPOINT_DIR]);
    for version in ["1.20.5", "2.2.1"] {
        assert_eq!(for_version(&config, &version.parse().unwrap()), config);
    }
    let new = for_version(&config, &"2.3.0".parse().unwrap());
    assert_eq!(new["completed-application-store.expiration-time"], "3650 d");
    assert_eq!(new.len(), config.len() + 1);
}
