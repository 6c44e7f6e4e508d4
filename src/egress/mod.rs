//! The gate: the one way from a room's browser to the world.
//!
//! Owns a SOCKS5 proxy for one room: it resolves names itself, asks the rules
//! about every address before it connects to that very address, and passes
//! bytes on without reading them. Refuses to decide (that is
//! `policy::egress`), to know a browser, and to start programs: it is given a
//! listening socket, which may lie in a network namespace with nothing else.
//!
//! ```text
//!  Chromium ──SOCKS5──▶ serve ──▶ socks (what is wanted) ──▶ policy::egress ──▶ dial ──▶ pump
//! ```
//!
//! When the gate is gone there is no way out: the browser has no route of its own.

mod counts;
mod dial;
mod gate;
mod pump;
mod resolve;
mod seen;
pub mod socks;
mod upstream;

pub use counts::Counts;
pub use gate::{Gate, GateSettings, MOST_TUNNELS, Serving, Tell};
pub use resolve::{Resolve, System};
pub use seen::Turned;
