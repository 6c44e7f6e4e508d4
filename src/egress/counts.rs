//! What a gate has counted. Counting is an addition and never waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counts of a gate, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tunnels that are open now, those that are still being made among them.
    pub open: u64,
    /// Tunnels that were made.
    pub made: u64,
    /// Refused, since the address is not of the open internet.
    pub closed: u64,
    /// Refused by an entry of a list.
    pub denied: u64,
    /// Refused, since it is the service's own.
    pub own: u64,
    /// Refused, since there were too many tunnels.
    pub busy: u64,
    /// Permitted, but not to be reached.
    pub failed: u64,
    /// From the browser to the world.
    pub bytes_out: u64,
    pub bytes_in: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            open: self.open + other.open,
            made: self.made + other.made,
            closed: self.closed + other.closed,
            denied: self.denied + other.denied,
            own: self.own + other.own,
            busy: self.busy + other.busy,
            failed: self.failed + other.failed,
            bytes_out: self.bytes_out + other.bytes_out,
            bytes_in: self.bytes_in + other.bytes_in,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub made: AtomicU64,
    pub closed: AtomicU64,
    pub denied: AtomicU64,
    pub own: AtomicU64,
    pub busy: AtomicU64,
    pub failed: AtomicU64,
    pub bytes_out: AtomicU64,
    pub bytes_in: AtomicU64,
}

impl Counters {
    pub fn read(&self, open: u64) -> Counts {
        Counts {
            open,
            made: self.made.load(Relaxed),
            closed: self.closed.load(Relaxed),
            denied: self.denied.load(Relaxed),
            own: self.own.load(Relaxed),
            busy: self.busy.load(Relaxed),
            failed: self.failed.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            bytes_in: self.bytes_in.load(Relaxed),
        }
    }
}

pub(super) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Relaxed);
}
