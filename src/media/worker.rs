//! One encoder thread: waits for the clock, takes the latest picture, encodes
//! it and delivers the frame. Owns the encoder of one rung. An encoder that
//! fails, or panics, is opened again after a pause and begins with a key frame;
//! the room lives.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::clock::{FrameClock, Step};
use super::encoder::{EncodeRequest, EncoderSettings, Opener, VideoEncoder};
use super::picture::{ChangeMap, Picture};
use super::rate::{Purpose, RateControl};
use super::sharpness::Sharpness;
use super::slot::{Slot, SlotState, merge};
use super::stats::RungStats;
use super::{MediaError, MediaSettings};
use crate::base::{Codec, EncodedFrame, EncodedSink, FrameMoment, Rung};

/// The first pause after a failure; doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// What a thread is started with.
pub struct Start {
    pub id: u64,
    pub rung: Rung,
    pub settings: Arc<MediaSettings>,
    pub slot: Arc<Slot>,
    pub open: Arc<Opener>,
    pub out: Arc<dyn EncodedSink>,
    pub taken: Arc<dyn Fn() + Send + Sync>,
    pub stats: Arc<RungStats>,
    /// The serial of the first frame.
    pub serial: u64,
}

/// Runs until the lane is removed; gives the serial for whoever follows.
pub fn run(start: Start) -> u64 {
    let mut worker = Worker::new(start);
    loop {
        // Whatever a panic left half done is thrown away by `handle_panic`.
        let ended = catch_unwind(AssertUnwindSafe(|| {
            while let Some(step) = worker.wait() {
                worker.work(step, Instant::now());
            }
        }));
        match ended {
            Ok(()) => return worker.serial,
            Err(cause) => worker.handle_panic(&*cause, Instant::now()),
        }
    }
}

struct Worker {
    start: Start,
    serial: u64,
    clock: FrameClock,
    rate: RateControl,
    picture: Option<Picture>,
    changes: ChangeMap,
    sharpness: Sharpness,
    encoder: Option<Open>,
    /// The moment of `picture`; its echoes are those not delivered yet.
    moment: Option<FrameMoment>,
    retry_at: Option<Instant>,
    pause: Duration,
}

struct Open {
    encoder: Box<dyn VideoEncoder>,
    opened_at: Instant,
}

impl Worker {
    fn new(start: Start) -> Self {
        let frame_rate = start.settings.rung_frame_rate(start.rung);
        Self {
            serial: start.serial,
            clock: FrameClock::new(frame_rate),
            rate: RateControl::new(start.settings.min_bitrate, frame_rate),
            picture: None,
            changes: ChangeMap::default(),
            sharpness: Sharpness::default(),
            encoder: None,
            moment: None,
            retry_at: None,
            pause: FIRST_PAUSE,
            start,
        }
    }

    /// Waits for the next thing to do; nothing when the rung has ended.
    fn wait(&mut self) -> Option<Step> {
        let slot = self.start.slot.clone();
        let mut state = slot.lock();
        loop {
            match self.look(&mut state, Instant::now())? {
                (Step::Wait(until), _) => state = slot.wait(state, until),
                (step, first) => {
                    drop(state);
                    if first {
                        (self.start.taken)();
                    }
                    return Some(step);
                }
            }
        }
    }

    /// What is to be done at `now`, with the latest picture taken if it is for
    /// that, and whether this encoder was the first to take it.
    fn look(&mut self, state: &mut SlotState, now: Instant) -> Option<(Step, bool)> {
        let Start { id, rung, ref settings, .. } = self.start;
        let size = self.picture.as_ref().map(Picture::size);
        let lane = state.lane(rung, id)?;
        if std::mem::take(&mut lane.key) {
            self.clock.handle_key_request();
        }
        let target = settings.clamp(lane.target, size);
        if target != self.rate.target() {
            self.rate.handle_target(now, target);
        }
        let fresh = state.is_fresh(rung);
        if fresh {
            self.clock.handle_commit();
            if state.is_small(rung) {
                // It adds next to nothing to a full line, and somebody waits for it.
                self.clock.handle_full(now);
            }
        }
        let step = match self.retry_at.filter(|at| *at > now) {
            Some(at) => Step::Wait(Some(at)),
            None => self.clock.poll(now, fresh || self.picture.is_some()),
        };
        if !matches!(step, Step::Frame { .. }) {
            return Some((step, false));
        }
        self.changes.clear();
        let Some(new) = state.take(rung, &mut self.picture, &mut self.changes) else {
            return Some((step, false));
        };
        self.moment = Some(match self.moment.take() {
            Some(owed) if !owed.echoes.is_empty() => merge(owed, new.moment),
            _ => new.moment,
        });
        Some((step, new.first))
    }

    fn work(&mut self, step: Step, now: Instant) {
        match self.encode(step, now) {
            Ok(()) => self.pause = FIRST_PAUSE,
            Err(error) => self.handle_failure(error, now),
        }
    }

    fn handle_failure(&mut self, error: MediaError, now: Instant) {
        tracing::error!(room = %self.start.settings.room, rung = ?self.start.rung, %error, pause = ?self.pause, "encoder failed");
        self.start.stats.failures.inc();
        self.encoder = None;
        self.clock.handle_broken();
        self.retry_at = Some(now + self.pause);
        self.pause = (self.pause * 2).min(LAST_PAUSE);
    }

