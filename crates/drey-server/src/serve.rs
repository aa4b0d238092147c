//! Listening, and stopping without cutting anyone off.

use std::io;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::router::router;

/// Requests in flight get this long to finish once the server was told to stop.
const FINISH_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves until `shutdown`: then no connection is accepted, streams end, and requests in flight finish or are cut off
/// after five seconds.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    mut app: App,
    shutdown: CancellationToken,
) -> io::Result<()> {
    app.shutdown = shutdown.clone();
    let serving = run(listener, router(app), shutdown.clone());
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => return result,
        () = shutdown.cancelled() => {}
    }
    match tokio::time::timeout(FINISH_TIMEOUT, serving).await {
        Ok(result) => result,
        Err(_) => {
            tracing::warn!(
                "requests still in flight after {} s were cut off",
                FINISH_TIMEOUT.as_secs()
            );
            Ok(())
        }
    }
}

async fn run(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
