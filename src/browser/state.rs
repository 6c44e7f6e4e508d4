//! What is in a tab now: its frames, its dialog, its file chooser, and where
//! its navigation is. Pure: the tracker brings the events.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client::CdpEvent;
use super::journal::Fact;

/// The page in a tab now.
#[derive(Clone, Debug, Default)]
pub struct PageState {
    pub(super) session: String,
    /// The page's own target, which is also its main frame.
    pub(super) page: String,
    pub(super) url: String,
    pub(super) title: String,
    pub(super) frames: BTreeMap<String, Frame>,
    pub(super) next_frame: u32,
    pub dialog: Option<Dialog>,
    /// A file chooser that a page opened while an agent had it intercepted.
    pub(super) chooser: Option<Chooser>,
    pub(super) last_chooser: u64,
    pub(super) navigation: Navigation,
    pub crashed: bool,
    pub(super) closed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub parent: Option<String>,
    /// The session that speaks for it: its own, when it runs in another process.
    pub session: String,
    /// Its number in refs; the main frame has 0 and none is shown.
    pub number: u32,
}

/// A JavaScript dialog that is open.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dialog {
    #[serde(rename = "type")]
    pub kind: String,
    pub message: String,
    #[serde(default)]
    pub default_prompt: Option<String>,
}

/// A page asks for files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chooser {
    pub multiple: bool,
    pub(super) number: u64,
    pub(super) frame: String,
    pub(super) session: String,
    /// The file field, as the browser names it.
    pub(super) node: i64,
}

/// Where the main frame is on its way.
#[derive(Clone, Debug, Default)]
pub(super) struct Navigation {
    /// One was asked for or begun and has neither arrived nor failed.
    pub pending: bool,
    /// How many have arrived.
    pub committed: u64,
    /// The document is parsed.
    pub ready: bool,
}

impl PageState {
    pub(super) fn add_frame(&mut self, id: &str, parent: Option<String>, session: &str) {
        if let Some(frame) = self.frames.get_mut(id) {
            // A frame that moved to its own process is spoken for by that one.
            if id != self.page && session != self.session {
                session.clone_into(&mut frame.session);
            }
            frame.parent = frame.parent.take().or(parent);
            return;
        }
        let number = if id == self.page {
            0
        } else {
            self.next_frame += 1;
            self.next_frame
        };
        self.frames.insert(id.to_owned(), Frame { parent, session: session.to_owned(), number });
    }

    pub(super) fn on_page_event(&mut self, session: &str, event: &CdpEvent) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Params {
            frame_id: Option<String>,
            parent_frame_id: Option<String>,
            frame: Option<FrameBrief>,
            reason: Option<String>,
            navigation_type: Option<String>,
            url: Option<String>,
        }
        #[derive(Deserialize)]
        struct FrameBrief {
            id: String,
            url: Option<String>,
        }
        let Some(params) = event.params::<Params>() else { return };
        let (brief, address) = params.frame.map(|frame| (frame.id, frame.url)).unzip();
        let address = address.flatten().or(params.url);
        let frame = params.frame_id.or(brief);
        let is_main = session == self.session && frame.as_deref().is_none_or(|frame| frame == self.page);
        match event.method.as_str() {
            "Page.frameAttached" => {
                if let Some(frame) = frame {
                    self.add_frame(&frame, params.parent_frame_id, session);
                }
            }
            "Page.frameDetached" => {
                // "swap" means that it lives on in another process.
                if let Some(frame) = frame.filter(|_| params.reason.as_deref() != Some("swap")) {
                    self.frames.remove(&frame);
                }
            }
            "Page.javascriptDialogOpening" => self.dialog = event.params(),
            "Page.javascriptDialogClosed" => self.dialog = None,
            "Page.fileChooserOpened" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Opened {
                    frame_id: String,
                    mode: String,
                    backend_node_id: Option<i64>,
                }
                if let Some(Opened { frame_id, mode, backend_node_id: Some(node) }) = event.params() {
                    self.last_chooser += 1;
                    self.chooser = Some(Chooser {
                        multiple: mode == "selectMultiple",
                        number: self.last_chooser,
                        frame: frame_id,
                        session: session.to_owned(),
                        node,
                    });
                }
            }
            _ if !is_main => {}
            "Page.frameRequestedNavigation" | "Page.frameScheduledNavigation" => {
                self.navigation.pending = true;
            }
            "Page.frameStartedNavigating" => {
                let within = params.navigation_type.as_deref().is_some_and(|kind| {
                    kind.starts_with("sameDocument") || kind.starts_with("historySameDocument")
                });
                self.navigation.pending |= !within;
            }
            "Page.frameNavigated" => {
                self.crashed = false;
                self.chooser = None;
                self.url = address.unwrap_or_default();
                self.navigation =
                    Navigation { pending: false, committed: self.navigation.committed + 1, ready: false };
            }
            "Page.domContentEventFired" => self.navigation.ready = true,
            "Page.frameStoppedLoading" => {
                self.navigation.pending = false;
                self.navigation.ready = true;
            }
            "Page.navigatedWithinDocument" => {
                self.navigation.pending = false;
                self.url = address.unwrap_or_default();
            }
            "Page.frameClearedScheduledNavigation" | "Page.downloadWillBegin" => {
                self.navigation.pending = false;
            }
            _ => {}
        }
    }

    /// What an event means for somebody who was away.
    pub(super) fn fact(&self, before: (bool, u64), session: &str, event: &CdpEvent) -> Option<Fact> {
        #[derive(Deserialize)]
        struct Params {
            result: Option<bool>,
            url: Option<String>,
            #[serde(rename = "frameId")]
            frame_id: Option<String>,
            frame: Option<FrameUrl>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct FrameUrl {
            id: String,
            url: String,
            url_fragment: Option<String>,
        }
        let (had_dialog, last_chooser) = before;
        let params = || event.params::<Params>();
        match event.method.as_str() {
            "Page.javascriptDialogOpening" if !had_dialog => self.dialog.as_ref().map(|dialog| {
                let message = dialog.message.chars().take(300).collect();
                Fact::DialogOpened { kind: dialog.kind.clone(), message }
            }),
            "Page.javascriptDialogClosed" if had_dialog => {
                Some(Fact::DialogClosed { accepted: params()?.result.unwrap_or_default() })
            }
            "Page.fileChooserOpened" if self.last_chooser > last_chooser => {
                Some(Fact::ChooserOpened { multiple: self.chooser.as_ref()?.multiple })
            }
            "Page.frameNavigated" if session == self.session => {
                let frame = params()?.frame.filter(|frame| frame.id == self.page)?;
                Some(Fact::Navigated { url: frame.url + frame.url_fragment.as_deref().unwrap_or_default() })
            }
            "Page.navigatedWithinDocument" if session == self.session => {
                let params = params()?;
                let is_main = params.frame_id.as_deref() == Some(&self.page);
                is_main.then_some(Fact::Navigated { url: params.url? })
            }
            _ => None,
        }
    }
}
