//! The way into a room's record: one queue, in order, bounded; one task that
//! writes what waits together in one transaction.
//!
//! While the store fails, what must be recorded before it happens is refused
//! at once, and facts wait here. When too many wait, all acts of the room are
//! refused until they are written ([`Recorder::takes`]). Should even more
//! facts come that nobody can refuse, they are counted, and the count is
//! written as soon as something can be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Outcome, RecordKind, now};
use super::reading::Record;
use crate::base::RoomId;
use crate::room::calls::CallBook;
use crate::store::{NewLine, Store, StoreError};

/// So many lines wait at most.
const MOST_WAITING: usize = 4096;
/// With so many facts waiting, acts are refused: the rest is for what cannot be.
const CROWDED: usize = 3072;
/// So many lines are one transaction at most.
const BATCH: usize = 256;
/// After a failure it is tried again so soon, then ever later.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The oldest lines are looked at so often, and after so many new ones.
const TRIM_EVERY: Duration = Duration::from_secs(3600);
const TRIM_AFTER: usize = 2000;
/// What still waits when the room ends may take so long.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why something was not recorded, and so not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(
        "not done, because it cannot be written to the room's record: {reason}. Try again when that is mended"
    )]
    Failed { reason: String },
    #[error(
        "not done, because {waiting} facts wait to be written to the room's record ({reason}). Try again when they are"
    )]
    Full { waiting: usize, reason: String },
    #[error("not done, because the room's record is closed: the room is stopping")]
    Closed,
}

/// How much of the past a room keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub age: Duration,
    pub bytes: u64,
}

/// Where the lines of one room go. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
    _alive: Arc<Alive>,
}

/// An act that was recorded before it began. Dropped without a word about its
/// end, it was cancelled.
#[must_use = "an act that begins ends somehow"]
pub struct Begun {
    recorder: Recorder,
    entry: Entry,
    seq: u64,
    ended: bool,
}

struct Shared {
    room: RoomId,
    store: Store,
    retention: Retention,
    /// One moment on both clocks.
    began: (Instant, i64),
    calls: CallBook,
    queue: Mutex<Queue>,
    /// Something waits to be written.
    wake: Notify,
    /// Somebody waits for it: a store that failed is tried again at once.
    urgent: Notify,
    ended: CancellationToken,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// How many of them nobody waits for.
    facts: usize,
    /// Facts for which there was no place any more.
    lost: u64,
    /// Why the last try failed.
    failing: Option<String>,
    closed: bool,
}

struct Item {
    line: NewLine,
    reply: Option<oneshot::Sender<Result<u64, RecordError>>>,
    /// Told the number of a fact; waits for no failure.
    told: Option<oneshot::Sender<u64>>,
}

/// Ends the task with the last recorder.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Recorder {
    /// Starts the task that writes; it ends when the record is closed.
    pub fn open(store: Store, room: RoomId, retention: Retention) -> Self {
        let shared = Arc::new(Shared {
            room,
            store,
            retention,
            began: (Instant::now(), now()),
            calls: CallBook::default(),
            queue: Mutex::default(),
            wake: Notify::new(),
            urgent: Notify::new(),
            ended: CancellationToken::new(),
        });
        tokio::spawn(run(Arc::clone(&shared)));
        Self { _alive: Arc::new(Alive(Arc::clone(&shared))), shared }
    }

    /// Writes what is about to happen; gives its number when it is written.
    pub async fn write(&self, entry: Entry) -> Result<u64, RecordError> {
        let (reply, written) = oneshot::channel();
        let line = entry.into_line(&self.shared.room);
        {
            let mut queue = self.shared.queue();
            queue.takes()?;
            queue.items.push_back(Item { line, reply: Some(reply), told: None });
        }
        self.shared.wake.notify_one();
        self.shared.urgent.notify_one();
        written.await.map_err(|_| RecordError::Closed)?
    }

    /// Writes what is about to happen, to be told how it ended.
    pub async fn begin(&self, entry: Entry) -> Result<Begun, RecordError> {
        let entry = entry.outcome(Outcome::Begun);
        let seq = self.write(entry.clone()).await?;
        Ok(Begun { recorder: self.clone(), entry, seq, ended: false })
    }

    /// Writes down what has happened, in its turn. Never waits.
    pub fn note(&self, entry: Entry) {
        self.note_fact(entry, None);
    }

    /// The same; gives the line's number once it is written.
    pub fn note_told(&self, entry: Entry) -> oneshot::Receiver<u64> {
        let (told, number) = oneshot::channel();
        self.note_fact(entry, Some(told));
        number
    }

    fn note_fact(&self, entry: Entry, told: Option<oneshot::Sender<u64>>) {
        let mut queue = self.shared.queue();
        if queue.closed {
            tracing::warn!(room = %self.shared.room, "a fact came after the record was closed");
            return;
        }
        if queue.items.len() >= MOST_WAITING {
            queue.lost += 1;
            if queue.lost == 1 {
                tracing::error!(room = %self.shared.room, "facts come faster than the record is written");
            }
            return;
        }
        queue.items.push_back(Item { line: entry.into_line(&self.shared.room), reply: None, told });
        queue.facts += 1;
        self.shared.wake.notify_one();
    }

    /// Whether anything may be done now that will have to be recorded.
    pub fn takes(&self) -> Result<(), RecordError> {
        self.shared.queue().takes()
    }

    /// Which lines are calls of a conversation.
    pub fn calls(&self) -> &CallBook {
        &self.shared.calls
    }

    /// The record, to be read.
    pub fn record(&self) -> Record {
        Record::new(self.shared.store.clone(), self.shared.room.clone())
    }

    /// Ends when everything that waits is written, or could not be.
    pub async fn close(&self) {
        self.shared.close();
        self.shared.ended.cancelled().await;
    }
}

