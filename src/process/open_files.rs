//! How many files and sockets may be open at once. The server takes as many as
//! it may have, up to a bound; the programs that it starts get what they would
//! have had without that, since some of them walk through all that could be open.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for all rooms' connections; each costs memory only when it is there.
const ENOUGH: u64 = 65_536;

/// The limit as it was before it was raised. None in it is none at all.
static BEFORE: OnceLock<Option<u64>> = OnceLock::new();

/// Raises the limit as far as that is allowed, and gives what it was and is.
pub fn raise_open_files() -> io::Result<(u64, u64)> {
    let limit = getrlimit(Resource::Nofile);
    let _ = BEFORE.set(limit.current);
    let before = limit.current.unwrap_or(u64::MAX);
    let now = limit.maximum.unwrap_or(u64::MAX).min(ENOUGH);
    if now <= before {
        return Ok((before, before));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(now), maximum: limit.maximum })?;
    Ok((before, now))
}

/// What a program that is started gets, if the limit was raised.
pub(super) fn for_programs() -> Option<libc::rlimit> {
    let soft = (*BEFORE.get()?)?;
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(libc::RLIM_INFINITY);
    Some(libc::rlimit { rlim_cur: soft.min(hard), rlim_max: hard })
}

#[cfg(test)]
mod tests {
    use super::super::{Exit, Program, RoomUser, spawn};
    use super::*;

    #[tokio::test]
    async fn the_limit_is_raised_for_us_and_programs_get_the_one_of_before() {
        let own = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(1024), ..own }).expect("lowers");
        let (before, now) = raise_open_files().expect("raises");
        assert_eq!((before, now), (1024, own.maximum.unwrap_or(u64::MAX).min(ENOUGH)));
        assert_eq!(getrlimit(Resource::Nofile).current, Some(now));
        // What is raised already stays.
        assert_eq!(raise_open_files().expect("stays"), (now, now));
        let dir = tempfile::tempdir().expect("dir");
        let user = RoomUser::resolve("nobody").expect("nobody");
        user.own(dir.path()).expect("own");
        let child = spawn(Program {
            name: "test",
            program: "sh".into(),
            args: vec!["-c".into(), "ulimit -Sn; ulimit -Hn".into()],
            env: vec![],
            home: dir.path().to_owned(),
            user,
            group: None,
            network: None,
            fds: vec![],
            log: dir.path().join("log"),
            mark: dir.path().to_owned(),
        })
        .await
        .expect("starts");
        assert_eq!(child.exited().await, Exit::Code(0));
        let log = std::fs::read_to_string(dir.path().join("log")).expect("log");
        let hard = own.maximum.map_or("unlimited".to_owned(), |hard| hard.to_string());
        assert_eq!(log.lines().collect::<Vec<_>>(), ["1024", &hard]);
    }
}
