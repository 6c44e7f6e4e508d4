//! The latest picture of a room, between the capture and the encoders. Owns the
//! one lock of the pixel path; never a queue: an encoder that is late takes the
//! latest picture, with the echoes of those it missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::picture::{ChangeMap, Picture};
use crate::base::{Bitrate, FrameMoment, FrameSink, InputStamp, Rect, Rung, Size};

/// Echoes that wait for an encoder. Only one that fails for seconds reaches
/// this; then the oldest are dropped, as their viewers have long given up.
const MOST_ECHOES: usize = 4096;

/// At most one block in so many changes in a small change.
const SMALL_PART: usize = 10;

/// What the capture and the encoders share.
#[derive(Default)]
pub struct Slot {
    state: Mutex<SlotState>,
    changed: Condvar,
}

#[derive(Default)]
pub struct SlotState {
    picture: Option<Picture>,
    /// Patches of a moment are coming in; the picture is torn until the commit.
    open: bool,
    /// The moment of the picture, without echoes: for encoders that start later.
    moment: Option<FrameMoment>,
    /// No encoder has taken the latest picture yet.
    untaken: bool,
    lanes: BTreeMap<Rung, Lane>,
}

/// What one encoder has not taken yet.
pub struct Lane {
    /// Tells this encoder from one of the same rung that was stopped before.
    pub id: u64,
    changes: ChangeMap,
    fresh: Option<FrameMoment>,
    pub key: bool,
    pub target: Bitrate,
}

/// What an encoder gets.
pub struct Taken {
    pub moment: FrameMoment,
    /// Whether this was the first to take the latest picture.
    pub first: bool,
}

/// The capture's end.
pub struct PictureSink {
    slot: Arc<Slot>,
}

impl Slot {
    pub fn lock(&self) -> MutexGuard<'_, SlotState> {
        // Every change of the state is whole at each point that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change or until a moment.
    pub fn wait<'a>(
        &self,
        guard: MutexGuard<'a, SlotState>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, SlotState> {
        match until {
            None => self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                self.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl SlotState {
    // Getters.

    pub fn lane(&mut self, rung: Rung, id: u64) -> Option<&mut Lane> {
        self.lanes.get_mut(&rung).filter(|lane| lane.id == id)
    }

    pub fn rungs(&self) -> Vec<Rung> {
        self.lanes.keys().copied().collect()
    }

    pub fn lane_of(&mut self, rung: Rung) -> Option<&mut Lane> {
        self.lanes.get_mut(&rung)
    }

    /// Whether there is a whole picture that this rung has not taken.
    pub fn is_fresh(&self, rung: Rung) -> bool {
        !self.open && self.lanes.get(&rung).is_some_and(|lane| lane.fresh.is_some())
    }

    /// Whether what the rung has not taken is a small part of the picture: a
    /// letter, a button, a menu.
    pub fn is_small(&self, rung: Rung) -> bool {
        self.lanes
            .get(&rung)
            .is_some_and(|lane| lane.changes.count() * SMALL_PART <= lane.changes.marks().len())
    }

    // Handlers.

    pub fn add_lane(&mut self, rung: Rung, id: u64, target: Bitrate) {
        let changes = self.picture.as_ref().map(|p| ChangeMap::full(p.size())).unwrap_or_default();
        self.lanes.insert(rung, Lane { id, changes, fresh: self.moment.clone(), key: false, target });
    }

    pub fn remove_lane(&mut self, rung: Rung) {
        self.lanes.remove(&rung);
    }

    /// An encoder has lost what it took: it may take the latest picture again.
    pub fn renew(&mut self, rung: Rung, id: u64) {
        let (Some(picture), Some(moment)) = (&self.picture, &self.moment) else { return };
        let Some(lane) = self.lanes.get_mut(&rung).filter(|lane| lane.id == id) else { return };
        lane.changes = ChangeMap::full(picture.size());
        lane.fresh.get_or_insert_with(|| moment.clone());
    }

    /// Brings `copy` up to the latest picture, if that is new for the rung, and
    /// says in `changes` what was new. A copy of another size is replaced.
    pub fn take(&mut self, rung: Rung, copy: &mut Option<Picture>, changes: &mut ChangeMap) -> Option<Taken> {
        if !self.is_fresh(rung) {
            return None;
        }
        let picture = self.picture.as_ref()?;
        let lane = self.lanes.get_mut(&rung)?;
        let moment = lane.fresh.take()?;
        std::mem::swap(&mut lane.changes, changes);
        if !lane.changes.fits(picture.size()) {
            lane.changes = ChangeMap::full(picture.size());
        }
        lane.changes.clear();
        match copy {
            Some(copy) if copy.size() == picture.size() => copy.copy_changed(picture, changes),
            _ => {
                let mut whole = Picture::new(picture.size());
                changes.mark_all();
                whole.copy_changed(picture, changes);
                *copy = Some(whole);
            }
        }
        let first = std::mem::take(&mut self.untaken);
        Some(Taken { moment, first })
    }
}

impl PictureSink {
    pub fn new(slot: Arc<Slot>) -> Self {
        Self { slot }
    }
}

impl FrameSink for PictureSink {
    fn resize(&mut self, size: Size) {
        let mut state = self.slot.lock();
        state.picture = Some(Picture::new(size));
        state.open = true;
        state.moment = None;
        for lane in state.lanes.values_mut() {
            lane.changes = ChangeMap::full(size);
        }
    }

    fn patch(&mut self, rect: Rect, pixels: &[u8], stride: usize) {
        let mut state = self.slot.lock();
        state.open = true;
        let Some(picture) = state.picture.as_mut() else {
            tracing::warn!("a patch came before the picture had a size; it is dropped");
            return;
        };
        if let Err(error) = picture.patch(rect, pixels, stride) {
            tracing::warn!(%error, "a patch is dropped");
            return;
        }
        for lane in state.lanes.values_mut() {
            lane.changes.mark(rect);
        }
    }

    fn commit(&mut self, moment: FrameMoment) {
        let mut state = self.slot.lock();
        if state.picture.is_none() {
            return;
        }
        state.open = false;
        state.untaken = true;
        let later = FrameMoment { echoes: Vec::new(), ..moment };
        let mut echoes = moment.echoes;
        let mut left = state.lanes.len();
        for lane in state.lanes.values_mut() {
            left -= 1;
            // One encoder is the rule; the echoes are copied for further ones only.
            let echoes = if left == 0 { std::mem::take(&mut echoes) } else { echoes.clone() };
            let moment = FrameMoment { echoes, ..later.clone() };
            lane.fresh = Some(match lane.fresh.take() {
                None => moment,
                Some(missed) => merge(missed, moment),
            });
        }
        state.moment = Some(later);
        drop(state);
        self.slot.notify();
    }
}

/// A newer moment with what an older one, never shown, still owes.
pub fn merge(missed: FrameMoment, mut newer: FrameMoment) -> FrameMoment {
    let mut echoes: Vec<InputStamp> = missed.echoes;
    echoes.append(&mut newer.echoes);
    let surplus = echoes.len().saturating_sub(MOST_ECHOES);
    echoes.drain(..surplus);
    FrameMoment {
        serial: newer.serial,
        damaged_at: missed.damaged_at.min(newer.damaged_at),
        captured_at: newer.captured_at,
        echoes,
    }
}
