//! The task that owns everything that changes in one room: who is present,
//! who has the floor, what lives and what is brought back. Frames bypass it.

mod people;
mod private;
pub(super) mod rest;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use self::private::{LONGEST_SECRET, covered, hand};
use super::camera::Camera;
use super::handle::{Command, NoFloor, SeatEnd, SeatId};
use super::help::{HelpDesk, HelpEnd};
use super::idle::Idle;
use super::ledger::Ledger;
use super::lifecycle::{Lifecycle, Part};
use super::parts::{Begun, Parts};
use super::port::RoomError;
use super::presence::PresentList;
use super::record::Recorder;
use super::rulebook::Rulebook;
use super::viewers::{Viewers, touch};
use super::yes::Yes;
use super::{HelpTask, PageView, Presence, Reach, RoomEvent, RoomSettings, RoomSpec, RoomView, remembered};
use crate::base::{Actor, ActorKind, CursorImage, Input, PeerId, Privacy, Role, Size, StampedInput};
use crate::browser::{Browser, BrowserEvent, TabInfo};
use crate::display::DisplayEvent;
use crate::floor::{Floor, FloorPermit, Holder, Moments, Refusal};
use crate::policy::{AnswerError, Place};
use crate::process::Group;
use crate::rtc::{PeerEvent, Rtc};

/// While an agent acts, the floor is looked at this often, so that a permit
/// dropped by a cancelled call does not leave its name on the screen.
const HOLDER_CHECK: Duration = Duration::from_millis(500);

/// The ends of the room that its handle does not hold.
pub(super) struct Outlets {
    pub view: watch::Sender<Arc<RoomView>>,
    pub events: broadcast::Sender<RoomEvent>,
    pub cursor: watch::Sender<Option<Arc<CursorImage>>>,
    pub browser: watch::Sender<Option<Arc<Browser>>>,
}

/// What a room stands on, and outlives a driver that fails.
#[derive(Clone)]
pub(super) struct Ground {
    pub settings: Arc<RoomSettings>,
    pub rtc: Rtc,
    pub camera: Arc<Camera>,
    pub rulebook: Arc<Rulebook>,
    pub recorder: Recorder,
    pub reach: Arc<Reach>,
    /// Its programs, with their limits.
    pub group: Arc<Group>,
    pub privacy: Privacy,
}

/// An agent that waits for a person to be still, or for its turn.
struct Waiting {
    actor: Actor,
    deadline: Instant,
    reply: oneshot::Sender<Result<FloorPermit, NoFloor>>,
}

/// An agent's place, as its room knows it.
struct AgentPlace {
    actor: Actor,
    end: watch::Sender<SeatEnd>,
}

/// How a room begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Awake,
    /// Nothing is started before somebody comes.
    Asleep,
    /// Nothing is started before it is said.
    Stopped,
}

pub(super) struct Driver<'a> {
    outlets: &'a Outlets,
    parts: Parts,
    camera: Arc<Camera>,
    lifecycle: Lifecycle,
    floor: Floor,
    moments: Moments,
    privacy: Privacy,
    /// Where what was typed is being covered, as a moment ends.
    covering: Option<JoinHandle<()>>,
    /// Tabs with the focus in a field of secrets.
    secret_focus: HashSet<String>,
    private_from: Role,
    present: PresentList,
    viewers: Viewers,
    agents: HashMap<SeatId, AgentPlace>,
    waiting: Vec<Waiting>,
    /// What agents had sent did not have its effect in time; it is not waited for again.
    impatient: bool,
    yes: Yes,
    /// Whether the users of agents' own clients may answer.
    hears_clients: bool,
    rulebook: Arc<Rulebook>,
    ledger: Ledger,
    help: HelpDesk,
    /// Where the agents wait for how their requests end.
    help_replies: HashMap<u32, oneshot::Sender<HelpEnd>>,
    size: Size,
    tabs: Vec<TabInfo>,
    /// Where they are kept while there is no browser.
    tabs_kept: Option<PathBuf>,
    idle: Idle,
    peer_events: mpsc::Receiver<(PeerId, PeerEvent)>,
    /// Since when it is in the phase that was published last.
    since: SystemTime,
    /// Set when everything has stopped.
    stopped: bool,
}

