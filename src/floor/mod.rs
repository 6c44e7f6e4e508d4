//! Floor control: who may act now.
//!
//! Owns the decision and the proof of it, [`FloorPermit`]. Nothing outside
//! this module can make or copy a permit, and whoever uses one asks it again
//! at the last moment, so that a person's act wins over an agent's act that
//! is already on its way. No clock, no IO: time comes in as an argument.
//!
//! ```text
//! together   free ── a person presses, types, scrolls ──▶ a person acts
//!             ▲ ▲                                          │ still for `settle`, or says so
//!             │ └──────────────────────────────────────────┘
//!             │ the last permit is given back      ▲ a person presses:
//!            an agent acts ────────────────────────┘ every agent's permit goes stale
//!
//! turns      free ── acts, asks ──▶ somebody's turn ── gives, idle, leaves ──▶ the next who asked, or free
//!
//! any mode   … ── take over ──▶ one person's alone ── hand back, gone for `GRACE` ──▶ …
//! ```

mod gate;
mod machine;
mod mode;
mod moment;

pub use gate::{FloorPermit, OnTheWay, Preempted};
pub use machine::{Floor, Grant, Holder, Touch};
pub use mode::{FloorEvent, Mode, Refusal};
pub use moment::{Hand, Moment, MomentCause, MomentEvent, Moments};
