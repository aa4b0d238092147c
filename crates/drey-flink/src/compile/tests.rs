//! Compiling with a compiler that is a script, and packing for real.

use std::os::unix::fs::PermissionsExt;

use super::*;

const PROGRAM: Program =
    Program { jar: "p.jar", sources: &[("A.java", "class A {}")], main_class: "a.A" };

fn flink() -> Flink {
    Flink { home: "/flink".into(), version: "2.2.1".parse().unwrap(), class_path: Vec::new() }
}

/// A compiler that notes each call and does as told.
fn javac(folder: &Path, script: &str) -> PathBuf {
    let javac = folder.join("javac");
    let text = format!("#!/bin/sh\necho \"$*\" >> {}/calls\n{script}\n", folder.display());
    fs::write(&javac, text).unwrap();
    fs::set_permissions(&javac, fs::Permissions::from_mode(0o755)).unwrap();
    javac
}

/// Writes what it was given as sources to the place of the classes.
const COMPILES: &str =
    "while [ \"$1\" != -d ]; do shift; done; mkdir -p $2/a; cat $3 > $2/a/A.class";

fn names(jar: &Path) -> Vec<String> {
    let archive = ZipArchive::new(fs::File::open(jar).unwrap()).unwrap();
    archive.file_names().map(str::to_owned).collect()
}

/// What is in a folder, each name up to its hash.
fn inside(folder: &Path) -> Vec<String> {
    let names =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.map(|n| n.split('-').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_program_is_compiled_once_and_leaves_nothing_else_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (javac, cache) = (javac(dir.path(), COMPILES), dir.path().join("cache"));
    let first = jar(&cache, &PROGRAM, &flink(), &javac, None).await.unwrap();
    let bytes = fs::read(&first).unwrap();
    assert_eq!(jar(&cache, &PROGRAM, &flink(), &javac, None).await.unwrap(), first);
    let calls = fs::read_to_string(dir.path().join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 1);
    assert!(calls.contains("--release 11") && calls.contains("-cp /flink/lib/*"), "{calls}");
    assert_eq!(inside(&cache), [".lock", "2.2.1"]);
    assert_eq!(names(&first), ["META-INF/MANIFEST.MF", "a/A.class"]);
    assert_eq!(crate::jar::main_class(&first).unwrap().as_deref(), Some("a.A"));
    fs::remove_dir_all(&cache).unwrap();
    let again = jar(&cache, &PROGRAM, &flink(), &javac, None).await.unwrap();
    assert_eq!(fs::read(again).unwrap(), bytes, "the same input gives the same jar");
}

#[tokio::test]
async fn many_at_once_compile_once_and_remains_are_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let (javac, cache) = (javac(dir.path(), COMPILES), dir.path().join("cache"));
    fs::create_dir_all(cache.join(".tmp/out")).unwrap();
    fs::write(cache.join(".tmp/out/p.jar"), "half").unwrap();
    let flink = flink();
    let calls = (0..8).map(|_| jar(&cache, &PROGRAM, &flink, &javac, None));
    let made = futures::future::join_all(calls).await;
    let first = made[0].as_ref().unwrap();
    assert!(made.iter().all(|jar| jar.as_ref().unwrap() == first));
    assert_eq!(names(first).len(), 2);
    assert_eq!(fs::read_to_string(dir.path().join("calls")).unwrap().lines().count(), 1);
    assert_eq!(inside(&cache), [".lock", "2.2.1"]);
}

#[tokio::test]
async fn another_source_or_flink_is_another_jar() {
    let dir = tempfile::tempdir().unwrap();
    let javac = javac(dir.path(), COMPILES);
    let first = jar(dir.path(), &PROGRAM, &flink(), &javac, None).await.unwrap();
    let changed = Program { sources: &[("A.java", "class A { }")], ..PROGRAM };
    let second = jar(dir.path(), &changed, &flink(), &javac, None).await.unwrap();
    let older = Flink { version: "1.20.5".parse().unwrap(), ..flink() };
    let third = jar(dir.path(), &PROGRAM, &older, &javac, None).await.unwrap();
    assert!(first != second && second != third && third != first);
}

#[tokio::test]
async fn a_failed_compilation_says_why_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let broken = javac(dir.path(), "echo 'A.java:1: error: no' >&2; exit 1");
    let error = jar(&cache, &PROGRAM, &flink(), &broken, None).await.unwrap_err().to_string();
    assert!(error.contains("p.jar") && error.ends_with("A.java:1: error: no"), "{error}");
    assert_eq!(inside(&cache), [".lock"]);
    let missing =
        jar(&cache, &PROGRAM, &flink(), Path::new("/nowhere/javac"), None).await.unwrap_err();
    assert!(missing.to_string().contains("/nowhere/javac"), "{missing}");
    let works = javac(dir.path(), COMPILES);
    assert!(jar(&cache, &PROGRAM, &flink(), &works, None).await.unwrap().is_file());
}

#[tokio::test]
async fn entries_are_added_and_the_first_of_two_alike_stays() {
    let dir = tempfile::tempdir().unwrap();
    let base =
        jar(dir.path(), &PROGRAM, &flink(), &javac(dir.path(), COMPILES), None).await.unwrap();
    let bytes = with_entry(&base, "drey/script", b"text").unwrap();
    assert_eq!(bytes, with_entry(&base, "drey/script", b"text").unwrap());
    let more = dir.path().join("more.jar");
    fs::write(&more, bytes).unwrap();
    assert_eq!(names(&more), ["META-INF/MANIFEST.MF", "a/A.class", "drey/script"]);
    let all = merged(dir.path(), "all", "all.jar", vec![base.clone(), more]).await.unwrap();
    assert_eq!(names(&all), ["META-INF/MANIFEST.MF", "a/A.class", "drey/script"]);
    let again = merged(dir.path(), "all", "all.jar", Vec::new()).await.unwrap();
    assert_eq!(again, all, "it is made once");
    fs::write(&base, "no zip").unwrap();
    assert!(with_entry(&base, "x", b"").unwrap_err().to_string().contains("p.jar"));
}