impl<'a> Driver<'a> {
    pub fn new(spec: RoomSpec, begin: Begin, ground: Ground, outlets: &'a Outlets) -> Self {
        let Ground { settings, rtc, camera, rulebook, recorder, reach, group, privacy } = ground;
        // A driver before this one may have failed in the middle of one.
        privacy.end();
        let mut lifecycle = Lifecycle::new(Instant::now());
        match begin {
            Begin::Awake => {}
            Begin::Asleep => lifecycle.handle_slept(Instant::now()),
            Begin::Stopped => lifecycle.handle_shut(Instant::now()),
        }
        let start = spec.start_url.as_deref().unwrap_or(&settings.start_url);
        rulebook.named().add(&Place::of(start));
        let tabs_kept = remembered::place(&settings, &spec.id, &spec.options);
        let sleep = spec.options.sleep_s.map_or(settings.sleep, |s| Duration::from_secs(s.into()));
        // Input of all viewers; when it is full, rtc drops moves and holds the rest back.
        let (peer_sender, peer_events) = mpsc::channel(1024);
        let now = Instant::now();
        Self {
            viewers: Viewers::new(spec.id.clone(), &settings, rtc, peer_sender),
            floor: Floor::new(settings.settle)
                .in_mode(spec.mode.unwrap_or(settings.mode))
                .with_idle(settings.turn_idle),
            moments: Moments::default(),
            privacy: privacy.clone(),
            covering: None,
            secret_focus: HashSet::new(),
            private_from: settings.private_from,
            hears_clients: settings.approve_by_elicitation,
            size: spec.size,
            parts: Parts::new(spec, settings, Arc::clone(&camera), reach, group, privacy),
            camera,
            outlets,
            lifecycle,
            present: PresentList::default(),
            agents: HashMap::new(),
            waiting: Vec::new(),
            impatient: false,
            yes: Yes::new(now),
            rulebook,
            ledger: Ledger::new(recorder),
            help: HelpDesk::default(),
            help_replies: HashMap::new(),
            tabs: tabs_kept.as_deref().map(remembered::load).unwrap_or_default(),
            tabs_kept,
            idle: Idle::new(sleep),
            peer_events,
            since: SystemTime::now(),
            stopped: false,
        }
    }

