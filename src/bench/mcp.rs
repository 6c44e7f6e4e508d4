//! Clients of MCP servers, as an agent's program has them: ours over HTTP with
//! the session kept, another one's over its standard input and output.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::service::Service;

const VERSION: &str = "2025-11-25";
/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session with an MCP server.
pub(super) struct Agent {
    line: Line,
    id: u64,
}

enum Line {
    Http { sender: SendRequest<Full<Bytes>>, host: String, token: String, session: Option<HeaderValue> },
    Stdio { _child: Box<Child>, input: ChildStdin, output: Lines<BufReader<ChildStdout>> },
}

impl Agent {
    /// A session of its own at the service.
    pub async fn of(service: &Service) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&service.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender.
        tokio::spawn(connection);
        let (host, token) = (service.address.clone(), service.token.clone());
        Self::greet(Line::Http { sender, host, token, session: None }).await
    }

    /// Playwright MCP as it is shipped; `dir` is where it may leave its files.
    pub async fn playwright(cli: &Path, dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let cli = cli.canonicalize().with_context(|| format!("no Playwright MCP at {}", cli.display()))?;
        let mut child = Command::new("node")
            .arg(cli)
            .args(["--headless", "--isolated", "--no-sandbox", "--executable-path", "/usr/bin/chromium"])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start node")?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        Self::greet(Line::Stdio { _child: Box::new(child), input, output }).await
    }

    async fn greet(line: Line) -> anyhow::Result<Self> {
        let mut agent = Self { line, id: 0 };
        let hello = json!({ "protocolVersion": VERSION, "capabilities": {},
            "clientInfo": { "name": "tandem-bench", "version": env!("CARGO_PKG_VERSION") } });
        agent.ask("initialize", hello).await?;
        let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        agent.line.pass(&ready, None).await?;
        Ok(agent)
    }

    /// Calls a tool; the text that the model gets. An answer that is an error is one here too.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> anyhow::Result<String> {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await?;
        let parts = answer["content"].as_array().context("an answer without content")?;
        let text: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        let text = text.join("\n");
        ensure!(answer["isError"] != true, "{tool}: {text}");
        Ok(text)
    }

    async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        let answer = tokio::time::timeout(PATIENCE, self.line.pass(&message, Some(self.id))).await;
        let answer = answer.with_context(|| format!("{method} was not answered"))??;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        Ok(answer["result"].clone())
    }
}

impl Line {
    /// Passes a message on; gives the answer to `id`, null when none is due.
    async fn pass(&mut self, message: &Value, id: Option<u64>) -> anyhow::Result<Value> {
        match self {
            Line::Http { sender, host, token, session } => {
                let mut request = Request::post("/mcp")
                    .header("host", host.as_str())
                    .header("authorization", format!("Bearer {token}"))
                    .header("content-type", "application/json")
                    .header("accept", "application/json, text/event-stream");
                if let Some(session) = session {
                    request = request
                        .header("mcp-session-id", session.clone())
                        .header("mcp-protocol-version", VERSION);
                }
                sender.ready().await?;
                let request = request.body(Full::from(message.to_string()))?;
                let answer = sender.send_request(request).await?;
                let (head, body) = answer.into_parts();
                if let Some(id) = head.headers.get("mcp-session-id") {
                    *session = Some(id.clone());
                }
                let body = body.collect().await?.to_bytes();
                let body = String::from_utf8_lossy(&body);
                ensure!(head.status.is_success(), "{}: {body}", head.status);
                let Some(id) = id else { return Ok(Value::Null) };
                // A body of JSON, or events of which each is one line of it.
                let messages = body.lines().map(|line| line.strip_prefix("data:").unwrap_or(line));
                let mut messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
                messages.find(|message| message["id"] == id).with_context(|| format!("no answer in {body}"))
            }
            Line::Stdio { input, output, .. } => {
                input.write_all(format!("{message}\n").as_bytes()).await?;
                input.flush().await?;
                let Some(id) = id else { return Ok(Value::Null) };
                while let Some(line) = output.next_line().await? {
                    let message: Value = serde_json::from_str(&line)?;
                    if message["id"] == id && message.get("method").is_none() {
                        return Ok(message);
                    }
                }
                bail!("the server ended")
            }
        }
    }
}
