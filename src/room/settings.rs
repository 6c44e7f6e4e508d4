//! What a room needs to know to run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ServerReach;
use super::record::Retention;
use crate::base::{Bitrate, Role, RoomId, Size};
use crate::floor::Mode;
use crate::policy::{Effect, RuleSet};
use crate::process::{Groups, Limits, RoomUsers};

/// Settings that all rooms of a server share.
#[derive(Clone, Debug)]
pub struct RoomSettings {
    /// Rooms keep their profiles and downloads below it.
    pub data_dir: PathBuf,
    /// Sockets, logs and other things of this run; also the mark of the sweep.
    pub run_dir: PathBuf,
    /// Who each room's programs run as.
    pub users: Arc<RoomUsers>,
    pub programs: Programs,
    /// Pictures a second, at the most.
    pub frame_rate: u32,
    /// For 1280x720; other sizes in proportion to their area.
    pub max_bitrate: Bitrate,
    pub min_bitrate: Bitrate,
    /// The lowest role that sees the picture while somebody else is in a private moment.
    pub private_from: Role,
    /// How long a person must be still before an agent goes on.
    pub settle: Duration,
    /// Who may act in a room that does not say so itself.
    pub mode: Mode,
    /// How long somebody's turn may stay unused.
    pub turn_idle: Duration,
    /// What becomes of an act that no rule is about.
    pub default_effect: Effect,
    /// Whether an agent's own client may be asked for approvals too, and its answer counts.
    pub approve_by_elicitation: bool,
    /// The rules of all rooms, if they come from a file and not from the store.
    pub server_rules: Option<RuleSet>,
    /// How much of a room's record is kept.
    pub audit: Retention,
    pub start_url: String,
    pub max_rooms: usize,
    /// How long a room stays awake for nobody; zero is for ever.
    pub sleep: Duration,
    /// What a room's programs may take, where the room does not say so itself.
    pub limits: Limits,
    pub groups: Arc<Groups>,
    /// What browsers reach.
    pub reach: ServerReach,
}

/// The programs that make a room, each a path or a name to be found in `PATH`.
#[derive(Clone, Debug)]
pub struct Programs {
    pub chromium: PathBuf,
    pub xvfb: PathBuf,
    pub window_manager: PathBuf,
    /// Nothing where the browsers' policies are installed for the whole machine.
    pub bubblewrap: Option<PathBuf>,
}

impl RoomSettings {
    /// Where a room keeps what outlives a restart.
    pub fn room_dir(&self, room: &RoomId) -> PathBuf {
        self.data_dir.join("rooms").join(room.as_str())
    }

    /// Where a room keeps what ends with it.
    pub fn room_run_dir(&self, room: &RoomId) -> PathBuf {
        self.run_dir.join(room.as_str())
    }

    /// The largest size that a display can be given while it runs.
    pub fn max_size(&self) -> Size {
        Size::new(3840, 2160).unwrap_or(Size::DEFAULT)
    }

    /// What marks this server's processes.
    pub fn mark(&self) -> &Path {
        &self.run_dir
    }
}
