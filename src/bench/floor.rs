//! From a takeover to the last effect that an agent's act has on the page.
//!
//! Two agents act as fast as they can, one by CDP typing, one by CDP dragging,
//! and a person takes over again and again. The page writes down when it last
//! heard of an input; its clock and ours are the machine's.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, ensure};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::service::Service;
use super::table::{Goal, Row, percentile};

const TAKEOVERS: usize = 240;
/// What comes later than this after a takeover was not looked for.
const AFTER: Duration = Duration::from_millis(60);
/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Takes over many times while agents act.
pub(super) async fn takeovers(page: &str) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(page).await?;
    let mut person = open(&service, "/api/rooms/main/ws").await?;
    let mut eye = Client::open(&service).await?;
    eye.until("typeof last === 'number'").await?;
    let typing = tokio::spawn(act(Client::open(&service).await?, |turn| match turn % 40 {
        0 => ("Input.dispatchMouseEvent", mouse("mousePressed", 100, 100)),
        1 => ("Input.dispatchMouseEvent", mouse("mouseReleased", 100, 100)),
        _ => ("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": "a", "text": "a" })),
    }));
    let dragging = tokio::spawn(act(Client::open(&service).await?, |turn| match turn % 20 {
        0 => ("Input.dispatchMouseEvent", mouse("mousePressed", 100, 400)),
        19 => ("Input.dispatchMouseEvent", mouse("mouseReleased", 500, 400)),
        at => ("Input.dispatchMouseEvent", mouse("mouseMoved", 100 + 20 * at, 400)),
    }));
    let mut times = Vec::with_capacity(TAKEOVERS);
    let (mut after, mut held) = (0.0, 0.0);
    for turn in 0..TAKEOVERS {
        let heard = eye.number("count").await?;
        // They are in the middle of it again, each time at another moment.
        eye.until(&format!("count > {heard} + 20 + {}", turn % 17)).await?;
        let taken = now_ms();
        say(&mut person, json!({ "type": "floor", "ask": { "kind": "takeover" } })).await?;
        until_taken(&mut person, true).await?;
        // The time after a takeover in which nothing more may come is what is measured.
        tokio::time::sleep(AFTER).await;
        let last = eye.number("last").await? - taken;
        after += f64::from(u8::from(last > 0.0));
        held += f64::from(u8::from(eye.number("buttons").await? > 0.0));
        times.push(last.max(0.0));
        say(&mut person, json!({ "type": "floor", "ask": { "kind": "hand-back", "note": "" } })).await?;
        until_taken(&mut person, false).await?;
    }
    typing.abort();
    dragging.abort();
    service.stop().await?;
    ensure!(held == 0.0, "a button stayed down after {held} takeovers");
    Ok(vec![Row::new(
        "takeover to the last effect of an agent's act",
        "ms",
        Goal::AtMost(20.0),
        vec![
            ("p99", percentile(&mut times, 0.99)),
            ("p50", percentile(&mut times, 0.5)),
            ("max", percentile(&mut times, 1.0)),
            ("with an effect after it, %", 100.0 * after / TAKEOVERS as f64),
        ],
    )])
}

fn mouse(kind: &str, x: usize, y: usize) -> Value {
    let buttons = u8::from(kind != "mouseReleased");
    json!({ "type": kind, "x": x, "y": y, "button": "left", "buttons": buttons, "clickCount": 1 })
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}

/// Acts without end, several inputs on their way at once. What is refused is begun anew.
async fn act(
    mut client: Client,
    next: impl Fn(usize) -> (&'static str, Value) + Send + 'static,
) -> anyhow::Result<()> {
    const ON_THE_WAY: usize = 4;
    let (mut turn, mut open) = (0, 0);
    loop {
        while open < ON_THE_WAY {
            let (method, params) = next(turn);
            client.post(method, params).await?;
            (turn, open) = (turn + 1, open + 1);
        }
        let answer = client.next().await?;
        open -= usize::from(answer["id"].is_number());
        if let Some(error) = answer.get("error") {
            turn = 0;
            // Refused for as long as the person has the floor; asked again like any agent would.
            if error["message"].as_str().is_some_and(|why| why.contains("took over")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

pub(super) async fn open(service: &Service, path: &str) -> anyhow::Result<Socket> {
    let mut request = format!("ws://{}{path}", service.address).into_client_request()?;
    request.headers_mut().insert("authorization", format!("Bearer {}", service.token).parse()?);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connect_async(request.clone()).await {
            Ok((socket, _)) => {
                if let tokio_tungstenite::MaybeTlsStream::Plain(stream) = socket.get_ref() {
                    stream.set_nodelay(true)?;
                }
                return Ok(socket);
            }
            // Another process starts the browser; it is asked again.
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => return Err(error).with_context(|| format!("{path} does not open")),
        }
    }
}

async fn say(person: &mut Socket, message: Value) -> anyhow::Result<()> {
    Ok(person.send(Message::text(message.to_string())).await?)
}

async fn until_taken(person: &mut Socket, taken: bool) -> anyhow::Result<()> {
    let told = async {
        loop {
            let message = person.next().await.context("the room's socket was closed")??;
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text)?;
            ensure!(message["type"] != "error", "the floor was refused: {message}");
            if message["type"] == "view" && message["room"]["floor"]["takeover"].is_object() == taken {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.context("the takeover is not shown")?
}

/// A CDP client at the room's first page.
struct Client {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    id: u64,
    session: String,
}

impl Client {
    async fn open(service: &Service) -> anyhow::Result<Self> {
        let (sink, stream) = open(service, "/cdp/main").await?.split();
        let mut client = Self { sink, stream, id: 0, session: String::new() };
        let deadline = Instant::now() + PATIENCE;
        let target = loop {
            let list = client.ask("Target.getTargets", json!({})).await?;
            let pages = list["targetInfos"].as_array().context("no list")?;
            match pages.iter().find(|target| target["type"] == "page") {
                Some(page) => break page["targetId"].clone(),
                None if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(50)).await,
                None => return Err(anyhow!("the room has no page")),
            }
        };
        let params = json!({ "targetId": target, "flatten": true });
        let attached = client.ask("Target.attachToTarget", params).await?;
        client.session = attached["sessionId"].as_str().context("no session")?.to_owned();
        Ok(client)
    }

    async fn post(&mut self, method: &str, params: Value) -> anyhow::Result<u64> {
        self.id += 1;
        let mut message = json!({ "id": self.id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.sink.send(Message::text(message.to_string())).await?;
        Ok(self.id)
    }

    async fn next(&mut self) -> anyhow::Result<Value> {
        loop {
            if let Message::Text(text) = self.stream.next().await.context("the client was cut off")?? {
                return Ok(serde_json::from_str(&text)?);
            }
        }
    }

    async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        let id = self.post(method, params).await?;
        let answered = async {
            loop {
                let answer = self.next().await?;
                if answer["id"] == id {
                    ensure!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
                    return Ok(answer["result"].clone());
                }
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.context("no answer")?
    }

    /// Looks at the page without the floor.
    async fn look(&mut self, expression: &str) -> anyhow::Result<Value> {
        let params = json!({ "expression": expression, "throwOnSideEffect": true, "returnByValue": true });
        Ok(self.ask("Runtime.evaluate", params).await?["result"]["value"].clone())
    }

    async fn number(&mut self, expression: &str) -> anyhow::Result<f64> {
        self.look(expression).await?.as_f64().with_context(|| format!("{expression} is no number"))
    }

    async fn until(&mut self, expression: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.look(expression).await? != true {
            ensure!(Instant::now() < deadline, "it never is so that {expression}");
        }
        Ok(())
    }
}
