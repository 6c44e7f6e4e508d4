//! The state as people see it: messages with what waits for them, sessions with
//! their faults, pages of a transcript.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::convert::Used;
use super::super::events::{SessionInfo, WholeMessage};
use super::records::{Held, Record};
use super::{PATIENCE, Reducer, Snapshot, Transcript};
use crate::copilot::model::{
    Content, ContextUse, Id, Message, Part, Permission, Question, Session, Todo, ToolCall, ToolState, Update,
};

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
    pub(super) fn shown_session(&self, record: &Record) -> Session {
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
    pub(super) fn shown(&self, session: &Id, part: &Part) -> Part {
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
    pub(super) fn stamp(&self, session: &Id, part: &mut Part) {
        if let Content::Tool(tool) = &mut part.content
            && !self.lines.is_empty()
        {
            tool.record = self.lines.get(&(session.clone(), tool.call.clone())).copied();
        }
    }

    pub(super) fn waits(&self, session: &Id, call: &str) -> bool {
        let permission = |one: &Permission| one.session == *session && one.call.as_deref() == Some(call);
        let question = |one: &Question| one.session == *session && one.call.as_deref() == Some(call);
        self.permissions().any(permission) || self.questions().any(question)
    }

    /// The session that people opened, above this one.
    pub(super) fn root(&self, session: &Id) -> Id {
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
    pub(super) fn call(&self, session: &Id, call: &str) -> Option<(&Id, &Part, &ToolCall)> {
        let record = self.sessions.get(session)?;
        record.messages.iter().rev().find_map(|(id, held)| {
            held.parts.values().find_map(|part| match &part.content {
                Content::Tool(tool) if tool.call == call => Some((id, part, tool)),
                _ => None,
            })
        })
    }

    /// The update that shows a call as it is now.
    pub(super) fn show_call(&self, session: &Id, call: Option<&str>) -> Option<Update> {
        let (message, part, _) = self.call(session, call?)?;
        Some(Update::Part {
            session: session.clone(),
            message: message.clone(),
            part: self.shown(session, part),
        })
    }
}
