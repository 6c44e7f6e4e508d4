//! What one line of the record says.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::redact;
use crate::base::{Actor, ActorId, Role, RoomId};
use crate::policy::SessionCall;
use crate::store::NewLine;

/// The longest details of one line, in bytes of JSON.
const MOST_DETAILS: usize = 4096;
/// The longest reason, in characters.
const LONGEST_REASON: usize = 300;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// An agent's tool or CDP method that changes something.
    Act,
    /// An agent's tool that only looks.
    Look,
    /// A person's hands, once for each time that they had the floor.
    Input,
    /// What a rule denied before it became an act: a CDP client's message. A
    /// tool's call that is denied is an act that was refused.
    Decision,
    Approval,
    /// Takeovers, hand-backs, turns, requests, modes.
    Floor,
    Join,
    Leave,
    /// A room's settings: its size, its mode.
    Setting,
    Rules,
    Help,
    Token,
    /// The room was made or removed; its browser came or went.
    Room,
    /// The record itself: what could not be written in its time.
    Record,
}

/// How far a thing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is about to happen; another line with `of` says how it ended.
    Begun,
    Done,
    Refused,
    Failed,
    Cancelled,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedBy {
    #[schema(value_type = String)]
    pub id: ActorId,
    pub name: String,
    pub role: Role,
}

/// A line as it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Line {
    pub seq: u64,
    /// Milliseconds since 1970.
    pub at: i64,
    #[schema(value_type = String)]
    pub room: RoomId,
    pub kind: RecordKind,
    /// The tool, the CDP method, or a word for what happened.
    pub what: String,
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Nobody when the room did it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<RecordedBy>,
    /// Origin and path of the page, never its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// The line that began what this one ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object)]
    pub details: Map<String, Value>,
}

/// A line with its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Signed {
    /// SHA-256 over the hash before and the line in canonical JSON; hexadecimal.
    pub hash: String,
    pub line: Line,
}

/// A line to be written. Its parts are made fit to be kept as they are put in.
#[derive(Clone, Debug)]
pub struct Entry {
    at: i64,
    kind: RecordKind,
    what: String,
    outcome: Outcome,
    reason: Option<String>,
    who: Option<RecordedBy>,
    page: Option<String>,
    of: Option<u64>,
    details: Map<String, Value>,
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl RecordKind {
    pub const ALL: [Self; 14] = [
        Self::Act,
        Self::Look,
        Self::Input,
        Self::Decision,
        Self::Approval,
        Self::Floor,
        Self::Join,
        Self::Leave,
        Self::Setting,
        Self::Rules,
        Self::Help,
        Self::Token,
        Self::Room,
        Self::Record,
    ];
}

impl Entry {
    /// Something that happens now and is done.
    pub fn new(kind: RecordKind, what: &str) -> Self {
        Self {
            at: now(),
            kind,
            what: redact::shortened(what, 120),
            outcome: Outcome::Done,
            reason: None,
            who: None,
            page: None,
            of: None,
            details: Map::new(),
        }
    }

    pub fn by(mut self, actor: &Actor) -> Self {
        let Actor { id, name, role, .. } = actor.clone();
        self.who = Some(RecordedBy { id, name, role });
        self
    }

    /// The page on which it happens, by its whole address.
    pub fn page(mut self, url: &str) -> Self {
        self.page = (!url.is_empty()).then(|| redact::address(url));
        self
    }

    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(redact::words(reason, LONGEST_REASON)).filter(|reason| !reason.is_empty());
        self
    }

    /// More about it, an object. What looks like a secret is taken out here too.
    pub fn details(mut self, details: Value) -> Self {
        if let Value::Object(mut details) = redact::value(details) {
            details.retain(|_, value| !value.is_null());
            let length = serde_json::to_string(&details).map_or(0, |text| text.len());
            self.details = match length > MOST_DETAILS {
                true => Map::from_iter([("too_long".to_owned(), Value::from(length))]),
                false => details,
            };
        }
        self
    }

    /// Which call of a conversation it is. An id of a session is no secret here,
    /// whatever its name: it opens nothing by itself.
    pub fn of_call(mut self, call: &SessionCall) -> Self {
        for (key, value) in
            [("session", Some(&call.session)), ("call", call.call.as_ref()), ("project", Some(&call.project))]
        {
            if let Some(value) = value {
                self.details.insert(key.to_owned(), redact::shortened(value, 120).into());
            }
        }
        self
    }

    /// The end of what this one begins.
    pub(super) fn ending(&self, seq: u64, outcome: Outcome) -> Self {
        Self { at: now(), of: Some(seq), outcome, reason: None, details: Map::new(), ..self.clone() }
    }

    pub(super) fn into_line(self, room: &RoomId) -> NewLine {
        let line = Line {
            seq: 0,
            at: self.at,
            room: room.clone(),
            kind: self.kind,
            what: self.what,
            outcome: self.outcome,
            reason: self.reason,
            who: self.who,
            page: self.page,
            of: self.of,
            details: self.details,
        };
        let Ok(Value::Object(line)) = serde_json::to_value(line) else {
            unreachable!("a line is an object with texts for keys")
        };
        NewLine { at: self.at, line }
    }
}
