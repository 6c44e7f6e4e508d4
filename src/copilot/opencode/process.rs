//! Finding `opencode`, starting `opencode serve` and telling in words why that
//! did not go. One process for one room, as the room's user, with a password
//! that only this process and we know.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe::Receiver;

use super::client::{Client, ClientError, Server};
use crate::base::{Actor, Redacted, RoomId};
use crate::process::{Child, OwnPort, Program, RoomUser, read_end, spawn};

/// The versions whose API this adapter knows.
const VERSION: &str = "1.18.";
/// On a busy machine the first start, which makes its database, takes ten seconds.
const LONGEST_START: Duration = Duration::from_secs(60);
const LONGEST_VERSION: Duration = Duration::from_secs(20);
/// How often a port that was taken between our look and its bind is tried anew.
const PORTS: usize = 3;

/// Makes a token with which a room's agent of this name reaches our tools; earlier ones of it end.
pub type Mint = Arc<dyn Fn(RoomId, String) -> Minted + Send + Sync>;
/// The token, and as whom it lets in.
pub type Minted = BoxFuture<'static, Result<(Redacted<String>, Actor), String>>;

/// An OpenCode that somebody else runs.
#[derive(Clone, Debug)]
pub struct Attached {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub user: String,
    pub password: Redacted<String>,
}

/// What every room's agent is started with.
#[derive(Clone)]
pub struct Setup {
    /// What the agent is called in the room.
    pub name: String,
    /// Another agent in OpenCode's place, by the words of its command.
    pub acp: Vec<String>,
    /// Used in place of a process of our own.
    pub attached: Option<Attached>,
    /// A path, or a name to be looked for.
    pub program: PathBuf,
    pub user: RoomUser,
    pub data_dir: PathBuf,
    /// The sweep's mark.
    pub run_dir: PathBuf,
    /// Where agents work; a directory of the room's own without it.
    pub directory: Option<PathBuf>,
    /// Tells the logs of a room's projects apart; nothing for the first.
    pub place: Option<String>,
    /// What it gets of our environment: the keys of models' providers.
    pub env: Vec<(OsString, OsString)>,
    /// The home of the user, unless that is another one than ours.
    pub home: Option<PathBuf>,
    /// Where our own server is reached from this machine.
    pub origin: String,
    pub mint: Mint,
}

impl Setup {
    pub(in crate::copilot) fn base(&self, room: &RoomId) -> PathBuf {
        self.data_dir.join("rooms").join(room.as_str()).join("opencode")
    }

    /// Where the agent of a room's first project works.
    pub fn main_directory(&self, room: &RoomId) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| self.base(room).join("work"))
    }
}

/// A process that listens.
pub(super) struct Running {
    /// None of ours when it was attached.
    child: Option<Child>,
    /// No page gets there, whatever a room may reach.
    _own: Option<OwnPort>,
    pub(super) client: Client,
    pub(super) version: String,
}

impl Running {
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::pid)
    }

    /// Ends with the process; never with one that is not ours.
    pub(super) fn exited(&self) -> impl Future<Output = String> + Send + 'static {
        let exited = self.child.as_ref().map(Child::exited);
        async move {
            match exited {
                Some(exited) => exited.await.to_string(),
                None => std::future::pending().await,
            }
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.child.as_ref().is_none_or(Child::is_running)
    }

    pub(super) async fn terminate(self, grace: Duration) {
        if let Some(child) = self.child {
            child.terminate(grace).await;
        }
    }
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(
        "OpenCode is not installed: {0} was not found. Install it with `npm install -g opencode-ai@1.18.33`, \
         or name it by --opencode"
    )]
    Missing(String),
    #[error(
        "{program} is OpenCode {found}, and Tandem works with 1.18. Install that with \
         `npm install -g opencode-ai@1.18.33`, or name another by --opencode"
    )]
    Version { program: String, found: String },
    #[error("the directory {0} is not there; make it, or choose another by --opencode-dir")]
    NoDirectory(String),
    #[error("the OpenCode at {at} {why}")]
    Attach { at: String, why: String },
    #[error(
        "the OpenCode at {0} does not take the user and password; correct --opencode-user and \
         --opencode-password-file"
    )]
    Login(String),
    #[error("OpenCode did not start: {0}")]
    Spawn(String),
    #[error("OpenCode did not start within 60 seconds; the machine may be too busy, try again")]
    Slow,
    #[error(
        "OpenCode cannot listen on 127.0.0.1: {PORTS} ports that were free a moment before were taken. \
         End what takes them, and ask again"
    )]
    Ports,
    /// With what it said.
    #[error("OpenCode {exit} before it listened{said}")]
    Ended { exit: String, said: String },
}

