//! The transcripts of an agent's sessions, from what it says on the line: a
//! machine without IO, with the time as an argument. The protocol keeps none
//! for its client; of sessions of before, the agent tells the past when they
//! are loaded.

#[cfg(test)]
mod tests;
mod transcript;

use std::collections::BTreeMap;

use agent_client_protocol_schema::MaybeUndefined;
use agent_client_protocol_schema::v1::{PermissionOptionKind, RequestPermissionRequest, SessionUpdate};
use serde_json::Value;

use self::transcript::interrupt;
use super::content::{self, By, Listed, Setting, Settings};
use crate::copilot::facilities::{AgentChoice, Choices, CommandChoice, ModelChoice};
use crate::copilot::model::{
    Author, Content, FileView, Gone, Id, Message, MessageHead, Origin, Part, Permission, Session,
    SessionState, Todo, Tokens, ToolState, Update,
};

/// Sessions, messages of one, parts of one message, permissions at once.
const MOST_SESSIONS: usize = 1000;
const MOST_MESSAGES: usize = 400;
const MOST_PARTS: usize = 2000;
const MOST_PENDING: usize = 200;
const LONGEST_TEXT: usize = 2 << 20;
/// A permission that nobody answers so long is withdrawn, in milliseconds.
const PATIENCE: u64 = 30 * 60 * 1000;

#[derive(Default)]
pub(super) struct State {
    sessions: BTreeMap<Id, Talk>,
    /// With the time of each, in milliseconds since 1970.
    permissions: BTreeMap<Id, (u64, Permission)>,
    /// Counts messages, parts and permissions; their ids rise with time.
    count: u64,
    commands: Vec<CommandChoice>,
    /// What can be chosen, as the newest session told it, and what new ones begin with.
    settings: Settings,
    usual_model: Option<String>,
}

/// One session.
struct Talk {
    session: Session,
    messages: Vec<Said>,
    todos: Vec<Todo>,
    /// Which start of the process knows it; none has number 0.
    run: u64,
    /// Told with the next prompt.
    context: Vec<String>,
    past: Past,
}

/// Where the messages of before are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    Here,
    /// The agent has them; it tells them when the session is loaded.
    Elsewhere,
    /// They are being told.
    Told,
    /// They are told though they are here: nobody listens.
    ToldAgain,
}

/// A message, and what the agent calls it.
struct Said {
    name: Option<String>,
    message: Message,
}

/// What there is to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Model,
    Mode,
}

