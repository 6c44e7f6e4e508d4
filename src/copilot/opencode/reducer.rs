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

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::convert::{self, Used};
use super::events::{
    Event, Known, MessageInfo, PartInfo, PermissionInfo, QuestionInfo, SessionInfo, StatusInfo, Statuses,
    TodoInfo, WholeMessage,
};
use crate::copilot::model::{
    Content, ContextUse, Gone, Id, Message, MessageHead, Part, Permission, Question, Session, SessionState,
    Todo, ToolCall, ToolState, Update,
};

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

/// What a tool that was cut off says in place of an answer.
const INTERRUPTED: &str = "It was interrupted.";

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

#[derive(Clone, Debug, PartialEq)]
struct Record {
    /// Its state is that of OpenCode's word, without the fault.
    session: Session,
    /// Why the last turn failed.
    fault: Option<String>,
    /// Ids rise with time. Tools are as OpenCode says, without what waits for people.
    messages: BTreeMap<Id, Held>,
    todos: Vec<Todo>,
    followed: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Held {
    head: MessageHead,
    used: Used,
    /// Ids rise with time here too.
    parts: BTreeMap<Id, Part>,
}

#[derive(Clone, Debug)]
struct Waiting<T> {
    since: Instant,
    what: T,
}

/// When it was asked is our own matter and no part of the state.
impl<T: PartialEq> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

/// Something whose time is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overdue {
    Permission { session: Id, id: Id },
    Question { id: Id },
}

// --- What is -------------------------------------------------------------

impl Reducer {
    #[cfg(test)]
    pub fn sessions(&self) -> impl Iterator<Item = Session> + '_ {
        self.sessions.values().map(|record| self.shown_session(record))
    }

    pub fn session(&self, id: &Id) -> Option<Session> {
        self.sessions.get(id).map(|record| self.shown_session(record))
    }

    /// The messages that are held of a session, oldest first.
    pub fn messages(&self, session: &Id) -> Vec<Message> {
        let Some(record) = self.sessions.get(session) else { return vec![] };
        let whole = |held: &Held| Message {
            head: held.head.clone(),
            parts: held.parts.values().map(|part| self.shown(session, part)).collect(),
        };
        record.messages.values().map(whole).collect()
    }

    /// The newest messages as they are now, from those that OpenCode gave a
    /// moment ago: what is held counts, with what came meanwhile and without
    /// what went, so that the page is exactly what all updates so far say.
    pub fn newest_page(&self, session: &Id, read: Vec<WholeMessage>) -> Vec<Message> {
        let held = self.messages(session);
        let Some(oldest) = held.first().map(|one| one.head.id.clone()) else {
            // Nothing of them was told yet; their updates replace them whole.
            return self.older_page(session, read);
        };
        let begin = read.first().map(|one| one.info.id.clone());
        let older = read.into_iter().filter(|one| one.info.id < oldest).collect();
        let mut page = self.older_page(session, older);
        page.extend(held.into_iter().filter(|one| begin.as_ref().is_none_or(|begin| one.head.id >= *begin)));
        page
    }

    /// Messages that OpenCode gave: those that are held as they are now, others
    /// as from a session that rests, since nothing of them goes on.
    pub fn older_page(&self, session: &Id, read: Vec<WholeMessage>) -> Vec<Message> {
        let mut rest = Self { lines: self.lines.clone(), ..Self::default() };
        let transcript = Transcript { session: session.clone(), messages: read, todos: vec![] };
        let sessions = vec![SessionInfo::bare(session.clone())];
        let snapshot = Snapshot { sessions, transcripts: vec![transcript], ..Snapshot::default() };
        rest.restore(snapshot, false, Instant::now());
        let mut held: BTreeMap<_, _> =
            self.messages(session).into_iter().map(|one| (one.head.id.clone(), one)).collect();
        let known = |one: Message| held.remove(&one.head.id).unwrap_or(one);
        rest.messages(session).into_iter().map(known).collect()
    }

    pub fn todos(&self, session: &Id) -> Vec<Todo> {
        self.sessions.get(session).map(|record| record.todos.clone()).unwrap_or_default()
    }

    pub fn permissions(&self) -> impl Iterator<Item = &Permission> {
        self.permissions.values().map(|waiting| &waiting.what)
    }

    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.values().map(|waiting| &waiting.what)
    }

    pub fn permission(&self, id: &Id) -> Option<&Permission> {
        self.permissions.get(id).map(|waiting| &waiting.what)
    }

    pub fn question(&self, id: &Id) -> Option<&Question> {
        self.questions.get(id).map(|waiting| &waiting.what)
    }

    /// The sessions whose messages the next snapshot has to bring.
    pub fn followed(&self) -> Vec<Id> {
        self.sessions.iter().filter(|(_, record)| record.followed).map(|(id, _)| id.clone()).collect()
    }

    pub fn is_followed(&self, session: &Id) -> bool {
        self.sessions.get(session).is_some_and(|record| record.followed)
    }

    /// When something will be overdue next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let permissions = self.permissions.values().map(|waiting| waiting.since);
        let questions = self.questions.values().map(|waiting| waiting.since);
        permissions.chain(questions).min().map(|since| since + PATIENCE)
    }

    /// A session with what its messages and its faults say of it.
    fn shown_session(&self, record: &Record) -> Session {
        let mut session = record.shown();
        let latest = |of: fn(&Used) -> Option<&String>| {
            record.messages.values().rev().find_map(|held| of(&held.used)).cloned()
        };
        session.model = latest(|used| used.model.as_ref()).or(session.model);
        session.agent = latest(|used| used.agent.as_ref()).or(session.agent);
        let used = record.messages.values().rev().find_map(|held| held.used.tokens);
        session.context = used.map(|used| {
            let limit = session.model.as_ref().and_then(|model| self.limits.get(model)).copied();
            ContextUse { used, limit }
        });
        session
    }

    /// A part with what waits for people, and where it stands in the record.
    fn shown(&self, session: &Id, part: &Part) -> Part {
        let mut part = part.clone();
        self.stamp(session, &mut part);
        if let Content::Tool(tool) = &mut part.content
            && !tool.state.has_ended()
            && self.waits(session, &tool.call)
        {
            tool.state = ToolState::Waiting;
        }
        part
    }

    /// Says where a call stands in the record.
    fn stamp(&self, session: &Id, part: &mut Part) {
        if let Content::Tool(tool) = &mut part.content
            && !self.lines.is_empty()
        {
            tool.record = self.lines.get(&(session.clone(), tool.call.clone())).copied();
        }
    }

    fn waits(&self, session: &Id, call: &str) -> bool {
        let permission = |one: &Permission| one.session == *session && one.call.as_deref() == Some(call);
        let question = |one: &Question| one.session == *session && one.call.as_deref() == Some(call);
        self.permissions().any(permission) || self.questions().any(question)
    }

    /// The session that people opened, above this one.
    fn root(&self, session: &Id) -> Id {
        let mut at = session;
        // As deep as agents go; a ring of parents ends too.
        for _ in 0..16 {
            match self.sessions.get(at).and_then(|record| record.session.parent.as_ref()) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at.clone()
    }

    /// The part of a call.
    fn call(&self, session: &Id, call: &str) -> Option<(&Id, &Part, &ToolCall)> {
        let record = self.sessions.get(session)?;
        record.messages.iter().rev().find_map(|(id, held)| {
            held.parts.values().find_map(|part| match &part.content {
                Content::Tool(tool) if tool.call == call => Some((id, part, tool)),
                _ => None,
            })
        })
    }

    /// The update that shows a call as it is now.
    fn show_call(&self, session: &Id, call: Option<&str>) -> Option<Update> {
        let (message, part, _) = self.call(session, call?)?;
        Some(Update::Part {
            session: session.clone(),
            message: message.clone(),
            part: self.shown(session, part),
        })
    }
}

