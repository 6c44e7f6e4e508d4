//! The state machine of one room's floor: who may act at a moment, and who
//! waits for whom.

mod lease;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Weak;
use std::time::{Duration, Instant};

use self::lease::Lease;
use super::gate::{FloorPermit, Gates};
use super::mode::{FloorEvent, Mode, Refusal};
use crate::base::{Actor, ActorId, ActorKind};

/// How long a person may hold a button without a sign of life before it no
/// longer counts: a drag that was forgotten must not lock the agent out.
const LONGEST_HOLD: Duration = Duration::from_secs(60);
/// Whoever has the floor for themselves and leaves the room may come back
/// within this time: a page that is loaded again, a phone that slept.
const GRACE: Duration = Duration::from_secs(30);
/// A turn that is not used for this long is over, unless set otherwise.
const IDLE: Duration = Duration::from_secs(60);

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
    /// Whose private moment it is: agents are refused until it is over.
    private: Option<String>,
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
            private: None,
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
        if let Some(by) = &self.private {
            return Err(Refusal::Private { by: by.clone() });
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

    /// A person's private moment begins, or is over. Agents' permits go stale.
    pub fn handle_private(&mut self, by: Option<&Actor>) {
        if by.is_some() {
            self.gates.stop_agents();
        }
        self.private = by.map(|actor| actor.name.clone());
    }

    /// An agent's act is over; its permit is spent, stale or not. Dropping it does the same.
    pub fn handle_done(&mut self, now: Instant, permit: FloorPermit) {
        if let Some(lease) = self.turn.as_mut().filter(|lease| lease.actor.id == *permit.actor()) {
            lease.used = now.max(lease.used);
        }
        drop(permit);
        self.agents.retain(|(_, life)| life.strong_count() > 0);
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

    /// Something of this lease's holder is under way.
    fn holds(&self, lease: &Lease, now: Instant) -> bool {
        let pressed = self.held.get(&lease.actor.id).is_some_and(|(seen, _)| *seen + LONGEST_HOLD > now);
        let acts =
            self.agents.iter().any(|(agent, life)| agent.id == lease.actor.id && life.strong_count() > 0);
        lease.away.is_none() && (pressed || acts)
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

fn person(actor: &Actor) -> Holder {
    Holder::Person { id: actor.id.clone(), name: actor.name.clone() }
}

fn agent(actor: &Actor) -> Holder {
    Holder::Agent { id: actor.id.clone(), name: actor.name.clone() }
}

#[cfg(test)]
mod tests;
