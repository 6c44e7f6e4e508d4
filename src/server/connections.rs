//! The listener: connections are counted, must show their request in time,
//! and are given a moment to finish when the server stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::context::{Context, RemoteAddress};
use super::routes::router;

/// Open connections. When there are as many, a new one waits to be accepted.
const MOST_CONNECTIONS: usize = 1024;
/// A request's head must be here by then; also how long a connection may idle.
const LONGEST_HEAD: Duration = Duration::from_secs(30);
/// How long requests may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves until the context's shutdown, then lets requests and pages finish
/// for two seconds.
pub async fn serve(listener: TcpListener, context: Context) {
    let app = router(&context);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let shutdown = context.shutdown.clone();
    context.tasks.spawn({
        let (context, shutdown) = (context.clone(), shutdown.clone());
        async move { context.auth.watch_store(shutdown).await }
    });
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (stream, address, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely; they come back when connections end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (app, shutdown) = (app.clone(), shutdown.clone());
        context.tasks.spawn(async move {
            connection(stream, RemoteAddress(address.ip()), app, shutdown).await;
            drop(place);
        });
    }
    drop(listener);
    context.tasks.close();
    if tokio::time::timeout(DRAIN, context.tasks.wait()).await.is_err() {
        tracing::info!(left = context.tasks.len(), "connections did not end in time");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, std::net::SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, place))
}

async fn connection(
    stream: TcpStream,
    from: RemoteAddress,
    app: Router,
    shutdown: tokio_util::sync::CancellationToken,
) {
    // Signalling messages are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(from);
            app.oneshot(request).await.map_err(|never: Infallible| match never {})
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
