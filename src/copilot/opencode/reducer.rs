//! The state of all of an agent's sessions, from snapshots and events: a
//! machine without IO, with the time as an argument.
//!
//! ```text
//!  snapshot ─▶ restore ─┐
//!  event    ─▶ handle ──┼─▶ state ─▶ updates for the page
//!  time     ─▶ expire ──┘
//! ```
//!
//! An event may come twice or be older than the snapshot: whole things replace
//! what was there, and pieces of text count only while their part is open. A
//! permission or question lives only while its session works: OpenCode forgets
//! to end those of a turn that was stopped. What a turn left unfinished when its
//! session fell idle is told as interrupted.

mod asked;
mod records;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use self::records::{Held, Record, Waiting};
use super::convert::{self, Used};
use super::events::{
    Event, Known, MessageInfo, PartInfo, PermissionInfo, QuestionInfo, SessionInfo, StatusInfo, Statuses,
    TodoInfo, WholeMessage,
};
use crate::copilot::model::{Content, Gone, Id, Part, Permission, Question, SessionState, Update};

/// Of one session's messages the newest are held; older ones are read by page.
const MOST_MESSAGES: usize = 100;
/// Sessions whose messages are held; of others only that they are there.
const MOST_FOLLOWED: usize = 32;
/// Sessions that are known by name.
const MOST_SESSIONS: usize = 2000;
/// Parts of one message, and permissions or questions that wait at once.
const MOST_PARTS: usize = 2000;
const MOST_PENDING: usize = 200;
/// Calls whose lines of the record are known.
const MOST_LINES: usize = 4096;
/// The longest text that grows by pieces.
const LONGEST_TEXT: usize = 2 << 20;
/// A permission or question that nobody answers so long is withdrawn.
pub const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Everything there is at one moment, as OpenCode tells it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub sessions: Vec<SessionInfo>,
    pub statuses: Statuses,
    pub permissions: Vec<PermissionInfo>,
    pub questions: Vec<QuestionInfo>,
    pub transcripts: Vec<Transcript>,
}

/// The newest messages of one session.
#[derive(Clone, Debug)]
pub struct Transcript {
    pub session: Id,
    pub messages: Vec<WholeMessage>,
    pub todos: Vec<TodoInfo>,
}

/// The state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reducer {
    sessions: BTreeMap<Id, Record>,
    /// How many tokens each model takes.
    limits: BTreeMap<String, u64>,
    /// The lines of the room's record that calls have, by session and call.
    lines: BTreeMap<(Id, String), u64>,
    permissions: BTreeMap<Id, Waiting<Permission>>,
    questions: BTreeMap<Id, Waiting<Question>>,
}

/// Something whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overdue {
    Permission { session: Id, id: Id },
    Question { id: Id },
}

impl Reducer {
    /// Takes a snapshot in place of what was known. `restarted` says that the
    /// process is another one than before.
    pub fn restore(&mut self, snapshot: Snapshot, restarted: bool, now: Instant) -> Vec<Update> {
        let old = std::mem::take(self);
        self.limits.clone_from(&old.limits);
        self.lines.clone_from(&old.lines);
        for info in snapshot.sessions.into_iter().take(MOST_SESSIONS) {
            let mut session = convert::session(info);
            if let Some(status) = snapshot.statuses.get(&session.id) {
                session.state = state_of(status);
            }
            let mut record = Record::new(session);
            if let Some(before) = old.sessions.get(&record.session.id) {
                record.fault.clone_from(&before.fault);
            }
            self.sessions.insert(record.session.id.clone(), record);
        }
        for transcript in snapshot.transcripts {
            self.read(transcript, &old);
        }
        for info in snapshot.permissions.into_iter().take(MOST_PENDING) {
            let since = old.permissions.get(&info.id).map_or(now, |waiting| waiting.since);
            self.ask(info, since);
        }
        for info in snapshot.questions.into_iter().take(MOST_PENDING) {
            let since = old.questions.get(&info.id).map_or(now, |waiting| waiting.since);
            self.ask_question(info, since);
        }
        let why = if restarted { Gone::Restarted } else { Gone::Ended };
        let mut updates = vec![];
        for (id, gone) in old.permissions.iter().filter(|(id, _)| !self.permissions.contains_key(*id)) {
            let session = gone.what.session.clone();
            updates.push(Update::PermissionGone { session, permission: id.clone(), why });
        }
        for (id, gone) in old.questions.iter().filter(|(id, _)| !self.questions.contains_key(*id)) {
            let session = gone.what.session.clone();
            updates.push(Update::QuestionGone { session, question: id.clone(), why });
        }
        updates.push(Update::Snapshot);
        updates
    }

