//! The messages of a session, from what the agent says: pieces of text, tools
//! at work, and what was said before.

use agent_client_protocol_schema::v1::{
    ContentBlock, ContentChunk, SessionUpdate, ToolCallStatus, ToolCallUpdate, UsageUpdate,
};
use serde_json::Value;

use super::{LONGEST_TEXT, MOST_MESSAGES, MOST_PARTS, Past, Said, State, Talk, content};
use crate::copilot::model::{
    Author, Content, ContextUse, Id, Message, MessageHead, Part, ToolCall, ToolState, Update,
};

impl State {
    pub(super) fn see_transcript(&mut self, now: u64, session: &Id, update: SessionUpdate) -> Vec<Update> {
        match update {
            SessionUpdate::UserMessageChunk(chunk) => self.see_said(now, session, &chunk),
            SessionUpdate::AgentMessageChunk(chunk) => {
                let name = chunk.message_id.as_ref().map(|name| &*name.0);
                self.add_text(now, session, name, text(&chunk), false)
            }
            // Some agents name a thought otherwise than the message that it is a part of.
            SessionUpdate::AgentThoughtChunk(chunk) => self.add_text(now, session, None, text(&chunk), true),
            SessionUpdate::ToolCall(mut call) => {
                let (content, told) = (std::mem::take(&mut call.content), ToolCallUpdate::from(call));
                // A call told again without its results keeps those that it had.
                let mut told = told;
                told.fields.content = Some(content).filter(|content| !content.is_empty());
                self.see_call(now, session, told)
            }
            SessionUpdate::ToolCallUpdate(call) => self.see_call(now, session, call),
            SessionUpdate::Plan(plan) => {
                let todos = content::plan(&plan);
                if let Some(talk) = self.sessions.get_mut(session) {
                    talk.todos.clone_from(&todos);
                }
                vec![Update::Todos { session: session.clone(), todos }]
            }
            _ => {
                tracing::debug!(%session, "an agent's update that nothing here shows");
                vec![]
            }
        }
    }

    /// What a person said before this start of ours.
    fn see_said(&mut self, now: u64, session: &Id, chunk: &ContentChunk) -> Vec<Update> {
        let Some(content) = content::said(&chunk.content) else { return vec![] };
        let (message_id, part_id) = (self.next_id("m"), self.next_id("p"));
        let name = chunk.message_id.as_ref().map(|name| &*name.0);
        let Some(talk) = self.sessions.get_mut(session) else { return vec![] };
        let goes_on = |last: &Said| last.message.head.role == Author::User && last.name.as_deref() == name;
        if !talk.messages.last().is_some_and(goes_on) {
            // The answer before it is over.
            interrupt(talk, None);
            let head =
                MessageHead { id: message_id, role: Author::User, error: None, created: now, done: true };
            talk.push(Message { head, parts: vec![] }, name);
        }
        if let Some(last) = talk.messages.last_mut().filter(|last| last.message.parts.len() < MOST_PARTS) {
            last.message.parts.push(Part { id: part_id, origin: None, content });
        }
        vec![]
    }

    fn add_text(
        &mut self,
        now: u64,
        session: &Id,
        name: Option<&str>,
        text: &str,
        thought: bool,
    ) -> Vec<Update> {
        let mut updates = self.open_message(now, session, name);
        let part_id = self.next_id("p");
        let Some(message) = self.newest(session) else { return updates };
        let head = message.head.id.clone();
        let open = message.parts.last_mut().filter(|part| match &part.content {
            Content::Text { done: false, .. } => !thought,
            Content::Reasoning { done: false, .. } => thought,
            _ => false,
        });
        if let Some(Part {
            id,
            content: Content::Text { text: held, .. } | Content::Reasoning { text: held, .. },
            ..
        }) = open
        {
            if held.len() + text.len() <= LONGEST_TEXT {
                held.push_str(text);
                let (part, text) = (id.clone(), text.to_owned());
                updates.push(Update::Piece { session: session.clone(), message: head, part, text });
            }
            return updates;
        }
        updates.extend(close_last(session, message));
        if message.parts.len() >= MOST_PARTS {
            return updates;
        }
        let empty = match thought {
            true => Content::Reasoning { text: String::new(), done: false },
            false => Content::Text { text: String::new(), done: false },
        };
        let mut part = Part { id: part_id.clone(), origin: None, content: empty };
        updates.push(Update::Part { session: session.clone(), message: head.clone(), part: part.clone() });
        if let Content::Text { text: held, .. } | Content::Reasoning { text: held, .. } = &mut part.content {
            held.push_str(text);
        }
        message.parts.push(part);
        updates.push(Update::Piece {
            session: session.clone(),
            message: head,
            part: part_id,
            text: text.to_owned(),
        });
        updates
    }

