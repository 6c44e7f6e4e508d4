//! The requests of a tab: what was asked and answered, and what is made up.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::bounded;
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Body, Conditions, DeviceChange, Glob, GlobError, RouteAction, RouteRequest};

/// The most of one body in an answer, and in a file.
const SHOWN: usize = 50_000;
const FILED: usize = 32 << 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Requests {
    /// Also successful ones for images, fonts, scripts and the like; false if left out
    #[serde(rename = "static")]
    with_static: Option<bool>,
    /// Only those whose URL matches this regular expression
    filter: Option<String>,
    /// Also those from before the last navigation
    all: Option<bool>,
    /// Lay the list down as a file of this name instead of answering it
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct OneRequest {
    /// The number of the request, as browser_network_requests lists it
    index: u64,
    /// Only this part of it
    part: Option<Part>,
    /// Lay the result down as a file of this name instead of answering it
    filename: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Part {
    RequestHeaders,
    RequestBody,
    ResponseHeaders,
    ResponseBody,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct State {
    /// offline lets all requests of the tab fail
    state: OnOff,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum OnOff {
    Online,
    Offline,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Route {
    /// URL pattern such as "**/api/users" or "**/*.{png,jpg}"
    pattern: String,
    /// HTTP status to answer with; 200 if left out and there is a body
    status: Option<f64>,
    /// Body to answer with
    body: Option<String>,
    /// Content-Type to answer with
    content_type: Option<String>,
    /// Headers in the form "Name: Value": of the answer when there is one, else added to the request
    headers: Option<Vec<String>>,
    /// Names of headers to take from the request, with commas between
    remove_headers: Option<String>,
    /// Let the request fail
    abort: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Routes {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Unroute {
    /// The pattern of the routes to remove; all if left out
    pattern: Option<String>,
}

impl Tool for Requests {
    const NAME: &'static str = "browser_network_requests";
    const ABOUT: &'static str = "Returns a numbered list of the requests since the page was loaded; browser_network_request shows one";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let filter = self.filter.as_deref().map(|filter| {
            regex::RegexBuilder::new(filter)
                .size_limit(1 << 20)
                .build()
                .map_err(|error| Fault::argument(format!("the filter cannot be used: {error}")))
        });
        let filter = filter.transpose()?;
        let watch = call.watch().await?;
        watch.catch_up().await;
        let mut requests = watch.requests(self.all == Some(true));
        let before = requests.len();
        requests.retain(|request| {
            (self.with_static == Some(true) || !request.is_static() || request.is_failed())
                && filter.as_ref().is_none_or(|filter| filter.is_match(&request.url))
        });
        let lines: Vec<_> = requests.iter().map(ToString::to_string).collect();
        let mut text = lines.join("\n");
        if before > requests.len() {
            text.push_str(&format!(
                "\n({} more are not shown; see static and filter)",
                before - requests.len()
            ));
        }
        if let Some(name) = &self.filename {
            return Ok(Answer::result(call.file(name, "text/plain", text)?));
        }
        let text = if text.is_empty() { "No requests since the page was loaded.".to_owned() } else { text };
        Ok(Answer { structured: Some(json!({ "requests": requests })), ..Answer::result(bounded(text)) })
    }
}

impl Tool for OneRequest {
    const NAME: &'static str = "browser_network_request";
    const ABOUT: &'static str = "Returns headers and bodies of one request, or one part of it";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let most = if self.filename.is_some() { FILED } else { SHOWN };
        let watch = call.watch().await?;
        let request = watch.request(self.index).ok_or_else(|| {
            Fault::argument(format!("there is no request {} any more; list them again", self.index))
        })?;
        let headers = |all: &[(String, String)]| {
            all.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
        };
        let wants = |part| self.part.is_none_or(|wanted| wanted == part);
        let mut parts = Vec::new();
        if self.part.is_none() {
            parts.push(("Request".to_owned(), request.to_string()));
        }
        if wants(Part::RequestHeaders) {
            parts.push(("Request headers".into(), headers(&request.request_headers)));
        }
        if wants(Part::RequestBody)
            && let Some(body) = watch.request_body(self.index, most).await?
        {
            parts.push(("Request body".into(), written(&body)));
        }
        if wants(Part::ResponseHeaders) {
            parts.push(("Response headers".into(), headers(&request.response_headers)));
        }
        if wants(Part::ResponseBody) {
            match watch.response_body(self.index, most).await {
                Ok(body) if self.part.is_some() && self.filename.is_some() => {
                    let (bytes, mime) = (body.bytes(), request.mime_type.clone());
                    let name = self.filename.as_deref().unwrap_or_default();
                    return Ok(Answer::result(call.file(name, &mime, bytes)?));
                }
                Ok(body) => parts.push(("Response body".into(), written(&body))),
                Err(error) if self.part.is_some() => return Err(error.into()),
                Err(error) => parts.push(("Response body".into(), format!("not there: {error}"))),
            }
        }
        let text = match (parts.as_slice(), self.part) {
            ([(_, text)], Some(_)) => text.clone(),
            (parts, _) => {
                parts.iter().map(|(title, text)| format!("{title}\n{text}")).collect::<Vec<_>>().join("\n\n")
            }
        };
        if let Some(name) = &self.filename {
            return Ok(Answer::result(call.file(name, "text/plain", text)?));
        }
        Ok(Answer { structured: Some(json!(request)), ..Answer::result(text) })
    }
}

impl Tool for State {
    const NAME: &'static str = "browser_network_state_set";
    const ABOUT: &'static str = "Take the network of the current tab away, or give it back";
    const GROUP: ToolGroup = ToolGroup::Network;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let held = call.floor().await?;
        let (change, word) = match self.state {
            OnOff::Offline => (Conditions::named("Offline"), "offline"),
            OnOff::Online => (None, "online"),
        };
        call.session.say(format!("sets its tab {word}"));
        call.watch().await?.emulate(held.permit(), DeviceChange::Network(change)).await?;
        Ok(Answer::result(format!("The tab is {word}.")))
    }
}

impl Tool for Route {
    const NAME: &'static str = "browser_route";
    const ABOUT: &'static str = "Answer requests of the current tab that match a pattern with something made up, change their headers, or let them fail";
    const GROUP: ToolGroup = ToolGroup::Network;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let pattern: Glob = glob(&self.pattern)?;
        let mut headers = Vec::new();
        for header in self.headers.iter().flatten() {
            let parts = header.split_once(':');
            let (name, value) = parts
                .ok_or_else(|| Fault::argument(format!("the header {header:?} is not \"Name: Value\"")))?;
            headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        let remove: Vec<_> = self.remove_headers.iter().flat_map(|names| names.split(',')).collect();
        let remove: Vec<_> =
            remove.into_iter().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let answers = self.status.is_some() || self.body.is_some() || self.content_type.is_some();
        let action = if self.abort == Some(true) {
            RouteAction::Abort
        } else if answers {
            let status = self.status.unwrap_or(200.0);
            if !(100.0..600.0).contains(&status) {
                return Err(Fault::argument("status is from 100 to 599"));
            }
            RouteAction::Fulfil {
                status: status as u16,
                body: self.body.unwrap_or_default().into_bytes(),
                content_type: self.content_type,
                headers,
            }
        } else if headers.is_empty() && remove.is_empty() {
            return Err(Fault::argument("say what to do: status, body, headers, removeHeaders or abort"));
        } else {
            RouteAction::Continue { set: headers, remove }
        };
        let held = call.floor().await?;
        call.session.say(format!("routes {}", self.pattern));
        call.watch().await?.route(held.permit(), RouteRequest { pattern, action }).await?;
        Ok(Answer::result(format!("Requests that match {:?} are routed in this tab.", self.pattern)))
    }
}

impl Tool for Routes {
    const NAME: &'static str = "browser_route_list";
    const ABOUT: &'static str = "List the routes of the current tab";
    const GROUP: ToolGroup = ToolGroup::Network;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let Routes {} = self;
        let routes = call.watch().await?.routes();
        let lines: Vec<_> = routes
            .iter()
            .enumerate()
            .map(|(n, route)| {
                format!("{}. {} {} ({} matched)", n + 1, route.pattern, route.action, route.matched)
            })
            .collect();
        let text = if lines.is_empty() { "No routes.".to_owned() } else { lines.join("\n") };
        Ok(Answer { structured: Some(json!({ "routes": routes })), ..Answer::result(text) })
    }
}

impl Tool for Unroute {
    const NAME: &'static str = "browser_unroute";
    const ABOUT: &'static str = "Remove routes of the current tab";
    const GROUP: ToolGroup = ToolGroup::Network;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let pattern = self.pattern.as_deref().map(glob).transpose()?;
        let held = call.floor().await?;
        let removed = call.watch().await?.unroute(held.permit(), pattern.as_ref()).await?;
        Ok(Answer::result(format!("Removed {removed} routes.")))
    }
}

fn glob(pattern: &str) -> Result<Glob, Fault> {
    pattern.parse().map_err(|error: GlobError| Fault::argument(error.to_string()))
}

fn written(body: &Body) -> String {
    let mut text = match body.base64 {
        true => format!("(binary, in base64)\n{}", body.text),
        false => body.text.clone(),
    };
    if let Some(whole) = body.cut_from {
        text.push_str(&format!("\n… it has {whole} bytes; ask with filename for all of it"));
    }
    text
}
