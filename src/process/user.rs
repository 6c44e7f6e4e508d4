//! The user that a room's programs run as.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use super::ProcessError;

/// An unprivileged user. When Tandem itself is unprivileged this is Tandem's
/// own user and nothing is switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomUser {
    name: String,
    uid: u32,
    gid: u32,
    /// True when programs must be switched to this user, that is, when we are root.
    switch: bool,
}

impl RoomUser {
    /// The user for rooms: `name` when we run as root, our own otherwise.
    pub fn resolve(name: &str) -> Result<Self, ProcessError> {
        let uid = rustix::process::geteuid();
        if !uid.is_root() {
            let gid = rustix::process::getegid();
            return Ok(Self { name: name.to_owned(), uid: uid.as_raw(), gid: gid.as_raw(), switch: false });
        }
        let (uid, gid) = look_up(name)?;
        if uid == 0 || gid == 0 {
            return Err(ProcessError::RootUser);
        }
        Ok(Self { name: name.to_owned(), uid, gid, switch: true })
    }

    /// Another user and group of this number, if we switch at all.
    pub(super) fn numbered(&self, number: u32) -> Self {
        match self.switch {
            true => Self { name: format!("{}/{number}", self.name), uid: number, gid: number, switch: true },
            false => self.clone(),
        }
    }

    /// Uid and gid to switch to, if we must.
    pub fn switch(&self) -> Option<(u32, u32)> {
        self.switch.then_some((self.uid, self.gid))
    }

    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Makes a directory (and what is above it) that only this user can enter.
    pub fn private_dir(&self, path: &Path) -> Result<PathBuf, ProcessError> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
        let failed = |source| ProcessError::Chown { path: path.to_owned(), name: self.name.clone(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(failed)?;
        // By descriptor, so that a link laid in its place gives nothing else away.
        let flags = (rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW).bits();
        let mut open = std::fs::OpenOptions::new();
        let dir = open.read(true).custom_flags(flags.cast_signed()).open(path).map_err(failed)?;
        if let Some((uid, gid)) = self.switch() {
            std::os::unix::fs::fchown(&dir, Some(uid), Some(gid)).map_err(failed)?;
        }
        dir.set_permissions(std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(path.to_owned())
    }

    /// Gives a file or directory to this user; of a link, the link itself.
    pub fn own(&self, path: &Path) -> Result<(), ProcessError> {
        match self.switch() {
            None => Ok(()),
            Some((uid, gid)) => std::os::unix::fs::lchown(path, Some(uid), Some(gid)).map_err(|source| {
                ProcessError::Chown { path: path.to_owned(), name: self.name.clone(), source }
            }),
        }
    }
}

fn look_up(name: &str) -> Result<(u32, u32), ProcessError> {
    let missing = || ProcessError::NoSuchUser { name: name.to_owned() };
    let c_name = CString::new(name).map_err(|_| missing())?;
    let mut buffer = vec![0 as libc::c_char; 16 * 1024];
    // SAFETY: zeroed passwd is a valid value for an out parameter.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    // SAFETY: all pointers are to live buffers of the lengths given; the call keeps none of them.
    let code = unsafe {
        libc::getpwnam_r(CStr::as_ptr(&c_name), &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found)
    };
    if code != 0 {
        let source = std::io::Error::from_raw_os_error(code);
        return Err(ProcessError::Lookup { name: name.to_owned(), source });
    }
    if found.is_null() {
        return Err(missing());
    }
    Ok((entry.pw_uid, entry.pw_gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_place_of_a_private_directory_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        let (victim, path) = (dir.path().join("victim"), dir.path().join("profile"));
        std::fs::create_dir(&victim).expect("dir");
        std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o755)).expect("mode");
        std::os::unix::fs::symlink(&victim, &path).expect("link");
        let user = RoomUser::resolve("nobody").expect("nobody");
        assert!(user.private_dir(&path).is_err());
        assert_eq!(std::fs::metadata(&victim).expect("there").permissions().mode() & 0o777, 0o755);
        let made = user.private_dir(&dir.path().join("real")).expect("made");
        assert_eq!(std::fs::metadata(made).expect("there").permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn root_and_strangers_are_refused() {
        if rustix::process::geteuid().is_root() {
            assert!(matches!(RoomUser::resolve("root"), Err(ProcessError::RootUser)));
            assert!(matches!(RoomUser::resolve("no-such-user-here"), Err(ProcessError::NoSuchUser { .. })));
        } else {
            assert_eq!(RoomUser::resolve("whoever").map(|user| user.switch()).ok(), Some(None));
        }
    }
}
