//! A CDP client without a library, and the eye that looks at the page without
//! the floor.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tandem::base::Point;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::house::House;

/// A client in the page that people see.
pub struct Raw {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: u64,
    session: String,
    early: Vec<Value>,
}

impl Raw {
    /// Takes hold of the tab whose address ends so.
    pub async fn open(house: &House, token: &str, path: &str) -> Self {
        let socket = house.socket("/cdp/main", token).await;
        let mut raw = Self { socket, id: 0, session: String::new(), early: Vec::new() };
        let list = raw.ask("Target.getTargets", json!({})).await.expect("listed");
        let is_it = |target: &&Value| {
            target["type"] == "page" && target["url"].as_str().unwrap_or("").ends_with(path)
        };
        let target = list["targetInfos"].as_array().expect("a list").iter().find(is_it);
        let target = target.unwrap_or_else(|| panic!("no {path} in {list}"))["targetId"].clone();
        let params = json!({ "targetId": target, "flatten": true });
        let attached = raw.ask("Target.attachToTarget", params).await.expect("attached");
        raw.session = attached["sessionId"].as_str().expect("an id").to_owned();
        raw
    }

    pub async fn post(&mut self, method: &str, params: Value) -> u64 {
        self.id += 1;
        let mut message = json!({ "id": self.id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.socket.send(Message::text(message.to_string())).await.expect("sent");
        self.id
    }

    pub async fn answer(&mut self, id: u64) -> Result<Value, String> {
        let answered = async {
            loop {
                let known = self.early.iter().position(|message| message["id"] == id);
                let message = match known {
                    Some(at) => self.early.swap_remove(at),
                    None => match self.socket.next().await.expect("open").expect("read") {
                        Message::Text(text) => serde_json::from_str(&text).expect("json"),
                        _ => continue,
                    },
                };
                if message["id"] != id {
                    if message["id"].is_number() {
                        self.early.push(message);
                    }
                    continue;
                }
                return match message.get("error") {
                    Some(error) => Err(error["message"].as_str().unwrap_or_default().to_owned()),
                    None => Ok(message["result"].clone()),
                };
            }
        };
        tokio::time::timeout(Duration::from_secs(40), answered).await.expect("answered in time")
    }

    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let id = self.post(method, params).await;
        self.answer(id).await
    }

    /// What the page says without being changed.
    pub async fn look(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "throwOnSideEffect": true, "returnByValue": true });
        let answer = self.ask("Runtime.evaluate", params).await.expect("answered");
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    pub async fn text(&mut self, expression: &str) -> String {
        self.look(expression).await.as_str().expect("a text").to_owned()
    }

    /// Waits until the page says this.
    pub async fn until(&mut self, expression: &str, wanted: impl Into<Value>) {
        let (wanted, deadline) = (wanted.into(), Instant::now() + Duration::from_secs(10));
        loop {
            let value = self.look(expression).await;
            if value == wanted {
                return;
            }
            let heard = self.look("state.heard.slice(-30).join()").await;
            assert!(Instant::now() < deadline, "{expression} stays {value}, not {wanted}; it heard {heard}");
        }
    }

    /// The middle of an element on the display, and on the page.
    pub async fn place(&mut self, id: &str) -> (Point, (f64, f64)) {
        // Below the browser's own bar: before, the window has not been placed.
        self.until(&format!("places.{id}[3] > 40"), true).await;
        let found = self.look(&format!("places.{id}")).await;
        let number = |at: usize| found[at].as_f64().expect("a number");
        let (x, y) = (number(0), number(1));
        (Point { x: (x + number(2)) as i32, y: (y + number(3)) as i32 }, (x, y))
    }

    pub async fn mouse(&mut self, kind: &str, (x, y): (f64, f64), button: &str) -> Result<Value, String> {
        self.ask("Input.dispatchMouseEvent", mouse(kind, (x, y), button)).await
    }

    pub async fn click(&mut self, at: (f64, f64)) -> Result<(), String> {
        self.mouse("mousePressed", at, "left").await?;
        self.mouse("mouseReleased", at, "left").await.map(drop)
    }
}

pub fn mouse(kind: &str, (x, y): (f64, f64), button: &str) -> Value {
    let buttons = i32::from(button == "left" && kind != "mouseReleased");
    json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1 })
}
