//! A frame around an element, drawn by Chromium over the page: people see it,
//! the page does not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Locator;
use super::fault::ActError;
use super::tabs::Tab;

/// The colour of a highlight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    pub red: u8,
    pub green: u8,
    pub blue: u8,
}

impl Default for Colour {
    fn default() -> Self {
        Self { red: 255, green: 90, blue: 0 }
    }
}

impl Colour {
    fn json(self, opacity: f64) -> Value {
        json!({ "r": self.red, "g": self.green, "b": self.blue, "a": opacity })
    }
}

impl Tab {
    /// Draws a frame around an element until it is hidden, the document goes,
    /// or no agent attends any more. One at a time in each process of the page.
    pub async fn highlight(&self, element: &Locator, colour: Colour) -> Result<(), ActError> {
        self.ready().await?;
        let (place, object) = self.in_page_world(element).await?;
        let nothing = json!({});
        for method in ["DOM.enable", "Overlay.enable"] {
            self.guarded(self.client.send(Some(&place.session), method, &nothing)).await?;
        }
        let params = json!({
            "objectId": object,
            "highlightConfig": {
                "showInfo": false, "contentColor": colour.json(0.15), "borderColor": colour.json(1.0),
                "paddingColor": colour.json(0.25),
            },
        });
        self.guarded(self.client.send(Some(&place.session), "Overlay.highlightNode", &params)).await?;
        self.highlighted.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes all frames away.
    pub async fn hide_highlight(&self) {
        if !self.highlighted.swap(false, Ordering::AcqRel) {
            return;
        }
        let sessions: std::collections::BTreeSet<String> =
            self.state.borrow().frames.values().map(|frame| frame.session.clone()).collect();
        for session in sessions.iter().filter(|session| !session.is_empty()) {
            // A frame that has gone has taken its highlight along.
            for method in ["Overlay.hideHighlight", "Overlay.disable", "DOM.disable"] {
                let _ = self.client.post(Some(session), method, &json!({})).await;
            }
        }
    }

    /// The last agent has gone; nobody waits.
    pub(super) fn drop_highlight(self: Arc<Self>) {
        if self.highlighted.load(Ordering::Acquire)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { self.hide_highlight().await });
        }
    }
}
