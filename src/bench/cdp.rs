//! What the public door of CDP costs: round trips, one after the other and
//! with several on their way, through `/cdp/main`, against the same calls on the raw debugging pipe of a
//! Chromium of our own, in turns, so that both see the same machine.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, anyhow};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    let mut door = Session::open(door(&service).await?).await.context("through the door")?;
    let profile = service.data_dir().join("raw");
    let mut raw = Session::open(raw(&profile, page)?).await.context("on the raw pipe")?;
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    let (mut direct_time, mut through_time) = (0.0, 0.0);
    // The first turn warms both up.
    for turn in 0..=TURNS {
        for (session, times, total) in
            [(&mut raw, &mut direct, &mut direct_time), (&mut door, &mut through, &mut through_time)]
        {
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
    let (direct_rate, through_rate) = (trips / direct_time, trips / through_time);
    let (direct, through) = (percentile(&mut direct, 0.5), percentile(&mut through, 0.5));
    Ok(vec![
        Row::new(
            "CDP round trips through the door, 16 in flight",
            "%",
            Goal::AtLeast(90.0),
            vec![
                ("of the raw pipe's", 100.0 * through_rate / direct_rate),
                ("a second", through_rate),
                ("raw", direct_rate),
            ],
        ),
        Row::new(
            "CDP: added to a round trip, one after the other",
            "ms",
            Goal::AtMost(0.3),
            vec![("p50", through - direct), ("of", through)],
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

/// A headless Chromium whose pipe nobody shares.
fn raw(profile: &Path, page: &str) -> anyhow::Result<Line> {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
    let ((their_read, our_write), (our_read, their_write)) = (pipe()?, pipe()?);
    let mut command = Command::new("/usr/bin/chromium");
    command.args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg(page).kill_on_drop(true);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    if rustix::process::geteuid().is_root() {
        // It opens nothing but our own page.
        command.arg("--no-sandbox");
    }
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