    /// Begins anew, as a thread just started, but for the serial and the echoes owed.
    fn handle_panic(&mut self, cause: &(dyn Any + Send), now: Instant) {
        let Start { id, rung, ref settings, ref slot, .. } = self.start;
        let frame_rate = settings.rung_frame_rate(rung);
        self.clock = FrameClock::new(frame_rate);
        self.rate = RateControl::new(settings.min_bitrate, frame_rate);
        self.picture = None;
        self.changes = ChangeMap::default();
        self.sharpness = Sharpness::default();
        slot.lock().renew(rung, id);
        let what = cause
            .downcast_ref::<&str>()
            .map(|what| (*what).to_owned())
            .or_else(|| cause.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no reason given".into());
        self.handle_failure(MediaError::Panicked { codec: rung.codec, what }, now);
    }

    fn encode(&mut self, step: Step, now: Instant) -> Result<(), MediaError> {
        let (Some(picture), Some(moment)) = (&self.picture, &mut self.moment) else { return Ok(()) };
        let size = picture.size();
        if !self.changes.fits(size) {
            self.changes = ChangeMap::full(size);
        }
        let (open, new) = match self.encoder.take().filter(|open| open.encoder.size() == size) {
            Some(open) => (self.encoder.insert(open), false),
            None => {
                let settings = EncoderSettings {
                    size,
                    frame_rate: self.start.settings.rung_frame_rate(self.start.rung),
                    threads: self.start.settings.threads,
                };
                let encoder = (self.start.open)(self.start.rung.codec, settings)?;
                self.sharpness = Sharpness::new(self.changes.marks().len());
                (self.encoder.insert(Open { encoder, opened_at: now }), true)
            }
        };
        let purpose = match step {
            Step::Frame { key: true } => Purpose::Key,
            _ if new => Purpose::Key,
            Step::Frame { .. } => Purpose::Fresh,
            Step::Paint | Step::Wait(_) => match self.sharpness.worst() {
                Some(worst) => Purpose::Paint { worst },
                None => {
                    self.clock.handle_paint(None);
                    return Ok(());
                }
            },
        };
        match purpose {
            Purpose::Key => self.changes.mark_all(),
            Purpose::Paint { .. } => self.changes.clear(),
            Purpose::Fresh => {}
        }
        // With a quantiser in hand, blocks coarser than it are worth a look too;
        // x264 takes them up by itself, VP8 has to be told.
        let blocks = self.changes.count();
        let qp = match purpose {
            Purpose::Paint { .. } => {
                let unsharp = self.sharpness.count_coarser(super::rate::SHARP);
                self.rate.plan(now, purpose, unsharp)
            }
            _ => self.rate.plan(now, purpose, blocks),
        };
        if purpose != Purpose::Key {
            let sharpness = &self.sharpness;
            // x264 takes up all that is coarser than the quantiser, whatever is marked.
            let most = match (purpose, self.start.rung.codec) {
                (Purpose::Paint { .. }, Codec::Vp8) => self.rate.paint_blocks(qp),
                _ => usize::MAX,
            };
            self.changes.mark_where(most, |block| sharpness.is_coarser(block, qp));
        }
        let blocks = self.changes.count();

        let request = EncodeRequest {
            key: purpose == Purpose::Key,
            qp,
            target: self.rate.target(),
            changes: &self.changes,
            at: now.saturating_duration_since(open.opened_at),
        };
        let packet = open.encoder.encode(picture, &request)?;
        let encoded_at = Instant::now();
        let (key, data) = (packet.key, Bytes::copy_from_slice(packet.data));

        self.start.stats.count(data.len(), key, encoded_at.saturating_duration_since(now));
        self.rate.handle_encoded(now, purpose, blocks, data.len(), qp);
        match purpose {
            Purpose::Paint { .. } => {
                self.sharpness.handle_paint(&self.changes, qp, data.len());
                let next = self.sharpness.worst().map(|_| self.rate.paint_at(now));
                self.clock.handle_paint(next);
            }
            Purpose::Fresh | Purpose::Key => {
                self.sharpness.handle_frame(&self.changes, qp);
                self.clock.handle_frame(now, key);
                self.clock.handle_full(self.rate.frame_at(now));
            }
        }
        let echoes = std::mem::take(&mut moment.echoes);
        let frame = EncodedFrame {
            room: self.start.settings.room.clone(),
            rung: self.start.rung,
            serial: self.serial,
            key,
            data,
            size,
            moment: FrameMoment { echoes, ..moment.clone() },
            encoded_at,
            target: self.rate.target(),
        };
        self.serial += 1;
        self.start.out.deliver(frame);
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod driven {
    //! A worker without its thread, driven with made-up time.

    use super::*;

    pub struct Driven(Worker);

    impl Driven {
        pub fn new(start: Start) -> Self {
            Self(Worker::new(start))
        }

        /// Does all that is due at `now`; gives the moment of the next thing due.
        pub fn run(&mut self, now: Instant) -> Option<Instant> {
            loop {
                let slot = self.0.start.slot.clone();
                let (step, first) = self.0.look(&mut slot.lock(), now).expect("the lane stands");
                if first {
                    (self.0.start.taken)();
                }
                match step {
                    Step::Wait(until) => return until,
                    step => self.0.work(step, now),
                }
            }
        }

        pub fn picture(&self) -> &Picture {
            self.0.picture.as_ref().expect("a picture was taken")
        }

        #[cfg(feature = "x264")]
        pub fn recon(&self) -> &[u8] {
            self.0.encoder.as_ref().expect("it encodes").encoder.recon()
        }
    }
}
