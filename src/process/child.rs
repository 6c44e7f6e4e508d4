//! A running program: its end as an event, and ending it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// A program that we started, the leader of its own process group. Dropping
/// it ends the whole group at once.
#[derive(Debug)]
pub struct Child {
    name: &'static str,
    pid: Pid,
    exit: watch::Receiver<Option<Exit>>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "ended with code {code}"),
            Exit::Signal(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Exit::Signal(signal),
            None => Exit::Code(status.code().unwrap_or(-1)),
        }
    }
}

impl Child {
    pub(super) fn watch(name: &'static str, mut child: std::process::Child) -> std::io::Result<Self> {
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        // SAFETY: the descriptor is owned by the AsyncFd alone and stays open as long as it lives.
        let pidfd = unsafe { AsyncFd::register(pidfd) }?;
        let (ended, exit) = watch::channel(None);
        tokio::spawn(async move {
            // A pidfd is readable when its process has ended; nothing to read from it.
            let _ = pidfd.readable().await;
            let status = child.wait().map_or(Exit::Code(-1), Exit::from);
            // What the program left behind in its group goes with it.
            let _ = kill_process_group(pid, Signal::KILL);
            ended.send_replace(Some(status));
        });
        Ok(Self { name, pid, exit })
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Waits for the end. May be called often and by many.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        let mut exit = self.exit.clone();
        async move {
            match exit.wait_for(Option::is_some).await {
                Ok(exit) => exit.unwrap_or(Exit::Code(-1)),
                Err(_) => Exit::Code(-1),
            }
        }
    }

    pub fn is_running(&self) -> bool {
        self.exit.borrow().is_none()
    }

    /// Asks the program to end, and ends its group when the grace is over.
    pub async fn terminate(&self, grace: Duration) -> Exit {
        if self.is_running() {
            let _ = rustix::process::kill_process(self.pid, Signal::TERM);
        }
        match tokio::time::timeout(grace, self.exited()).await {
            Ok(exit) => exit,
            Err(_) => {
                self.kill();
                self.exited().await
            }
        }
    }

    /// Ends the whole group now.
    pub fn kill(&self) {
        if self.is_running() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
