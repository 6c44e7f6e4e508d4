//! Which viewer is on which rung, and how fast each rung runs: the rate ladder.
//! Pure; time comes in.
//!
//! All viewers of a codec start on `Full`, whose rate follows its slowest
//! viewer. One far slower than the others would spoil it for them: that one goes
//! to `Low`, which exists only while somebody is on it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::base::{Bitrate, Codec, PeerId, Rung, Tier};

/// A viewer below this share of the best line of the others is slow.
const SLOW: f64 = 0.4;
/// It must be so for this long.
const SLOW_FOR: Duration = Duration::from_secs(2);
/// A viewer on `Low` whose line carries this share of `Full`'s rate may come back.
const BACK: f64 = 0.7;
const BACK_FOR: Duration = Duration::from_secs(5);
/// A rate grows by at most this in each second, and falls at once.
const GROWTH: f64 = 1.25;
/// How often growth is looked at.
const GROW_EVERY: Duration = Duration::from_millis(250);

/// What the ladder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LadderSettings {
    pub min: Bitrate,
    pub max: Bitrate,
}

/// Who is where, and how fast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    pub viewers: BTreeMap<PeerId, Rung>,
    pub rates: BTreeMap<Rung, Bitrate>,
}

/// The rate ladder of one room.
#[derive(Debug)]
pub struct Ladder {
    settings: LadderSettings,
    viewers: BTreeMap<PeerId, Viewer>,
    rates: BTreeMap<Rung, (Bitrate, Instant)>,
}

#[derive(Debug)]
struct Viewer {
    rung: Rung,
    /// Nothing until the line was measured.
    estimate: Option<Bitrate>,
    /// Since when it is wrong where it is.
    wrong_since: Option<Instant>,
}

impl Ladder {
    pub fn new(settings: LadderSettings) -> Self {
        Self { settings, viewers: BTreeMap::new(), rates: BTreeMap::new() }
    }

    // Getters.

    pub fn assignments(&self) -> Assignments {
        Assignments {
            viewers: self.viewers.iter().map(|(peer, viewer)| (*peer, viewer.rung)).collect(),
            rates: self.rates.iter().map(|(rung, (rate, _))| (*rung, *rate)).collect(),
        }
    }

    // Handlers. Each says whether the assignments changed.

    pub fn handle_join(&mut self, now: Instant, peer: PeerId, codec: Codec) -> bool {
        let before = self.assignments();
        let rung = Rung { codec, tier: Tier::Full };
        self.viewers.insert(peer, Viewer { rung, estimate: None, wrong_since: None });
        self.settle(now);
        before != self.assignments()
    }

    pub fn handle_leave(&mut self, now: Instant, peer: PeerId) -> bool {
        let before = self.assignments();
        self.viewers.remove(&peer);
        self.settle(now);
        before != self.assignments()
    }

    /// A viewer's line carries this much.
    pub fn handle_estimate(&mut self, now: Instant, peer: PeerId, estimate: Bitrate) -> bool {
        let before = self.assignments();
        if let Some(viewer) = self.viewers.get_mut(&peer) {
            viewer.estimate = Some(estimate);
        }
        self.settle(now);
        before != self.assignments()
    }

    /// The room's size changed, and with it the highest rate.
    pub fn handle_max(&mut self, now: Instant, max: Bitrate) -> bool {
        let before = self.assignments();
        self.settings.max = max.max(self.settings.min);
        self.settle(now);
        before != self.assignments()
    }

