//! The state machine of a room's private moments: when one begins, whose it
//! is, and when it is over.
//!
//! ```text
//!           a person asks ──────────────────────▶ by hand ── that person or an admin ends it, gone for `GRACE` ─▶ ending
//!   open ──                                                                                                        │ what was
//!           a person's act brings the focus into  ▶ by field ── the person leaves the field, or a page took the    │ typed is
//!           a secret field, or types in one                      focus away and nobody types for `QUIET`, or …  ─▶ │ covered
//!     ▲                                                                                                            ▼
//!     └────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A page can move the focus, but neither end a moment while somebody types
//! nor begin one without a person's act.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::mode::Refusal;
use crate::base::{Actor, ActorId, ActorKind, Role};

/// A focus that comes this soon after a person's act is that person's.
const CAUSED: Duration = Duration::from_secs(2);
/// After a person has left the field, so that what a form sends is not seen.
const LINGER: Duration = Duration::from_millis(150);
/// A page took the focus away: nobody has typed for this long.
const QUIET: Duration = Duration::from_millis(1500);
/// Whoever is in it has left the room, and may come back within this time.
const GRACE: Duration = Duration::from_secs(60);
/// A moment by field in which nobody does anything for this long is over.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// What began a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentCause {
    Hand,
    Field,
}

/// What a person's hands do, as far as a moment cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Something is typed or put in.
    Types,
    /// A press, or a key that leads out of a field: Tab, Enter, Escape.
    Leaves,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MomentEvent {
    Began {
        by: Actor,
        cause: MomentCause,
    },
    /// What was typed is to be covered; then [`Moments::handle_covered`].
    Ending,
    Ended {
        by: ActorId,
    },
}

#[derive(Clone, Debug)]
pub struct Moment {
    pub by: Actor,
    pub cause: MomentCause,
    pub since: Instant,
    /// The last act of its person.
    acted: Instant,
    /// It ends then, when the field stays left.
    ends: Option<Instant>,
    away: Option<Instant>,
    ending: bool,
}

impl Moment {
    /// What was typed is being covered.
    pub fn is_ending(&self) -> bool {
        self.ending
    }
}

/// The private moments of one room. All methods take the time; none reads it.
#[derive(Debug, Default)]
pub struct Moments {
    current: Option<Moment>,
    /// The focus of the page in front is in a secret field.
    in_field: bool,
    last: Option<(Actor, Hand, Instant)>,
    events: VecDeque<MomentEvent>,
}

impl Moments {
    // Getters.

    pub fn current(&self) -> Option<&Moment> {
        self.current.as_ref()
    }

    /// Whether what comes now is a person's doing.
    pub fn is_caused(&self, now: Instant) -> bool {
        self.last.as_ref().is_some_and(|(_, _, at)| now.saturating_duration_since(*at) <= CAUSED)
    }

    // Handlers.

    /// Somebody wants to be alone with the page, or no longer.
    pub fn handle_ask(&mut self, now: Instant, actor: &Actor, on: bool) -> Result<(), Refusal> {
        if actor.kind() != ActorKind::Person {
            return Err(Refusal::OnlyPeople);
        }
        if !actor.role.may_act() {
            return Err(Refusal::MayOnlyWatch { role: actor.role.as_str() });
        }
        match (&mut self.current, on) {
            (None, true) => self.begin(now, actor.clone(), MomentCause::Hand),
            (Some(moment), _) if moment.by.id != actor.id && actor.role != Role::Admin => {
                return Err(Refusal::Private { by: moment.by.name.clone() });
            }
            // Begun by a field, it goes on until it is ended by hand.
            (Some(moment), true) if !moment.ending => {
                moment.cause = MomentCause::Hand;
                moment.ends = None;
            }
            // It is being covered; whoever asks again gets the next one.
            (Some(_), true) => {
                self.close();
                self.begin(now, actor.clone(), MomentCause::Hand);
            }
            (Some(_), false) => self.end(),
            (None, false) => {}
        }
        Ok(())
    }

    /// A person acts, before the act goes to the page.
    pub fn handle_act(&mut self, now: Instant, actor: &Actor, hand: Hand) {
        self.last = Some((actor.clone(), hand, now));
        let types = hand == Hand::Types;
        match &mut self.current {
            // What was begun is being covered; who goes on typing begins anew.
            Some(moment) if moment.ending && types && self.in_field => {
                self.close();
                self.begin(now, actor.clone(), MomentCause::Field);
            }
            Some(moment) => {
                if moment.by.id == actor.id {
                    moment.acted = now;
                }
                if types && let Some(ends) = &mut moment.ends {
                    *ends = (*ends).max(now + QUIET);
                }
            }
            None if types && self.in_field => self.begin(now, actor.clone(), MomentCause::Field),
            None => {}
        }
    }