/// How a choice is made on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// It is so already.
    Same,
    By(By),
    /// There is no such choice; these there are.
    None(Vec<String>),
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
            Some(before) => talk.messages.iter().position(|one| one.message.head.id.as_str() == before)?,
            None => talk.messages.len(),
        };
        let begin = end.saturating_sub(limit);
        let older = (begin > 0).then(|| talk.messages[begin].message.head.id.to_string());
        let shown = |said: &Said| self.shown(id, &said.message);
        Some((talk.messages[begin..end].iter().map(shown).collect(), older))
    }

    pub fn todos(&self, id: &Id) -> Vec<Todo> {
        self.sessions.get(id).map(|talk| talk.todos.clone()).unwrap_or_default()
    }

    pub fn permissions(&self) -> Vec<Permission> {
        self.permissions.values().map(|(_, permission)| permission.clone()).collect()
    }

    pub fn has_choices(&self) -> bool {
        self.settings.model.is_some() || self.settings.mode.is_some()
    }

    pub fn choices(&self) -> Choices {
        let of = |setting: &Option<Setting>| {
            setting.as_ref().map(|setting| setting.choices.clone()).unwrap_or_default()
        };
        let model = |choice: content::Choice| {
            // As far as agents tell a provider, they put it before the name.
            let (provider, name) = match choice.name.split_once('/') {
                Some((provider, name)) => (provider.to_owned(), name.to_owned()),
                None => (String::new(), choice.name),
            };
            ModelChoice {
                default: self.usual_model.as_ref() == Some(&choice.value),
                id: choice.value,
                name,
                provider,
            }
        };
        let agent =
            |choice: content::Choice| AgentChoice { name: choice.value, description: choice.description };
        Choices {
            agents: of(&self.settings.mode).into_iter().map(agent).collect(),
            models: of(&self.settings.model).into_iter().map(model).collect(),
            commands: self.commands.clone(),
        }
    }

    pub fn commands(&self) -> &[CommandChoice] {
        &self.commands
    }

    /// What is to be said on the line so that the session goes on with this choice.
    pub fn switch(&self, id: &Id, kind: Kind, value: &str) -> Switch {
        let (setting, now) = match kind {
            Kind::Model => {
                (&self.settings.model, self.sessions.get(id).and_then(|talk| talk.session.model.as_ref()))
            }
            Kind::Mode => {
                (&self.settings.mode, self.sessions.get(id).and_then(|talk| talk.session.agent.as_ref()))
            }
        };
        let choices = setting.as_ref().map(|setting| setting.choices.as_slice()).unwrap_or_default();
        match setting {
            Some(_) if now.is_some_and(|now| now == value) => Switch::Same,
            Some(setting) if choices.iter().any(|choice| choice.value == value) => {
                Switch::By(setting.by.clone())
            }
            _ => Switch::None(choices.iter().take(5).map(|choice| choice.value.clone()).collect()),
        }
    }

    pub fn works(&self, id: &Id) -> bool {
        self.sessions.get(id).is_some_and(|talk| talk.session.state.is_working())
    }

    /// Whether this start of the process knows it.
    pub fn is_of(&self, id: &Id, run: u64) -> bool {
        self.sessions.get(id).is_some_and(|talk| talk.run == run)
    }

    /// Whether its messages are still to be loaded; nothing for one that is not known.
    pub fn is_elsewhere(&self, id: &Id) -> Option<bool> {
        self.sessions.get(id).map(|talk| talk.past == Past::Elsewhere)
    }

    /// When something will be overdue next.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.permissions.values().map(|(since, _)| since + PATIENCE).min()
    }

    fn shown(&self, session: &Id, message: &Message) -> Message {
        let mut message = message.clone();
        message.parts.iter_mut().for_each(|part| self.show_waiting(session, part));
        message
    }

    fn show_waiting(&self, session: &Id, part: &mut Part) {
        let waits = |call: &String| {
            let mut all = self.permissions.values();
            all.any(|(_, one)| one.session == *session && one.call.as_ref() == Some(call))
        };
        if let Content::Tool(tool) = &mut part.content
            && !tool.state.has_ended()
            && waits(&tool.call)
        {
            tool.state = ToolState::Waiting;
        }
    }

    // Handlers.

    /// A new session.
    pub fn handle_session(&mut self, now: u64, id: &Id, title: Option<String>, run: u64) -> Vec<Update> {
        if let Some(talk) = self.sessions.get_mut(id) {
            talk.run = run;
            return vec![];
        }
        let session = self.add(id, title.unwrap_or_default(), now, run, Past::Here);
        vec![Update::Session { session }]
    }

    /// The sessions that the agent has; `whole` says that it has no others.
    pub fn handle_listed(&mut self, now: u64, listed: Vec<Listed>, whole: bool) -> Vec<Update> {
        let mut updates = vec![];
        if whole {
            let gone = |id: &&Id, talk: &Talk| {
                talk.past == Past::Elsewhere && !listed.iter().any(|one| one.id == **id)
            };
            let gone: Vec<_> =
                self.sessions.iter().filter(|(id, talk)| gone(id, talk)).map(|(id, _)| id.clone()).collect();
            updates.extend(gone.iter().flat_map(|id| self.handle_gone(id)));
        }
        for Listed { id, title, updated } in listed {
            match self.sessions.contains_key(&id) {
                true if title.is_empty() => {}
                true => updates.extend(self.handle_title(&id, &title)),
                false => {
                    let session = self.add(&id, title, updated.unwrap_or(now), 0, Past::Elsewhere);
                    updates.push(Update::Session { session });
                }
            }
        }
        updates
    }

    fn add(&mut self, id: &Id, title: String, at: u64, run: u64, past: Past) -> Session {
        if self.sessions.len() >= MOST_SESSIONS {
            let idle = self.sessions.values().filter(|talk| !talk.session.state.is_working());
            let oldest = idle.min_by_key(|talk| talk.session.updated).map(|talk| talk.session.id.clone());
            oldest.and_then(|oldest| self.sessions.remove(&oldest));
        }
        let session = Session {
            id: id.clone(),
            title,
            state: SessionState::Idle,
            parent: None,
            created: at,
            updated: at,
            cost: 0.0,
            tokens: Tokens::default(),
            model: None,
            agent: None,
            context: None,
            reverted: None,
        };
        let talk =
            Talk { session: session.clone(), messages: vec![], todos: vec![], run, context: vec![], past };
        self.sessions.insert(id.clone(), talk);
        session
    }

    /// The agent is asked to load it, and will tell what was said before.
    pub fn handle_loading(&mut self, id: &Id) {
        if let Some(talk) = self.sessions.get_mut(id) {
            talk.past = if talk.past == Past::Elsewhere { Past::Told } else { Past::ToldAgain };
        }
    }

    /// It has told all of it, or could not.
    pub fn handle_loaded(&mut self, id: &Id, run: Option<u64>) -> Vec<Update> {
        let Some(talk) = self.sessions.get_mut(id) else { return vec![] };
        let was = std::mem::replace(&mut talk.past, Past::Here);
        match run {
            Some(run) => talk.run = run,
            None if was == Past::Told => {
                talk.messages.clear();
                talk.past = Past::Elsewhere;
            }
            None => {}
        }
        if was == Past::Told {
            // What was told of the past goes on no more, and nobody has seen it yet.
            interrupt(talk, None);
        }
        vec![Update::Session { session: talk.session.clone() }]
    }

    pub fn handle_gone(&mut self, id: &Id) -> Vec<Update> {
        let mut updates = self.end_permissions(Some(id), Gone::Ended);
        updates.extend(self.sessions.remove(id).map(|_| Update::SessionGone { session: id.clone() }));
        updates
    }

    pub fn handle_title(&mut self, id: &Id, title: &str) -> Vec<Update> {
        let Some(talk) = self.sessions.get_mut(id).filter(|talk| talk.session.title != title) else {
            return vec![];
        };
        title.clone_into(&mut talk.session.title);
        vec![Update::Session { session: talk.session.clone() }]
    }

    /// What a session is set to, and what else there is. `is_new` says that nobody chose it.
    pub fn handle_settings(&mut self, id: &Id, told: Settings, is_new: bool) -> Vec<Update> {
        let Settings { model, mode } = told;
        if is_new && let Some(model) = &model {
            self.usual_model = Some(model.current.clone());
        }
        let mut updates = vec![];
        if let Some(talk) = self.sessions.get_mut(id) {
            let before = (talk.session.model.clone(), talk.session.agent.clone());
            talk.session.model = model.as_ref().map(|model| model.current.clone()).or(before.0.clone());
            talk.session.agent = mode.as_ref().map(|mode| mode.current.clone()).or(before.1.clone());
            if before != (talk.session.model.clone(), talk.session.agent.clone()) {
                updates.push(Update::Session { session: talk.session.clone() });
            }
        }
        self.settings.model = model.or(self.settings.model.take());
        self.settings.mode = mode.or(self.settings.mode.take());
        updates
    }

    /// A choice was made, and the agent said no more than that.
    pub fn handle_switched(&mut self, id: &Id, kind: Kind, value: &str) -> Vec<Update> {
        let Some(talk) = self.sessions.get_mut(id) else { return vec![] };
        let place = match kind {
            Kind::Model => &mut talk.session.model,
            Kind::Mode => &mut talk.session.agent,
        };
        if place.as_deref() == Some(value) {
            return vec![];
        }
        *place = Some(value.to_owned());
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
        talk.push(Message { head, parts }, None);
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
        updates.extend(interrupt(talk, fault));
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

    /// Withdraws what nobody answered in time, and says what to refuse.
    pub fn handle_timeout(&mut self, now: u64) -> (Vec<Id>, Vec<Update>) {
        let over = self.permissions.iter().filter(|(_, (since, _))| since + PATIENCE <= now);
        let over: Vec<_> = over.map(|(id, _)| id.clone()).collect();
        let updates = over.iter().filter_map(|id| self.handle_answer(id, Gone::Expired)).flatten().collect();
        (over, updates)
    }

    /// The agent wants a yes.
    pub fn handle_permission(
        &mut self,
        now: u64,
        session: &Id,
        asked: &RequestPermissionRequest,
    ) -> Option<(Id, Vec<Update>)> {
        if self.permissions.len() >= MOST_PENDING || !self.works(session) {
            return None;
        }
        let call = &asked.tool_call;
        let name = call.tool_call_id.0.to_string();
        // The call as it was told before has all of its arguments.
        let known = self.call(session, &name).map(|tool| tool.input.clone());
        let full = |input: &Value| input.as_object().is_some_and(|input| !input.is_empty());
        let input = known.filter(full).or_else(|| call.fields.raw_input.clone().filter(full));
        let always = asked.options.iter().filter(|option| option.kind == PermissionOptionKind::AllowAlways);
        let title = content::cut(call.fields.title.as_deref().unwrap_or_default(), 2000);
        let permission = Permission {
            id: self.next_id("q"),
            session: session.clone(),
            root: session.clone(),
            call: Some(name.clone()),
            tool: content::word(&call.fields.kind.unwrap_or_default()),
            complete: true,
            input: input.unwrap_or(Value::Null),
            patterns: vec![title.clone()],
            always: always.map(|_| title.clone()).collect(),
        };
        let id = permission.id.clone();
        self.permissions.insert(id.clone(), (now, permission.clone()));
        let mut updates = vec![Update::Permission { permission }];
        updates.extend(self.show_call(session, &name));
        Some((id, updates))
    }

    /// It does not wait any more; nothing if it did not.
    pub fn handle_answer(&mut self, id: &Id, why: Gone) -> Option<Vec<Update>> {
        let (_, Permission { session, call, .. }) = self.permissions.remove(id)?;
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

    /// A `session/update`.
    pub fn handle_update(&mut self, now: u64, session: &Id, update: SessionUpdate) -> Vec<Update> {
        let Some(talk) = self.sessions.get(session) else { return vec![] };
        let (past, at) = (talk.past, talk.session.updated);
        match update {
            SessionUpdate::UsageUpdate(usage) => self.see_usage(session, &usage),
            SessionUpdate::SessionInfoUpdate(info) => match info.title {
                MaybeUndefined::Value(title) => self.handle_title(session, &content::cut(&title, 200)),
                _ => vec![],
            },
            SessionUpdate::ConfigOptionUpdate(told) => {
                self.handle_settings(session, content::settings(&told.config_options, None, None), false)
            }
            SessionUpdate::CurrentModeUpdate(told) => {
                self.handle_switched(session, Kind::Mode, &content::cut(&told.current_mode_id.0, 200))
            }
            SessionUpdate::AvailableCommandsUpdate(told) => {
                self.commands = content::commands(&told);
                vec![]
            }
            _ if past == Past::ToldAgain => vec![],
            // Whoever reads the session waits for the end of it.
            of_transcript if past == Past::Told => {
                self.see_transcript(at, session, of_transcript);
                vec![]
            }
            // Our own words, which are here already.
            SessionUpdate::UserMessageChunk(_) => vec![],
            of_transcript => self.see_transcript(now, session, of_transcript),
        }
    }

    fn end_permissions(&mut self, session: Option<&Id>, why: Gone) -> Vec<Update> {
        let all = self.permissions.values().map(|(_, permission)| permission);
        let theirs = all.filter(|one| session.is_none_or(|id| one.session == *id));
        let theirs: Vec<_> = theirs.map(|one| one.id.clone()).collect();
        theirs.iter().filter_map(|id| self.handle_answer(id, why)).flatten().collect()
    }

    fn next_id(&mut self, kind: &str) -> Id {
        self.count += 1;
        Id::new(&format!("{kind}{:012}", self.count)).expect("a letter and digits are an id")
    }
}
