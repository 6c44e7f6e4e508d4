//! HTTP to an OpenCode on loopback: requests with bounded answers, and its
//! stream of events. The password goes nowhere else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use openssl::ssl::{SslConnector, SslMethod};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::events::{Event, SessionInfo, WholeMessage};
use super::reducer::{Snapshot, Transcript};
use crate::base::Redacted;
use crate::copilot::model::Id;

/// How long an answer may take. What takes longer is told by events.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);
/// A whole turn, with people in it who think.
const LONGEST_TURN: Duration = Duration::from_secs(6 * 3600);
/// Messages carry pictures.
const LARGEST_ANSWER: usize = 64 << 20;
const LARGEST_EVENT: usize = 32 << 20;
/// OpenCode sends something every ten seconds.
const LONGEST_SILENCE: Duration = Duration::from_secs(35);
/// How many sessions a snapshot brings, and messages of each that is followed.
const SESSIONS: usize = 1000;
const MESSAGES: usize = 100;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("it did not answer within 20 seconds")]
    Slow,
    #[error("it sent nothing for 35 seconds")]
    Silent,
    #[error("its answer is too large")]
    TooLarge,
    #[error("it has no such thing")]
    NotFound,
    /// With its own words.
    #[error("{said}")]
    Refused { status: u16, said: String },
    /// A person must mend it.
    #[error("{0} is broken; correct it, or move it away")]
    Configuration(String),
    #[error("its answer is not what OpenCode 1.18 says: {0}")]
    Shape(String),
}

/// The way to one process and one directory. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Client {
    server: Arc<Server>,
    directory: Arc<Path>,
    /// Without links on the way.
    real: Arc<Path>,
    /// Whether it is on this machine, where it can go.
    is_here: bool,
    /// The same as a header has it.
    encoded: Arc<str>,
}

/// Where an OpenCode listens, and how it lets in.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) user: String,
    pub(super) password: Redacted<String>,
}

/// Events as they come.
pub(super) struct Events {
    body: Incoming,
    buffer: BytesMut,
    /// Up to here no end of an event was found.
    searched: usize,
}

