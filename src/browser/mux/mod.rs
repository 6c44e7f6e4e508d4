//! The CDP multiplexer: many clients on the one debugging pipe of a Chromium.
//!
//! Owns the pipe. The decisions are in `core`, which does no IO; here is
//! the task that reads, asks it and writes. A client that does not
//! read is disconnected; it never slows the others or the browser.

mod acts;
mod core;
mod door;
mod guest;
mod guests;
mod message;
mod tally;

pub use self::core::{ClientId, Rules};
pub use door::Door;
pub use guest::{GuestOptions, GuestRules, GuestSignal};
pub use tally::{ActTally, Acts};

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
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
/// A buffer larger than this is not kept for the next message.
const LARGE: usize = 1 << 20;
/// Messages that are there at once go out in one write of about this size.
const TOGETHER: usize = 16 << 10;
/// So many orders are taken before what they cause goes out.
const MOST_TOGETHER: usize = 64;
/// One for the floor and those for a person's yes.
const MOST_WISHES: usize = 17;
/// How many clients one browser takes.
const MOST_CLIENTS: usize = 64;

enum Order {
    Attach(Rules, Option<GuestOptions>, oneshot::Sender<Option<Attached>>),
    Message(ClientId, Bytes),
    Floor(ClientId, Result<Arc<FloorPermit>, String>),
    Yes(ClientId, u64, Result<(), String>),
    Gone(ClientId),
}

