//! What tests need that ask people for a yes.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{ADMIN, House};

/// A page with something to pay for.
pub const SHOP: &str = "() => { document.body.innerHTML = `<h1>Shop</h1><label>Name <input id=name></label>\
    <label>Password <input id=secret type=password></label><button id=pay onclick='paid.value = Number(paid.value) + 1'>Pay now</button>\
    <output id=paid>0</output>`; }";

impl House {
    pub async fn put_rules(&self, path: &str, rules: &Value) -> (u16, Value) {
        let (status, _, body) = self.json("PUT", path, ADMIN, rules.to_string().as_bytes()).await;
        (status, body)
    }

    pub async fn json(&self, method: &str, path: &str, token: &str, body: &[u8]) -> (u16, String, Value) {
        let (status, head, body) = self.ask_json(method, path, token, body).await;
        (status, head, serde_json::from_slice(&body).unwrap_or_default())
    }

    pub async fn approvals(&self) -> Vec<Value> {
        let (_, _, list) = self.json("GET", "/api/approvals", ADMIN, b"").await;
        list.as_array().cloned().unwrap_or_default()
    }

    /// Waits until an approval that is not `but` waits for an answer.
    pub async fn asked(&self, but: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let open = self.approvals().await;
            if let Some(asked) = open.into_iter().find(|one| one["id"] != but && one["answered"].is_null()) {
                return asked;
            }
            assert!(Instant::now() < deadline, "nobody was asked");
            // Another process' doings have no event here.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn answer(&self, token: &str, asked: &Value, answer: &Value) -> (u16, Value) {
        let path = format!("/api/approvals/{}", asked["id"].as_str().expect("id"));
        let (status, _, body) = self.json("POST", &path, token, answer.to_string().as_bytes()).await;
        (status, body)
    }
}
