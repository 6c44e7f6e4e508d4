//! The state machine of one room's floor.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Weak;
use std::time::{Duration, Instant};

use super::gate::{FloorPermit, Gates};
use super::mode::{FloorEvent, Mode, Refusal};
use crate::base::{Actor, ActorId, ActorKind, Role};

/// How long a person may hold a button without a sign of life before it no
/// longer counts: a drag that was forgotten must not lock the agent out.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// Whoever has the floor for themselves and leaves the room may come back
/// within this time: a page that is loaded again, a phone that slept.
const GRACE: Duration = Duration::from_secs(30);
/// A turn that is not used for this long is over, unless set otherwise.
const IDLE: Duration = Duration::from_secs(60);
/// So many may ask for the floor.
const MOST_REQUESTS: usize = 64;
/// The longest note, in characters.
const LONGEST_NOTE: usize = 500;

/// What a person's hands do, as far as the floor cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// The pointer moves. Never preempts.
    Move,
    /// A button or key goes down and stays down.
    Press(u32),
    /// It comes up again.
    Release(u32),
    /// A scroll or a piece of text: an act without an end of its own.
    Momentary,
    /// Everything this person holds comes up: focus lost, or gone.
    ReleaseAll,
}

/// What an agent that asks is told.
#[derive(Debug)]
pub enum Grant {
    Now(FloorPermit),
    /// Somebody else acts. Ask again at `until`, or when the floor has changed.
    Wait {
        until: Option<Instant>,
        holder: String,
        /// For how long they have had the floor.
        since: Duration,
    },
}

/// Who acts at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    Person { id: ActorId, name: String },
    Agent { id: ActorId, name: String },
}

/// Somebody who has the floor for themselves: by takeover, or in their turn.
#[derive(Clone, Debug)]
struct Lease {
    actor: Actor,
    since: Instant,
    used: Instant,
    /// Since when they have not been in the room.
    away: Option<Instant>,
}

/// A person's acts, up to the last.
#[derive(Debug)]
struct Acting {
    actor: Actor,
    since: Instant,
    last: Instant,
}

/// The floor of one room. All methods take the time; none reads it.
#[derive(Debug)]
pub struct Floor {
    gates: Gates,
    settle: Duration,
    idle: Duration,
    mode: Mode,
    /// The person whose act was last.
    person: Option<Acting>,
    /// What people hold down: who, what, since when they last moved.
    held: BTreeMap<ActorId, (Instant, BTreeSet<u32>)>,
    /// Agents' permits that are out; one whose life has ended was given back.
    agents: Vec<(Actor, Weak<()>)>,
    takeover: Option<Lease>,
    turn: Option<Lease>,
    requests: VecDeque<Actor>,
    hand_backs: u64,
    events: VecDeque<FloorEvent>,
    /// What people held comes up, in the name of whoever caused it.
    release: Option<Actor>,
}

impl Floor {
    /// `settle`: how long a person must be still before an agent may go on.
    pub fn new(settle: Duration) -> Self {
        Self {
            gates: Gates::default(),
            settle,
            idle: IDLE,
            mode: Mode::default(),
            person: None,
            held: BTreeMap::new(),
            agents: Vec::new(),
            takeover: None,
            turn: None,
            requests: VecDeque::new(),
            hand_backs: 0,
            events: VecDeque::new(),
            release: None,
        }
    }

    /// The mode to begin with.
    pub fn in_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// How long a turn may stay unused.
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    // Getters.

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Who has taken over, and since when.
    pub fn takeover(&self) -> Option<(&Actor, Instant)> {
        self.takeover.as_ref().map(|lease| (&lease.actor, lease.since))
    }

    /// Whose turn it is.
    pub fn turn(&self) -> Option<&Actor> {
        self.turn.as_ref().map(|lease| &lease.actor)
    }

    /// Those who ask for the floor, in order.
    pub fn requests(&self) -> impl Iterator<Item = &Actor> {
        self.requests.iter()
    }

    /// How often people have handed back. An agent whose picture of the page
    /// is from before the last time has an old one.
    pub fn hand_backs(&self) -> u64 {
        self.hand_backs
    }

    /// Waits until what agents have sent has had its effect; nothing when
    /// nothing is on its way. Asked after their permits went stale, no more comes.
    pub fn agents_on_the_way(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        self.gates.agents_on_the_way()
    }

