//! All kinds from the command line: several in one file, secrets, artifacts, what would change, and what members mean.

use std::process::Command;

use serde_json::Value;

use crate::harness::{DREY, Server, drey, ends, err, manifest, out, with_input};

const VALUE: &str = "hunter2-hunter2";

/// Everything that one Deployment needs, in an order in which nothing would work.
fn everything() -> String {
    let deployment = manifest("a", "")
        .replace("local", "t")
        .replace("  name: a", "  name: a\n  namespace: team");
    format!(
        "{deployment}---\nkind: DeploymentDefaults\nmetadata: {{namespace: team}}\nspec: {{deploymentTargetName: t}}\n\
         ---\nkind: SecretValue\nmetadata: {{name: pw, namespace: team}}\nspec: {{kind: Plain, value: {VALUE}}}\n\
         ---\nkind: DeploymentTarget\nmetadata: {{name: t, namespace: team}}\nspec: {{local: {{}}}}\n\
         ---\nkind: Namespace\nmetadata: {{name: team}}\n\
         roleBindings: [{{role: viewer, members: ['group:all']}}]\n"
    )
}

#[test]
fn many_kinds_in_one_file_are_applied_in_an_order_that_works() {
    let server = Server::start();
    let file = server.file("all.yaml", &everything());
    let rehearsed = server.drey(&["apply", "-f", &file, "--dry-run"]);
    ends(&rehearsed, 3);
    assert_eq!(out(&rehearsed), "namespace/team created (dry run)\n");
    assert!(err(&rehearsed).contains("nothing was created"), "{}", err(&rehearsed));
    ends(&server.drey(&["get", "ns", "team"]), 3);

    let applied = server.drey(&["apply", "-f", &file]);
    ends(&applied, 0);
    assert_eq!(
        out(&applied),
        "namespace/team created\ndeploymenttarget/t created\nsecretvalue/pw created\n\
         deploymentdefaults/deployment-defaults configured\ndeployment/a created\n"
    );
    let again = server.drey(&["apply", "-f", &file]);
    ends(&again, 0);
    assert!(
        out(&again).starts_with("namespace/team unchanged\ndeploymenttarget/t unchanged\n"),
        "{}",
        out(&again)
    );

    let printed = out(&server.drey(&["get", "ns", "-o", "yaml"]));
    let same = with_input(&server.url, &["apply", "-f", "-"], &printed);
    ends(&same, 0);
    assert_eq!(out(&same), "namespace/default unchanged\nnamespace/team unchanged\n", "{printed}");

    let rehearsed = server.drey(&["delete", "ns", "team", "--dry-run"]);
    assert_eq!(
        out(&rehearsed),
        "namespace/team is being deleted (dry run)\n",
        "{}",
        err(&rehearsed)
    );
    ends(&server.drey(&["delete", "dep", "a", "-n", "team", "--dry-run"]), 0);
    ends(&server.drey(&["get", "dep", "a", "-n", "team"]), 0);
    ends(&server.drey(&["namespace", "delete", "team", "--yes"]), 0);
    for (document, instead) in
        [("ApiToken", "drey token create"), ("Artifact", "drey artifact upload")]
    {
        let refused =
            with_input(&server.url, &["apply", "-f", "-"], &format!("kind: {document}\nname: x\n"));
        ends(&refused, 6);
        assert!(err(&refused).contains(instead), "{}", err(&refused));
    }
}

