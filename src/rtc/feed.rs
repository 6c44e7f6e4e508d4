//! Which frames one viewer gets: pure decisions, with time as an argument.
//!
//! A frame may be sent only if the viewer has every frame before it on that
//! rung. So a viewer that joined, lost a frame, fell behind or changes rungs
//! gets nothing until a key frame, which is asked for, but not too often.
//!
//! ```text
//!              key frame of the wanted rung
//!   waiting ────────────────────────────────▶ flowing
//!      ▲        gap, backlog, frame refused      │
//!      └─────────────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use crate::base::Rung;

/// A second request for a key frame within this time is not passed on.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// Who waits for a key frame this long asks anew.
const ASK_ANEW: Duration = Duration::from_secs(1);
/// A picture older than this is not worth sending.
const STALE: Duration = Duration::from_millis(500);
/// Behind a key frame it is: on a slow line that takes long, and another key
/// frame would only take as long again.
const STALE_BEHIND_KEY: Duration = Duration::from_millis(2500);

/// What to do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    Send,
    /// Everything not yet sent is worthless now: send only this.
    Supersede,
    Skip,
}

/// How far a viewer's line is behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backlog {
    /// How long the oldest frame has waited for the line.
    pub oldest: Duration,
    /// Whether the line is still busy with a key frame.
    pub behind_key: bool,
    /// For how long bytes have been waiting with none taken, on TCP.
    pub stalled: Duration,
}

/// What to do about a backlog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// Forget the waiting frames and go on with the next key frame.
    SkipToKey,
    /// The viewer does not read: end it.
    Drop,
}

/// The state of one viewer's picture.
#[derive(Debug)]
pub struct Feed {
    rung: Rung,
    wanted: Option<Rung>,
    /// The last frame taken, if the chain is whole.
    last: Option<u64>,
    asked_at: Option<Instant>,
}

impl Backlog {
    pub fn verdict(self, stall: Duration) -> Verdict {
        let stale = if self.behind_key { STALE_BEHIND_KEY } else { STALE };
        if self.stalled > stall {
            Verdict::Drop
        } else if self.oldest > stale {
            Verdict::SkipToKey
        } else {
            Verdict::Fine
        }
    }
}

impl Feed {
    pub fn new(rung: Rung) -> Self {
        Self { rung, wanted: None, last: None, asked_at: None }
    }

    /// The rung whose key frame is to come or has come.
    pub fn target(&self) -> Rung {
        self.wanted.unwrap_or(self.rung)
    }

    pub fn is_waiting(&self) -> bool {
        self.last.is_none() || self.wanted.is_some()
    }

    /// Goes to another rung at that rung's next key frame. True when one is needed.
    pub fn set_rung(&mut self, rung: Rung) -> bool {
        if rung == self.target() {
            return false;
        }
        self.asked_at = None;
        if rung == self.rung {
            self.wanted = None;
            return self.last.is_none();
        }
        self.wanted = Some(rung);
        true
    }

    /// The chain is broken: nothing until a key frame.
    pub fn broken(&mut self) {
        self.last = None;
    }

    pub fn judge(&mut self, rung: Rung, serial: u64, key: bool) -> Judgement {
        if rung != self.target() && rung != self.rung {
            return Judgement::Skip;
        }
        if key && rung == self.target() {
            self.rung = rung;
            self.wanted = None;
            self.last = Some(serial);
            self.asked_at = None;
            return Judgement::Supersede;
        }
        if rung != self.rung {
            return Judgement::Skip;
        }
        if key {
            self.last = Some(serial);
            return Judgement::Supersede;
        }
        match self.last {
            Some(last) if last.checked_add(1) == Some(serial) => {
                self.last = Some(serial);
                Judgement::Send
            }
            _ => {
                self.last = None;
                Judgement::Skip
            }
        }
    }

    /// Whether to pass on a request for a key frame now.
    pub fn ask(&mut self, now: Instant) -> bool {
        let recent = self.asked_at.is_some_and(|asked| now.saturating_duration_since(asked) < ASK_AGAIN);
        if !recent {
            self.asked_at = Some(now);
        }
        !recent
    }