impl StartError {
    /// True when only a person can change it.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Missing(_) | Self::Version { .. } | Self::NoDirectory(_) | Self::Login(_) | Self::Ports
        )
    }
}

async fn attach(setup: &Setup, room: &RoomId, to: &Attached) -> Result<Running, StartError> {
    let Attached { host, port, tls, user, password } = to.clone();
    let at = format!("{host}:{port}");
    let server = Server { host, port, tls, user, password };
    let client = Client::new(server, &setup.main_directory(room));
    let version = client.health().await.map_err(|error| match error {
        ClientError::Refused { status: 401 | 403, .. } => StartError::Login(at.clone()),
        error => StartError::Attach { at: at.clone(), why: format!("cannot be used: {error}") },
    })?;
    if !version.starts_with(VERSION) {
        return Err(StartError::Version { program: at, found: version });
    }
    Ok(Running { child: None, _own: None, client, version })
}

pub(super) async fn start(setup: &Setup, room: &RoomId) -> Result<Running, StartError> {
    if let Some(to) = &setup.attached {
        return attach(setup, room, to).await;
    }
    let program =
        find(&setup.program).ok_or_else(|| StartError::Missing(setup.program.display().to_string()))?;
    let spawn_error = |error: &dyn std::fmt::Display| StartError::Spawn(error.to_string());
    let base = setup.base(room);
    let private = |path: &Path| setup.user.private_dir(path).map_err(|error| spawn_error(&error));
    private(&base)?;
    let home = match &setup.home {
        Some(home) => home.clone(),
        None => private(&base.join("home"))?,
    };
    let directory = match &setup.directory {
        Some(directory) if directory.is_dir() => directory.clone(),
        Some(directory) => return Err(StartError::NoDirectory(directory.display().to_string())),
        None => private(&setup.main_directory(room))?,
    };
    let logs = match &setup.place {
        Some(place) => private(&base.join("projects").join(place))?,
        None => base.clone(),
    };
    let make = |args: Vec<OsString>, env: Vec<(OsString, OsString)>, log: &str, output: OwnedFd| Program {
        name: "opencode",
        program: program.clone(),
        args,
        env,
        home: home.clone(),
        user: setup.user.clone(),
        group: None,
        network: None,
        fds: vec![(output, 1)],
        log: logs.join(log),
        mark: setup.run_dir.clone(),
    };
    let quiet: Vec<(OsString, OsString)> =
        [("OPENCODE_DISABLE_MODELS_FETCH", "1"), ("OPENCODE_DISABLE_AUTOUPDATE", "1")]
            .map(|(key, value)| (key.into(), value.into()))
            .into();

    let (output, theirs) = pipe().map_err(|error| spawn_error(&error))?;
    let asked = make(vec!["--version".into()], quiet.clone(), "version.log", theirs);
    let child = spawn(asked).await.map_err(|error| spawn_error(&error))?;
    let mut text = String::new();
    let read = async {
        // No version is longer.
        let _ = output.take(200).read_to_string(&mut text).await;
        child.exited().await
    };
    let _ = tokio::time::timeout(LONGEST_VERSION, read).await;
    let found = text.trim().to_owned();
    if !found.starts_with(VERSION) {
        let found = if found.is_empty() { "of an unknown version".into() } else { found };
        return Err(StartError::Version { program: program.display().to_string(), found });
    }

    let mut last = StartError::Slow;
    for _ in 0..PORTS {
        let port = free_port().map_err(|error| spawn_error(&error))?;
        let own = OwnPort::claim(port);
        let password = password().ok_or_else(|| spawn_error(&"the system gives no random numbers"))?;
        let mut env = quiet.clone();
        env.extend(setup.env.iter().cloned());
        env.push(("OPENCODE_SERVER_PASSWORD".into(), password.reveal().into()));
        let args = ["serve", "--hostname", "127.0.0.1", "--port", &port.to_string()].map(OsString::from);
        let (output, theirs) = pipe().map_err(|error| spawn_error(&error))?;
        let child =
            spawn(make(args.into(), env, "serve.log", theirs)).await.map_err(|error| spawn_error(&error))?;
        let ready = tokio::time::timeout(LONGEST_START, ready(output));
        tokio::select! {
            ready = ready => match ready {
                Ok(true) => {
                    let (host, user) = ("127.0.0.1".into(), "opencode".into());
                    let client = Client::new(Server { host, port, tls: false, user, password }, &directory);
                    return Ok(Running { child: Some(child), _own: Some(own), client, version: found });
                }
                Ok(false) => {}
                Err(_) => return Err(StartError::Slow),
            },
            _ = child.exited() => {}
        }
        let exit = child.terminate(Duration::from_secs(1)).await.to_string();
        let said = last_words(&logs.join("serve.log"));
        // All that it says when it cannot bind.
        last = match said.contains("ServeError") {
            true => StartError::Ports,
            false => StartError::Ended { exit, said },
        };
    }
    Err(last)
}