impl Record {
    fn new(session: Session) -> Self {
        Self { session, fault: None, messages: BTreeMap::new(), todos: vec![], followed: false }
    }

    fn shown(&self) -> Session {
        let mut session = self.session.clone();
        if let (SessionState::Idle, Some(reason)) = (&session.state, &self.fault) {
            session.state = SessionState::Failed { reason: reason.clone() };
        }
        session
    }

    fn works(&self) -> bool {
        self.session.state.is_working()
    }

    fn forget_the_oldest(&mut self) {
        while self.messages.len() > MOST_MESSAGES {
            self.messages.pop_first();
        }
    }
}

impl Held {
    /// Ends what is not ended. Returns the parts that this changed.
    fn interrupt(&mut self) -> (bool, Vec<Id>) {
        let head = !std::mem::replace(&mut self.head.done, true);
        let mut changed = vec![];
        for part in self.parts.values_mut() {
            match &mut part.content {
                Content::Tool(tool) if !tool.state.has_ended() => {
                    tool.state = ToolState::Failed;
                    tool.output = INTERRUPTED.into();
                }
                Content::Text { done, .. } | Content::Reasoning { done, .. } if !*done => *done = true,
                _ => continue,
            }
            changed.push(part.id.clone());
        }
        (head, changed)
    }

    /// What a turn's end made of an open part, or of its text that snapshots lack, is kept.
    fn keep_what_was(&mut self, old: &Self) {
        for (id, part) in &mut self.parts {
            let Some(before) = old.parts.get(id) else { continue };
            match (&mut part.content, &before.content) {
                (Content::Tool(now), Content::Tool(was))
                    if !now.state.has_ended() && was.state.has_ended() =>
                {
                    *now = was.clone();
                }
                (
                    Content::Text { text: now, done: false } | Content::Reasoning { text: now, done: false },
                    Content::Text { text: was, .. } | Content::Reasoning { text: was, .. },
                ) if was.starts_with(now.as_str()) => now.clone_from(was),
                _ => {}
            }
        }
    }
}

