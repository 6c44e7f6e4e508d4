//! What the edges need of rooms. The server and its tests know rooms only by
//! these traits.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use utoipa::ToSchema;

use super::{RoomEvent, RoomView};
use crate::base::{Actor, CursorImage, RoomId, Size};

/// All rooms of the server.
pub trait Rooms: Send + Sync + 'static {
    /// In order of their names.
    fn list(&self) -> Vec<RoomView>;
    fn get(&self, id: &RoomId) -> Option<Arc<dyn Room>>;
    /// Makes a room and starts it; returns when it is on its way, not when it is live.
    fn create(&self, spec: RoomSpec) -> BoxFuture<'_, Result<RoomView, RoomError>>;
    /// Stops a room and removes what it kept.
    fn remove(&self, id: &RoomId) -> BoxFuture<'_, Result<(), RoomError>>;
}

/// What a room is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomSpec {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,31}$")]
    pub id: RoomId,
    #[serde(default = "default_size")]
    pub size: Size,
    /// The page of the first tab; the server's setting when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_url: Option<String>,
}

fn default_size() -> Size {
    Size::DEFAULT
}

/// One room, as the edges see it.
pub trait Room: Send + Sync {
    fn view(&self) -> watch::Receiver<Arc<RoomView>>;
    fn events(&self) -> broadcast::Receiver<RoomEvent>;
    fn cursor(&self) -> watch::Receiver<Option<Arc<CursorImage>>>;
    /// Somebody opened a page or a player: they are present until the seat is dropped.
    fn enter(&self, actor: Actor) -> BoxFuture<'_, Result<Box<dyn ViewerSeat>, RoomError>>;
    fn resize(&self, actor: Actor, size: Size) -> BoxFuture<'_, Result<(), RoomError>>;
}

/// A viewer's place in a room. Dropping it ends their connection.
pub trait ViewerSeat: Send + Sync {
    /// Answers an offer; a second one replaces the first connection.
    fn offer(&self, kind: ViewerKind, sdp: String) -> BoxFuture<'_, Result<String, RoomError>>;
}

/// What a viewer's connection can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerKind {
    /// Tandem's own client: video and the two data channels.
    Interactive,
    /// A standard player: video only.
    Whep,
}

/// Why a room did not do what was asked. The text is for the one who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    #[error("there is no such room")]
    NotFound,
    #[error("a room with this name is there already")]
    Exists,
    #[error("{0}")]
    Forbidden(String),
    #[error("{0}")]
    BadOffer(String),
    #[error("{0}")]
    NoCodec(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Internal(String),
}
