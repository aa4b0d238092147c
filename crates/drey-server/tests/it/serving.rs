//! A real socket: serving, and stopping in good order.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::world::Server;

#[tokio::test]
async fn the_server_stops_although_a_client_watches() {
    let server = Server::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let app = drey_server::App { metrics: std::sync::Arc::default(), ..server.app.clone() };
    let serving = tokio::spawn(drey_server::serve(listener, app, shutdown.clone()));

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let up = client.get(format!("{base}/api/v1/status")).send().await.unwrap();
    assert_eq!(up.text().await.unwrap(), r#"{"status":"UP"}"#);
    let mut watch = client.get(format!("{base}/ext/v1/watch")).send().await.unwrap();
    assert!(watch.chunk().await.unwrap().is_some());

    shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(4), serving).await;
    stopped.expect("within the deadline").unwrap().unwrap();
    while let Ok(Some(_)) = watch.chunk().await {}
    assert!(client.get(format!("{base}/api/v1/status")).send().await.is_err());
}
