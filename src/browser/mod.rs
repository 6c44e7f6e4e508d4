//! Chromium: its process, the CDP multiplexer, tabs, locators, actions, snapshots.
//!
//! Owns the room's Chromium from start to end and everything that is said to
//! it. A mutating act takes a `FloorPermit` and asks it again before each
//! input that it sends. Knows nothing of HTTP, MCP or rooms.

mod act;
mod attach;
mod callout;
mod client;
mod closed_roots;
mod contexts;
mod css;
mod delta;
mod downloads;
mod drag;
mod fault;
mod files;
mod frames;
mod guard;
mod heap;
mod hidden;
mod highlight;
mod journal;
mod keys;
mod launch;
mod locator;
mod look;
mod memory;
mod mux;
mod navigate;
mod outline;
mod picking;
mod planted;
mod pointer;
mod protocol;
mod reaction;
mod reading;
mod realm;
mod recording;
mod screencast;
mod secret;
mod selector;
mod settings;
mod snapshot;
mod state;
mod step;
mod storage;
mod tabs;
mod trace;
mod typing;
mod uploads;
mod watch;

pub use act::{Acting, Click, Observer, PointerButton};
pub use callout::{Callout, CalloutStyle, Corner, Declarations, DeclarationsError, LONGEST_CALLOUT};
pub use client::{CdpClient, CdpError, CdpEvent};
pub use delta::Delta;
pub use downloads::{Download, DownloadState};
pub use drag::Dropped;
pub use fault::{ActError, Obstacle, StaleRef};
pub use frames::{Attending, Window};
pub use guard::Guard;
pub use heap::{CpuProfile, HeapGroup, HeapSnapshot, HeapSummary, HotFunction, Profiling};
pub use highlight::Colour;
pub use journal::{Fact, Journal, JournalEntry};
pub use keys::{KeyError, Stroke};
pub use launch::{Browser, BrowserEvent};
pub use locator::{Locator, LocatorError};
pub use look::{Picture, Reading, Scale, Shot};
#[cfg(feature = "bench")]
pub use mux::feed;
pub use mux::{
    ActTally, Acts, Attached, ClientId, Door, GuestOptions, GuestSignal, LONGEST_FROM_CLIENT, Multiplexer,
    MuxError, Rules, ToBrowser,
};
pub use navigate::{AddressError, address};
pub use outline::{Findings, Layout, Outline};
pub use picking::{PickError, Picked, PickedBox};
pub use reaction::{Asked, Done, Opened};
pub use reading::{Card, CardBox, ElementAt, ElementFacts, FACTS};
pub use realm::{Realm, RealmEvent};
pub use recording::{ByPerson, Recorded as RecordedActs, RecordedStep, Recording};
pub use screencast::{Cast, Screencast};
pub use secret::{Given, SecretFit, SecretPlace};
pub use settings::{BrowserSettings, GateWay, RestoredTab};
pub use snapshot::{Snapshot, SnapshotScope};
pub use storage::{Cookie, OriginState, StorageItem, StorageState, WebStorage};
pub use tabs::{Chooser, Dialog, PageState, Tab, TabInfo};
pub use trace::{Analysis, Interaction, LongTask, Recorded, SlowRequest, Trace};
pub use uploads::UploadFile;
pub use watch::{
    Body, Conditions, DeviceChange, Emulated, FieldChange, Geolocation, Glob, GlobError, Hop, Level, Media,
    Message, Origin, Request, RequestMark, RequestState, Route, RouteAction, RouteRequest, SourcePlace,
    Watch,
};

use std::path::PathBuf;

use crate::process::{Exit, ProcessError};

/// The script of the acts, and the isolated world that it lives in.
const SCRIPT: &str = concat!(
    "(() => { 'use strict';\nif (globalThis.__tandem) return globalThis.__tandem;\n",
    include_str!("page/dom.js"),
    include_str!("page/aria.js"),
    include_str!("page/refs.js"),
    include_str!("page/locators.js"),
    include_str!("page/words.js"),
    include_str!("page/actionability.js"),
    include_str!("page/acts.js"),
    include_str!("page/secrets.js"),
    include_str!("page/reading.js"),
    include_str!("page/outline.js"),
    include_str!("page/overlay.js"),
    include_str!("page/picking.js"),
    "return globalThis.__tandem;\n})();",
);
const WORLD: &str = "tandem";

/// Why there is no browser.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(
        "bubblewrap is not installed; it keeps the room's browser settings apart: apt install bubblewrap"
    )]
    NoBubblewrap,
    #[error(
        "Chromium finds no sandbox, since this machine refuses user namespaces; `tandem doctor` says what to do, in a container use docker/seccomp.json"
    )]
    NoSandbox,
    #[error(
        "{path} is not the file of policies that comes with this Tandem (xvfb/policies/tandem.json); put that there, or take --policies installed away"
    )]
    NoPolicies { path: PathBuf },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot make the debugging pipe")]
    Pipe(#[source] std::io::Error),
    #[error("Chromium {exit} before it was ready; its last words: {log}")]
    Ended { exit: Exit, log: String },
    #[error("Chromium did not answer within {seconds} s of its start; its last words: {log}")]
    Silent { seconds: u64, log: String },
    #[error("Chromium refused a command")]
    Cdp(#[from] CdpError),
    #[error("chromiumoxide cannot connect to Chromium")]
    Chromiumoxide(#[source] Box<chromiumoxide::error::CdpError>),
}
