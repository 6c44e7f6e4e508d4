//! Routes: requests of a tab that an agent answers, changes or aborts. What
//! no route wants goes on untouched; when the agent leaves, all do.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Glob, Watch};
use crate::browser::CdpEvent;
use crate::browser::fault::ActError;
use crate::floor::FloorPermit;

const MOST: usize = 100;
const LARGEST_BODY: usize = 4 << 20;
const MOST_HEADERS: usize = 100;
const LONGEST_HEADER: usize = 16 << 10;

/// What is done with a request that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteAction {
    /// It is answered here and never sent.
    Fulfil { status: u16, body: Vec<u8>, content_type: Option<String>, headers: Vec<(String, String)> },
    /// It is sent with other headers. Names are compared without case.
    Continue { set: Vec<(String, String)>, remove: Vec<String> },
    /// It fails.
    Abort,
}

/// What an agent wants routed.
#[derive(Clone, Debug)]
pub struct RouteRequest {
    pub pattern: Glob,
    pub action: RouteAction,
}

/// A route that holds.
#[derive(Clone, Debug, Serialize)]
pub struct Route {
    pub pattern: String,
    pub action: String,
    /// How many requests it has dealt with.
    pub matched: u64,
}

struct Active {
    number: u64,
    pattern: Glob,
    action: RouteAction,
    matched: u64,
}

#[derive(Default)]
pub(super) struct Routes {
    active: Vec<Active>,
    last: u64,
}

/// What to say to a request that is held.
pub(super) struct Answer {
    pub method: &'static str,
    pub params: Value,
    /// The route that decided.
    pub route: Option<u64>,
    /// The request's own id when a route decided.
    pub network: Option<String>,
}

impl Routes {
    /// What turns interception on in a session, if there is a route.
    pub fn enable(&self) -> Option<(&'static str, Value)> {
        (!self.active.is_empty()).then(|| ("Fetch.enable", json!({ "patterns": [{ "urlPattern": "*" }] })))
    }

    pub fn count(&mut self, route: Option<u64>) -> bool {
        match self.active.iter_mut().find(|active| Some(active.number) == route) {
            Some(active) => {
                active.matched += 1;
                true
            }
            None => false,
        }
    }

    pub fn describe(&self) -> Vec<String> {
        self.active
            .iter()
            .map(|active| format!("requests for {} are {}", active.pattern, active.action))
            .collect()
    }

