//! How coarse a frame must be so that the rate holds: a leaky bucket in real
//! time and a model of what a block costs. Pure: time comes in.
//!
//! Both codecs are driven by it, so that a pause refills the allowance in
//! truth, which neither library's own rate control knows when frames come at
//! irregular times.

use std::time::{Duration, Instant};

use crate::base::Bitrate;

/// Ordinary frames stay between these quantisers.
const FINEST: u8 = 18;
const COARSEST: u8 = 44;
/// A page that is all new may be coarser: it is painted over in a moment.
const COARSEST_NOVEL: u8 = 51;
/// A picture coded with this is sharp: 50 dB of luma and more.
pub const SHARP: u8 = 12;

/// The share of the target that frames may fill; packets and their seals need the rest.
const PAYLOAD: f64 = 0.9;
/// How far ahead of the line the encoder may be, in seconds of the rate.
const AHEAD: f64 = 0.12;
/// The share of a frame that may be all new, in seconds of the rate.
const KEY: f64 = 0.25;
/// With more than this on its way the line is full.
const FULL: f64 = 0.3;
/// A frame of a run that turns out to be all new is at most about this large.
const SURPRISE: f64 = 0.45;
/// A sharpening frame's share, and its least: below that text says nothing at all.
const PAINT: f64 = 0.24;
const SMALLEST_PAINT: f64 = 12_000.0 * 8.0;
/// On a line of fewer bits a second, sharpening goes by the smallest steps.
const SLOW: f64 = 1.2e6;
/// Frames within this time of each other are a run: the last tells what the next costs.
const RUN: Duration = Duration::from_millis(200);
/// Steps of the quantiser that halve the bits: of what moves, and of new text,
/// whose strokes cost bits at any quantiser.
const MOVING: f64 = 6.0;
const NOVEL: f64 = 12.0;
/// Bits of a block of dense text at quantiser 0, and the least that a page of
/// anything is thought to cost: the next page is rarely as empty as a blank one.
const DENSE: f64 = 1700.0;
const SPARSE: f64 = 700.0;
/// The least a sharpened block costs: margins say little about the text to come.
const PAINTED: f64 = 175.0;
/// What a block costs in a run, before the first one was seen.
const RUNNING: f64 = 4000.0;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Show what is new.
    Fresh,
    /// Be decodable without the frames before.
    Key,
    /// Make what is shown sharper; the worst block has this quantiser.
    Paint { worst: u8 },
}

/// The rate of one rung.
#[derive(Debug)]
pub struct RateControl {
    target: Bitrate,
    /// Bits of frames in a second.
    budget: f64,
    interval: f64,
    /// Bits sent that the line, at the target rate, has not yet carried.
    level: f64,
    drained_at: Option<Instant>,
    /// Bits of a block at quantiser 0: in a run, and when all of it is new.
    fresh_cost: f64,
    novel_cost: f64,
    /// Bits of a block at quantiser 0 that is only made sharper.
    paint_cost: f64,
    last: Option<(Instant, u8)>,
}

impl RateControl {
    pub fn new(target: Bitrate, frame_rate: u32) -> Self {
        Self {
            target,
            budget: budget(target),
            interval: 1.0 / f64::from(frame_rate.max(1)),
            level: 0.0,
            drained_at: None,
            fresh_cost: RUNNING,
            novel_cost: DENSE,
            paint_cost: DENSE,
            last: None,
        }
    }

    // Getters.

    pub fn target(&self) -> Bitrate {
        self.target
    }

    /// The quantiser of a frame in which `blocks` blocks are to be coded.
    pub fn plan(&mut self, now: Instant, purpose: Purpose, blocks: usize) -> u8 {
        self.drain(now);
        let blocks = blocks.max(1) as f64;
        let ahead = self.level / self.budget;
        let novel = self.novel_cost * blocks;
        let run = self.last.filter(|(at, _)| now.saturating_duration_since(*at) < RUN);
        match (purpose, run) {
            (Purpose::Fresh, Some((_, last))) => {
                let seconds = ((AHEAD - ahead) * 0.5).max(self.interval * 0.5);
                let qp = quantiser(self.fresh_cost * blocks, self.budget * seconds, MOVING);
                let surprise = quantiser(novel, self.budget * SURPRISE, NOVEL);
                qp.max(surprise).max(last.saturating_sub(2)).clamp(FINEST, COARSEST)
            }
            // After a rest nothing tells whether a change is motion or another page.
            (Purpose::Fresh | Purpose::Key, _) => {
                let seconds = (KEY - ahead).max(KEY * 0.8);
                quantiser(novel, self.budget * seconds, NOVEL).clamp(FINEST, COARSEST_NOVEL)
            }
            (Purpose::Paint { worst }, _) => {
                let affordable = quantiser(novel, self.paint_share(), NOVEL);
                let step = if self.budget < SLOW { 1 } else { 3 };
                affordable.min(worst.saturating_sub(step)).max(SHARP)
            }
        }
    }

    /// How many blocks a sharpening frame of this quantiser may go over: a slow
    /// line is given a page piece by piece.
    pub fn paint_blocks(&self, qp: u8) -> usize {
        (self.paint_share() * coarseness(qp, NOVEL) / self.paint_cost).clamp(64.0, 1e9) as usize
    }

    fn paint_share(&self) -> f64 {
        (self.budget * PAINT).max(SMALLEST_PAINT)
    }

