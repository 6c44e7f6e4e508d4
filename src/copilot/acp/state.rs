//! The transcripts of an agent's sessions, from what it says on the line: a
//! machine without IO. The protocol keeps none for its client.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::copilot::facilities::CommandChoice;
use crate::copilot::model::{
    Author, Content, ContextUse, FileView, Gone, Id, Message, MessageHead, Origin, Part, Permission, Session,
    SessionState, Todo, Tokens, ToolCall, ToolState, Update,
};

/// Sessions, messages of one, parts of one message, permissions at once.
const MOST_SESSIONS: usize = 200;
const MOST_MESSAGES: usize = 400;
const MOST_PARTS: usize = 2000;
const MOST_PENDING: usize = 200;
const LONGEST_TEXT: usize = 2 << 20;

#[derive(Default)]
pub(super) struct State {
    sessions: BTreeMap<Id, Talk>,
    permissions: BTreeMap<Id, Permission>,
    /// Counts messages, parts and permissions; their ids rise with time.
    count: u64,
    commands: Vec<CommandChoice>,
}

/// One session.
struct Talk {
    session: Session,
    messages: Vec<Message>,
    todos: Vec<Todo>,
    /// Which start of the process knows it.
    run: u64,
    /// Told with the next prompt.
    context: Vec<String>,
}

impl State {
    // Getters.

    pub fn session(&self, id: &Id) -> Option<Session> {
        self.sessions.get(id).map(|talk| talk.session.clone())
    }

    pub fn sessions(&self) -> Vec<Session> {
        let mut all: Vec<_> = self.sessions.values().map(|talk| talk.session.clone()).collect();
        all.sort_by_key(|session| std::cmp::Reverse(session.updated));
        all
    }

    /// The newest messages before one, oldest first.
    pub fn page(
        &self,
        id: &Id,
        before: Option<&str>,
        limit: usize,
    ) -> Option<(Vec<Message>, Option<String>)> {
        let talk = self.sessions.get(id)?;
        let end = match before {
            Some(before) => talk.messages.iter().position(|one| one.head.id.as_str() == before)?,
            None => talk.messages.len(),
        };
        let begin = end.saturating_sub(limit);
        let older = (begin > 0).then(|| talk.messages[begin].head.id.to_string());
        let shown = |message: &Message| self.shown(id, message);
        Some((talk.messages[begin..end].iter().map(shown).collect(), older))
    }

    pub fn todos(&self, id: &Id) -> Vec<Todo> {
        self.sessions.get(id).map(|talk| talk.todos.clone()).unwrap_or_default()
    }

    pub fn permissions(&self) -> Vec<Permission> {
        self.permissions.values().cloned().collect()
    }

    pub fn commands(&self) -> &[CommandChoice] {
        &self.commands
    }

    pub fn works(&self, id: &Id) -> bool {
        self.sessions.get(id).is_some_and(|talk| talk.session.state.is_working())
    }

    /// Whether this start of the process knows it.
    pub fn is_of(&self, id: &Id, run: u64) -> bool {
        self.sessions.get(id).is_some_and(|talk| talk.run == run)
    }

    fn shown(&self, session: &Id, message: &Message) -> Message {
        let mut message = message.clone();
        message.parts.iter_mut().for_each(|part| self.show_waiting(session, part));
        message
    }

    fn show_waiting(&self, session: &Id, part: &mut Part) {
        if let Content::Tool(tool) = &mut part.content
            && !tool.state.has_ended()
            && self
                .permissions
                .values()
                .any(|one| one.session == *session && one.call.as_ref() == Some(&tool.call))
        {
            tool.state = ToolState::Waiting;
        }
    }

    // Handlers.

    pub fn handle_session(&mut self, now: u64, id: &Id, title: Option<String>, run: u64) -> Vec<Update> {
        if let Some(talk) = self.sessions.get_mut(id) {
            talk.run = run;
            return vec![];
        }
        if self.sessions.len() >= MOST_SESSIONS {
            let idle = self.sessions.values().filter(|talk| !talk.session.state.is_working());
            if let Some(oldest) =
                idle.min_by_key(|talk| talk.session.updated).map(|talk| talk.session.id.clone())
            {
                self.sessions.remove(&oldest);
            }
        }
        let session = Session {
            id: id.clone(),
            title: title.unwrap_or_default(),
            state: SessionState::Idle,
            parent: None,
            created: now,
            updated: now,
            cost: 0.0,
            tokens: Tokens::default(),
            model: None,
            agent: None,
            context: None,
            reverted: None,
        };
        let talk = Talk { session: session.clone(), messages: vec![], todos: vec![], run, context: vec![] };
        self.sessions.insert(id.clone(), talk);
        vec![Update::Session { session }]
    }

