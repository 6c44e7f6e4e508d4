//! The pointer's image, as data: it is never in the pixels.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use tokio::sync::mpsc::Sender;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xfixes::{ConnectionExt as _, CursorNotifyMask, GetCursorImageReply};

use super::link::{Door, Letter, Link, LinkError, Mail, Post, mailbox};
use super::room::Outbox;
use super::{DisplayError, DisplayEvent};
use crate::base::CursorImage;

/// Cursors remembered. A browser uses about twenty; a page that makes its own
/// has them encoded again after this many.
const MOST_KNOWN: usize = 64;

/// Nothing is ever sent; closing the queue ends the thread.
pub(super) enum Never {}

struct Thread {
    link: Link,
    mail: Mail<Never>,
    outbox: Outbox,
    known: HashMap<u32, Arc<CursorImage>>,
    shown: Option<Arc<CursorImage>>,
}

pub(super) fn start(
    door: &Door,
    events: Sender<DisplayEvent>,
) -> Result<(Post<Never>, JoinHandle<()>), DisplayError> {
    let link = door.open()?;
    let prepare = || -> Result<(), LinkError> {
        link.conn.xfixes_query_version(5, 0)?.reply()?;
        link.conn.xfixes_select_cursor_input(link.root, CursorNotifyMask::DISPLAY_CURSOR)?.check()?;
        Ok(())
    };
    prepare().map_err(|_| DisplayError::Lacks("XFIXES"))?;
    let (post, mail) = mailbox(1)?;
    let mut thread = Thread { link, mail, outbox: Outbox::new(events), known: HashMap::new(), shown: None };
    let handle = super::room::thread("tandem-cursor", move || {
        if let Err(error) = thread.run() {
            tracing::debug!(%error, "the cursor's thread has ended");
        }
    })?;
    Ok((post, handle))
}

impl Thread {
    fn run(&mut self) -> Result<(), LinkError> {
        let mut changed = true;
        loop {
            match self.mail.look() {
                Letter::Got(never) => match never {},
                Letter::Empty => {}
                Letter::Closed => return Ok(()),
            }
            while let Some(event) = self.link.conn.poll_for_event()? {
                changed |= matches!(event, Event::XfixesCursorNotify(_));
            }
            if std::mem::take(&mut changed) {
                self.look()?;
                continue;
            }
            let retry = self.outbox.retry();
            self.link.wait(self.mail.bell(), retry)?;
        }
    }

    fn look(&mut self) -> Result<(), LinkError> {
        let reply = self.link.conn.xfixes_get_cursor_image()?.reply()?;
        let image = match self.known.get(&reply.cursor_serial) {
            Some(image) => Arc::clone(image),
            None => {
                if self.known.len() >= MOST_KNOWN {
                    self.known.clear();
                }
                let image = Arc::new(encode(&reply));
                self.known.insert(reply.cursor_serial, Arc::clone(&image));
                image
            }
        };
        if self.shown.as_ref() != Some(&image) {
            self.shown = Some(Arc::clone(&image));
            self.outbox.offer(DisplayEvent::Cursor(image));
        }
        Ok(())
    }
}

fn encode(reply: &GetCursorImageReply) -> CursorImage {
    let rgba: Vec<u8> = reply.cursor_image.iter().flat_map(|pixel| straight(*pixel)).collect();
    let (width, height) = (u32::from(reply.width), u32::from(reply.height));
    let visible = rgba.chunks_exact(4).any(|pixel| pixel[3] != 0);
    let whole = rgba.len() == width as usize * height as usize * 4;
    let mut png = Vec::new();
    if visible && whole {
        let encoder = PngEncoder::new(&mut png);
        if let Err(error) = encoder.write_image(&rgba, width, height, ExtendedColorType::Rgba8) {
            tracing::warn!(%error, "a cursor cannot be encoded");
            png.clear();
        }
    }
    CursorImage {
        serial: reply.cursor_serial,
        width: reply.width,
        height: reply.height,
        hot_x: reply.xhot,
        hot_y: reply.yhot,
        png: Bytes::from(png),
    }
}

/// ARGB with colours multiplied by alpha, as the X server has it, to RGBA without.
fn straight(argb: u32) -> [u8; 4] {
    let [alpha, red, green, blue] = argb.to_be_bytes();
    let divide = |colour: u8| match alpha {
        0 => 0,
        alpha => ((u32::from(colour) * 255 + u32::from(alpha) / 2) / u32::from(alpha)).min(255) as u8,
    };
    [divide(red), divide(green), divide(blue), alpha]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_come_out_from_under_their_alpha() {
        assert_eq!(straight(0xff10_2030), [0x10, 0x20, 0x30, 0xff]);
        assert_eq!(straight(0x8080_0000), [0xff, 0, 0, 0x80]);
        assert_eq!(straight(0x0000_0000), [0, 0, 0, 0]);
    }
}
