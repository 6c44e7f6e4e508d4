//! The size of the screen, and whole pictures for tests and the benchmark.
//!
//! Xvfb starts at the largest size allowed and can have any size below it by
//! RandR. A mode lives as long as the connection that made it, so this
//! thread's connection stays open as long as the display.

use std::collections::HashMap;

use tokio::sync::{mpsc::Sender, oneshot};
use x11rb::connection::Connection;
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat};

use super::link::{Door, Letter, Link, LinkError, Mail, Post, mailbox};
use super::room::Outbox;
use super::{DisplayError, DisplayEvent};
use crate::base::Size;

/// A whole picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub size: Size,
    /// Rows of BGRX, 4 bytes a pixel, without gaps.
    pub bgrx: Vec<u8>,
}

pub(super) enum Order {
    Resize(Size, oneshot::Sender<Result<(), DisplayError>>),
    Grab(oneshot::Sender<Result<Picture, DisplayError>>),
}

struct Thread {
    link: Link,
    mail: Mail<Order>,
    outbox: Outbox,
    modes: HashMap<Size, randr::Mode>,
}

/// Starts the thread. Eight orders may wait; a further one is refused by the caller as busy.
pub(super) fn start(
    door: &Door,
    events: Sender<DisplayEvent>,
) -> Result<(Post<Order>, std::thread::JoinHandle<()>), DisplayError> {
    let link = door.open()?;
    let version = || link.conn.randr_query_version(1, 3)?.reply().map_err(LinkError::from);
    version().map_err(|_| DisplayError::Lacks("RANDR"))?;
    let (post, mail) = mailbox(8)?;
    let mut thread = Thread { link, mail, outbox: Outbox::new(events), modes: HashMap::new() };
    let handle = super::room::thread("tandem-screen", move || {
        if let Err(error) = thread.run() {
            tracing::debug!(%error, "the screen's thread has ended");
        }
    })?;
    Ok((post, handle))
}

impl Thread {
    fn run(&mut self) -> Result<(), LinkError> {
        loop {
            while self.link.conn.poll_for_event()?.is_some() {}
            match self.mail.look() {
                Letter::Got(Order::Resize(size, answer)) => {
                    let done = self.resize(size).map_err(|error| error.request("change the screen's size"));
                    if done.is_ok() {
                        self.outbox.offer(DisplayEvent::Resized(size));
                    }
                    let _ = answer.send(done);
                }
                Letter::Got(Order::Grab(answer)) => {
                    let picture = self.grab().map_err(|error| error.request("give a picture"));
                    let _ = answer.send(picture);
                }
                Letter::Empty => {
                    let retry = self.outbox.retry();
                    self.link.wait(self.mail.bell(), retry)?;
                }
                Letter::Closed => return Ok(()),
            }
        }
    }

    fn resize(&mut self, size: Size) -> Result<(), LinkError> {
        let (conn, root) = (&self.link.conn, self.link.root);
        let resources = conn.randr_get_screen_resources(root)?.reply()?;
        let (Some(crtc), Some(output)) = (resources.crtcs.first(), resources.outputs.first()) else {
            let source = std::io::Error::other("it has no output");
            return Err(LinkError::System { what: "the screen", source });
        };
        let mode = match self.modes.get(&size) {
            Some(mode) => *mode,
            None => {
                let mode = create_mode(&self.link, size)?;
                conn.randr_add_output_mode(*output, mode)?.check()?;
                self.modes.insert(size, mode);
                mode
            }
        };
        let (old, width, height) = (self.modes.len(), size.width() as u16, size.height() as u16);
        // Nobody else sees the moment without a picture.
        conn.grab_server()?;
        let done = (|| -> Result<(), LinkError> {
            let none = randr::Rotation::ROTATE0;
            conn.randr_set_crtc_config(*crtc, 0, 0, 0, 0, 0, none, &[])?.reply()?;
            let mm = |pixels: u16| (u32::from(pixels) * 254 / 960).max(1);
            conn.randr_set_screen_size(root, width, height, mm(width), mm(height))?.check()?;
            conn.randr_set_crtc_config(*crtc, 0, 0, 0, 0, mode, none, &[*output])?.reply()?;
            Ok(())
        })();
        conn.ungrab_server()?;
        conn.flush()?;
        done?;
        if old > 16 {
            self.drop_other_modes(*output, mode)?;
        }
        Ok(())
    }

    /// A window dragged to ever new sizes must not pile up modes.
    fn drop_other_modes(&mut self, output: randr::Output, keep: randr::Mode) -> Result<(), LinkError> {
        let conn = &self.link.conn;
        for mode in self.modes.values().filter(|mode| **mode != keep) {
            conn.randr_delete_output_mode(output, *mode)?.check()?;
            conn.randr_destroy_mode(*mode)?.check()?;
        }
        self.modes.retain(|_, mode| *mode == keep);
        Ok(())
    }

    fn grab(&self) -> Result<Picture, LinkError> {
        let (conn, root) = (&self.link.conn, self.link.root);
        let at = conn.get_geometry(root)?.reply()?;
        let size = Size::new(at.width.into(), at.height.into()).unwrap_or(Size::DEFAULT);
        let (width, height) = (size.width() as u16, size.height() as u16);
        let image = conn.get_image(ImageFormat::Z_PIXMAP, root, 0, 0, width, height, !0)?.reply()?;
        Ok(Picture { size, bgrx: image.data })
    }
}

/// A mode of 60 pictures a second; Xvfb has no real timing, but some programs divide by it.
fn create_mode(link: &Link, size: Size) -> Result<randr::Mode, LinkError> {
    let name = format!("tandem-{size}");
    let (width, height) = (size.width() as u16, size.height() as u16);
    let info = randr::ModeInfo {
        id: 0,
        width,
        height,
        dot_clock: u32::from(width) * u32::from(height) * 60,
        hsync_start: width,
        hsync_end: width,
        htotal: width,
        hskew: 0,
        vsync_start: height,
        vsync_end: height,
        vtotal: height,
        name_len: name.len() as u16,
        mode_flags: randr::ModeFlag::from(0u32),
    };
    Ok(link.conn.randr_create_mode(link.root, info, name.as_bytes())?.reply()?.mode)
}
