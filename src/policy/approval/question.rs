//! What is asked, answered and shown: the values that go in and out of the
//! queue. What is too long to be shown is cut here.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use crate::base::{Actor, ActorId, Role};
use crate::policy::action::{Action, Class, Target};
use crate::policy::glob::Glob;
use crate::policy::place::Place;
use crate::policy::rule::{Effect, OneOrMany, Rule};
use crate::policy::rules::{Decision, RuleRef};

/// The longest word of a person to an agent, and of an agent's reason, in characters.
pub(super) const LONGEST_MESSAGE: usize = 500;
/// The longest text that is shown of one argument, in characters.
const LONGEST_SHOWN: usize = 1000;
/// The most that is shown of all arguments, in bytes of JSON.
const MOST_SHOWN: usize = 16 << 10;
/// The largest picture, in bytes.
pub const LARGEST_PICTURE: usize = 512 << 10;

/// One approval. Unlike any of another room or another start of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId {
    pub(super) queue: u64,
    pub(super) serial: u64,
}

/// The text is no approval's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an approval's id is 16 hexadecimal digits, a dash and a number")]
pub struct ApprovalIdError;

/// The page as it was: document, element, address. Only ever compared.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

/// A question. Whatever may be secret in it is redacted before.
#[derive(Clone, Debug)]
pub struct Request {
    pub actor: Actor,
    pub tool: String,
    pub classes: Vec<Class>,
    pub places: Vec<Place>,
    pub targets: Vec<Target>,
    /// As they are shown; long ones are cut when asked.
    pub arguments: Value,
    /// What will be typed, as it is shown.
    pub texts: Vec<String>,
    /// The agent's word for it.
    pub why: Option<String>,
    /// What decided that it must be asked.
    pub decision: Decision,
    pub fingerprint: Fingerprint,
    /// How long the agent waits; at most the limit.
    pub wait: Duration,
    /// The page around the target, as a PNG or JPEG.
    pub picture: Option<Bytes>,
    /// The conversation that it belongs to, when an agent that people talk to asks.
    pub session: Option<SessionCall>,
    /// What "always" means where it is no rule of ours but the agent's own
    /// memory: in words, with how long it lasts.
    pub always: Option<String>,
}

/// A call within a person's conversation with an agent, by the agent's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct SessionCall {
    /// Who asks; a subagent has a session of its own.
    pub session: String,
    /// The session that people opened: the same, or an ancestor.
    pub root: String,
    pub call: Option<String>,
    pub project: String,
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Yes, this time.
    Once,
    /// Yes, and for the same at this origin from now on.
    AlwaysForOrigin,
    /// Yes, and for what the approval's `always` says from now on.
    Always,
    /// No, with a word to the agent.
    Deny {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

/// Who answered what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Answered {
    #[ts(type = "string")]
    #[schema(value_type = String)]
    pub by: ActorId,
    pub name: String,
    pub role: Role,
    pub answer: Answer,
}

/// How an approval ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// It was used for the one action that it is good for.
    Spent {
        answered: Answered,
    },
    Denied {
        answered: Answered,
    },
    /// Nobody answered in time, or the yes was not used in time.
    Expired {
        answered: Option<Answered>,
    },
    /// The page is not as it was.
    Stale {
        answered: Option<Answered>,
    },
    /// Who asked wants it no longer, or left.
    Withdrawn {
        answered: Option<Answered>,
    },
    /// The room ended or lost its browser.
    Closed {
        reason: String,
        answered: Option<Answered>,
    },
}

/// An open approval as approvers see it.
#[derive(Clone, Debug, PartialEq, Serialize, TS, ToSchema)]
pub struct ApprovalView {
    #[ts(type = "string")]
    #[schema(value_type = String)]
    pub id: ApprovalId,
    /// Among those that wait, from 1; nothing once it is answered.
    pub position: Option<u32>,
    /// How many wait.
    pub of: u32,
    #[ts(type = "string")]
    #[schema(value_type = String)]
    pub actor: ActorId,
    pub name: String,
    pub role: Role,
    pub tool: String,
    #[ts(type = "string[]")]
    #[schema(value_type = Vec<String>)]
    pub classes: Vec<Class>,
    #[ts(type = "string[]")]
    #[schema(value_type = Vec<String>)]
    pub places: Vec<Place>,
    #[ts(type = "{ role: string, name: string }[]")]
    #[schema(value_type = Vec<Object>)]
    pub targets: Vec<Target>,
    #[ts(type = "unknown")]
    #[schema(value_type = Object)]
    pub arguments: Value,
    pub texts: Vec<String>,
    /// Some of the arguments or texts are longer than what is shown.
    pub shortened: bool,
    pub why: Option<String>,
    /// The rule that asks; nothing if it is the default.
    pub rule: Option<RuleRef>,
    /// When it ends unless it is answered, or unless the yes is used: milliseconds since 1970.
    #[ts(type = "number")]
    pub expires_at: u64,
    /// Whether "always for this origin" can be answered.
    pub can_be_always: bool,
    /// What the answer `always` would allow and how long that lasts; nothing
    /// if it cannot be answered so.
    pub always: Option<String>,
    /// The conversation that it belongs to; nothing if it belongs to none.
    pub session: Option<SessionCall>,
    /// Whether there is a picture to be fetched.
    pub picture: bool,
    /// Once it is answered with yes and not yet used.
    pub answered: Option<Answered>,
}

impl Fingerprint {
    pub fn new(of: impl Into<String>) -> Self {
        Self(of.into())
    }
}

