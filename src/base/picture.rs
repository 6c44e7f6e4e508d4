//! Pictures on their way from the display to the viewers. The types stand
//! here because `display`, `media` and `rtc` are strangers to each other.

use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::{Bitrate, InputStamp, Rect, RoomId, Size};

/// A video codec that a viewer can decode and we can encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    H264,
    Vp8,
}

/// Where on the ladder of rates a stream stands. The lower one exists only
/// while a viewer with a slow line is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    Full,
    Low,
}

/// One encode of a room's picture, shared by all viewers on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Rung {
    pub codec: Codec,
    pub tier: Tier,
}

/// When a picture came to be.
#[derive(Clone, Debug)]
pub struct FrameMoment {
    /// Counts committed pictures of one display, from 1.
    pub serial: u64,
    /// When the first damage in it was reported.
    pub damaged_at: Instant,
    /// When its pixels were read.
    pub captured_at: Instant,
    /// Inputs injected before the damage whose effect no earlier picture showed.
    pub echoes: Vec<InputStamp>,
}

/// Where the capture puts pixels. `media` implements it; the capture thread calls it.
pub trait FrameSink: Send {
    /// The display has this size from now on; the whole picture follows as a patch.
    fn resize(&mut self, size: Size);

    /// One changed rectangle, inside the size, with even coordinates and sides.
    /// `pixels` are rows of BGRX, 4 bytes a pixel, `stride` bytes from row to row.
    fn patch(&mut self, rect: Rect, pixels: &[u8], stride: usize);

    /// All patches of one moment are in: the picture may be encoded.
    fn commit(&mut self, moment: FrameMoment);
}

/// One encoded frame: one allocation, shared by every viewer on its rung.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    pub room: RoomId,
    pub rung: Rung,
    /// Counts the frames of one rung, from 1, without gaps: a gap means a lost reference.
    pub serial: u64,
    pub key: bool,
    /// H.264 as an Annex B access unit; VP8 as one frame.
    pub data: Bytes,
    pub size: Size,
    pub moment: FrameMoment,
    pub encoded_at: Instant,
    /// The rate the encoder was set to.
    pub target: Bitrate,
}

/// Where encoded frames go. `rtc` implements it; encoder threads call it. Never blocks.
pub trait EncodedSink: Send + Sync {
    fn deliver(&self, frame: EncodedFrame);
}

/// The picture of the pointer, sent as data and drawn by the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorImage {
    /// Changes whenever the image does.
    pub serial: u32,
    pub width: u16,
    pub height: u16,
    /// The pixel of the image that is the pointer's tip.
    pub hot_x: u16,
    pub hot_y: u16,
    /// A PNG with alpha. Empty when the pointer is hidden.
    pub png: Bytes,
}
