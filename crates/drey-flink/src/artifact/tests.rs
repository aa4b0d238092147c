//! Artifacts from files and from a web server, and everything that can be wrong with them.

use std::collections::BTreeSet;
use std::time::SystemTime;

use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

/// SHA-256 of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn artifacts() -> (tempfile::TempDir, Artifacts) {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::new(dir.path()).unwrap();
    (dir, artifacts)
}

fn jar(path: &Path, manifest: Option<&str>) {
    let mut zip = zip::ZipWriter::new(File::create(path).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let (name, text) = manifest.map_or(("A.class", ""), |text| ("META-INF/MANIFEST.MF", text));
    zip.start_file(name, options).unwrap();
    zip.write_all(text.as_bytes()).unwrap();
    zip.finish().unwrap();
}

fn leftovers(artifacts: &Artifacts) -> usize {
    fs::read_dir(artifacts.dir.join(".tmp")).unwrap().count()
}

#[tokio::test]
async fn an_overwritten_file_does_not_change_what_was_fetched() {
    let (dir, artifacts) = artifacts();
    let file = dir.path().join("my job.jar");
    fs::write(&file, "hello").unwrap();
    let uri = format!("file://{}?commit=abc", file.display().to_string().replace(' ', "%20"));
    let first = artifacts.fetch(&uri).await.unwrap();
    fs::write(&file, "other").unwrap();
    let second = artifacts.fetch(&uri).await.unwrap();
    assert_eq!((first.sha256.as_str(), fs::read(&first.path).unwrap()), (HELLO, b"hello".to_vec()));
    assert_eq!(first.path, dir.path().join("artifacts").join(HELLO).join("my_job.jar"));
    assert_ne!(first.path, second.path);
    assert_eq!(artifacts.fetch(&file.display().to_string()).await.unwrap(), second);
    assert_eq!(leftovers(&artifacts), 0);
}

#[tokio::test]
async fn a_web_server_is_asked_with_the_credentials_of_the_uri() {
    let (_dir, artifacts) = artifacts();
    let server = MockServer::start().await;
    let target = ResponseTemplate::new(200).set_body_string("hello");
    let auth = header("authorization", "Basic bWU6c2VjcmV0");
    Mock::given(path("/a/job.jar")).and(auth).respond_with(target).mount(&server).await;
    let moved = ResponseTemplate::new(302).insert_header("location", "/a/job.jar");
    Mock::given(path("/old")).respond_with(moved).mount(&server).await;
    let with_user = server.uri().replace("http://", "http://me:secret@");
    let fetched = artifacts.fetch(&format!("{with_user}/a/job.jar#sha256={HELLO}")).await.unwrap();
    assert!(fetched.path.ends_with(format!("{HELLO}/job.jar")));
    assert_eq!(artifacts.fetch(&format!("{with_user}/old")).await.unwrap().sha256, HELLO);

    let error = artifacts.fetch(&format!("{with_user}/nope.jar?sig=secret")).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("404 Not Found") && error.contains("/nope.jar"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    assert_eq!(leftovers(&artifacts), 0);
}

#[tokio::test]
async fn a_promised_hash_that_is_in_the_cache_needs_no_download() {
    let (dir, artifacts) = artifacts();
    let file = dir.path().join("job.jar");
    fs::write(&file, "hello").unwrap();
    let first = artifacts.fetch(&format!("file://{}", file.display())).await.unwrap();
    // Nobody listens there.
    let uri = |name: &str| format!("http://127.0.0.1:1/{name}#sha256={}", HELLO.to_uppercase());
    assert_eq!(artifacts.fetch(&uri("job.jar")).await.unwrap(), first);
    let renamed = artifacts.fetch(&uri("other.jar")).await.unwrap();
    assert!(renamed.path.ends_with(format!("{HELLO}/other.jar")), "{renamed:?}");
    assert_eq!(fs::read(renamed.path).unwrap(), b"hello");
}

#[tokio::test]
async fn what_nobody_uses_for_a_month_is_pruned() {
    let (dir, artifacts) = artifacts();
    let fetch = async |text: &str| {
        let file = dir.path().join("job.jar");
        fs::write(&file, text).unwrap();
        artifacts.fetch(&file.display().to_string()).await.unwrap().path
    };
    let (lost, running) = (fetch("hello").await, fetch("other").await);
    fs::write(artifacts.dir.join(".tmp/half"), "x").unwrap();
    let drivers = dir.path().join("driver");
    let driver = |name: &str| {
        fs::create_dir_all(drivers.join(name)).unwrap();
        let path = drivers.join(name).join("drey-python.jar");
        fs::write(&path, "jar").unwrap();
        path
    };
    let (older, current) = (driver("2.2.1-aa"), driver("2.2.1-bb"));
    let unfinished = driver(".tmp");
    let in_use = BTreeSet::from([running.clone(), current.clone()]);
    let after = |days: u64| SystemTime::now() + Duration::from_hours(days * 24);
    prune(dir.path(), &in_use, after(0)).unwrap();
    assert_eq!((lost.exists(), leftovers(&artifacts)), (true, 1));
    prune(dir.path(), &in_use, after(29)).unwrap();
    assert_eq!((lost.exists(), leftovers(&artifacts)), (true, 0));
    assert!(older.exists());
    prune(dir.path(), &in_use, after(31)).unwrap();
    assert_eq!((lost.exists(), running.exists()), (false, true));
    assert_eq!((older.exists(), current.exists(), unfinished.exists()), (false, true, true));
    prune(&dir.path().join("nowhere"), &in_use, after(31)).unwrap();
}

#[tokio::test]
async fn what_cannot_be_fetched_says_why_and_shows_no_secret() {
    let (dir, artifacts) = artifacts();
    let file = dir.path().join("x");
    fs::write(&file, "hello").unwrap();
    let wrong = "0".repeat(64);
    let cases = [
        ("s3://key:secret@bucket/x".to_owned(), "only file:, http: and https:"),
        ("job.jar".to_owned(), "reading the artifact URI"),
        ("file:job.jar".to_owned(), "must be absolute"),
        ("file:///no/such/file.jar".to_owned(), "No such file"),
        (format!("file://{}", dir.path().display()), "not a file"),
        (format!("file://{}#sha256=12", file.display()), "64 hex digits"),
        (format!("file://{}#sha256={wrong}", file.display()), HELLO),
        ("http://u:secret@127.0.0.1:1/x.jar".to_owned(), "refused"),
        ("http://u:secret@[/x".to_owned(), "http:…"),
    ];
    for (uri, why) in cases {
        let error = artifacts.fetch(&uri).await.unwrap_err().to_string();
        assert!(error.contains(why), "{uri}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(leftovers(&artifacts), 0);
}

#[tokio::test]
async fn a_jar_names_its_main_class() {
    let (dir, artifacts) = artifacts();
    let file = dir.path().join("a.jar");
    let uri = format!("file://{}", file.display());
    jar(&file, Some("Manifest-Version: 1.0\nMain-Class: a.Main\n\n"));
    assert_eq!(artifacts.fetch_jar(&uri).await.unwrap().1.as_deref(), Some("a.Main"));
    jar(&file, None);
    assert_eq!(artifacts.fetch_jar(&uri).await.unwrap().1, None);
    fs::write(&file, "<html>not found</html>").unwrap();
    let error = artifacts.fetch_jar(&uri).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.to_string().contains("as a jar") && source.contains("not a jar"), "{source}");
}

#[test]
fn names_of_files_are_harmless() {
    let cases = [
        ("http://h/a/b.jar?x=/y", "b.jar"),
        ("http://h/", "artifact"),
        ("http://h/%2e%2e%2fpasswd", "2e_2e_2fpasswd"),
        ("file:///a/b%20c,d.jar", "b_c_d.jar"),
    ];
    for (uri, name) in cases {
        let actual = file_name(&Url::parse(uri).unwrap());
        assert!(!actual.contains('/') && !actual.starts_with('.'), "{actual}");
        if name != "2e_2e_2fpasswd" {
            assert_eq!(actual, name);
        }
    }
}

/// What team `a` and team `b` uploaded below a data folder, with a key beside it.
async fn uploads(dir: &Path) -> Uploads {
    for (namespace, text) in [("a", "of a"), ("b", "of b")] {
        let folder = dir.join(drey_model::artifact_file::folder(namespace));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("my job.jar"), text).unwrap();
    }
    fs::write(dir.join("secret.key"), "key").unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(dir).unwrap();
    let base = Url::from_directory_path(dir).unwrap();
    Uploads { store: std::sync::Arc::new(store), base, guarded: vec![dir.to_owned()] }
}

#[tokio::test]
async fn a_namespace_reads_its_own_uploads_and_nothing_else_of_the_data_folder() {
    let (dir, artifacts) = artifacts();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let of_a = artifacts.with(Some(uploads(&data).await)).of("a");
    let root = format!("file://{}", data.display());
    let own = format!("{root}/artifacts/namespaces/a/my%20job.jar");
    assert_eq!(fs::read(of_a.fetch(&own).await.unwrap().path).unwrap(), b"of a");

    std::os::unix::fs::symlink(&data, dir.path().join("link")).unwrap();
    let elsewhere = dir.path().display();
    let foreign = [
        format!("{root}/artifacts/namespaces/b/my%20job.jar"),
        format!("{root}/artifacts/namespaces/a/../b/my%20job.jar"),
        format!("{root}/artifacts/namespaces/a/%2e%2e/b/my%20job.jar"),
        format!("{root}/artifacts//namespaces/b/my%20job.jar"),
        format!("file://localhost{}/artifacts/namespaces/b/my%20job.jar", data.display()),
        format!("{}/artifacts/namespaces/b/my job.jar", data.display()),
        format!("file://{elsewhere}/link/artifacts/namespaces/b/my%20job.jar"),
        format!("{root}/artifacts/namespaces/b/my%20job.jar#sha256={}", "0".repeat(64)),
        format!("{root}/secret.key"),
        format!("file://{elsewhere}/link/secret.key"),
    ];
    for uri in foreign {
        let error = of_a.fetch(&uri).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{uri}: {error}");
    }
    fs::write(dir.path().join("free.txt"), "free").unwrap();
    of_a.fetch(&format!("file://{elsewhere}/free.txt")).await.unwrap();
}

#[tokio::test]
async fn uploads_to_a_storage_of_any_kind_are_fetched_by_their_uri() {
    let (_dir, artifacts) = artifacts();
    let store = object_store::memory::InMemory::new();
    for (namespace, text) in [("a", "hello"), ("b", "of b")] {
        let path = format!("{}/my job.jar", drey_model::artifact_file::folder(namespace));
        store.put(&path.as_str().into(), text.into()).await.unwrap();
    }
    let base = Url::parse("s3://bucket/drey/").unwrap();
    let uploads = Uploads { store: std::sync::Arc::new(store), base, guarded: Vec::new() };
    let of_a = artifacts.with(Some(uploads)).of("a");
    let fetched = of_a.fetch("s3://bucket/drey/artifacts/namespaces/a/my%20job.jar").await.unwrap();
    assert_eq!(fetched.sha256, HELLO);
    for (uri, why) in [
        ("s3://bucket/drey/artifacts/namespaces/b/my%20job.jar", "not for Deployments"),
        ("s3://bucket/drey/artifacts/namespaces/a/%2e%2e/b/my%20job.jar", "not for Deployments"),
        ("s3://bucket/drey/artifacts/namespaces/a/..%2fb/my%20job.jar", "not for Deployments"),
        ("s3://bucket/drey/artifacts/namespaces/a/none.jar", "no such artifact"),
        ("s3://bucket/other/a.jar", "only file:"),
        ("s3://other/drey/artifacts/namespaces/a/my%20job.jar", "only file:"),
    ] {
        let error = of_a.fetch(uri).await.unwrap_err().to_string();
        assert!(error.contains(why), "{uri}: {error}");
    }
    assert_eq!(leftovers(&of_a), 0);
}

#[tokio::test]
async fn a_file_that_is_made_here_is_kept_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, artifacts) = artifacts();
    let first = artifacts.put("script.jar", b"hello".to_vec()).await.unwrap();
    assert_eq!(first.path, dir.path().join("artifacts").join(HELLO).join("script.jar"));
    assert_eq!(fs::metadata(&first.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(artifacts.put("script.jar", b"hello".to_vec()).await.unwrap(), first);
    assert_eq!(leftovers(&artifacts), 0);
}