    pub fn handle_title(&mut self, id: &Id, title: &str) -> Vec<Update> {
        let Some(talk) = self.sessions.get_mut(id).filter(|talk| talk.session.title != title) else {
            return vec![];
        };
        title.clone_into(&mut talk.session.title);
        vec![Update::Session { session: talk.session.clone() }]
    }

    /// What is said to the agent. Quiet words wait for the next prompt; gives all that is to be said now.
    pub fn handle_prompt(
        &mut self,
        now: u64,
        id: &Id,
        text: &str,
        quiet: bool,
        origin: Option<Origin>,
        files: Vec<FileView>,
    ) -> (Vec<String>, Vec<Update>) {
        let (message, part) = (self.next_id("m"), self.next_id("p"));
        let file_parts: Vec<_> = files.into_iter().map(|file| (self.next_id("p"), file)).collect();
        let Some(talk) = self.sessions.get_mut(id) else { return (vec![], vec![]) };
        let head =
            MessageHead { id: message.clone(), role: Author::User, error: None, created: now, done: true };
        let mut parts =
            vec![Part { id: part, origin, content: Content::Text { text: text.to_owned(), done: true } }];
        parts.extend(file_parts.into_iter().map(|(id, file)| Part {
            id,
            origin: None,
            content: Content::File(file),
        }));
        let mut updates = vec![Update::Message { session: id.clone(), message: head.clone() }];
        updates.extend(parts.iter().map(|part| Update::Part {
            session: id.clone(),
            message: message.clone(),
            part: part.clone(),
        }));
        talk.push(Message { head, parts });
        talk.session.updated = now;
        if quiet {
            talk.context.push(text.to_owned());
            let more = talk.context.len().saturating_sub(20);
            talk.context.drain(..more);
            return (vec![], updates);
        }
        talk.session.state = SessionState::Busy;
        updates.insert(0, Update::Session { session: talk.session.clone() });
        let mut said = std::mem::take(&mut talk.context);
        said.push(text.to_owned());
        (said, updates)
    }

    /// Words for the agent's next turn that nobody sees.
    pub fn handle_context(&mut self, id: &Id, text: String) {
        if let Some(talk) = self.sessions.get_mut(id) {
            talk.context.push(text);
        }
    }

