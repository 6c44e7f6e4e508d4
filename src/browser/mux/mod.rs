//! The CDP multiplexer: many clients on the one debugging pipe of a Chromium.
//!
//! Owns the pipe. The decisions are in `core`, which does no IO; here are
//! the reader, the writer and the task between them. A client that does not
//! read is disconnected; it never slows the others or the browser.

mod acts;
mod core;
mod door;
mod guest;
mod guests;
mod message;

pub use self::core::{ClientId, Rules};
pub use door::Door;
pub use guest::{GuestOptions, GuestSignal};

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use self::core::{Mux, Output};
use crate::floor::FloorPermit;

/// The longest message from a client.
pub const LONGEST_FROM_CLIENT: usize = 32 << 20;
/// The longest message from the browser: a screenshot, a heap snapshot's piece.
const LONGEST_FROM_BROWSER: usize = 256 << 20;
/// What may wait for one client before it counts as not reading.
const MOST_WAITING_BYTES: usize = 64 << 20;
const MOST_WAITING_MESSAGES: usize = 8192;
/// How many clients one browser takes.
const MOST_CLIENTS: usize = 64;

enum Order {
    Attach(Rules, Option<GuestOptions>, oneshot::Sender<Option<Attached>>),
    Message(ClientId, Bytes),
    Floor(ClientId, Result<Arc<FloorPermit>, String>),
    Gone(ClientId),
}

/// Where clients come in. Cheap to clone.
#[derive(Clone)]
pub struct Multiplexer {
    orders: mpsc::Sender<Order>,
}

/// A client's duplex of JSON text messages. Dropping it detaches the client.
pub struct Attached {
    client: ClientId,
    orders: mpsc::Sender<Order>,
    inbox: mpsc::Receiver<Bytes>,
    signals: Option<mpsc::Receiver<GuestSignal>>,
    waiting: Arc<AtomicUsize>,
}

/// What goes into the pipe.
enum Outgoing {
    Message(Bytes),
    /// An act with the id of its call.
    Act(u64, Bytes, Arc<FloorPermit>),
}

/// The sending half of a client.
#[derive(Clone)]
pub struct ToBrowser {
    client: ClientId,
    orders: mpsc::Sender<Order>,
}

/// The pipe is closed, or the message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MuxError {
    #[error("the browser has gone")]
    Gone,
    #[error("the browser has too many CDP clients; close one of them")]
    Full,
    #[error("a CDP message may have at most {LONGEST_FROM_CLIENT} bytes")]
    TooLong,
}

struct Outbox {
    queue: mpsc::Sender<Bytes>,
    signals: mpsc::Sender<GuestSignal>,
    waiting: Arc<AtomicUsize>,
}

impl Multiplexer {
    /// Takes the two ends of the pipe. Ends by itself when the browser does.
    pub fn start(read: OwnedFd, write: OwnedFd) -> std::io::Result<Self> {
        let read = pipe::Receiver::from_owned_fd(read)?;
        let write = pipe::Sender::from_owned_fd(write)?;
        // When 256 orders wait, a client's sender waits: the pressure goes back to whoever writes.
        let (orders, queue) = mpsc::channel(256);
        // When 64 messages wait, the browser's writes wait in the pipe.
        let (arrived, messages) = mpsc::channel(64);
        // When 64 writes wait, no client's order is taken until the browser reads.
        let (writes, outgoing) = mpsc::channel(64);
        tokio::spawn(read_pipe(read, arrived.clone()));
        tokio::spawn(write_pipe(write, outgoing, arrived.downgrade()));
        drop(arrived);
        tokio::spawn(run(orders.downgrade(), queue, messages, writes));
        Ok(Self { orders })
    }

    /// A new client.
    pub async fn attach(&self, rules: Rules) -> Result<Attached, MuxError> {
        self.attach_as(rules, None).await
    }

    /// A client from outside: what it may do is judged, and its acts need the floor.
    pub async fn attach_guest(&self, options: GuestOptions) -> Result<Attached, MuxError> {
        self.attach_as(Rules::default(), Some(options)).await
    }

