//! Units that are types, not integers.

use std::fmt;

/// A rate of data, in bits a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u64);

impl Bitrate {
    pub const fn bps(bits_per_second: u64) -> Self {
        Self(bits_per_second)
    }

    pub const fn kbps(kilobits_per_second: u64) -> Self {
        Self(kilobits_per_second * 1000)
    }

    pub const fn as_bps(self) -> u64 {
        self.0
    }

    pub const fn as_kbps(self) -> u64 {
        self.0 / 1000
    }

    /// This rate times a fraction, rounded down.
    pub fn scale(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kb/s", self.as_kbps())
    }
}
