//! The adapter for any agent that speaks the Agent Client Protocol, version 1,
//! over its standard input and output: JSON-RPC, one message a line.
//!
//! Owns the process, what is said on the line and the transcript, which the
//! protocol leaves to its client. The messages are read leniently by hand: the
//! protocol's own crate would turn on `serde_json/preserve_order` for the whole
//! program, and with it the order in which records and documents are written.

mod agent;
mod content;
mod inner;
mod line;
mod process;
mod state;

pub(super) use agent::Acp;
