//! All rooms of the server: the map from name to room, and the supervisor
//! that brings a room's driver back when it panics.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::task::TaskTracker;

use super::camera::{Camera, Counts};
use super::driver::{Begin, Driver, Ground, Outlets};
use super::handle::RoomHandle;
use super::port::{Room, RoomError, RoomSpec, Rooms};
use super::reach::{Reach, ReachError};
use super::record::{Entry, Outcome, RecordKind, Recorder};
use super::rest::Rest;
use super::rulebook::{Rulebook, RulebookError, ServerRules};
use super::secrets::Secrets;
use super::{FloorView, Phase, RoomOptions, RoomSettings, RoomView, memory};
use crate::base::{Privacy, RoomId};
use crate::policy::{RuleSet, Scope};
use crate::process::{Group, Processes, Usage};
use crate::rtc::Rtc;
use crate::store::{Store, StoredRoom, UnixSeconds};

/// How long a driver that panicked is left alone before it is started again.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// The setting of a room that was stopped by hand.
const STOPPED: &str = "yes";

/// The rooms of one server.
pub struct House {
    settings: Arc<RoomSettings>,
    rtc: Rtc,
    store: Store,
    server_rules: Arc<ServerRules>,
    /// Never held across an await.
    rooms: RwLock<BTreeMap<RoomId, RoomHandle>>,
    drivers: TaskTracker,
}

impl House {
    /// Opens the house: the room `main` and those that were made before.
    pub async fn open(
        settings: RoomSettings,
        main: RoomSpec,
        rtc: Rtc,
        store: Store,
    ) -> Result<Arc<Self>, RoomError> {
        let server_rules = ServerRules::open(&store, settings.default_effect, settings.server_rules.clone())
            .await
            .map_err(|error| illegible(&error))?;
        let house = Arc::new(Self {
            server_rules,
            settings: Arc::new(settings),
            rtc,
            store,
            rooms: RwLock::default(),
            drivers: TaskTracker::new(),
        });
        let remembered = house.store.rooms().await.map_err(internal)?;
        let begin = house.begins(&main.id, Begin::Awake).await?;
        house.start(main, begin, false).await?;
        for StoredRoom { id, size, start_url, mode, options, .. } in remembered {
            if house.handle(&id).is_none() {
                let read = read_options(&id, options.as_deref());
                let (options, broken) =
                    read.map_or((RoomOptions::default(), true), |options| (options, false));
                // Nobody is there yet; a room that never sleeps is to be there at once.
                let asleep = options.sleep_s.map_or(!house.settings.sleep.is_zero(), |s| s > 0);
                let begin = house.begins(&id, if asleep { Begin::Asleep } else { Begin::Awake }).await?;
                house.start(RoomSpec { id, size, start_url, mode, options }, begin, broken).await?;
            }
        }
        Ok(house)
    }

