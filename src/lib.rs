//! Tandem: a remote browser that a person and an AI agent share.
//!
//! The modules are listed from the ground floor up; `ARCHITECTURE.md` draws
//! the house, `tests/tidy.rs` keeps its arrows pointing down.

pub mod base;

pub mod floor;
pub mod policy;
pub mod process;

pub mod browser;
pub mod display;
pub mod egress;
pub mod media;
pub mod rtc;
pub mod store;

pub mod room;

pub mod agents;
pub mod copilot;
pub mod server;

#[cfg(feature = "bench")]
pub mod bench;
pub mod cli;