    /// The answer to a held request. None only when the event cannot be read.
    pub fn answer(&self, event: &CdpEvent) -> Option<Answer> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Id {
            request_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Paused {
            request: Request,
            network_id: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Request {
            url: String,
            method: String,
            headers: HashMap<String, String>,
        }
        let Id { request_id: id } = event.params()?;
        let go_on = Answer {
            method: "Fetch.continueRequest",
            params: json!({ "requestId": id }),
            route: None,
            network: None,
        };
        let Some(Paused { request, network_id: network }) = event.params() else { return Some(go_on) };
        // The last one that was set wins.
        let Some(active) = self.active.iter().rev().find(|active| active.pattern.matches(&request.url))
        else {
            return Some(go_on);
        };
        let (method, params) = match &active.action {
            RouteAction::Abort => ("Fetch.failRequest", json!({ "requestId": id, "errorReason": "Failed" })),
            RouteAction::Continue { set, remove } => {
                let unwanted = |name: &str| {
                    let named = |other: &str| other.eq_ignore_ascii_case(name);
                    remove.iter().any(|other| named(other)) || set.iter().any(|(other, _)| named(other))
                };
                let kept = request.headers.iter().filter(|(name, _)| !unwanted(name));
                let kept = kept.map(|(name, value)| entry(name, value));
                let headers: Vec<_> =
                    kept.chain(set.iter().map(|(name, value)| entry(name, value))).collect();
                ("Fetch.continueRequest", json!({ "requestId": id, "headers": headers }))
            }
            RouteAction::Fulfil { status, body, content_type, headers } => {
                let given = |name: &str| headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
                let asked = |name: &str| {
                    let found = request.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
                    found.map(|(_, value)| value.as_str())
                };
                let mut all: Vec<_> = headers.iter().map(|(name, value)| entry(name, value)).collect();
                if let Some(kind) = content_type.as_ref().filter(|_| !given("content-type")) {
                    all.push(entry("content-type", kind));
                }
                // A made-up answer to another origin's script would otherwise be withheld from it.
                if let Some(origin) = asked("origin")
                    && !given("access-control-allow-origin")
                {
                    all.push(entry("access-control-allow-origin", origin));
                    all.push(entry("access-control-allow-credentials", "true"));
                }
                let preflight =
                    asked("access-control-request-method").filter(|_| request.method == "OPTIONS");
                match preflight {
                    Some(method) => {
                        all.push(entry("access-control-allow-methods", method));
                        if let Some(names) = asked("access-control-request-headers") {
                            all.push(entry("access-control-allow-headers", names));
                        }
                        let params = json!({ "requestId": id, "responseCode": 204, "responseHeaders": all });
                        ("Fetch.fulfillRequest", params)
                    }
                    None => {
                        let body = BASE64_STANDARD.encode(body);
                        let params = json!({ "requestId": id, "responseCode": status, "responseHeaders": all, "body": body });
                        ("Fetch.fulfillRequest", params)
                    }
                }
            }
        };
        Some(Answer { method, params, route: Some(active.number), network })
    }
}

fn entry(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

impl std::fmt::Display for RouteAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RouteAction::Fulfil { status, body, .. } => {
                write!(f, "answered with status {status} and {} bytes", body.len())
            }
            RouteAction::Continue { set, remove } => {
                let names: Vec<_> = set.iter().map(|(name, _)| format!("+{name}")).collect();
                let gone: Vec<_> = remove.iter().map(|name| format!("-{name}")).collect();
                write!(f, "sent with other headers ({})", [names, gone].concat().join(", "))
            }
            RouteAction::Abort => f.write_str("aborted"),
        }
    }
}

impl RouteAction {
    fn check(&self) -> Result<(), ActError> {
        let refused = |text: &str| Err(ActError::Refused(text.to_owned()));
        let headers = match self {
            RouteAction::Fulfil { status, body, headers, content_type } => {
                if !(200..=599).contains(status) {
                    return refused("a status is between 200 and 599");
                }
                if body.len() > LARGEST_BODY {
                    return refused("the body of a route may have 4 MiB at most");
                }
                if content_type.as_ref().is_some_and(|kind| !is_value(kind)) {
                    return refused("the content type has a character that no header has");
                }
                headers
            }
            RouteAction::Continue { set, remove } => {
                if remove.len() > MOST_HEADERS || remove.iter().any(|name| !is_name(name)) {
                    return refused("a header to be removed has no proper name");
                }
                set
            }
            RouteAction::Abort => return Ok(()),
        };
        match headers.iter().find(|(name, value)| !is_name(name) || !is_value(value)) {
            _ if headers.len() > MOST_HEADERS => refused("a route may have 100 headers at most"),
            Some((name, _)) => {
                refused(&format!("the header {name:?} is none; give each as \"Name: Value\" on one line"))
            }
            None => Ok(()),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 200
        && name.chars().all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c))
}

fn is_value(value: &str) -> bool {
    value.len() <= LONGEST_HEADER && !value.chars().any(|c| c.is_control() && c != '\t')
}

impl Watch {
    /// From now on, requests of this tab that match are dealt with like this.
    /// A route with the same pattern is replaced.
    pub async fn route(&self, permit: &FloorPermit, wanted: RouteRequest) -> Result<(), ActError> {
        wanted.action.check()?;
        let is_full = {
            let routes = self.seen.routes.borrow();
            let replaces = routes.active.iter().any(|active| active.pattern == wanted.pattern);
            !replaces && routes.active.len() >= MOST
        };
        if is_full {
            return Err(ActError::Refused(format!("there are {MOST} routes already; remove some first")));
        }
        self.seen.client()?;
        permit.check()?;
        self.seen.routes.send_modify(|routes| {
            routes.active.retain(|active| active.pattern != wanted.pattern);
            routes.last += 1;
            let number = routes.last;
            routes.active.push(Active { number, pattern: wanted.pattern, action: wanted.action, matched: 0 });
        });
        self.intercept().await
    }