    pub fn handle(&self, id: &RoomId) -> Option<RoomHandle> {
        self.rooms.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// What all rooms have counted.
    pub fn counts(&self) -> Counts {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.values().map(|room| room.camera.counts()).fold(Counts::default(), std::ops::Add::add)
    }

    /// What the gates of all rooms have counted.
    pub fn egress(&self) -> crate::egress::Counts {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.values().map(|room| room.reach.counts()).fold(Default::default(), std::ops::Add::add)
    }

    /// Stops all rooms at the same time.
    pub async fn stop(&self) {
        let rooms = std::mem::take(&mut *self.rooms.write().unwrap_or_else(PoisonError::into_inner));
        join_all(rooms.values().map(RoomHandle::stop)).await;
        self.drivers.close();
        self.drivers.wait().await;
        for room in rooms.values() {
            room.recorder.note(Entry::new(RecordKind::Room, "stopped"));
        }
        join_all(rooms.values().map(|room| room.recorder.close())).await;
    }

    /// `broken`: what it was made with cannot be read.
    async fn start(&self, spec: RoomSpec, begin: Begin, broken: bool) -> Result<RoomHandle, RoomError> {
        let rulebook =
            Rulebook::open(self.store.clone(), spec.id.clone(), Arc::clone(&self.server_rules)).await;
        let rulebook = Arc::new(rulebook.map_err(|error| illegible(&error))?);
        let recorder = Recorder::open(self.store.clone(), spec.id.clone(), self.settings.audit);
        let reach = Reach::open(
            self.store.clone(),
            spec.id.clone(),
            self.settings.reach.clone(),
            &spec.options,
            broken,
            recorder.clone(),
        );
        let reach = Arc::new(reach.await.map_err(|error| unreadable(&error))?);
        recorder.note(Entry::new(RecordKind::Room, "started"));
        // Whoever sends the 257th command waits for a place.
        let (commands, queue) = mpsc::channel(256);
        let (view_out, view) = watch::channel(Arc::new(RoomView {
            id: spec.id.clone(),
            size: spec.size,
            phase: match begin {
                Begin::Awake => Phase::Starting,
                Begin::Asleep => Phase::Sleeping,
                Begin::Stopped => Phase::Stopped,
            },
            present: vec![],
            holder: None,
            floor: FloorView::default(),
            private: None,
            waiting: vec![],
            help: vec![],
            approvals: vec![],
            page: None,
        }));
        // A reader that is 256 facts behind loses the oldest; the view has what matters.
        let (events, _) = broadcast::channel(256);
        let (cursor_out, cursor) = watch::channel(None);
        let (browser_out, browser) = watch::channel(None);
        let outlets =
            Outlets { view: view_out, events: events.clone(), cursor: cursor_out, browser: browser_out };
        let group = self.group(&spec);
        let camera = Arc::new(Camera::new(spec.id.clone(), &self.settings, Arc::new(self.rtc.clone())));
        let privacy = Privacy::default();
        let handle = RoomHandle {
            id: spec.id.clone(),
            commands,
            view,
            events,
            cursor,
            browser,
            camera: Arc::clone(&camera),
            rulebook: Arc::clone(&rulebook),
            recorder: recorder.clone(),
            secrets: Secrets::new(self.store.clone(), spec.id.clone(), privacy.masks().clone()),
            reach: Arc::clone(&reach),
            group: Arc::clone(&group),
            spec: Arc::new(spec.clone()),
            asks_clients: self.settings.approve_by_elicitation,
            next_seat: Arc::default(),
        };
        let (settings, rtc) = (Arc::clone(&self.settings), self.rtc.clone());
        let ground = Ground { settings, rtc, camera, rulebook, recorder, reach, group, privacy };
        self.drivers.spawn(supervise(spec, begin, ground, outlets, queue));
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        rooms.insert(handle.id.clone(), handle.clone());
        Ok(handle)
    }

    /// How a room begins that was there before: as it was left, if it was stopped.
    async fn begins(&self, id: &RoomId, otherwise: Begin) -> Result<Begin, RoomError> {
        let stopped = self.store.setting(stopped_key(id)).await.map_err(internal)?;
        Ok(if stopped.as_deref() == Some(STOPPED) { Begin::Stopped } else { otherwise })
    }

    /// The group of a room's programs, with their limits where there are some to be kept.
    fn group(&self, spec: &RoomSpec) -> Arc<Group> {
        let limits = spec.options.limits.or(self.settings.limits);
        if limits.is_empty() {
            return Arc::default();
        }
        let made = self.settings.groups.make(spec.id.as_str(), &limits);
        Arc::new(made.unwrap_or_else(|error| {
            tracing::warn!(room = %spec.id, error, "this room runs without its limits");
            Group::default()
        }))
    }
}

/// A panic costs the room a second, not the server its life.
async fn supervise(
    spec: RoomSpec,
    mut begin: Begin,
    ground: Ground,
    outlets: Outlets,
    mut commands: mpsc::Receiver<super::handle::Command>,
) {
    loop {
        let driver = Driver::new(spec.clone(), begin, ground.clone(), &outlets);
        match AssertUnwindSafe(driver.run(&mut commands)).catch_unwind().await {
            Ok(()) => return,
            Err(_) => {
                tracing::error!(room = %spec.id, "the room's driver failed and is started again");
                ground.recorder.note(Entry::new(RecordKind::Room, "driver").outcome(Outcome::Failed));
                if outlets.view.borrow().phase == Phase::Stopped {
                    begin = Begin::Stopped;
                }
                outlets.browser.send_replace(None);
                ground.camera.set_display(None);
                tokio::time::sleep(AFTER_PANIC).await;
            }
        }
    }
}

impl Rooms for House {
    fn list(&self) -> Vec<RoomView> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.values().map(|room| RoomView::clone(&room.view.borrow())).collect()
    }

    fn usage(&self) -> Vec<(RoomId, Usage)> {
        let groups: Vec<_> = {
            let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
            rooms.values().map(|room| (room.id.clone(), Arc::clone(&room.group))).collect()
        };
        let processes = Processes::look();
        groups.into_iter().map(|(room, group)| (room, group.usage(&processes))).collect()
    }

