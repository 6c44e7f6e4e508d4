//! One room: its lifecycle, the task that owns it, its supervisor.

mod view;

pub use view::{PageView, Phase, Presence, RoomEvent, RoomView};
