//! The edge towards agents: the MCP server.
//!
//! Owns the tools, their arguments and their answers. Decides no permission:
//! whoever is at the door was let in by the server, and the floor is asked
//! through the [`Seat`] that the room gives.

mod answer;
mod args;
mod call;
mod catalogue;
mod classes;
mod consent;
mod desk;
mod elicit;
mod handler;
mod http;
mod paint;
mod port;
mod private;
mod record;
mod seat;
mod secrets;
mod session;
mod shelf;
mod tool;
mod tools;
mod video;

pub use http::openapi_paths;
pub use port::{Refused, Seat, SeatDoor};
pub use seat::{router, service};
