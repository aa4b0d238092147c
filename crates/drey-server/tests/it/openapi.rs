//! The documents of the API: fresh, true to themselves, and a page that shows them without asking anybody else.

use std::path::Path;

use drey_server::{openapi, routes, swagger};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::contract::differences;
use crate::world::{SAVEPOINTS, Server};

#[test]
fn the_committed_copy_is_what_the_server_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = serde_json::to_string_pretty(openapi()).unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/openapi.json is old: run this test with UPDATE_EXPECT=1");
}

#[test]
fn every_example_is_as_its_schema_says() {
    let schemas = openapi()["components"]["schemas"].as_object().unwrap();
    let mut count = 0;
    for (name, schema) in schemas {
        for example in schema["examples"].as_array().into_iter().flatten() {
            let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
            assert_eq!(differences(&reference, example), [""; 0], "{name}");
            count += 1;
        }
    }
    assert!(count >= 8, "{count}");
}

#[tokio::test]
async fn the_examples_of_what_is_sent_are_accepted_without_a_warning() {
    let server = Server::start().await;
    let schemas = &openapi()["components"]["schemas"];
    let example = |name: &str| schemas[name]["examples"][0].clone();
    let mut deployment = String::new();
    for (path, name) in [
        ("deployments", "DeploymentInput"),
        ("deployment-targets", "DeploymentTargetInput"),
        ("secret-values", "SecretValueInput"),
    ] {
        let path = format!("/api/v1/namespaces/default/{path}");
        let answer = server.json("POST", &path, example(name)).await;
        assert_eq!(answer.header("drey-warning"), "", "{name}");
        let made = answer.expect(201);
        deployment = match name {
            "DeploymentInput" => made["metadata"]["id"].as_str().unwrap().to_owned(),
            _ => deployment,
        };
    }
    let mut savepoint = example("SavepointInput");
    savepoint["metadata"]["deploymentId"] = json!(deployment);
    let answer = server.json("POST", SAVEPOINTS, savepoint).await;
    assert_eq!(answer.header("drey-warning"), "");
    answer.expect(201);
}

#[test]
fn every_row_is_in_the_document_under_its_own_name() {
    let paths = openapi()["paths"].as_object().unwrap();
    let names: Vec<&Value> = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| &operation["operationId"])
        .collect();
    for row in routes() {
        let is_there = names.contains(&&json!(row.id));
        assert_eq!(is_there, row.method != drey_server::Method::Any, "{}", row.id);
    }
}

#[tokio::test]
async fn both_documents_are_served() {
    let server = Server::start().await;
    assert_eq!(&server.get("/api/openapi.json").await.expect(200), openapi());
    assert_eq!(&server.get("/api/swagger.json").await.expect(200), swagger());
}

#[tokio::test]
async fn the_page_works_without_the_internet() {
    let server = Server::start().await;
    let page = server.get("/swagger").await;
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    assert!(!page.text.contains("://"), "no address of another site");
    let named: Vec<&str> =
        page.text.split('"').filter(|text| text.starts_with("swagger/")).collect();
    assert_eq!(named.len(), 3);
    for file in named {
        let answer = server.get(&format!("/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert!(answer.text.len() > 100, "{file}");
        assert_eq!(answer.header("content-encoding"), "", "unpacked for who does not ask for gzip");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    server.get("/swagger/..%2fCargo.toml").await.refused(404, "NotFound");
}

#[tokio::test]
async fn the_files_of_swagger_ui_are_as_they_were_published() {
    let server = Server::start().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/swagger-ui");
    let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let mut count = 0;
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let answer = server.get(&format!("/swagger/{name}")).await;
        let digest = Sha256::digest(answer.text.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, sum, "{name}: run `cargo xtask vendor-swagger-ui`");
        count += 1;
    }
    assert_eq!(count, 2);
}