impl Begun {
    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub fn done(self) {
        self.end(Outcome::Done, "");
    }

    pub fn end(mut self, outcome: Outcome, reason: &str) {
        self.tell(outcome, reason);
    }

    fn tell(&mut self, outcome: Outcome, reason: &str) {
        if !std::mem::replace(&mut self.ended, true) {
            self.recorder.note(self.entry.ending(self.seq, outcome).because(reason));
        }
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.tell(Outcome::Cancelled, "");
    }
}

impl Queue {
    fn takes(&self) -> Result<(), RecordError> {
        if self.closed {
            return Err(RecordError::Closed);
        }
        if self.facts >= CROWDED || self.items.len() >= MOST_WAITING {
            let reason = self.failing.clone().unwrap_or_else(|| "they come too fast".to_owned());
            return Err(RecordError::Full { waiting: self.items.len(), reason });
        }
        Ok(())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_one();
        self.urgent.notify_one();
    }

    fn take_batch(&self) -> (Vec<Item>, bool) {
        let mut queue = self.queue();
        let mut batch: Vec<Item> = Vec::new();
        if queue.lost > 0 && queue.items.is_empty() {
            let details = json!({ "facts": queue.lost });
            let entry = Entry::new(RecordKind::Record, "lost").outcome(Outcome::Failed).details(details);
            batch.push(Item { line: entry.into_line(&self.room), reply: None, told: None });
            queue.facts += 1;
            queue.lost = 0;
        }
        let count = queue.items.len().min(BATCH);
        batch.extend(queue.items.drain(..count));
        (batch, queue.closed)
    }

    fn written(&self, batch: Vec<Item>, last: u64) {
        let facts = batch.iter().filter(|item| item.reply.is_none()).count();
        {
            let mut queue = self.queue();
            queue.facts = queue.facts.saturating_sub(facts);
            if queue.failing.take().is_some() {
                tracing::info!(room = %self.room, "the record is written again");
            }
        }
        let first = last + 1 - batch.len() as u64;
        for (seq, item) in (first..).zip(batch) {
            if let Some(reply) = item.reply {
                let _ = reply.send(Ok(seq));
            }
            if let Some(told) = item.told {
                let _ = told.send(seq);
            }
        }
    }

    /// Facts wait for the next try; whoever waits for an answer has it now.
    fn failed(&self, batch: Vec<Item>, error: &StoreError) {
        let reason = error.to_string();
        let mut queue = self.queue();
        if queue.failing.as_ref() != Some(&reason) {
            tracing::error!(room = %self.room, reason, "the record cannot be written; acts are refused");
        }
        let later = std::mem::take(&mut queue.items);
        for item in batch.into_iter().chain(later) {
            match item.reply {
                Some(reply) => drop(reply.send(Err(RecordError::Failed { reason: reason.clone() }))),
                None => queue.items.push_back(item),
            }
        }
        queue.failing = Some(reason);
    }

    async fn trim(&self) {
        // A clock that jumps ahead while we run must not take the past with it.
        let (began, wall) = self.began;
        let run = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let age = i64::try_from(self.retention.age.as_millis()).unwrap_or(i64::MAX);
        let before = now().min(wall.saturating_add(run)).saturating_sub(age);
        loop {
            match self.store.trim_record(self.room.clone(), before, self.retention.bytes).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(room = %self.room, %error, "the oldest lines of the record stay");
                    return;
                }
            }
        }
    }
}

async fn run(shared: Arc<Shared>) {
    shared.trim().await;
    let (mut trimmed, mut since, mut pause) = (Instant::now(), 0, FIRST_PAUSE);
    let mut last_words: Option<Instant> = None;
    loop {
        if since >= TRIM_AFTER || trimmed.elapsed() >= TRIM_EVERY {
            shared.trim().await;
            (trimmed, since) = (Instant::now(), 0);
        }
        let (batch, closed) = shared.take_batch();
        if batch.is_empty() {
            if closed {
                break;
            }
            let _ = tokio::time::timeout(TRIM_EVERY, shared.wake.notified()).await;
            continue;
        }
        let lines = batch.iter().map(|item| item.line.clone()).collect();
        match shared.store.append_record(shared.room.clone(), lines).await {
            Ok(last) => {
                since += batch.len();
                pause = FIRST_PAUSE;
                shared.written(batch, last.seq);
            }
            Err(error) => {
                shared.failed(batch, &error);
                let end = *last_words.get_or_insert_with(|| Instant::now() + LAST_WORDS);
                if !closed {
                    last_words = None;
                } else if Instant::now() >= end {
                    let queue = shared.queue();
                    let lines = queue.items.len() as u64 + queue.lost;
                    tracing::error!(room = %shared.room, lines, %error, "the end of the record was not written");
                    break;
                }
                // Not with every fact that comes meanwhile.
                let _ = tokio::time::timeout(pause, shared.urgent.notified()).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
    shared.ended.cancel();
}

#[cfg(test)]
mod tests;