    async fn attach_as(&self, rules: Rules, guest: Option<GuestOptions>) -> Result<Attached, MuxError> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Attach(rules, guest, reply)).await.map_err(|_| MuxError::Gone)?;
        answer.await.map_err(|_| MuxError::Gone)?.ok_or(MuxError::Full)
    }
}

impl Attached {
    /// What a client from outside needs of its room. Taken once.
    pub fn take_signals(&mut self) -> Option<mpsc::Receiver<GuestSignal>> {
        self.signals.take()
    }

    /// True when another message is there already.
    pub fn has_next(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The next message, or nothing when the client was cut off or the browser has gone.
    pub async fn next(&mut self) -> Option<Bytes> {
        let message = self.inbox.recv().await?;
        self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
        Some(message)
    }

    pub fn sender(&self) -> ToBrowser {
        ToBrowser { client: self.client, orders: self.orders.clone() }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let (orders, gone) = (self.orders.clone(), Order::Gone(self.client));
        if let Err(mpsc::error::TrySendError::Full(gone)) = orders.try_send(gone)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { orders.send(gone).await });
        }
    }
}

impl ToBrowser {
    pub async fn send(&self, message: Bytes) -> Result<(), MuxError> {
        if message.len() > LONGEST_FROM_CLIENT {
            return Err(MuxError::TooLong);
        }
        self.orders.send(Order::Message(self.client, message)).await.map_err(|_| MuxError::Gone)
    }

    /// The answer to [`GuestSignal::WantFloor`]: the permit, or for whom it is not.
    pub async fn floor(&self, answer: Result<FloorPermit, String>) -> Result<(), MuxError> {
        let answer = answer.map(Arc::new);
        self.orders.send(Order::Floor(self.client, answer)).await.map_err(|_| MuxError::Gone)
    }
}

async fn run(
    // Weak, so that the task ends when nobody can reach it any more.
    own: mpsc::WeakSender<Order>,
    mut orders: mpsc::Receiver<Order>,
    mut messages: mpsc::Receiver<BytesMut>,
    writes: mpsc::Sender<Outgoing>,
) {
    let mut mux = Mux::default();
    let mut clients: HashMap<ClientId, Outbox> = HashMap::new();
    // What the browser does not read yet. Grows only by our own few calls
    // while it is not empty, since no order is taken then.
    let mut backlog = std::collections::VecDeque::new();
    loop {
        let due = mux.poll_timeout();
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            permit = writes.reserve(), if !backlog.is_empty() => match (permit, backlog.pop_front()) {
                (Ok(permit), Some(message)) => permit.send(message),
                _ => return,
            },
            message = messages.recv() => match message {
                Some(message) => {
                    if let Err(error) = mux.handle_from_browser(Instant::now(), &message) {
                        tracing::warn!(%error, length = message.len(), "the browser sent something unreadable");
                    }
                }
                None => return,
            },
            order = orders.recv(), if backlog.is_empty() => match order {
                Some(Order::Attach(_, _, reply)) if mux.clients() >= MOST_CLIENTS => {
                    let _ = reply.send(None);
                }
                Some(Order::Attach(rules, guest, reply)) => {
                    let client = mux.attach(Instant::now(), rules, guest);
                    // A client that lets this many messages wait is disconnected.
                    let (queue, inbox) = mpsc::channel(MOST_WAITING_MESSAGES);
                    let waiting = Arc::new(AtomicUsize::new(0));
                    // Pointers that nobody has looked at yet are lost beyond this many.
                    let (signals, wishes) = mpsc::channel(64);
                    clients.insert(client, Outbox { queue, signals, waiting: Arc::clone(&waiting) });
                    let attached = own.upgrade().map(|orders| Attached {
                        client,
                        orders,
                        inbox,
                        signals: Some(wishes),
                        waiting,
                    });
                    if let Err(Some(unwanted)) = reply.send(attached) {
                        drop(unwanted);
                    }
                }
                Some(Order::Message(client, message)) => {
                    mux.handle_from_client(Instant::now(), client, message);
                }
                Some(Order::Floor(client, answer)) => mux.handle_floor(Instant::now(), client, answer),
                Some(Order::Gone(client)) => {
                    clients.remove(&client);
                    mux.handle_gone(client);
                }
                None => return,
            },
            () = timer, if backlog.is_empty() => {}
        }
        // Also when messages come without a pause: a hand must not stay down for that.
        let now = Instant::now();
        if due.is_some_and(|at| at <= now) {
            mux.handle_timeout(now);
        }
        while let Some(output) = mux.poll_output() {
            match output {
                Output::ToBrowser(message) => backlog.push_back(Outgoing::Message(message)),
                Output::Act(id, message, permit) => backlog.push_back(Outgoing::Act(id, message, permit)),
                Output::Signal(client, signal) => {
                    // A wish for the floor is not lost: there is one at a time, and pointers leave it room.
                    let wish = signal == GuestSignal::WantFloor;
                    if let Some(outbox) = clients.get(&client)
                        && (wish || outbox.signals.capacity() > 1)
                    {
                        let _ = outbox.signals.try_send(signal);
                    }
                }
                Output::ToClient(client, message) => {
                    let refused = clients.get(&client).is_some_and(|outbox| !outbox.offer(message));
                    if refused {
                        tracing::warn!(?client, "a CDP client does not read; disconnected");
                        clients.remove(&client);
                        mux.handle_gone(client);
                    }
                }
                Output::Drop(client, why) => {
                    tracing::debug!(?client, why, "a CDP client was detached");
                    clients.remove(&client);
                }
            }
        }
    }
}

