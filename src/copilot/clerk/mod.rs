//! One task between one agent and its room: it puts what the agent may not do
//! by itself before the people, tells it what people did in the browser, and
//! joins its calls with the lines of the room's record.
//!
//! ```text
//!  agent ── permission ──▶ consent ──▶ rules, the room's queue ──▶ answer
//!        ── tool call ───▶ the record's book of calls ──▶ its line
//!  room  ── hand-back ───▶ news ──▶ the sessions at work, quietly
//! ```
//!
//! It knows any agent by its port only, and ends with its room.

mod consent;
mod news;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::model::{AgentState, Content, Id, Origin, Permission, Session, ToolCall, ToolState, Update};
use super::port::{Agent, Prompt};
use crate::base::{Actor, ActorId, Role};
use crate::policy::{ApprovalId, SessionCall};
use crate::room::{AgentSeat, CallKey, Phase, Room as _, RoomHandle, RoomView};
use crate::store::Store;

/// Sessions of which it is known whether they work.
const MOST_SESSIONS: usize = 2000;
/// Calls that were announced and whose line may still come.
const MOST_CALLS: usize = 1024;
/// What our own tools are called by agents: `tandem_browser_click`.
pub(super) const OWN: &str = "tandem_";

/// Which approval a permission became, while it waits.
#[derive(Default)]
pub(super) struct Asked(Mutex<HashMap<Id, ApprovalId>>);

impl Asked {
    pub(super) fn get(&self, permission: &Id) -> Option<ApprovalId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(permission).copied()
    }

    fn put(&self, permission: &Id, approval: ApprovalId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(permission.clone(), approval);
    }

    fn remove(&self, permission: &Id) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(permission);
    }
}

pub(super) struct Clerk {
    agent: Arc<dyn Agent>,
    room: RoomHandle,
    store: Store,
    project: Id,
    asked: Arc<Asked>,
    /// The agent's place in the room, taken when it first asks for something.
    seat: Option<Arc<AgentSeat>>,
    /// What waits for people, with the latest word of each.
    open: HashMap<Id, (watch::Sender<Permission>, tokio::task::AbortHandle)>,
    /// At most as many as can wait at once.
    consents: JoinSet<Id>,
    sessions: BTreeMap<Id, Seen>,
    /// Counts turns, to know which session was used last.
    turns: u64,
    announced: HashSet<(Id, String)>,
    hand_backs: u32,
}

/// What is known of a session.
#[derive(Default)]
struct Seen {
    parent: Option<Id>,
    works: bool,
    /// The turn that began last, of all sessions' turns.
    turn: u64,
}

impl Clerk {
    pub(super) fn new(
        agent: Arc<dyn Agent>,
        room: RoomHandle,
        store: Store,
        project: Id,
        asked: Arc<Asked>,
    ) -> Self {
        let hand_backs = room.view().borrow().floor.hand_backs;
        Self {
            agent,
            room,
            store,
            project,
            asked,
            seat: None,
            open: HashMap::new(),
            consents: JoinSet::new(),
            sessions: BTreeMap::new(),
            turns: 0,
            announced: HashSet::new(),
            hand_backs,
        }
    }

