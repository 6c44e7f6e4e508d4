//! Why an act was not done, in words that an agent can act on.

use super::client::CdpError;
use super::tabs::Dialog;
use crate::floor::Preempted;

#[derive(Clone, Debug, thiserror::Error)]
pub enum ActError {
    #[error("a person has taken over the browser; the act was stopped. Take a new snapshot before going on")]
    Preempted(#[from] Preempted),
    #[error(
        "a person has taken over the browser; {done} of {of} characters were typed. Look at the field before going on"
    )]
    PreemptedAfter { done: usize, of: usize },
    #[error(
        "a {} dialog is open and blocks the page: {:?}. Answer it with browser_handle_dialog, or wait for a person to do so",
        .0.kind, .0.message
    )]
    Dialog(Dialog),
    #[error("there is no dialog open")]
    NoDialog,
    #[error("there is no file chooser open; click what opens it first, or give the file input as the target")]
    NoChooser,
    #[error("Ref {} not found in the current page snapshot. {}", .0.reference, .0.advice())]
    NoSuchRef(StaleRef),
    #[error(
        "strict mode violation: {locator} resolved to {count} elements:\n{}\nTry: one of these, or add .first() or .nth(n)",
        list(.matches)
    )]
    Ambiguous { locator: String, count: usize, matches: Vec<String> },
    #[error("the locator {locator} cannot be used: {reason}")]
    Locator { locator: String, reason: String },
    #[error(
        "{}: {detail}\nTimeout {ms}ms exceeded.\nCall log:\n  - waiting for {locator}\n{}\nTry: {}",
        .obstacle.headline(), log(.tries), .obstacle.advice()
    )]
    NotActionable { locator: String, obstacle: Obstacle, detail: String, ms: u128, tries: Vec<String> },
    #[error("{0}")]
    Refused(String),
    #[error("the tab was closed")]
    Closed,
    #[error("the page has crashed; navigate to reload it")]
    Crashed,
    #[error("the page does not answer; it may be busy. Wait, or navigate elsewhere")]
    Stuck,
    #[error("{0}")]
    Page(String),
    #[error(transparent)]
    Cdp(#[from] CdpError),
}

/// A ref whose element is not there any more, or never was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaleRef {
    pub reference: String,
    /// The role and name that it had when it was shown.
    pub was: Option<(String, String)>,
    /// How many elements have that role and name now.
    pub alike: usize,
    /// The ref of the only one.
    pub now: Option<String>,
}

/// What kept an element from being acted on until the time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    NoMatch,
    Invisible,
    Disabled,
    ReadOnly,
    Moving,
    Covered,
    Outside,
    Detached,
    NoOption,
    /// The page did not answer, or changed each time.
    Busy,
}

impl StaleRef {
    fn advice(&self) -> String {
        match (&self.was, &self.now) {
            (Some((role, name)), Some(now)) => {
                format!("It was {role} {name:?}; the only one with that role and name now is {now}: use that")
            }
            (Some((role, name)), None) if self.alike > 1 => format!(
                "It was {role} {name:?}, and {} elements are now called so. Take a new snapshot with browser_snapshot",
                self.alike
            ),
            (Some((role, name)), None) => format!(
                "It was {role} {name:?}, which is no longer on the page. Take a new snapshot with browser_snapshot"
            ),
            (None, _) => "Take a new snapshot with browser_snapshot and use a ref from it".to_owned(),
        }
    }
}

impl Obstacle {
    pub(super) fn from_code(code: &str) -> Self {
        match code {
            "no_match" => Obstacle::NoMatch,
            "invisible" => Obstacle::Invisible,
            "disabled" => Obstacle::Disabled,
            "read_only" => Obstacle::ReadOnly,
            "moving" => Obstacle::Moving,
            "covered" => Obstacle::Covered,
            "outside" => Obstacle::Outside,
            "detached" => Obstacle::Detached,
            "no_option" => Obstacle::NoOption,
            _ => Obstacle::Busy,
        }
    }

    pub fn code(self) -> &'static str {
        match self {
            Obstacle::NoMatch => "no_match",
            Obstacle::Invisible => "invisible",
            Obstacle::Disabled => "disabled",
            Obstacle::ReadOnly => "read_only",
            Obstacle::Moving => "moving",
            Obstacle::Covered => "covered",
            Obstacle::Outside => "outside",
            Obstacle::Detached => "detached",
            Obstacle::NoOption => "no_option",
            Obstacle::Busy => "timed_out",
        }
    }

    fn headline(self) -> &'static str {
        match self {
            Obstacle::NoMatch => "Nothing matches",
            Obstacle::Invisible => "It cannot be seen",
            Obstacle::Disabled => "It is disabled",
            Obstacle::ReadOnly => "It cannot be written to",
            Obstacle::Moving => "It does not stand still",
            Obstacle::Covered => "It is covered",
            Obstacle::Outside => "It cannot be scrolled into view",
            Obstacle::Detached => "It was removed",
            Obstacle::NoOption => "There is no such option",
            Obstacle::Busy => "The page was busy",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Obstacle::NoMatch => {
                "take a snapshot and use a ref from it; what is in a frame is found by its ref or frameLocator()"
            }
            Obstacle::Invisible => {
                "open what it is in (a menu, a tab, a section), or filter({ visible: true }) if there is another one"
            }
            Obstacle::Disabled => "fill in what the page still wants, then try again",
            Obstacle::ReadOnly => "look for the control that sets it, such as a picker beside it",
            Obstacle::Moving => "wait until the animation has ended",
            Obstacle::Covered => "close or act on what covers it first",
            Obstacle::Outside => "scroll what holds it, or make the window larger",
            Obstacle::Detached => "take a new snapshot; the page draws itself anew",
            Obstacle::NoOption => "use the value or the label of an option that is there",
            Obstacle::Busy => "wait for the page and try again",
        }
    }
}

impl ActError {
    /// A short name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ActError::Preempted(_) | ActError::PreemptedAfter { .. } => "preempted",
            ActError::Dialog(_) => "dialog",
            ActError::NoDialog => "no_dialog",
            ActError::NoChooser => "no_file_chooser",
            ActError::NoSuchRef(_) => "stale_ref",
            ActError::Ambiguous { .. } => "many_matches",
            ActError::Locator { .. } => "bad_locator",
            ActError::NotActionable { obstacle, .. } => obstacle.code(),
            ActError::Refused(_) => "refused",
            ActError::Closed => "closed",
            ActError::Crashed => "crashed",
            ActError::Stuck => "stuck",
            ActError::Page(_) => "page_error",
            ActError::Cdp(_) => "browser",
        }
    }

    /// The frame went away under the act, most often by a navigation.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, ActError::Cdp(error) if error.is_gone()) || self.is_stale()
    }

    /// The script's object is of a document that has gone; nothing was done.
    pub(super) fn is_stale(&self) -> bool {
        const STALE: [&str; 3] = [
            "Could not find object with given id",
            "Cannot find context with specified id",
            "Invalid remote object id",
        ];
        matches!(self, ActError::Cdp(CdpError::Refused { message, .. }) if STALE.iter().any(|one| message.contains(one)))
    }
}

fn list(matches: &[String]) -> String {
    let lines: Vec<_> = matches.iter().enumerate().map(|(n, one)| format!("    {}) {one}", n + 1)).collect();
    lines.join("\n")
}

fn log(tries: &[String]) -> String {
    let lines: Vec<_> = tries.iter().map(|one| format!("  - {one}")).collect();
    lines.join("\n")
}