    /// Takes one session with its newest messages, and follows it from here on.
    pub fn follow(&mut self, info: SessionInfo, transcript: Transcript) -> Vec<Update> {
        let mut updates = self.see_session(info);
        if transcript.messages.first().is_none_or(|first| first.info.session == transcript.session) {
            let old = self.clone();
            self.read(transcript, &old);
            updates.extend(self.follow_fewer());
        }
        updates
    }

    fn read(&mut self, transcript: Transcript, old: &Self) {
        let Some(record) = self.sessions.get_mut(&transcript.session) else { return };
        let works = record.works();
        let before = old.sessions.get(&transcript.session);
        record.followed = true;
        record.messages.clear();
        record.todos = transcript.todos.into_iter().map(convert::todo).collect();
        let last = transcript.messages.last().map(|message| &message.info);
        if let Some(last) = last.filter(|last| last.role != "user") {
            record.fault = last.error.as_ref().filter(|error| !convert::is_stop(error)).map(convert::error);
        }
        for message in transcript.messages {
            let parts = message.parts.into_iter().take(MOST_PARTS).filter_map(convert::part);
            let mut held = Held {
                head: convert::head(&message.info),
                used: convert::used(&message.info),
                parts: parts.map(|part| (part.id.clone(), part)).collect(),
            };
            if let Some(was) = before.and_then(|before| before.messages.get(&message.info.id)) {
                held.keep_what_was(was);
            }
            if !works {
                held.interrupt();
            }
            record.messages.insert(message.info.id, held);
        }
        record.forget_the_oldest();
    }

