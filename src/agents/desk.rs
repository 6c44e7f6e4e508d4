//! All agents' sessions, those of clients that keep none included.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::elicit::Rounds;
use super::port::SeatDoor;
use super::session::Session;
use super::shelf::Shelf;

/// A session that is not used for so long is over.
pub(super) const IDLE: Duration = Duration::from_secs(600);
/// How many sessions there may be at once.
const MOST_SESSIONS: usize = 64;

pub(super) struct Desk {
    places: Arc<Semaphore>,
    pub shelf: Arc<Shelf>,
    pub rounds: Rounds,
    /// Sessions of clients that keep none: by who and where, so that an agent
    /// keeps its tab between calls. The lock is held for a look-up only.
    stateless: Mutex<HashMap<String, (Instant, Arc<Session>)>>,
}

impl Desk {
    /// Its idle sessions end by themselves until `stop`.
    pub fn open_for_calls(stop: CancellationToken) -> Arc<Self> {
        let desk = Arc::new(Self {
            places: Arc::new(Semaphore::new(MOST_SESSIONS)),
            shelf: Arc::default(),
            rounds: Rounds::default(),
            stateless: Mutex::new(HashMap::new()),
        });
        let sweep = Arc::downgrade(&desk);
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(IDLE / 10);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = clock.tick() => match sweep.upgrade() {
                        Some(desk) => desk.sweep(Instant::now()),
                        None => return,
                    },
                }
            }
        });
        desk
    }

    fn sweep(&self, now: Instant) {
        self.rounds.sweep(now);
        if let Ok(mut stateless) = self.stateless.lock() {
            stateless.retain(|_, (used, _)| now.duration_since(*used) < IDLE);
        }
    }

    /// A session of its own; else why there is none.
    pub fn open(&self, door: &SeatDoor) -> Result<Arc<Session>, String> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| format!("there are {MOST_SESSIONS} agent sessions already; close one"))?;
        let seat = (door.open)()?;
        let shelf = Arc::clone(&self.shelf);
        Ok(Arc::new(Session::new(seat, door.room.clone(), door.groups, shelf, place)))
    }

    /// The session that all calls with one token to one room share.
    pub fn stateless(&self, door: &SeatDoor) -> Result<Arc<Session>, String> {
        let mut stateless = self.stateless.lock().map_err(|_| "the list of sessions is broken".to_owned())?;
        if let Some((used, session)) =
            stateless.get_mut(&door.key).filter(|(_, session)| session.seat.is_here())
        {
            *used = Instant::now();
            return Ok(Arc::clone(session));
        }
        let session = self.open(door)?;
        stateless.insert(door.key.clone(), (Instant::now(), Arc::clone(&session)));
        Ok(session)
    }
}
