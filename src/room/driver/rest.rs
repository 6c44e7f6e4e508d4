//! A room at rest: falling asleep and waking, by itself and by the hand of
//! whoever administers the server; and putting somebody out.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Driver;
use crate::base::ActorId;
use crate::room::handle::SeatEnd;
use crate::room::lifecycle::Action;
use crate::room::presence::Person;
use crate::room::{Line, Phase, Rest, RoomError, RoomEvent, memory, remembered};

impl Driver<'_> {
    /// Nobody is here, nothing is asked, and so it has been for long.
    pub(super) fn is_time_to_sleep(&mut self, now: Instant) -> bool {
        let needed = !self.present.is_empty()
            || !self.waiting.is_empty()
            || self.lifecycle.phase() != Phase::Live
            || !self.yes.view().is_empty()
            || !self.help.view().is_empty();
        self.idle.handle(now, needed)
    }

    /// Ends the room's programs. Whoever comes meanwhile wakes it when they have ended.
    pub(super) async fn sleep(&mut self) {
        tracing::info!(room = %self.parts.id(), "falls asleep");
        self.end_programs().await;
        self.lifecycle.handle_slept(Instant::now());
        self.is_time_to_sleep(Instant::now());
        self.ledger.slept();
        self.publish(Instant::now());
    }

    async fn end_programs(&mut self) {
        self.outlets.browser.send_replace(None);
        // What was asked was asked of this browser.
        self.yes.handle_browser_ended(Instant::now());
        self.parts.rest().await;
        match &self.tabs_kept {
            Some(path) => remembered::save(path, &self.tabs),
            None => self.tabs.clear(),
        }
    }

    /// Somebody is here, or knocks.
    pub(super) fn wake(&mut self) {
        if !self.lifecycle.is_asleep() {
            return;
        }
        let now = Instant::now();
        match memory::check() {
            Ok(()) => {
                tracing::info!(room = %self.parts.id(), "wakes");
                self.ledger.woke();
                self.lifecycle.handle_wake(now);
            }
            Err(reason) => {
                tracing::warn!(room = %self.parts.id(), reason, "cannot wake");
                self.lifecycle.handle_no_memory(now, reason);
            }
        }
    }

    /// There may be memory by now. Nobody waits for it any more: it sleeps on.
    pub(super) fn handle_action(&mut self, action: Action) {
        match action {
            Action::Start(part) => self.parts.begin(part, &self.tabs),
            Action::Wake if self.present.is_empty() => self.lifecycle.handle_slept(Instant::now()),
            Action::Wake => self.wake(),
        }
    }

    pub(super) async fn handle_rest(&mut self, rest: Rest) -> Result<(), RoomError> {
        match (rest, self.lifecycle.phase()) {
            (_, Phase::Stopping) => {
                return Err(RoomError::Unavailable("the room is stopping".into()));
            }
            (Rest::Sleep { .. } | Rest::Wake, Phase::Stopped) => {
                return Err(RoomError::Late("the room is stopped; start it first".into()));
            }
            (Rest::Sleep { .. }, _) if self.lifecycle.is_asleep() => {}
            (Rest::Sleep { anyway: false }, _) if !self.present.is_empty() => {
                let (all, people) = (self.present.view().len(), self.present.people());
                let text = format!(
                    "{} and {} are here; say anyway to have it sleep all the same",
                    counted(people, "person", "people"),
                    counted(all - people, "agent", "agents")
                );
                return Err(RoomError::Late(text));
            }
            (Rest::Sleep { .. }, _) => self.sleep().await,
            (Rest::Stop, Phase::Stopped) => {}
            (Rest::Stop, _) => {
                tracing::info!(room = %self.parts.id(), "is stopped");
                self.end_programs().await;
                self.lifecycle.handle_shut(Instant::now());
            }
            (Rest::Wake | Rest::Start, _) => {
                self.lifecycle.handle_opened();
                self.wake();
                // It sleeps on when there is no memory: nobody is here who would wait.
                if let (Phase::Failed { reason }, true) = (self.lifecycle.phase(), self.lifecycle.is_asleep())
                {
                    return Err(RoomError::Full(reason));
                }
            }
        }
        self.publish(Instant::now());
        Ok(())
    }

    /// Ends all places of somebody. Says whether they had one.
    pub(super) fn put_out(&mut self, actor: &ActorId) -> bool {
        let people = self.viewers.seats_of(actor);
        let agents: Vec<_> =
            self.agents.iter().filter(|(_, seat)| seat.actor.id == *actor).map(|(seat, _)| *seat).collect();
        let seats: Vec<_> = people.into_iter().chain(agents).collect();
        for seat in &seats {
            self.viewers.put_out(*seat);
            if let Some(agent) = self.agents.get(seat) {
                agent.end.send_replace(SeatEnd::PutOut);
            }
            self.leave(*seat);
        }
        if !seats.is_empty() {
            tracing::info!(room = %self.parts.id(), %actor, "was put out");
            // Nothing of theirs stays on the screen.
            let _ = self.outlets.events.send(RoomEvent::Doing { actor: actor.clone(), text: String::new() });
        }
        !seats.is_empty()
    }

    /// Who is here since when, and by which lines.
    pub(super) fn people(&self) -> Vec<Person> {
        let mut people = self.present.people_in_detail();
        for (actor, line) in self.viewers.lines() {
            if let Some(person) = people.iter_mut().find(|person| person.presence.id == actor) {
                person.lines.push(line);
            }
        }
        people
    }
}

impl Line {
    pub(in crate::room) fn of(stats: Option<crate::rtc::PeerStats>) -> Self {
        let stats = stats.unwrap_or_default();
        Self {
            over_tcp: stats.over_tcp,
            relayed: false,
            rtt_ms: stats.rtt.map(|rtt| rtt.as_secs_f32() * 1000.0),
            loss: stats.loss,
            sent_bytes: stats.sent_bytes,
            frames: stats.frames,
            remote: stats.remote,
        }
    }
}

/// Milliseconds since 1970.
pub(in crate::room) fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}