    /// Until the room or the program ends.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut view = self.room.view();
        let mut actor = self.agent.actor();
        // The agent's task ends when nobody holds it, and that is us too.
        let Ok(updates) = self.agent.updates(None).await else { return };
        let mut live = updates.live;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = view.changed() => {
                    let now = Arc::clone(&view.borrow_and_update());
                    if changed.is_err() || now.phase == Phase::Stopping {
                        return;
                    }
                    self.see_room(&now).await;
                }
                changed = actor.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if let Some(actor) = actor.borrow_and_update().clone() {
                        self.see_actor(&actor);
                    }
                }
                update = live.recv() => match update {
                    Ok(one) if concerns(&one.json) => match serde_json::from_str(&one.json) {
                        Ok(update) => self.see(update).await,
                        Err(error) => tracing::error!(%error, "an update cannot be read"),
                    },
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => self.compare().await,
                    Err(RecvError::Closed) => return,
                },
                Some(ended) = self.consents.join_next(), if !self.consents.is_empty() => {
                    if let Ok(id) = ended {
                        self.open.remove(&id);
                    }
                }
            }
        }
    }

    async fn see(&mut self, update: Update) {
        match update {
            Update::Permission { permission } => self.ask(permission),
            Update::PermissionGone { permission, .. } => self.withdraw(&permission),
            Update::Session { session } => self.see_session(&session),
            Update::SessionGone { session } => drop(self.sessions.remove(&session)),
            Update::Part { session, part, .. } => {
                if let Content::Tool(call) = part.content {
                    self.see_call(session, call);
                }
            }
            Update::Snapshot => self.compare().await,
            _ => {}
        }
    }

    fn see_actor(&mut self, actor: &Actor) {
        if let Some(recorder) = self.room.recorder() {
            recorder.calls().follow(&actor.id);
        }
        if self.seat.as_ref().is_some_and(|seat| seat.actor().id != actor.id) {
            self.seat = None;
        }
    }

    fn see_session(&mut self, session: &Session) {
        if self.sessions.len() >= MOST_SESSIONS && !self.sessions.contains_key(&session.id) {
            let idle = self.sessions.iter().filter(|(_, seen)| !seen.works);
            if let Some(oldest) = idle.min_by_key(|(_, seen)| seen.turn).map(|(id, _)| id.clone()) {
                self.sessions.remove(&oldest);
            }
        }
        let seen = self.sessions.entry(session.id.clone()).or_default();
        let works = session.state.is_working();
        if works && !seen.works {
            self.turns += 1;
            seen.turn = self.turns;
        }
        seen.works = works;
        seen.parent.clone_from(&session.parent);
    }

    fn root(&self, session: &Id) -> Id {
        let mut at = session;
        // A ring of parents ends too.
        for _ in 0..16 {
            match self.sessions.get(at).and_then(|seen| seen.parent.as_ref()) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        at.clone()
    }

    // --- Permissions -------------------------------------------------------

    fn ask(&mut self, permission: Permission) {
        if let Some((seen, _)) = self.open.get(&permission.id) {
            seen.send_replace(permission);
            return;
        }
        let Some(seat) = self.seat() else { return };
        let id = permission.id.clone();
        let (seen, word) = watch::channel(permission);
        let (agent, asked, project) =
            (Arc::clone(&self.agent), Arc::clone(&self.asked), self.project.clone());
        let task = self.consents.spawn({
            let id = id.clone();
            async move {
                consent::seek(&seat, agent, &asked, project, word).await;
                id
            }
        });
        self.open.insert(id, (seen, task));
    }

    fn withdraw(&mut self, permission: &Id) {
        if let Some((_, task)) = self.open.remove(permission) {
            // Its question is withdrawn with it; an answer that is on its way goes on.
            task.abort();
            self.asked.remove(permission);
        }
    }

    /// What waits now, after something may have been missed.
    async fn compare(&mut self) {
        let Ok(pending) = self.agent.pending().await else { return };
        let waits: HashSet<_> = pending.permissions.iter().map(|one| one.id.clone()).collect();
        let gone: Vec<_> = self.open.keys().filter(|id| !waits.contains(*id)).cloned().collect();
        gone.iter().for_each(|id| self.withdraw(id));
        pending.permissions.into_iter().for_each(|permission| self.ask(permission));
    }

    fn seat(&mut self) -> Option<Arc<AgentSeat>> {
        if let Some(seat) = &self.seat {
            return Some(Arc::clone(seat));
        }
        let actor = self.agent.actor().borrow().clone();
        let actor = actor.unwrap_or_else(|| Actor {
            id: ActorId::new(&format!("sessions:{}", self.project)).unwrap_or_else(|_| nobody()),
            name: "The sessions' agent".into(),
            role: Role::Agent,
            colour: None,
        });
        match self.room.enter_agent(actor) {
            Ok(seat) => {
                let seat = Arc::new(seat);
                self.seat = Some(Arc::clone(&seat));
                Some(seat)
            }
            Err(error) => {
                tracing::warn!(%error, "an agent's permission cannot be asked in its room");
                None
            }
        }
    }

    // --- Calls and their lines --------------------------------------------

    fn see_call(&mut self, session: Id, call: ToolCall) {
        let Some(tool) = call.name.strip_prefix(OWN) else { return };
        let runs = matches!(call.state, ToolState::Running | ToolState::Done | ToolState::Failed);
        if !runs || call.record.is_some() {
            return;
        }
        let (Some(actor), Some(recorder)) = (self.agent.actor().borrow().clone(), self.room.recorder())
        else {
            return;
        };
        if self.announced.len() >= MOST_CALLS {
            self.announced.clear();
        }
        if !self.announced.insert((session.clone(), call.call.clone())) {
            return;
        }
        let input = if call.input.is_null() { Value::Object(Default::default()) } else { call.input };
        let key = CallKey::new(&actor.id, tool, &input);
        let named = SessionCall {
            session: session.to_string(),
            root: self.root(&session).to_string(),
            call: Some(call.call.clone()),
            project: self.project.to_string(),
        };
        let line = recorder.calls().announce(key, named);
        let (agent, store) = (Arc::clone(&self.agent), self.store.clone());
        let room = self.room.view().borrow().id.clone();
        // Ends when the line is written, or with the book, which forgets the oldest.
        tokio::spawn(async move {
            let Ok(line) = line.await else { return };
            // A line that was written before the word of its call came does not name it.
            let named = store.name_call(room, session.to_string(), call.call.clone(), line).await;
            if let Err(error) = named {
                tracing::warn!(%error, line, "after a restart this line is not known as a call's");
            }
            agent.note_record(session, call.call, line).await;
        });
    }

    // --- What people did ---------------------------------------------------

    async fn see_room(&mut self, view: &RoomView) {
        let before = std::mem::replace(&mut self.hand_backs, view.floor.hand_backs);
        if view.floor.hand_backs <= before {
            return;
        }
        if !matches!(self.agent.state(), AgentState::Ready { .. }) {
            return;
        }
        let Some(browser) = self.room.browser() else { return };
        let (facts, _) = browser.journal().since(0);
        let page = view.page.as_ref().map(|page| (page.title.as_str(), page.url.as_str()));
        let Some(text) = news::of_the_last_time(&facts, page) else { return };
        let text = browser.privacy().masks().mask(&text).into_owned();
        for session in self.listeners() {
            let prompt =
                Prompt { text: text.clone(), quiet: true, origin: Some(Origin::Room), ..Prompt::default() };
            let agent = Arc::clone(&self.agent);
            tokio::spawn(async move {
                if let Err(error) = agent.prompt(session, prompt).await {
                    tracing::warn!(%error, "the agent was not told what a person did");
                }
            });
        }
    }

    /// The sessions that people opened and that work, or else the one used last.
    fn listeners(&self) -> Vec<Id> {
        let roots = || self.sessions.iter().filter(|(_, seen)| seen.parent.is_none() && seen.turn > 0);
        let works: Vec<_> = roots().filter(|(_, seen)| seen.works).map(|(id, _)| id.clone()).collect();
        match works.is_empty() {
            true => roots().max_by_key(|(_, seen)| seen.turn).map(|(id, _)| id.clone()).into_iter().collect(),
            false => works,
        }
    }
}

fn nobody() -> ActorId {
    ActorId::new("sessions").expect("eight letters are an id")
}

/// Whether an update says something to the clerk: most are pieces of text.
fn concerns(json: &str) -> bool {
    ["permission", "session", "part\"", "snapshot"]
        .iter()
        .any(|kind| json.strip_prefix(r#"{"type":""#).is_some_and(|rest| rest.starts_with(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_text_are_not_read() {
        let id = || Id::new("a").expect("an id");
        let piece = Update::Piece { session: id(), message: id(), part: id(), text: "x".into() };
        let gone = Update::PartGone { session: id(), message: id(), part: id() };
        let permission =
            Update::PermissionGone { session: id(), permission: id(), why: super::super::model::Gone::Ended };
        let json = |update: &Update| serde_json::to_string(update).expect("json");
        assert!(!concerns(&json(&piece)) && !concerns(&json(&gone)));
        assert!(concerns(&json(&permission)) && concerns(&json(&Update::Snapshot)));
        assert!(concerns(&json(&Update::SessionGone { session: id() })));
    }
}
