//! The capture thread: from damage to patches.
//!
//! Raw damage rectangles come as events and need no answer from us; a whole
//! capture is one round trip, all rectangles asked for before the first is
//! awaited. While nobody watches there is no damage object, and the X server
//! does no work for us.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use x11rb::connection::{Connection, RequestConnection};
use x11rb::errors::ReplyError;
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::shm::ConnectionExt as _;
use x11rb::protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt as _, EventMask, ImageFormat};
use x11rb::protocol::{ErrorKind, Event, shm};

use super::DisplayError;
use super::link::{Bell, Door, Link, LinkError};
use super::pace::{Batch, Pacer};
use super::segment::Segment;
use crate::base::{FrameMoment, FrameSink, InputStamp, Rect, Size};

/// A stamp whose effect did not show in this time had none.
const STAMP_LIFE: Duration = Duration::from_secs(2);
/// Stamps that may wait for a picture. More come only from a viewer that
/// stamps every move; then the oldest goes, and with it one measurement.
const MOST_STAMPS: usize = 256;

/// A stamped input and when it was sent to the X server.
pub(super) type Sent = (Instant, InputStamp);

/// What others tell the capture thread. Flags, so that nothing can be full.
#[derive(Debug)]
pub(super) struct Capture {
    flags: Arc<Flags>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct Flags {
    watched: AtomicBool,
    refresh: AtomicBool,
    taken: AtomicBool,
    stop: AtomicBool,
}

struct Thread {
    link: Link,
    flags: Arc<Flags>,
    bell: Bell,
    sink: Box<dyn FrameSink>,
    sent: Receiver<Sent>,
    stamps: VecDeque<Sent>,
    pacer: Pacer,
    segment: Option<Segment>,
    damage: Option<damage::Damage>,
    serial: u64,
}

impl Capture {
    /// Starts the thread. Also gives the queue for stamps of inputs: 256 may
    /// wait, and a further one is dropped, which costs one measurement.
    pub fn start(
        door: &Door,
        frame_rate: u32,
        sink: Box<dyn FrameSink>,
    ) -> Result<(Self, SyncSender<Sent>, JoinHandle<()>), DisplayError> {
        let link = door.open()?;
        for (name, what) in [(damage::X11_EXTENSION_NAME, "DAMAGE"), (shm::X11_EXTENSION_NAME, "MIT-SHM")] {
            let known = link
                .conn
                .extension_information(name)
                .map_err(|error| LinkError::from(error).request("list extensions"))?;
            known.ok_or(DisplayError::Lacks(what))?;
        }
        let size = prepare(&link).map_err(|error| error.request("watch the screen"))?;
        let (flags, bell) = (Arc::new(Flags::default()), Bell::new()?);
        let (post, sent) = sync_channel(MOST_STAMPS);
        let mut thread = Thread {
            link,
            flags: Arc::clone(&flags),
            bell: bell.clone(),
            sink,
            sent,
            stamps: VecDeque::new(),
            pacer: Pacer::new(size, frame_rate),
            segment: None,
            damage: None,
            serial: 0,
        };
        thread.sink.resize(size);
        let handle = super::room::thread("tandem-capture", move || {
            if let Err(error) = thread.run() {
                tracing::debug!(%error, "capture has ended");
            }
        })?;
        Ok((Self { flags, bell }, post, handle))
    }

    pub fn watch(&self, watched: bool) {
        self.flags.watched.store(watched, Ordering::Release);
        self.bell.ring();
    }