    fn see_call(&mut self, now: u64, session: &Id, update: ToolCallUpdate) -> Vec<Update> {
        let (call, fields) = (&*update.tool_call_id.0, update.fields);
        let mut updates = vec![];
        if self.call_mut(session, call).is_none() {
            updates.extend(self.open_message(now, session, None));
            let id = self.next_id("p");
            let Some(message) = self.newest(session) else { return updates };
            updates.extend(close_last(session, message));
            if message.parts.len() >= MOST_PARTS {
                return updates;
            }
            let tool = ToolCall {
                call: call.to_owned(),
                name: content::cut(
                    fields.name.as_ref().or(fields.title.as_ref()).map_or("tool", |name| name),
                    200,
                ),
                title: String::new(),
                state: ToolState::Pending,
                input: Value::Null,
                output: String::new(),
                started: None,
                ended: None,
                images: vec![],
                record: None,
                child: None,
            };
            message.parts.push(Part { id, origin: None, content: Content::Tool(tool) });
        }
        // When it was in the past, nobody says.
        let time = (!self.is_told(session)).then_some(now);
        if let Some(tool) = self.call_mut(session, call) {
            if let Some(title) = fields.title {
                tool.title = content::cut(&title, 500);
            }
            if let Some(input) = fields.raw_input
                && input.as_object().is_some_and(|input| !input.is_empty())
            {
                tool.input = input;
            }
            if let Some(content) = fields.content {
                (tool.output, tool.images) = content::outputs(&content);
            }
            match fields.status {
                Some(ToolCallStatus::InProgress) => {
                    tool.state = ToolState::Running;
                    tool.started = tool.started.or(time);
                }
                Some(ToolCallStatus::Completed) => (tool.state, tool.ended) = (ToolState::Done, time),
                Some(ToolCallStatus::Failed) => (tool.state, tool.ended) = (ToolState::Failed, time),
                _ => {}
            }
        }
        updates.extend(self.show_call(session, call));
        updates
    }

    fn is_told(&self, session: &Id) -> bool {
        self.sessions.get(session).is_some_and(|talk| talk.past == Past::Told)
    }

    pub(super) fn see_usage(&mut self, session: &Id, usage: &UsageUpdate) -> Vec<Update> {
        let Some(talk) = self.sessions.get_mut(session) else { return vec![] };
        talk.session.context = Some(ContextUse { used: usage.used, limit: Some(usage.size) });
        if let Some(cost) = &usage.cost {
            talk.session.cost = cost.amount;
        }
        vec![Update::Session { session: talk.session.clone() }]
    }

    /// The agent's message that is being said; another one when it has another name.
    fn open_message(&mut self, now: u64, session: &Id, name: Option<&str>) -> Vec<Update> {
        let id = self.next_id("m");
        let Some(talk) = self.sessions.get_mut(session) else { return vec![] };
        let open = talk.messages.last_mut();
        let open = open.filter(|last| last.message.head.role == Author::Agent && !last.message.head.done);
        if let Some(open) = open
            && (name.is_none() || open.name.is_none() || open.name.as_deref() == name)
        {
            open.name = open.name.take().or(name.map(str::to_owned));
            return vec![];
        }
        let mut updates = vec![];
        if let Some(Said { message: last, .. }) =
            talk.messages.last_mut().filter(|last| !last.message.head.done)
        {
            updates.extend(close_last(session, last));
            last.head.done = true;
            updates.push(Update::Message { session: session.clone(), message: last.head.clone() });
        }
        let head = MessageHead { id, role: Author::Agent, error: None, created: now, done: false };
        talk.push(Message { head: head.clone(), parts: vec![] }, name);
        updates.push(Update::Message { session: session.clone(), message: head });
        updates
    }

