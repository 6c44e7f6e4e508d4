//! When a room has nobody left and may fall asleep. Pure.

use std::time::{Duration, Instant};

/// For how long nobody has needed a room.
#[derive(Debug)]
pub(super) struct Idle {
    /// Never, when nothing.
    after: Option<Duration>,
    since: Option<Instant>,
}

impl Idle {
    /// `after`: how long it stays awake for nobody; zero is for ever.
    pub fn new(after: Duration) -> Self {
        Self { after: (!after.is_zero()).then_some(after), since: None }
    }

    /// Says whether it is needed at this time; true when it is time to sleep.
    pub fn handle(&mut self, now: Instant, needed: bool) -> bool {
        if needed {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        self.after.is_some_and(|after| now.saturating_duration_since(since) >= after)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        Some(self.since? + self.after?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_falls_asleep_when_nobody_needed_it_for_that_long() {
        let start = Instant::now();
        let at = |s: u64| start + Duration::from_secs(s);
        let mut idle = Idle::new(Duration::from_secs(10));
        assert!(!idle.handle(at(0), true));
        assert_eq!(idle.poll_timeout(), None);
        assert!(!idle.handle(at(5), false));
        assert_eq!(idle.poll_timeout(), Some(at(15)));
        assert!(!idle.handle(at(14), false));
        assert!(!idle.handle(at(14), true), "somebody came");
        assert!(!idle.handle(at(20), false));
        assert!(!idle.handle(at(29), false));
        assert!(idle.handle(at(30), false));
    }

    #[test]
    fn zero_is_never() {
        let mut idle = Idle::new(Duration::ZERO);
        let now = Instant::now();
        assert!(!idle.handle(now, false));
        assert!(!idle.handle(now + Duration::from_secs(1_000_000), false));
        assert_eq!(idle.poll_timeout(), None);
    }
}
