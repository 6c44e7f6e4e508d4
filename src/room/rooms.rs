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
use super::driver::{Driver, Outlets};
use super::handle::RoomHandle;
use super::port::{Room, RoomError, RoomSpec, Rooms};
use super::record::{Entry, Outcome, RecordKind, Recorder};
use super::rulebook::{Rulebook, RulebookError, ServerRules};
use super::{FloorView, Phase, RoomSettings, RoomView};
use crate::base::RoomId;
use crate::policy::{RuleSet, Scope};
use crate::rtc::Rtc;
use crate::store::{Store, StoredRoom, UnixSeconds};

/// How long a driver that panicked is left alone before it is started again.
const AFTER_PANIC: Duration = Duration::from_secs(1);

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
            .map_err(|error| broken(&error))?;
        let house = Arc::new(Self {
            server_rules,
            settings: Arc::new(settings),
            rtc,
            store,
            rooms: RwLock::default(),
            drivers: TaskTracker::new(),
        });
        let remembered = house.store.rooms().await.map_err(internal)?;
        house.start(main).await?;
        for StoredRoom { id, size, start_url, mode, .. } in remembered {
            if house.handle(&id).is_none() {
                house.start(RoomSpec { id, size, start_url, mode }).await?;
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

    async fn start(&self, spec: RoomSpec) -> Result<RoomHandle, RoomError> {
        let rulebook =
            Rulebook::open(self.store.clone(), spec.id.clone(), Arc::clone(&self.server_rules)).await;
        let rulebook = Arc::new(rulebook.map_err(|error| broken(&error))?);
        let recorder = Recorder::open(self.store.clone(), spec.id.clone(), self.settings.audit);
        recorder.note(Entry::new(RecordKind::Room, "started"));
        // Whoever sends the 257th command waits for a place.
        let (commands, queue) = mpsc::channel(256);
        let (view_out, view) = watch::channel(Arc::new(RoomView {
            id: spec.id.clone(),
            size: spec.size,
            phase: Phase::Starting,
            present: vec![],
            holder: None,
            floor: FloorView::default(),
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
        let camera = Arc::new(Camera::new(spec.id.clone(), &self.settings, Arc::new(self.rtc.clone())));
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
            asks_clients: self.settings.approve_by_elicitation,
            next_seat: Arc::default(),
        };
        let (settings, rtc) = (Arc::clone(&self.settings), self.rtc.clone());
        self.drivers.spawn(supervise(spec, settings, rtc, camera, rulebook, recorder, outlets, queue));
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        rooms.insert(handle.id.clone(), handle.clone());
        Ok(handle)
    }
}

/// A panic costs the room a second, not the server its life.
#[expect(clippy::too_many_arguments, reason = "the parts of one room")]
async fn supervise(
    spec: RoomSpec,
    settings: Arc<RoomSettings>,
    rtc: Rtc,
    camera: Arc<Camera>,
    rulebook: Arc<Rulebook>,
    recorder: Recorder,
    outlets: Outlets,
    mut commands: mpsc::Receiver<super::handle::Command>,
) {
    loop {
        let driver = Driver::new(
            spec.clone(),
            Arc::clone(&settings),
            rtc.clone(),
            Arc::clone(&camera),
            Arc::clone(&rulebook),
            recorder.clone(),
            &outlets,
        );
        match AssertUnwindSafe(driver.run(&mut commands)).catch_unwind().await {
            Ok(()) => return,
            Err(_) => {
                tracing::error!(room = %spec.id, "the room's driver failed and is started again");
                recorder.note(Entry::new(RecordKind::Room, "driver").outcome(Outcome::Failed));
                outlets.browser.send_replace(None);
                camera.set_display(None);
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
            // Whoever may read the new room's record may not read that of an older one of this name.
            self.store.begin_record(spec.id.clone()).await.map_err(internal)?;
            self.store.put_room(stored(&spec)).await.map_err(internal)?;
            let handle = self.start(spec).await?;
            let view = RoomView::clone(&handle.view.borrow());
            Ok(view)
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
            let forgotten = room.rulebook.replace(Scope::Room, RuleSet::default()).await;
            forgotten.map_err(|error| RoomError::Internal(error.to_string()))?;
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

/// Rules that cannot be read must not count as none.
fn broken(error: &RulebookError) -> RoomError {
    RoomError::Internal(format!("the rules in the store: {error}"))
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
    }
}
