//! Input that means harm: every answer is one of ours, and the server goes on.

use axum::body::Body;
use axum::http::Request;

use crate::world::{DEPLOYMENTS, SAVEPOINTS, Server, TARGETS, request};

async fn post(server: &Server, media_type: &str, body: Vec<u8>) -> crate::world::Answer {
    let headers = [("content-type", media_type)];
    server.send(request("POST", DEPLOYMENTS, &headers, Body::from(body))).await
}

#[tokio::test]
async fn too_large_is_413_with_and_without_a_declared_length() {
    let server = Server::start().await;
    let large = vec![b' '; (1 << 20) + 1];
    post(&server, "application/json", large.clone()).await.refused(413, "PayloadTooLarge");
    let pieces = futures::stream::iter(
        large.chunks(4096).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>(),
    );
    let body = Body::from_stream(pieces);
    server.send(request("POST", DEPLOYMENTS, &[], body)).await.refused(413, "PayloadTooLarge");
    let lie = [("content-length", "99999999999")];
    server
        .send(request("POST", DEPLOYMENTS, &lie, Body::empty()))
        .await
        .refused(413, "PayloadTooLarge");
}

#[tokio::test]
async fn odd_bodies_are_400() {
    let server = Server::start().await;
    let deep = |open: &str, n: usize| open.repeat(n).into_bytes();
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(1..9)
            .map(|n| {
                let (this, last) = ((b'a' + n) as char, (b'a' + n - 1) as char);
                format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(","))
            })
            .collect::<String>();
    for (media_type, body) in [
        ("application/json", b"".to_vec()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"null".to_vec()),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"\xff\xfe".to_vec()),
        ("application/json", deep("[", 500_000)),
        ("application/json", deep("{\"a\":", 100_000)),
        ("application/yaml", b"\xc3\x28".to_vec()),
        ("application/yaml", b"a: b: c".to_vec()),
        ("application/yaml", b"--- {}\n--- {}\n".to_vec()),
        ("application/yaml", deep("- ", 100_000)),
        ("application/yaml", deep("[", 100_000)),
        ("application/yaml", bomb.into_bytes()),
        ("application/json", br#"{"kind":"Poem","metadata":{"name":"x"}}"#.to_vec()),
        ("application/json", br#"{"metadata":7,"spec":"x"}"#.to_vec()),
        ("application/json", br#"{"metadata":{"name":"../../etc"},"spec":{}}"#.to_vec()),
        (
            "application/json",
            br#"{"metadata":{"name":"x","namespace":"other"},"spec":{}}"#.to_vec(),
        ),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = post(&server, media_type, body).await;
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text);
        answer.refused(400, "BadRequest");
        assert!(answer.text.len() < 200_000, "{shown}: the answer has {} bytes", answer.text.len());
    }
    server.get(DEPLOYMENTS).await.expect(200);
}

#[tokio::test]
async fn odd_bodies_harm_no_other_endpoint() {
    let server = Server::start().await;
    server.deploy("one").await;
    for (method, path) in [
        ("PATCH", format!("{DEPLOYMENTS}/one")),
        ("PUT", format!("{DEPLOYMENTS}/one")),
        ("POST", TARGETS.to_owned()),
        ("PUT", format!("{TARGETS}/local")),
        ("POST", SAVEPOINTS.to_owned()),
    ] {
        for body in ["[1,2", "[]", "{\"spec\":[]}", "{\"metadata\":{\"deploymentId\":7}}", "\u{0}"]
        {
            let answer = server.text(method, &path, &[], body).await;
            let status = answer.status.as_u16();
            assert!(status == 400 || status == 200, "{method} {path} {body:?}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let server = Server::start().await;
    let pieces = futures::stream::iter([Ok(b"{".to_vec()), Err(std::io::Error::other("gone"))]);
    let answer = server.send(request("POST", DEPLOYMENTS, &[], Body::from_stream(pieces))).await;
    answer.refused(400, "BadRequest");
}

#[tokio::test]
async fn odd_headers_and_paths_are_answered() {
    let server = Server::start().await;
    let odd = Request::builder()
        .method("BREW")
        .uri(format!("{DEPLOYMENTS}/%00%ff..%2f..?a=%ff&a=&&=b"))
        .header("accept", b"\xff,;;q=,application/yaml;q=7".as_slice())
        .header("content-type", b"\xfe\xff".as_slice())
        .header("if-match", b"\xff".as_slice())
        .header("last-event-id", b"\xff".as_slice())
        .body(Body::from("x"))
        .unwrap();
    assert!(server.send(odd).await.status.is_client_error());
    let name = "x".repeat(5000);
    let answer = server.get(&format!("{DEPLOYMENTS}/{name}")).await;
    assert!(answer.refused(404, "NotFound").len() < 300);
    let utf8 = server.get(&format!("{DEPLOYMENTS}/%ff")).await;
    utf8.refused(400, "BadRequest");
}
