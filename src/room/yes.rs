//! The approvals of one room: the queue, who waits for which answer, and what
//! people see of it.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::view::{RoomEvent, Settled};
use crate::base::{Actor, ActorId};
use crate::policy::{
    Answer, AnswerError, ApprovalId, ApprovalView, Approvals, Approved, AskError, End, Event, Fingerprint,
    Limits, NotApproved, Request, Rule,
};

/// Who waits: told when there is a yes, or that there will be none.
type Reply = oneshot::Sender<Result<(), NotApproved>>;

pub(super) struct Yes {
    approvals: Approvals,
    replies: HashMap<ApprovalId, Reply>,
    /// Who asked, of those of which it was not told yet what became.
    askers: HashMap<ApprovalId, ActorId>,
    /// What people see; made anew when something happened.
    shown: Vec<ApprovalView>,
    /// One moment on both clocks.
    began: (Instant, u64),
}

impl Yes {
    pub fn new(now: Instant) -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut queue = [0; 8];
        // Without randomness the ids of an earlier start could be taken for these.
        getrandom::fill(&mut queue).expect("the kernel gives randomness once it has started");
        Self {
            approvals: Approvals::new(u64::from_le_bytes(queue), Limits::default()),
            replies: HashMap::new(),
            askers: HashMap::new(),
            shown: Vec::new(),
            began: (now, u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    // Getters.

    pub fn view(&self) -> Vec<ApprovalView> {
        self.shown.clone()
    }

    pub fn picture(&self, id: ApprovalId) -> Option<Bytes> {
        self.approvals.picture(id).cloned()
    }

    // Handlers.

    pub fn handle_ask(
        &mut self,
        now: Instant,
        request: Request,
        answered: Reply,
    ) -> Result<ApprovalId, AskError> {
        let asker = request.actor.id.clone();
        let id = self.approvals.ask(now, request)?;
        self.askers.insert(id, asker);
        self.replies.insert(id, answered);
        Ok(id)
    }

    pub fn handle_answer(
        &mut self,
        now: Instant,
        id: ApprovalId,
        by: &Actor,
        answer: Answer,
    ) -> Result<(), AnswerError> {
        self.approvals.answer(now, id, by, answer)
    }

    pub fn handle_answer_at_client(
        &mut self,
        now: Instant,
        id: ApprovalId,
        agent: &Actor,
        answer: Answer,
    ) -> Result<(), AnswerError> {
        self.approvals.answer_at_client(now, id, agent, answer)
    }

    pub fn handle_spend(
        &mut self,
        now: Instant,
        id: ApprovalId,
        page: &Fingerprint,
    ) -> Result<Approved, NotApproved> {
        self.approvals.spend(now, id, page)
    }

    pub fn handle_withdrawn(&mut self, now: Instant, id: ApprovalId) {
        self.approvals.withdraw(now, id);
    }

    pub fn handle_gone(&mut self, now: Instant, actor: &ActorId) {
        self.approvals.withdraw_all(now, actor);
    }

    /// The browser ended: what was asked about its pages is asked no more.
    pub fn handle_browser_ended(&mut self, now: Instant) {
        self.approvals.fail(now, "the browser ended");
    }

    /// Closes the queue; asked again and again, it gives what came of it until all is told.
    pub fn handle_stop(&mut self, now: Instant) -> Option<(Event, Option<Rule>)> {
        self.approvals.close(now, "the room is stopping");
        let last = self.poll(now);
        if last.is_none() {
            self.replies.clear();
        }
        last
    }

    // Pollers.

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.approvals.poll_timeout()
    }

    /// What happened, told to whoever waits for it; a rule is for the caller to keep.
    pub fn poll(&mut self, now: Instant) -> Option<(Event, Option<Rule>)> {
        self.approvals.handle_timeout(now);
        let event = self.approvals.poll_output()?;
        let (began, wall) = self.began;
        self.shown = self.approvals.views(|at| {
            let since = at.saturating_duration_since(began).as_millis();
            wall.saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
        });
        let rule = match &event {
            Event::Answered { id, answered } if !matches!(answered.answer, Answer::Deny { .. }) => {
                self.tell(*id, Ok(()));
                None
            }
            Event::Ended { id, end } => {
                self.tell(*id, Err(NotApproved::Ended(end.clone())));
                None
            }
            Event::Rule { rule, .. } => Some((**rule).clone()),
            Event::Asked { .. } | Event::Answered { .. } => None,
        };
        Some((event, rule))
    }

    /// What everybody is told of this, if it settles a question that was not settled before.
    pub fn settled(&mut self, event: &Event) -> Option<RoomEvent> {
        let (id, how) = match event {
            Event::Answered { id, answered } => (*id, Settled::Answered { answered: answered.clone() }),
            Event::Ended { id, end } => (
                *id,
                match end {
                    End::Spent { answered } | End::Denied { answered } => {
                        Settled::Answered { answered: answered.clone() }
                    }
                    End::Expired { .. } => Settled::Expired,
                    End::Stale { .. } => Settled::Stale,
                    End::Withdrawn { .. } => Settled::Withdrawn,
                    End::Closed { reason, .. } => Settled::Closed { reason: reason.clone() },
                },
            ),
            Event::Asked { .. } | Event::Rule { .. } => return None,
        };
        let actor = self.askers.remove(&id)?;
        Some(RoomEvent::Settled { id, actor, how })
    }

    fn tell(&mut self, id: ApprovalId, answer: Result<(), NotApproved>) {
        if let Some(reply) = self.replies.remove(&id) {
            let _ = reply.send(answer);
        }
    }
}