    /// The moment that `poll_timeout` named is there.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let before = self.assignments();
        self.settle(now);
        before != self.assignments()
    }

    // Pollers.

    /// When something changes by itself, if it will.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let moves =
            self.viewers.values().filter_map(|viewer| Some(viewer.wrong_since? + hold(viewer.rung.tier)));
        let growth = self
            .rates
            .iter()
            .filter(|(rung, (rate, _))| *rate < self.wanted(**rung))
            .map(|(_, (_, at))| *at + GROW_EVERY);
        moves.chain(growth).min()
    }

    fn settle(&mut self, now: Instant) {
        let peers: Vec<PeerId> = self.viewers.keys().copied().collect();
        for peer in peers {
            let wrong = self.is_wrong(peer);
            let Some(viewer) = self.viewers.get_mut(&peer) else { continue };
            if !wrong {
                viewer.wrong_since = None;
                continue;
            }
            let since = *viewer.wrong_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= hold(viewer.rung.tier) {
                viewer.rung.tier = other(viewer.rung.tier);
                viewer.wrong_since = None;
            }
        }
        self.merge_lonely();
        self.set_rates(now);
    }

    /// Whether a viewer should be on the other tier.
    fn is_wrong(&self, peer: PeerId) -> bool {
        let Some(viewer) = self.viewers.get(&peer) else { return false };
        // A line that was not measured yet is neither slow nor fast.
        let Some(estimate) = viewer.estimate else { return false };
        match viewer.rung.tier {
            Tier::Full => {
                let others = self.viewers.iter().filter(|(other, _)| **other != peer);
                let best = others
                    .filter(|(_, other)| other.rung == viewer.rung)
                    .filter_map(|(_, other)| other.estimate)
                    .max();
                let best = best.map(|best| best.min(self.settings.max));
                estimate < self.settings.max && best.is_some_and(|best| estimate < best.scale(SLOW))
            }
            Tier::Low => {
                let full = Rung { tier: Tier::Full, ..viewer.rung };
                estimate >= self.wanted(full).scale(BACK)
            }
        }
    }

    /// `Low` with nobody on `Full` beside it is `Full`.
    fn merge_lonely(&mut self) {
        for codec in [Codec::H264, Codec::Vp8] {
            let full = Rung { codec, tier: Tier::Full };
            if self.viewers.values().any(|viewer| viewer.rung == full) {
                continue;
            }
            for viewer in self.viewers.values_mut().filter(|viewer| viewer.rung.codec == codec) {
                viewer.rung = full;
                viewer.wrong_since = None;
            }
        }
    }

    /// What the slowest viewer of a rung can take.
    fn wanted(&self, rung: Rung) -> Bitrate {
        let on_it = self.viewers.values().filter(|viewer| viewer.rung == rung);
        let slowest = on_it.filter_map(|viewer| viewer.estimate).min().unwrap_or(self.settings.max);
        slowest.min(self.settings.max).max(self.settings.min)
    }

    fn set_rates(&mut self, now: Instant) {
        let mut rungs: Vec<Rung> = self.viewers.values().map(|viewer| viewer.rung).collect();
        rungs.sort_unstable();
        rungs.dedup();
        self.rates.retain(|rung, _| rungs.contains(rung));
        for rung in rungs {
            let wanted = self.wanted(rung);
            let entry = self.rates.entry(rung).or_insert((wanted, now));
            let passed = now.saturating_duration_since(entry.1);
            if wanted <= entry.0 {
                *entry = (wanted, now);
            } else if passed >= GROW_EVERY {
                let grown = entry.0.scale(GROWTH.powf(passed.as_secs_f64().min(1.0)));
                // At the smallest rates a quarter rounds to nothing.
                *entry = (grown.max(Bitrate::bps(entry.0.as_bps() + 1000)).min(wanted), now);
            }
        }
    }
}

fn hold(tier: Tier) -> Duration {
    match tier {
        Tier::Full => SLOW_FOR,
        Tier::Low => BACK_FOR,
    }
}