    pub fn refresh(&self) {
        self.flags.refresh.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub fn taken(&self) {
        self.flags.taken.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub fn stop(&self) {
        self.flags.stop.store(true, Ordering::Release);
        self.bell.ring();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Asks for the root's changes of size and learns the size it has.
fn prepare(link: &Link) -> Result<Size, LinkError> {
    link.conn.damage_query_version(1, 1)?.reply()?;
    link.conn.shm_query_version()?.reply()?;
    let events = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
    link.conn.change_window_attributes(link.root, &events)?;
    root_size(link)
}

fn root_size(link: &Link) -> Result<Size, LinkError> {
    let root = link.conn.get_geometry(link.root)?.reply()?;
    Ok(Size::new(root.width.into(), root.height.into()).unwrap_or(Size::DEFAULT))
}

impl Thread {
    fn run(&mut self) -> Result<(), LinkError> {
        loop {
            let now = Instant::now();
            if self.flags.stop.load(Ordering::Acquire) {
                return Ok(());
            }
            self.look_at_flags(now)?;
            while let Some(event) = self.link.conn.poll_for_event()? {
                // Read the clock for each: an input sent a moment ago must count as earlier.
                self.handle_event(Instant::now(), &event);
            }
            match self.pacer.poll_capture(Instant::now()) {
                // Waiting for the answers may have brought events: look again before sleeping.
                Some(batch) => self.capture(batch)?,
                None => self.link.wait(&self.bell, self.pacer.poll_timeout())?,
            }
        }
    }

    fn look_at_flags(&mut self, now: Instant) -> Result<(), LinkError> {
        let watched = self.flags.watched.load(Ordering::Acquire);
        if watched != self.pacer.is_watched() {
            match self.damage.take() {
                Some(damage) => drop(self.link.conn.damage_destroy(damage)?),
                None => {
                    let damage = self.link.conn.generate_id().map_err(LinkError::Id)?;
                    let level = damage::ReportLevel::RAW_RECTANGLES;
                    self.link.conn.damage_create(damage, self.link.root, level)?;
                    self.damage = Some(damage);
                }
            }
            self.flags.taken.store(false, Ordering::Release);
            self.stamps.clear();
            self.pacer.handle_watch(now, watched);
            if !watched && let Some(segment) = self.segment.take() {
                segment.detach(&self.link)?;
            }
        }
        if self.flags.refresh.swap(false, Ordering::AcqRel) {
            self.pacer.handle_refresh(now);
        }
        if self.flags.taken.swap(false, Ordering::AcqRel) {
            self.pacer.handle_taken();
        }
        Ok(())
    }

    fn handle_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::DamageNotify(notify) => {
                let area = notify.area;
                self.pacer.handle_damage(now, on_screen(area.x, area.y, area.width, area.height));
            }
            Event::ConfigureNotify(notify) if notify.window == self.link.root => {
                if let Ok(size) = Size::new(notify.width.into(), notify.height.into()) {
                    self.resize(now, size);
                }
            }
            _ => {}
        }
    }

    fn resize(&mut self, now: Instant, size: Size) {
        if size != self.pacer.size() {
            self.sink.resize(size);
            self.pacer.handle_resize(now, size);
        }
    }

    fn capture(&mut self, batch: Batch) -> Result<(), LinkError> {
        let size = self.pacer.size();
        let wanted = size.area() as usize * 4;
        if self.segment.as_ref().is_none_or(|segment| segment.len() != wanted) {
            if let Some(old) = self.segment.take() {
                old.detach(&self.link)?;
            }
            self.segment = Some(Segment::attach(&self.link, size)?);
        }
        let Some(segment) = &self.segment else { return Ok(()) };
        let mut grabs = Vec::with_capacity(batch.rects.len());
        let mut offset = 0;
        for rect in &batch.rects {
            let len = rect.area() as usize * 4;
            let grab = self.link.conn.shm_get_image(
                self.link.root,
                rect.x as i16,
                rect.y as i16,
                rect.width as u16,
                rect.height as u16,
                !0,
                ImageFormat::Z_PIXMAP.into(),
                segment.id,
                offset as u32,
            )?;
            grabs.push((*rect, offset, len, grab));
            offset += len;
        }
        let mut read = Vec::with_capacity(grabs.len());
        let mut missed = false;
        for (rect, offset, len, grab) in grabs {
            match grab.reply() {
                Ok(_) => read.push((rect, offset, len)),
                // The screen has shrunk since: the whole of the new size follows.
                Err(ReplyError::X11Error(error)) if error.error_kind == ErrorKind::Match => missed = true,
                Err(error) => return Err(error.into()),
            }
        }
        let captured_at = Instant::now();
        if missed {
            self.pacer.handle_taken();
            let size = root_size(&self.link)?;
            self.sink.resize(size);
            self.pacer.handle_resize(captured_at, size);
            return Ok(());
        }
        for (rect, offset, len) in read {
            self.sink.patch(rect, segment.pixels(offset, len), rect.width as usize * 4);
        }
        self.serial += 1;
        let echoes = self.echoes(captured_at, batch.last_damage);
        self.sink.commit(FrameMoment {
            serial: self.serial,
            damaged_at: batch.first_damage,
            captured_at,
            echoes,
        });
        Ok(())
    }

    /// The stamps of inputs that were sent before the last damage of this picture.
    fn echoes(&mut self, now: Instant, last_damage: Instant) -> Vec<InputStamp> {
        self.stamps.extend(self.sent.try_iter());
        while self.stamps.len() > MOST_STAMPS {
            self.stamps.pop_front();
        }
        self.stamps.retain(|(sent, _)| now.saturating_duration_since(*sent) < STAMP_LIFE);
        let shown = self.stamps.partition_point(|(sent, _)| *sent <= last_damage);
        self.stamps.drain(..shown).map(|(_, stamp)| stamp).collect()
    }
}

/// A rectangle of the X server's on the screen: what lies left of or above it is cut off.
fn on_screen(x: i16, y: i16, width: u16, height: u16) -> Rect {
    let side = |start: i16, length: u16| {
        let end = (i32::from(start) + i32::from(length)).max(0) as u32;
        let start = u32::try_from(start).unwrap_or(0);
        (start.min(end), end.saturating_sub(start))
    };
    let ((x, width), (y, height)) = (side(x, width), side(y, height));
    Rect { x, y, width, height }
}
