//! The Xvfb process: its cookie, its number, and what it leaves behind.
//!
//! Xvfb chooses the display's number itself and tells it through a pipe when
//! it is ready. Nobody without the cookie gets in; the cookie is in a file
//! that only the room's user can read.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use super::link::Door;
use super::{DisplayError, DisplaySettings};
use crate::base::Redacted;
use crate::process::{Child, Program, RoomUser, create_anew, read_end, spawn};

/// A cold start on a busy machine takes a second or two.
const START: Duration = Duration::from_secs(15);

/// The descriptor on which Xvfb reports its number.
const REPORT_FD: i32 = 3;

/// A running X server.
pub(super) struct Server {
    pub child: Child,
    pub door: Door,
    pub authority: PathBuf,
}

pub(super) async fn start(settings: &DisplaySettings) -> Result<Server, DisplayError> {
    let authority = settings.run_dir.join("xauthority");
    let mut cookie = [0u8; 16];
    getrandom::fill(&mut cookie).map_err(|error| DisplayError::System {
        what: "random bytes",
        source: std::io::Error::other(error),
    })?;
    write_private(&settings.user, &authority, &authority_file(&cookie))?;
    make_socket_dir(Path::new("/tmp/.X11-unix"));
    let log = settings.run_dir.join("xvfb.log");
    let system = |source| DisplayError::System { what: "a pipe", source };
    let (report, report_end) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|errno| system(errno.into()))?;
    rustix::io::ioctl_fionbio(report.as_fd(), true).map_err(|errno| system(errno.into()))?;
    let max = settings.max_size;
    let mut args: Vec<OsString> =
        ["-displayfd", &REPORT_FD.to_string(), "-screen", "0"].map(Into::into).into();
    args.push(format!("{max}x24").into());
    args.extend(["-nolisten", "tcp", "-noreset", "-dpi", "96", "-auth"].map(OsString::from));
    args.push(authority.clone().into());
    let child = spawn(Program {
        name: "xvfb",
        program: settings.xvfb.clone(),
        args,
        env: vec![],
        home: settings.run_dir.clone(),
        user: settings.user.clone(),
        group: settings.group.clone(),
        network: None,
        fds: vec![(report_end, REPORT_FD)],
        log: log.clone(),
        mark: settings.mark.clone(),
    })
    .await?;
    let not_up = |why: String| DisplayError::NotUp { what: "Xvfb", why, log: last_words(&log) };
    let mut report = pipe::Receiver::from_owned_fd(report).map_err(system)?;
    let number = tokio::select! {
        exit = child.exited() => Err(not_up(exit.to_string())),
        number = tokio::time::timeout(START, read_number(&mut report)) => match number {
            Ok(Some(number)) => Ok(number),
            // The pipe closes a moment before the process ends.
            Ok(None) => Err(not_up(child.terminate(Duration::from_secs(1)).await.to_string())),
            Err(_) => Err(not_up(format!("did not come up in {} s", START.as_secs()))),
        },
    }?;
    write_private(&settings.user, &settings.run_dir.join("display"), number.to_string().as_bytes())?;
    Ok(Server { child, door: Door { number, cookie: Redacted::new(cookie) }, authority })
}

/// Removes the lock and the socket of an X server that was killed together
/// with us, by the number that it left in `run_dir`. Leaves alone what a
/// living process owns. True when something was removed.
pub fn clear_stale(run_dir: &Path) -> bool {
    clear_stale_in(Path::new("/tmp"), run_dir)
}

fn clear_stale_in(tmp: &Path, run_dir: &Path) -> bool {
    let note = run_dir.join("display");
    let number = read_end(&note, 16).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(number) = number.and_then(|text| text.trim().parse::<u32>().ok()) else { return false };
    let lock = tmp.join(format!(".X{number}-lock"));
    let socket = tmp.join(format!(".X11-unix/X{number}"));
    if lock_is_owned(&lock) || UnixStream::connect(&socket).is_ok() {
        return false;
    }
    let removed = [&lock, &socket].map(|path| std::fs::remove_file(path).is_ok());
    let _ = std::fs::remove_file(&note);
    removed.contains(&true)
}

