//! When a rung's next frame is due, and what it is for: the frame clock. Owns
//! the cap on the frame rate, the throttle of key frames and the moment to
//! paint over; pure, time comes in.
//!
//! ```text
//!            commit                     still for STILL           sharp
//!   quiet ───────────► frame ──► still ─────────────────► paint ─────────► quiet
//!                        ▲          │ commit                │ commit
//!                        └──────────┴───────────────────────┘
//! ```
//! A wanted key frame goes out from any of these, at most one in KEY_EVERY.

use std::time::{Duration, Instant};

/// At most one key frame in this time; a request within it is served at its end.
pub const KEY_EVERY: Duration = Duration::from_millis(300);
/// A picture that did not change for this long is painted over.
pub const STILL: Duration = Duration::from_millis(120);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something comes in or this moment is there.
    Wait(Option<Instant>),
    /// Encode the latest picture.
    Frame { key: bool },
    /// Encode the same picture again, sharper.
    Paint,
}

/// The clock of one rung.
#[derive(Debug)]
pub struct FrameClock {
    interval: Duration,
    /// When the next frame would come if frames came evenly.
    even: Option<Instant>,
    fresh: bool,
    key: bool,
    last_key: Option<Instant>,
    paint_at: Option<Instant>,
    /// The line is full until then.
    full_until: Option<Instant>,
}

