//! Agents' requests for a person's help: a card that waits for somebody to
//! take it up, then for that person to say that it is done. Pure: time and
//! people come in as arguments.
//!
//! ```text
//!  asked ──accept──▶ taken up ──done──▶ ended
//!    │ decline, limit   │ decline, limit (which begins anew)
//!    ▼                  ├── helper leaves ──▶ asked
//!  ended ◀──────────────┘
//! ```

use std::time::{Duration, Instant};

use super::view::{HelpAnswer, HelpRequest, HelpTask, Mark, Presence};
use crate::base::{Actor, ActorId, ActorKind};

/// How many requests may be open in one room; a further one is refused.
const MOST_OPEN: usize = 8;
/// The longest reason and the longest note, in characters.
const LONGEST_TEXT: usize = 500;
/// Marks of one answer, and points of all of them.
const MOST_MARKS: usize = 50;
const MOST_POINTS: usize = 4000;
/// No display is larger.
const FARTHEST: i32 = 20_000;

/// How a request ended, for the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelpEnd {
    Done {
        by: String,
        note: String,
        marks: Vec<Mark>,
        took: Duration,
    },
    Declined {
        by: String,
        note: String,
    },
    /// Nobody took it up in time.
    Unanswered {
        people: usize,
    },
    /// Somebody took it up and did not say in time that it is done.
    Unfinished {
        by: String,
    },
    /// It could not be put before anybody.
    Refused(String),
}

struct Open {
    shown: HelpRequest,
    limit: Duration,
    until: Instant,
    /// When it was taken up.
    since: Instant,
}

/// The open requests of one room, oldest first.
#[derive(Default)]
pub(super) struct HelpDesk {
    open: Vec<Open>,
}

impl HelpDesk {
    // Getters.

    pub fn view(&self) -> Vec<HelpRequest> {
        self.open.iter().map(|open| open.shown.clone()).collect()
    }

    // Handlers.

    pub fn handle_ask(
        &mut self,
        now: Instant,
        id: u32,
        agent: &Actor,
        reason: &str,
        task: HelpTask,
        limit: Duration,
    ) -> Result<(), HelpEnd> {
        if self.open.len() >= MOST_OPEN {
            return Err(HelpEnd::Refused(format!("{MOST_OPEN} requests for help are open already")));
        }
        let agent = Presence::of(agent);
        let shown = HelpRequest { id, agent, reason: cleaned(reason), task, helper: None };
        self.open.push(Open { shown, limit, until: now + limit, since: now });
        Ok(())
    }

    /// A person answers. Gives how the request has ended, if it has.
    pub fn handle_answer(
        &mut self,
        now: Instant,
        actor: &Actor,
        id: u32,
        answer: &HelpAnswer,
    ) -> Result<Option<HelpEnd>, String> {
        if actor.kind() != ActorKind::Person || !actor.role.may_act() {
            return Err("only a person who may act can answer a request for help".into());
        }
        let Some(at) = self.open.iter().position(|open| open.shown.id == id) else {
            return Err("this request for help is over".into());
        };
        let open = &mut self.open[at];
        let helper = open.shown.helper.as_ref();
        if let Some(other) = helper.filter(|helper| helper.id != actor.id && !actor.role.may_administer()) {
            return Err(format!("{} is already helping", other.name));
        }
        let by = actor.name.clone();
        let end = match answer {
            HelpAnswer::Accept => {
                open.shown.helper = Some(Presence::of(actor));
                (open.since, open.until) = (now, now + open.limit);
                return Ok(None);
            }
            HelpAnswer::Done { .. } if helper.is_none() => {
                return Err("take it up first, then say that it is done".into());
            }
            HelpAnswer::Done { note, marks } => HelpEnd::Done {
                by,
                note: cleaned(note),
                marks: checked(marks)?,
                took: now.saturating_duration_since(open.since),
            },
            HelpAnswer::Decline { note } => HelpEnd::Declined { by, note: cleaned(note) },
        };
        self.open.remove(at);
        Ok(Some(end))
    }

    /// The agent no longer waits.
    pub fn handle_withdrawn(&mut self, id: u32) {
        self.open.retain(|open| open.shown.id != id);
    }

    /// Somebody left: what they had taken up waits for another.
    pub fn handle_gone(&mut self, now: Instant, actor: &ActorId) {
        for open in &mut self.open {
            if open.shown.helper.as_ref().is_some_and(|helper| helper.id == *actor) {
                open.shown.helper = None;
                open.until = now + open.limit;
            }
        }
    }

    // Pollers.

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.open.iter().map(|open| open.until).min()
    }

    /// The next request whose time is over.
    pub fn poll_ended(&mut self, now: Instant, people: usize) -> Option<(u32, HelpEnd)> {
        let at = self.open.iter().position(|open| open.until <= now)?;
        let HelpRequest { id, helper, .. } = self.open.remove(at).shown;
        let end = match helper {
            Some(helper) => HelpEnd::Unfinished { by: helper.name },
            None => HelpEnd::Unanswered { people },
        };
        Some((id, end))
    }
}

