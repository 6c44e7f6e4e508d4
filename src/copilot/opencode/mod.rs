//! The adapter for OpenCode 1.18: its HTTP API and its events. Nothing outside
//! of this folder knows one of its names.

mod agent;
mod client;
mod convert;
mod driver;
mod events;
mod facilities;
pub(super) mod process;
mod reducer;

pub use agent::OpenCode;
pub use process::{Attached, Mint, Minted, Setup};