impl FrameClock {
    /// A new rung begins with a key frame, once there is a picture.
    pub fn new(frame_rate: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / frame_rate.max(1),
            even: None,
            fresh: false,
            key: true,
            last_key: None,
            paint_at: None,
            full_until: None,
        }
    }

    // Handlers.

    /// A newer picture is there.
    pub fn handle_commit(&mut self) {
        self.fresh = true;
    }

    pub fn handle_key_request(&mut self) {
        self.key = true;
    }

    /// A key frame that may not wait: without it no frame can be decoded.
    pub fn handle_broken(&mut self) {
        self.key = true;
        self.last_key = None;
    }

    /// The latest picture was encoded at `now`.
    pub fn handle_frame(&mut self, now: Instant, key: bool) {
        self.even = Some(self.even.map_or(now, |even| even.max(now)) + self.interval);
        self.fresh = false;
        if key {
            self.key = false;
            self.last_key = Some(now);
        }
        self.paint_at = Some(now + STILL);
    }

    /// The line takes no new frame before `until`, other than a key frame: fewer
    /// pictures are better than late ones.
    pub fn handle_full(&mut self, until: Instant) {
        self.full_until = Some(until);
    }

    /// A sharpening frame was encoded, or was not needed; the next may come at `next`.
    pub fn handle_paint(&mut self, next: Option<Instant>) {
        self.paint_at = next;
    }

    // Pollers.

    /// `picture`: whether any picture was ever taken or can be taken now.
    pub fn poll(&self, now: Instant, picture: bool) -> Step {
        if !picture {
            return Step::Wait(None);
        }
        let key_at = self.key.then(|| self.last_key.map_or(now, |last| last + KEY_EVERY));
        if key_at.is_some_and(|at| at <= now) {
            return Step::Frame { key: true };
        }
        // One interval early is allowed, so that two clocks of the same rate,
        // the capture's and this one, do not beat.
        let fresh_at =
            self.fresh.then(|| self.even.and_then(|even| even.checked_sub(self.interval)).unwrap_or(now));
        let fresh_at = fresh_at.map(|at| self.full_until.map_or(at, |full| at.max(full)));
        if fresh_at.is_some_and(|at| at <= now) {
            return Step::Frame { key: false };
        }
        if !self.fresh && self.paint_at.is_some_and(|at| at <= now) {
            return Step::Paint;
        }
        let paint_at = self.paint_at.filter(|_| !self.fresh);
        Step::Wait([key_at, fresh_at, paint_at].into_iter().flatten().min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A clock that has sent its first key frame at `start`.
    fn running(start: Instant) -> FrameClock {
        let mut clock = FrameClock::new(60);
        clock.handle_commit();
        assert_eq!(clock.poll(start, true), Step::Frame { key: true });
        clock.handle_frame(start, true);
        clock
    }

    #[test]
    fn without_a_picture_nothing_is_due() {
        assert_eq!(FrameClock::new(60).poll(Instant::now(), false), Step::Wait(None));
    }

    #[test]
    fn the_first_change_after_a_pause_goes_out_at_once() {
        let start = Instant::now();
        let mut clock = running(start);
        clock.handle_commit();
        assert_eq!(clock.poll(start + ms(500), true), Step::Frame { key: false });
    }

    #[test]
    fn a_still_picture_is_painted_over_and_then_left_alone() {
        let start = Instant::now();
        let mut clock = running(start);
        assert_eq!(clock.poll(start + ms(10), true), Step::Wait(Some(start + STILL)));
        assert_eq!(clock.poll(start + STILL, true), Step::Paint);
        clock.handle_paint(Some(start + ms(200)));
        assert_eq!(clock.poll(start + ms(150), true), Step::Wait(Some(start + ms(200))));
        assert_eq!(clock.poll(start + ms(200), true), Step::Paint);
        clock.handle_paint(None);
        assert_eq!(clock.poll(start + ms(9000), true), Step::Wait(None));
    }

    #[test]
    fn a_commit_cancels_the_painting_over() {
        let start = Instant::now();
        let mut clock = running(start);
        clock.handle_commit();
        assert_eq!(clock.poll(start + STILL, true), Step::Frame { key: false });
        clock.handle_frame(start + STILL, false);
        assert_eq!(clock.poll(start + STILL, true), Step::Wait(Some(start + STILL * 2)));
    }

    #[test]
    fn key_requests_in_the_window_become_one_key_frame_at_its_end() {
        let start = Instant::now();
        let mut clock = running(start);
        clock.handle_key_request();
        clock.handle_key_request();
        assert_eq!(clock.poll(start + ms(50), true), Step::Wait(Some(start + STILL)));
        clock.handle_paint(None);
        assert_eq!(clock.poll(start + ms(50), true), Step::Wait(Some(start + KEY_EVERY)));
        assert_eq!(clock.poll(start + KEY_EVERY, true), Step::Frame { key: true });
        clock.handle_frame(start + KEY_EVERY, true);
        clock.handle_paint(None);
        assert_eq!(clock.poll(start + ms(5000), true), Step::Wait(None));
    }

    #[test]
    fn a_full_line_delays_the_next_picture() {
        let start = Instant::now();
        let mut clock = running(start);
        clock.handle_full(start + ms(80));
        clock.handle_commit();
        assert_eq!(clock.poll(start + ms(20), true), Step::Wait(Some(start + ms(80))));
        assert_eq!(clock.poll(start + ms(80), true), Step::Frame { key: false });
    }

    proptest! {
        #[test]
        fn the_frame_rate_and_the_key_rate_hold_whatever_comes(
            events in prop::collection::vec((0..25u64, any::<bool>()), 50..300)
        ) {
            let start = Instant::now();
            let mut clock = FrameClock::new(60);
            let (mut now, mut frames, mut keys) = (start, 0u128, Vec::new());
            for (wait, key) in events {
                now += ms(wait);
                clock.handle_commit();
                if key {
                    clock.handle_key_request();
                }
                if let Step::Frame { key } = clock.poll(now, true) {
                    clock.handle_frame(now, key);
                    frames += 1;
                    if key {
                        keys.push(now);
                    }
                }
            }
            let keys_forced = keys.len() as u128;
            prop_assert!(frames <= (now - start).as_micros() * 60 / 1_000_000 + 3 + keys_forced);
            prop_assert!(keys.windows(2).all(|pair| pair[1] - pair[0] >= KEY_EVERY));
        }
    }
}