    /// When the line has carried enough for another sharpening frame.
    pub fn paint_at(&mut self, now: Instant) -> Instant {
        self.drain(now);
        let excess = (self.level / self.budget - AHEAD * 0.5).max(0.0);
        now + Duration::from_secs_f64(excess.min(5.0))
    }

    /// When the line takes another frame: only content that cannot be coarsened
    /// enough makes it wait.
    pub fn frame_at(&mut self, now: Instant) -> Instant {
        self.drain(now);
        let excess = (self.level / self.budget - FULL).max(0.0);
        now + Duration::from_secs_f64(excess.min(1.0))
    }

    // Handlers.

    pub fn handle_target(&mut self, now: Instant, target: Bitrate) {
        self.drain(now);
        self.target = target;
        self.budget = budget(target);
    }

    pub fn handle_encoded(&mut self, now: Instant, purpose: Purpose, blocks: usize, bytes: usize, qp: u8) {
        self.drain(now);
        let bits = bytes as f64 * 8.0;
        self.level += bits;
        // Headers say nothing about blocks.
        let a_block = (bits - 400.0).max(8.0) / blocks.max(1) as f64;
        let (moving, novel) = (a_block * coarseness(qp, MOVING), a_block * coarseness(qp, NOVEL));
        // A caret tells little about a page; many blocks tell much.
        let weight = (blocks as f64 / 400.0).clamp(0.02, 0.6);
        match purpose {
            Purpose::Fresh => {
                self.fresh_cost = blend(self.fresh_cost, moving, weight);
                self.last = Some((now, qp));
            }
            Purpose::Key => self.fresh_cost = self.fresh_cost.max(moving * 0.5),
            Purpose::Paint { .. } => {
                self.paint_cost = blend(self.paint_cost, novel, weight).max(PAINTED);
                self.last = None;
                return;
            }
        }
        // Only a key frame shows that a page costs less than was thought.
        if novel > self.novel_cost || purpose == Purpose::Key {
            self.novel_cost = blend(self.novel_cost, novel, weight).max(SPARSE);
        }
    }

    fn drain(&mut self, now: Instant) {
        if let Some(before) = self.drained_at {
            let seconds = now.saturating_duration_since(before).as_secs_f64();
            self.level = (self.level - seconds * self.budget).max(0.0);
        }
        self.drained_at = Some(self.drained_at.map_or(now, |before| before.max(now)));
    }
}

fn budget(target: Bitrate) -> f64 {
    (target.as_bps() as f64 * PAYLOAD).max(1000.0)
}

/// Bits halve each `halving` steps of the quantiser.
fn coarseness(qp: u8, halving: f64) -> f64 {
    (f64::from(qp) / halving).exp2()
}

fn quantiser(bits_at_zero: f64, bits: f64, halving: f64) -> u8 {
    (halving * (bits_at_zero / bits.max(1.0)).log2()).ceil().clamp(0.0, 51.0) as u8
}

/// A mean of magnitudes: a tenth and tenfold count alike.
fn blend(old: f64, new: f64, weight: f64) -> f64 {
    (old.ln() * (1.0 - weight) + new.max(1.0).ln() * weight).exp().clamp(1.0, 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_content_is_brought_to_the_rate(cost in 40.0..6000.0f64, kbps in 500..8000u64, fps in 10..60u64) {
            let start = Instant::now();
            let mut rate = RateControl::new(Bitrate::kbps(kbps), 60);
            let mut sent = 0.0;
            for frame in 0..fps * 6 {
                let now = start + Duration::from_micros(frame * 1_000_000 / fps);
                let plan = rate.plan(now, Purpose::Fresh, 3600);
                let bytes = cost * 3600.0 / coarseness(plan, MOVING) / 8.0;
                rate.handle_encoded(now, Purpose::Fresh, 3600, bytes as usize, plan);
                if frame >= fps * 2 {
                    sent += bytes * 8.0;
                }
            }
            let used = sent / 4.0 / (kbps as f64 * 1000.0);
            // Content at the coarsest cannot be made smaller.
            let least = cost * 3600.0 / coarseness(COARSEST, MOVING) * fps as f64 / (kbps as f64 * 1000.0);
            prop_assert!(used <= 1.0f64.max(least * 1.01), "{used:.2} of the rate");
        }
    }

    #[test]
    fn a_pause_gives_the_next_page_a_finer_quantiser() {
        let start = Instant::now();
        let mut rate = RateControl::new(Bitrate::kbps(2000), 60);
        for _ in 0..20 {
            let plan = rate.plan(start, Purpose::Fresh, 3600);
            rate.handle_encoded(start, Purpose::Fresh, 3600, 4000, plan);
        }
        let busy = rate.plan(start + RUN, Purpose::Fresh, 3600);
        let rested = rate.plan(start + Duration::from_secs(1), Purpose::Fresh, 3600);
        assert!(rested < busy, "{rested} after the pause, {busy} before");
    }

    #[test]
    fn sharpening_waits_for_the_line() {
        let start = Instant::now();
        let mut rate = RateControl::new(Bitrate::kbps(1000), 60);
        rate.handle_encoded(start, Purpose::Key, 3600, 62_500, 30);
        let at = rate.paint_at(start).duration_since(start);
        assert!(at > Duration::from_millis(400) && at < Duration::from_millis(500), "{at:?}");
    }
}
