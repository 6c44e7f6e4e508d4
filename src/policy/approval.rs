//! The one queue of a room's approvals.
//!
//! ```text
//!              answer: deny ───────────────────────────▶ denied
//!            ╱ the page is another ────────────────────▶ stale
//!   waiting ── withdrawn, closed, deadline ────────────▶ withdrawn, closed, expired
//!            ╲ answer: once, always
//!              ╲      ╱ spend: the page is as it was ──▶ spent
//!               approved ─ the page is another ────────▶ stale
//!                     ╲ withdrawn, closed, unused ─────▶ withdrawn, closed, expired
//! ```
//!
//! Every approval that is asked for ends exactly once, and only `spend` says
//! yes: once, while the page is as it was. All else is a no, a restart too,
//! since ids of another life are unknown here. What is stale is asked again by
//! whoever wants it, with what the page is now.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use super::action::{Action, Class, Target};
use super::glob::Glob;
use super::place::Place;
use super::rule::{Effect, OneOrMany, Rule};
use super::rules::{By, Decision, RuleRef};
use crate::base::{Actor, ActorId, ActorKind, Role};

/// The longest word of a person to an agent, and of an agent's reason, in characters.
const LONGEST_MESSAGE: usize = 500;
/// The longest text that is shown of one argument, in characters.
const LONGEST_SHOWN: usize = 1000;
/// The most that is shown of all arguments, in bytes of JSON.
const MOST_SHOWN: usize = 16 << 10;
/// The largest picture, in bytes.
pub const LARGEST_PICTURE: usize = 512 << 10;
/// Ended approvals of which it is still known how.
const MOST_ENDED: usize = 128;
/// Events that wait to be polled; more are made by nobody who polls.
const MOST_EVENTS: usize = 1024;
/// Over how long questions are counted.
const MINUTE: Duration = Duration::from_secs(60);

/// One approval. Unlike any of another room or another start of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ApprovalId {
    queue: u64,
    serial: u64,
}

/// The text is no approval's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an approval's id is 16 hexadecimal digits, a dash and a number")]
pub struct ApprovalIdError;

/// The page as it was: document, element, address. Only ever compared.
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

/// What may be asked at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open at once in the room.
    pub room: usize,
    /// Open at once of one actor.
    pub actor: usize,
    /// Asked by one actor within a minute.
    pub rate: usize,
    /// How long a question waits at most.
    pub wait: Duration,
    /// How long a yes is good for.
    pub use_within: Duration,
}

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
}

/// A person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// Yes, this time.
    Once,
    /// Yes, and for the same at this origin from now on.
    AlwaysForOrigin,
    /// No, with a word to the agent.
    Deny {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
}

/// Who answered what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
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

/// Why there is no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("{limit} approvals wait in this room already; wait until people have answered some")]
    RoomFull { limit: usize },
    #[error("{limit} approvals of yours wait already; wait until people have answered them")]
    ActorFull { limit: usize },
    #[error("you have asked {limit} times within a minute; ask again in {} s", wait.as_secs() + 1)]
    TooOften { limit: usize, wait: Duration },
    #[error("the room is closed: {reason}")]
    Closed { reason: String },
}

/// Why an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("a {} may not answer; people who may act in the room do", role.as_str())]
    MayNotAnswer { role: Role },
    #[error("{} has answered already: {}", .0.name, .0.answer)]
    AlreadyAnswered(Answered),
    #[error("it is not asked any more: {0}")]
    Gone(End),
    #[error("there is no such approval; it ended long ago, or before the server started")]
    Unknown,
    #[error("its origin or its classes are not known, so there is nothing to allow always; say yes once")]
    NotAlways,
}

/// Why an approval cannot be used. All of them mean no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    #[error("nobody has answered yet")]
    Waiting,
    #[error("the page has changed since it was asked; ask again")]
    Stale,
    #[error("{0}")]
    Ended(End),
    #[error("there is no such approval; it ended long ago, or before the server started")]
    Unknown,
}