    /// An agent may act: a focus that comes now is not a person's.
    pub fn handle_agent(&mut self) {
        self.last = None;
    }

    /// The focus of the page in front has come into a secret field, or is in none.
    pub fn handle_focus(&mut self, now: Instant, in_field: bool) {
        self.in_field = in_field;
        let caused = self.last.as_ref().filter(|(_, _, at)| now.saturating_duration_since(*at) <= CAUSED);
        match &mut self.current {
            Some(moment) if moment.cause == MomentCause::Field && !moment.ending => {
                moment.ends = match (in_field, caused) {
                    (true, _) => None,
                    (false, Some((_, Hand::Leaves, _))) => Some(now + LINGER),
                    (false, _) => Some(now + QUIET),
                };
            }
            Some(_) => {}
            None => {
                if let Some((actor, ..)) = caused.filter(|_| in_field) {
                    let actor = actor.clone();
                    self.begin(now, actor, MomentCause::Field);
                }
            }
        }
    }

    /// What was typed is covered: the others may look again.
    pub fn handle_covered(&mut self) {
        if self.current.as_ref().is_some_and(|moment| moment.ending) {
            self.close();
        }
    }

    /// Somebody is done with the browser, and says so by handing it back.
    pub fn handle_done(&mut self, actor: &ActorId) {
        if self.current.as_ref().is_some_and(|moment| moment.by.id == *actor) {
            self.end();
        }
    }

    pub fn handle_gone(&mut self, now: Instant, actor: &ActorId) {
        if let Some(moment) = self.current.as_mut().filter(|moment| moment.by.id == *actor) {
            moment.away = moment.away.or(Some(now));
        }
        self.last.take_if(|(last, ..)| last.id == *actor);
    }

    pub fn handle_here(&mut self, actor: &ActorId) {
        if let Some(moment) = self.current.as_mut().filter(|moment| moment.by.id == *actor) {
            moment.away = None;
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.end();
        }
    }

    // Pollers.

    pub fn poll_timeout(&self) -> Option<Instant> {
        let moment = self.current.as_ref().filter(|moment| !moment.ending)?;
        let away = moment.away.map(|away| away + GRACE);
        let forgotten = (moment.cause == MomentCause::Field).then(|| moment.acted + FORGOTTEN);
        [moment.ends, away, forgotten].into_iter().flatten().min()
    }

    pub fn poll_event(&mut self) -> Option<MomentEvent> {
        self.events.pop_front()
    }

    fn begin(&mut self, now: Instant, by: Actor, cause: MomentCause) {
        self.events.push_back(MomentEvent::Began { by: by.clone(), cause });
        self.current =
            Some(Moment { by, cause, since: now, acted: now, ends: None, away: None, ending: false });
    }

    fn end(&mut self) {
        if let Some(moment) = self.current.as_mut().filter(|moment| !moment.ending) {
            moment.ending = true;
            self.events.push_back(MomentEvent::Ending);
        }
    }

