//! One room: its lifecycle, the task that owns it, its supervisor.

mod port;
mod view;

pub use port::*;
pub use view::{PageView, Phase, Presence, RoomEvent, RoomView};
