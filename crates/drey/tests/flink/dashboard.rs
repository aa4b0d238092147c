//! Flink's own dashboard through Drey.

use crate::harness::{Server, counter, flink_id, text};

#[test]
fn the_dashboard_of_a_running_job_is_served_with_its_rest_api() {
    let server = Server::start();
    server.create(&counter("app"));
    let job = server.start_job("app");
    let root = format!("/flink-ui/v1/namespaces/default/jobs/{job}/");
    let page = server.call("GET", &root, None).unwrap();
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.content_type.starts_with("text/html"), "{}", page.content_type);
    assert!(page.body.contains("Apache Flink"), "{}", page.body);
    let overview = server.flink(&job, "jobs/overview");
    assert_eq!(text(&overview, "/jobs/0/jid"), flink_id(&job));
    assert_eq!(text(&overview, "/jobs/0/state"), "RUNNING");

    server.cancel("app");
    let gone = server.call("GET", &root, None).unwrap();
    assert_eq!(gone.status, 503, "{gone:?}");
}