impl Client {
    pub(super) fn new(server: Server, directory: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt as _;
        let mut encoded = String::new();
        for byte in directory.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                    encoded.push(char::from(*byte));
                }
                byte => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
        let real = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        Self {
            server: Arc::new(server),
            directory: directory.into(),
            is_here: directory.is_dir(),
            real: real.into(),
            encoded: encoded.into(),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let unreachable = |error: &dyn std::fmt::Display| ClientError::Unreachable(error.to_string());
        let Server { host, port, tls, user, password } = &*self.server;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|e| unreachable(&e))?;
        stream.set_nodelay(true).map_err(|e| unreachable(&e))?;
        let mut sender = match tls {
            true => connected(encrypted(host, stream).await?).await?,
            false => connected(stream).await?,
        };
        let login = STANDARD.encode(format!("{user}:{}", password.reveal()));
        let mut login = HeaderValue::from_str(&format!("Basic {login}")).map_err(|e| unreachable(&e))?;
        login.set_sensitive(true);
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{bracketed}:{port}"))
            .header(AUTHORIZATION, login)
            .header(CONTENT_TYPE, "application/json")
            .header("x-opencode-directory", &*self.encoded)
            .body(Full::new(body))
            .map_err(|e| unreachable(&e))?;
        sender.send_request(request).await.map_err(|e| unreachable(&e))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, ClientError> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let asked = async {
            let response = self.send(method, path, body).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
            Ok((status, body.map_err(|_| ClientError::TooLarge)?.to_bytes()))
        };
        let (status, body) =
            tokio::time::timeout(LONGEST_ANSWER, asked).await.map_err(|_| ClientError::Slow)??;
        match status.as_u16() {
            200..=299 => Ok(body),
            404 => Err(ClientError::NotFound),
            status => Err(refused(status, &body)),
        }
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        read(&self.ask(Method::GET, path, None).await?)
    }

    pub(super) async fn tell<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, ClientError> {
        read(&self.ask(method, path, Some(body)).await?)
    }

    /// A command whose answer says nothing.
    pub(super) async fn order(&self, method: Method, path: &str, body: &Value) -> Result<(), ClientError> {
        self.ask(method, path, Some(body)).await.map(drop)
    }

    /// A command that is answered when its whole turn is over; what comes of it
    /// is told by events, as are its faults.
    pub(super) fn begin(&self, path: String, body: Value) {
        let client = self.clone();
        // Ends with the turn, or with OpenCode's process.
        tokio::spawn(async move {
            let asked = async {
                let response = client.send(Method::POST, &path, Bytes::from(body.to_string())).await?;
                let status = response.status().as_u16();
                let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
                let body = body.map_err(|_| ClientError::TooLarge)?.to_bytes();
                match status {
                    200..=299 => Ok(()),
                    status => Err(refused(status, &body)),
                }
            };
            if let Ok(Err(error)) = tokio::time::timeout(LONGEST_TURN, asked).await {
                tracing::warn!(path, %error, "a command to the agent failed");
            }
        });
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the project's directory was taken away; OpenCode itself does not say so.
    pub(super) async fn is_homeless(&self) -> bool {
        self.is_here && !tokio::fs::metadata(&self.directory).await.is_ok_and(|found| found.is_dir())
    }

    /// The messages before `before`, oldest first, and whether there are older ones.
    pub(super) async fn messages(
        &self,
        session: &Id,
        before: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<WholeMessage>, Option<String>), ClientError> {
        let mut path = format!("/session/{session}/message?limit={limit}");
        if let Some(before) = before {
            path.push_str("&before=");
            path.extend(url::form_urlencoded::byte_serialize(before.as_bytes()));
        }
        let asked = async {
            let response = self.send(Method::GET, &path, Bytes::new()).await?;
            let status = response.status();
            let next = response.headers().get("x-next-cursor").and_then(|next| next.to_str().ok());
            let next = next.filter(|next| !next.is_empty()).map(str::to_owned);
            let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
            Ok((status, next, body.map_err(|_| ClientError::TooLarge)?.to_bytes()))
        };
        let (status, next, body) =
            tokio::time::timeout(LONGEST_ANSWER, asked).await.map_err(|_| ClientError::Slow)??;
        match status.as_u16() {
            200..=299 => Ok((read(&body)?, next)),
            404 => Err(ClientError::NotFound),
            status => Err(refused(status, &body)),
        }
    }

    pub(super) async fn transcript(&self, session: Id) -> Result<Transcript, ClientError> {
        let (messages, _) = self.messages(&session, None, MESSAGES).await?;
        let todos = self.get(&format!("/session/{session}/todo")).await?;
        Ok(Transcript { session, messages, todos })
    }

    pub(super) async fn session(&self, session: &Id) -> Result<SessionInfo, ClientError> {
        let info: SessionInfo = self.get(&format!("/session/{session}")).await?;
        // OpenCode gives those of other directories too.
        if self.is_own(&info) { Ok(info) } else { Err(ClientError::NotFound) }
    }

    /// The sessions of this directory, newest first.
    pub(super) async fn sessions(&self, search: Option<&str>) -> Result<Vec<SessionInfo>, ClientError> {
        let mut path = format!("/session?limit={SESSIONS}");
        if let Some(search) = search {
            path.push_str("&search=");
            path.extend(url::form_urlencoded::byte_serialize(search.as_bytes()));
        }
        let mut all: Vec<SessionInfo> = self.get(&path).await?;
        all.retain(|info| self.is_own(info));
        Ok(all)
    }

    /// Directories without a repository are one project to OpenCode.
    fn is_own(&self, info: &SessionInfo) -> bool {
        info.directory.is_empty()
            || Path::new(&info.directory) == &*self.directory
            || Path::new(&info.directory).canonicalize().is_ok_and(|real| real == *self.real)
    }

    /// Everything there is, with the messages of those that are followed or at work.
    pub(super) async fn snapshot(&self, followed: Vec<Id>) -> Result<Snapshot, ClientError> {
        let mut snapshot = Snapshot {
            sessions: self.sessions(None).await?,
            statuses: self.get("/session/status").await?,
            permissions: self.get("/permission").await?,
            questions: self.get("/question").await?,
            transcripts: vec![],
        };
        let mut wanted = followed;
        wanted.extend(snapshot.statuses.keys().cloned());
        wanted.sort();
        wanted.dedup();
        for session in wanted {
            match self.transcript(session).await {
                Ok(transcript) => snapshot.transcripts.push(transcript),
                // It was deleted meanwhile.
                Err(ClientError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(snapshot)
    }

    /// Adds an MCP server; says how that went if it did not.
    pub(super) async fn add_mcp(
        &self,
        name: &str,
        url: &str,
        token: &Redacted<String>,
        timeout: Duration,
    ) -> Result<Option<String>, ClientError> {
        let config = json!({
            "type": "remote", "url": url, "oauth": false, "timeout": timeout.as_millis() as u64,
            "headers": { "Authorization": format!("Bearer {}", token.reveal()) },
        });
        let answer: Value =
            self.tell(Method::POST, "/mcp", &json!({ "name": name, "config": config })).await?;
        let status = &answer[name];
        if status["status"] == "connected" {
            return Ok(None);
        }
        let why = status["error"].as_str().or(status["status"].as_str()).unwrap_or("no reason was given");
        Ok(Some(why.chars().take(300).collect()))
    }

    /// Its version.
    pub(super) async fn health(&self) -> Result<String, ClientError> {
        #[derive(serde::Deserialize)]
        struct Health {
            version: String,
        }
        let Health { version } = self.get("/global/health").await?;
        Ok(version)
    }

    pub(super) async fn events(&self) -> Result<Events, ClientError> {
        let opened = self.send(Method::GET, "/event", Bytes::new());
        let response =
            tokio::time::timeout(LONGEST_ANSWER, opened).await.map_err(|_| ClientError::Slow)??;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(ClientError::Refused {
                status,
                said: format!("it answered {status} to who wants its events"),
            });
        }
        Ok(Events { body: response.into_body(), buffer: BytesMut::new(), searched: 0 })
    }
}

impl Events {
    /// The next event; an error ends the stream.
    pub(super) async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            if let Some(event) = self.take()? {
                return Ok(event);
            }
            let frame = tokio::time::timeout(LONGEST_SILENCE, self.body.frame());
            match frame.await.map_err(|_| ClientError::Silent)? {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(ClientError::Unreachable(error.to_string())),
                None => return Err(ClientError::Unreachable("it closed the stream of events".into())),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Event>, ClientError> {
        let from = self.searched.saturating_sub(1);
        let Some(end) = memchr::memmem::find(&self.buffer[from..], b"\n\n") else {
            self.searched = self.buffer.len();
            return match self.searched {
                ..LARGEST_EVENT => Ok(None),
                _ => Err(ClientError::TooLarge),
            };
        };
        let record = self.buffer.split_to(from + end + 2);
        self.searched = 0;
        let mut data = vec![];
        for line in record[..].split(|byte| *byte == b'\n') {
            if let Some(text) = line.strip_prefix(b"data:") {
                data.extend_from_slice(text);
            }
        }
        Ok(Some(Event::read(&data)))
    }
}

type Sender = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

async fn connected(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
) -> Result<Sender, ClientError> {
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| ClientError::Unreachable(error.to_string()))?;
    // Ends with its one answer, or when nobody wants that any more.
    tokio::spawn(connection);
    Ok(sender)
}

/// The other side shows a certificate for its name that this machine trusts.
async fn encrypted(
    host: &str,
    stream: TcpStream,
) -> Result<std::pin::Pin<Box<tokio_openssl::SslStream<TcpStream>>>, ClientError> {
    let failed =
        |error: &dyn std::fmt::Display| ClientError::Unreachable(format!("no TLS with {host}: {error}"));
    let connector = SslConnector::builder(SslMethod::tls_client()).map_err(|e| failed(&e))?.build();
    let ssl = connector.configure().and_then(|ssl| ssl.into_ssl(host)).map_err(|e| failed(&e))?;
    let mut stream = Box::pin(tokio_openssl::SslStream::new(ssl, stream).map_err(|e| failed(&e))?);
    stream.as_mut().connect().await.map_err(|e| failed(&e))?;
    Ok(stream)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Shape(error.to_string()))
}

/// A refusal without what it quotes: a configuration may hold keys.
fn refused(status: u16, body: &[u8]) -> ClientError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = body["name"].as_str().unwrap_or_default();
    if name.starts_with("Config") {
        let path = body.pointer("/data/path").and_then(Value::as_str).unwrap_or("opencode.json");
        return ClientError::Configuration(path.to_owned());
    }
    let text = body.pointer("/data/message").or(body.get("message")).and_then(Value::as_str);
    let said = match text.and_then(|text| text.lines().next()) {
        Some(text) if !text.is_empty() => text.chars().take(300).collect(),
        _ => format!("it answered {status}"),
    };
    ClientError::Refused { status, said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_configuration_is_named_and_not_quoted() {
        let body =
            br#"{"name":"ConfigJsonError","data":{"path":"/srv/opencode.json","message":"apiKey: sk-1"}}"#;
        let said = refused(500, body).to_string();
        assert!(said.contains("/srv/opencode.json is broken") && !said.contains("sk-1"), "{said}");
        assert_eq!(refused(500, b"<html>").to_string(), "it answered 500");
    }

    #[test]
    fn the_password_is_in_no_debug_text() {
        let server = Server {
            host: "127.0.0.1".into(),
            port: 1,
            tls: false,
            user: "opencode".into(),
            password: Redacted::new("geheim".into()),
        };
        let client = Client::new(server, Path::new("/a b/ü"));
        assert_eq!(&*client.encoded, "/a%20b/%C3%BC");
        assert!(!format!("{client:?}").contains("geheim"));
    }
}
