//! Installing from folders and archives that look like the real ones, only smaller.

use std::io::Write;

use super::*;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// A tar.gz with the files of a source package.
fn sdist(dir: &Path, version: &str, extra: &[(&str, &str)]) -> PathBuf {
    let path = dir.join(format!("some-flink-{version}.tar.gz"));
    let gzip =
        flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let dist = format!("x/deps/lib/flink-dist-{version}.jar");
    let files = [(dist.as_str(), "dist"), ("x/deps/lib/a.jar", "a"), ("x/setup.py", "no")];
    for (name, text) in files.iter().chain(extra) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
    path
}

#[tokio::test]
async fn a_source_package_becomes_a_distribution() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let archive = sdist(dir.path(), "1.19.3", &[]);
    // Remains of an interrupted installation are in the way of nobody.
    let remains = cache.root().join("flink/.tmp-1.19.3/flink/lib");
    fs::create_dir_all(&remains).unwrap();
    fs::write(remains.join("half.jar"), "x").unwrap();
    fs::create_dir_all(cache.path(&version("1.19.3")).join("lib")).unwrap();
    assert!(cache.installed().is_empty());

    let source = Source::Path(archive);
    let installed = cache.install(&version("1.19"), &source, &Quiet).await.unwrap();
    assert_eq!(installed.flink.home, cache.path(&version("1.19.3")));
    let names: Vec<_> = installed.flink.class_path.iter().map(|p| p.file_name().unwrap()).collect();
    assert_eq!(names, ["a.jar", "flink-dist-1.19.3.jar"]);
    assert!(!installed.origin.is_verified);
    assert!(!installed.flink.home.join("setup.py").exists());
    assert!(!cache.root().join("flink/.tmp-1.19.3").exists());
    assert_eq!(cache.installed(), vec![installed.clone()]);
    assert_eq!(cache.find(&version("1.19")), Some(installed));
}

#[tokio::test]
async fn a_wheel_and_a_folder_become_distributions() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let wheel = dir.path().join("mine.whl");
    let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
    for name in
        ["pyflink/lib/flink-dist-2.1.3.jar", "pyflink/table/x.py", "pyflink/plugins/p/p.jar"]
    {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"x").unwrap();
    }
    zip.finish().unwrap();
    let installed = cache.install(&version("2.1.3"), &Source::Path(wheel), &Quiet).await.unwrap();
    assert!(installed.flink.home.join("plugins/p/p.jar").exists());
    assert!(!installed.flink.home.join("table").exists());

    let other = Cache::at(dir.path().join("other"));
    let source = Source::Path(installed.flink.home.clone());
    let copied = other.install(&version("2.1.3"), &source, &Quiet).await.unwrap();
    assert!(copied.flink.home.starts_with(other.root()));
}

#[tokio::test]
async fn what_is_not_the_wanted_flink_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let archive = sdist(dir.path(), "1.19.3", &[]);
    let fails = async |version: &str, path: PathBuf| {
        let version = version.parse().unwrap();
        cache.install(&version, &Source::Path(path), &Quiet).await.unwrap_err().to_string()
    };
    let error = fails("1.18.1", archive.clone()).await;
    assert!(error.contains("it holds Flink 1.19.3, not 1.18.1"), "{error}");
    let error = fails("1.18.1", dir.path().join("nope.tgz")).await;
    assert!(error.contains("does not exist"), "{error}");
    let error = fails("1.18.1", dir.path().to_owned()).await;
    assert!(error.contains("not a Flink distribution"), "{error}");
    let fake = dir.path().join("apache_flink_libraries-1.20.5.tar.gz");
    fs::copy(&archive, &fake).unwrap();
    let error = fails("1.20", fake).await;
    assert!(error.contains("not genuine") && error.contains("e6aee62e"), "{error}");
    assert!(cache.installed().is_empty());
}

#[tokio::test]
async fn two_installations_at_once_do_the_work_once() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("cache"));
    let source = Source::Path(sdist(dir.path(), "1.19.3", &[]));
    let version = version("1.19.3");
    let (a, b) = tokio::join!(
        cache.install(&version, &source, &Quiet),
        cache.install(&version, &source, &Quiet)
    );
    assert_eq!(a.unwrap(), b.unwrap());
}
