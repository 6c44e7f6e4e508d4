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

mod question;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use self::question::{
    Answer, Answered, ApprovalId, ApprovalIdError, ApprovalView, End, Fingerprint, LARGEST_PICTURE, Request,
    SessionCall,
};
use self::question::{LONGEST_MESSAGE, shorten};
use super::rule::Rule;
use super::rules::By;
use crate::base::{Actor, ActorId, ActorKind, Role};

/// Ended approvals of which it is still known how.
const MOST_ENDED: usize = 128;
/// Events that wait to be polled; more are made by nobody who polls.
const MOST_EVENTS: usize = 1024;
/// Over how long questions are counted.
const MINUTE: Duration = Duration::from_secs(60);

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
    #[error("this cannot be allowed always in that way; say yes once")]
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
            // As long as an agent that people talk to keeps its question; others wait shorter.
            wait: Duration::from_secs(1800),
            use_within: Duration::from_secs(30),
        }
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
    /// answered with yes and is not used yet. `clock` says what a moment is
    /// in milliseconds since 1970.
    pub fn views(&self, clock: impl Fn(Instant) -> u64) -> Vec<ApprovalView> {
        let of = self.open.values().filter(|entry| entry.answered.is_none()).count() as u32;
        let mut position = 0;
        let mut views: Vec<ApprovalView> = self
            .open
            .iter()
            .map(|(id, entry)| {
                let waits = entry.answered.is_none();
                position += u32::from(waits);
                entry.view(*id, clock(entry.deadline), waits.then_some(position), of)
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
        answer: Answer,
    ) -> Result<(), AnswerError> {
        let now = self.advance(now);
        if by.kind() != ActorKind::Person || !by.role.may_act() {
            return Err(AnswerError::MayNotAnswer { role: by.role });
        }
        self.settle(now, id, by, answer)
    }

    /// Whoever sits at the client of the agent that asks answers: once or no,
    /// of what this agent asked alone. Nobody here can tell a person from a
    /// program there, so the answer stands under the agent's id and role, and
    /// whether it is heard at all is the room's setting.
    pub fn answer_at_client(
        &mut self,
        now: Instant,
        id: ApprovalId,
        agent: &Actor,
        answer: Answer,
    ) -> Result<(), AnswerError> {
        let now = self.advance(now);
        if self.open.get(&id).is_some_and(|entry| entry.request.actor.id != agent.id) {
            return Err(AnswerError::MayNotAnswer { role: agent.role });
        }
        if answer == Answer::AlwaysForOrigin {
            return Err(AnswerError::NotAlways);
        }
        let by = Actor { name: format!("the user of {}", agent.name), ..agent.clone() };
        self.settle(now, id, &by, answer)
    }

    /// The first answer counts.
    fn settle(
        &mut self,
        now: Instant,
        id: ApprovalId,
        by: &Actor,
        mut answer: Answer,
    ) -> Result<(), AnswerError> {
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
            // The agent keeps it; there is no rule of ours.
            Answer::Always if entry.request.always.is_some() => None,
            Answer::Always => return Err(AnswerError::NotAlways),
            Answer::AlwaysForOrigin if entry.request.always.is_some() => return Err(AnswerError::NotAlways),
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

    /// Ends what is open about pages, with a reason: the room lost its browser.
    /// Questions can be asked again afterwards.
    pub fn fail(&mut self, now: Instant, reason: &str) {
        self.end_all(now, reason, |request| request.session.is_none());
    }

    fn end_all(&mut self, now: Instant, reason: &str, so: impl Fn(&Request) -> bool) {
        self.advance(now);
        let open = self.open.iter().filter(|(_, entry)| so(&entry.request));
        let open = open.map(|(id, entry)| (*id, entry.answered.clone()));
        for (id, answered) in open.collect::<Vec<_>>() {
            self.end(id, End::Closed { reason: reason.to_owned(), answered });
        }
    }

    /// The room ends: nothing is asked any more.
    pub fn close(&mut self, now: Instant, reason: &str) {
        self.end_all(now, reason, |_| true);
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
    fn view(&self, id: ApprovalId, expires_at: u64, position: Option<u32>, of: u32) -> ApprovalView {
        let request = &self.request;
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
            expires_at,
            can_be_always: request.always.is_none() && request.origins().is_some(),
            always: request.always.clone(),
            session: request.session.clone(),
            picture: request.picture.is_some(),
            answered: self.answered.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