    pub fn holder(&self, now: Instant) -> Holder {
        match self.lease() {
            Some(Lease { actor, .. }) if actor.kind() == ActorKind::Person => return person(actor),
            Some(Lease { actor, .. }) => return agent(actor),
            None => {}
        }
        if let Some(acting) = self.person.as_ref().filter(|_| self.person_until(now) > Some(now)) {
            return person(&acting.actor);
        }
        match self.agents.iter().rev().find(|(_, life)| life.strong_count() > 0) {
            Some((actor, _)) => agent(actor),
            None => Holder::Nobody,
        }
    }

    // Handlers.

    /// A person's hands moved. Gives the permit for it, or says why not.
    pub fn handle_person(
        &mut self,
        now: Instant,
        actor: &Actor,
        touch: Touch,
    ) -> Result<FloorPermit, Refusal> {
        self.may_touch(now, actor, touch)?;
        match touch {
            Touch::Move => {
                if let Some((seen, _)) = self.held.get_mut(&actor.id) {
                    *seen = now;
                }
            }
            Touch::Press(what) => {
                let (seen, held) = self.held.entry(actor.id.clone()).or_insert((now, BTreeSet::new()));
                *seen = now;
                held.insert(what);
                self.act(now, actor);
            }
            Touch::Momentary => self.act(now, actor),
            Touch::Release(what) => {
                if let Some((_, held)) = self.held.get_mut(&actor.id) {
                    held.remove(&what);
                    if held.is_empty() {
                        self.held.remove(&actor.id);
                    }
                    self.touch(now, actor);
                }
            }
            Touch::ReleaseAll => {
                if self.held.remove(&actor.id).is_some() {
                    self.touch(now, actor);
                }
            }
        }
        Ok(self.gates.permit(actor))
    }

    fn may_touch(&mut self, now: Instant, actor: &Actor, touch: Touch) -> Result<(), Refusal> {
        if !actor.role.may_act() {
            return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
        }
        if let Some(lease) = &mut self.takeover {
            if lease.actor.id == actor.id {
                lease.used = now.max(lease.used);
                return Ok(());
            }
            return Err(lease.refusal(now));
        }
        match (self.mode, &mut self.turn) {
            (Mode::Watch, _) => Err(Refusal::OnlyLook),
            (Mode::Turns, Some(lease)) if lease.actor.id == actor.id => {
                lease.used = now.max(lease.used);
                Ok(())
            }
            (Mode::Turns, Some(lease)) => Err(Refusal::NotYourTurn { holder: lease.actor.name.clone() }),
            (Mode::Turns, None) => {
                if matches!(touch, Touch::Press(_) | Touch::Momentary) {
                    self.begin_turn(now, actor.clone());
                }
                Ok(())
            }
            (Mode::Together | Mode::HandsOff, _) => Ok(()),
        }
    }

    /// An agent wants to act.
    pub fn handle_agent(&mut self, now: Instant, actor: &Actor) -> Result<Grant, Refusal> {
        if !actor.role.may_act() {
            return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
        }
        if let Some(lease) = &self.takeover {
            return Err(lease.refusal(now));
        }
        match (self.mode, &mut self.turn) {
            (Mode::HandsOff, _) => return Err(Refusal::HandsOff),
            (Mode::Turns, None) => self.begin_turn(now, actor.clone()),
            (Mode::Turns, Some(lease)) if lease.actor.id == actor.id => lease.used = now.max(lease.used),
            (Mode::Turns, Some(lease)) => {
                let (holder, since) = (lease.actor.name.clone(), now.saturating_duration_since(lease.since));
                return Ok(Grant::Wait { until: None, holder, since });
            }
            (Mode::Together | Mode::Watch, _) => {}
        }
        if let (Some(until), Some(acting)) =
            (self.person_until(now).filter(|until| *until > now), &self.person)
        {
            let since = now.saturating_duration_since(acting.since);
            return Ok(Grant::Wait { until: Some(until), holder: acting.actor.name.clone(), since });
        }
        let permit = self.gates.permit(actor);
        self.agents.retain(|(_, life)| life.strong_count() > 0);
        self.agents.push((actor.clone(), permit.life()));
        Ok(Grant::Now(permit))
    }

