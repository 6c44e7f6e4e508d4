//! The settings, as the program uses them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::base::{Bitrate, Role, Size, ToolGroups};
use crate::floor::Mode;
use crate::policy::Effect;
use crate::policy::egress::EgressLists;
use crate::process::{Limits, UidRange};
use crate::server::wire::IceServer;
use crate::server::{BasePath, Origin, Proxies};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// How the browsers' managed policies get to where Chromium reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policies {
    /// bubblewrap shows them to each of our browsers alone.
    Mounted,
    /// They are in /etc/chromium, of a machine that is ours alone.
    Installed,
}

/// Everything that can be set. `table.rs` holds the names, defaults and texts.
#[derive(Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub rtc_listen: SocketAddr,
    pub rtc_public_address: Vec<IpAddr>,
    pub public_url: Vec<Origin>,
    pub base_path: BasePath,
    pub trusted_proxies: Proxies,
    pub allow_plain_http: bool,
    pub allowed_origins: Vec<Origin>,
    pub data_dir: PathBuf,
    pub admin_token_file: Option<PathBuf>,
    pub room_user: String,
    pub room_uids: Option<UidRange>,
    pub chromium: PathBuf,
    pub xvfb: PathBuf,
    pub window_manager: PathBuf,
    pub bwrap: PathBuf,
    pub start_url: String,
    pub room_size: Size,
    pub max_rooms: usize,
    pub room_sleep: Duration,
    pub room_limits: Limits,
    pub frame_rate: u32,
    pub max_bitrate: Bitrate,
    pub settle: Duration,
    pub floor_mode: Mode,
    pub default_effect: Effect,
    pub approve_by_elicitation: bool,
    pub rules_file: Option<PathBuf>,
    pub secrets_key_file: Option<PathBuf>,
    pub private_from: Role,
    pub turn_idle: Duration,
    pub audit_age: Duration,
    pub audit_bytes: u64,
    pub agent_tools: ToolGroups,
    pub opencode: PathBuf,
    pub opencode_dir: Option<PathBuf>,
    pub opencode_env: Vec<String>,
    pub opencode_roots: Vec<PathBuf>,
    pub acp_command: Vec<String>,
    pub opencode_url: Option<Origin>,
    pub opencode_user: String,
    pub opencode_password_file: Option<PathBuf>,
    pub ice_servers: Vec<IceServer>,
    pub turn_url: Vec<String>,
    pub turn_secret_file: Option<PathBuf>,
    pub policies: Policies,
    pub egress: EgressLists,
    pub log: String,
    pub log_format: LogFormat,
}
