//! What people decide in a room and what becomes of it: the floor, answers to
//! approvals, help. Told to whoever waits, written down, shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Driver, Waiting};
use crate::base::{Actor, ActorId, Input, StampedInput};
use crate::browser::Fact;
use crate::floor::{FloorEvent, Grant, Holder, Refusal};
use crate::policy::{self, Answer, ApprovalId, Place};
use crate::room::handle::NoFloor;
use crate::room::help::HelpEnd;
use crate::room::presence::PresentList;
use crate::room::{FloorAsk, FloorView, HelpAnswer, Presence};

/// What an agent has sent comes before the person's input that preempts it; no
/// longer than this is waited for a page that does not take it.
const LONGEST_LAST_EFFECT: Duration = Duration::from_millis(250);

impl Driver<'_> {
    /// What somebody does about the floor. It is told with the next round.
    pub(super) fn control(&mut self, actor: &Actor, ask: FloorAsk) -> Result<(), Refusal> {
        let now = Instant::now();
        // A token that speaks over HTTP is the person whose page it opened.
        let page = self.present.page_of(&actor.id).cloned();
        let actor = page.as_ref().unwrap_or(actor);
        let done = match ask {
            FloorAsk::Takeover => self.floor.handle_takeover(now, actor),
            FloorAsk::HandBack { note } => self.floor.handle_hand_back(now, actor, &note),
            FloorAsk::Request => self.floor.handle_request(now, actor),
            FloorAsk::Withdraw => {
                self.floor.handle_request_withdrawn(&actor.id);
                Ok(())
            }
            FloorAsk::Give { to } => match self.present.actor(&to).cloned() {
                Some(to) => self.floor.handle_give(now, actor, &to),
                None => Err(Refusal::NotHere),
            },
            FloorAsk::Mode { mode } => self.floor.handle_mode(actor, mode),
            FloorAsk::Private { on } => {
                let done = self.moments.handle_ask(now, actor, on);
                self.tell_moments();
                done
            }
        };
        // Whoever is not in the room has it for a moment only.
        if self.present.actor(&actor.id).is_none() {
            self.floor.handle_gone(now, &actor.id);
            self.moments.handle_gone(now, &actor.id);
        }
        done
    }

    /// Helping is a takeover, and being done with it a hand-back.
    pub(super) fn floor_of_help(&mut self, now: Instant, actor: &Actor, answer: &HelpAnswer) {
        let done = match answer {
            HelpAnswer::Accept => self.floor.handle_takeover(now, actor),
            HelpAnswer::Done { note, .. } | HelpAnswer::Decline { note } => {
                let theirs = self.floor.takeover().is_some_and(|(holder, _)| holder.id == actor.id);
                if theirs { self.floor.handle_hand_back(now, actor, note) } else { Ok(()) }
            }
        };
        if let Err(refusal) = done {
            tracing::debug!(room = %self.parts.id(), actor = %actor.id, %refusal, "help without the floor");
        }
    }

    /// Does and tells what happened on the floor.
    pub(super) fn tell_floor(&mut self) {
        let name = |present: &PresentList, id: &ActorId| {
            present.actor(id).map_or_else(|| "somebody who has left".to_owned(), |actor| actor.name.clone())
        };
        while let Some(event) = self.floor.poll_event() {
            tracing::debug!(room = %self.parts.id(), ?event, "floor");
            self.ledger.floor(&event, &self.present);
            let fact = match event {
                FloorEvent::Release(permit) => {
                    self.inject(&permit, StampedInput { input: Input::ReleaseAll, stamp: None });
                    continue;
                }
                FloorEvent::TookOver { by } => Fact::TookOver { by: name(&self.present, &by) },
                FloorEvent::HandedBack { by, note, took, .. } => {
                    self.moments.handle_done(&by);
                    Fact::HandedBack { by: name(&self.present, &by), note, seconds: took.as_secs() }
                }
                FloorEvent::Turn { .. }
                | FloorEvent::Free
                | FloorEvent::Asked { .. }
                | FloorEvent::Mode { .. } => continue,
            };
            if let Some(browser) = self.parts.browser() {
                browser.journal().add(None, fact);
            }
        }
    }

    /// Tells what became of approvals, and keeps the rules that people made of them.
    pub(super) fn tell_approvals(&mut self, now: Instant) {
        while let Some((event, rule)) = self.yes.poll(now) {
            tracing::debug!(room = %self.parts.id(), ?event, "approval");
            self.ledger.approval(&event, &self.yes.view());
            self.tell_settled(&event);
            let Some(rule) = rule else { continue };
            let rulebook = Arc::clone(&self.rulebook);
            tokio::spawn(async move {
                if let Err(error) = rulebook.add(rule).await {
                    tracing::warn!(%error, "a rule that a person made by saying always was not kept");
                }
            });
        }
    }

    pub(super) fn tell_settled(&mut self, event: &policy::Event) {
        if let Some(settled) = self.yes.settled(event) {
            let _ = self.outlets.events.send(settled);
        }
    }

    /// Ends the requests for help whose time is over.
    pub(super) fn end_help(&mut self, now: Instant) {
        while let Some((id, end)) = self.help.poll_ended(now, self.present.people()) {
            self.ledger.help_ended(id, &end);
            self.tell_helped(id, end);
        }
    }

    pub(super) fn tell_helped(&mut self, id: u32, end: HelpEnd) {
        if let Some(reply) = self.help_replies.remove(&id) {
            let _ = reply.send(end);
        }
    }

    /// Where a person has gone is no longer new to agents.
    pub(super) fn name_place(&self, now: Instant) {
        if let Some(tab) = self.tabs.iter().find(|tab| tab.front).filter(|_| self.moments.is_caused(now)) {
            self.rulebook.named().add(&Place::of(&tab.url));
        }
    }

    /// The places that a yes to this question names.
    pub(super) fn places_asked(&self, id: ApprovalId, answer: &Answer) -> Vec<Place> {
        let yes = !matches!(answer, Answer::Deny { .. });
        let asked = self.yes.view().into_iter().find(|view| view.id == id).filter(|_| yes);
        asked.map(|view| view.places).unwrap_or_default()
    }

    /// Gives the floor to the agents that may have it by now.
    pub(super) fn grant_floor(&mut self, now: Instant) {
        // In the order in which they came, so that none is passed over.
        for Waiting { actor, deadline, reply } in std::mem::take(&mut self.waiting) {
            if reply.is_closed() {
                continue;
            }
            let answer = match self.floor.handle_agent(now, &actor) {
                Ok(Grant::Now(permit)) => {
                    self.moments.handle_agent();
                    Ok(permit)
                }
                Ok(Grant::Wait { .. }) if now < deadline => {
                    self.waiting.push(Waiting { actor, deadline, reply });
                    continue;
                }
                Ok(Grant::Wait { holder, since, .. }) => match self.floor.holder(now) {
                    Holder::Agent { .. } => Err(NoFloor::HeldByAgent { holder, since }),
                    Holder::Person { .. } | Holder::Nobody => Err(NoFloor::Held { holder, since }),
                },
                Err(refusal) => Err(NoFloor::Refused(refusal)),
            };
            // A permit nobody waits for any more is dropped here and so given back.
            let _ = reply.send(answer);
        }
    }

    pub(super) fn floor_view(&self) -> FloorView {
        let of = |actor: &Actor| Presence::of(actor);
        FloorView {
            mode: self.floor.mode(),
            takeover: self.floor.takeover().map(|(actor, _)| of(actor)),
            turn: self.floor.turn().map(of),
            requests: self.floor.requests().map(of).collect(),
            hand_backs: u32::try_from(self.floor.hand_backs()).unwrap_or(u32::MAX),
        }
    }

    /// Agents' permits are stale by now; what went out before has its effect first.
    pub(super) async fn let_agents_end(&mut self) {
        let Some(ended) = self.floor.agents_on_the_way() else {
            self.impatient = false;
            return;
        };
        if !self.impatient {
            self.impatient = tokio::time::timeout(LONGEST_LAST_EFFECT, ended).await.is_err();
        }
    }
}
