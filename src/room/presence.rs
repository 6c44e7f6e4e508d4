//! Who is in a room: each person and agent once, however many pages they have open.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::driver::rest::milliseconds;
use super::view::Presence;
use crate::base::{Actor, ActorId, ActorKind};

/// Pointers of people are shown to the others at most this often.
const POINTER_PAUSE: Duration = Duration::from_millis(33);

#[derive(Debug)]
struct Present {
    actor: Actor,
    seats: usize,
    since: SystemTime,
    pointer_at: Option<Instant>,
}

/// Somebody in the room, for whoever administers the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Person {
    #[serde(flatten)]
    pub presence: Presence,
    /// When they came, in milliseconds since 1970.
    #[ts(type = "number")]
    pub since: u64,
    /// Their open pages and players, or an agent's sessions.
    pub seats: usize,
    /// How the picture gets to them: one for each page that shows it.
    pub lines: Vec<Line>,
}

/// One connection by which somebody gets the picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Line {
    pub over_tcp: bool,
    /// By a TURN server of ours.
    pub relayed: bool,
    pub rtt_ms: Option<f32>,
    /// The share of packets lost on the way, 0 to 1.
    pub loss: f32,
    #[ts(type = "number")]
    pub sent_bytes: u64,
    #[ts(type = "number")]
    pub frames: u64,
    /// Where it leads. Not for others than the server.
    #[serde(skip)]
    pub remote: Option<IpAddr>,
}

/// Everybody present, in order of arrival.
#[derive(Debug, Default)]
pub(super) struct PresentList(Vec<Present>);

impl Presence {
    pub fn of(actor: &Actor) -> Self {
        Self {
            id: actor.id.clone(),
            name: actor.name.clone(),
            kind: actor.kind(),
            role: actor.role,
            colour: actor.colour,
        }
    }
}

impl PresentList {
    pub fn enter(&mut self, actor: &Actor) {
        match self.0.iter_mut().find(|present| present.actor.id == actor.id) {
            Some(present) => present.seats += 1,
            None => self.0.push(Present {
                actor: actor.clone(),
                seats: 1,
                since: SystemTime::now(),
                pointer_at: None,
            }),
        }
    }

    /// One seat fewer; true when it was the actor's last.
    pub fn leave(&mut self, actor: &ActorId) -> bool {
        let Some(at) = self.0.iter().position(|present| present.actor.id == *actor) else {
            return false;
        };
        self.0[at].seats -= 1;
        if self.0[at].seats > 0 {
            return false;
        }
        self.0.remove(at);
        true
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn view(&self) -> Vec<Presence> {
        self.0.iter().map(|present| Presence::of(&present.actor)).collect()
    }

    /// The same with since when and how often; lines are known elsewhere.
    pub fn people_in_detail(&self) -> Vec<Person> {
        let person = |present: &Present| Person {
            presence: Presence::of(&present.actor),
            since: milliseconds(present.since),
            seats: present.seats,
            lines: Vec::new(),
        };
        self.0.iter().map(person).collect()
    }

    pub fn actor(&self, id: &ActorId) -> Option<&Actor> {
        self.0.iter().find(|present| present.actor.id == *id).map(|present| &present.actor)
    }

    /// The one page of a token, whose actors are called `token.page`, if the token itself is not here.
    pub fn page_of(&self, token: &ActorId) -> Option<&Actor> {
        let is_page = |present: &&Present| {
            let rest = present.actor.id.as_str().strip_prefix(token.as_str());
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        let mut pages = self.0.iter().filter(is_page);
        let page = pages.next().filter(|_| self.actor(token).is_none() && pages.next().is_none())?;
        Some(&page.actor)
    }

    /// How many people are here.
    pub fn people(&self) -> usize {
        self.0.iter().filter(|present| present.actor.kind() == ActorKind::Person).count()
    }

    pub fn get(&self, actor: &ActorId) -> Option<Presence> {
        let present = self.0.iter().find(|present| present.actor.id == *actor)?;
        Some(Presence::of(&present.actor))
    }

    /// Whether this actor's pointer is to be shown now: there is somebody
    /// else to see it, and it was not shown a moment ago.
    pub fn shows_pointer(&mut self, now: Instant, actor: &ActorId) -> bool {
        if self.0.len() < 2 {
            return false;
        }
        let Some(present) = self.0.iter_mut().find(|present| present.actor.id == *actor) else {
            return false;
        };
        let due = present.pointer_at.is_none_or(|at| now.saturating_duration_since(at) >= POINTER_PAUSE);
        if due {
            present.pointer_at = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Role;

    fn actor(id: &str) -> Actor {
        Actor { id: ActorId::new(id).expect("id"), name: id.to_owned(), role: Role::Controller, colour: None }
    }

    #[test]
    fn a_person_with_two_pages_is_present_once_and_until_the_last_is_closed() {
        let mut list = PresentList::default();
        list.enter(&actor("ada"));
        list.enter(&actor("ada"));
        assert_eq!(list.view().len(), 1);
        assert!(!list.leave(&actor("ada").id));
        assert!(list.leave(&actor("ada").id));
        assert!(list.view().is_empty() && !list.leave(&actor("ada").id));
    }

    #[test]
    fn a_pointer_is_shown_to_others_and_not_too_often() {
        let (now, mut list) = (Instant::now(), PresentList::default());
        list.enter(&actor("ada"));
        assert!(!list.shows_pointer(now, &actor("ada").id), "nobody else is there to see it");
        list.enter(&actor("bob"));
        assert!(list.shows_pointer(now, &actor("ada").id));
        assert!(!list.shows_pointer(now, &actor("ada").id));
        assert!(list.shows_pointer(now + POINTER_PAUSE, &actor("ada").id));
    }
}