    /// The turn is over.
    pub fn handle_end(&mut self, now: u64, id: &Id, fault: Option<String>) -> Vec<Update> {
        let mut updates = self.end_permissions(Some(id), Gone::Ended);
        let Some(talk) = self.sessions.get_mut(id) else { return updates };
        talk.session.updated = now;
        talk.session.state = match fault.clone() {
            Some(reason) => SessionState::Failed { reason },
            None => SessionState::Idle,
        };
        for message in talk.messages.iter_mut().filter(|message| !message.head.done) {
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
                    updates.push(Update::Part { session: id.clone(), message, part });
                }
            }
            updates.push(Update::Message { session: id.clone(), message: message.head.clone() });
        }
        updates.push(Update::Session { session: talk.session.clone() });
        updates
    }

    /// The process has ended, and with it what it was about to do.
    pub fn handle_restart(&mut self, now: u64) -> Vec<Update> {
        let mut updates = self.end_permissions(None, Gone::Restarted);
        let working: Vec<_> = self.sessions.keys().filter(|id| self.works(id)).cloned().collect();
        for id in working {
            updates.extend(self.handle_end(
                now,
                &id,
                Some("The agent's process ended during this turn.".into()),
            ));
        }
        updates
    }

    /// The agent wants a yes.
    pub fn handle_permission(&mut self, session: &Id, params: &Value) -> Option<(Id, Vec<Update>)> {
        if self.permissions.len() >= MOST_PENDING || !self.works(session) {
            return None;
        }
        let call = &params["toolCall"];
        let name = call["toolCallId"].as_str().map(str::to_owned);
        // The call as it was told before has all of its arguments.
        let known = name.as_ref().and_then(|name| self.call(session, name)).map(|tool| tool.input.clone());
        let full = |input: &Value| input.as_object().is_some_and(|input| !input.is_empty());
        let input = known.filter(full).or_else(|| Some(call["rawInput"].clone()).filter(full));
        let always = params["options"].as_array().into_iter().flatten();
        let always = always.filter(|option| option["kind"] == "allow_always");
        let title = call["title"].as_str().unwrap_or_default().to_owned();
        let permission = Permission {
            id: self.next_id("q"),
            session: session.clone(),
            root: session.clone(),
            call: name.clone(),
            tool: call["kind"].as_str().unwrap_or("other").to_owned(),
            complete: true,
            input: input.unwrap_or(Value::Null),
            patterns: vec![title.clone()],
            always: always.map(|_| title.clone()).collect(),
        };
        let id = permission.id.clone();
        self.permissions.insert(id.clone(), permission.clone());
        let mut updates = vec![Update::Permission { permission }];
        updates.extend(name.and_then(|name| self.show_call(session, &name)));
        Some((id, updates))
    }

    /// It does not wait any more; nothing if it did not.
    pub fn handle_answer(&mut self, id: &Id, why: Gone) -> Option<Vec<Update>> {
        let permission = self.permissions.remove(id)?;
        let Permission { session, call, .. } = permission;
        let mut updates =
            vec![Update::PermissionGone { session: session.clone(), permission: id.clone(), why }];
        updates.extend(call.and_then(|call| self.show_call(&session, &call)));
        Some(updates)
    }

    pub fn handle_line(&mut self, session: &Id, call: &str, line: u64) -> Vec<Update> {
        if let Some(tool) = self.call_mut(session, call) {
            tool.record = Some(line);
        }
        self.show_call(session, call).into_iter().collect()
    }

    /// A `session/update`. A kind that is not known says nothing.
    pub fn handle_update(&mut self, now: u64, session: &Id, update: &Value) -> Vec<Update> {
        if !self.sessions.contains_key(session) {
            return vec![];
        }
        let text = update.pointer("/content/text").and_then(Value::as_str).unwrap_or_default();
        match update["sessionUpdate"].as_str().unwrap_or_default() {
            "agent_message_chunk" => self.add_text(now, session, update, text, false),
            "agent_thought_chunk" => self.add_text(now, session, update, text, true),
            "tool_call" | "tool_call_update" => self.see_call(now, session, update),
            "plan" => self.see_plan(session, update),
            "usage_update" => self.see_usage(session, update),
            "session_info_update" => match update["title"].as_str() {
                Some(title) => self.handle_title(session, &title.chars().take(200).collect::<String>()),
                None => vec![],
            },
            "available_commands_update" => {
                let all = update["availableCommands"].as_array().into_iter().flatten().take(500);
                let text = |value: &Value| value.as_str().unwrap_or_default().chars().take(500).collect();
                let choice = |one: &Value| CommandChoice {
                    name: text(&one["name"]),
                    description: text(&one["description"]),
                };
                self.commands = all.map(choice).collect();
                vec![]
            }
            _ => vec![],
        }
    }

    fn add_text(&mut self, now: u64, session: &Id, update: &Value, text: &str, thought: bool) -> Vec<Update> {
        let mut updates = self.open_message(now, session, update["messageId"].as_str());
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

    fn see_call(&mut self, now: u64, session: &Id, update: &Value) -> Vec<Update> {
        let Some(call) = update["toolCallId"].as_str() else { return vec![] };
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
                name: update["title"].as_str().unwrap_or("tool").chars().take(200).collect(),
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
        if let Some(tool) = self.call_mut(session, call) {
            if let Some(title) = update["title"].as_str() {
                tool.title = title.chars().take(500).collect();
            }
            if update["rawInput"].as_object().is_some_and(|input| !input.is_empty()) {
                tool.input = update["rawInput"].clone();
            }
            if let Some(content) = update["content"].as_array() {
                (tool.output, tool.images) = outputs(content);
            }
            match update["status"].as_str() {
                Some("in_progress") => {
                    tool.state = ToolState::Running;
                    tool.started.get_or_insert(now);
                }
                Some("completed") => (tool.state, tool.ended) = (ToolState::Done, Some(now)),
                Some("failed") => (tool.state, tool.ended) = (ToolState::Failed, Some(now)),
                _ => {}
            }
        }
        updates.extend(self.show_call(session, call));
        updates
    }

    fn see_plan(&mut self, session: &Id, update: &Value) -> Vec<Update> {
        let text = |value: &Value| value.as_str().unwrap_or_default().chars().take(1000).collect::<String>();
        let entries = update["entries"].as_array().into_iter().flatten().take(200);
        let todos: Vec<_> = entries
            .map(|one| Todo {
                text: text(&one["content"]),
                state: text(&one["status"]),
                priority: text(&one["priority"]),
            })
            .collect();
        if let Some(talk) = self.sessions.get_mut(session) {
            talk.todos.clone_from(&todos);
        }
        vec![Update::Todos { session: session.clone(), todos }]
    }

    fn see_usage(&mut self, session: &Id, update: &Value) -> Vec<Update> {
        let Some(talk) = self.sessions.get_mut(session) else { return vec![] };
        if let Some(used) = update["used"].as_u64() {
            talk.session.context = Some(ContextUse { used, limit: update["size"].as_u64() });
        }
        if let Some(cost) = update.pointer("/cost/amount").and_then(Value::as_f64) {
            talk.session.cost = cost;
        }
        vec![Update::Session { session: talk.session.clone() }]
    }

    /// The agent's message that is being said; another one when it has another name.
    fn open_message(&mut self, now: u64, session: &Id, name: Option<&str>) -> Vec<Update> {
        let name = name.and_then(Id::new);
        let own = self.next_id("m");
        let Some(talk) = self.sessions.get_mut(session) else { return vec![] };
        let last = talk.messages.last();
        let open = last.filter(|last| last.head.role == Author::Agent && !last.head.done);
        if open.is_some_and(|open| {
            name.as_ref().is_none_or(|name| open.head.id == *name || is_own(&open.head.id))
        }) {
            return vec![];
        }
        let mut updates = vec![];
        if let Some(last) = talk.messages.last_mut().filter(|last| !last.head.done) {
            updates.extend(close_last(session, last));
            last.head.done = true;
            updates.push(Update::Message { session: session.clone(), message: last.head.clone() });
        }
        let taken = |id: &Id| talk.messages.iter().any(|one| one.head.id == *id);
        let id = name.filter(|id| !taken(id)).unwrap_or(own);
        let head = MessageHead { id, role: Author::Agent, error: None, created: now, done: false };
        talk.push(Message { head: head.clone(), parts: vec![] });
        updates.push(Update::Message { session: session.clone(), message: head });
        updates
    }

    fn newest(&mut self, session: &Id) -> Option<&mut Message> {
        self.sessions.get_mut(session)?.messages.last_mut()
    }

    fn call(&self, session: &Id, call: &str) -> Option<&ToolCall> {
        let parts = self.sessions.get(session)?.messages.iter().rev().flat_map(|message| &message.parts);
        parts
            .filter_map(|part| if let Content::Tool(tool) = &part.content { Some(tool) } else { None })
            .find(|tool| tool.call == call)
    }

    fn call_mut(&mut self, session: &Id, call: &str) -> Option<&mut ToolCall> {
        let parts =
            self.sessions.get_mut(session)?.messages.iter_mut().rev().flat_map(|message| &mut message.parts);
        parts
            .filter_map(|part| if let Content::Tool(tool) = &mut part.content { Some(tool) } else { None })
            .find(|tool| tool.call == call)
    }

    fn show_call(&self, session: &Id, call: &str) -> Option<Update> {
        let messages = self.sessions.get(session)?.messages.iter().rev();
        let is = |part: &&Part| matches!(&part.content, Content::Tool(tool) if tool.call == call);
        let (message, part) =
            messages.filter_map(|message| Some((&message.head.id, message.parts.iter().find(is)?))).next()?;
        let mut part = part.clone();
        self.show_waiting(session, &mut part);
        Some(Update::Part { session: session.clone(), message: message.clone(), part })
    }

    fn end_permissions(&mut self, session: Option<&Id>, why: Gone) -> Vec<Update> {
        let theirs = self.permissions.values().filter(|one| session.is_none_or(|id| one.session == *id));
        let theirs: Vec<_> = theirs.map(|one| one.id.clone()).collect();
        theirs.iter().filter_map(|id| self.handle_answer(id, why)).flatten().collect()
    }

    fn next_id(&mut self, kind: &str) -> Id {
        self.count += 1;
        Id::new(&format!("{kind}{:012}", self.count)).expect("a letter and digits are an id")
    }
}

