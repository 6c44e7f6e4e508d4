//! The command line: settings, commands, the doctor.
//!
//! Owns: what the user types and reads, the exit code, the assembly of the
//! program. An error is one line on stderr that says what to do, and code 2.

mod args;
mod assemble;
mod cdp;
mod certificate;
mod doctor;
mod failure;
mod health;
mod logging;
mod mcp;
mod remote;
mod secret;
mod serve;
mod settings;
mod source;
mod table;
mod token;
mod turn;
mod values;

pub use args::run;
pub use assemble::edges_document;
pub use settings::{LogFormat, Settings};
pub use source::{SettingsError, Source, example};