// --- What comes ----------------------------------------------------------

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

    /// Somebody's answer is on its way: nobody else's counts any more.
    pub fn handle_answer(&mut self, id: &Id) -> Vec<Update> {
        let mut updates = self.end_permission(id, Gone::Answered);
        updates.extend(self.end_question(id, Gone::Answered));
        updates
    }

    /// What OpenCode answered about a session, whether or not its event has come yet.
    pub fn handle_session(&mut self, info: SessionInfo) -> Vec<Update> {
        self.see_session(info)
    }

    /// It was deleted, whether or not its event has come yet.
    pub fn handle_deletion(&mut self, session: &Id) -> Vec<Update> {
        self.lose_session(session)
    }

    /// Withdraws what nobody answered in time, and says what to refuse.
    pub fn handle_timeout(&mut self, now: Instant) -> (Vec<Update>, Vec<Overdue>) {
        let over = |since: Instant| since + PATIENCE <= now;
        let permissions: Vec<_> = self.permissions.values().filter(|one| over(one.since)).collect();
        let permissions: Vec<_> =
            permissions.iter().map(|one| (one.what.session.clone(), one.what.id.clone())).collect();
        let questions: Vec<_> = self.questions.values().filter(|one| over(one.since)).collect();
        let questions: Vec<_> = questions.iter().map(|one| one.what.id.clone()).collect();
        let (mut updates, mut overdue) = (vec![], vec![]);
        for (session, id) in permissions {
            updates.extend(self.end_permission(&id, Gone::Expired));
            overdue.push(Overdue::Permission { session, id });
        }
        for id in questions {
            updates.extend(self.end_question(&id, Gone::Expired));
            overdue.push(Overdue::Question { id });
        }
        (updates, overdue)
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

    /// A permission gets the arguments of its call, which come after it.
    fn join(&mut self, session: &Id, call: &str, name: &str, input: &Value) -> Vec<Update> {
        if input.as_object().is_none_or(serde_json::Map::is_empty) {
            return vec![];
        }
        let mut updates = vec![];
        for Waiting { what, .. } in self.permissions.values_mut() {
            if what.session == *session
                && what.call.as_deref() == Some(call)
                && (what.input != *input || what.tool != name || !what.complete)
            {
                what.input = input.clone();
                what.complete = true;
                name.clone_into(&mut what.tool);
                updates.push(Update::Permission { permission: what.clone() });
            }
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

    fn ask(&mut self, info: PermissionInfo, since: Instant) -> Vec<Update> {
        let works = self.sessions.get(&info.session).is_some_and(Record::works);
        if !works || self.permissions.len() >= MOST_PENDING {
            return vec![];
        }
        let root = self.root(&info.session);
        let mut what = convert::permission(info, root);
        let call = what.call.as_deref().and_then(|call| self.call(&what.session, call));
        if let Some((_, _, tool)) = call
            && tool.input.as_object().is_some_and(|input| !input.is_empty())
        {
            (what.tool, what.input) = (tool.name.clone(), tool.input.clone());
            what.complete = true;
        }
        let shown = what.clone();
        self.permissions.insert(what.id.clone(), Waiting { since, what });
        let part = self.show_call(&shown.session, shown.call.as_deref());
        std::iter::once(Update::Permission { permission: shown }).chain(part).collect()
    }

    fn ask_question(&mut self, info: QuestionInfo, since: Instant) -> Vec<Update> {
        let works = self.sessions.get(&info.session).is_some_and(Record::works);
        if !works || self.questions.len() >= MOST_PENDING {
            return vec![];
        }
        let root = self.root(&info.session);
        let what = convert::question(info, root);
        let shown = what.clone();
        self.questions.insert(what.id.clone(), Waiting { since, what });
        let part = self.show_call(&shown.session, shown.call.as_deref());
        std::iter::once(Update::Question { question: shown }).chain(part).collect()
    }

    fn end_permission(&mut self, id: &Id, why: Gone) -> Vec<Update> {
        let Some(Waiting { what, .. }) = self.permissions.remove(id) else { return vec![] };
        let part = self.show_call(&what.session, what.call.as_deref());
        let gone = Update::PermissionGone { session: what.session, permission: id.clone(), why };
        std::iter::once(gone).chain(part).collect()
    }

    fn end_question(&mut self, id: &Id, why: Gone) -> Vec<Update> {
        let Some(Waiting { what, .. }) = self.questions.remove(id) else { return vec![] };
        let part = self.show_call(&what.session, what.call.as_deref());
        let gone = Update::QuestionGone { session: what.session, question: id.clone(), why };
        std::iter::once(gone).chain(part).collect()
    }

    fn end_all_of(&mut self, session: &Id, why: Gone) -> Vec<Update> {
        let permissions = self.permissions().filter(|one| one.session == *session);
        let permissions: Vec<_> = permissions.map(|one| one.id.clone()).collect();
        let questions = self.questions().filter(|one| one.session == *session);
        let questions: Vec<_> = questions.map(|one| one.id.clone()).collect();
        let mut updates: Vec<_> = permissions.iter().flat_map(|id| self.end_permission(id, why)).collect();
        updates.extend(questions.iter().flat_map(|id| self.end_question(id, why)).collect::<Vec<_>>());
        updates
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

#[cfg(test)]
mod tests;