    /// An agent's act is over; its permit is spent, stale or not. Dropping it does the same.
    pub fn handle_done(&mut self, now: Instant, permit: FloorPermit) {
        if let Some(lease) = self.turn.as_mut().filter(|lease| lease.actor.id == *permit.actor()) {
            lease.used = now.max(lease.used);
        }
        drop(permit);
        self.agents.retain(|(_, life)| life.strong_count() > 0);
    }

    /// A person takes the floor for themselves. An admin may take it from another person.
    pub fn handle_takeover(&mut self, now: Instant, actor: &Actor) -> Result<(), Refusal> {
        must_be_acting_person(actor)?;
        if let Some(lease) = &self.takeover {
            if lease.actor.id == actor.id {
                return Ok(());
            }
            if rank(actor) <= rank(&lease.actor) {
                return Err(lease.refusal(now));
            }
        }
        self.take_over(now, actor.clone());
        Ok(())
    }

    /// Whoever has the floor lets go of it; an admin may do it for them. In
    /// `together` a person says so that agents need not wait for the pause.
    pub fn handle_hand_back(&mut self, now: Instant, actor: &Actor, note: &str) -> Result<(), Refusal> {
        must_be_acting_person(actor)?;
        let holder = self.lease().map(|lease| lease.actor.clone()).or_else(|| {
            let acting = self.person.as_ref().filter(|_| self.person_until(now) > Some(now));
            acting.map(|acting| acting.actor.clone())
        });
        let Some(holder) = holder else { return Err(Refusal::NothingToGive) };
        if holder.id != actor.id && !actor.role.may_administer() {
            return Err(Refusal::NotYours { holder: holder.name });
        }
        self.hand_back(now, actor.id.clone(), &cleaned(note), false);
        Ok(())
    }

    /// Asks whoever has the floor for it. A free floor, and one that an agent has, is had at once.
    pub fn handle_request(&mut self, now: Instant, actor: &Actor) -> Result<(), Refusal> {
        if !actor.role.may_act() {
            return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
        }
        let is_person = actor.kind() == ActorKind::Person;
        match self.lease() {
            Some(lease) if lease.actor.id == actor.id => return Ok(()),
            Some(lease) if lease.actor.kind() == ActorKind::Agent && is_person => {
                self.give_turn(now, actor.clone());
                return Ok(());
            }
            None if self.mode == Mode::Turns => {
                self.begin_turn(now, actor.clone());
                return Ok(());
            }
            // Anyone may act; there is nothing to ask for.
            None => return Ok(()),
            Some(_) => {}
        }
        if self.requests.iter().any(|asking| asking.id == actor.id) {
            return Ok(());
        }
        if self.requests.len() >= MOST_REQUESTS {
            return Err(Refusal::Crowded);
        }
        // People before agents, each in order.
        let at = match is_person {
            true => self.requests.iter().take_while(|asking| asking.kind() == ActorKind::Person).count(),
            false => self.requests.len(),
        };
        self.requests.insert(at, actor.clone());
        self.events.push_back(FloorEvent::Asked { by: actor.id.clone() });
        Ok(())
    }

    /// Somebody does not ask any more.
    pub fn handle_request_withdrawn(&mut self, actor: &ActorId) {
        self.requests.retain(|asking| asking.id != *actor);
    }

    /// Whoever has the floor, or an admin, gives it to somebody.
    pub fn handle_give(&mut self, now: Instant, by: &Actor, to: &Actor) -> Result<(), Refusal> {
        must_be_acting_person(by)?;
        if !to.role.may_act() {
            return Err(Refusal::CannotHave { name: to.name.clone() });
        }
        let Some(lease) = self.lease() else { return Err(Refusal::NothingToGive) };
        if lease.actor.id != by.id && !by.role.may_administer() {
            return Err(Refusal::NotYours { holder: lease.actor.name.clone() });
        }
        if lease.actor.id == to.id {
            return Ok(());
        }
        let by_takeover = self.takeover.is_some();
        match (by_takeover, to.kind()) {
            (true, ActorKind::Person) => self.take_over(now, to.clone()),
            (true, ActorKind::Agent) => {
                self.hand_back(now, by.id.clone(), "", false);
                if self.mode == Mode::Turns {
                    self.give_turn(now, to.clone());
                }
            }
            (false, _) => self.give_turn(now, to.clone()),
        }
        Ok(())
    }

