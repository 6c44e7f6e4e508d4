//! The display of a room: Xvfb, capture, input, cursor, clipboard, size.
//!
//! Owns the X server and the window manager of one room and every connection
//! to them. Refuses to let pixels out as anything but patches to a
//! [`FrameSink`](crate::base::FrameSink), and to take input without a
//! [`FloorPermit`](crate::floor::FloorPermit). Knows no browser and no viewer.
//!
//! Each connection to the X server belongs to one thread that waits on it and
//! on its own bell; a request that needs an answer never stands in the way of
//! another thread's:
//!
//! ```text
//!  capture    damage → pace → grab by shared memory → FrameSink
//!  input      queue → XTEST; tells capture which stamps it has sent
//!  screen     RandR modes, live resize, whole pictures for tests
//!  cursor     XFixes → PNG → DisplayEvent
//!  clipboard  owns or fetches the CLIPBOARD selection
//! ```
//!
//! When the X server dies, every thread ends with its connection.

mod capture;
mod clipboard;
mod cursor;
mod input;
mod link;
mod pace;
mod room;
mod screen;
mod segment;
mod server;
mod transfer;
mod window_manager;

#[cfg(test)]
mod clipboard_probe;
#[cfg(test)]
mod tests;

pub use input::InjectError;
pub use room::{Display, DisplaySettings};
pub use screen::Picture;
pub use server::clear_stale;

use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{CursorImage, Size};
use crate::process::{Exit, ProcessError};

/// What happens on a display, apart from pixels.
#[derive(Clone, Debug)]
pub enum DisplayEvent {
    Cursor(Arc<CursorImage>),
    /// A program on the display has put this text on the clipboard.
    Clipboard(String),
    Resized(Size),
    /// "xvfb" or "window manager" has ended and nobody asked it to.
    Ended {
        what: &'static str,
        exit: Exit,
    },
}

/// What can go wrong with a display.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("cannot write {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{what} {why}; its last words: {log}")]
    NotUp { what: &'static str, why: String, log: String },
    #[error("the X server's socket {path} cannot be reached")]
    Socket { path: PathBuf, source: std::io::Error },
    #[error("the X server of display :{number} refused the connection: {reason}")]
    Refused { number: u32, reason: String },
    #[error("the X server lacks {0}; install a stock Xvfb of version 21 or later")]
    Lacks(&'static str),
    #[error("the display cannot be larger than {max}; {asked} was asked for")]
    TooLarge { asked: Size, max: Size },
    #[error("the X server refused to {what}: {reason}")]
    Request { what: &'static str, reason: String },
    #[error("the display has ended")]
    Gone,
    #[error("the operating system refused {what}")]
    System { what: &'static str, source: std::io::Error },
}
