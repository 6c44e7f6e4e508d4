//! The permit, and the gate that makes it stale.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::base::{Actor, ActorId, ActorKind};

/// The epochs of one room's floor. A permit is valid while its epoch is the current one.
#[derive(Debug, Default)]
pub(super) struct Gate {
    people: AtomicU64,
    agents: AtomicU64,
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

/// The permit is stale: somebody with a better right has acted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a person has taken over")]
pub struct Preempted;

impl Gate {
    fn of(&self, kind: ActorKind) -> &AtomicU64 {
        match kind {
            ActorKind::Person => &self.people,
            ActorKind::Agent => &self.agents,
        }
    }

    pub(super) fn permit(self: &Arc<Self>, actor: &Actor) -> FloorPermit {
        FloorPermit {
            actor: actor.id.clone(),
            kind: actor.kind(),
            epoch: self.of(actor.kind()).load(Ordering::Acquire),
            gate: Arc::clone(self),
            life: Arc::default(),
        }
    }

    /// Makes every permit of that kind stale, at once and for all threads.
    pub(super) fn advance(&self, kind: ActorKind) {
        self.of(kind).fetch_add(1, Ordering::AcqRel);
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
        if self.gate.of(self.kind).load(Ordering::Acquire) == self.epoch { Ok(()) } else { Err(Preempted) }
    }
}
