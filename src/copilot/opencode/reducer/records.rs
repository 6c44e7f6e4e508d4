//! What is held of one session and one message, and what becomes of it when a
//! turn ends.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::convert::Used;
use super::MOST_MESSAGES;
use crate::copilot::model::{Content, Id, MessageHead, Part, Session, SessionState, Todo, ToolState};

/// What a tool that was cut off says in place of an answer.
pub(super) const INTERRUPTED: &str = "It was interrupted.";

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// Its state is that of OpenCode's word, without the fault.
    pub(super) session: Session,
    /// Why the last turn failed.
    pub(super) fault: Option<String>,
    /// Ids rise with time. Tools are as OpenCode says, without what waits for people.
    pub(super) messages: BTreeMap<Id, Held>,
    pub(super) todos: Vec<Todo>,
    pub(super) followed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) head: MessageHead,
    pub(super) used: Used,
    /// Ids rise with time here too.
    pub(super) parts: BTreeMap<Id, Part>,
}

#[derive(Clone, Debug)]
pub(super) struct Waiting<T> {
    pub(super) since: Instant,
    pub(super) what: T,
}

/// When it was asked is our own matter and no part of the state.
impl<T: PartialEq> PartialEq for Waiting<T> {
    fn eq(&self, other: &Self) -> bool {
        self.what == other.what
    }
}

impl Record {
    pub(super) fn new(session: Session) -> Self {
        Self { session, fault: None, messages: BTreeMap::new(), todos: vec![], followed: false }
    }

    pub(super) fn shown(&self) -> Session {
        let mut session = self.session.clone();
        if let (SessionState::Idle, Some(reason)) = (&session.state, &self.fault) {
            session.state = SessionState::Failed { reason: reason.clone() };
        }
        session
    }

    pub(super) fn works(&self) -> bool {
        self.session.state.is_working()
    }

    pub(super) fn forget_the_oldest(&mut self) {
        while self.messages.len() > MOST_MESSAGES {
            self.messages.pop_first();
        }
    }
}

impl Held {
    /// Ends what is not ended. Returns the parts that this changed.
    pub(super) fn interrupt(&mut self) -> (bool, Vec<Id>) {
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
    pub(super) fn keep_what_was(&mut self, old: &Self) {
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
