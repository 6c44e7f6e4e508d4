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
/// A picture coded with this is sharp: 50 dB of luma and more.
pub const SHARP: u8 = 12;

/// How far ahead of the line the encoder may be, in seconds of the rate.
const AHEAD: f64 = 0.12;
/// A key frame's and the largest frame's share, in seconds of the rate.
const KEY: f64 = 0.2;
const LARGEST: f64 = 0.3;
/// Below this a frame of text says nothing at all.
const SMALLEST_CAP: f64 = 24_000.0 * 8.0;
/// Within this time the quantiser falls only step by step.
const RUN: Duration = Duration::from_millis(200);

/// The quantiser and the size limit of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlan {
    pub qp: u8,
    pub cap_bytes: usize,
}

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
    target: f64,
    interval: f64,
    /// Bits sent that the line, at the target rate, has not yet carried.
    level: f64,
    drained_at: Option<Instant>,
    /// Bits of a block at quantiser 0, for each purpose.
    fresh_cost: f64,
    key_cost: f64,
    last: Option<(Instant, u8)>,
}

impl RateControl {
    pub fn new(target: Bitrate, frame_rate: u32) -> Self {
        Self {
            target: (target.as_bps() as f64).max(1000.0),
            interval: 1.0 / f64::from(frame_rate.max(1)),
            level: 0.0,
            drained_at: None,
            // Dense text, to begin with; the first frames correct it.
            fresh_cost: 3000.0,
            key_cost: 4000.0,
            last: None,
        }
    }

    // Getters.

    pub fn target(&self) -> Bitrate {
        Bitrate::bps(self.target as u64)
    }

    pub fn cap_bytes(&self) -> usize {
        ((self.target * LARGEST).max(SMALLEST_CAP) / 8.0) as usize
    }

    /// The plan of a frame in which `blocks` blocks are to be coded.
    pub fn plan(&mut self, now: Instant, purpose: Purpose, blocks: usize) -> FramePlan {
        self.drain(now);
        let blocks = blocks.max(1) as f64;
        let ahead = self.level / self.target;
        let qp = match purpose {
            Purpose::Fresh => {
                let seconds = ((AHEAD - ahead) * 0.5).max(self.interval * 0.5);
                let qp = quantiser(self.fresh_cost * blocks, self.target * seconds);
                let floor = match self.last {
                    Some((at, last)) if now.saturating_duration_since(at) < RUN => last.saturating_sub(2),
                    _ => 0,
                };
                qp.max(floor).clamp(FINEST, COARSEST)
            }
            Purpose::Key => {
                let seconds = (KEY - ahead).max(KEY * 0.4);
                quantiser(self.key_cost * blocks, self.target * seconds).clamp(FINEST + 2, COARSEST)
            }
            Purpose::Paint { worst } => {
                let cost = self.key_cost.max(self.fresh_cost) * blocks;
                let affordable = quantiser(cost, (self.target * LARGEST * 0.8).max(SMALLEST_CAP * 0.5));
                affordable.min(worst.saturating_sub(3)).max(SHARP)
            }
        };
        FramePlan { qp, cap_bytes: self.cap_bytes() }
    }

    /// When the line has carried enough for another sharpening frame.
    pub fn paint_at(&mut self, now: Instant) -> Instant {
        self.drain(now);
        let excess = (self.level / self.target - AHEAD * 0.5).max(0.0);
        now + Duration::from_secs_f64(excess.min(5.0))
    }

    /// When the line takes another frame: only content that cannot be coarsened
    /// enough makes it wait.
    pub fn frame_at(&mut self, now: Instant) -> Instant {
        self.drain(now);
        let excess = (self.level / self.target - LARGEST).max(0.0);
        now + Duration::from_secs_f64(excess.min(1.0))
    }

    // Handlers.

    pub fn handle_target(&mut self, now: Instant, target: Bitrate) {
        self.drain(now);
        self.target = (target.as_bps() as f64).max(1000.0);
    }

    pub fn handle_encoded(&mut self, now: Instant, purpose: Purpose, blocks: usize, bytes: usize, qp: u8) {
        self.drain(now);
        let bits = bytes as f64 * 8.0;
        self.level += bits;
        // Headers say nothing about blocks.
        let cost = ((bits - 400.0).max(8.0) / blocks.max(1) as f64) * coarseness(qp);
        match purpose {
            Purpose::Fresh => {
                // A caret tells little about a page; many blocks tell much.
                let weight = (blocks as f64 / 400.0).clamp(0.02, 0.6);
                self.fresh_cost = blend(self.fresh_cost, cost, weight);
                self.last = Some((now, qp));
            }
            Purpose::Key => {
                self.key_cost = blend(self.key_cost, cost, 0.7);
                // New content that does not come by motion costs what a key frame costs.
                self.fresh_cost = self.fresh_cost.max(self.key_cost * 0.5);
            }
            Purpose::Paint { .. } => {}
        }
    }

    fn drain(&mut self, now: Instant) {
        if let Some(before) = self.drained_at {
            let seconds = now.saturating_duration_since(before).as_secs_f64();
            self.level = (self.level - seconds * self.target).max(0.0);
        }
        self.drained_at = Some(self.drained_at.map_or(now, |before| before.max(now)));
    }
}

/// Bits halve each 6 steps of the quantiser.
fn coarseness(qp: u8) -> f64 {
    (f64::from(qp) / 6.0).exp2()
}

fn quantiser(bits_at_zero: f64, bits: f64) -> u8 {
    (6.0 * (bits_at_zero / bits.max(1.0)).log2()).ceil().clamp(0.0, 51.0) as u8
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
                let bytes = cost * 3600.0 / coarseness(plan.qp) / 8.0;
                rate.handle_encoded(now, Purpose::Fresh, 3600, bytes as usize, plan.qp);
                if frame >= fps * 2 {
                    sent += bytes * 8.0;
                }
            }
            let used = sent / 4.0 / (kbps as f64 * 1000.0);
            // Content at the coarsest cannot be made smaller.
            let least = cost * 3600.0 / coarseness(COARSEST) * fps as f64 / (kbps as f64 * 1000.0);
            prop_assert!(used <= 1.15f64.max(least * 1.01), "{used:.2} of the rate");
        }
    }

    #[test]
    fn a_pause_gives_the_next_frame_a_finer_quantiser() {
        let start = Instant::now();
        let mut rate = RateControl::new(Bitrate::kbps(2000), 60);
        for _ in 0..20 {
            let plan = rate.plan(start, Purpose::Fresh, 3600);
            rate.handle_encoded(start, Purpose::Fresh, 3600, 4000, plan.qp);
        }
        let busy = rate.plan(start, Purpose::Fresh, 3600).qp;
        let rested = rate.plan(start + Duration::from_secs(1), Purpose::Fresh, 3600).qp;
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