/// Marks from a person, as far as they can have been drawn.
fn checked(marks: &[Mark]) -> Result<Vec<Mark>, String> {
    let points: usize = marks.iter().map(|mark| mark.points.len()).sum();
    if marks.len() > MOST_MARKS || points > MOST_POINTS {
        return Err(format!("an answer has at most {MOST_MARKS} marks and {MOST_POINTS} points"));
    }
    let near = |at: &(i32, i32)| at.0.abs() <= FARTHEST && at.1.abs() <= FARTHEST;
    if marks.iter().any(|mark| mark.points.len() < 2 || !mark.points.iter().all(near)) {
        return Err("a mark has two points or more, all on the display".into());
    }
    Ok(marks.iter().map(|mark| Mark { text: cleaned(&mark.text), ..mark.clone() }).collect())
}

/// Text from an agent or a person, fit to show and to hand on.
fn cleaned(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_TEXT).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Role;

    const LIMIT: Duration = Duration::from_secs(60);

    fn actor(id: &str, role: Role) -> Actor {
        Actor { id: ActorId::new(id).expect("id"), name: id.to_owned(), role, colour: None }
    }

    fn asked(now: Instant) -> HelpDesk {
        let mut desk = HelpDesk::default();
        desk.handle_ask(now, 1, &actor("bot", Role::Agent), "solve the CAPTCHA\u{7}", HelpTask::Act, LIMIT)
            .expect("room");
        desk
    }

    #[test]
    fn a_request_is_taken_up_and_done_with_a_note() {
        let (t, ada) = (Instant::now(), actor("ada", Role::Controller));
        let mut desk = asked(t);
        assert_eq!(desk.view()[0].reason, "solve the CAPTCHA");
        let done = HelpAnswer::Done { note: "logged in ".into(), marks: vec![] };
        assert!(desk.handle_answer(t, &ada, 1, &done).is_err(), "nobody has taken it up");
        assert_eq!(desk.handle_answer(t, &ada, 1, &HelpAnswer::Accept), Ok(None));
        let later = t + Duration::from_secs(9);
        let end = desk.handle_answer(later, &ada, 1, &done).expect("may").expect("ended");
        let wanted =
            HelpEnd::Done { by: "ada".into(), note: "logged in".into(), marks: vec![], took: later - t };
        assert_eq!(end, wanted);
        assert!(desk.view().is_empty() && desk.handle_answer(later, &ada, 1, &done).is_err());
    }

    #[test]
    fn only_a_person_who_may_act_answers_and_one_at_a_time() {
        let t = Instant::now();
        let mut desk = asked(t);
        for wrong in [actor("v", Role::Viewer), actor("other", Role::Agent)] {
            assert!(desk.handle_answer(t, &wrong, 1, &HelpAnswer::Accept).is_err());
        }
        let (ada, bob) = (actor("ada", Role::Controller), actor("bob", Role::Controller));
        assert_eq!(desk.handle_answer(t, &ada, 1, &HelpAnswer::Accept), Ok(None));
        assert_eq!(desk.handle_answer(t, &bob, 1, &HelpAnswer::Accept), Err("ada is already helping".into()));
        desk.handle_gone(t, &ada.id);
        assert_eq!(desk.handle_answer(t, &bob, 1, &HelpAnswer::Accept), Ok(None));
    }

    #[test]
    fn the_limit_ends_it_and_begins_anew_when_it_is_taken_up() {
        let (t, ada) = (Instant::now(), actor("ada", Role::Controller));
        let mut desk = asked(t);
        assert_eq!(desk.poll_timeout(), Some(t + LIMIT));
        assert_eq!(desk.poll_ended(t + LIMIT / 2, 1), None);
        assert_eq!(desk.handle_answer(t + LIMIT / 2, &ada, 1, &HelpAnswer::Accept), Ok(None));
        assert_eq!(desk.poll_ended(t + LIMIT, 1), None);
        let end = desk.poll_ended(t + LIMIT * 2, 1);
        assert_eq!(end, Some((1, HelpEnd::Unfinished { by: "ada".into() })));
        assert_eq!(asked(t).poll_ended(t + LIMIT, 0), Some((1, HelpEnd::Unanswered { people: 0 })));
    }

    #[test]
    fn requests_are_bounded_and_a_withdrawn_one_is_gone() {
        let (t, bot) = (Instant::now(), actor("bot", Role::Agent));
        let mut desk = HelpDesk::default();
        for id in 0..MOST_OPEN as u32 {
            assert_eq!(desk.handle_ask(t, id, &bot, "x", HelpTask::Act, LIMIT), Ok(()));
        }
        assert!(desk.handle_ask(t, 99, &bot, "x", HelpTask::Act, LIMIT).is_err());
        desk.handle_withdrawn(0);
        assert_eq!(desk.handle_ask(t, 99, &bot, "x", HelpTask::Act, LIMIT), Ok(()));
    }

    #[test]
    fn marks_are_bounded_and_lie_on_a_display() {
        use super::super::view::MarkShape;
        let mark =
            |points: Vec<(i32, i32)>| Mark { shape: MarkShape::Line, points, text: " here\u{7}".into() };
        let good = checked(&[mark(vec![(0, 0), (5, 5)])]).expect("good");
        assert_eq!(good[0].text, "here");
        assert!(checked(&[mark(vec![(0, 0)])]).is_err());
        assert!(checked(&[mark(vec![(0, 0), (i32::MIN + 1, 5)])]).is_err());
        assert!(checked(&[mark(vec![(0, 0); MOST_POINTS + 1])]).is_err());
        assert!(checked(&vec![mark(vec![(0, 0), (1, 1)]); MOST_MARKS + 1]).is_err());
    }
}
