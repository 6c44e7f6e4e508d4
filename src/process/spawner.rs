//! One thread starts all programs: a child told to die with its parent dies
//! with the *thread* that started it, so that thread must never end.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};

use super::{Child, Group, Network, ProcessError, RoomUser};

/// A program to start. The environment is empty but for what is listed here,
/// `PATH`, `LANG` and the mark that the sweep looks for.
#[derive(Debug)]
pub struct Program {
    /// How logs call it: "xvfb", "chromium".
    pub name: &'static str,
    /// A path, or a name to be found in `PATH`.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs; also its `HOME`.
    pub home: PathBuf,
    pub user: RoomUser,
    /// The programs of its room, and the limits that they share.
    pub group: Option<Arc<Group>>,
    /// The network that it sees, if not the machine's.
    pub network: Option<Arc<Network>>,
    /// Descriptors that it gets under these numbers: 3 or more, or 1 for its
    /// output, which then does not go to the log.
    pub fds: Vec<(OwnedFd, RawFd)>,
    /// Its output goes here, in place of what an earlier run left.
    pub log: PathBuf,
    /// The sweep's mark: the run directory of this server.
    pub mark: PathBuf,
}

/// The environment variable that marks everything we start.
pub(super) const MARK: &str = "TANDEM_RUN";

struct Order {
    program: Box<Program>,
    reply: tokio::sync::oneshot::Sender<Result<std::process::Child, ProcessError>>,
}

/// Starts a program in a process group of its own, as its user.
pub async fn spawn(program: Program) -> Result<Child, ProcessError> {
    static SPAWNER: OnceLock<SyncSender<Order>> = OnceLock::new();
    let (name, path, group) = (program.name, program.program.clone(), program.group.clone());
    let gone = |path: PathBuf| ProcessError::Spawn {
        program: path,
        source: std::io::Error::other("the starting thread has ended"),
    };
    let spawner = SPAWNER.get_or_init(|| {
        // Eight orders may wait; a ninth blocks its caller for the moment a start takes.
        let (orders, queue) = sync_channel(8);
        let thread = std::thread::Builder::new().name("tandem-spawn".into());
        if let Err(error) = thread.spawn(move || serve(&queue)) {
            tracing::error!(%error, "cannot start the thread that starts programs");
        }
        orders
    });
    let (reply, answer) = tokio::sync::oneshot::channel();
    spawner.send(Order { program: Box::new(program), reply }).map_err(|_| gone(path.clone()))?;
    let child = answer.await.map_err(|_| gone(path.clone()))??;
    let child = Child::watch(name, child).map_err(|source| ProcessError::Spawn { program: path, source })?;
    if let (Some(group), Ok(pid)) = (group, i32::try_from(child.pid())) {
        group.add(pid);
    }
    Ok(child)
}

fn serve(queue: &Receiver<Order>) {
    while let Ok(Order { program, reply }) = queue.recv() {
        // A caller that no longer waits gets its child ended by the drop of the result.
        if let Err(Ok(mut orphan)) = reply.send(start(*program)) {
            let _ = orphan.kill();
            let _ = orphan.wait();
        }
    }
}

fn start(program: Program) -> Result<std::process::Child, ProcessError> {
    let log = super::create_anew(&program.log, 0o600)
        .map_err(|source| ProcessError::Log { path: program.log.clone(), source })?;
    let log_too =
        log.try_clone().map_err(|source| ProcessError::Log { path: program.log.clone(), source })?;
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let mut command = Command::new(&program.program);
    command
        .args(&program.args)
        .env_clear()
        .env("PATH", path)
        .env("LANG", std::env::var_os("LANG").unwrap_or_else(|| "C.UTF-8".into()))
        .env("HOME", &program.home)
        .env(MARK, &program.mark)
        .envs(program.env.iter().map(|(key, value)| (key, value)))
        .current_dir(&program.home)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(log_too);
    let switch = program.user.switch();
    let fds: Vec<(RawFd, RawFd)> = program.fds.iter().map(|(from, to)| (from.as_raw_fd(), *to)).collect();
    let doors: Vec<RawFd> =
        program.group.iter().flat_map(|group| group.doors().collect::<Vec<_>>()).collect();
    let networks = program.network.as_ref().map(|network| network.doors()).unwrap_or_default();
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    let open_files = super::open_files::for_programs();
    // SAFETY: between fork and exec only async-signal-safe system calls are
    // made, on values that were prepared before; nothing allocates.
    unsafe {
        command.pre_exec(move || prepare(switch, &doors, networks, &fds, open_files, parent));
    }
    command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => ProcessError::Missing { program: program.program.clone() },
        _ => ProcessError::Spawn { program: program.program.clone(), source },
    })
}

/// Runs in the child before it becomes the program.
fn prepare(
    switch: Option<(u32, u32)>,
    doors: &[RawFd],
    networks: [Option<(RawFd, libc::c_int)>; 2],
    fds: &[(RawFd, RawFd)],
    open_files: Option<libc::rlimit>,
    parent: libc::pid_t,
) -> std::io::Result<()> {
    let check = |code: libc::c_int| match code {
        -1 => Err(std::io::Error::last_os_error()),
        code => Ok(code),
    };
    // SAFETY: each call takes integers or pointers to live memory and is
    // async-signal-safe on Linux.
    unsafe {
        check(libc::setsid())?;
        // While we still may.
        for door in doors {
            if libc::write(*door, c"0".as_ptr().cast(), 1) != 1 {
                return Err(std::io::Error::last_os_error());
            }
        }
        // Before the switch of user, after which nobody gets into root's.
        for (network, kind) in networks.into_iter().flatten() {
            check(libc::setns(network, kind))?;
        }
        if let Some((uid, gid)) = switch {
            check(libc::setgroups(0, std::ptr::null()))?;
            check(libc::setgid(gid))?;
            check(libc::setuid(uid))?;
        }
        // After the switch of user, which would clear it.
        check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        if libc::getppid() != parent {
            return Err(std::io::Error::other("the parent has gone"));
        }
        let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        check(libc::setrlimit(libc::RLIMIT_CORE, &core))?;
        // First out of the way of each other, then to their places.
        let mut moved = [(-1, -1); 8];
        if fds.len() > moved.len() {
            return Err(std::io::Error::other("too many descriptors to pass"));
        }
        for (slot, (from, to)) in moved.iter_mut().zip(fds) {
            *slot = (check(libc::fcntl(*from, libc::F_DUPFD_CLOEXEC, 100))?, *to);
        }
        for (from, to) in moved.iter().take(fds.len()) {
            check(libc::dup2(*from, *to))?;
        }
        // Last: what is open already may have numbers beyond it.
        if let Some(open_files) = open_files {
            check(libc::setrlimit(libc::RLIMIT_NOFILE, &open_files))?;
        }
    }
    Ok(())
}
