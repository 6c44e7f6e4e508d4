//! What a room's browser reaches: the gate by itself, a real Chromium behind
//! it with pages that want elsewhere, and rooms of a whole server.

mod desk;
mod gate;
#[allow(dead_code, reason = "rooms are asked for little here")]
mod house;

#[path = "egress/hand.rs"]
mod hand;
#[path = "egress/machine.rs"]
mod machine;
#[path = "egress/pages.rs"]
mod pages;
#[path = "egress/rooms.rs"]
mod rooms;
#[path = "egress/tunnels.rs"]
mod tunnels;
#[path = "egress/ways.rs"]
mod ways;
