//! What whoever administers a server may do with a room as a whole, and what
//! they see of it that its visitors do not.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::{Person, RoomSpec};

/// What is to become of a room's programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// As if nobody had been here for long. `anyway`: somebody is.
    Sleep { anyway: bool },
    /// As if somebody came.
    Wake,
    /// Ended, and they stay so, over a restart of the server too.
    Stop,
    /// What was stopped wakes.
    Start,
}

/// One room, as its driver and its keeper know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomDetails {
    /// When it came into the state that it is in, in milliseconds since 1970.
    #[ts(type = "number")]
    pub since: u64,
    /// Everybody here, in order of arrival.
    pub people: Vec<Person>,
    /// What it was made from.
    #[ts(type = "RoomSpec")]
    pub spec: RoomSpec,
}

impl Rest {
    /// For the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sleep { .. } => "put to sleep",
            Self::Wake => "woken",
            Self::Stop => "stopped by hand",
            Self::Start => "started by hand",
        }
    }
}
