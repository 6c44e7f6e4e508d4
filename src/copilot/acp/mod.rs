//! The adapter for any agent that speaks the Agent Client Protocol, version 1,
//! over its standard input and output: JSON-RPC, one message a line.
//!
//! Owns the process, what is said on the line and the transcript, which the
//! protocol leaves to its client. What is said has the types of the protocol's
//! own crate; the line under it is ours (see `line`), and so is what an agent
//! says that the crate does not know yet (see `protocol`).

mod agent;
mod content;
mod inner;
mod line;
mod process;
mod protocol;
mod state;

pub(super) use agent::Acp;
