//! The state machine of one room's floor.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::gate::{FloorPermit, Gate};
use crate::base::{Actor, ActorId, ActorKind};

/// How long a person may hold a button without a sign of life before it no
/// longer counts: a drag that was forgotten must not lock the agent out.
const LONGEST_HOLD: Duration = Duration::from_secs(60);

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
    /// A person is acting; ask again at `until` at the earliest.
    Wait {
        until: Instant,
        holder: String,
    },
}

/// Why somebody may not act: a value that a person or an agent can act on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a {role} may only watch; ask for a token with the role controller")]
    MayOnlyWatch { role: &'static str },
}

/// Who acts at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    Nobody,
    Person { id: ActorId, name: String },
    Agent { id: ActorId, name: String },
}

/// The floor of one room. All methods take the time; none reads it.
#[derive(Debug)]
pub struct Floor {
    gate: Arc<Gate>,
    settle: Duration,
    /// The person whose act was last, and when.
    person: Option<(Instant, Actor)>,
    /// What people hold down: who, what, since when they last moved.
    held: BTreeMap<ActorId, (Instant, BTreeSet<u32>)>,
    /// Agents' permits that are out; one whose life has ended was given back.
    agents: Vec<(Actor, Weak<()>)>,
}

impl Floor {
    /// `settle`: how long a person must be still before an agent may go on.
    pub fn new(settle: Duration) -> Self {
        Self { gate: Arc::default(), settle, person: None, held: BTreeMap::new(), agents: Vec::new() }
    }

    // Getters.

    pub fn holder(&self, now: Instant) -> Holder {
        if let Some((_, person)) = self.person.as_ref().filter(|_| self.person_until(now) > Some(now)) {
            return Holder::Person { id: person.id.clone(), name: person.name.clone() };
        }
        match self.agents.iter().rev().find(|(_, life)| life.strong_count() > 0) {
            Some((agent, _)) => Holder::Agent { id: agent.id.clone(), name: agent.name.clone() },
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
        if !actor.role.may_act() {
            return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
        }
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
        Ok(self.gate.permit(actor))
    }

    /// An agent wants to act.
    pub fn handle_agent(&mut self, now: Instant, actor: &Actor) -> Result<Grant, Refusal> {
        if !actor.role.may_act() {
            return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
        }
        if let (Some(until), Some((_, person))) =
            (self.person_until(now).filter(|until| *until > now), &self.person)
        {
            return Ok(Grant::Wait { until, holder: person.name.clone() });
        }
        let permit = self.gate.permit(actor);
        self.agents.retain(|(_, life)| life.strong_count() > 0);
        self.agents.push((actor.clone(), permit.life()));
        Ok(Grant::Now(permit))
    }

    /// An agent's act is over; its permit is spent, stale or not. Dropping it does the same.
    pub fn handle_done(&mut self, permit: FloorPermit) {
        drop(permit);
        self.agents.retain(|(_, life)| life.strong_count() > 0);
    }

    /// An actor left for good: nothing of theirs is held any more.
    pub fn handle_gone(&mut self, now: Instant, actor: &ActorId) {
        self.held.remove(actor);
        if let Some((at, person)) = &mut self.person
            && person.id == *actor
        {
            *at = (*at).min(now);
        }
        self.agents.retain(|(agent, _)| agent.id != *actor);
    }

    // Pollers.

    /// When the holder changes by itself, if it will.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.person_until(now).filter(|until| *until > now)
    }

    /// A person acted: agents' permits go stale.
    fn act(&mut self, now: Instant, actor: &Actor) {
        self.gate.advance(ActorKind::Agent);
        self.touch(now, actor);
    }

    fn touch(&mut self, now: Instant, actor: &Actor) {
        let at = self.person.as_ref().map_or(now, |(at, _)| now.max(*at));
        self.person = Some((at, actor.clone()));
    }

