//! A display with a Chromium of its own behind a gate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tandem::base::{Actor, ActorId, Role, Size};
use tandem::browser::{ActError, Attending, Browser, BrowserSettings, GateWay, Tab};
use tandem::floor::{Floor, FloorPermit, Grant};
use tandem::process::{Child, Program, RoomUser, spawn};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

pub struct Desk {
    _dir: tempfile::TempDir,
    _xvfb: Child,
    root: PathBuf,
    user: RoomUser,
    display: String,
}

/// A tab, and the right to act in it.
pub struct Hand {
    _browser: Arc<Browser>,
    pub tab: Arc<Tab>,
    _attending: Attending,
    pub permit: FloorPermit,
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

    pub async fn browser(&self, gate: &GateWay) -> Hand {
        let (events, mut heard) = mpsc::channel(64);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let settings = BrowserSettings {
            privacy: Default::default(),
            executable: "chromium".into(),
            bubblewrap: "bwrap".into(),
            user: self.user.clone(),
            group: None,
            mark: self.root.clone(),
            run_dir: self.root.clone(),
            profile_dir: self.root.join("profile"),
            download_dir: self.root.join("downloads"),
            env: vec![("DISPLAY".into(), self.display.clone().into())],
            size: Size::DEFAULT,
            start_url: "about:blank".into(),
            gate: Some(gate.clone()),
            browser_pages: false,
            locale: None,
            time_zone: None,
            policies: true,
            restore: vec![],
            extra_args: vec![],
        };
        let browser = Browser::start(settings, events).await.unwrap_or_else(|error| panic!("{error:?}"));
        let browser = Arc::new(browser);
        let tab = browser.front_tab().await.expect("a tab");
        let attending = Attending::start(Arc::clone(&tab)).await;
        let actor = Actor {
            id: ActorId::new("bot").expect("id"),
            name: "Bot".into(),
            role: Role::Agent,
            colour: None,
        };
        let Ok(Grant::Now(permit)) =
            Floor::new(Duration::from_millis(100)).handle_agent(Instant::now(), &actor)
        else {
            panic!("no floor")
        };
        Hand { _browser: browser, tab, _attending: attending, permit }
    }
}

impl Hand {
    pub async fn go(&self, url: &str) -> Result<(), ActError> {
        self.tab.navigate(&self.permit, url, within(60)).await
    }

    pub async fn js(&self, source: &str, seconds: u64) -> Value {
        self.tab.evaluate(&self.permit, source, None, within(seconds)).await.expect("runs")
    }
}

fn within(seconds: u64) -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(seconds)
}