    /// Changes who may act. Not while another person has the floor, unless by an admin.
    pub fn handle_mode(&mut self, by: &Actor, mode: Mode) -> Result<(), Refusal> {
        must_be_acting_person(by)?;
        let other = self.lease().filter(|lease| {
            lease.actor.id != by.id
                && lease.actor.kind() == ActorKind::Person
                && rank(by) <= rank(&lease.actor)
        });
        if let Some(lease) = other {
            return Err(Refusal::NotYours { holder: lease.actor.name.clone() });
        }
        if self.mode == mode {
            return Ok(());
        }
        self.mode = mode;
        self.turn = None;
        self.requests.clear();
        let taken = self.takeover.as_ref().map(|lease| lease.actor.id.clone());
        self.gates.stop_agents();
        if matches!(mode, Mode::Turns | Mode::Watch) {
            self.release_people(by, taken.as_ref());
        }
        self.events.push_back(FloorEvent::Mode { mode, by: by.id.clone() });
        Ok(())
    }

    /// An actor left the room: nothing of theirs is held any more, and what
    /// they had for themselves waits for them a moment.
    pub fn handle_gone(&mut self, now: Instant, actor: &ActorId) {
        self.held.remove(actor);
        if let Some(acting) = &mut self.person
            && acting.actor.id == *actor
        {
            acting.last = acting.last.min(now);
        }
        self.agents.retain(|(agent, _)| agent.id != *actor);
        self.requests.retain(|asking| asking.id != *actor);
        self.gates.forget(actor);
        for lease in [&mut self.takeover, &mut self.turn].into_iter().flatten() {
            if lease.actor.id == *actor {
                lease.away = lease.away.or(Some(now));
            }
        }
    }

    /// An actor came in, perhaps again.
    pub fn handle_here(&mut self, actor: &ActorId) {
        for lease in [&mut self.takeover, &mut self.turn].into_iter().flatten() {
            if lease.actor.id == *actor {
                lease.away = None;
            }
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let left = |lease: &Lease| lease.away.is_some_and(|away| away + GRACE <= now);
        if let Some(by) =
            self.takeover.as_ref().filter(|lease| left(lease)).map(|lease| lease.actor.id.clone())
        {
            self.hand_back(now, by, "", true);
        }
        let over = |lease: &Lease| left(lease) || lease.used + self.idle <= now;
        // Under a takeover the turn waits.
        if self.takeover.is_none()
            && self.turn.as_ref().is_some_and(|lease| over(lease) && !self.holds(lease, now))
        {
            self.end_turn(now);
        }
    }

    // Pollers.

    /// When the holder changes by itself, if it will.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let still = self.person_until(now).filter(|until| *until > now);
        let left = |lease: &Lease| lease.away.map(|away| away + GRACE);
        let taken = self.takeover.as_ref().and_then(left);
        let turn = self.turn.as_ref().filter(|_| self.takeover.is_none()).map(|lease| {
            let idle = (lease.used + self.idle).max(now + Duration::from_millis(100));
            left(lease).map_or(idle, |left| left.min(idle))
        });
        [still, taken, turn].into_iter().flatten().min()
    }

    pub fn poll_event(&mut self) -> Option<FloorEvent> {
        if let Some(by) = self.release.take() {
            return Some(FloorEvent::Release(self.gates.permit(&by)));
        }
        self.events.pop_front()
    }

    /// Whoever has the floor for themselves.
    fn lease(&self) -> Option<&Lease> {
        self.takeover.as_ref().or(self.turn.as_ref())
    }

    /// Something of this lease's holder is under way.
    fn holds(&self, lease: &Lease, now: Instant) -> bool {
        let pressed = self.held.get(&lease.actor.id).is_some_and(|(seen, _)| *seen + LONGEST_HOLD > now);
        let acts =
            self.agents.iter().any(|(agent, life)| agent.id == lease.actor.id && life.strong_count() > 0);
        lease.away.is_none() && (pressed || acts)
    }

    fn take_over(&mut self, now: Instant, actor: Actor) {
        self.gates.stop_agents();
        self.release_people(&actor, Some(&actor.id));
        self.requests.retain(|asking| asking.id != actor.id);
        self.events.push_back(FloorEvent::TookOver { by: actor.id.clone() });
        self.takeover = Some(Lease { actor, since: now, used: now, away: None });
    }

