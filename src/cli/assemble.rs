//! Puts the program together: what stands behind the server's doors.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::settings::Settings;
use crate::room::Rooms;
use crate::server::Edges;
use crate::store::Store;

/// The parts of a running program.
pub(super) struct Assembly {
    pub(super) rooms: Arc<dyn Rooms>,
    pub(super) edges: Edges,
    /// Closes all rooms with their browsers, each step with its deadline.
    pub(super) drain: BoxFuture<'static, ()>,
}

/// Starts the rooms. Whatever fails here fails before the server listens, and
/// leaves nothing behind.
pub(super) async fn assemble(
    _settings: &Settings,
    _store: &Store,
    _shutdown: &CancellationToken,
) -> Result<Assembly, Failure> {
    Err(Failure::new("this build has no rooms yet"))
}