impl Request {
    /// The question whether this action may be done. Arguments and texts are
    /// left out: only who knows what is secret in them can put them in.
    pub fn new(action: &Action, decision: Decision, fingerprint: Fingerprint, wait: Duration) -> Self {
        Self {
            actor: action.actor.clone(),
            tool: action.tool.clone(),
            classes: action.classes.clone(),
            places: action.places.clone(),
            targets: action.targets.clone(),
            arguments: Value::Null,
            texts: Vec::new(),
            why: None,
            decision,
            fingerprint,
            wait,
            picture: None,
            session: None,
            always: None,
        }
    }

    /// Patterns for exactly its origins, if "always" can be said of it.
    pub(super) fn origins(&self) -> Option<Vec<String>> {
        let mut places: Vec<String> = self.places.iter().map(Place::pattern).collect::<Option<_>>()?;
        places.sort();
        places.dedup();
        (!places.is_empty() && !self.classes.is_empty()).then_some(places)
    }

    /// Cuts what is too long to be shown; true if something was.
    pub(super) fn shorten(&mut self) -> bool {
        let mut cut = false;
        if let Some(why) = &mut self.why {
            cut |= shorten(why, LONGEST_MESSAGE);
        }
        for target in &mut self.targets {
            cut |= shorten(&mut target.role, 100) | shorten(&mut target.name, LONGEST_MESSAGE);
        }
        if let Some(always) = &mut self.always {
            cut |= shorten(always, LONGEST_MESSAGE);
        }
        for text in &mut self.texts {
            cut |= shorten(text, LONGEST_SHOWN);
        }
        cut |= self.texts.len() > 32 || self.targets.len() > 32;
        self.texts.truncate(32);
        self.targets.truncate(32);
        cut |= shorten_value(&mut self.arguments);
        let length = self.arguments.to_string().len();
        if length > MOST_SHOWN {
            self.arguments = Value::String(format!("too long to be shown: {length} bytes"));
            cut = true;
        }
        if self.picture.as_ref().is_some_and(|picture| picture.len() > LARGEST_PICTURE) {
            self.picture = None;
        }
        cut
    }

    /// The narrowest rule that says yes to the same again: this actor, this
    /// tool with no more classes, these origins.
    pub(super) fn always(&self, id: ApprovalId, by: &Actor) -> Option<Rule> {
        let places = self.origins()?;
        let mut rule = Rule::new(format!("always-{id}"), Effect::Allow);
        rule.who.id = OneOrMany(vec![self.actor.id.clone()]);
        rule.what = OneOrMany(vec![Glob::literally(&self.tool)]);
        rule.classes = OneOrMany(self.classes.clone());
        rule.places = OneOrMany(places);
        let asks = self.decision.asks.iter();
        rule.over = asks.map(|rule| format!("{}/{}", rule.scope, rule.name)).collect();
        rule.note = Some(format!("{} said always for this origin to {}", by.name, self.actor.name));
        Some(rule)
    }
}

impl End {
    /// Who had answered, if somebody had.
    pub fn answered(&self) -> Option<&Answered> {
        match self {
            Self::Spent { answered } | Self::Denied { answered } => Some(answered),
            Self::Expired { answered }
            | Self::Stale { answered }
            | Self::Withdrawn { answered }
            | Self::Closed { answered, .. } => answered.as_ref(),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spent { answered } => write!(f, "{} said yes, and it was used", answered.name),
            Self::Denied { answered: Answered { name, answer, .. } } => match answer {
                Answer::Deny { message: Some(message) } => write!(f, "{name} said no: {message}"),
                _ => write!(f, "{name} said no"),
            },
            Self::Expired { answered: None } => f.write_str("nobody answered in time"),
            Self::Expired { answered: Some(answered) } => {
                write!(f, "{} said yes, but it was not used in time; ask again", answered.name)
            }
            Self::Stale { .. } => f.write_str("the page has changed since it was asked; ask again"),
            Self::Withdrawn { .. } => f.write_str("who asked has withdrawn it"),
            Self::Closed { reason, .. } => write!(f, "it was not answered: {reason}"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "yes, once",
            Self::AlwaysForOrigin => "yes, always for this origin",
            Self::Always => "yes, always",
            Self::Deny { .. } => "no",
        })
    }
}

impl fmt::Debug for Fingerprint {
    /// It may hold an address with a token in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(a page)")
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.queue, self.serial)
    }
}

impl FromStr for ApprovalId {
    type Err = ApprovalIdError;
    fn from_str(text: &str) -> Result<Self, ApprovalIdError> {
        let (queue, serial) = text.split_once('-').ok_or(ApprovalIdError)?;
        let id = Self {
            queue: u64::from_str_radix(queue, 16).map_err(|_| ApprovalIdError)?,
            serial: serial.parse().map_err(|_| ApprovalIdError)?,
        };
        if id.to_string() == text { Ok(id) } else { Err(ApprovalIdError) }
    }
}

impl TryFrom<String> for ApprovalId {
    type Error = ApprovalIdError;
    fn try_from(text: String) -> Result<Self, ApprovalIdError> {
        text.parse()
    }
}

impl From<ApprovalId> for String {
    fn from(id: ApprovalId) -> String {
        id.to_string()
    }
}

pub(super) fn shorten(text: &mut String, longest: usize) -> bool {
    let Some((end, _)) = text.char_indices().nth(longest) else { return false };
    let more = text[end..].chars().count();
    text.truncate(end);
    text.push_str(&format!("… ({more} characters more)"));
    true
}

fn shorten_value(value: &mut Value) -> bool {
    match value {
        Value::String(text) => shorten(text, LONGEST_SHOWN),
        Value::Array(list) => list.iter_mut().fold(false, |cut, value| shorten_value(value) | cut),
        Value::Object(map) => map.values_mut().fold(false, |cut, value| shorten_value(value) | cut),
        _ => false,
    }
}