    /// Runs until the room has been stopped.
    pub async fn run(mut self, commands: &mut mpsc::Receiver<Command>) {
        while !self.stopped {
            self.advance();
            if self.is_time_to_sleep(Instant::now()) {
                self.sleep().await;
            }
            let timeout = self.poll_timeout(Instant::now());
            let timer = async {
                match timeout {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Input first: nothing is as urgent as a person's hand.
                biased;
                Some((peer, event)) = self.peer_events.recv() => self.handle_peer(peer, event).await,
                command = commands.recv() => match command {
                    Some(command) => self.handle_command(command).await,
                    None => self.stop().await,
                },
                event = self.parts.next() => self.handle_part(event),
                () = covered(&mut self.covering) => {
                    self.covering = None;
                    self.moments.handle_covered();
                }
                () = timer => {}
            }
        }
    }

    /// Everything that follows from what was handled, until nothing more does.
    fn advance(&mut self) {
        let now = Instant::now();
        while let Some(action) = self.lifecycle.poll_action(now) {
            self.handle_action(action);
        }
        self.moments.handle_timeout(now);
        self.tell_moments();
        self.floor.handle_timeout(now);
        self.tell_floor();
        self.grant_floor(now);
        self.tell_floor();
        self.tell_approvals(now);
        self.ledger.handle_holder(&self.floor.holder(now));
        self.end_help(now);
        self.viewers.advance(now, &self.parts);
        self.publish(now);
    }

    fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let floor = match self.floor.holder(now) {
            Holder::Agent { .. } => Some(now + HOLDER_CHECK),
            _ => self.floor.poll_timeout(now),
        };
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline).min();
        [
            floor,
            waiting,
            self.lifecycle.poll_timeout(),
            self.viewers.poll_timeout(),
            self.help.poll_timeout(),
            self.yes.poll_timeout(),
            self.idle.poll_timeout(),
            self.moments.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    async fn handle_command(&mut self, command: Command) {
        match command {
            Command::Enter { seat, actor, end } => {
                if self.present.actor(&actor.id).is_none() {
                    self.ledger.entered(&actor);
                }
                self.present.enter(&actor);
                self.wake();
                self.floor.handle_here(&actor.id);
                self.moments.handle_here(&actor.id);
                tracing::info!(room = %self.parts.id(), actor = %actor.id, role = actor.role.as_str(), "entered");
                if actor.kind() == ActorKind::Agent {
                    self.agents.insert(seat, AgentPlace { actor, end });
                } else {
                    self.viewers.enter(seat, actor, end);
                }
            }
            Command::Leave(seat) => self.leave(seat),
            Command::Offer { seat, kind, sdp, reply } => {
                let answer = self.viewers.offer(seat, kind, sdp).await;
                let _ = reply.send(answer);
            }
            Command::Resize { actor, size, reply } => self.resize(&actor, size, reply),
            Command::Floor { actor, deadline, reply } => {
                self.waiting.push(Waiting { actor, deadline, reply });
            }
            Command::Done(permit) => self.floor.handle_done(Instant::now(), permit),
            Command::AskApproval { request, reply, answered } => {
                let _ = reply.send(self.yes.handle_ask(Instant::now(), *request, answered));
            }
            Command::SpendApproval { id, page, reply } => {
                let _ = reply.send(self.yes.handle_spend(Instant::now(), id, &page));
            }
            Command::WithdrawApproval(id) => self.yes.handle_withdrawn(Instant::now(), id),
            Command::AnswerApproval { actor, id, answer, reply } => {
                let places = self.places_asked(id, &answer);
                let done = self.yes.handle_answer(Instant::now(), id, &actor, answer);
                if done.is_ok() {
                    places.iter().for_each(|place| self.rulebook.named().add(place));
                }
                if let Err(error) = &done {
                    self.ledger.answer_refused(&actor, id, error);
                }
                let _ = reply.send(done.map_err(|error| match error {
                    AnswerError::MayNotAnswer { .. } => RoomError::Forbidden(error.to_string()),
                    AnswerError::AlreadyAnswered(_) | AnswerError::Gone(_) => {
                        RoomError::Late(error.to_string())
                    }
                    AnswerError::Unknown => RoomError::NotFound,
                    AnswerError::NotAlways => RoomError::BadRequest(error.to_string()),
                }));
            }
            Command::AnswerAtClient { agent, id, answer } if self.hears_clients => {
                let done = self.yes.handle_answer_at_client(Instant::now(), id, &agent, answer);
                if let Err(error) = &done {
                    self.ledger.answer_refused(&agent, id, error);
                }
            }
            Command::AnswerAtClient { agent, id, .. } => {
                let error = AnswerError::MayNotAnswer { role: agent.role };
                self.ledger.answer_refused(&agent, id, &error);
            }
            Command::ApprovalPicture { id, reply } => {
                let _ = reply.send(self.yes.picture(id));
            }
            Command::Control { actor, ask, reply } => {
                let done = self.control(&actor, ask.clone());
                self.ledger.asked_floor(&actor, &ask, &done);
                // Whoever is answered sees it in the view.
                self.tell_floor();
                self.publish(Instant::now());
                let _ = reply.send(done.map_err(|refusal| RoomError::Forbidden(refusal.to_string())));
            }
            Command::AskHelp { id, actor, reason, task, limit, reply } => {
                match self.help.handle_ask(Instant::now(), id, &actor, &reason, task, limit) {
                    Ok(()) => {
                        self.ledger.help_asked(&actor, id, &reason);
                        self.help_replies.insert(id, reply);
                    }
                    Err(refused) => drop(reply.send(refused)),
                }
            }
            Command::WithdrawHelp(id) => {
                self.help.handle_withdrawn(id);
                self.help_replies.remove(&id);
            }
            Command::AnswerHelp { actor, id, answer, reply } => {
                let now = Instant::now();
                let acts = self.help.view().iter().any(|open| open.id == id && open.task == HelpTask::Act);
                let taken = self.help.handle_answer(now, &actor, id, &answer);
                if taken.is_ok() && acts {
                    self.floor_of_help(now, &actor, &answer);
                }
                self.ledger.help_answered(&actor, id, &answer, taken.as_ref().err());
                let ended = taken.map(|end| end.map(|end| self.tell_helped(id, end)).unwrap_or_default());
                let _ = reply.send(ended.map_err(RoomError::BadRequest));
            }
            Command::Show(event) => {
                let _ = self.outlets.events.send(event);
            }
            Command::Wake => self.wake(),
            Command::Rest { rest, reply } => {
                let done = self.handle_rest(rest).await;
                let _ = reply.send(done);
            }
            Command::PutOut { actor, reply } => {
                let was = self.put_out(&actor);
                self.publish(Instant::now());
                let _ = reply.send(was);
            }
            Command::Details { reply } => {
                let _ = reply.send((rest::milliseconds(self.since), self.people()));
            }
            Command::Stop { reply } => {
                self.stop().await;
                let _ = reply.send(());
            }
        }
    }

    fn leave(&mut self, seat: SeatId) {
        let actor = self.agents.remove(&seat).map(|place| place.actor).or_else(|| self.viewers.leave(seat));
        let Some(actor) = actor else { return };
        if self.present.leave(&actor.id) {
            tracing::info!(room = %self.parts.id(), actor = %actor.id, "left");
            self.ledger.left(&actor);
            self.release(&actor);
            self.floor.handle_gone(Instant::now(), &actor.id);
            self.moments.handle_gone(Instant::now(), &actor.id);
            self.yes.handle_gone(Instant::now(), &actor.id);
            self.help.handle_gone(Instant::now(), &actor.id);
        }
    }

    fn resize(&mut self, actor: &Actor, size: Size, reply: oneshot::Sender<Result<(), RoomError>>) {
        if !actor.role.may_act() {
            let refusal = Refusal::MayOnlyWatch { role: actor.role.as_str() };
            let _ = reply.send(Err(RoomError::Forbidden(refusal.to_string())));
            return;
        }
        self.ledger.resized(actor, size);
        let Some(display) = self.parts.display() else {
            let _ = reply.send(Err(RoomError::Unavailable("the display is being started".into())));
            return;
        };
        tokio::spawn(async move {
            let done = display.resize(size).await;
            let _ = reply.send(done.map_err(|error| RoomError::Unavailable(error.to_string())));
        });
    }

    async fn handle_peer(&mut self, peer: PeerId, event: PeerEvent) {
        match event {
            PeerEvent::Input(input) => self.input(peer, input).await,
            PeerEvent::Closed(reason) => {
                tracing::info!(room = %self.parts.id(), %peer, ?reason, "connection closed");
                if let Some(actor) = self.viewers.closed(peer) {
                    self.release(&actor);
                }
            }
            event => self.viewers.handle(Instant::now(), peer, event, &self.parts),
        }
    }

    /// A person's hands: the floor gives the permit, the display does it.
    async fn input(&mut self, peer: PeerId, stamped: StampedInput) {
        let Some(actor) = self.viewers.actor(peer) else { return };
        let now = Instant::now();
        if let Err(refusal) = self.ledger.takes(&stamped.input) {
            tracing::debug!(room = %self.parts.id(), actor = %actor.id, %refusal, "input refused");
            return;
        }
        let permit = match self.floor.handle_person(now, actor, touch(&stamped.input)) {
            Ok(permit) => permit,
            Err(refusal) => {
                tracing::debug!(room = %self.parts.id(), actor = %actor.id, %refusal, "input refused");
                return;
            }
        };
        if let Some(hand) = hand(&stamped.input) {
            let actor = actor.clone();
            self.moments.handle_act(now, &actor, hand);
            // Before the letter is on its way.
            self.tell_moments();
        }
        let Some(actor) = self.viewers.actor(peer) else { return };
        let page = self.tabs.iter().find(|tab| tab.front).map(|tab| tab.url.as_str());
        // Of a password even its length is nobody's business.
        if !self.privacy.is_on() {
            self.ledger.handle_input(actor, &stamped.input, page);
        }
        let at = match &stamped.input {
            Input::Move(at) => Some((*at, false)),
            Input::Button { at, down, .. } => Some((*at, *down)),
            _ => None,
        };
        if let Some((at, pressed)) = at {
            let at = self.size.clamp(at);
            if pressed {
                let _ =
                    self.outlets.events.send(RoomEvent::Press { actor: actor.id.clone(), x: at.x, y: at.y });
            } else if self.present.shows_pointer(now, &actor.id) {
                let event = RoomEvent::Pointer { actor: actor.id.clone(), x: at.x, y: at.y, ms: 33 };
                let _ = self.outlets.events.send(event);
            }
        }
        if stamped.input.is_deliberate() {
            // Somebody who stayed while it fell asleep wants it back.
            self.wake();
            self.let_agents_end().await;
        }
        self.inject(&permit, stamped);
    }

    fn inject(&self, permit: &FloorPermit, input: StampedInput) {
        let Some(display) = self.parts.display() else { return };
        self.camera.count_input();
        if let Err(error) = display.inject(permit, input) {
            tracing::warn!(room = %self.parts.id(), %error, "input was not taken");
        }
    }

    /// Whatever this person held goes up, at the floor and at the display.
    fn release(&mut self, actor: &Actor) {
        let released = self.floor.handle_person(Instant::now(), actor, touch(&Input::ReleaseAll));
        if let Ok(permit) = released {
            self.inject(&permit, StampedInput { input: Input::ReleaseAll, stamp: None });
        }
    }

    fn handle_part(&mut self, event: Begun) {
        let now = Instant::now();
        match event {
            Begun::Started(part) => {
                tracing::info!(room = %self.parts.id(), ?part, "started");
                self.lifecycle.handle_started(now, part);
                match part {
                    Part::Display => self.viewers.display_changed(&self.parts),
                    Part::Browser => {
                        self.outlets.browser.send_replace(self.parts.browser());
                    }
                    Part::WindowManager => {}
                }
            }
            Begun::Ended { part, reason } => {
                tracing::warn!(room = %self.parts.id(), ?part, reason, "ended");
                self.ledger.part_ended(part, &reason);
                self.parts.drop_part(part);
                if part == Part::Browser {
                    self.secret_focus.clear();
                    self.look_at_focus();
                    self.yes.handle_browser_ended(now);
                }
                self.outlets.browser.send_replace(self.parts.browser());
                self.lifecycle.handle_ended(now, part, reason);
            }
            Begun::Display(event) => match event {
                DisplayEvent::Cursor(cursor) => {
                    self.outlets.cursor.send_replace(Some(cursor));
                }
                DisplayEvent::Clipboard(text) if self.privacy.is_on() => {
                    // What is copied in private is for the field that it goes into.
                    if text.len() <= LONGEST_SECRET {
                        self.privacy.masks().add(&text);
                    }
                }
                DisplayEvent::Clipboard(text) => {
                    let text = self.privacy.masks().mask(&text).into_owned();
                    let _ = self.outlets.events.send(RoomEvent::Clipboard { text });
                }
                DisplayEvent::Resized(size) => {
                    self.size = size;
                    self.parts.set_size(size);
                    self.viewers.resized(size);
                    self.draw_veil();
                }
                DisplayEvent::Ended { .. } => {}
            },
            Begun::Browser(event) => match event {
                BrowserEvent::Tabs(tabs) => {
                    self.secret_focus.retain(|tab| tabs.iter().any(|open| open.target == *tab));
                    self.tabs = tabs;
                    self.name_place(now);
                    self.look_at_focus();
                }
                BrowserEvent::SecretFocus { target, in_field } => {
                    match in_field {
                        true => drop(self.secret_focus.insert(target)),
                        false => drop(self.secret_focus.remove(&target)),
                    }
                    self.look_at_focus();
                }
                BrowserEvent::TabCrashed { .. } | BrowserEvent::Ended(_) => {}
            },
        }
    }

    /// Tells the readers when what is has changed.
    fn publish(&mut self, now: Instant) {
        let holder = match self.floor.holder(now) {
            Holder::Nobody => None,
            Holder::Person { id, .. } | Holder::Agent { id, .. } => {
                let away = || self.floor.takeover().map(|(actor, _)| actor).or(self.floor.turn());
                self.present.get(&id).or_else(|| away().map(Presence::of))
            }
        };
        let waiting = self.waiting.iter().map(|waiting| waiting.actor.name.clone()).collect();
        let page = self.tabs.iter().find(|tab| tab.front).map(|tab| {
            let masks = self.privacy.masks();
            PageView { title: masks.mask(&tab.title).into_owned(), url: masks.mask(&tab.url).into_owned() }
        });
        let view = RoomView {
            id: self.parts.id().clone(),
            size: self.size,
            phase: self.lifecycle.phase(),
            present: self.present.view(),
            holder,
            floor: self.floor_view(),
            private: self.private_view(),
            waiting,
            help: self.help.view(),
            approvals: self.yes.view(),
            page,
        };
        let since = &mut self.since;
        self.outlets.view.send_if_modified(|old| {
            if std::mem::discriminant(&old.phase) != std::mem::discriminant(&view.phase) {
                *since = SystemTime::now();
            }
            let changed = **old != view;
            if changed {
                *old = Arc::new(view);
            }
            changed
        });
    }

    async fn stop(&mut self) {
        let tabs = self.tabs.clone();
        self.lifecycle.handle_stop();
        self.publish(Instant::now());
        self.waiting.clear();
        while let Some((event, _)) = self.yes.handle_stop(Instant::now()) {
            self.ledger.approval(&event, &[]);
            self.tell_settled(&event);
        }
        self.ledger.handle_holder(&Holder::Nobody);
        self.help_replies.clear();
        self.outlets.browser.send_replace(None);
        self.viewers.close();
        self.parts.stop().await;
        if let Some(path) = &self.tabs_kept {
            remembered::save(path, &tabs);
        }
        self.stopped = true;
        tracing::info!(room = %self.parts.id(), "stopped");
    }
}
