//! Chromium: its process, the CDP multiplexer, tabs, locators, actions, snapshots.

mod client;
mod mux;

pub use client::{CdpClient, CdpError, CdpEvent};
pub use mux::{Attached, ClientId, Door, Multiplexer, MuxError, Rules, ToBrowser};
