//! One room: its lifecycle, the task that owns it, its supervisor.

mod lifecycle;
mod port;
mod view;

pub use port::{Room, RoomError, RoomSpec, Rooms, ViewerKind, ViewerSeat};
pub use view::{PageView, Phase, Presence, RoomEvent, RoomView};
