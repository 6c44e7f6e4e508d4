//! The way of the pixels through a room, which the driver sets up and then
//! leaves alone: from whichever display is up to the encoders.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::RoomSettings;
use crate::base::{EncodedSink, RoomId};
use crate::display::Display;
use crate::media::{MediaSettings, Pipeline};

/// One room's encoders and the display before them. Outlives the display, and
/// a driver that fails.
pub(super) struct Camera {
    pipeline: Pipeline,
    display: Arc<DisplaySlot>,
    inputs: AtomicU64,
}

/// The display that is up. Encoder threads look in after each picture; the
/// lock is held for that moment only.
#[derive(Default)]
struct DisplaySlot(RwLock<Option<Arc<Display>>>);

/// What all rooms have counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub frames: u64,
    pub encode_time: Duration,
    pub inputs: u64,
}

impl Camera {
    pub fn new(room: RoomId, settings: &RoomSettings, out: Arc<dyn EncodedSink>) -> Self {
        let display = Arc::<DisplaySlot>::default();
        let taken = {
            let display = Arc::clone(&display);
            move || {
                if let Some(display) = display.0.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
                    display.taken();
                }
            }
        };
        let media = MediaSettings {
            room,
            frame_rate: settings.frame_rate,
            max_bitrate: settings.max_bitrate,
            min_bitrate: settings.min_bitrate,
            // More threads cost more in all and make no single frame of this size faster.
            threads: 1,
        };
        Self { pipeline: Pipeline::new(media, out, Arc::new(taken)), display, inputs: AtomicU64::new(0) }
    }

    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub fn display(&self) -> Option<Arc<Display>> {
        self.display.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_display(&self, display: Option<Arc<Display>>) {
        *self.display.0.write().unwrap_or_else(PoisonError::into_inner) = display;
    }

    pub fn count_input(&self) {
        self.inputs.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> Counts {
        let rungs = self.pipeline.stats();
        Counts {
            frames: rungs.values().map(|rung| rung.frames).sum(),
            encode_time: rungs.values().map(|rung| rung.encode_time).sum(),
            inputs: self.inputs.load(Ordering::Relaxed),
        }
    }
}

impl std::ops::Add for Counts {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            encode_time: self.encode_time + other.encode_time,
            inputs: self.inputs + other.inputs,
        }
    }
}
