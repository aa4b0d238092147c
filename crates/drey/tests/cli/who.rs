//! Who asks: tokens, contexts, and a server that lets nobody in without.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::harness::{Fake, Server, drey, ends, err, error, manifest, out, with_env};

/// Runs `drey` with a folder for contexts.
fn at_home(home: &Path, args: &[&str], input: &str) -> Output {
    with_env(&[("XDG_CONFIG_HOME", home.to_str().unwrap())], args, input)
}

/// A token of a namespace that is made for it; only the administrator can.
fn token(server: &Server, ns: &str, role: &str) -> String {
    let made = server.drey(&[
        "token",
        "create",
        role,
        "--role",
        role,
        "-n",
        ns,
        "--token-file",
        &server.admin(),
    ]);
    ends(&made, 0);
    assert!(err(&made).contains("shown this once"), "{}", err(&made));
    let text = out(&made);
    assert_eq!(text.lines().count(), 1, "the token alone: {text}");
    text.trim().to_owned()
}

#[test]
fn a_server_that_asks_who_is_calling_is_told_by_a_context() {
    let server = Server::guarded();
    let home = tempfile::tempdir().unwrap();
    let nobody = server.drey(&["get", "dep"]);
    ends(&nobody, 4);
    assert!(err(&nobody).contains("no token was shown to http://127.0.0.1:"), "{}", err(&nobody));
    assert!(err(&nobody).contains("--token-file FILE or DREY_TOKEN"), "{}", err(&nobody));

    let admin = server.admin();
    ends(&server.drey(&["namespace", "create", "team", "--token-file", &admin]), 0);
    let listed = out(&server.drey(&["get", "ns", "--token-file", &admin]));
    assert!(listed.lines().any(|line| line.starts_with("team     Active  0")), "{listed}");
    let owner = token(&server, "team", "owner");
    let file = server.file("owner.token", &format!("{owner}\n"));

    let add =
        ["context", "add", "prod", "--server", &server.url, "-n", "team", "--token-file", &file];
    let added = at_home(home.path(), &add, "");
    ends(&added, 0);
    assert_eq!(out(&added), "context/prod added\n");
    let config = home.path().join("drey").join("config.yaml");
    assert_eq!(config.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    ends(&at_home(home.path(), &["token", "list"], ""), 0);
    let deployment = server.file("a.yaml", &manifest("a", "").replace("local", "t"));
    let target =
        server.file("t.yaml", "kind: DeploymentTarget\nmetadata: {name: t}\nspec: {local: {}}\n");
    let applied = at_home(home.path(), &["apply", "-f", &deployment, "-f", &target], "");
    ends(&applied, 0);
    assert_eq!(out(&applied), "deploymenttarget/t created\ndeployment/a created\n");

    let viewer = token(&server, "team", "viewer");
    let env =
        [("DREY_TOKEN", viewer.as_str()), ("DREY_SERVER", &server.url), ("DREY_NAMESPACE", "team")];
    ends(&with_env(&env, &["get", "dep"], ""), 0);
    let refused = with_env(&env, &["delete", "dep", "a", "--yes"], "");
    ends(&refused, 4);
    assert!(err(&refused).contains("takes the role"), "{}", err(&refused));
    assert!(err(&refused).contains("DREY_TOKEN was shown"), "{}", err(&refused));
    assert!(!err(&refused).contains(&viewer));

    ends(&at_home(home.path(), &["token", "delete", "owner", "--yes"], ""), 0);
    let gone = at_home(home.path(), &["get", "dep"], "");
    ends(&gone, 4);
    assert!(err(&gone).contains("the context prod was shown to"), "{}", err(&gone));
    assert!(!err(&gone).contains(&owner));
}

#[test]
fn contexts_keep_tokens_to_themselves_and_to_their_server() {
    const TOKEN: &str = "t0ken-of-the-context";
    let home = tempfile::tempdir().unwrap();
    let answer = |_: &str| (200, r#"{"items":[]}"#.to_owned());
    let (ours, other) = (Fake::new(answer), Fake::new(answer));
    let add = ["context", "add", "one", "--server", &ours.url, "--token-stdin"];
    ends(&at_home(home.path(), &add, &format!("{TOKEN}\n")), 0);
    let second = ["context", "add", "two", "--server", &other.url, "-n", "n"];
    ends(&at_home(home.path(), &second, ""), 0);

    for args in [
        &["context", "list"][..],
        &["context", "list", "-o", "json"],
        &["context", "show"],
        &["context", "show", "one", "-o", "json"],
    ] {
        let shown = at_home(home.path(), args, "");
        ends(&shown, 0);
        assert!(out(&shown).contains("stored") && !out(&shown).contains(TOKEN), "{}", out(&shown));
    }
    ends(&at_home(home.path(), &["get", "dep"], ""), 0);
    assert!(ours.heads().contains(&format!("authorization: bearer {TOKEN}")), "{}", ours.heads());
    ends(&at_home(home.path(), &["get", "dep", "--server", &other.url], ""), 0);
    ends(&at_home(home.path(), &["get", "dep", "--context", "two"], ""), 0);
    assert!(!other.heads().contains("authorization"), "{}", other.heads());
    assert!(other.asked().contains(&"GET /api/v1/namespaces/n/deployments".to_owned()));

    // A context that moves to another server leaves its token behind.
    let moved = ["context", "add", "one", "--server", &other.url];
    assert_eq!(out(&at_home(home.path(), &moved, "")), "context/one changed\n");
    ends(&at_home(home.path(), &["get", "dep", "--context", "one"], ""), 0);
    assert!(!other.heads().contains("authorization"), "{}", other.heads());

    let home_text = home.path().to_str().unwrap();
    let unset = [("XDG_CONFIG_HOME", home_text), ("DREY_SERVER", ""), ("DREY_NAMESPACE", "")];
    ends(&with_env(&unset, &["get", "dep", "--context", "two"], ""), 0);
    ends(&at_home(home.path(), &["context", "use", "three"], ""), 2);
    assert_eq!(
        out(&at_home(home.path(), &["context", "use", "two"], "")),
        "context/two is in use\n"
    );
    ends(&at_home(home.path(), &["context", "remove", "two"], ""), 0);
    ends(&at_home(home.path(), &["context", "show"], ""), 3);
}

#[test]
fn contexts_that_others_can_read_are_refused_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let add = ["context", "add", "one", "--server", "http://127.0.0.1:9"];
    ends(&at_home(home.path(), &add, ""), 0);
    let config = home.path().join("drey").join("config.yaml");
    let chmod = |mode| {
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(0o644);
    for args in [&["get", "dep"][..], &["context", "list"]] {
        let refused = at_home(home.path(), args, "");
        ends(&refused, 2);
        let shown = format!("chmod 600 {}", config.display());
        assert!(err(&refused).contains(&shown), "{}", err(&refused));
    }
    chmod(0o600);
    ends(&at_home(home.path(), &["context", "list"], ""), 0);
    std::fs::write(&config, "contexts: [{name: one, token: s3cret, oops: 1}]").unwrap();
    let refused = at_home(home.path(), &["get", "dep"], "");
    ends(&refused, 2);
    assert!(!err(&refused).contains("s3cret"), "{}", err(&refused));
}

#[test]
fn what_is_no_token_is_not_sent() {
    let fake = Fake::new(|_| error(401, "Unauthorized", "who are you"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    for (text, code) in [("two words\n", 2), ("", 2), ("fine\n", 4)] {
        std::fs::write(&file, text).unwrap();
        let asked = drey(&fake.url, &["get", "dep", "--token-file", file.to_str().unwrap()]);
        ends(&asked, code);
    }
    ends(&drey(&fake.url, &["get", "dep", "--token-file", "/no/such/file"]), 2);
    ends(&drey("http://ann:pw@127.0.0.1:9", &["get", "dep"]), 2);
    assert_eq!(fake.asked().len(), 1, "only the usable one was sent");
}
