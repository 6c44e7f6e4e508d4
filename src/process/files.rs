//! Files in directories that belong to the room's user, who may have been
//! taken over by a page: what stands in the way is removed and never
//! followed, and nothing that is not a plain file is read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// A new, empty file of this mode, in place of whatever had its name.
pub fn create_anew(path: &Path, mode: u32) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Whoever lays a link here in between makes this fail, not write elsewhere.
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// The last bytes of a file, at most `most`; nothing of a link, a pipe or a device.
pub fn read_end(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let mut file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    file.seek(SeekFrom::Start(about.len().saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_link_laid_in_the_way_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().expect("dir");
        let (victim, path) = (dir.path().join("victim"), dir.path().join("log"));
        std::fs::write(&victim, "safe").expect("write");
        symlink(&victim, &path).expect("link");
        assert!(read_end(&path, 9).is_err());
        create_anew(&path, 0o600).expect("created");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "safe");
        let made = std::fs::symlink_metadata(&path).expect("file");
        assert!(made.is_file() && made.permissions().mode() & 0o777 == 0o600);
    }

    #[test]
    fn only_the_end_of_a_plain_file_is_read() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("log");
        std::fs::write(&path, "one two").expect("write");
        assert_eq!(read_end(&path, 3).expect("read"), b"two");
        assert_eq!(read_end(&path, 99).expect("read"), b"one two");
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .expect("pipe");
        assert!(read_end(&pipe, 9).is_err(), "a pipe nobody writes to would hold us up for ever");
        assert!(read_end(dir.path(), 9).is_err());
    }
}
