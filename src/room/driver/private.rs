//! A person's private moments in a room: who sees what while one is on, and
//! what is done as it begins and ends.

use tokio::task::JoinHandle;

use super::Driver;
use crate::base::Input;
use crate::floor::{Hand, MomentCause, MomentEvent};
use crate::room::viewers::Veil;
use crate::room::{Presence, PrivateView};

/// The longest text on the clipboard that is taken for a secret, in bytes.
pub(super) const LONGEST_SECRET: usize = 256;
/// X11's names for keys that lead out of a field.
const LEAVES: [u32; 5] = [0xff09, 0xfe20, 0xff0d, 0xff8d, 0xff1b];

/// What an input means to a private moment.
pub(super) fn hand(input: &Input) -> Option<Hand> {
    match input {
        Input::Button { down: true, .. } => Some(Hand::Leaves),
        Input::Key { keysym, down: true, .. } if LEAVES.contains(keysym) => Some(Hand::Leaves),
        Input::Key { down: true, .. } | Input::Text(_) => Some(Hand::Types),
        _ => None,
    }
}

/// Waits until what was typed is covered; for ever when nothing is.
pub(super) async fn covered(covering: &mut Option<JoinHandle<()>>) {
    match covering {
        // A task that failed has covered what it could.
        Some(covering) => drop(covering.await),
        None => std::future::pending().await,
    }
}

impl Driver<'_> {
    /// Whether the tab in front has the focus in a field of secrets.
    pub(super) fn look_at_focus(&mut self) {
        let in_field =
            self.tabs.iter().find(|tab| tab.front).is_some_and(|tab| self.secret_focus.contains(&tab.target));
        self.moments.handle_focus(std::time::Instant::now(), in_field);
        self.tell_moments();
    }

    /// Does and tells what follows from a moment's beginning and end.
    pub(super) fn tell_moments(&mut self) {
        while let Some(event) = self.moments.poll_event() {
            tracing::debug!(room = %self.parts.id(), "private moment");
            self.ledger.private(&event);
            match &event {
                MomentEvent::Began { by, cause } => {
                    // In this order: nobody is told anything of what comes after it.
                    self.privacy.begin(*cause == MomentCause::Hand);
                    self.floor.handle_private(Some(by));
                    self.draw_veil();
                    if let Some(browser) = self.parts.browser() {
                        browser.guard().begin();
                    }
                }
                MomentEvent::Ending => {
                    let browser = self.parts.browser();
                    self.covering = Some(tokio::spawn(async move {
                        if let Some(browser) = browser {
                            browser.guard().end().await;
                        }
                    }));
                }
                MomentEvent::Ended { .. } => {
                    self.privacy.end();
                    self.floor.handle_private(None);
                    self.draw_veil();
                }
            }
        }
    }

    /// The veil before those who are not to see.
    pub(super) fn draw_veil(&mut self) {
        let size = self.size;
        let veil = self.moments.current().filter(|_| self.privacy.is_on()).map(|moment| Veil {
            by: moment.by.id.clone(),
            from: self.private_from,
            size,
        });
        self.viewers.handle_veil(veil);
    }

    pub(super) fn private_view(&self) -> Option<PrivateView> {
        self.moments.current().map(|moment| PrivateView {
            by: Presence::of(&moment.by),
            by_field: moment.cause == MomentCause::Field,
            from: self.private_from,
            ending: moment.is_ending(),
        })
    }
}
