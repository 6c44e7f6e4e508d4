//! Names to addresses. The answer is kept for a moment, so that a page of many
//! connections asks once; it opens nothing, for each address is judged at each
//! connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

/// Who knows the addresses of names. A test puts its own in place.
pub trait Resolve: Send + Sync + 'static {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// This machine's own resolver.
#[derive(Debug)]
pub struct System {
    /// Each question holds a thread for as long as it takes, also when nobody
    /// waits for it any more; one that finds no place waits.
    places: Arc<Semaphore>,
}

/// Questions of one room at a time.
const QUESTIONS: usize = 16;

impl Default for System {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(QUESTIONS)) }
    }
}

impl Resolve for System {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let places = Arc::clone(&self.places);
        Box::pin(async move {
            let place = places.acquire_owned().await.map_err(io::Error::other)?;
            let asked = tokio::task::spawn_blocking(move || {
                let _place = place;
                (name.as_str(), 0).to_socket_addrs().map(|found| found.map(|at| at.ip()).collect())
            });
            asked.await.map_err(io::Error::other)?
        })
    }
}

/// How long an answer is used.
const FRESH: Duration = Duration::from_secs(20);
const MOST_KEPT: usize = 256;

/// A resolver with a short memory.
pub(super) struct Names {
    resolver: Arc<dyn Resolve>,
    kept: Mutex<HashMap<String, (Instant, Vec<IpAddr>)>>,
}

impl Names {
    pub fn new(resolver: Arc<dyn Resolve>) -> Self {
        Self { resolver, kept: Mutex::default() }
    }

    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let now = Instant::now();
        {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((since, found)) = kept.get(name)
                && now.duration_since(*since) < FRESH
            {
                return Ok(found.clone());
            }
        }
        let found = self.resolver.resolve(name.to_owned()).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, (since, _)| now.duration_since(*since) < FRESH);
        }
        if kept.len() < MOST_KEPT {
            kept.insert(name.to_owned(), (now, found.clone()));
        }
        Ok(found)
    }

    /// What was kept of a name leads nowhere.
    pub fn forget(&self, name: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