fn other(tier: Tier) -> Tier {
    match tier {
        Tier::Full => Tier::Low,
        Tier::Low => Tier::Full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FULL: Rung = Rung { codec: Codec::H264, tier: Tier::Full };
    const LOW: Rung = Rung { codec: Codec::H264, tier: Tier::Low };
    const MAX: Bitrate = Bitrate::kbps(4000);
    const MIN: Bitrate = Bitrate::kbps(150);

    fn ladder(start: Instant, viewers: u64) -> Ladder {
        let mut ladder = Ladder::new(LadderSettings { min: MIN, max: MAX });
        for peer in 0..viewers {
            ladder.handle_join(start, PeerId(peer), Codec::H264);
        }
        ladder
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn one_slow_viewer_goes_down_after_two_seconds_and_the_others_keep_their_rate() {
        let start = Instant::now();
        let mut ladder = ladder(start, 3);
        for (peer, kbps) in [(0, 6000), (1, 5000), (2, 800)] {
            ladder.handle_estimate(start, PeerId(peer), Bitrate::kbps(kbps));
        }
        assert_eq!(ladder.assignments().rates, BTreeMap::from([(FULL, Bitrate::kbps(800))]));
        ladder.handle_timeout(start + seconds(1.9));
        assert_eq!(ladder.assignments().viewers[&PeerId(2)], FULL);
        assert!(ladder.handle_timeout(start + seconds(2.0)));
        assert_eq!(ladder.assignments().viewers[&PeerId(2)], LOW);
        assert_eq!(ladder.assignments().rates[&LOW], Bitrate::kbps(800));
        for step in 0..80 {
            ladder.handle_timeout(start + seconds(2.0 + f64::from(step) * 0.25));
        }
        assert_eq!(ladder.assignments().rates[&FULL], MAX);
    }

    #[test]
    fn it_comes_back_when_its_line_was_good_for_five_seconds() {
        let start = Instant::now();
        let mut ladder = ladder(start, 2);
        ladder.handle_estimate(start, PeerId(0), Bitrate::kbps(4000));
        ladder.handle_estimate(start, PeerId(1), Bitrate::kbps(500));
        ladder.handle_timeout(start + seconds(2.0));
        assert_eq!(ladder.assignments().viewers[&PeerId(1)], LOW);
        ladder.handle_estimate(start + seconds(3.0), PeerId(1), Bitrate::kbps(3000));
        ladder.handle_timeout(start + seconds(7.9));
        assert_eq!(ladder.assignments().viewers[&PeerId(1)], LOW);
        ladder.handle_timeout(start + seconds(8.0));
        assert_eq!(ladder.assignments().viewers[&PeerId(1)], FULL);
        assert!(!ladder.assignments().rates.contains_key(&LOW));
    }

    #[test]
    fn when_all_are_slow_full_is_slow() {
        let start = Instant::now();
        let mut ladder = ladder(start, 2);
        ladder.handle_estimate(start, PeerId(0), Bitrate::kbps(400));
        ladder.handle_estimate(start, PeerId(1), Bitrate::kbps(300));
        ladder.handle_timeout(start + seconds(60.0));
        assert_eq!(ladder.assignments().rates, BTreeMap::from([(FULL, Bitrate::kbps(300))]));
    }

    #[test]
    fn a_rate_falls_at_once_and_grows_gently() {
        let start = Instant::now();
        let mut ladder = ladder(start, 1);
        ladder.handle_estimate(start, PeerId(0), Bitrate::kbps(1000));
        assert_eq!(ladder.assignments().rates[&FULL], Bitrate::kbps(1000));
        ladder.handle_estimate(start, PeerId(0), Bitrate::kbps(4000));
        assert_eq!(ladder.poll_timeout(), Some(start + GROW_EVERY));
        ladder.handle_timeout(start + seconds(1.0));
        assert_eq!(ladder.assignments().rates[&FULL], Bitrate::kbps(1250));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Join(u64, bool),
        Leave(u64),
        Estimate(u64, u64),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            (0..6u64, any::<bool>()).prop_map(|(peer, h264)| Event::Join(peer, h264)),
            (0..6u64).prop_map(Event::Leave),
            (0..6u64, 0..9000u64).prop_map(|(peer, kbps)| Event::Estimate(peer, kbps)),
        ]
    }

    proptest! {
        #[test]
        fn rungs_are_those_with_viewers_and_rates_are_in_bounds(
            events in prop::collection::vec((0..3000u64, event()), 1..120)
        ) {
            let mut now = Instant::now();
            let mut ladder = Ladder::new(LadderSettings { min: MIN, max: MAX });
            for (wait, event) in events {
                now += Duration::from_millis(wait);
                let before = ladder.assignments();
                let changed = match event {
                    Event::Join(peer, h264) => {
                        ladder.handle_join(now, PeerId(peer), if h264 { Codec::H264 } else { Codec::Vp8 })
                    }
                    Event::Leave(peer) => ladder.handle_leave(now, PeerId(peer)),
                    Event::Estimate(peer, kbps) => {
                        ladder.handle_estimate(now, PeerId(peer), Bitrate::kbps(kbps))
                    }
                };
                let after = ladder.assignments();
                prop_assert_eq!(changed, before != after);
                let with_viewers: std::collections::BTreeSet<_> = after.viewers.values().copied().collect();
                prop_assert!(after.rates.keys().copied().eq(with_viewers.iter().copied()));
                prop_assert!(after.rates.values().all(|rate| (MIN..=MAX).contains(rate)));
                for low in with_viewers.iter().filter(|rung| rung.tier == Tier::Low) {
                    let full = Rung { tier: Tier::Full, ..*low };
                    prop_assert!(with_viewers.contains(&full), "Low stands alone");
                }
                prop_assert!(ladder.poll_timeout().is_none_or(|at| at + Duration::from_millis(1) > now));
            }
        }
    }
}
