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

/// Reads the arguments of a call as each tool would that takes them, for
/// whoever tests with odd ones. Says how many tools take these.
#[cfg(feature = "bench")]
pub fn read_arguments(arguments: &rmcp::model::JsonObject) -> usize {
    catalogue::all().iter().filter(|entry| (entry.reads)(arguments.clone())).count()
}

pub use http::openapi_paths;
pub use port::{Refused, Seat, SeatDoor};
pub use seat::{router, service};
