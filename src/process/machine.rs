//! What the machine has: looked at by the doctor, by readiness and at the
//! start, so that all three say the same.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::RoomUser;

/// One program that does not answer must not hold up the rest.
const LONGEST_TRY: Duration = Duration::from_millis(1500);
const MEGABYTE: u64 = 1024 * 1024;
/// With less free than this nothing is promised: SQLite, profiles and
/// downloads write to the same disk.
pub const LEAST_DISK_MB: u64 = 64;
/// With less, somebody should look soon.
pub const SCARCE_DISK_MB: u64 = 512;
/// Chromium maps its pictures there.
pub const LEAST_SHARED_MB: u64 = 64;
pub const SCARCE_SHARED_MB: u64 = 256;

/// Free and all space of a file system, in megabytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_mb: u64,
    pub all_mb: u64,
}

/// The file system at this path, or at what is nearest above it.
pub fn space(path: &Path) -> std::io::Result<Space> {
    let nearest = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let found = rustix::fs::statvfs(nearest)?;
    let of = |blocks: u64| blocks.saturating_mul(found.f_frsize) / MEGABYTE;
    Ok(Space { free_mb: of(found.f_bavail), all_mb: of(found.f_blocks) })
}

/// What was found when user namespaces were tried.
#[derive(Debug)]
pub enum Namespaces {
    Allowed,
    Refused(std::io::Error),
    /// The machine was too busy to tell.
    Unknown,
}

/// Why Chromium's sandbox cannot be, and what to do about it.
pub const NAMESPACES_REMEDY: &str = "sysctl -w kernel.unprivileged_userns_clone=1 \
    (and kernel.apparmor_restrict_unprivileged_userns=0); \
    in a container use docker/seccomp.json, the seccomp profile that comes with Tandem";

/// Really makes the namespaces that Chromium's sandbox needs, as the rooms' user.
pub async fn namespaces(user: Option<&RoomUser>) -> Namespaces {
    let switch = user.and_then(RoomUser::switch);
    let mut command = tokio::process::Command::new("true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let wanted = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNET;
    // SAFETY: between fork and exec only async-signal-safe system calls are
    // made, on integers that were prepared before.
    unsafe {
        command.pre_exec(move || {
            become_user(switch)?;
            if libc::unshare(wanted) == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    match tokio::time::timeout(LONGEST_TRY, command.status()).await {
        Ok(Ok(_)) => Namespaces::Allowed,
        Ok(Err(error)) => Namespaces::Refused(error),
        Err(_) => Namespaces::Unknown,
    }
}

/// Runs in a child: gives up root for the rooms' user.
pub fn become_user(switch: Option<(u32, u32)>) -> std::io::Result<()> {
    let Some((uid, gid)) = switch else { return Ok(()) };
    // SAFETY: each call takes integers or a null pointer with length zero.
    let done = unsafe {
        libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(gid) == 0 && libc::setuid(uid) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
