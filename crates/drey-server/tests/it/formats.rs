//! JSON and YAML, in and out, and all the ways to say which.

use crate::world::{DEPLOYMENTS, Server};

const YAML: &str = "\
kind: deployment
metadata:
  name: one
spec:
  state: canceled
  deploymentTargetName: local
  template:
    spec:
      artifact:
        kind: jar
        jarUri: https://x/app.jar
        flinkVersion: 1.20
      resources:
        jobManager: {cpu: 1, memory: 1g}
      flinkConfiguration:
        taskmanager.numberOfTaskSlots: 2
";

#[tokio::test]
async fn yaml_in_and_out_keeps_what_was_written() {
    let server = Server::start().await;
    let headers = [("content-type", "application/yaml"), ("accept", "application/yaml")];
    let answer = server.text("POST", DEPLOYMENTS, &headers, YAML).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "application/yaml");
    assert!(answer.text.contains("flinkVersion: '1.20'"), "{}", answer.text);
    let seen = server.get(&format!("{DEPLOYMENTS}/one")).await.expect(200);
    let spec = &seen["spec"]["template"]["spec"];
    assert_eq!(spec["artifact"]["flinkVersion"], "1.20");
    assert_eq!(spec["artifact"]["kind"], "JAR");
    assert_eq!(spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"], "2");
    assert_eq!(seen["spec"]["state"], "CANCELLED");
    assert!(spec["resources"]["jobmanager"]["memory"].is_string(), "{spec}");
}

#[tokio::test]
async fn every_way_to_name_a_format_works() {
    let server = Server::start().await;
    let json = r#"{"metadata":{"name":"NAME"},"spec":{"deploymentTargetName":"local","template":
        {"spec":{"artifact":{"kind":"JAR","jarUri":"https://x/a.jar"}}}}}"#;
    let types: [(&str, &str); 9] = [
        ("application/json", json),
        ("Application/JSON; charset=utf-8", json),
        ("application/merge-patch+json", json),
        ("application/x-www-form-urlencoded", json),
        ("", json),
        ("application/yaml", YAML),
        ("text/yaml", YAML),
        ("application/x-yaml", YAML),
        ("", YAML),
    ];
    for (n, (media_type, body)) in types.into_iter().enumerate() {
        let name = format!("d{n}");
        let body = body.replace("NAME", &name).replace("name: one", &format!("name: {name}"));
        let header = [("content-type", media_type)];
        let headers = if media_type.is_empty() { &header[..0] } else { &header[..] };
        let answer = server.text("POST", DEPLOYMENTS, headers, &body).await;
        assert_eq!(answer.status, 201, "{media_type}: {}", answer.text);
    }
    for wrong in
        ["application/xml", "text/plain", "text/plain;charset=UTF-8", "multipart/form-data"]
    {
        let answer = server.text("POST", DEPLOYMENTS, &[("content-type", wrong)], json).await;
        answer.refused(415, "UnsupportedMediaType");
    }
}

#[tokio::test]
async fn lists_come_as_yaml_too() {
    let server = Server::start().await;
    server.deploy("one").await;
    server.deploy("two").await;
    let answer = server.text("GET", DEPLOYMENTS, &[("accept", "application/yaml")], "").await;
    assert!(answer.text.contains("kind: DeploymentList"), "{}", answer.text);
    let (two, one) = (answer.text.find("name: two"), answer.text.find("name: one"));
    assert!(two.unwrap() < one.unwrap(), "newest first: {}", answer.text);
}

#[tokio::test]
async fn errors_follow_accept() {
    let server = Server::start().await;
    let answer = server.text("GET", "/nowhere", &[("accept", "text/yaml")], "").await;
    assert_eq!(answer.header("content-type"), "application/yaml");
    assert!(answer.text.contains("statusCode: 404"), "{}", answer.text);
    assert!(answer.text.contains("reason: NotFound"), "{}", answer.text);
}