    /// Until when a person has the floor, as far as is known at `now`.
    fn person_until(&self, now: Instant) -> Option<Instant> {
        let (acted, _) = self.person.as_ref()?;
        let held = self
            .held
            .values()
            .map(|(seen, _)| *seen + LONGEST_HOLD)
            .filter(|until| *until > now)
            .min()
            .map(|until| until.min(now + self.settle));
        Some(held.unwrap_or(*acted).max(*acted + self.settle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Role;
    use crate::floor::Preempted;
    use proptest::prelude::*;

    const SETTLE: Duration = Duration::from_millis(1500);

    fn actor(id: &str, role: Role) -> Actor {
        Actor { id: ActorId::new(id).expect("id"), name: id.to_owned(), role }
    }

    fn granted(grant: Grant) -> FloorPermit {
        match grant {
            Grant::Now(permit) => permit,
            Grant::Wait { .. } => panic!("the agent was told to wait"),
        }
    }

    #[test]
    fn a_viewer_is_refused() {
        let mut floor = Floor::new(SETTLE);
        let refusal = floor.handle_person(Instant::now(), &actor("v", Role::Viewer), Touch::Move);
        assert_eq!(refusal.err(), Some(Refusal::MayOnlyWatch { role: "viewer" }));
    }

    #[test]
    fn a_press_preempts_the_agent_at_once_and_a_move_does_not() {
        let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
        let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
        let permit = granted(floor.handle_agent(t, &bot).expect("may"));
        let _ = floor.handle_person(t, &ada, Touch::Move).expect("may");
        assert_eq!(permit.check(), Ok(()));
        let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
        assert_eq!(permit.check(), Err(Preempted));
    }

    #[test]
    fn an_agent_waits_until_the_person_was_still_for_the_settle_time() {
        let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
        let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
        let _ = floor.handle_person(t, &ada, Touch::Momentary).expect("may");
        let Grant::Wait { until, holder } = floor.handle_agent(t, &bot).expect("may") else {
            panic!("granted at once")
        };
        assert_eq!((until, holder.as_str()), (t + SETTLE, "ada"));
        granted(floor.handle_agent(until, &bot).expect("may")).check().expect("fresh");
    }

    #[test]
    fn a_held_button_keeps_the_floor_and_a_forgotten_one_does_not_for_ever() {
        let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
        let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
        let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
        let later = t + Duration::from_secs(30);
        assert!(matches!(floor.handle_agent(later, &bot), Ok(Grant::Wait { .. })));
        assert!(matches!(floor.handle_agent(t + LONGEST_HOLD + SETTLE, &bot), Ok(Grant::Now(_))));
    }

    #[test]
    fn whoever_leaves_holds_nothing() {
        let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
        let (ada, bot) = (actor("ada", Role::Controller), actor("bot", Role::Agent));
        let _ = floor.handle_person(t, &ada, Touch::Press(1)).expect("may");
        floor.handle_gone(t, &ada.id);
        granted(floor.handle_agent(t + SETTLE, &bot).expect("may")).check().expect("fresh");
    }

    #[test]
    fn a_permit_that_is_dropped_is_given_back() {
        let (t, mut floor) = (Instant::now(), Floor::new(SETTLE));
        let bot = actor("bot", Role::Agent);
        let permit = granted(floor.handle_agent(t, &bot).expect("may"));
        assert!(matches!(floor.holder(t), Holder::Agent { .. }));
        drop(permit);
        assert_eq!(floor.holder(t), Holder::Nobody);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Person(usize, u8),
        Agent(usize),
        Done,
        Gone(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4000u64).prop_map(Step::Wait),
            (0..2usize, 0..5u8).prop_map(|(who, what)| Step::Person(who, what)),
            (0..2usize).prop_map(Step::Agent),
            Just(Step::Done),
            (0..2usize).prop_map(Step::Gone),
        ]
    }

    proptest! {
        #[test]
        fn no_agent_permit_survives_a_persons_act_and_every_wait_ends(steps in prop::collection::vec(step(), 1..80)) {
            let people = [actor("ada", Role::Controller), actor("bob", Role::Admin)];
            let bots = [actor("x", Role::Agent), actor("y", Role::Agent)];
            let (mut now, mut floor) = (Instant::now(), Floor::new(SETTLE));
            let mut permits: Vec<FloorPermit> = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(ms) => now += Duration::from_millis(ms),
                    Step::Person(who, what) => {
                        let touch = match what {
                            0 => Touch::Move,
                            1 => Touch::Press(7),
                            2 => Touch::Release(7),
                            3 => Touch::Momentary,
                            _ => Touch::ReleaseAll,
                        };
                        let permit = floor.handle_person(now, &people[who], touch).expect("may act");
                        prop_assert_eq!(permit.check(), Ok(()));
                        if matches!(touch, Touch::Press(_) | Touch::Momentary) {
                            prop_assert!(permits.iter().all(|permit| permit.check().is_err()));
                            let held = matches!(floor.holder(now), Holder::Person { .. });
                            prop_assert!(held);
                        }
                    }
                    Step::Agent(who) => match floor.handle_agent(now, &bots[who]).expect("may act") {
                        Grant::Now(permit) => {
                            let person_holds = matches!(floor.holder(now), Holder::Person { .. });
                            prop_assert!(!person_holds);
                            permits.push(permit);
                        }
                        Grant::Wait { until, .. } => prop_assert!(until > now && until <= now + SETTLE),
                    },
                    Step::Done => {
                        if let Some(permit) = permits.pop() {
                            floor.handle_done(permit);
                        }
                    }
                    Step::Gone(who) => floor.handle_gone(now, &people[who].id),
                }
            }
            now += LONGEST_HOLD + SETTLE;
            prop_assert!(matches!(floor.handle_agent(now, &bots[0]), Ok(Grant::Now(_))));
        }
    }
}