/// Gives a multiplexer with one client of ours and one from outside these
/// messages, by turns from the clients and from the browser, as whoever tests
/// with odd ones has them. Says how many outputs came of it.
#[cfg(feature = "bench")]
pub fn feed(messages: &[u8], options: GuestOptions) -> usize {
    let (mut mux, now) = (Mux::default(), Instant::now());
    let clients = [mux.attach(now, Rules::default(), None), mux.attach(now, Rules::default(), Some(options))];
    for id in 1..=2 {
        let session = format!(r#"{{"id":{id},"result":{{"sessionId":"s{id}"}}}}"#);
        let _ = mux.handle_from_browser(now, session.as_bytes());
    }
    for (turn, message) in messages.split(|byte| *byte == 0).enumerate() {
        match turn % 3 {
            0 => drop(mux.handle_from_browser(now, message)),
            turn => mux.handle_from_client(now, clients[turn - 1], Bytes::copy_from_slice(message)),
        }
    }
    mux.handle_timeout(now);
    clients.into_iter().for_each(|client| mux.handle_gone(client));
    std::iter::from_fn(|| mux.poll_output()).count()
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
    acts: Arc<ActTally>,
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
        // One task reads, decides and writes: a message is not handed from thread to thread on its way.
        tokio::spawn(run(orders.downgrade(), queue, Reading::new(read), Writing::new(write)));
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

    /// How often it acted: what a client from outside does is to be written down.
    pub fn acts(&self) -> Arc<ActTally> {
        Arc::clone(&self.acts)
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

    /// The answer to [`GuestSignal::WantYes`].
    pub async fn yes(&self, number: u64, answer: Result<(), String>) -> Result<(), MuxError> {
        self.orders.send(Order::Yes(self.client, number, answer)).await.map_err(|_| MuxError::Gone)
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
    mut reading: Reading,
    mut writing: Writing,
) {
    let mut switchboard = Switchboard { own, mux: Mux::default(), clients: HashMap::new() };
    loop {
        let due = switchboard.mux.poll_timeout();
        let preempted = switchboard.mux.preempted();
        let mut stale = false;
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            able = writing.pipe.writable(), if writing.waits() => if able.is_err() {
                return;
            },
            open = reading.more() => {
                if !open {
                    return;
                }
                while let Some(message) = reading.take() {
                    switchboard.handle_from_browser(&message);
                }
            }
            order = orders.recv(), if !writing.waits() => {
                let Some(order) = order else { return };
                switchboard.handle(order);
                // What is there together goes out together.
                for _ in 1..MOST_TOGETHER {
                    let Ok(order) = orders.try_recv() else { break };
                    switchboard.handle(order);
                }
            }
            () = timer, if !writing.waits() => {}
            () = preempted => stale = true,
        }
        // Also when messages come without a pause: a hand must not stay down for that.
        let now = Instant::now();
        if stale || due.is_some_and(|at| at <= now) {
            switchboard.mux.handle_timeout(now);
        }
        loop {
            switchboard.hand_out(&mut writing.backlog);
            match writing.write() {
                Ok(None) => break,
                // It finds its way to the client as if the browser had refused it.
                Ok(Some(refusal)) => switchboard.handle_from_browser(&refusal),
                Err(error) => return tracing::debug!(%error, "the browser's pipe is closed"),
            }
        }
    }
}

/// The clients and the machine that decides about their messages.
struct Switchboard {
    own: mpsc::WeakSender<Order>,
    mux: Mux,
    clients: HashMap<ClientId, Outbox>,
}

impl Switchboard {
    fn handle(&mut self, order: Order) {
        match order {
            Order::Attach(_, _, reply) if self.mux.clients() >= MOST_CLIENTS => {
                let _ = reply.send(None);
            }
            Order::Attach(rules, guest, reply) => {
                let client = self.mux.attach(Instant::now(), rules, guest);
                let acts = self.mux.acts_of(client);
                // A client that lets this many messages wait is disconnected.
                let (queue, inbox) = mpsc::channel(MOST_WAITING_MESSAGES);
                let waiting = Arc::new(AtomicUsize::new(0));
                // Pointers that nobody has looked at yet are lost beyond this many.
                let (signals, wishes) = mpsc::channel(64);
                self.clients.insert(client, Outbox { queue, signals, waiting: Arc::clone(&waiting) });
                let attached = self.own.upgrade().map(|orders| Attached {
                    client,
                    orders,
                    inbox,
                    signals: Some(wishes),
                    waiting,
                    acts,
                });
                if let Err(Some(unwanted)) = reply.send(attached) {
                    drop(unwanted);
                }
            }
            Order::Message(client, message) => {
                self.mux.handle_from_client(Instant::now(), client, message);
            }
            Order::Floor(client, answer) => self.mux.handle_floor(Instant::now(), client, answer),
            Order::Yes(client, number, answer) => {
                self.mux.handle_yes(Instant::now(), client, number, answer);
            }
            Order::Gone(client) => self.remove(client),
        }
    }

    fn handle_from_browser(&mut self, message: &[u8]) {
        if let Err(error) = self.mux.handle_from_browser(Instant::now(), message) {
            tracing::warn!(%error, length = message.len(), "the browser sent something unreadable");
        }
    }

    fn remove(&mut self, client: ClientId) {
        self.clients.remove(&client);
        self.mux.handle_gone(client);
    }

    /// Gives what the machine has decided to whom it is for; what is for the browser to `backlog`.
    fn hand_out(&mut self, backlog: &mut VecDeque<Outgoing>) {
        while let Some(output) = self.mux.poll_output() {
            match output {
                Output::ToBrowser(message) => backlog.push_back(Outgoing::Message(message)),
                Output::Act(id, message, permit) => backlog.push_back(Outgoing::Act(id, message, permit)),
                Output::Signal(client, signal) => {
                    // Wishes are not lost: they are few, and pointers leave them room.
                    let wish = !matches!(signal, GuestSignal::Pointer { .. });
                    if let Some(outbox) = self.clients.get(&client)
                        && (wish || outbox.signals.capacity() > MOST_WISHES)
                    {
                        let _ = outbox.signals.try_send(signal);
                    }
                }
                Output::ToClient(client, message) => {
                    let refused = self.clients.get(&client).is_some_and(|outbox| !outbox.offer(message));
                    if refused {
                        tracing::warn!(?client, "a CDP client does not read; disconnected");
                        self.remove(client);
                    }
                }
                Output::Drop(client, why) => {
                    tracing::debug!(?client, why, "a CDP client was detached");
                    self.clients.remove(&client);
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

/// The browser's messages, each ended by a zero byte.
struct Reading {
    pipe: pipe::Receiver,
    buffer: BytesMut,
    /// How far the buffer is known to hold no end of a message.
    searched: usize,
}

impl Reading {
    fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe, buffer: BytesMut::with_capacity(64 << 10), searched: 0 }
    }

    /// Waits for more bytes; false when none will come. May be dropped at any time.
    async fn more(&mut self) -> bool {
        if self.searched > LONGEST_FROM_BROWSER {
            tracing::error!("the browser sent a message without an end; its pipe is closed");
            return false;
        }
        self.buffer.reserve(64 << 10);
        match self.pipe.read_buf(&mut self.buffer).await {
            Ok(read) => read > 0,
            Err(error) => {
                tracing::warn!(%error, "the browser's pipe broke");
                false
            }
        }
    }

    /// The next message that is there as a whole.
    fn take(&mut self) -> Option<BytesMut> {
        let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == 0) else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + end;
        let mut message = self.buffer.split_to(end + 1);
        message.truncate(end);
        self.searched = 0;
        Some(message)
    }
}

/// What goes to the browser.
struct Writing {
    pipe: pipe::Sender,
    /// What the browser does not read yet. Grows only by our own few calls
    /// while it is not empty, since no order is taken then.
    backlog: VecDeque<Outgoing>,
    /// What is left of the message that is being written.
    rest: BytesMut,
}

impl Writing {
    fn new(pipe: pipe::Sender) -> Self {
        Self { pipe, backlog: VecDeque::new(), rest: BytesMut::new() }
    }

    /// True while the pipe is full.
    fn waits(&self) -> bool {
        !self.rest.is_empty() || !self.backlog.is_empty()
    }

    /// Writes as much as the pipe takes. Gives the refusal of an act whose
    /// permit is no longer good; then it has to be called again.
    fn write(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(refusal) = self.fill() {
                return Ok(Some(refusal));
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
            match self.pipe.try_write(&self.rest) {
                Ok(written) => self.rest.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes what goes out in one write: an act only at its head, so that its
    /// permit is asked when it goes out and not when it was queued.
    fn fill(&mut self) -> Option<Vec<u8>> {
        if !self.rest.is_empty() {
            return None;
        }
        if self.rest.capacity() > LARGE {
            self.rest = BytesMut::new();
        }
        let mut is_head = true;
        while let Some(next) = self.backlog.front() {
            let message = match next {
                Outgoing::Message(message) if is_head || self.rest.len() + message.len() < TOGETHER => {
                    message
                }
                Outgoing::Act(id, message, permit) if is_head => match permit.check() {
                    Ok(()) => message,
                    Err(error) => {
                        let error = serde_json::json!({ "code": -32000, "message": error.to_string() });
                        let refusal = serde_json::json!({ "id": id, "error": error });
                        self.backlog.pop_front();
                        return Some(refusal.to_string().into_bytes());
                    }
                },
                _ => break,
            };
            self.rest.reserve(message.len() + 1);
            self.rest.extend_from_slice(message);
            self.rest.extend_from_slice(&[0]);
            self.backlog.pop_front();
            is_head = false;
        }
        None
    }
}