    /// When to ask anew, if nothing comes.
    pub fn ask_anew_at(&self) -> Option<Instant> {
        self.is_waiting().then_some(self.asked_at?.checked_add(ASK_ANEW)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Codec, Tier};
    use proptest::prelude::*;

    const FULL: Rung = Rung { codec: Codec::H264, tier: Tier::Full };
    const LOW: Rung = Rung { codec: Codec::H264, tier: Tier::Low };

    #[test]
    fn a_viewer_starts_with_a_key_frame() {
        let mut feed = Feed::new(FULL);
        assert_eq!(feed.judge(FULL, 7, false), Judgement::Skip);
        assert_eq!(feed.judge(FULL, 8, true), Judgement::Supersede);
        assert_eq!(feed.judge(FULL, 9, false), Judgement::Send);
        assert!(!feed.is_waiting());
    }

    #[test]
    fn a_gap_waits_for_the_next_key_frame() {
        let mut feed = Feed::new(FULL);
        feed.judge(FULL, 1, true);
        assert_eq!(feed.judge(FULL, 3, false), Judgement::Skip);
        assert!(feed.is_waiting());
        assert_eq!(feed.judge(FULL, 4, false), Judgement::Skip);
        assert_eq!(feed.judge(FULL, 5, true), Judgement::Supersede);
    }

    #[test]
    fn a_change_of_rung_keeps_the_old_picture_until_the_new_ones_key_frame() {
        let mut feed = Feed::new(FULL);
        feed.judge(FULL, 1, true);
        assert!(feed.set_rung(LOW));
        assert_eq!(feed.judge(FULL, 2, false), Judgement::Send);
        assert_eq!(feed.judge(LOW, 10, false), Judgement::Skip);
        assert_eq!(feed.judge(FULL, 3, true), Judgement::Supersede);
        assert_eq!(feed.judge(LOW, 11, true), Judgement::Supersede);
        assert_eq!(feed.judge(FULL, 4, true), Judgement::Skip);
        assert_eq!(feed.judge(LOW, 12, false), Judgement::Send);
        assert!(!feed.set_rung(LOW));
    }

    #[test]
    fn a_viewer_that_changes_its_mind_goes_on_where_it_was() {
        let mut feed = Feed::new(FULL);
        feed.judge(FULL, 1, true);
        assert!(feed.set_rung(LOW));
        assert!(!feed.set_rung(FULL));
        assert_eq!(feed.judge(FULL, 2, false), Judgement::Send);
    }

    #[test]
    fn key_frames_are_not_asked_for_in_a_flood_but_asked_for_again() {
        let start = Instant::now();
        let mut feed = Feed::new(FULL);
        assert!(feed.ask(start) && !feed.ask(start + Duration::from_millis(100)));
        assert_eq!(feed.ask_anew_at(), Some(start + ASK_ANEW));
        assert!(feed.ask(start + ASK_ANEW));
        feed.judge(FULL, 1, true);
        assert_eq!(feed.ask_anew_at(), None);
    }

    #[test]
    fn a_slow_line_skips_and_a_dead_one_is_dropped() {
        let stall = Duration::from_secs(5);
        let ms = Duration::from_millis;
        let verdict = |oldest, behind_key, stalled| {
            Backlog { oldest: ms(oldest), behind_key, stalled: ms(stalled) }.verdict(stall)
        };
        assert_eq!(verdict(100, false, 0), Verdict::Fine);
        assert_eq!(verdict(501, false, 400), Verdict::SkipToKey);
        assert_eq!(verdict(501, true, 400), Verdict::Fine);
        assert_eq!(verdict(2501, true, 400), Verdict::SkipToKey);
        assert_eq!(verdict(501, true, 5001), Verdict::Drop);
    }

    proptest! {
        /// Whatever happens, a viewer never gets a frame whose reference it lacks.
        #[test]
        fn no_frame_is_sent_without_its_reference(steps in proptest::collection::vec((0..4u8, any::<bool>(), any::<bool>()), 1..200)) {
            let mut feed = Feed::new(FULL);
            let mut serials = [0u64; 2];
            let mut has: Option<(Rung, u64)> = None;
            for (kind, low, key) in steps {
                let rung = if low { LOW } else { FULL };
                match kind {
                    0 => { feed.set_rung(rung); }
                    1 => { feed.broken(); }
                    // A frame that is lost on the way to the feed.
                    2 => serials[usize::from(low)] += 1,
                    _ => {
                        serials[usize::from(low)] += 1;
                        let serial = serials[usize::from(low)];
                        match feed.judge(rung, serial, key) {
                            Judgement::Skip => {}
                            Judgement::Supersede => { prop_assert!(key); has = Some((rung, serial)); }
                            Judgement::Send => {
                                prop_assert_eq!(has, Some((rung, serial - 1)));
                                has = Some((rung, serial));
                            }
                        }
                    }
                }
            }
        }
    }
}
