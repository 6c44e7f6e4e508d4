//! A thread's connection to the X server, and the bell that wakes the thread.
//!
//! Owns the way in (socket and cookie) and the one place where a thread
//! waits: for the X server, for its bell, or for a moment.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use x11rb::connection::Connection;
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::xproto::Window;
use x11rb::rust_connection::{DefaultStream, RustConnection};

use super::DisplayError;
use crate::base::Redacted;

/// How to reach one X server: who has this may see and do everything on it.
#[derive(Clone, Debug)]
pub(super) struct Door {
    pub number: u32,
    pub cookie: Redacted<[u8; 16]>,
}

/// Why a thread's connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error("the connection is lost: {0}")]
    Lost(#[from] ConnectionError),
    #[error("{0}")]
    Reply(#[from] ReplyError),
    #[error("{0}")]
    Id(#[from] ReplyOrIdError),
    #[error("{what}: {source}")]
    System { what: &'static str, source: std::io::Error },
}

/// An X connection with its root window.
pub(super) struct Link {
    pub conn: RustConnection,
    pub root: Window,
}

/// Wakes one thread. Ringing twice before it looks wakes it once.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<OwnedFd>);

/// The sending end of a thread's queue. Bounded; what a full one means is for the sender to say.
pub(super) struct Post<T> {
    queue: Option<SyncSender<T>>,
    bell: Bell,
}

/// The thread's end of its queue.
pub(super) struct Mail<T> {
    queue: Receiver<T>,
    bell: Bell,
}

/// What a look at the queue shows.
pub(super) enum Letter<T> {
    Got(T),
    Empty,
    /// Nobody can send any more: the thread ends.
    Closed,
}

impl Door {
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/tmp/.X11-unix/X{}", self.number))
    }

    pub fn open(&self) -> Result<Link, DisplayError> {
        let path = self.socket();
        let socket = |source| DisplayError::Socket { path: path.clone(), source };
        let stream = UnixStream::connect(&path).map_err(socket)?;
        let (stream, _) = DefaultStream::from_unix_stream(stream).map_err(socket)?;
        let conn = RustConnection::connect_to_stream_with_auth_info(
            stream,
            0,
            b"MIT-MAGIC-COOKIE-1".to_vec(),
            self.cookie.reveal().to_vec(),
        )
        .map_err(|error| DisplayError::Refused { number: self.number, reason: error.to_string() })?;
        let root = conn.setup().roots.first().map_or(0, |screen| screen.root);
        Ok(Link { conn, root })
    }
}

impl LinkError {
    pub fn request(self, what: &'static str) -> DisplayError {
        DisplayError::Request { what, reason: self.to_string() }
    }
}

impl Link {
    /// Sends what is buffered, then waits for the X server, the bell or the
    /// moment. All events that are already here must have been taken.
    pub fn wait(&self, bell: &Bell, until: Option<Instant>) -> Result<(), LinkError> {
        self.conn.flush()?;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: left.as_secs().min(3600) as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut fds = [
            PollFd::new(self.conn.stream(), PollFlags::IN),
            PollFd::from_borrowed_fd(bell.0.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => {
                return Err(LinkError::System { what: "waiting for the X server", source: errno.into() });
            }
        }
        if !fds[1].revents().is_empty() {
            bell.silence();
        }
        Ok(())
    }
}

impl Bell {
    pub fn new() -> Result<Self, DisplayError> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map(|fd| Self(Arc::new(fd)))
            .map_err(|errno| DisplayError::System { what: "an event descriptor", source: errno.into() })
    }

    pub fn ring(&self) {
        // A full counter means that it already rings.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }

    fn silence(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0u8; 8]);
    }
}

/// A queue of at most `bound` letters with a bell.
pub(super) fn mailbox<T>(bound: usize) -> Result<(Post<T>, Mail<T>), DisplayError> {
    let bell = Bell::new()?;
    let (post, mail) = sync_channel(bound);
    Ok((Post { queue: Some(post), bell: bell.clone() }, Mail { queue: mail, bell }))
}

impl<T> Post<T> {
    pub fn send(&self, letter: T) -> Result<(), TrySendError<T>> {
        match &self.queue {
            Some(queue) => queue.try_send(letter)?,
            None => return Err(TrySendError::Disconnected(letter)),
        }
        self.bell.ring();
        Ok(())
    }

    /// The thread sees its queue closed.
    pub fn close(&mut self) {
        self.queue = None;
        self.bell.ring();
    }
}

impl<T> Drop for Post<T> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T> Mail<T> {
    pub fn look(&self) -> Letter<T> {
        match self.queue.try_recv() {
            Ok(letter) => Letter::Got(letter),
            Err(TryRecvError::Empty) => Letter::Empty,
            Err(TryRecvError::Disconnected) => Letter::Closed,
        }
    }

    pub fn bell(&self) -> &Bell {
        &self.bell
    }
}