#[test]
fn a_secret_goes_in_from_a_stream_or_a_file_and_never_comes_out() {
    let server = Server::start();
    let set = ["secret", "set", "pw"];
    let made = with_input(&server.url, &set, &format!("{VALUE}\n"));
    ends(&made, 0);
    assert_eq!(out(&made), "secretvalue/pw created\n");
    let file = server.file("pw.txt", "another-value-2");
    let changed = server.drey(&["secret", "set", "pw", "--from-file", &file]);
    assert_eq!(out(&changed), "secretvalue/pw configured\n", "{}", err(&changed));
    let empty = with_input(&server.url, &set, "\n");
    ends(&empty, 2);
    assert!(err(&empty).contains("the value of pw is empty"), "{}", err(&empty));

    for args in [
        &["get", "sv"][..],
        &["secret", "list", "-o", "json"],
        &["describe", "secret", "pw"],
        &["get", "sv/pw", "-o", "yaml"],
    ] {
        let shown = server.drey(args);
        ends(&shown, 0);
        let text = out(&shown) + &err(&shown);
        assert!(
            text.contains("pw") && !text.contains("hunter") && !text.contains("another"),
            "{text}"
        );
    }
    let document = format!("kind: SecretValue\nmetadata: {{name: pw}}\nspec: {{value: {VALUE}}}\n");
    let differs = with_input(&server.url, &["diff", "-f", "-"], &document);
    ends(&differs, 1);
    assert!(
        out(&differs).contains("spec.value  ******") && !out(&differs).contains("hunter"),
        "{}",
        out(&differs)
    );
    for broken in [format!("spec: {{value: [{VALUE}\n"), format!("spec:\n\tvalue: {VALUE}\n")] {
        let refused =
            with_input(&server.url, &["apply", "-f", "-"], &format!("kind: SecretValue\n{broken}"));
        ends(&refused, 6);
        assert!(!err(&refused).contains("hunter"), "{}", err(&refused));
    }
    ends(&server.drey(&["secret", "delete", "pw", "--yes"]), 0);
    ends(&server.drey(&["get", "secret", "pw"]), 3);
}

#[test]
fn an_artifact_is_uploaded_under_a_uri_that_scripts_can_use() {
    let server = Server::start();
    let file = server.file("job.jar", &"x".repeat(700_000));
    let sent = server.drey(&["artifact", "upload", &file, "--name", "my job.jar"]);
    ends(&sent, 0);
    let uri = out(&sent);
    assert!(
        uri.starts_with("file:///")
            && uri.ends_with("/artifacts/namespaces/default/my%20job.jar\n"),
        "{uri}"
    );
    assert_eq!(err(&sent), "artifact/my job.jar uploaded (700000 bytes); use the URI as jarUri\n");
    let path = uri.trim().trim_start_matches("file://").replace("%20", " ");
    assert_eq!(std::fs::metadata(path).unwrap().len(), 700_000);

    let table = out(&server.drey(&["artifact", "list"]));
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("NAME        AGE"), "{table}");
    assert!(lines.next().unwrap().starts_with("my job.jar  "), "{table}");
    let found = out(&server.drey(&["get", "artifact", "my job.jar", "-o", "json"]));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (found["kind"].as_str(), found["uri"].as_str()),
        (Some("Artifact"), Some(uri.trim()))
    );

    for (file, name, code) in
        [(file.as_str(), "a/b.jar", 2), ("/no/such.jar", "b.jar", 2), ("/tmp", "b.jar", 2)]
    {
        ends(&server.drey(&["artifact", "upload", file, "--name", name]), code);
    }
    let empty = server.file("empty.jar", "");
    let refused = server.drey(&["artifact", "upload", &empty]);
    ends(&refused, 6);
    assert!(err(&refused).contains("empty"), "{}", err(&refused));
    let asked = server.drey(&["delete", "artifact", "my job.jar", "--dry-run"]);
    assert_eq!(out(&asked), "artifact/my job.jar deleted (dry run)\n", "{}", err(&asked));
    ends(&server.drey(&["artifact", "delete", "my job.jar", "--yes"]), 0);
    assert_eq!(out(&server.drey(&["artifact", "list", "-o", "name"])), "");
}