    fn hand_back(&mut self, now: Instant, by: ActorId, note: &str, left: bool) {
        let lease = self.takeover.take();
        let since = match (&lease, &self.turn, &self.person) {
            (Some(lease), _, _) => lease.since,
            (None, Some(turn), _) => turn.since,
            (None, None, Some(acting)) => acting.since,
            (None, None, None) => now,
        };
        let took = now.saturating_duration_since(since);
        if let Some(Lease { actor, .. }) = &lease {
            self.release_people(actor, None);
        }
        self.person = None;
        self.hand_backs += 1;
        self.events.push_back(FloorEvent::HandedBack { by, note: note.to_owned(), took, left });
        match self.mode {
            Mode::Turns => self.end_turn(now),
            // It is everybody's again; there is nothing to wait for.
            _ => self.requests.clear(),
        }
    }

    fn begin_turn(&mut self, now: Instant, actor: Actor) {
        self.requests.retain(|asking| asking.id != actor.id);
        self.events.push_back(FloorEvent::Turn { of: actor.id.clone() });
        self.turn = Some(Lease { actor, since: now, used: now, away: None });
    }

    /// The floor passes from one to another: nothing of the first is left on its way.
    fn give_turn(&mut self, now: Instant, to: Actor) {
        self.gates.stop_agents();
        self.release_people(&to, Some(&to.id));
        self.person = None;
        self.begin_turn(now, to);
    }

    fn end_turn(&mut self, now: Instant) {
        let Some(lease) = self.turn.take() else {
            if let Some(next) = self.requests.pop_front() {
                self.begin_turn(now, next);
            }
            return;
        };
        self.gates.stop_agents();
        self.release_people(&lease.actor, None);
        match self.requests.pop_front() {
            Some(next) => self.begin_turn(now, next),
            None => self.events.push_back(FloorEvent::Free),
        }
    }

    /// People's permits go stale and what they hold comes up, apart from one's.
    fn release_people(&mut self, by: &Actor, but: Option<&ActorId>) {
        self.gates.stop_people(but);
        let before = self.held.len();
        self.held.retain(|id, _| Some(id) == but);
        if self.held.len() < before {
            self.release = Some(by.clone());
        }
    }

    /// A person acted: agents' permits go stale.
    fn act(&mut self, now: Instant, actor: &Actor) {
        self.gates.stop_agents();
        self.touch(now, actor);
    }

    fn touch(&mut self, now: Instant, actor: &Actor) {
        let until = self.person_until(now);
        let (since, last) = match &self.person {
            Some(acting) if acting.actor.id == actor.id && until >= Some(now) => {
                (acting.since, now.max(acting.last))
            }
            Some(acting) => (now, now.max(acting.last)),
            None => (now, now),
        };
        self.person = Some(Acting { actor: actor.clone(), since, last });
    }

    /// Until when a person has the floor, as far as is known at `now`.
    fn person_until(&self, now: Instant) -> Option<Instant> {
        let acted = self.person.as_ref()?.last;
        let held = self
            .held
            .values()
            .map(|(seen, _)| *seen + LONGEST_HOLD)
            .filter(|until| *until > now)
            .min()
            .map(|until| until.min(now + self.settle));
        Some(held.unwrap_or(acted).max(acted + self.settle))
    }
}

impl Lease {
    fn refusal(&self, now: Instant) -> Refusal {
        Refusal::TakenOver { by: self.actor.name.clone(), since: now.saturating_duration_since(self.since) }
    }
}

fn person(actor: &Actor) -> Holder {
    Holder::Person { id: actor.id.clone(), name: actor.name.clone() }
}

fn agent(actor: &Actor) -> Holder {
    Holder::Agent { id: actor.id.clone(), name: actor.name.clone() }
}

fn rank(actor: &Actor) -> u8 {
    match actor.role {
        Role::Admin => 3,
        Role::Controller => 2,
        Role::Agent => 1,
        Role::Viewer => 0,
    }
}

fn must_be_acting_person(actor: &Actor) -> Result<(), Refusal> {
    if actor.kind() != ActorKind::Person {
        return Err(Refusal::OnlyPeople);
    }
    if !actor.role.may_act() {
        return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
    }
    Ok(())
}

/// A person's words, fit to show and to hand on.
fn cleaned(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_NOTE).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests;
