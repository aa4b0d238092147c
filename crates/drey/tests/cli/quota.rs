//! What the command line says about the CPU quota.

use crate::harness::{Fake, Server, drey, ends, err, error, out, view};

const USE: &str = r#"{"resourceQuota":{"kind":"ResourceQuota","apiVersion":"v1",
    "spec":{"type":"LIMITED","limits":{"cpu":16.0},"toleratedOveruse":{"cpu":2.0}},"status":{"used":{"cpu":13.5}}},
    "holders":[{"namespace":"default","kind":"Deployment","name":"fraud","cpu":9.0},
               {"namespace":"payments","kind":"SessionCluster","name":"shared","cpu":4.5}],
    "waiting":[{"namespace":"default","kind":"Deployment","name":"clicks","cpu":6.0,"since":"2026-01-01T00:00:00Z"}]}"#;

#[test]
fn the_quota_shows_limit_use_and_by_whom() {
    let fake = Fake::new(|_| (200, USE.to_owned()));
    let shown = drey(&fake.url, &["quota"]);
    ends(&shown, 0);
    assert_eq!(fake.asked(), ["GET /ext/v1/quota"]);
    let text = out(&shown);
    let (table, waiting) = text.split_once("waiting: ").unwrap();
    assert_eq!(
        table,
        "CPU cores: 13.5 used of 16, 2 tolerated above; 4.5 free\n\nNAMESPACE  KIND            NAME    CORES\n\
         default    Deployment      fraud   9\npayments   SessionCluster  shared  4.5\n\n"
    );
    assert!(waiting.starts_with("Deployment default/clicks needs 6 cores, since "), "{waiting}");

    let json = drey(&fake.url, &["quota", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    assert_eq!(json["resourceQuota"]["status"]["used"]["cpu"], 13.5);

    let server = Server::start();
    assert_eq!(out(&server.drey(&["quota"])), "CPU cores: 0 used; no quota\n");
}

/// A Deployment that waits for cores, as `/ext/v1` shows it.
fn refused(path: &str) -> (u16, String) {
    if path.starts_with("/ext/v1/watch") {
        return error(404, "NotFound", "no watch here");
    }
    if path.contains("/events") {
        return (
            200,
            r#"{"kind":"EventList","apiVersion":"v1","metadata":{},"items":[]}"#.to_owned(),
        );
    }
    let failure = r#""failure":{"message":"The CPU quota has no room.","reason":"ResourceQuotaExceeded","failedAt":"2026-01-01T00:00:00Z"},"next":"#;
    (200, view(4, "TRANSITIONING").replacen(r#""next":"#, failure, 1))
}

#[test]
fn a_wait_for_cores_has_an_exit_code_of_its_own() {
    let fake = Fake::new(refused);
    let late = drey(&fake.url, &["wait", "x", "--for", "running", "--timeout", "1s"]);
    ends(&late, 10);
    assert!(
        err(&late).starts_with(
            "error: deployment/x is not running after 1s\n  why:  The CPU quota has no room."
        ),
        "{}",
        err(&late)
    );
    let wait = ["wait", "x", "--for", "running", "--fail-on", "quota", "--timeout", "60s"];
    let at_once = drey(&fake.url, &wait);
    ends(&at_once, 10);
    assert!(err(&at_once).contains("did not get to be running"), "{}", err(&at_once));
}

#[test]
fn a_quota_that_makes_no_sense_keeps_the_server_from_starting() {
    let serve = |flags: &[&str]| drey("", &[&["serve", "--listen", "127.0.0.1:0"], flags].concat());
    let without = serve(&["--quota-tolerated-cpu", "1"]);
    ends(&without, 2);
    assert!(err(&without).contains("add --quota-cpu CORES"), "{}", err(&without));
    let negative = serve(&["--quota-cpu=-1"]);
    ends(&negative, 2);
    assert!(err(&negative).contains("0 or more"), "{}", err(&negative));
}
