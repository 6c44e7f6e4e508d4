//! The modes of a room's floor, and what is said to whoever may not act.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::base::ActorId;

/// Who may act in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Everybody with the right; a person's act preempts agents.
    #[default]
    Together,
    /// One at a time; the others ask for the floor.
    Turns,
    /// Agents act, people look.
    Watch,
    /// People act, agents look.
    HandsOff,
}

/// Why somebody may not act: a value that a person or an agent can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a {role} may only watch; ask for a token with the role controller")]
    MayOnlyWatch { role: &'static str },
    #[error("{by} took over {} s ago and has not handed back yet; wait for the hand-back", .since.as_secs())]
    TakenOver { by: String, since: Duration },
    #[error("in this room agents only look (hands off); ask a person to change the mode")]
    HandsOff,
    #[error("in this room people only look (watch); take over, or change the mode")]
    OnlyLook,
    #[error("it is {holder}'s turn; ask for the floor")]
    NotYourTurn { holder: String },
    #[error("{holder} has the floor; only {holder} or an admin can do this")]
    NotYours { holder: String },
    #[error("nobody has the floor, so it cannot be given or handed back")]
    NothingToGive,
    #[error("only people do this; an agent asks with request_help")]
    OnlyPeople,
    #[error("{name} may only watch and cannot have the floor")]
    CannotHave { name: String },
    #[error("nobody of that name is in the room")]
    NotHere,
    #[error(
        "{by} is in a private moment: nothing is seen or done here until it is over; wait, and try again"
    )]
    Private { by: String },
    #[error("too many ask for the floor already; try again later")]
    Crowded,
}

/// What happened on the floor, for those who show, tell and write it down.
#[derive(Debug)]
pub enum FloorEvent {
    /// A person has the floor for themselves until they hand back.
    TookOver {
        by: ActorId,
    },
    /// It is free for agents again.
    HandedBack {
        by: ActorId,
        note: String,
        took: Duration,
        left: bool,
    },
    /// Somebody's turn began.
    Turn {
        of: ActorId,
    },
    /// Their turn is over and nobody asked for it.
    Free,
    /// Somebody asks for the floor.
    Asked {
        by: ActorId,
    },
    Mode {
        mode: Mode,
        by: ActorId,
    },
    /// Whatever people hold down must come up, with this permit.
    Release(super::FloorPermit),
}

impl Mode {
    pub const ALL: [Mode; 4] = [Mode::Together, Mode::Turns, Mode::Watch, Mode::HandsOff];

    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Together => "together",
            Mode::Turns => "turns",
            Mode::Watch => "watch",
            Mode::HandsOff => "hands-off",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Mode::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or_else(|| {
            let all = Mode::ALL.map(Mode::as_str).join(", ");
            format!("there is no mode {text:?}; the modes are {all}")
        })
    }
}
