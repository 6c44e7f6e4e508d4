//! What outlives a restart, in SQLite.
//!
//! Owns: the file `tandem.db` in the data directory, its schema, the lock
//! that keeps a second server away, the chain of hashes over the rooms' records,
//! the sealed values of secrets with the file `secrets.key` that opens them,
//! and the one thread that talks to SQLite.
//! Refuses: rules. Whether a token is still good, or a room may be made, is
//! decided by whoever asks; here are only rows.

mod chain;
mod database;
mod directory;
mod records;
mod rows;
mod schema;
mod secrets;
mod thread;
mod vault;

pub use chain::{Broken, LineHash, Link, canonical};
pub use records::{NewLine, RecordEnds, RecordPart, RecordedLine};
pub use rows::{PageHash, StoredRoom, StoredToken, TokenHash, TokenId, UnixSeconds};
pub use secrets::StoredSecret;
pub use thread::Store;
pub use vault::SecretError;

use std::path::PathBuf;

/// What can go wrong with the data directory and the file in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot use {path} as the data directory: {source}; choose another with --data-dir")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("another Tandem server uses the data directory {path}; stop it or choose another --data-dir")]
    Busy { path: PathBuf },
    #[error("there is no database in {path}; start `tandem serve` once, or check --data-dir")]
    Absent { path: PathBuf },
    #[error("{path} is damaged or not a database: {source}; restore it or move it away")]
    Corrupt { path: PathBuf, source: rusqlite::Error },
    #[error("{path} was written by a newer Tandem (schema {found}, this one knows {known}); update Tandem")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("the row {key} of the table {table} makes no sense: {reason}")]
    Row { table: &'static str, key: String, reason: String },
    #[error(
        "the data directory {path} belongs to the user {owner}, but Tandem runs as {us} and may not write there; chown -R {us} {path}, or choose another with --data-dir"
    )]
    Owner { path: PathBuf, owner: u32, us: u32 },
    #[error("the disk that the database is on is full; make room there")]
    DiskFull,
    #[error("the database refused a query: {0}")]
    Query(rusqlite::Error),
    #[error("the database's thread has ended")]
    Stopped,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull,
            _ => Self::Query(error),
        }
    }
}
