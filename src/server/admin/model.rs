//! What the page of whoever administers the server is told. The TypeScript
//! side is generated from here; a test fails when the committed copy differs.

use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

use super::super::ready::Check;
use crate::base::{RoomId, Size};
use crate::floor::Mode;
use crate::room::{PageView, Person, Phase, RoomSpec};

/// The whole server at one moment.
#[derive(Debug, Serialize, ToSchema, TS)]
pub struct Overview {
    pub version: &'static str,
    /// Milliseconds since 1970, by the server's clock.
    #[ts(type = "number")]
    pub now: u64,
    /// When the server was started.
    #[ts(type = "number")]
    pub started: u64,
    /// Where browsers find it, without a slash at the end.
    pub address: String,
    /// Whether it can do its work.
    pub ready: bool,
    pub checks: Vec<Check>,
    pub machine: Machine,
    /// One every two seconds, the last five minutes, the oldest first.
    pub load: Vec<Sample>,
    pub rooms: Vec<RoomLine>,
}

/// What the server runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema, TS)]
pub struct Machine {
    pub processors: usize,
    #[ts(type = "number")]
    pub memory_bytes: u64,
}

/// How busy everything is at one moment; rates are means since the sample before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema, TS)]
pub struct Sample {
    /// Milliseconds since 1970.
    #[ts(type = "number")]
    pub at: u64,
    /// The share of the machine's processors that is busy, 0 to 1.
    pub cpu: f32,
    /// Processors that the server itself keeps busy, its encoders included.
    pub server_cpu: f32,
    /// Processors that encoders keep busy.
    pub encoding: f32,
    /// The machine's memory that is taken.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// Frames encoded a second.
    pub frames: f32,
    /// Sent to viewers, in bits a second.
    pub bits: f32,
    /// Connections that carry a picture.
    pub lines: usize,
}

/// One room.
#[derive(Debug, Serialize, ToSchema, TS)]
pub struct RoomLine {
    #[schema(value_type = String)]
    #[ts(type = "string")]
    pub id: RoomId,
    /// The address that opens it, for those with a token.
    pub address: String,
    pub phase: Phase,
    /// Since when it is as it is; unknown while it is busy changing.
    #[ts(type = "number | null")]
    pub since: Option<u64>,
    pub size: Size,
    pub mode: Mode,
    pub page: Option<PageView>,
    /// Who acts now.
    pub holder: Option<String>,
    pub people: Vec<Person>,
    /// Questions for a yes that wait.
    pub approvals: usize,
    /// Requests for help that wait.
    pub help: usize,
    /// What its programs take; nothing while it sleeps.
    pub takes: Option<Takes>,
    /// What it was made from; unknown while it is busy changing.
    pub made: Option<RoomSpec>,
    /// The room `main` is always there.
    pub removable: bool,
}

/// What a room's programs take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema, TS)]
pub struct Takes {
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// Processes and threads.
    #[ts(type = "number")]
    pub processes: u64,
    /// Processors that they keep busy.
    pub cpu: f32,
}
