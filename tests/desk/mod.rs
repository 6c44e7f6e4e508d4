//! A display of its own, on which a test starts a Chromium by itself, and an
//! agent that may act there.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::path::PathBuf;
use std::time::Instant;

use tandem::base::{Actor, ActorId, Role, Size};
use tandem::browser::{BrowserSettings, GateWay};
use tandem::floor::{Floor, FloorPermit, Grant};
use tandem::process::{Child, Program, RoomUser, spawn};
use tokio::io::AsyncReadExt;

pub struct Desk {
    _dir: tempfile::TempDir,
    _xvfb: Child,
    pub root: PathBuf,
    user: RoomUser,
    display: String,
}

impl Desk {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let root = dir.path().to_owned();
        std::fs::set_permissions(&root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mode");
        let user = RoomUser::resolve("tandem").or_else(|_| RoomUser::resolve("nobody")).expect("a user");
        let home = user.private_dir(&root.join("x")).expect("home");
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        let args = ["-displayfd", "3", "-screen", "0", "1280x720x24", "-nolisten", "tcp", "-ac"];
        let xvfb = spawn(Program {
            name: "xvfb",
            program: "Xvfb".into(),
            args: args.map(Into::into).into(),
            env: vec![],
            home,
            user: user.clone(),
            group: None,
            network: None,
            fds: vec![(write, 3)],
            log: root.join("xvfb.log"),
            mark: root.clone(),
        })
        .await
        .expect("Xvfb starts");
        let mut number = Vec::new();
        let mut pipe = tokio::net::unix::pipe::Receiver::from_owned_fd(read).expect("pipe");
        while !number.ends_with(b"\n") {
            assert_ne!(pipe.read_buf(&mut number).await.expect("display"), 0, "Xvfb ended");
        }
        let number = String::from_utf8(number).expect("digits");
        Self { _dir: dir, _xvfb: xvfb, root, user, display: format!(":{}", number.trim()) }
    }

    /// A browser's, behind this gate.
    pub fn settings(&self, gate: &GateWay, start_url: &str) -> BrowserSettings {
        BrowserSettings {
            executable: "chromium".into(),
            bubblewrap: "bwrap".into(),
            user: self.user.clone(),
            group: None,
            privacy: Default::default(),
            mark: self.root.clone(),
            run_dir: self.root.clone(),
            profile_dir: self.root.join("profile"),
            download_dir: self.root.join("downloads"),
            env: vec![("DISPLAY".into(), self.display.clone().into())],
            size: Size::DEFAULT,
            start_url: start_url.into(),
            gate: Some(gate.clone()),
            browser_pages: false,
            locale: None,
            time_zone: None,
            policies: true,
            restore: vec![],
            extra_args: vec![],
        }
    }
}

pub fn agent() -> Actor {
    Actor { id: ActorId::new("bot").expect("id"), name: "Bot".into(), role: Role::Agent, colour: None }
}

/// The floor for that agent, which nobody else wants.
pub fn permit(floor: &mut Floor) -> FloorPermit {
    match floor.handle_agent(Instant::now(), &agent()) {
        Ok(Grant::Now(permit)) => permit,
        other => panic!("{other:?}"),
    }
}
