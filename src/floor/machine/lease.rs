//! Who has the floor for themselves: takeovers, turns, those who ask for it,
//! and how it passes from one to the next.

use std::time::Instant;

use super::Floor;
use crate::base::{Actor, ActorId, ActorKind, Role};
use crate::floor::mode::{FloorEvent, Mode, Refusal};

/// So many may ask for the floor.
pub(super) const MOST_REQUESTS: usize = 64;
/// The longest note, in characters.
const LONGEST_NOTE: usize = 500;

/// Somebody who has the floor for themselves: by takeover, or in their turn.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub actor: Actor,
    pub since: Instant,
    pub used: Instant,
    /// Since when they have not been in the room.
    pub away: Option<Instant>,
}

impl Lease {
    pub fn refusal(&self, now: Instant) -> Refusal {
        Refusal::TakenOver { by: self.actor.name.clone(), since: now.saturating_duration_since(self.since) }
    }
}

impl Floor {
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

    /// Whoever has the floor for themselves.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.takeover.as_ref().or(self.turn.as_ref())
    }

    fn take_over(&mut self, now: Instant, actor: Actor) {
        self.gates.stop_agents();
        self.release_people(&actor, Some(&actor.id));
        self.requests.retain(|asking| asking.id != actor.id);
        self.events.push_back(FloorEvent::TookOver { by: actor.id.clone() });
        self.takeover = Some(Lease { actor, since: now, used: now, away: None });
    }

    pub(super) fn hand_back(&mut self, now: Instant, by: ActorId, note: &str, left: bool) {
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

    pub(super) fn begin_turn(&mut self, now: Instant, actor: Actor) {
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

    pub(super) fn end_turn(&mut self, now: Instant) {
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
