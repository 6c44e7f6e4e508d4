//! Pictures in, encoded frames out.
//!
//! Owns colour conversion, the encoders and their threads, the frame clock and
//! the rate ladder, and films made of still pictures. Knows no X11 and no sockets.
//!
//! ```text
//! capture ─ PictureSink ─► slot ─► worker (clock, rate, sharpness) ─► encoder ─► EncodedSink
//!                                      ▲ one thread a rung
//!            ladder ─ set_rungs ─► pipeline
//! ```

mod clock;
mod encoder;
mod film;
mod ladder;
mod picture;
mod pipeline;
mod rate;
mod sharpness;
mod slot;
mod stats;
mod veil;
mod vpx;
mod webm;
mod worker;
#[cfg(feature = "x264")]
mod x264;

#[cfg(test)]
mod pages;
#[cfg(test)]
mod tests;

pub use encoder::codecs;
pub use film::{Film, FilmLimit, FilmSettings, Filming};
pub use ladder::{Assignments, Ladder, LadderSettings};
pub use pipeline::{MediaSettings, Pipeline, RungTarget};
pub use slot::PictureSink;
pub use stats::{ENCODE_BOUNDS_US, RungCounts};
pub use veil::veil;

use crate::base::{Codec, Rect, Size};

/// Why a picture was not taken or not encoded.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("a patch of {}x{} at {},{} does not lie in a picture of {size}, or has odd sides", rect.width, rect.height, rect.x, rect.y)]
    Patch { rect: Rect, size: Size },
    #[error("the pixels of a patch of {}x{} are fewer than its stride and height ask for", rect.width, rect.height)]
    Pixels { rect: Rect },
    #[error("the {codec:?} encoder did not open for {size}; check the codec library with `tandem doctor`")]
    Open { codec: Codec, size: Size },
    #[error("the {codec:?} encoder refused a frame (code {code}); it is opened again")]
    Encode { codec: Codec, code: i32 },
    #[error("the {codec:?} encoder thread panicked ({what}); it begins anew")]
    Panicked { codec: Codec, what: String },
    #[error("this build has no {codec:?} encoder; build with its Cargo feature")]
    NotBuilt { codec: Codec },
    #[error("a picture of a film is no JPEG that can be read")]
    Jpeg { source: image::ImageError },
    #[error("there was no picture to make a film of")]
    NoPicture,
    #[error("the thread of a film did not start; the machine may be out of threads")]
    Thread { source: std::io::Error },
}
