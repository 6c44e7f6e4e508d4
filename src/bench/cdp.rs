//! What the public door of CDP costs: round trips, one after the other and
//! with several on their way, through `/cdp/main`, against the same calls of
//! the same client to the WebSocket that Chromium itself offers, and against
//! its raw debugging pipe: browsers with a window, like the room's, on a display
//! of their own. In turns, so that all see the same machine.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, anyhow};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::service::Service;
use super::table::{Goal, Row, percentile};

/// Turns of each, and round trips in a turn.
const TURNS: usize = 8;
const TRIPS: usize = 400;
/// Calls in flight when the rate is measured: what a few clients have.
const IN_FLIGHT: usize = 16;

/// A line that takes a message and gives the next one.
enum Line {
    Pipe { _child: Box<Child>, read: pipe::Receiver, write: pipe::Sender, buffer: Vec<u8> },
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
}

/// A session of a page on a line.
struct Session {
    line: Line,
    id: u64,
    session: String,
}

pub(super) async fn round_trips(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let door = Session::open(door(&service).await?).await.context("through the door")?;
    let screen = Screen::start().await?;
    let chromium = |name: &str| chromium(&screen, &service.data_dir().join(name), page);
    let pipe = Session::open(raw(chromium("pipe"))?).await.context("on the raw pipe")?;
    let socket = own_socket(chromium("socket")).await?;
    let (socket, _chromium) = (Session::open(socket.0).await.context("on Chromium's socket")?, socket.1);
    let mut lines = [socket, pipe, door].map(|session| (session, Vec::new(), 0.0));
    // The first turn warms all up.
    for turn in 0..=TURNS {
        for (session, times, total) in &mut lines {
            let mut taken = session.turn().await?;
            let start = Instant::now();
            session.crowd().await?;
            if turn > 0 {
                *total += start.elapsed().as_secs_f64();
                times.append(&mut taken);
            }
        }
    }
    service.stop().await?;
    let trips = (TURNS * TRIPS) as f64;
    let [socket, pipe, door] =
        lines.map(|(_, mut times, total)| (trips / total, percentile(&mut times, 0.5)));
    Ok(vec![
        Row::new(
            "CDP round trips through the door, 16 in flight",
            "%",
            Goal::AtLeast(90.0),
            vec![
                ("of Chromium's own socket's", 100.0 * door.0 / socket.0),
                ("of the raw pipe's", 100.0 * door.0 / pipe.0),
                ("a second", door.0),
                ("own socket", socket.0),
                ("raw pipe", pipe.0),
            ],
        ),
        Row::new(
            "CDP: added to a round trip, one after the other",
            "ms",
            Goal::AtMost(0.3),
            vec![
                ("p50 to the socket's", door.1 - socket.1),
                ("to the pipe's", door.1 - pipe.1),
                ("of", door.1),
            ],
        ),
    ])
}