/// A yes that counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    pub answered: Answered,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Asked {
        id: ApprovalId,
    },
    /// It was answered. After a `Deny`, its end follows.
    Answered {
        id: ApprovalId,
        answered: Answered,
    },
    /// The answer was "always": this rule is to be stored with the room's.
    Rule {
        id: ApprovalId,
        rule: Box<Rule>,
    },
    Ended {
        id: ApprovalId,
        end: End,
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
    /// Until it is answered, or until the yes must be used.
    pub expires_in_ms: u64,
    /// Whether "always for this origin" can be answered.
    pub can_be_always: bool,
    /// Whether there is a picture to be fetched.
    pub picture: bool,
    /// Once it is answered with yes and not yet used.
    pub answered: Option<Answered>,
}

/// The queue. Every method takes the time; none reads it. A time before one
/// that was seen counts as that one.
#[derive(Debug)]
pub struct Approvals {
    queue: u64,
    limits: Limits,
    now: Option<Instant>,
    next: u64,
    open: BTreeMap<ApprovalId, Entry>,
    ended: VecDeque<(ApprovalId, End)>,
    asked: BTreeMap<ActorId, VecDeque<Instant>>,
    events: VecDeque<Event>,
    closed: Option<String>,
}

#[derive(Debug)]
struct Entry {
    request: Request,
    shortened: bool,
    deadline: Instant,
    answered: Option<Answered>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            room: 64,
            actor: 8,
            rate: 30,
            wait: Duration::from_secs(300),
            use_within: Duration::from_secs(30),
        }
    }
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
        }
    }

    /// Patterns for exactly its origins, if "always" can be said of it.
    fn origins(&self) -> Option<Vec<String>> {
        let mut places: Vec<String> = self.places.iter().map(Place::pattern).collect::<Option<_>>()?;
        places.sort();
        places.dedup();
        (!places.is_empty() && !self.classes.is_empty()).then_some(places)
    }

    /// Cuts what is too long to be shown; true if something was.
    fn shorten(&mut self) -> bool {
        let mut cut = false;
        if let Some(why) = &mut self.why {
            cut |= shorten(why, LONGEST_MESSAGE);
        }
        for target in &mut self.targets {
            cut |= shorten(&mut target.role, 100) | shorten(&mut target.name, LONGEST_MESSAGE);
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
    fn always(&self, id: ApprovalId, by: &Actor) -> Option<Rule> {
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

impl Approvals {
    /// `queue`: a random number that no other queue has, of another room or
    /// before a restart, so that an old answer meets no new question.
    pub fn new(queue: u64, limits: Limits) -> Self {
        Self {
            queue,
            limits,
            now: None,
            next: 1,
            open: BTreeMap::new(),
            ended: VecDeque::new(),
            asked: BTreeMap::new(),
            events: VecDeque::new(),
            closed: None,
        }
    }

    // Getters.

    /// What is open: first what waits, the oldest first, then what was
    /// answered with yes and is not used yet.
    pub fn views(&self, now: Instant) -> Vec<ApprovalView> {
        let now = self.latest(now);
        let of = self.open.values().filter(|entry| entry.answered.is_none()).count() as u32;
        let mut position = 0;
        let mut views: Vec<ApprovalView> = self
            .open
            .iter()
            .map(|(id, entry)| {
                let waits = entry.answered.is_none();
                position += u32::from(waits);
                entry.view(*id, now, waits.then_some(position), of)
            })
            .collect();
        views.sort_by_key(|view| view.position.is_none());
        views
    }

    /// The picture of an open approval.
    pub fn picture(&self, id: ApprovalId) -> Option<&Bytes> {
        self.open.get(&id)?.request.picture.as_ref()
    }

    /// Open ones, answered or not.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How it stands, without using it up. `None`: approved and not used yet.
    pub fn standing(&self, id: ApprovalId) -> Option<NotApproved> {
        match self.open.get(&id) {
            Some(entry) if entry.answered.is_some() => None,
            Some(_) => Some(NotApproved::Waiting),
            None => Some(self.how_it_ended(id).map_or(NotApproved::Unknown, NotApproved::Ended)),
        }
    }

    // Handlers.

    /// Asks. The answer comes as an event with this id.
    pub fn ask(&mut self, now: Instant, mut request: Request) -> Result<ApprovalId, AskError> {
        let now = self.advance(now);
        if let Some(reason) = &self.closed {
            return Err(AskError::Closed { reason: reason.clone() });
        }
        let limits = self.limits;
        if self.open.len() >= limits.room || self.events.len() >= MOST_EVENTS {
            return Err(AskError::RoomFull { limit: limits.room });
        }
        let actor = request.actor.id.clone();
        if self.open.values().filter(|entry| entry.request.actor.id == actor).count() >= limits.actor {
            return Err(AskError::ActorFull { limit: limits.actor });
        }
        self.asked.retain(|_, times| {
            times.retain(|at| now.duration_since(*at) < MINUTE);
            !times.is_empty()
        });
        let times = self.asked.entry(actor).or_default();
        if let Some(first) = times.front().filter(|_| times.len() >= limits.rate) {
            let wait = MINUTE.saturating_sub(now.duration_since(*first));
            return Err(AskError::TooOften { limit: limits.rate, wait });
        }
        times.push_back(now);
        let id = ApprovalId { queue: self.queue, serial: self.next };
        self.next += 1;
        let shortened = request.shorten();
        let deadline = now + request.wait.min(limits.wait);
        self.open.insert(id, Entry { request, shortened, deadline, answered: None });
        self.events.push_back(Event::Asked { id });
        Ok(id)
    }

    /// A person answers. The first answer counts.
    pub fn answer(
        &mut self,
        now: Instant,
        id: ApprovalId,
        by: &Actor,
        mut answer: Answer,
    ) -> Result<(), AnswerError> {
        let now = self.advance(now);
        if by.kind() != ActorKind::Person || !by.role.may_act() {
            return Err(AnswerError::MayNotAnswer { role: by.role });
        }
        let Some(entry) = self.open.get_mut(&id) else {
            return Err(match self.how_it_ended(id) {
                Some(end) => match end.answered() {
                    Some(answered) => AnswerError::AlreadyAnswered(answered.clone()),
                    None => AnswerError::Gone(end),
                },
                None => AnswerError::Unknown,
            });
        };
        if let Some(answered) = &entry.answered {
            return Err(AnswerError::AlreadyAnswered(answered.clone()));
        }
        let rule = match &mut answer {
            Answer::Once => None,
            Answer::AlwaysForOrigin => Some(entry.request.always(id, by).ok_or(AnswerError::NotAlways)?),
            Answer::Deny { message } => {
                if let Some(message) = message {
                    shorten(message, LONGEST_MESSAGE);
                }
                None
            }
        };
        let denied = matches!(answer, Answer::Deny { .. });
        let answered = Answered { by: by.id.clone(), name: by.name.clone(), role: by.role, answer };
        entry.answered = Some(answered.clone());
        entry.deadline = now + self.limits.use_within;
        self.events.push_back(Event::Answered { id, answered: answered.clone() });
        if let Some(rule) = rule {
            self.events.push_back(Event::Rule { id, rule: Box::new(rule) });
        }
        if denied {
            self.end(id, End::Denied { answered });
        }
        Ok(())
    }

    /// Uses a yes up, right before the action. Only if the page is as it was
    /// when it was asked; otherwise the approval ends and is to be asked again.
    pub fn spend(
        &mut self,
        now: Instant,
        id: ApprovalId,
        page: &Fingerprint,
    ) -> Result<Approved, NotApproved> {
        self.advance(now);
        if let Some(no) = self.standing(id) {
            return Err(no);
        }
        if self.observe(now, id, page) {
            return Err(NotApproved::Stale);
        }
        let answered = self.open.get(&id).and_then(|entry| entry.answered.clone());
        let answered = answered.ok_or(NotApproved::Unknown)?;
        self.end(id, End::Spent { answered: answered.clone() });
        Ok(Approved { answered })
    }

    /// The page is now like this. An approval that was asked for another one
    /// ends, answered or not; true if it did.
    pub fn observe(&mut self, now: Instant, id: ApprovalId, page: &Fingerprint) -> bool {
        self.advance(now);
        let Some(entry) = self.open.get(&id).filter(|entry| entry.request.fingerprint != *page) else {
            return false;
        };
        let answered = entry.answered.clone();
        self.end(id, End::Stale { answered });
        true
    }

    /// Who asked wants it no longer.
    pub fn withdraw(&mut self, now: Instant, id: ApprovalId) {
        self.advance(now);
        if let Some(entry) = self.open.get(&id) {
            let answered = entry.answered.clone();
            self.end(id, End::Withdrawn { answered });
        }
    }

    /// An actor left: nothing of theirs is asked any more.
    pub fn withdraw_all(&mut self, now: Instant, actor: &ActorId) {
        let theirs = self.open.iter().filter(|(_, entry)| entry.request.actor.id == *actor);
        for id in theirs.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.withdraw(now, id);
        }
    }

    /// Ends everything that is open, with a reason: the room lost its browser.
    /// Questions can be asked again afterwards.
    pub fn fail(&mut self, now: Instant, reason: &str) {
        self.advance(now);
        let open = self.open.iter().map(|(id, entry)| (*id, entry.answered.clone()));
        for (id, answered) in open.collect::<Vec<_>>() {
            self.end(id, End::Closed { reason: reason.to_owned(), answered });
        }
    }

    /// The room ends: nothing is asked any more.
    pub fn close(&mut self, now: Instant, reason: &str) {
        self.fail(now, reason);
        self.closed.get_or_insert_with(|| reason.to_owned());
    }

    /// Ends what is over at this time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    // Pollers.

    /// When the next approval ends by itself.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.open.values().map(|entry| entry.deadline).min()
    }

    /// What happened and was not polled yet. To be polled empty after every handler.
    pub fn poll_output(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn latest(&self, now: Instant) -> Instant {
        self.now.map_or(now, |seen| seen.max(now))
    }

    /// Takes the time, and ends what is over: a deadline holds also when its
    /// timer is late.
    fn advance(&mut self, now: Instant) -> Instant {
        let now = self.latest(now);
        self.now = Some(now);
        let over = self.open.iter().filter(|(_, entry)| entry.deadline <= now);
        for (id, answered) in over.map(|(id, entry)| (*id, entry.answered.clone())).collect::<Vec<_>>() {
            self.end(id, End::Expired { answered });
        }
        now
    }

    fn end(&mut self, id: ApprovalId, end: End) {
        if self.open.remove(&id).is_none() {
            return;
        }
        if self.ended.len() == MOST_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back((id, end.clone()));
        self.events.push_back(Event::Ended { id, end });
    }

    fn how_it_ended(&self, id: ApprovalId) -> Option<End> {
        self.ended.iter().find(|(ended, _)| *ended == id).map(|(_, end)| end.clone())
    }
}

impl Entry {
    fn view(&self, id: ApprovalId, now: Instant, position: Option<u32>, of: u32) -> ApprovalView {
        let request = &self.request;
        let left = self.deadline.saturating_duration_since(now);
        ApprovalView {
            id,
            position,
            of,
            actor: request.actor.id.clone(),
            name: request.actor.name.clone(),
            role: request.actor.role,
            tool: request.tool.clone(),
            classes: request.classes.clone(),
            places: request.places.clone(),
            targets: request.targets.clone(),
            arguments: request.arguments.clone(),
            texts: request.texts.clone(),
            shortened: self.shortened,
            why: request.why.clone(),
            rule: match &request.decision.by {
                By::Rule(rule) => Some(rule.clone()),
                By::Default => None,
            },
            expires_in_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            can_be_always: request.origins().is_some(),
            picture: request.picture.is_some(),
            answered: self.answered.clone(),
        }
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

fn shorten(text: &mut String, longest: usize) -> bool {
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

#[cfg(test)]
mod tests;
