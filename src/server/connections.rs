//! The listener: connections are counted, must show their request in time,
//! and are given a moment to finish when the server stops. When all places
//! are taken, the connection that has been idle the longest makes room: those
//! who only hold places do not keep out those who come with a request.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as _, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::admin::load;
use super::base_path::BasePath;
use super::context::{Context, RemoteAddress};
use super::ready;
use super::routes::router;

/// Open connections. When as many are at work, a new one waits.
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
    context.tasks.spawn({
        let (context, shutdown) = (context.clone(), shutdown.clone());
        async move { ready::watch(&context, shutdown).await }
    });
    context.tasks.spawn({
        let (context, shutdown) = (context.clone(), shutdown.clone());
        async move { load::watch(&context, shutdown).await }
    });
    let base = context.options.deployment.base.clone();
    let idle = Arc::<Idle>::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely; they come back when connections end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        if places.available_permits() == 0 {
            idle.give_way();
        }
        let place = tokio::select! {
            () = shutdown.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let post = Post { idle: Arc::clone(&idle), turn: AtomicU64::new(0), end: CancellationToken::new() };
        let (app, base, shutdown) = (app.clone(), base.clone(), shutdown.clone());
        context.tasks.spawn(async move {
            connection(stream, RemoteAddress(address.ip().to_canonical()), app, base, shutdown, post).await;
            drop(place);
        });
    }
    drop(listener);
    context.tasks.close();
    if tokio::time::timeout(DRAIN, context.tasks.wait()).await.is_err() {
        tracing::info!(left = context.tasks.len(), "connections did not end in time");
    }
}

/// The connections that wait for a request, in the order in which they began to.
#[derive(Default)]
struct Idle {
    waiting: Mutex<BTreeMap<u64, CancellationToken>>,
    turns: AtomicU64,
}

/// One connection's entry there.
struct Post {
    idle: Arc<Idle>,
    turn: AtomicU64,
    end: CancellationToken,
}

impl Idle {
    /// Ends the one that has waited the longest.
    fn give_way(&self) {
        let oldest = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
        if let Some((_, end)) = oldest {
            end.cancel();
        }
    }
}

impl Post {
    fn set_idle(&self, idle: bool) {
        let mut waiting = self.idle.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&self.turn.load(Ordering::Relaxed));
        if idle {
            let turn = self.idle.turns.fetch_add(1, Ordering::Relaxed) + 1;
            self.turn.store(turn, Ordering::Relaxed);
            waiting.insert(turn, self.end.clone());
        }
    }
}

async fn connection(
    stream: TcpStream,
    from: RemoteAddress,
    app: Router,
    base: BasePath,
    shutdown: CancellationToken,
    post: Post,
) {
    post.set_idle(true);
    let end = post.end.clone();
    let post = Arc::new(post);
    let own = Arc::clone(&post);
    // Signalling messages are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let (app, base, post) = (app.clone(), base.clone(), Arc::clone(&post));
        post.set_idle(false);
        async move {
            let mut request: Request = request.map(Body::new);
            request.extensions_mut().insert(from);
            base.strip(&mut request);
            let response = app.oneshot(request).await.map_err(|never: Infallible| match never {});
            // A stream of events goes on after its head; it is the connection's work.
            if response.as_ref().is_ok_and(|response| response.body().size_hint().exact().is_some()) {
                post.set_idle(true);
            }
            response
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
        () = end.cancelled() => {
            tracing::debug!("an idle connection made room for a new one");
            Ok(())
        }
    };
    own.set_idle(false);
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