impl Outbox {
    /// Puts a message in the queue; false when it is full.
    fn offer(&self, message: Bytes) -> bool {
        let length = message.len();
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        if before > 0 && before + length > MOST_WAITING_BYTES {
            return false;
        }
        // A closed queue means that the client is on its way out; that is not its fault.
        !matches!(self.queue.try_send(message), Err(mpsc::error::TrySendError::Full(_)))
    }
}

/// Reads messages, each ended by a zero byte.
async fn read_pipe(mut pipe: pipe::Receiver, messages: mpsc::Sender<BytesMut>) {
    let mut buffer = BytesMut::with_capacity(64 << 10);
    // How far the buffer is known to hold no end of a message.
    let mut searched = 0;
    loop {
        while let Some(end) = buffer[searched..].iter().position(|byte| *byte == 0) {
            let mut message = buffer.split_to(searched + end + 1);
            message.truncate(searched + end);
            searched = 0;
            if messages.send(message).await.is_err() {
                return;
            }
        }
        searched = buffer.len();
        if searched > LONGEST_FROM_BROWSER {
            tracing::error!("the browser sent a message without an end; its pipe is closed");
            return;
        }
        buffer.reserve(64 << 10);
        match pipe.read_buf(&mut buffer).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => return tracing::warn!(%error, "the browser's pipe broke"),
        }
    }
}

async fn write_pipe(
    mut pipe: pipe::Sender,
    mut messages: mpsc::Receiver<Outgoing>,
    refused: mpsc::WeakSender<BytesMut>,
) {
    while let Some(message) = messages.recv().await {
        let message = match message {
            Outgoing::Message(message) => message,
            Outgoing::Act(id, message, permit) => match permit.check() {
                Ok(()) => message,
                Err(error) => {
                    // Told as if the browser had refused it, so that it finds its way to the client.
                    let error = serde_json::json!({ "id": id, "error": { "code": -32000, "message": error.to_string() } });
                    if let Some(refused) = refused.upgrade() {
                        let _ = refused.send(BytesMut::from(error.to_string().as_bytes())).await;
                    }
                    continue;
                }
            },
        };
        let mut framed = BytesMut::with_capacity(message.len() + 1);
        framed.extend_from_slice(&message);
        framed.extend_from_slice(&[0]);
        if let Err(error) = pipe.write_all(&framed).await {
            return tracing::debug!(%error, "the browser's pipe is closed");
        }
    }
}
