//! Whether a person is in a private moment, and what of it must not be seen
//! afterwards. The driver of a room writes it; whatever gives something of the
//! room away asks it, at the moment of giving.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Masks;

/// The privacy of one room. Cheap to clone; all clones say the same.
#[derive(Clone, Debug, Default)]
pub struct Privacy(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    on: AtomicBool,
    by_hand: AtomicBool,
    begun: AtomicU64,
    /// Targets with a page on which somebody's secret stands in a field.
    sealed: RwLock<HashSet<String>>,
    masks: Masks,
}

/// A point in time between private moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before(u64);

impl Privacy {
    // Getters.

    pub fn is_on(&self) -> bool {
        self.0.on.load(Ordering::SeqCst)
    }

    pub fn is_by_hand(&self) -> bool {
        self.is_on() && self.0.by_hand.load(Ordering::SeqCst)
    }

    /// To be kept by what takes time, and asked when its result is to be given.
    pub fn now(&self) -> Before {
        Before(self.0.begun.load(Ordering::SeqCst))
    }

    /// Whether nothing of what happened since may be given away: a private
    /// moment is on, or was.
    pub fn touched(&self, since: Before) -> bool {
        self.is_on() || self.now() != since
    }

    /// Somebody's secret stands in a field of this target's page.
    pub fn is_sealed(&self, target: &str) -> bool {
        self.0.sealed.read().unwrap_or_else(PoisonError::into_inner).contains(target)
    }

    /// The values that are taken out of everything.
    pub fn masks(&self) -> &Masks {
        &self.0.masks
    }

    // Handlers, for the room's driver.

    /// `by_hand`: all that is done is private, and not what goes into fields of secrets alone.
    pub fn begin(&self, by_hand: bool) {
        self.0.by_hand.store(by_hand, Ordering::SeqCst);
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        self.0.on.store(true, Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.0.on.store(false, Ordering::SeqCst);
    }

    pub fn seal(&self, target: &str, sealed: bool) {
        let mut all = self.0.sealed.write().unwrap_or_else(PoisonError::into_inner);
        if sealed {
            all.insert(target.to_owned());
        } else {
            all.remove(target);
        }
    }

    /// A browser has gone, and its pages with it.
    pub fn unseal_all(&self) {
        self.0.sealed.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_before_a_moment_and_ends_after_it_is_touched_by_it() {
        let privacy = Privacy::default();
        let before = privacy.now();
        assert!(!privacy.touched(before));
        privacy.begin(true);
        assert!(privacy.touched(before) && privacy.touched(privacy.now()));
        privacy.end();
        assert!(privacy.touched(before) && !privacy.touched(privacy.now()));
    }
}
