//! Counts of one rung, for the metrics. Owns numbers that only grow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the encode times, in microseconds; the last bucket has none.
pub const ENCODE_BOUNDS_US: [u64; 10] = [500, 1000, 2000, 4000, 6000, 8000, 12_000, 16_000, 33_000, 100_000];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an encoder thread counts.
#[derive(Debug, Default)]
pub struct RungStats {
    pub frames: Counter,
    pub key_frames: Counter,
    pub bytes: Counter,
    pub failures: Counter,
    pub encode_us: Counter,
    pub buckets: [Counter; ENCODE_BOUNDS_US.len() + 1],
}

/// The counts of one rung since the pipeline began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RungCounts {
    pub frames: u64,
    pub key_frames: u64,
    pub bytes: u64,
    pub failures: u64,
    pub encode_time: Duration,
    /// Frames by encode time, each bucket on its own; bounds are `ENCODE_BOUNDS_US`.
    pub encode_histogram: [u64; ENCODE_BOUNDS_US.len() + 1],
}

impl RungStats {
    pub fn count(&self, bytes: usize, key: bool, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.frames.inc();
        self.key_frames.add(u64::from(key));
        self.bytes.add(bytes as u64);
        self.encode_us.add(us);
        self.buckets[ENCODE_BOUNDS_US.partition_point(|bound| *bound < us)].inc();
    }

    pub fn counts(&self) -> RungCounts {
        RungCounts {
            frames: self.frames.get(),
            key_frames: self.key_frames.get(),
            bytes: self.bytes.get(),
            failures: self.failures.get(),
            encode_time: Duration::from_micros(self.encode_us.get()),
            encode_histogram: std::array::from_fn(|bucket| self.buckets[bucket].get()),
        }
    }
}
