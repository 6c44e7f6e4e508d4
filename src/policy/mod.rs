//! Rules: what may be done at once, what a person must say yes to, and what
//! is never done; and the queue of those questions.
//!
//! Owns the decision and the reason for it. It knows no browser, no clock, no
//! store: actions, rules and the time come in as values.

mod action;
mod command;
mod fold;
mod glob;
mod place;

pub use action::{Action, Class, ClassError, Target};
pub use place::Place;
