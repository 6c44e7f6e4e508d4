//! Starting programs and being sure that they end.
//!
//! Owns: the room's user, the child with its own process group that dies
//! with us, its clean environment, the limits on what a room's programs take
//! together, a network in which a program reaches one socket of ours alone, the
//! list of ports that are ours, the limit on open files, and the sweep after a crash. Refuses to run anything as root. Knows nothing of displays or browsers.

mod child;
mod files;
mod group;
pub mod machine;
mod network;
mod open_files;
mod ports;
mod spawner;
mod sweep;
mod tree;
mod user;
mod users;

pub use child::{Child, Exit};
pub use files::{create_anew, read_end};
pub use group::{Group, Groups, Limits, Usage};
pub use network::Network;
pub use open_files::raise_open_files;
pub use ports::{OwnPort, is_own};
pub use spawner::{Program, spawn};
pub use sweep::sweep;
pub use tree::Processes;
pub use user::RoomUser;
pub use users::{RoomUsers, UidRange};

use std::path::PathBuf;

/// What can go wrong with a program of the room.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error(
        "there is no user '{name}' to run the browser as; create it: useradd --system --create-home {name}"
    )]
    NoSuchUser { name: String },
    #[error("the browser may not run as root; choose another --room-user")]
    RootUser,
    #[error("cannot look up the user '{name}'")]
    Lookup { name: String, source: std::io::Error },
    #[error("{program} is not installed or not where it was looked for")]
    Missing { program: PathBuf },
    #[error("cannot start {program}")]
    Spawn { program: PathBuf, source: std::io::Error },
    #[error("cannot write the log {path}")]
    Log { path: PathBuf, source: std::io::Error },
    #[error("{path} says which room has which user, and cannot be used: {reason}")]
    Users { path: PathBuf, reason: String },
    #[error("all users of {first}-{last} are given to rooms; make room_uids larger")]
    NoUserLeft { first: u32, last: u32 },
    #[error("cannot give {path} to the user '{name}'")]
    Chown { path: PathBuf, name: String, source: std::io::Error },
}
