//! What Chromium's own debugging endpoint answers over HTTP, with addresses
//! that lead back through the door by which the client came.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

use super::is_target;
use crate::base::RoomId;
use crate::browser::{Browser, CdpError};
use crate::policy::{self, Effect, Fingerprint, Place, Request};
use crate::room::{AgentSeat, Entry, NoFloor, Outcome, RecordKind, Room};
use crate::server::caller::Caller;
use crate::server::error::ApiError;
use crate::server::guard::Site;
use crate::server::page::take_token;
use crate::server::woken;

/// A request over HTTP does not wait longer for the floor.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

/// One request, with whom it is from and what it is about.
pub(super) struct Desk {
    pub caller: Caller,
    pub room: Arc<dyn Room>,
    pub id: RoomId,
    pub site: Site,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    target_id: String,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    url: String,
    #[serde(default)]
    parent_id: Option<String>,
}

impl Desk {
    pub async fn answer(&self, what: &str, uri: &Uri) -> Result<Response, ApiError> {
        match what.split_once('/').unwrap_or((what, "")) {
            ("" | "list", "") => {
                let list = self.list().await?;
                Ok(json(&list))
            }
            ("version", "") => self.version().await,
            ("protocol", "") => self.protocol().await,
            ("new", "") => self.new_target(uri).await,
            ("activate", target) => {
                self.act(target, "Target.activateTarget").await?;
                Ok(text("Target activated"))
            }
            ("close", target) => {
                self.act(target, "Target.closeTarget").await?;
                Ok(text("Target is closing"))
            }
            _ => Err(ApiError::not_found("there is version, list, new, protocol, activate and close")),
        }
    }

    async fn browser(&self) -> Result<Arc<Browser>, ApiError> {
        woken::browser(&*self.room).await
    }

    /// The address of a WebSocket below this room, as the client itself would write it.
    fn socket(&self, path: &str) -> String {
        let scheme = if self.site.secure { "wss" } else { "ws" };
        format!("{scheme}://{}{}/cdp/{}/devtools/{path}", self.site.host, self.site.base, self.id)
    }

