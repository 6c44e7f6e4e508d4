//! What every video encoder can do, so that the encoder thread knows no codec.
//! Owns the common words; each library is wrapped in a file of its own.
//!
//! Quality is said in H.264's quantiser for every codec: 6 steps double the
//! coarseness. A wrapper of another codec translates.

use std::time::Duration;

use super::picture::{ChangeMap, Picture};
use super::{MediaError, vpx};
use crate::base::{Bitrate, Codec, Size};

/// What an encoder is opened with.
#[derive(Clone, Copy, Debug)]
pub struct EncoderSettings {
    pub size: Size,
    pub frame_rate: u32,
    pub threads: u32,
}

/// What one frame should be.
#[derive(Debug)]
pub struct EncodeRequest<'a> {
    pub key: bool,
    /// The quantiser to code with, in H.264's scale.
    pub qp: u8,
    pub target: Bitrate,
    /// The blocks worth looking at; all others are as they were in the last frame.
    pub changes: &'a ChangeMap,
    /// Since the encoder was opened. Grows from frame to frame.
    pub at: Duration,
}

/// One encoded frame, still in the encoder's memory.
#[derive(Debug)]
pub struct Packet<'a> {
    pub data: &'a [u8],
    pub key: bool,
}

/// A video encoder of one size.
pub trait VideoEncoder: Send {
    fn size(&self) -> Size;

    /// The luma that a decoder would show.
    #[cfg(all(test, feature = "x264"))]
    fn recon(&self) -> &[u8] {
        &[]
    }

    /// Encodes the picture now; nothing is held back for later.
    fn encode(&mut self, picture: &Picture, request: &EncodeRequest<'_>) -> Result<Packet<'_>, MediaError>;
}

/// What this build can encode, best first.
pub fn codecs() -> &'static [Codec] {
    if cfg!(feature = "x264") { &[Codec::H264, Codec::Vp8] } else { &[Codec::Vp8] }
}

/// What opens an encoder: [`open`], but for tests of what happens when one fails.
pub type Opener = dyn Fn(Codec, EncoderSettings) -> Result<Box<dyn VideoEncoder>, MediaError> + Send + Sync;

/// Opens an encoder.
pub fn open(codec: Codec, settings: EncoderSettings) -> Result<Box<dyn VideoEncoder>, MediaError> {
    match codec {
        #[cfg(feature = "x264")]
        Codec::H264 => Ok(Box::new(super::x264::X264::open(settings)?)),
        #[cfg(not(feature = "x264"))]
        Codec::H264 => Err(MediaError::NotBuilt { codec }),
        Codec::Vp8 => Ok(Box::new(vpx::Vp8::open(settings)?)),
    }
}
