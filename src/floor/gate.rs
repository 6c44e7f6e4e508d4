//! The permit, and the gates that make it stale.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use tokio::sync::watch;

use crate::base::{Actor, ActorId, ActorKind};

/// The gates of one room's floor: one for all agents, one for each person.
#[derive(Debug, Default)]
pub(super) struct Gates {
    agents: Arc<Gate>,
    people: BTreeMap<ActorId, Arc<Gate>>,
}

/// A permit is valid while its epoch is the current one.
#[derive(Debug, Default)]
struct Gate {
    epoch: watch::Sender<u64>,
    /// Inputs that went out and whose effect is not there yet.
    on_the_way: watch::Sender<usize>,
}

/// Proof that its actor may act. It cannot be copied, only borrowed or given
/// back, and it goes stale when somebody with a better right acts.
///
/// ```compile_fail
/// fn copy(permit: tandem::floor::FloorPermit) {
///     let _ = permit.clone();
/// }
/// ```
#[must_use = "an act without its permit is not an act"]
#[derive(Debug)]
pub struct FloorPermit {
    actor: ActorId,
    kind: ActorKind,
    epoch: u64,
    gate: Arc<Gate>,
    /// The machine counts the permits that are out by it: a permit that is
    /// dropped, wherever, is given back.
    life: Arc<()>,
}

/// An input that has gone out and whose effect is not there yet. Whoever has
/// preempted it waits a moment for that, so that it cannot come after theirs.
#[derive(Debug)]
pub struct OnTheWay {
    gate: Arc<Gate>,
}

/// The permit is stale: somebody with a better right has acted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a person has taken over")]
pub struct Preempted;

impl Gates {
    pub fn permit(&mut self, actor: &Actor) -> FloorPermit {
        let gate = match actor.kind() {
            ActorKind::Agent => Arc::clone(&self.agents),
            ActorKind::Person => Arc::clone(self.people.entry(actor.id.clone()).or_default()),
        };
        let epoch = *gate.epoch.borrow();
        FloorPermit { actor: actor.id.clone(), kind: actor.kind(), epoch, gate, life: Arc::default() }
    }

    /// Makes every agent's permit stale, at once and for all threads.
    pub fn stop_agents(&self) {
        self.agents.close();
    }

    /// Waits until nothing of the agents is on its way; nothing when that is so already.
    pub fn agents_on_the_way(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let mut on_the_way = self.agents.on_the_way.subscribe();
        let any = *on_the_way.borrow_and_update() > 0;
        any.then_some(async move { drop(on_the_way.wait_for(|count| *count == 0).await) })
    }

    /// The same for people's, apart from one.
    pub fn stop_people(&self, but: Option<&ActorId>) {
        for (_, gate) in self.people.iter().filter(|(id, _)| Some(*id) != but) {
            gate.close();
        }
    }

    /// Somebody left for good, and with them what they were permitted.
    pub fn forget(&mut self, actor: &ActorId) {
        if let Some(gate) = self.people.remove(actor) {
            gate.close();
        }
    }
}

impl Gate {
    fn close(&self) {
        self.epoch.send_modify(|epoch| *epoch += 1);
    }

    fn send(self: &Arc<Self>) -> OnTheWay {
        self.on_the_way.send_modify(|count| *count += 1);
        OnTheWay { gate: Arc::clone(self) }
    }
}

impl Clone for OnTheWay {
    fn clone(&self) -> Self {
        self.gate.send()
    }
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        self.gate.on_the_way.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl FloorPermit {
    pub fn actor(&self) -> &ActorId {
        &self.actor
    }

    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    pub(super) fn life(&self) -> Weak<()> {
        Arc::downgrade(&self.life)
    }

    /// Asks once more, right before the act.
    pub fn check(&self) -> Result<(), Preempted> {
        if *self.gate.epoch.borrow() == self.epoch { Ok(()) } else { Err(Preempted) }
    }

    /// Asks once more and says that an input goes out now. Kept until the
    /// effect is there. First said, then asked: whoever closes the gate sees
    /// it, or it is refused.
    pub fn begin(&self) -> Result<OnTheWay, Preempted> {
        let on_the_way = self.gate.send();
        self.check().map(|()| on_the_way)
    }

    /// The same for what only lets go: that may happen, whoever has the floor by now.
    pub fn let_go(&self) -> OnTheWay {
        self.gate.send()
    }

    /// Waits until the permit is stale.
    pub fn preempted(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut epochs, own) = (self.gate.epoch.subscribe(), self.epoch);
        // The gate is kept, so that its end is not taken for a preemption.
        let gate = Arc::clone(&self.gate);
        async move {
            let _ = epochs.wait_for(|epoch| *epoch != own).await;
            drop(gate);
        }
    }

    /// Tells permits before and after somebody else's act apart.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}
