//! What a killed server left behind is found by the mark in its environment.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::spawner::MARK;

/// Ends every process that carries the mark of `run` and is not our own
/// child. Returns how many there were. Call it before anything is started.
pub fn sweep(run: &Path) -> usize {
    let mut mark = Vec::from(MARK.as_bytes());
    mark.push(b'=');
    mark.extend_from_slice(run.as_os_str().as_bytes());
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let own = rustix::process::getpid();
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok().and_then(Pid::from_raw))
        .filter(|pid| *pid != own)
        .filter(|pid| {
            let path = format!("/proc/{}/environ", pid.as_raw_nonzero());
            std::fs::read(path)
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == mark))
        })
        .filter(|pid| kill_process(*pid, Signal::KILL).is_ok())
        .count()
}

#[cfg(test)]
mod tests {
    use super::super::{Exit, Program, RoomUser, spawn};
    use super::*;
    use std::time::Duration;

    fn program(dir: &Path, script: &str) -> Program {
        // Whoever runs the tests: nobody exists on every system.
        let user = RoomUser::resolve("nobody").expect("nobody");
        user.own(dir).expect("own");
        Program {
            name: "test",
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![],
            home: dir.to_owned(),
            user,
            group: None,
            network: None,
            fds: vec![],
            log: dir.join("log"),
            mark: dir.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_child_runs_unprivileged_with_a_clean_environment_and_its_end_is_an_event() {
        let dir = tempfile::tempdir().expect("dir");
        let child = spawn(program(dir.path(), "id -u; env; exit 3")).await.expect("starts");
        assert_eq!(child.exited().await, Exit::Code(3));
        let log = std::fs::read_to_string(dir.path().join("log")).expect("log");
        assert_ne!(log.lines().next(), Some("0"), "the child ran as root");
        assert!(!log.contains("CARGO"), "the environment leaked: {log}");
    }

    #[tokio::test]
    async fn the_sweep_ends_a_whole_group_by_its_mark() {
        let dir = tempfile::tempdir().expect("dir");
        let child = spawn(program(dir.path(), "sleep 600 & sleep 600")).await.expect("starts");
        tokio::time::timeout(Duration::from_secs(10), async {
            while sweep(dir.path()) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("something was swept");
        assert_eq!(child.exited().await, Exit::Signal(9));
        assert_eq!(sweep(&dir.path().join("other")), 0);
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let dir = tempfile::tempdir().expect("dir");
        let missing = Program { program: "no-such-program-here".into(), ..program(dir.path(), "") };
        let error = spawn(missing).await.expect_err("does not exist");
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }
}
