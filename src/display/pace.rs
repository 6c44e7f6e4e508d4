//! Damage on its way to a capture: what is damaged, and when it may be read.
//!
//! A pure state machine; time comes in as an argument. It holds few
//! rectangles, never forgets a damaged pixel, and lets a capture happen when
//! somebody watches, the encoder has taken the last picture and the cap on
//! the frame rate allows it. The first change after a pause waits for nothing.

use std::time::{Duration, Instant};

use crate::base::{Rect, Size};

/// More rectangles than this cost more in requests than they save in pixels.
const MOST_RECTS: usize = 8;

/// Joining two rectangles may add this many pixels: less than a request costs.
const CHEAP_PIXELS: u64 = 16 * 1024;

/// What one capture reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Inside the size, even, and together no more pixels than the display has.
    pub rects: Vec<Rect>,
    pub first_damage: Instant,
    pub last_damage: Instant,
}

/// The state between damage and capture.
#[derive(Debug)]
pub(super) struct Pacer {
    size: Size,
    interval: Duration,
    rects: Vec<Rect>,
    first_damage: Option<Instant>,
    last_damage: Option<Instant>,
    watched: bool,
    /// A picture is with the encoder and has not been taken yet.
    busy: bool,
    /// When the next picture is due under constant change.
    due: Option<Instant>,
}

impl Pacer {
    pub fn new(size: Size, frame_rate: u32) -> Self {
        Self {
            size,
            interval: Duration::from_secs(1) / frame_rate.clamp(1, 240),
            rects: Vec::with_capacity(MOST_RECTS + 1),
            first_damage: None,
            last_damage: None,
            watched: false,
            busy: false,
            due: None,
        }
    }

    // Getters.

    pub fn size(&self) -> Size {
        self.size
    }

    pub fn is_watched(&self) -> bool {
        self.watched
    }

    // Handlers.

    /// A rectangle was painted; it may hang over the edges.
    pub fn handle_damage(&mut self, now: Instant, rect: Rect) {
        let rect = rect.clip(self.size).even();
        if rect.is_empty() || !self.watched {
            return;
        }
        self.first_damage.get_or_insert(now);
        self.last_damage = Some(now);
        self.add(rect);
    }

    /// The whole picture is wanted, damaged or not.
    pub fn handle_refresh(&mut self, now: Instant) {
        self.handle_damage(now, self.size.rect());
    }

    /// Somebody watches from now on, or nobody does any more. Whoever comes gets the whole picture.
    pub fn handle_watch(&mut self, now: Instant, watched: bool) {
        if watched == self.watched {
            return;
        }
        self.watched = watched;
        self.forget();
        self.busy = false;
        self.due = None;
        self.handle_refresh(now);
    }

    /// The encoder has taken the last picture.
    pub fn handle_taken(&mut self) {
        self.busy = false;
    }

    /// What the encoder has not taken yet is of the old size; it never will be.
    pub fn handle_resize(&mut self, now: Instant, size: Size) {
        self.size = size;
        self.busy = false;
        self.forget();
        self.handle_refresh(now);
    }

    // Pollers.

    /// What is to be read now, if anything is.
    pub fn poll_capture(&mut self, now: Instant) -> Option<Batch> {
        if self.busy || !self.watched || self.due.is_some_and(|due| now < due - self.slack()) {
            return None;
        }
        let (first_damage, last_damage) = (self.first_damage.take()?, self.last_damage.take()?);
        self.busy = true;
        self.due = Some(self.due.map_or(now, |due| due.max(now)) + self.interval);
        Some(Batch { rects: std::mem::take(&mut self.rects), first_damage, last_damage })
    }

    /// When to poll again if nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.first_damage.filter(|_| self.watched && !self.busy)?;
        self.due.map(|due| due - self.slack())
    }

    /// Pictures may come this much before they are due: a browser that paints
    /// at exactly our rate does so with jitter, and each frame held back would
    /// be late for good. The rate in the long run stays capped.
    fn slack(&self) -> Duration {
        self.interval / 8
    }

    fn forget(&mut self) {
        self.rects.clear();
        self.first_damage = None;
        self.last_damage = None;
    }

    fn add(&mut self, mut rect: Rect) {
        // A grown rectangle may reach others, so look again after each join.
        while let Some(at) = self.rects.iter().position(|other| is_cheap(rect, *other)) {
            rect = rect.union(self.rects.swap_remove(at));
        }
        self.rects.push(rect);
        if self.rects.len() > MOST_RECTS {
            self.join_nearest();
        }
        if self.rects.iter().map(|rect| rect.area()).sum::<u64>() > self.size.area() {
            let all = self.rects.drain(..).fold(Rect::default(), Rect::union);
            self.rects.push(all);
        }
    }

    fn join_nearest(&mut self) {
        let mut best = (u64::MAX, 0, 1);
        for a in 0..self.rects.len() {
            for b in a + 1..self.rects.len() {
                best = best.min((waste(self.rects[a], self.rects[b]), a, b));
            }
        }
        let (_, a, b) = best;
        let other = self.rects.swap_remove(b);
        let joined = other.union(self.rects.swap_remove(a));
        self.add(joined);
    }
}

/// Pixels that a join would read for nothing.
fn waste(a: Rect, b: Rect) -> u64 {
    a.union(b).area().saturating_sub(a.area() + b.area())
}