    fn newest(&mut self, session: &Id) -> Option<&mut Message> {
        self.sessions.get_mut(session)?.messages.last_mut().map(|last| &mut last.message)
    }

    pub(super) fn call(&self, session: &Id, call: &str) -> Option<&ToolCall> {
        let parts = self.sessions.get(session)?.messages.iter().rev().flat_map(|said| &said.message.parts);
        parts
            .filter_map(|part| if let Content::Tool(tool) = &part.content { Some(tool) } else { None })
            .find(|tool| tool.call == call)
    }

    pub(super) fn call_mut(&mut self, session: &Id, call: &str) -> Option<&mut ToolCall> {
        let parts = self
            .sessions
            .get_mut(session)?
            .messages
            .iter_mut()
            .rev()
            .flat_map(|said| &mut said.message.parts);
        parts
            .filter_map(|part| if let Content::Tool(tool) = &mut part.content { Some(tool) } else { None })
            .find(|tool| tool.call == call)
    }

    pub(super) fn show_call(&self, session: &Id, call: &str) -> Option<Update> {
        let messages = self.sessions.get(session)?.messages.iter().rev();
        let is = |part: &&Part| matches!(&part.content, Content::Tool(tool) if tool.call == call);
        let (message, part) = messages
            .filter_map(|said| Some((&said.message.head.id, said.message.parts.iter().find(is)?)))
            .next()?;
        let mut part = part.clone();
        self.show_waiting(session, &mut part);
        Some(Update::Part { session: session.clone(), message: message.clone(), part })
    }
}

/// The text of a piece; other contents have none.
fn text(chunk: &ContentChunk) -> &str {
    match &chunk.content {
        ContentBlock::Text(text) => &text.text,
        _ => "",
    }
}

impl Talk {
    pub(super) fn push(&mut self, message: Message, name: Option<&str>) {
        self.messages.push(Said { name: name.map(str::to_owned), message });
        if self.messages.len() > MOST_MESSAGES {
            self.messages.remove(0);
        }
    }
}

/// Ends what is not ended.
pub(super) fn interrupt(talk: &mut Talk, fault: Option<String>) -> Vec<Update> {
    let session = &talk.session.id;
    let mut updates = vec![];
    for Said { message, .. } in talk.messages.iter_mut().filter(|said| !said.message.head.done) {
        message.head.done = true;
        message.head.error.clone_from(&fault);
        for part in &mut message.parts {
            let changed = match &mut part.content {
                Content::Text { done, .. } | Content::Reasoning { done, .. } => {
                    !std::mem::replace(done, true)
                }
                Content::Tool(tool) if !tool.state.has_ended() => {
                    tool.state = ToolState::Failed;
                    tool.output = "It was interrupted.".into();
                    true
                }
                _ => false,
            };
            if changed {
                let (message, part) = (message.head.id.clone(), part.clone());
                updates.push(Update::Part { session: session.clone(), message, part });
            }
        }
        updates.push(Update::Message { session: session.clone(), message: message.head.clone() });
    }
    updates
}

/// A text before something else is complete.
fn close_last(session: &Id, message: &mut Message) -> Option<Update> {
    let head = message.head.id.clone();
    let part = message.parts.last_mut()?;
    match &mut part.content {
        Content::Text { done, .. } | Content::Reasoning { done, .. } if !*done => *done = true,
        _ => return None,
    }
    Some(Update::Part { session: session.clone(), message: head, part: part.clone() })
}
