//! One session of a client from outside: whose its target is, what the client
//! holds down in it, and which dialog is open. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value, json};

use crate::browser::mux::message;

/// A session of a target.
pub(super) struct Page {
    pub kind: String,
    pub target: String,
    /// The session through which it was attached.
    pub parent: String,
    /// The client acted on it with the permit that it has now.
    pub acted: bool,
    /// The floor's epoch when it last did something else than type: since then
    /// the focus is where it put it, unless somebody else has acted.
    pub focused: Option<u64>,
    /// In a browser context that the client made.
    pub own: bool,
    /// A tab that the client opened where people see it.
    pub own_tab: bool,
    /// Ids of isolated worlds.
    pub isolated: HashSet<i64>,
    /// Acts that are not answered yet.
    pub acts: usize,
    pub buttons: BTreeMap<String, (f64, f64)>,
    pub keys: BTreeMap<String, Value>,
    pub touching: bool,
    /// A text of an input method that was not committed yet.
    pub composing: bool,
    pub dialog: Option<OpenDialog>,
    pub starts_by: Option<Instant>,
    pub paused: BTreeMap<String, Instant>,
}

pub(super) struct OpenDialog {
    pub before_unload: bool,
    /// It came from what this client did.
    pub own: bool,
    /// Answers that wait until somebody else closes it.
    pub waiting: Vec<Number>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mouse<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(default)]
    pub x: f64,
    #[serde(default)]
    pub y: f64,
    #[serde(borrow, default)]
    pub button: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Composition<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    code: Cow<'a, str>,
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(default)]
    windows_virtual_key_code: i64,
}

impl Page {
    /// Whether something is held down here.
    pub fn holds(&self) -> bool {
        !self.buttons.is_empty() || !self.keys.is_empty() || self.touching || self.composing
    }

    pub fn note_input(&mut self, method: &str, params: Option<&RawValue>) {
        match method {
            "Input.dispatchMouseEvent" => {
                let Some(mouse) = message::read::<Mouse>(params) else { return };
                let button = mouse.button.filter(|button| button != "none");
                match (mouse.kind.as_ref(), button) {
                    ("mousePressed", Some(button)) if self.buttons.len() < 8 => {
                        // A press commits what is composed.
                        self.composing = false;
                        self.buttons.insert(button.into_owned(), (mouse.x, mouse.y));
                    }
                    ("mouseReleased", Some(button)) => {
                        self.buttons.remove(button.as_ref());
                    }
                    ("mouseMoved", _) => {
                        self.buttons.values_mut().for_each(|at| *at = (mouse.x, mouse.y));
                    }
                    _ => {}
                }
            }
            "Input.dispatchKeyEvent" => {
                let Some(key) = message::read::<Key>(params) else { return };
                let name = if key.code.is_empty() { &key.key } else { &key.code };
                match key.kind.as_ref() {
                    "keyDown" | "rawKeyDown" if self.keys.len() < 64 && !name.is_empty() => {
                        let up = json!({ "type": "keyUp", "code": key.code, "key": key.key,
                            "windowsVirtualKeyCode": key.windows_virtual_key_code });
                        self.keys.insert(name.clone().into_owned(), up);
                    }
                    "keyUp" => {
                        self.keys.remove(name.as_ref());
                    }
                    _ => {}
                }
            }
            "Input.imeSetComposition" => {
                let part = message::read::<Composition>(params);
                self.composing = part.is_some_and(|part| !part.text.is_empty());
            }
            "Input.insertText" => self.composing = false,
            "Input.dispatchTouchEvent" => {
                if let Some(touch) = message::read::<Mouse>(params) {
                    self.touching = matches!(touch.kind.as_ref(), "touchStart" | "touchMove");
                }
            }
            _ => {}
        }
    }

    /// What lets go of everything that is held down here: method and parameters.
    pub fn release_all(&mut self) -> Vec<(&'static str, Value)> {
        let mut calls = Vec::new();
        for (button, (x, y)) in std::mem::take(&mut self.buttons) {
            let params =
                json!({ "type": "mouseReleased", "x": x, "y": y, "button": button, "clickCount": 0 });
            calls.push(("Input.dispatchMouseEvent", params));
        }
        for params in std::mem::take(&mut self.keys).into_values() {
            calls.push(("Input.dispatchKeyEvent", params));
        }
        if std::mem::take(&mut self.touching) {
            let params = json!({ "type": "touchCancel", "touchPoints": [] });
            calls.push(("Input.dispatchTouchEvent", params));
        }
        // Left open, it would be committed where a person goes on typing.
        if std::mem::take(&mut self.composing) {
            let params = json!({ "text": "", "selectionStart": 0, "selectionEnd": 0 });
            calls.push(("Input.imeSetComposition", params));
        }
        calls
    }

    /// This releases what is up already.
    pub fn lets_go_of_nothing(&self, method: &str, params: Option<&RawValue>) -> bool {
        match method {
            "Input.dispatchMouseEvent" => message::read::<Mouse>(params)
                .and_then(|mouse| mouse.button)
                .is_some_and(|button| !self.buttons.contains_key(button.as_ref())),
            "Input.dispatchKeyEvent" => message::read::<Key>(params).is_some_and(|key| {
                let name = if key.code.is_empty() { &key.key } else { &key.code };
                !self.keys.contains_key(name.as_ref())
            }),
            "Input.dispatchTouchEvent" => !self.touching,
            _ => false,
        }
    }
}