    fn get(&self, id: &RoomId) -> Option<Arc<dyn Room>> {
        Some(Arc::new(self.handle(id)?))
    }

    fn create(&self, spec: RoomSpec) -> BoxFuture<'_, Result<RoomView, RoomError>> {
        Box::pin(async move {
            {
                let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
                if rooms.contains_key(&spec.id) {
                    return Err(RoomError::Exists);
                }
                if rooms.len() >= self.settings.max_rooms {
                    let most = self.settings.max_rooms;
                    return Err(RoomError::Full(format!(
                        "this server has its {most} rooms already; remove one, or raise --max-rooms"
                    )));
                }
            }
            if !spec.options.limits.is_empty() {
                let why = |why: String| {
                    RoomError::BadRequest(format!("limits cannot be kept here: {why}; leave them out"))
                };
                self.settings.groups.check().map_err(why)?;
            }
            memory::check().map_err(RoomError::Full)?;
            // Whoever may read the new room's record may not read that of an older one of this name.
            self.store.begin_record(spec.id.clone()).await.map_err(internal)?;
            self.store.put_room(stored(&spec)).await.map_err(internal)?;
            let handle = self.start(spec, Begin::Awake, false).await?;
            let view = RoomView::clone(&handle.view.borrow());
            Ok(view)
        })
    }

    fn rest<'a>(&'a self, id: &'a RoomId, rest: Rest) -> BoxFuture<'a, Result<(), RoomError>> {
        Box::pin(async move {
            let room = self.handle(id).ok_or(RoomError::NotFound)?;
            let kept = match rest {
                Rest::Stop => Some(STOPPED),
                Rest::Start => Some(""),
                Rest::Sleep { .. } | Rest::Wake => None,
            };
            if let Some(kept) = kept {
                self.store.put_setting(stopped_key(id), kept.into()).await.map_err(internal)?;
            }
            Room::rest(&room, rest).await
        })
    }

    fn remove(&self, id: &RoomId) -> BoxFuture<'_, Result<(), RoomError>> {
        let id = id.clone();
        Box::pin(async move {
            if id == RoomId::main() {
                return Err(RoomError::Forbidden("the room main is always there".into()));
            }
            let room = {
                let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
                rooms.remove(&id).ok_or(RoomError::NotFound)?
            };
            self.store.remove_room(id.clone()).await.map_err(internal)?;
            self.store.put_setting(stopped_key(&id), String::new()).await.map_err(internal)?;
            let forgotten = room.rulebook.replace(Scope::Room, RuleSet::default()).await;
            forgotten.map_err(|error| RoomError::Internal(error.to_string()))?;
            room.reach.forget().await.map_err(internal)?;
            room.stop().await;
            for dir in [self.settings.room_dir(&id), self.settings.room_run_dir(&id)] {
                if let Err(error) = tokio::fs::remove_dir_all(&dir).await
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(room = %id, %error, "cannot remove what the room kept");
                }
            }
            Ok(())
        })
    }
}

/// What a room was made with. It was checked then; nothing when it cannot be
/// read any more: then it counts as not said, but for what its browser
/// reaches, which is nothing.
fn read_options(room: &RoomId, text: Option<&str>) -> Option<RoomOptions> {
    let Some(text) = text else { return Some(RoomOptions::default()) };
    let read = serde_json::from_str(text);
    // The text may hold a password, and the error a piece of it.
    if read.is_err() {
        tracing::warn!(%room, "the options of this room cannot be read: its browser reaches nothing; make it anew");
    }
    read.ok()
}

/// Where it is kept that a room was stopped by hand.
fn stopped_key(room: &RoomId) -> String {
    format!("stopped.{room}")
}

/// Rules that cannot be read must not count as none.
fn illegible(error: &RulebookError) -> RoomError {
    RoomError::Internal(format!("the rules in the store: {error}"))
}

/// Nor must lists of what is closed.
fn unreadable(error: &ReachError) -> RoomError {
    RoomError::Internal(format!("what the room may reach, in the store: {error}"))
}

fn internal(error: crate::store::StoreError) -> RoomError {
    RoomError::Internal(error.to_string())
}

fn stored(spec: &RoomSpec) -> StoredRoom {
    StoredRoom {
        id: spec.id.clone(),
        size: spec.size,
        start_url: spec.start_url.clone(),
        created_at: UnixSeconds::now(),
        mode: spec.mode,
        options: (spec.options != RoomOptions::default())
            .then(|| serde_json::to_string(&spec.options).expect("names and numbers are JSON")),
    }
}