    async fn version(&self) -> Result<Response, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            protocol_version: String,
            product: String,
            revision: String,
            user_agent: String,
            js_version: String,
        }
        let browser = self.browser().await?;
        let version: Version = ask(&browser, "Browser.getVersion", &serde_json::json!({})).await?;
        Ok(json(&serde_json::json!({
            "Browser": version.product,
            "Protocol-Version": version.protocol_version,
            "User-Agent": version.user_agent,
            "V8-Version": version.js_version,
            "WebKit-Version": format!("537.36 ({})", version.revision),
            "webSocketDebuggerUrl": self.socket(&format!("browser/{}", self.id)),
        })))
    }

    async fn list(&self) -> Result<Value, ApiError> {
        let targets = targets(&*self.browser().await?).await?;
        Ok(targets.iter().map(|target| self.entry(target)).collect())
    }

    fn entry(&self, target: &Target) -> Value {
        let socket = self.socket(&format!("page/{}", target.target_id));
        let (scheme, rest) = socket.split_once("://").unwrap_or(("ws", &socket));
        let mut entry = serde_json::json!({
            "description": "",
            "devtoolsFrontendUrl": format!("devtools://devtools/bundled/inspector.html?{scheme}={rest}"),
            "id": target.target_id,
            "title": target.title,
            "type": target.kind,
            "url": target.url,
            "webSocketDebuggerUrl": socket,
        });
        if let Some(parent) = &target.parent_id {
            entry["parentId"] = parent.as_str().into();
        }
        entry
    }

    async fn protocol(&self) -> Result<Response, ApiError> {
        let browser = self.browser().await?;
        let protocol = browser.protocol().await.ok_or_else(|| {
            ApiError::new(
                StatusCode::NOT_IMPLEMENTED,
                "no-protocol",
                "this Chromium's package does not hold the description of its protocol",
            )
        })?;
        Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], protocol).into_response())
    }

    async fn new_target(&self, uri: &Uri) -> Result<Response, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Made {
            target_id: String,
        }
        let asked = match take_token(uri) {
            Some((_, rest)) => rest.trim_start_matches('?').to_owned(),
            None => uri.query().unwrap_or_default().to_owned(),
        };
        let asked = decode(&asked);
        let url = asked.strip_prefix("url=").unwrap_or(&asked);
        let url = if url.is_empty() { "about:blank" } else { url };
        let browser = self.browser().await?;
        let made: Made =
            self.with_floor(&browser, "Target.createTarget", &serde_json::json!({ "url": url })).await?;
        let made = made.target_id;
        let target = targets(&browser).await?.into_iter().find(|target| target.target_id == made);
        let target = target.unwrap_or_else(|| Target {
            target_id: made,
            kind: "page".into(),
            title: String::new(),
            url: url.to_owned(),
            parent_id: None,
        });
        let entry = self.entry(&target);
        Ok(json(&entry))
    }

    async fn act(&self, target: &str, method: &'static str) -> Result<(), ApiError> {
        let browser = self.browser().await?;
        let known =
            is_target(target) && targets(&browser).await?.iter().any(|known| known.target_id == target);
        if !known {
            return Err(ApiError::not_found("there is no such target; json/list has those that are there"));
        }
        self.with_floor::<Value>(&browser, method, &serde_json::json!({ "targetId": target })).await?;
        Ok(())
    }

    /// Asks the room's rules, and people where the rules say so.
    async fn consent(
        &self,
        seat: &AgentSeat,
        browser: &Browser,
        method: &'static str,
        params: &Value,
    ) -> Result<(), ApiError> {
        let page = || params["targetId"].as_str().and_then(|target| browser.address_of(target));
        let place =
            params["targetId"].is_string().then(|| page().map_or(Place::Unknown, |url| Place::of(&url)));
        let action = policy::cdp::action(seat.actor().clone(), method, params.clone(), place);
        let decision = seat.rules().decide(&action);
        match decision.effect {
            Effect::Allow => Ok(()),
            Effect::Deny => Err(ApiError::forbidden(format!("{method} is not allowed here: {decision}"))),
            Effect::Ask => {
                let fingerprint = || Fingerprint::new(format!("{:?}", page()));
                let mut request = Request::new(&action, decision, fingerprint(), LONGEST_WAIT);
                request.arguments = params.clone();
                let answer = async {
                    let id = seat.ask_approval(request).await?;
                    seat.spend_approval(id, fingerprint()).await
                };
                let answer: Result<_, crate::room::NoApproval> = answer.await;
                answer
                    .map(drop)
                    .map_err(|why| ApiError::forbidden(format!("{method} was not approved: {why}")))
            }
        }
    }

    /// Does one act with the floor, as an agent that comes in for it.
    async fn with_floor<T: for<'a> Deserialize<'a>>(
        &self,
        browser: &Browser,
        method: &'static str,
        params: &Value,
    ) -> Result<T, ApiError> {
        let seat = self.room.enter_agent(self.caller.as_agent()?)?;
        let page = params["targetId"].as_str().and_then(|target| browser.address_of(target));
        let entry = Entry::new(RecordKind::Act, method).by(seat.actor());
        let begun = seat.recorder().begin(entry.page(&page.unwrap_or_default())).await?;
        let done = self.act_with_floor(&seat, browser, method, params).await;
        match &done {
            Ok(_) => begun.done(),
            Err(error) if error.status().is_server_error() => begun.end(Outcome::Failed, ""),
            Err(error) => begun.end(Outcome::Refused, error.message()),
        }
        done
    }

    async fn act_with_floor<T: for<'a> Deserialize<'a>>(
        &self,
        seat: &AgentSeat,
        browser: &Browser,
        method: &'static str,
        params: &Value,
    ) -> Result<T, ApiError> {
        self.consent(seat, browser, method, params).await?;
        let permit = seat.floor(Instant::now() + LONGEST_WAIT).await.map_err(|refusal| match refusal {
            NoFloor::Refused(_) | NoFloor::PutOut => ApiError::forbidden(refusal.to_string()),
            NoFloor::Held { .. } | NoFloor::HeldByAgent { .. } => {
                ApiError::new(StatusCode::CONFLICT, "floor-held", refusal.to_string())
            }
            NoFloor::Stopping => {
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", refusal.to_string())
            }
        })?;
        permit.check().map_err(|taken| {
            ApiError::new(StatusCode::CONFLICT, "floor-held", format!("{taken}; try again in a moment"))
        })?;
        let done = ask(browser, method, params).await;
        seat.done(permit);
        done
    }
}

/// Indented, as Chromium does it: people read it too.
fn json(value: &Value) -> Response {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], text).into_response()
}

const JSON: &str = "application/json; charset=UTF-8";

fn text(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"))], text).into_response()
}

/// What a client can attach to, as Chromium lists it.
async fn targets(browser: &Browser) -> Result<Vec<Target>, ApiError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        target_infos: Vec<Target>,
    }
    let list: List = ask(browser, "Target.getTargets", &serde_json::json!({})).await?;
    Ok(list
        .target_infos
        .into_iter()
        .filter(|target| !matches!(target.kind.as_str(), "browser" | "tab"))
        .collect())
}

async fn ask<T: for<'a> Deserialize<'a>>(
    browser: &Browser,
    method: &str,
    params: &Value,
) -> Result<T, ApiError> {
    let answer = browser.cdp_client().send(None, method, params).await.map_err(|error| match error {
        CdpError::Refused { message, .. } => ApiError::bad_request(message),
        error => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string()),
    })?;
    serde_json::from_str(answer.get()).map_err(|error| ApiError::internal(format!("{method}: {error}")))
}

/// Takes `%xx` out of an address that stands in another one's query.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, code(0), code(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_query_is_read_as_chromium_reads_it() {
        assert_eq!(decode("https%3A%2F%2Fexample.org%2F%C3%A4"), "https://example.org/ä");
        assert_eq!(decode("https://example.org/?a=b+c"), "https://example.org/?a=b+c");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
