//! The edge towards an agent that people talk to.
//!
//! Owns: Tandem's own model of a conversation, the port in the shape of the
//! Agent Client Protocol, the adapter for OpenCode with its process, and the
//! addresses below `/api/rooms/{room}/sessions`. Refuses: who may come in,
//! which the server says, and what the agent does in the browser, which goes
//! through the doors of `agents` like any agent's work.

mod acp;
mod clerk;
mod copilots;
pub mod facilities;
mod feed;
mod http;
pub mod model;
mod opencode;
mod place;
pub mod port;
mod teller;

pub use copilots::Copilots;
pub use http::{openapi_paths, router};
pub use opencode::{Attached, Mint, Minted, OpenCode, Setup};