fn is_cheap(a: Rect, b: Rect) -> bool {
    waste(a, b) <= CHEAP_PIXELS.min((a.area() + b.area()) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: u32 = 60;

    fn watched(now: Instant) -> Pacer {
        let mut pacer = Pacer::new(Size::DEFAULT, RATE);
        pacer.handle_watch(now, true);
        assert_eq!(pacer.poll_capture(now).map(|batch| batch.rects), Some(vec![Size::DEFAULT.rect()]));
        pacer.handle_taken();
        pacer
    }

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn a_picture_that_was_not_taken_before_a_resize_is_not_waited_for() {
        let (now, size) = (Instant::now(), Size::new(640, 480).expect("size"));
        let mut pacer = watched(now);
        pacer.handle_damage(now, Size::DEFAULT.rect());
        let later = now + Duration::from_secs(1);
        assert!(pacer.poll_capture(later).is_some());
        pacer.handle_resize(later, size);
        let after = later + Duration::from_secs(1);
        assert_eq!(pacer.poll_capture(after).map(|batch| batch.rects), Some(vec![size.rect()]));
    }

    #[test]
    fn the_first_change_after_a_pause_waits_for_nothing() {
        let t = Instant::now();
        let mut pacer = watched(t);
        let later = t + Duration::from_secs(1);
        pacer.handle_damage(later, rect(11, 11, 3, 3));
        let batch = pacer.poll_capture(later).expect("at once");
        assert_eq!((batch.rects, batch.first_damage), (vec![rect(10, 10, 4, 4)], later));
    }

    #[test]
    fn nothing_is_read_before_the_encoder_has_taken_the_last_picture() {
        let t = Instant::now();
        let mut pacer = watched(t);
        let mut now = t + Duration::from_secs(1);
        pacer.handle_damage(now, rect(0, 0, 2, 2));
        assert!(pacer.poll_capture(now).is_some());
        now += Duration::from_secs(1);
        pacer.handle_damage(now, rect(0, 0, 2, 2));
        assert_eq!((pacer.poll_capture(now), pacer.poll_timeout()), (None, None));
        pacer.handle_taken();
        assert!(pacer.poll_capture(now).is_some());
    }

    #[test]
    fn the_cap_holds_under_constant_change_and_is_reached() {
        let t = Instant::now();
        let mut pacer = watched(t);
        let mut captures = 0;
        for step in 0..20_000u64 {
            let now = t + Duration::from_micros(step * 100);
            pacer.handle_damage(now, rect(0, 0, 100, 100));
            captures += u32::from(pacer.poll_capture(now).is_some());
            pacer.handle_taken();
        }
        assert!((118..=121).contains(&captures), "{captures} in two seconds");
    }

    #[test]
    fn nobody_watching_means_nothing_to_do() {
        let t = Instant::now();
        let mut pacer = watched(t);
        pacer.handle_watch(t, false);
        pacer.handle_damage(t + Duration::from_secs(1), rect(0, 0, 9, 9));
        assert_eq!(pacer.poll_capture(t + Duration::from_secs(1)), None);
        assert_eq!(pacer.poll_timeout(), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(u64),
        Damage(Rect),
        Taken,
        Refresh,
        Resize(u32, u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0..40_000u64).prop_map(Step::Wait),
            8 => (0..1400u32, 0..900u32, 0..300u32, 0..300u32).prop_map(|(x, y, w, h)| Step::Damage(rect(x, y, w, h))),
            2 => Just(Step::Taken),
            1 => Just(Step::Refresh),
            1 => (200..1400u32, 200..900u32).prop_map(|(w, h)| Step::Resize(w, h)),
        ]
    }

    proptest! {
        #[test]
        fn no_damaged_pixel_is_ever_lost(steps in prop::collection::vec(step(), 1..120)) {
            let t = Instant::now();
            let (mut now, mut pacer) = (t, watched(t));
            // Damage not yet captured, as it was reported.
            let mut open: Vec<Rect> = Vec::new();
            let check = |pacer: &mut Pacer, now: Instant, open: &mut Vec<Rect>| {
                let Some(batch) = pacer.poll_capture(now) else { return Ok(()) };
                let size = pacer.size();
                prop_assert!(!batch.rects.is_empty() && batch.rects.len() <= MOST_RECTS);
                prop_assert!(batch.rects.iter().map(|r| r.area()).sum::<u64>() <= size.area());
                for r in &batch.rects {
                    prop_assert!(r.right() <= size.width() && r.bottom() <= size.height() && !r.is_empty());
                    prop_assert!([r.x, r.y, r.width, r.height].iter().all(|side| side % 2 == 0));
                }
                for damaged in open.drain(..).map(|r| r.clip(size)).filter(|r| !r.is_empty()) {
                    // A rectangle lands in one that was joined, so in exactly one or within a join of it.
                    let whole = batch.rects.iter().any(|r| {
                        r.x <= damaged.x && r.y <= damaged.y && r.right() >= damaged.right() && r.bottom() >= damaged.bottom()
                    });
                    prop_assert!(whole, "{damaged:?} is not in {batch:?}");
                }
                Ok(())
            };
            for step in steps {
                match step {
                    Step::Wait(us) => now += Duration::from_micros(us),
                    Step::Damage(r) => { pacer.handle_damage(now, r); open.push(r); }
                    Step::Taken => pacer.handle_taken(),
                    Step::Refresh => pacer.handle_refresh(now),
                    Step::Resize(w, h) => {
                        let size = Size::new(w, h).expect("valid");
                        pacer.handle_resize(now, size);
                        open = vec![size.rect()];
                    }
                }
                check(&mut pacer, now, &mut open)?;
            }
            pacer.handle_taken();
            check(&mut pacer, now + Duration::from_secs(1), &mut open)?;
            prop_assert!(open.iter().all(|r| r.clip(pacer.size()).is_empty()), "{open:?} was lost");
        }
    }
}