    fn close(&mut self) {
        if let Some(moment) = self.current.take() {
            self.events.push_back(MomentEvent::Ended { by: moment.by.id });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn person(name: &str, role: Role) -> Actor {
        Actor { id: ActorId::new(name).expect("id"), name: name.into(), role, colour: None }
    }

    fn ann() -> Actor {
        person("ann", Role::Controller)
    }

    fn events(moments: &mut Moments) -> Vec<&'static str> {
        std::iter::from_fn(|| moments.poll_event())
            .map(|event| match event {
                MomentEvent::Began { cause: MomentCause::Hand, .. } => "by hand",
                MomentEvent::Began { cause: MomentCause::Field, .. } => "by field",
                MomentEvent::Ending => "ending",
                MomentEvent::Ended { .. } => "ended",
            })
            .collect()
    }

    #[test]
    fn a_person_who_presses_into_a_secret_field_is_alone_until_they_leave_it() {
        let (mut moments, now) = (Moments::default(), Instant::now());
        moments.handle_act(now, &ann(), Hand::Leaves);
        moments.handle_focus(now + Duration::from_millis(5), true);
        assert_eq!(events(&mut moments), ["by field"]);
        let later = now + Duration::from_secs(30);
        moments.handle_act(later, &ann(), Hand::Types);
        moments.handle_timeout(later);
        moments.handle_act(later, &ann(), Hand::Leaves);
        moments.handle_focus(later, false);
        moments.handle_timeout(later + LINGER);
        assert_eq!(events(&mut moments), ["ending"]);
        moments.handle_covered();
        assert_eq!(events(&mut moments), ["ended"]);
        assert!(moments.current().is_none());
    }

    #[test]
    fn a_page_can_neither_begin_a_moment_nor_end_one_under_a_typing_hand() {
        let (mut moments, now) = (Moments::default(), Instant::now());
        moments.handle_focus(now, true);
        assert!(events(&mut moments).is_empty(), "nobody acted");
        moments.handle_act(now + Duration::from_secs(10), &ann(), Hand::Types);
        assert_eq!(events(&mut moments), ["by field"], "before the letter reaches the page");
        let mut at = now + Duration::from_secs(10);
        moments.handle_focus(at, false);
        for _ in 0..20 {
            at += Duration::from_secs(1);
            moments.handle_timeout(at);
            moments.handle_act(at, &ann(), Hand::Types);
        }
        assert!(events(&mut moments).is_empty(), "the page took the focus, but a person types");
        moments.handle_timeout(at + QUIET);
        assert_eq!(events(&mut moments), ["ending"]);
    }

    #[test]
    fn from_one_secret_field_into_the_next_it_is_one_moment() {
        let (mut moments, now) = (Moments::default(), Instant::now());
        moments.handle_act(now, &ann(), Hand::Leaves);
        moments.handle_focus(now, true);
        moments.handle_act(now, &ann(), Hand::Leaves);
        moments.handle_focus(now, false);
        moments.handle_focus(now + Duration::from_millis(20), true);
        moments.handle_timeout(now + Duration::from_secs(5));
        assert_eq!(events(&mut moments), ["by field"]);
    }

    #[test]
    fn by_hand_it_lasts_until_its_person_or_an_admin_ends_it() {
        let (mut moments, now) = (Moments::default(), Instant::now());
        assert!(moments.handle_ask(now, &person("vic", Role::Viewer), true).is_err());
        moments.handle_ask(now, &ann(), true).expect("may");
        moments.handle_focus(now, true);
        moments.handle_focus(now, false);
        moments.handle_timeout(now + Duration::from_secs(3600));
        assert_eq!(events(&mut moments), ["by hand"]);
        assert!(moments.handle_ask(now, &person("bob", Role::Controller), false).is_err());
        moments.handle_ask(now, &person("ada", Role::Admin), false).expect("an admin may");
        moments.handle_covered();
        assert_eq!(events(&mut moments), ["ending", "ended"]);
    }

    #[test]
    fn whoever_vanishes_is_waited_for_a_minute() {
        let (mut moments, now) = (Moments::default(), Instant::now());
        moments.handle_ask(now, &ann(), true).expect("may");
        moments.handle_gone(now, &ann().id);
        moments.handle_here(&ann().id);
        moments.handle_timeout(now + GRACE);
        assert_eq!(events(&mut moments), ["by hand"]);
        moments.handle_gone(now, &ann().id);
        moments.handle_timeout(now + GRACE);
        assert_eq!(events(&mut moments), ["ending"]);
    }

    #[test]
    fn who_types_on_while_it_is_covered_is_private_again() {
        let (mut moments, now) = (Moments::default(), Instant::now());
        moments.handle_focus(now, true);
        moments.handle_act(now, &ann(), Hand::Types);
        moments.handle_ask(now, &ann(), false).expect("may");
        moments.handle_act(now, &ann(), Hand::Types);
        moments.handle_covered();
        assert_eq!(events(&mut moments), ["by field", "ending", "ended", "by field"]);
        assert!(moments.current().is_some());
    }

    proptest! {
        /// Whatever happens, nobody types into a secret field in the open, and
        /// moments begin and end in turn.
        #[test]
        fn no_letter_goes_into_a_secret_field_in_the_open(steps in prop::collection::vec((0..7u8, 0..3000u64), 1..200)) {
            let (mut moments, mut now) = (Moments::default(), Instant::now());
            let mut open = true;
            for (step, wait) in steps {
                now += Duration::from_millis(wait);
                moments.handle_timeout(now);
                match step {
                    0 => moments.handle_focus(now, true),
                    1 => moments.handle_focus(now, false),
                    2 => {
                        moments.handle_act(now, &ann(), Hand::Types);
                        prop_assert!(!moments.in_field || moments.current().is_some_and(|moment| !moment.ending));
                    }
                    3 => moments.handle_act(now, &ann(), Hand::Leaves),
                    4 => drop(moments.handle_ask(now, &ann(), true)),
                    5 => drop(moments.handle_ask(now, &ann(), false)),
                    _ => moments.handle_covered(),
                }
                while let Some(event) = moments.poll_event() {
                    match event {
                        MomentEvent::Began { .. } => { prop_assert!(open); open = false; }
                        MomentEvent::Ending => prop_assert!(!open),
                        MomentEvent::Ended { .. } => { prop_assert!(!open); open = true; }
                    }
                }
            }
        }
    }
}
