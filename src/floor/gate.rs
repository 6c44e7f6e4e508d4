//! The permit, and the gates that make it stale.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::base::{Actor, ActorId, ActorKind};

/// The epochs of one room's floor: one for all agents, one for each person.
/// A permit is valid while its epoch is the current one.
#[derive(Debug, Default)]
pub(super) struct Gates {
    agents: Arc<AtomicU64>,
    people: BTreeMap<ActorId, Arc<AtomicU64>>,
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
    gate: Arc<AtomicU64>,
    /// The machine counts the permits that are out by it: a permit that is
    /// dropped, wherever, is given back.
    life: Arc<()>,
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
        FloorPermit {
            actor: actor.id.clone(),
            kind: actor.kind(),
            epoch: gate.load(Ordering::Acquire),
            gate,
            life: Arc::default(),
        }
    }

    /// Makes every agent's permit stale, at once and for all threads.
    pub fn stop_agents(&self) {
        self.agents.fetch_add(1, Ordering::AcqRel);
    }

    /// The same for people's, apart from one.
    pub fn stop_people(&self, but: Option<&ActorId>) {
        for (_, gate) in self.people.iter().filter(|(id, _)| Some(*id) != but) {
            gate.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Somebody left for good, and with them what they were permitted.
    pub fn forget(&mut self, actor: &ActorId) {
        if let Some(gate) = self.people.remove(actor) {
            gate.fetch_add(1, Ordering::AcqRel);
        }
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
        if self.gate.load(Ordering::Acquire) == self.epoch { Ok(()) } else { Err(Preempted) }
    }
}
