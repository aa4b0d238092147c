//! Listening, and stopping without cutting anyone off.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Shared};
use crate::ending::Ending;
use crate::router::router_of;

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
    let shared = Shared::new(app);
    let serving = run(listener, router_of(&shared), shutdown.clone());
    let serving = beside(Ending::of(&shared).run(shutdown.clone()), serving);
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

/// Serves, and empties namespaces beside it for as long as that lasts.
async fn beside<T>(ending: impl Future<Output = ()>, serving: impl Future<Output = T>) -> T {
    tokio::pin!(ending, serving);
    tokio::select! {
        served = &mut serving => served,
        () = ending => serving.await,
    }
}

async fn run(listener: TcpListener, router: Router, shutdown: CancellationToken) -> io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