impl Talk {
    fn push(&mut self, message: Message) {
        self.messages.push(message);
        if self.messages.len() > MOST_MESSAGES {
            self.messages.remove(0);
        }
    }
}

/// A name of ours, for a message that the agent gave none.
fn is_own(id: &Id) -> bool {
    id.as_str().len() == 13 && id.as_str().starts_with('m')
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

/// What a tool shows: texts, pictures, files that it changed.
fn outputs(content: &[Value]) -> (String, Vec<FileView>) {
    let (mut text, mut images) = (vec![], vec![]);
    for one in content.iter().take(200) {
        match one["type"].as_str() {
            Some("content") => {
                let inner = &one["content"];
                if let Some(said) = inner["text"].as_str() {
                    text.push(said.chars().take(200_000).collect());
                } else if let (Some(data), Some(mime)) = (inner["data"].as_str(), inner["mimeType"].as_str())
                {
                    let url = format!("data:{mime};base64,{data}");
                    images.push(FileView { name: String::new(), mime: mime.to_owned(), url });
                }
            }
            Some("diff") => text.push(format!("changed {}", one["path"].as_str().unwrap_or_default())),
            _ => {}
        }
    }
    (text.join("\n"), images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn talk() -> (State, Id) {
        let mut state = State::default();
        let id = Id::new("s").expect("an id");
        state.handle_session(1, &id, None, 1);
        let (said, _) = state.handle_prompt(1, &id, "do it", false, None, vec![]);
        assert_eq!(said, ["do it"]);
        (state, id)
    }

    #[test]
    fn a_turn_with_a_tool_and_a_permission_becomes_a_transcript() {
        let (mut state, id) = talk();
        let told = |state: &mut State, update: Value| state.handle_update(2, &id, &update);
        let chunk = |text: &str| json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
        told(&mut state, chunk("one "));
        told(&mut state, chunk("two"));
        told(
            &mut state,
            json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "bash", "kind": "execute", "status": "pending", "rawInput": {} }),
        );
        told(
            &mut state,
            json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "in_progress", "rawInput": { "command": "ls", "description": "d" } }),
        );
        let ask = json!({ "toolCall": { "toolCallId": "c", "kind": "execute", "title": "ls", "rawInput": { "command": "ls" } },
            "options": [{ "optionId": "o", "kind": "allow_once" }, { "optionId": "a", "kind": "allow_always" }] });
        let (permission, _) = state.handle_permission(&id, &ask).expect("asked");
        assert_eq!(state.permissions()[0].input["description"], "d", "all of its arguments");
        let tool = |state: &State| match &state.page(&id, None, 9).expect("a page").0[1].parts[1].content {
            Content::Tool(tool) => tool.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(tool(&state).state, ToolState::Waiting);
        assert!(state.handle_answer(&permission, Gone::Answered).is_some());
        assert!(state.handle_answer(&permission, Gone::Answered).is_none(), "the first answer counts");
        told(
            &mut state,
            json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed",
            "content": [{ "type": "content", "content": { "type": "text", "text": "a.txt" } }] }),
        );
        told(&mut state, json!({ "sessionUpdate": "of_the_future", "x": 1 }));
        told(&mut state, chunk("three"));
        state.handle_end(3, &id, None);
        let (messages, older) = state.page(&id, None, 9).expect("a page");
        assert!(older.is_none() && messages.len() == 2 && messages[1].head.done);
        let texts = messages[1].parts.iter().map(|part| match &part.content {
            Content::Text { text, done } => format!("{text}/{done}"),
            Content::Tool(tool) => format!("{}/{:?}", tool.output, tool.state),
            _ => String::new(),
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["one two/true", "a.txt/Done", "three/true"]);
    }

    #[test]
    fn what_the_end_of_the_process_leaves_open_is_told_as_interrupted() {
        let (mut state, id) = talk();
        state.handle_update(
            2,
            &id,
            &json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "status": "in_progress" }),
        );
        state
            .handle_permission(&id, &json!({ "toolCall": { "toolCallId": "c" }, "options": [] }))
            .expect("asked");
        let updates = state.handle_restart(3);
        assert!(
            updates
                .iter()
                .any(|update| matches!(update, Update::PermissionGone { why: Gone::Restarted, .. }))
        );
        assert!(matches!(state.session(&id).expect("there").state, SessionState::Failed { .. }));
        assert!(state.permissions().is_empty());
    }

    #[test]
    fn quiet_words_go_with_the_next_prompt() {
        let (mut state, id) = talk();
        state.handle_end(2, &id, None);
        let (now, _) = state.handle_prompt(3, &id, "Ada had it", true, Some(Origin::Room), vec![]);
        assert!(now.is_empty() && !state.works(&id));
        let (now, _) = state.handle_prompt(4, &id, "go on", false, None, vec![]);
        assert_eq!(now, ["Ada had it", "go on"]);
    }
}
