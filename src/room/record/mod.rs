//! The record of one room: who did what, where, when, and how it ended.
//!
//! Owns: what a line says, what is never written into one, the queue before
//! the store, and how a record is searched, exported and verified. Refuses:
//! to drop a line without a word. What must not happen unrecorded waits for
//! [`Recorder::write`]; what has happened already goes by [`Recorder::note`].

mod entry;
mod reading;
mod recorder;
pub mod redact;

pub use entry::{Entry, Line, Outcome, RecordKind, RecordedBy, Signed};
pub use reading::{Found, MOST_LINES, Record, Search, Verified};
pub use recorder::{Begun, RecordError, Recorder, Retention};