    /// Ends the routes with this pattern, or all; returns how many there were.
    pub async fn unroute(&self, permit: &FloorPermit, pattern: Option<&Glob>) -> Result<usize, ActError> {
        permit.check()?;
        let mut ended = 0;
        self.seen.routes.send_modify(|routes| {
            let before = routes.active.len();
            routes.active.retain(|active| pattern.is_some_and(|pattern| active.pattern != *pattern));
            ended = before - routes.active.len();
        });
        if ended > 0 {
            self.intercept().await?;
        }
        Ok(ended)
    }

    pub fn routes(&self) -> Vec<Route> {
        let routes = self.seen.routes.borrow();
        let one = |active: &Active| Route {
            pattern: active.pattern.to_string(),
            action: active.action.to_string(),
            matched: active.matched,
        };
        routes.active.iter().map(one).collect()
    }

    /// Turns interception on or off everywhere. What is held when it goes off goes on.
    async fn intercept(&self) -> Result<(), ActError> {
        let wanted = self.seen.routes.borrow().enable();
        let (method, params) = wanted.unwrap_or(("Fetch.disable", json!({})));
        self.seen.send_all(method, &params).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(pattern: &str, action: RouteAction) -> Routes {
        let pattern = pattern.parse().expect("a pattern");
        Routes { active: vec![Active { number: 1, pattern, action, matched: 0 }], last: 1 }
    }

    fn paused(params: Value) -> CdpEvent {
        CdpEvent::made("Fetch.requestPaused", &params)
    }

    fn request(url: &str) -> CdpEvent {
        paused(json!({ "requestId": "r", "networkId": "n",
            "request": { "url": url, "method": "GET", "headers": { "Cookie": "a", "X-Old": "b", "Origin": "http://o" } } }))
    }

    #[test]
    fn every_held_request_gets_an_answer_also_one_that_cannot_be_read() {
        let routes = routes("**/api", RouteAction::Abort);
        let answer = |event| routes.answer(&event).expect("an answer");
        assert_eq!(answer(request("http://a/api")).method, "Fetch.failRequest");
        assert_eq!(answer(request("http://a/other")).method, "Fetch.continueRequest");
        assert_eq!(answer(paused(json!({ "requestId": "r", "request": 5 }))).method, "Fetch.continueRequest");
        assert!(routes.answer(&paused(json!({}))).is_none());
    }

    #[test]
    fn headers_are_removed_and_replaced_without_regard_to_case() {
        let action = RouteAction::Continue {
            set: vec![("x-old".into(), "new".into())],
            remove: vec!["cookie".into()],
        };
        let answer = routes("**", action).answer(&request("http://a/")).expect("an answer");
        let headers = answer.params["headers"].to_string();
        assert!(
            !headers.contains("Cookie") && headers.contains("new") && !headers.contains("X-Old"),
            "{headers}"
        );
    }

    #[test]
    fn a_made_up_answer_is_readable_by_a_script_of_another_origin() {
        let action = RouteAction::Fulfil {
            status: 201,
            body: b"hi".to_vec(),
            content_type: Some("text/plain".into()),
            headers: vec![],
        };
        let routes = routes("**", action);
        let answer = routes.answer(&request("http://a/")).expect("an answer");
        assert_eq!((&answer.params["responseCode"], &answer.params["body"]), (&json!(201), &json!("aGk=")));
        assert!(answer.params["responseHeaders"].to_string().contains("http://o"));
        let preflight =
            paused(json!({ "requestId": "r", "request": { "url": "http://a/", "method": "OPTIONS",
            "headers": { "Origin": "http://o", "Access-Control-Request-Method": "PUT" } } }));
        assert_eq!(routes.answer(&preflight).expect("an answer").params["responseCode"], 204);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (name, value) in [("", "x"), ("a b", "x"), ("a", "x\r\ny: z"), ("a:", "x")] {
            let headers = vec![(name.to_owned(), value.to_owned())];
            let action = RouteAction::Fulfil { status: 200, body: vec![], content_type: None, headers };
            assert!(action.check().is_err(), "{name} {value}");
        }
        let action = RouteAction::Fulfil { status: 99, body: vec![], content_type: None, headers: vec![] };
        assert!(action.check().is_err());
    }
}