/// True once it listens; false when it closes its output before.
async fn ready(output: Receiver) -> bool {
    let mut lines = BufReader::new(output).take(1 << 20).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains("opencode server listening") {
            // What it says from now on is read and thrown away, so that it never waits for a reader.
            let mut rest = lines.into_inner().into_inner();
            tokio::spawn(async move { tokio::io::copy(&mut rest, &mut tokio::io::sink()).await });
            return true;
        }
    }
    false
}

pub(in crate::copilot) fn last_words(log: &Path) -> String {
    let bytes = read_end(log, 4000).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    match line {
        Some(line) if text.contains("opencode.json") => {
            let line: String = line.chars().take(200).collect();
            format!(": its configuration opencode.json is broken; correct it, or move it away ({line})")
        }
        Some(line) => format!(": {}", line.chars().take(300).collect::<String>()),
        None => String::new(),
    }
}

/// The program: by its path, in `PATH`, or in the checkout that we were built in.
pub(in crate::copilot) fn find(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|found| found.is_file());
    found.or_else(|| {
        // Not below the directory that we happen to be in: that may be anybody's.
        let own = std::env::current_exe().ok()?;
        let mut above = own.ancestors().skip(1).take(4);
        above.find_map(|dir| {
            let found = dir.join("client/node_modules/.bin").join(program);
            (dir.join("Cargo.toml").is_file() && found.is_file()).then_some(found)
        })
    })
}

pub(in crate::copilot) fn pipe() -> std::io::Result<(Receiver, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((Receiver::from_owned_fd(ours)?, theirs))
}

fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn password() -> Option<Redacted<String>> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(Redacted::new(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn setup(dir: &Path, script: &str) -> Setup {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("mode");
        let program = dir.join("opencode");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("mode");
        Setup {
            name: "OpenCode".into(),
            acp: vec![],
            attached: None,
            program,
            user: RoomUser::resolve("nobody").expect("nobody"),
            data_dir: dir.join("data"),
            run_dir: dir.join("run"),
            directory: None,
            place: None,
            env: vec![],
            home: None,
            origin: String::new(),
            mint: Arc::new(|_, _| Box::pin(async { Err("no tokens".into()) })),
        }
    }

    async fn refused(script: &str, change: impl Fn(&mut Setup)) -> StartError {
        let dir = tempfile::tempdir().expect("dir");
        let mut setup = setup(dir.path(), script);
        change(&mut setup);
        start(&setup, &RoomId::main()).await.err().expect("does not start")
    }

    #[tokio::test]
    async fn what_keeps_it_from_starting_is_told_with_what_to_do() {
        let error = refused("", |setup| setup.program = "no-opencode-here".into()).await;
        assert!(error.is_final() && error.to_string().contains("npm install -g opencode-ai"), "{error}");
        let error = refused("echo 2.0.1", |_| {}).await;
        assert!(error.is_final() && error.to_string().contains("is OpenCode 2.0.1"), "{error}");
        let error = refused("echo 1.18.33", |setup| setup.directory = Some("/no/such/place".into())).await;
        assert!(error.is_final() && error.to_string().contains("--opencode-dir"), "{error}");
        let script =
            "[ $1 = --version ] && echo 1.18.33 && exit; echo 'opencode.json: expected }' >&2; exit 1";
        let error = refused(script, |_| {}).await;
        assert!(!error.is_final() && error.to_string().contains("opencode.json is broken"), "{error}");
    }
}
