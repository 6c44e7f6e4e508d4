//! One request of a tab, with what is known of its answer.

use serde::Serialize;

use super::shortened;

pub(super) const LONGEST_URL: usize = 8 << 10;

/// A place in the sequence of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestMark(pub(super) u64);

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state", content = "reason")]
pub enum RequestState {
    /// Nothing has come back.
    Sent,
    /// The head of the answer is there, its body is not yet.
    Answered,
    Finished,
    /// Why, as Chromium names it, for instance `net::ERR_ABORTED`.
    Failed(String),
    /// The page that asked has gone.
    Abandoned,
}

/// One hop of a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    pub url: String,
    pub status: u16,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its number in this tab, from one.
    pub number: u64,
    pub method: String,
    pub url: String,
    /// `document`, `stylesheet`, `script`, `image`, `font`, `media`, `xhr`, `fetch`, `websocket` and so on.
    pub kind: String,
    #[serde(flatten)]
    pub state: RequestState,
    pub status: Option<u16>,
    pub status_text: String,
    pub mime_type: String,
    pub protocol: String,
    pub remote_address: String,
    /// Where it was sent on before.
    pub redirects: Vec<Hop>,
    /// Milliseconds since 1970.
    pub started: f64,
    /// Milliseconds until the head of the answer.
    pub answered_after: Option<f64>,
    /// Milliseconds until the end.
    pub ended_after: Option<f64>,
    /// Bytes over the wire.
    pub encoded_bytes: u64,
    pub decoded_bytes: u64,
    pub from_cache: bool,
    pub from_service_worker: bool,
    /// Answered or changed by a route of an agent.
    pub routed: bool,
    /// Why it was blocked, if it was.
    pub blocked: Option<String>,
    #[serde(skip)]
    pub request_headers: Vec<(String, String)>,
    #[serde(skip)]
    pub response_headers: Vec<(String, String)>,
    /// The body that was sent, when it is short text.
    #[serde(skip)]
    pub(super) posted: Option<String>,
    #[serde(skip)]
    pub(super) has_body: bool,
    #[serde(skip)]
    pub(super) session: String,
    #[serde(skip)]
    pub(super) id: String,
    #[serde(skip)]
    pub(super) loader: String,
    #[serde(skip)]
    pub(super) frame: String,
    #[serde(skip)]
    pub(super) clock: f64,
}

impl Request {
    /// Images, styles, scripts, fonts, media: what one seldom wants to see.
    pub fn is_static(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "stylesheet" | "script" | "image" | "font" | "media" | "manifest" | "texttrack" | "preflight"
        )
    }

    pub fn is_failed(&self) -> bool {
        matches!(self.state, RequestState::Failed(_)) || self.status.is_some_and(|status| status >= 400)
    }

    /// Whether an act should wait for it: it has an end, and the page is built from it.
    pub(super) fn is_awaited(&self) -> bool {
        match (&self.state, self.kind.as_str()) {
            (RequestState::Sent, "document" | "script" | "stylesheet" | "xhr" | "fetch") => true,
            (RequestState::Answered, "script" | "stylesheet" | "xhr" | "fetch") => {
                self.mime_type != "text/event-stream"
            }
            _ => false,
        }
    }

    pub(super) fn size(&self) -> usize {
        let headers = |list: &[(String, String)]| {
            list.iter().map(|(name, value)| name.len() + value.len() + 48).sum::<usize>()
        };
        512 + self.url.len()
            + self.posted.as_ref().map_or(0, String::len)
            + headers(&self.request_headers)
            + headers(&self.response_headers)
            + self.redirects.iter().map(|hop| hop.url.len() + 32).sum::<usize>()
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}. [{}] {}", self.number, self.method, self.url)?;
        match (&self.state, self.status) {
            (RequestState::Failed(reason), _) => write!(f, " => [FAILED] {reason}"),
            (RequestState::Abandoned, None) => write!(f, " => [ABANDONED]"),
            (_, Some(status)) => write!(f, " => [{status}] {}", self.status_text),
            (_, None) => write!(f, " => [PENDING]"),
        }
    }
}

impl Request {
    pub(super) fn new(session: &str, id: &str, method: &str, url: &str, kind: &str) -> Self {
        Self {
            number: 0,
            method: shortened(method, 32),
            url: shortened(url, LONGEST_URL),
            kind: if kind.is_empty() { "other".into() } else { kind.to_owned() },
            state: RequestState::Sent,
            status: None,
            status_text: String::new(),
            mime_type: String::new(),
            protocol: String::new(),
            remote_address: String::new(),
            redirects: Vec::new(),
            started: 0.0,
            answered_after: None,
            ended_after: None,
            encoded_bytes: 0,
            decoded_bytes: 0,
            from_cache: false,
            from_service_worker: false,
            routed: false,
            blocked: None,
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            posted: None,
            has_body: false,
            session: session.to_owned(),
            id: id.to_owned(),
            loader: String::new(),
            frame: String::new(),
            clock: 0.0,
        }
    }
}
