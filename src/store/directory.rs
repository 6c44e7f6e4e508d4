//! The data directory: made if it is missing, locked by the one server on it.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::StoreError;

const DATABASE: &str = "tandem.db";
const LOCK: &str = "tandem.lock";

/// The lock of a running server. The kernel takes it back when the process
/// ends, however it ends, so no stale lock is ever left.
#[derive(Debug)]
pub(super) struct ServerLock {
    _file: File,
}

/// Makes the directory. Others may pass through it but not list it: as root
/// the rooms' user must reach its own profile below.
pub(super) fn prepare(directory: &Path) -> Result<PathBuf, StoreError> {
    let failed = |source| failure(directory, source);
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(directory).map_err(failed)?;
    let database = directory.join(DATABASE);
    // SQLite gives its side files the mode of the database, which holds the tokens' hashes.
    open_private(&database).map_err(failed)?;
    Ok(database)
}

/// Where the database of an existing directory is.
pub(super) fn existing(directory: &Path) -> Result<PathBuf, StoreError> {
    let database = directory.join(DATABASE);
    match database.try_exists() {
        Ok(true) => Ok(database),
        Ok(false) => Err(StoreError::Absent { path: directory.to_owned() }),
        Err(source) => Err(StoreError::Directory { path: directory.to_owned(), source }),
    }
}

pub(super) fn lock(directory: &Path) -> Result<ServerLock, StoreError> {
    let failed = |source| failure(directory, source);
    let file = open_private(&directory.join(LOCK)).map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(ServerLock { _file: file }),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::Busy { path: directory.to_owned() }),
        Err(error) => Err(failed(error.into())),
    }
}

/// Most often a directory that cannot be used is another user's, as a volume
/// that was filled by another image is.
fn failure(directory: &Path, source: std::io::Error) -> StoreError {
    let path = directory.to_owned();
    let us = rustix::process::geteuid().as_raw();
    match (source.kind(), std::fs::metadata(directory)) {
        (std::io::ErrorKind::StorageFull, _) => StoreError::DiskFull,
        (std::io::ErrorKind::PermissionDenied, Ok(found)) if found.uid() != us => {
            StoreError::Owner { path, owner: found.uid(), us }
        }
        _ => StoreError::Directory { path, source },
    }
}

fn open_private(path: &Path) -> std::io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
