//! A room's picture pipeline: one encoder thread for each rung with viewers.
//! Owns the threads; stops them when it is dropped. Who is on which rung is
//! decided elsewhere (`ladder`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::encoder::{self, Opener};
use super::slot::{PictureSink, Slot};
use super::stats::{RungCounts, RungStats};
use super::worker::{self, Start};
use crate::base::{Bitrate, EncodedSink, RoomId, Rung, Size, Tier};

/// How a room's pictures are encoded.
#[derive(Clone, Debug)]
pub struct MediaSettings {
    pub room: RoomId,
    pub frame_rate: u32,
    /// For 1280x720; other sizes by their area.
    pub max_bitrate: Bitrate,
    pub min_bitrate: Bitrate,
    /// Threads of one encoder.
    pub threads: u32,
}

/// What a rung should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RungTarget {
    pub bitrate: Bitrate,
}

/// One room's encoders.
pub struct Pipeline {
    settings: Arc<MediaSettings>,
    slot: Arc<Slot>,
    out: Arc<dyn EncodedSink>,
    taken: Arc<dyn Fn() + Send + Sync>,
    open: Arc<Opener>,
    threads: Mutex<BTreeMap<Rung, Encoding>>,
    next_id: AtomicU64,
}

/// A rung that has, or had, a thread.
#[derive(Default)]
struct Encoding {
    /// Ends with the serial of the frame that would have come next.
    thread: Option<JoinHandle<u64>>,
    serial: u64,
    stats: Arc<RungStats>,
}

impl MediaSettings {
    /// The highest rate for a picture of this size.
    pub fn max_for(&self, size: Size) -> Bitrate {
        self.max_bitrate.scale(size.area() as f64 / Size::DEFAULT.area() as f64).max(self.min_bitrate)
    }

    /// A rate within what is set; without a size the default one counts.
    pub(super) fn clamp(&self, rate: Bitrate, size: Option<Size>) -> Bitrate {
        rate.max(self.min_bitrate).min(self.max_for(size.unwrap_or(Size::DEFAULT)))
    }

    /// Slow lines get half the pictures, and each of them better.
    pub(super) fn rung_frame_rate(&self, rung: Rung) -> u32 {
        match rung.tier {
            Tier::Full => self.frame_rate.max(1),
            Tier::Low => self.frame_rate.div_ceil(2).max(1),
        }
    }
}

impl Pipeline {
    /// `taken` is called whenever a picture was taken for the first time: the
    /// next may be captured.
    pub fn new(
        settings: MediaSettings,
        out: Arc<dyn EncodedSink>,
        taken: Arc<dyn Fn() + Send + Sync>,
    ) -> Pipeline {
        Self::with_opener(settings, out, taken, Arc::new(encoder::open))
    }

    /// A pipeline whose encoders come from elsewhere.
    pub(super) fn with_opener(
        settings: MediaSettings,
        out: Arc<dyn EncodedSink>,
        taken: Arc<dyn Fn() + Send + Sync>,
        open: Arc<Opener>,
    ) -> Pipeline {
        Pipeline {
            settings: Arc::new(settings),
            slot: Arc::new(Slot::default()),
            out,
            taken,
            open,
            threads: Mutex::default(),
            next_id: AtomicU64::new(0),
        }
    }

    /// The end that a capture writes to. One capture at a time: a new one
    /// follows when the display before it has ended.
    pub fn sink(&self) -> PictureSink {
        PictureSink::new(self.slot.clone())
    }

    // Getters.

    pub fn stats(&self) -> BTreeMap<Rung, RungCounts> {
        self.threads().iter().map(|(rung, encoding)| (*rung, encoding.stats.counts())).collect()
    }

    // Handlers.

    /// These rungs have viewers now, and no others: encoders start and stop. A
    /// stopping encoder finishes the frame it is at, which this waits for.
    pub fn set_rungs(&self, wanted: &BTreeMap<Rung, RungTarget>) {
        let mut threads = self.threads();
        let running = self.slot.lock().rungs();
        for rung in running.iter().filter(|rung| !wanted.contains_key(rung)) {
            self.stop(&mut threads, *rung);
        }
        for (rung, target) in wanted {
            if running.contains(rung) {
                self.set_bitrate(*rung, target.bitrate);
            } else {
                self.begin(threads.entry(*rung).or_default(), *rung, target.bitrate);
            }
        }
    }

    pub fn set_bitrate(&self, rung: Rung, bitrate: Bitrate) {
        let mut state = self.slot.lock();
        let Some(lane) = state.lane_of(rung).filter(|lane| lane.target != bitrate) else { return };
        lane.target = bitrate;
        drop(state);
        self.slot.notify();
    }

    /// A viewer of this rung needs a key frame. Requests are merged and throttled.
    pub fn request_key_frame(&self, rung: Rung) {
        let mut state = self.slot.lock();
        let Some(lane) = state.lane_of(rung) else { return };
        lane.key = true;
        drop(state);
        self.slot.notify();
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, BTreeMap<Rung, Encoding>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, encoding: &mut Encoding, rung: Rung, bitrate: Bitrate) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.slot.lock().add_lane(rung, id, bitrate);
        let start = Start {
            id,
            rung,
            settings: self.settings.clone(),
            slot: self.slot.clone(),
            open: self.open.clone(),
            out: self.out.clone(),
            taken: self.taken.clone(),
            stats: encoding.stats.clone(),
            serial: encoding.serial.max(1),
        };
        let name = format!("encode-{:?}", rung.codec).to_lowercase();
        match std::thread::Builder::new().name(name).spawn(move || worker::run(start)) {
            Ok(thread) => encoding.thread = Some(thread),
            Err(error) => {
                // The next call tries again, as no lane says that it runs.
                self.slot.lock().remove_lane(rung);
                tracing::error!(room = %self.settings.room, ?rung, %error, "no thread for the encoder");
            }
        }
    }

    fn stop(&self, threads: &mut BTreeMap<Rung, Encoding>, rung: Rung) {
        self.slot.lock().remove_lane(rung);
        self.slot.notify();
        let Some(encoding) = threads.get_mut(&rung) else { return };
        if let Some(thread) = encoding.thread.take() {
            match thread.join() {
                Ok(serial) => encoding.serial = serial,
                Err(_) => {
                    // Viewers see the jump in the serial and wait for the key frame.
                    encoding.serial = encoding.stats.frames.get() + 2;
                    tracing::error!(room = %self.settings.room, ?rung, "the encoder thread panicked");
                }
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let mut threads = self.threads();
        let rungs: Vec<Rung> = threads.keys().copied().collect();
        for rung in rungs {
            self.stop(&mut threads, rung);
        }
    }
}
