//! The layouts that Flink itself computes, and where Drey departs from them.

use super::*;

fn config(pairs: &[(&str, &str)]) -> TextMap {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn task_managers_get_what_flink_would_give_them() {
    // process, overhead, managed, network, task heap, -Xmx, direct; measured with Flink 1.20.5 and 2.2.1
    let vectors = [
        [1000 * MIB, 201_326_592, 231_525_584, 67_108_864, 11_744_048, 145_961_776, 201_326_592],
        [1728 * MIB, 201_326_592, 536_870_920, 134_217_730, 402_653_174, 536_870_902, 268_435_458],
        [
            4096 * MIB,
            429_496_736,
            1_438_814_063,
            359_703_515,
            1_530_082_070,
            1_664_299_798,
            493_921_243,
        ],
        [
            20 * GIB,
            1_073_741_824,
            8_053_063_800,
            2_013_265_950,
            9_797_893_994,
            9_932_111_722,
            2_147_483_678,
        ],
    ];
    for [process, overhead, managed, network, task_heap, xmx, direct] in vectors {
        let parts = TmParts::read(&config(&[])).unwrap();
        let tm = parts.fit(process).unwrap();
        assert_eq!(
            [tm.jvm_overhead, tm.managed, tm.network, tm.task_heap, tm.heap()],
            [overhead, managed, network, task_heap, xmx]
        );
        assert!(tm.jvm_flags().contains(&format!("-XX:MaxDirectMemorySize={direct}")));
    }
}

#[test]
fn job_managers_get_what_flink_would_give_them() {
    let vectors = [
        (800, 201_326_592, 234_881_024),
        (1600, 201_326_592, 1_073_741_824),
        (4096, 429_496_736, 3_462_817_376),
    ];
    for (mib, overhead, heap) in vectors {
        let jm = JobManager::new(mib * MIB, &config(&[])).unwrap();
        assert_eq!((jm.jvm_overhead, jm.heap), (overhead, heap));
    }
}

#[test]
fn the_smallest_sizes_of_the_platform_work() {
    let tm = TaskManager::new(quantity::memory("1g").unwrap(), &config(&[])).unwrap();
    assert_eq!(tm.task_heap, TASK_HEAP_COMFORT);
    let sum = tm.jvm_overhead + tm.jvm_metaspace + tm.heap() + tm.framework_off_heap;
    assert_eq!(sum + tm.task_off_heap + tm.managed + tm.network, 1_000_000_000);
    let jm = JobManager::new(quantity::memory("500m").unwrap(), &config(&[])).unwrap();
    assert!(jm.heap >= JM_HEAP_COMFORT);
}

#[test]
fn what_the_user_asks_for_holds() {
    let asked = config(&[
        ("taskmanager.memory.managed.size", "0"),
        ("taskmanager.memory.network.max", "64mb"),
        ("taskmanager.memory.jvm-metaspace.size", "128 mb"),
        ("taskmanager.memory.jvm-overhead.min", "64m"),
        ("taskmanager.memory.framework.heap.size", "64m"),
    ]);
    let tm = TaskManager::new(1000 * MIB, &asked).unwrap();
    assert_eq!((tm.managed, tm.network, tm.jvm_metaspace), (0, 64 * MIB, 128 * MIB));
    assert_eq!((tm.framework_heap, tm.jvm_overhead), (64 * MIB, 104_857_601));
    let heap = config(&[("taskmanager.memory.task.heap.size", "100m")]);
    let tm = TaskManager::new(1728 * MIB, &heap).unwrap();
    assert_eq!((tm.task_heap, tm.managed), (100 * MIB, 536_870_920));
    assert_eq!(tm.network, 1280 * MIB - 356 * MIB - 536_870_920);
}

#[test]
fn too_small_names_a_size_that_works() {
    let fraction = config(&[("taskmanager.memory.managed.fraction", "0.4")]);
    let error = TaskManager::new(900 * MIB, &fraction).unwrap_err().to_string();
    assert!(error.contains("smallest size that works is"), "{error}");
    let mib: u64 =
        error.split("works is ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(TaskManager::new(mib * MIB, &fraction).is_ok());
    assert!(TaskManager::new((mib - 1) * MIB, &fraction).is_err());
    assert!(TaskManager::new(500 * MIB, &config(&[])).is_err());
    assert!(JobManager::new(300 * MIB, &config(&[])).is_err());
}

#[test]
fn too_small_names_what_decided() {
    let small = |pairs| TaskManager::new(600 * MIB, &config(pairs)).unwrap_err().to_string();
    let text = small(&[]);
    assert!(text.ends_with(" MiB: `memory: 1000m` in `resources`"), "{text}");
    let key = "taskmanager.memory.process.size";
    let text = small(&[(key, "600m")]);
    assert!(text.contains(&format!(" MiB: `{key}: ")) && !text.contains("resources"), "{text}");
    let text = JobManager::new(200 * MIB, &config(&[])).unwrap_err().to_string();
    assert!(text.ends_with("`memory: 500m` in `resources`"), "{text}");
}

#[test]
fn sizes_as_flink_spells_them() {
    let good = [
        ("64m", 64 * MIB),
        ("128mb", 128 * MIB),
        ("1 gb", GIB),
        ("7", 7),
        (" 3 KibiBytes ", 3072),
        ("0b", 0),
    ];
    for (text, bytes) in good {
        assert_eq!(size(text), Ok(bytes), "{text}");
    }
    for text in ["", "m", "1.5g", "-1m", "1 lightyear", "99999999999t"] {
        assert!(size(text).is_err(), "{text}");
    }
}

#[test]
fn resources_are_read_as_the_platform_spells_them() {
    let read = |text: &str| process_size("taskmanager", &config(&[]), Some(text));
    assert_eq!(read("1.5g"), Ok(1_500_000_000));
    assert_eq!(read("800m"), Ok(800_000_000));
    let error = read("1Gi").unwrap_err().to_string();
    assert!(error.contains("`1Gi`") && error.contains("unknown unit"), "{error}");
}
