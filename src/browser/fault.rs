//! Why an act was not done, in words that an agent can act on.

use super::client::CdpError;
use super::tabs::Dialog;
use crate::floor::Preempted;

#[derive(Clone, Debug, thiserror::Error)]
pub enum ActError {
    #[error("a person has taken over the browser; the act was stopped. Take a new snapshot before going on")]
    Preempted(#[from] Preempted),
    #[error(
        "a {} dialog is open and blocks the page: {:?}. Answer it with browser_handle_dialog, or wait for a person to do so",
        .0.kind, .0.message
    )]
    Dialog(Dialog),
    #[error("there is no dialog open")]
    NoDialog,
    #[error(
        "Ref {0} not found in the current page snapshot. Take a new snapshot with browser_snapshot and use a ref from it"
    )]
    NoSuchRef(String),
    #[error("strict mode violation: {locator} resolved to {count} elements:\n{}", list(.matches))]
    Ambiguous { locator: String, count: usize, matches: Vec<String> },
    #[error("the locator {locator} cannot be used: {reason}")]
    Locator { locator: String, reason: String },
    #[error("Timeout {ms}ms exceeded.\nCall log:\n  - waiting for {locator}\n{}", log(.tries))]
    NotActionable { locator: String, ms: u128, tries: Vec<String> },
    #[error("{0}")]
    Refused(String),
    #[error("the tab was closed")]
    Closed,
    #[error("the page has crashed; navigate to reload it")]
    Crashed,
    #[error("the page does not answer")]
    Stuck,
    #[error("{0}")]
    Page(String),
    #[error(transparent)]
    Cdp(#[from] CdpError),
}

impl ActError {
    /// The frame went away under the act, most often by a navigation.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, ActError::Cdp(error) if error.is_gone())
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