#[test]
fn diff_says_what_apply_would_do_and_ends_as_scripts_expect() {
    let server = Server::start();
    let file = server.file("a.yaml", &manifest("a", ""));
    let new = server.drey(&["diff", "-f", &file]);
    ends(&new, 1);
    assert_eq!(out(&new), "deployment/a would be created\n0 to change, 1 to create, 0 unchanged\n");
    assert_eq!(err(&new), "");
    // The controller writes once after it has looked; then the version rests.
    ends(&server.drey(&["apply", "-f", &file, "--wait", "--timeout", "60s"]), 0);
    let same = server.drey(&["diff", "-f", &file]);
    ends(&same, 0);
    assert_eq!(
        out(&same),
        "deployment/a would be unchanged\n0 to change, 0 to create, 1 unchanged\n"
    );

    let more = "      parallelism: 3\n      flinkConfiguration: {s3.secret-key: abc123, x: y}\n";
    server.file("a.yaml", &manifest("a", more).replace("team: a", "team: b"));
    let differs = server.drey(&["diff", "-f", &file]);
    ends(&differs, 1);
    let text = out(&differs);
    for part in [
        "~ metadata.labels.team",
        "a -> b",
        "~ spec.template.spec.parallelism",
        "1 -> 3",
        "******",
        "at the next start",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("abc123"), "{text}");
    let version = || {
        let shown = out(&server.drey(&["get", "dep", "a", "-o", "json"]));
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["metadata"]["resourceVersion"].clone()
    };
    let told = format!("--if-version {}\n", version());
    assert!(err(&differs).ends_with(&told), "{told}: {}", err(&differs));
    let json: Value =
        serde_json::from_str(&out(&server.drey(&["diff", "-f", &file, "-o", "json"]))).unwrap();
    assert_eq!(json["items"][0]["action"], "changed");
    assert_eq!(json["items"][0]["resourceVersion"], version(), "nothing was changed");

    server.file("a.yaml", &manifest("a", "      parallelism: 0\n"));
    let invalid = server.drey(&["diff", "-f", &file]);
    ends(&invalid, 6);
    assert!(err(&invalid).contains("parallelism"), "{}", err(&invalid));
    ends(&server.drey(&["diff", "-f", "/no/such/file"]), 2);
    ends(
        &drey("http://127.0.0.1:9", &["diff", "-f", &server.file("b.yaml", &manifest("b", ""))]),
        9,
    );
}

#[test]
fn explain_needs_no_server() {
    let explained = drey("http://127.0.0.1:9", &["explain", "dep.spec.restorestrategy.kind"]);
    ends(&explained, 0);
    let text = out(&explained);
    assert!(
        text.starts_with("KIND:     Deployment\nMEMBER:   spec.restoreStrategy.kind\n"),
        "{text}"
    );
    for part in ["DEFAULT:  LATEST_STATE", "LATEST_SAVEPOINT", "NONE"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let schema = out(&drey("", &["explain", "dep.spec", "-o", "json"]));
    assert!(serde_json::from_str::<Value>(&schema).unwrap()["properties"]["template"].is_object());
    ends(&drey("", &["explain", "dep.spec.nothing"]), 3);
    ends(&drey("", &["explain", "pod"]), 2);
}

#[cfg(unix)]
#[test]
fn an_edit_can_be_rehearsed() {
    use std::os::unix::fs::PermissionsExt;
    let server = Server::start();
    ends(&server.drey(&["apply", "-f", &server.file("a.yaml", &manifest("a", ""))]), 0);
    let editor =
        server.file("editor.sh", "#!/bin/sh\nsed -i 's/parallelism: 1/parallelism: 7/' \"$1\"\n");
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let edited = Command::new(DREY)
        .args(["edit", "dep", "a", "--dry-run"])
        .env("DREY_SERVER", &server.url)
        .env("XDG_CONFIG_HOME", "/no/such/folder")
        .env("EDITOR", &editor)
        .env_remove("VISUAL")
        .output()
        .unwrap();
    ends(&edited, 0);
    assert_eq!(out(&edited), "deployment/a configured (dry run)\n");
    assert!(out(&server.drey(&["get", "dep", "a", "-o", "yaml"])).contains("parallelism: 1"));
}
