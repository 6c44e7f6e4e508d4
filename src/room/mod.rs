//! One room: its lifecycle, the task that owns it, its supervisor.
//!
//! ```text
//!  server, agents ──commands──▶ driver ──▶ floor, lifecycle, viewers (its own)
//!        ▲                       │  ▲
//!        └──view, events─────────┘  └── events of display, browser, peers
//! ```

mod calls;
mod camera;
mod driver;
mod handle;
mod help;
mod idle;
mod ledger;
mod lifecycle;
mod memory;
mod options;
mod parts;
mod port;
mod presence;
mod reach;
pub mod record;
mod remembered;
mod rest;
mod rooms;
mod rulebook;
mod secrets;
mod settings;
mod view;
mod viewers;
mod yes;

pub use calls::{CallBook, Key as CallKey};
pub use camera::Counts;
pub use handle::{AgentSeat, NoApproval, NoFloor, OpenApproval, RoomHandle};
pub use help::HelpEnd;
pub use options::{Profile, RoomOptions};
pub use port::{Room, RoomError, RoomSpec, Rooms, ViewerKind, ViewerSeat};
pub use presence::{Line, Person};
pub use reach::{Reach, ReachError, ReachView, ServerReach};
pub use record::{Begun, Entry, Outcome, Record, RecordError, RecordKind, Recorder, Retention};
pub use rest::{Rest, RoomDetails};
pub use rooms::House;
pub use rulebook::{Rulebook, RulebookError};
pub use secrets::{NoSecret, Secrets, UsableSecret};
pub use settings::{Programs, RoomSettings};
pub use view::{
    FloorAsk, FloorView, HelpAnswer, HelpRequest, HelpTask, Mark, MarkShape, PageView, Phase, Presence,
    PrivateView, RoomEvent, RoomView, Settled,
};