async fn door(service: &Service) -> anyhow::Result<Line> {
    // The browser of the room is there when its list is.
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    while let Err(error) = service.get("/cdp/main/json/version").await {
        anyhow::ensure!(Instant::now() < deadline, "the room has no browser: {error}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut request = format!("ws://{}/cdp/main", service.address).into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", service.token).parse()?);
    let (socket, _) = connect_async_with_config(request, None, true).await?;
    Ok(Line::Socket(Box::new(socket)))
}

/// A display with nothing else on it.
pub(super) struct Screen {
    _xvfb: Child,
    pub(super) number: String,
}

impl Screen {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "1280x720x24", "-nolisten", "tcp", "-ac"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut xvfb = command.spawn().context("cannot start Xvfb")?;
        let mut lines = BufReader::new(xvfb.stdout.take().context("no output")?).lines();
        let number = lines.next_line().await?.context("Xvfb has no display to offer")?;
        Ok(Self { _xvfb: xvfb, number: format!(":{number}") })
    }
}

/// A Chromium with a page, as a room starts it.
fn chromium(screen: &Screen, profile: &Path, page: &str) -> Command {
    let mut command = Command::new("/usr/bin/chromium");
    command.args(["--no-first-run", "--disable-gpu", "--force-device-scale-factor=1"]);
    command.args(["--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"]);
    command.args(["--window-position=0,0", "--start-maximized", "--window-size=1280,720"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg(page).kill_on_drop(true);
    command.env("DISPLAY", &screen.number).stdout(Stdio::null()).stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // It opens nothing but our own page.
        command.arg("--no-sandbox");
    }
    command
}

/// The WebSocket that Chromium itself offers, for as long as the child lives.
async fn own_socket(mut command: Command) -> anyhow::Result<(Line, Child)> {
    let mut child = command.arg("--remote-debugging-port=0").stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no error output")?).lines();
    let address = loop {
        let line = lines.next_line().await?.context("Chromium offers no socket")?;
        if let Some(address) = line.strip_prefix("DevTools listening on ") {
            break address.to_owned();
        }
    };
    // What it has to say later is read, so that it never waits for us.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let (socket, _) = connect_async_with_config(address, None, true).await?;
    Ok((Line::Socket(Box::new(socket)), child))
}

/// The debugging pipe of a Chromium that nobody shares.
fn raw(mut command: Command) -> anyhow::Result<Line> {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let ((their_read, our_write), (our_read, their_write)) = (pipe()?, pipe()?);
    command.arg("--remote-debugging-pipe");
    place(&mut command, their_read, their_write);
    let child = command.spawn().context("cannot start Chromium")?;
    // The child has its own copies; ours must not keep the pipe open.
    drop(command);
    let (read, write) = (pipe::Receiver::from_owned_fd(our_read)?, pipe::Sender::from_owned_fd(our_write)?);
    Ok(Line::Pipe { _child: Box::new(child), read, write, buffer: Vec::new() })
}

/// Puts the ends of the pipes where Chromium looks for them.
fn place(command: &mut Command, read: OwnedFd, write: OwnedFd) {
    let put = move || {
        for (fd, number) in [(&read, 3), (&write, 4)] {
            // SAFETY: dup2 is async-signal-safe; both numbers are open or free descriptors of the child.
            if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure only calls dup2, which is allowed between fork and exec.
    unsafe { command.pre_exec(put) };
}

impl Line {
    async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        let text = message.to_string();
        match self {
            Line::Pipe { write, .. } => {
                let mut bytes = text.into_bytes();
                bytes.push(0);
                write.write_all(&bytes).await?;
            }
            Line::Socket(socket) => socket.send(Message::text(text)).await?,
        }
        Ok(())
    }

    async fn next(&mut self) -> anyhow::Result<Value> {
        match self {
            Line::Pipe { read, buffer, .. } => loop {
                if let Some(end) = buffer.iter().position(|byte| *byte == 0) {
                    let message = serde_json::from_slice(&buffer[..end])?;
                    buffer.drain(..=end);
                    return Ok(message);
                }
                anyhow::ensure!(read.read_buf(buffer).await? > 0, "the pipe was closed");
            },
            Line::Socket(socket) => loop {
                let message = socket.next().await.ok_or_else(|| anyhow!("the socket was closed"))??;
                if let Message::Text(text) = message {
                    return Ok(serde_json::from_str(&text)?);
                }
            },
        }
    }
}

impl Session {
    async fn open(line: Line) -> anyhow::Result<Self> {
        let mut session = Self { line, id: 0, session: String::new() };
        let target = loop {
            let list = session.ask("Target.getTargets", json!({})).await?;
            let pages = list["targetInfos"].as_array().context("no list")?;
            match pages.iter().find(|target| target["type"] == "page") {
                Some(page) => break page["targetId"].clone(),
                None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        };
        let params = json!({ "targetId": target, "flatten": true });
        let attached = session.ask("Target.attachToTarget", params).await?;
        session.session = attached["sessionId"].as_str().context("no session")?.to_owned();
        Ok(session)
    }

    async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.id += 1;
        let mut message = json!({ "id": self.id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.line.send(&message).await?;
        loop {
            let answer = self.line.next().await?;
            if answer["id"] == self.id {
                anyhow::ensure!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                return Ok(answer["result"].clone());
            }
        }
    }

    /// The same number of round trips with several on their way.
    async fn crowd(&mut self) -> anyhow::Result<()> {
        let (mut sent, mut answered) = (0, 0);
        while answered < TRIPS {
            while sent < TRIPS && sent - answered < IN_FLIGHT {
                self.id += 1;
                let params = json!({ "expression": "1 + 1", "throwOnSideEffect": true });
                let message = json!({ "id": self.id, "method": "Runtime.evaluate", "params": params,
                    "sessionId": self.session });
                self.line.send(&message).await?;
                sent += 1;
            }
            answered += usize::from(self.line.next().await?.get("id").is_some());
        }
        Ok(())
    }

    /// The times of some round trips to the page's own thread and back, in milliseconds.
    async fn turn(&mut self) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(TRIPS);
        for _ in 0..TRIPS {
            let start = Instant::now();
            self.ask("Runtime.evaluate", json!({ "expression": "1 + 1", "throwOnSideEffect": true })).await?;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(times)
    }
}