    /// Takes an event.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Update> {
        let Event::Known(known) = event else { return vec![] };
        match *known {
            Known::Session { info } => self.see_session(info),
            Known::SessionDeleted { info } => self.lose_session(&info.id),
            Known::Status { session, status } => self.see_state(&session, state_of(&status)),
            Known::Idle { session } => self.see_state(&session, SessionState::Idle),
            Known::Error { session, error } => match (session, error) {
                (Some(session), Some(error)) if !convert::is_stop(&error) => {
                    self.see_fault(&session, convert::error(&error))
                }
                _ => vec![],
            },
            Known::Message { info } => self.see_message(info),
            Known::MessageRemoved { session, message } => {
                let record = self.sessions.get_mut(&session);
                match record.and_then(|record| record.messages.remove(&message)) {
                    Some(_) => vec![Update::MessageGone { session, message }],
                    None => vec![],
                }
            }
            Known::Part { part } => self.see_part(part),
            Known::PartRemoved { session, message, part } => {
                let held =
                    self.sessions.get_mut(&session).and_then(|record| record.messages.get_mut(&message));
                match held.and_then(|held| held.parts.remove(&part)) {
                    Some(_) => vec![Update::PartGone { session, message, part }],
                    None => vec![],
                }
            }
            Known::Delta { session, message, part, field, delta } if field == "text" => {
                self.add_piece(session, message, part, delta)
            }
            Known::Delta { .. } | Known::Disposed {} => vec![],
            Known::Asked(info) => self.ask(info, now),
            Known::Replied { request } => self.end_permission(&request, Gone::Answered),
            Known::QuestionAsked(info) => self.ask_question(info, now),
            Known::QuestionEnded { request } => self.end_question(&request, Gone::Answered),
            Known::Todos { session, todos } => {
                let todos: Vec<_> = todos.into_iter().map(convert::todo).collect();
                let Some(record) = self.sessions.get_mut(&session) else { return vec![] };
                record.todos.clone_from(&todos);
                vec![Update::Todos { session, todos }]
            }
        }
    }

    /// How many tokens each model takes.
    pub fn handle_limits(&mut self, limits: BTreeMap<String, u64>) -> Vec<Update> {
        if self.limits == limits {
            return vec![];
        }
        self.limits = limits;
        let known = self.sessions.values().filter(|record| record.followed);
        known.map(|record| Update::Session { session: self.shown_session(record) }).collect()
    }

    /// A call is on this line of the room's record.
    pub fn handle_line(&mut self, session: &Id, call: &str, line: u64) -> Vec<Update> {
        if self.lines.len() >= MOST_LINES {
            // The lowest line is the oldest.
            if let Some(oldest) = self.lines.iter().min_by_key(|(_, line)| **line).map(|(key, _)| key.clone())
            {
                self.lines.remove(&oldest);
            }
        }
        self.lines.insert((session.clone(), call.to_owned()), line);
        self.show_call(session, Some(call)).into_iter().collect()
    }

    /// What OpenCode answered about a session, whether or not its event has come yet.
    pub fn handle_session(&mut self, info: SessionInfo) -> Vec<Update> {
        self.see_session(info)
    }

    /// It was deleted, whether or not its event has come yet.
    pub fn handle_deletion(&mut self, session: &Id) -> Vec<Update> {
        self.lose_session(session)
    }

    fn see_session(&mut self, info: SessionInfo) -> Vec<Update> {
        let mut session = convert::session(info);
        let id = session.id.clone();
        let is_new = !self.sessions.contains_key(&id);
        if is_new && self.sessions.len() >= MOST_SESSIONS {
            // It is read from OpenCode when somebody asks for it.
            return vec![];
        }
        if let Some(record) = self.sessions.get_mut(&id) {
            session.state = record.session.state.clone();
            record.session = session;
        } else {
            let mut record = Record::new(session);
            // It is new, so nothing of it was missed.
            record.followed = true;
            self.sessions.insert(id.clone(), record);
        }
        let mut updates: Vec<_> = self.show_session(&id).into_iter().collect();
        if is_new {
            updates.extend(self.follow_fewer());
        }
        updates
    }

    /// Forgets the messages of those that are idle longest.
    fn follow_fewer(&mut self) -> Vec<Update> {
        while self.sessions.values().filter(|record| record.followed).count() > MOST_FOLLOWED {
            let idle = self.sessions.values_mut().filter(|record| record.followed && !record.works());
            let Some(oldest) = idle.min_by_key(|record| record.session.updated) else { break };
            oldest.followed = false;
            oldest.messages.clear();
        }
        vec![]
    }

    fn show_session(&self, id: &Id) -> Option<Update> {
        self.session(id).map(|session| Update::Session { session })
    }

    fn lose_session(&mut self, id: &Id) -> Vec<Update> {
        let mut updates = self.end_all_of(id, Gone::Ended);
        if self.sessions.remove(id).is_some() {
            updates.push(Update::SessionGone { session: id.clone() });
        }
        updates
    }

    fn see_state(&mut self, id: &Id, state: SessionState) -> Vec<Update> {
        let Some(record) = self.sessions.get_mut(id) else { return vec![] };
        let (worked, works) = (record.works(), state.is_working());
        let changed = record.session.state != state;
        record.session.state = state;
        if works && !worked {
            record.fault = None;
        }
        let mut updates = vec![];
        if !works {
            updates.extend(self.end_all_of(id, Gone::Ended));
            updates.extend(self.interrupt(id));
        }
        if changed {
            updates.extend(self.show_session(id));
        }
        updates
    }

    fn interrupt(&mut self, id: &Id) -> Vec<Update> {
        let Some(record) = self.sessions.get_mut(id) else { return vec![] };
        let mut updates = vec![];
        for (message, held) in &mut record.messages {
            let (head, parts) = held.interrupt();
            let parts = parts.into_iter().filter_map(|part| held.parts.get(&part).cloned());
            updates.extend(parts.map(|part| Update::Part {
                session: id.clone(),
                message: message.clone(),
                part,
            }));
            if head {
                updates.push(Update::Message { session: id.clone(), message: held.head.clone() });
            }
        }
        updates
    }

    fn see_fault(&mut self, id: &Id, reason: String) -> Vec<Update> {
        let Some(record) = self.sessions.get_mut(id) else { return vec![] };
        // The first one says it; what follows is its echo.
        if record.fault.is_some() {
            return vec![];
        }
        record.fault = Some(reason);
        self.show_session(id)
            .filter(|_| !self.sessions.get(id).is_some_and(Record::works))
            .into_iter()
            .collect()
    }

    fn see_message(&mut self, info: MessageInfo) -> Vec<Update> {
        let Some(record) = self.sessions.get_mut(&info.session).filter(|record| record.followed) else {
            return vec![];
        };
        let (mut head, used) = (convert::head(&info), convert::used(&info));
        head.done |= !record.works();
        let (mut updates, mut faulted) = (vec![], false);
        if let Some(error) = info.error.as_ref().filter(|error| !convert::is_stop(error)) {
            // Of the newest message only: an older one's was told before.
            let newest = record.messages.last_key_value().is_none_or(|(last, _)| *last <= info.id);
            if newest && record.fault.is_none() {
                record.fault = Some(convert::error(error));
                faulted = !record.works();
            }
        }
        let (same, news) = match record.messages.get_mut(&info.id) {
            Some(held) => {
                let news = held.used != used;
                held.used = used;
                (std::mem::replace(&mut held.head, head.clone()) == head, news)
            }
            None => {
                let news = used != Used::default();
                record.messages.insert(info.id, Held { head: head.clone(), used, parts: BTreeMap::new() });
                record.forget_the_oldest();
                (false, news)
            }
        };
        if faulted || news {
            updates.extend(self.show_session(&info.session));
        }
        if !same {
            updates.push(Update::Message { session: info.session, message: head });
        }
        updates
    }

    fn see_part(&mut self, info: PartInfo) -> Vec<Update> {
        let (session, message) = (info.session.clone(), info.message.clone());
        let Some(part) = convert::part(info) else { return vec![] };
        let Some(record) = self.sessions.get_mut(&session) else { return vec![] };
        let works = record.works();
        let Some(held) = record.messages.get_mut(&message) else { return vec![] };
        if held.parts.len() >= MOST_PARTS && !held.parts.contains_key(&part.id) {
            return vec![];
        }
        let id = part.id.clone();
        let call = match &part.content {
            Content::Tool(tool) => Some((tool.call.clone(), tool.name.clone(), tool.input.clone())),
            _ => None,
        };
        held.parts.insert(id.clone(), part);
        if !works && held.head.role != crate::copilot::model::Author::User {
            held.interrupt();
        }
        let Some(part) = held.parts.get(&id).cloned() else { return vec![] };
        let part = self.shown(&session, &part);
        let mut updates = vec![Update::Part { session: session.clone(), message, part }];
        if let Some((call, name, input)) = call {
            updates.extend(self.join(&session, &call, &name, &input));
        }
        updates
    }

    fn add_piece(&mut self, session: Id, message: Id, part: Id, piece: String) -> Vec<Update> {
        let held = self.sessions.get_mut(&session).and_then(|record| record.messages.get_mut(&message));
        let open = held.and_then(|held| held.parts.get_mut(&part));
        let Some(Part { content, .. }) = open else { return vec![] };
        match content {
            Content::Text { text, done: false } | Content::Reasoning { text, done: false }
                if text.len() + piece.len() <= LONGEST_TEXT =>
            {
                text.push_str(&piece);
                vec![Update::Piece { session, message, part, text: piece }]
            }
            // The whole part comes at its end.
            _ => vec![],
        }
    }
}

fn state_of(status: &StatusInfo) -> SessionState {
    match status {
        StatusInfo::Idle => SessionState::Idle,
        StatusInfo::Busy => SessionState::Busy,
        StatusInfo::Retry { message, next } => {
            SessionState::Retrying { until: *next as u64, reason: message.chars().take(600).collect() }
        }
    }
}
