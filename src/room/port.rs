//! How the edges reach a room. The server and the agents hold these traits
//! and nothing else of it, so that a test can put a double in their place.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use ts_rs::TS;
use utoipa::ToSchema;

use super::record::Recorder;
use super::rulebook::Rulebook;
use super::{AgentSeat, FloorAsk, HelpAnswer, Reach, Rest, RoomDetails, RoomEvent, RoomOptions, RoomView};
use crate::base::{Actor, ActorId, CursorImage, RoomId, Size};
use crate::browser::Browser;
use crate::floor::Mode;
use crate::policy::{Answer, ApprovalId};
use crate::process::Usage;

/// All rooms of this server.
pub trait Rooms: Send + Sync + 'static {
    fn list(&self) -> Vec<RoomView>;
    fn get(&self, id: &RoomId) -> Option<Arc<dyn Room>>;
    fn create(&self, spec: RoomSpec) -> BoxFuture<'_, Result<RoomView, RoomError>>;
    fn remove(&self, id: &RoomId) -> BoxFuture<'_, Result<(), RoomError>>;
    /// Puts a room to sleep, wakes it, stops it or starts it, and keeps what is to last.
    fn rest<'a>(&'a self, id: &'a RoomId, rest: Rest) -> BoxFuture<'a, Result<(), RoomError>> {
        Box::pin(async move { self.get(id).ok_or(RoomError::NotFound)?.rest(rest).await })
    }
    /// What the rooms' programs take now. It looks at all processes, which takes some milliseconds.
    fn usage(&self) -> Vec<(RoomId, Usage)> {
        Vec::new()
    }
}

/// What a room is made from; also what is kept of it over a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct RoomSpec {
    #[schema(value_type = String)]
    #[ts(type = "string")]
    pub id: RoomId,
    /// 1280x720 when left out.
    #[serde(default = "default_size")]
    pub size: Size,
    /// The page of the first tab; the server's own setting when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_url: Option<String>,
    /// Who may act at first; the server's own setting when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(default)]
    pub options: RoomOptions,
}

impl RoomSpec {
    /// A room of this size, with the server's settings for the rest.
    pub fn new(id: RoomId, size: Size) -> Self {
        Self { id, size, start_url: None, mode: None, options: RoomOptions::default() }
    }
}

fn default_size() -> Size {
    Size::DEFAULT
}

/// One room, as its visitors reach it.
pub trait Room: Send + Sync {
    fn view(&self) -> watch::Receiver<Arc<RoomView>>;
    fn events(&self) -> broadcast::Receiver<RoomEvent>;
    fn cursor(&self) -> watch::Receiver<Option<Arc<CursorImage>>>;
    /// Somebody opened a page or a player: they are present until the seat is dropped.
    fn enter(&self, actor: Actor) -> BoxFuture<'_, Result<Box<dyn ViewerSeat>, RoomError>>;
    fn resize(&self, actor: Actor, size: Size) -> BoxFuture<'_, Result<(), RoomError>>;
    /// Somebody takes the floor, hands it back, asks for it or changes the mode.
    fn floor(&self, actor: Actor, ask: FloorAsk) -> BoxFuture<'_, Result<(), RoomError>>;
    /// A person answers an approval.
    fn approve(&self, _: Actor, _: ApprovalId, _: Answer) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async { Err(RoomError::Unavailable("this room asks for no approvals".into())) })
    }
    /// The page around what an approval is about.
    fn approval_picture(&self, _: ApprovalId) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(async { None })
    }
    /// What may be done here.
    fn rulebook(&self) -> Option<Arc<Rulebook>> {
        None
    }
    /// Where what happens here is written down.
    fn recorder(&self) -> Option<Recorder> {
        None
    }
    /// What its browser reaches.
    fn reach(&self) -> Option<Arc<Reach>> {
        None
    }
    /// A person answers an agent's request for help.
    fn help(&self, actor: Actor, id: u32, answer: HelpAnswer) -> BoxFuture<'_, Result<(), RoomError>>;
    /// An agent comes in and is present until its seat is dropped.
    fn enter_agent(&self, _: Actor) -> Result<AgentSeat, RoomError> {
        Err(RoomError::Unavailable("this room takes no agents".into()))
    }
    /// What whoever administers the server sees of it.
    fn details(&self) -> BoxFuture<'_, Option<RoomDetails>> {
        Box::pin(async { None })
    }
    /// They put it to sleep, wake it, stop it, start it. What is to outlast a
    /// restart is kept by [`Rooms::rest`].
    fn rest(&self, _: Rest) -> BoxFuture<'_, Result<(), RoomError>> {
        Box::pin(async { Err(RoomError::Unavailable("this room does not rest".into())) })
    }
    /// They put somebody out, from all their places; false when they had none.
    fn put_out(&self, _: ActorId) -> BoxFuture<'_, Result<bool, RoomError>> {
        Box::pin(async { Ok(false) })
    }
    /// Wakes it when it sleeps. Whoever enters does so too.
    fn knock(&self) {}
    /// The browser, if it runs now.
    fn browser(&self) -> Option<Arc<Browser>> {
        None
    }
}

/// A viewer's place in a room.
pub trait ViewerSeat: Send + Sync {
    /// Answers an offer; a second one replaces the first connection.
    fn offer(&self, kind: ViewerKind, sdp: String) -> BoxFuture<'_, Result<String, RoomError>>;
    /// Ends when its holder was put out of the room.
    fn put_out(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
    /// Ends when the connection of this seat is gone for good. A player without
    /// a page has nothing else by which its going is seen.
    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// What kind of viewer sits there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewerKind {
    /// Our page: picture and data channels.
    Interactive,
    /// A standard player: picture only.
    Whep,
}

/// Why a room did not do what it was asked. The texts are for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    #[error("there is no such room")]
    NotFound,
    #[error("a room of this name exists already")]
    Exists,
    #[error("{0}")]
    Forbidden(String),
    /// Somebody else was first, or it is over.
    #[error("{0}")]
    Late(String),
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
    /// Not for the public: the server logs it and says only that it failed.
    #[error("{0}")]
    Internal(String),
}