/// True when the process named in the lock lives and is an X server; a number
/// that now belongs to some other program means nothing.
fn lock_is_owned(lock: &Path) -> bool {
    let pid = read_end(lock, 32).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pid = pid.and_then(|text| text.trim().parse::<u32>().ok());
    pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok())
        .is_some_and(|name| name.starts_with('X'))
}

/// The files of a stopped display.
pub(super) fn forget(run_dir: &Path) {
    for name in ["xauthority", "display", "rc.xml"] {
        let _ = std::fs::remove_file(run_dir.join(name));
    }
}

/// Writes a file that only the user can read. The directory belongs to that
/// user, who may have been taken over by a page: an existing name is removed
/// and not followed, and the owner is set on the open file.
pub(super) fn write_private(user: &RoomUser, path: &Path, bytes: &[u8]) -> Result<(), DisplayError> {
    let failed = |source| DisplayError::File { path: path.to_owned(), source };
    let mut file = create_anew(path, 0o600).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    if let Some((uid, gid)) = user.switch() {
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(failed)?;
    }
    Ok(())
}

/// The last lines of a log, in one line.
pub(super) fn last_words(log: &Path) -> String {
    let text = read_end(log, 4096).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.len().saturating_sub(4) {
        _ if lines.is_empty() => "(none)".to_owned(),
        from => lines[from..].join(" | "),
    }
}

/// An X server that is not root cannot make this directory, so a fresh container lacks it.
fn make_socket_dir(dir: &Path) {
    if !dir.exists() && std::fs::DirBuilder::new().mode(0o1777).create(dir).is_ok() {
        // The mode above is cut by the umask.
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o1777));
    }
}

async fn read_number(report: &mut pipe::Receiver) -> Option<u32> {
    let mut text = Vec::new();
    let mut byte = [0u8; 1];
    while text.len() < 16 && report.read(&mut byte).await.ok()? == 1 {
        if byte[0] == b'\n' {
            return std::str::from_utf8(&text).ok()?.parse().ok();
        }
        text.push(byte[0]);
    }
    None
}

/// An authority file with one entry, for any host and any display: the number
/// is not known before the server has read the file.
fn authority_file(cookie: &[u8; 16]) -> Vec<u8> {
    const FAMILY_WILD: u16 = 0xffff;
    let mut file = FAMILY_WILD.to_be_bytes().to_vec();
    for field in [&b""[..], b"", b"MIT-MAGIC-COOKIE-1", cookie] {
        file.extend_from_slice(&(field.len() as u16).to_be_bytes());
        file.extend_from_slice(field);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_lock_goes_and_a_living_server_keeps_its_own() {
        let (tmp, run) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
        let (lock, socket) = (tmp.path().join(".X7-lock"), tmp.path().join(".X11-unix/X7"));
        std::fs::create_dir(tmp.path().join(".X11-unix")).expect("dir");
        let arrange = |pid: u32| {
            std::fs::write(run.path().join("display"), "7").expect("note");
            std::fs::write(&lock, format!("{pid:>10}\n")).expect("lock");
        };
        assert!(!clear_stale_in(tmp.path(), run.path()), "there is nothing to clear");

        // Our own process lives but is no X server: the number was used again.
        arrange(std::process::id());
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("socket"));
        assert!(clear_stale_in(tmp.path(), run.path()));
        assert!(!lock.exists() && !socket.exists());

        arrange(u32::MAX >> 1);
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("socket");
        assert!(!clear_stale_in(tmp.path(), run.path()), "somebody answers on the socket");
        assert!(lock.exists() && socket.exists());
    }

    #[test]
    fn a_link_laid_in_the_way_is_not_followed() {
        let dir = tempfile::tempdir().expect("dir");
        let (victim, path) = (dir.path().join("victim"), dir.path().join("xauthority"));
        std::fs::write(&victim, "safe").expect("write");
        std::os::unix::fs::symlink(&victim, &path).expect("link");
        let user = RoomUser::resolve("nobody").expect("nobody");
        write_private(&user, &path, b"secret").expect("writes");
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "safe");
        assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o777, 0o600);
    }
}
