//! Floor control: who may act now.
//!
//! Owns the decision and the proof of it, [`FloorPermit`]. Nothing outside
//! this module can make or copy a permit, and whoever uses one asks it again
//! at the last moment, so that a person's act wins over an agent's act that
//! is already on its way. No clock, no IO: time comes in as an argument.
//!
//! ```text
//!            a person presses, types, scrolls
//!   free ────────────────────────────────────▶ a person acts
//!    ▲ ▲                                        │ still for `settle`,
//!    │ └────────────────────────────────────────┘ nothing held down
//!    │ the last permit is given back      ▲
//!    │                                    │ a person presses: every
//!   an agent acts ────────────────────────┘ agent's permit goes stale
//! ```

mod gate;
mod machine;

pub use gate::{FloorPermit, Preempted};
pub use machine::{Floor, Grant, Holder, Refusal, Touch};
