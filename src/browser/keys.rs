//! Keys by their names, as Playwright writes them: `Enter`, `a`, `Control+Shift+P`.

use chromiumoxide::keys::{KeyDefinition, USKEYBOARD_LAYOUT};
use serde_json::{Value, json};

/// One key with the modifiers that are held for it.
#[derive(Debug)]
pub struct Stroke {
    pub(super) modifiers: Vec<Key>,
    pub(super) key: Key,
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    key: String,
    code: &'static str,
    key_code: i64,
    text: Option<String>,
    bit: u32,
}

/// A key that no keyboard here has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Unknown key: \"{0}\". Use a character or a name such as Enter, Tab, Escape, ArrowDown, F5, Control+a"
)]
pub struct KeyError(String);

pub(super) const SHIFT: u32 = 8;

impl std::str::FromStr for Stroke {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let unknown = || KeyError(text.to_owned());
        // The last part may itself be a plus.
        let (before, last) = match text.strip_suffix("++") {
            Some(before) => (Some(before), "+"),
            None if text == "+" => (None, "+"),
            None => match text.rsplit_once('+') {
                Some((before, last)) => (Some(before), last),
                None => (None, text),
            },
        };
        let mut modifiers = Vec::new();
        for name in before.into_iter().flat_map(|before| before.split('+')) {
            let key = Key::named(name).filter(|key| key.bit != 0).ok_or_else(unknown)?;
            modifiers.push(key);
        }
        let bits = modifiers.iter().fold(0, |bits, key| bits | key.bit);
        let mut key = Key::named(last).ok_or_else(unknown)?;
        if bits & SHIFT != 0 {
            key = key.shifted();
        }
        if bits & !SHIFT != 0 {
            // With Control held a letter is a command, not text.
            key.text = None;
        }
        Ok(Self { modifiers, key })
    }
}

impl Key {
    fn named(name: &str) -> Option<Self> {
        let name = match name {
            "ControlOrMeta" | "Ctrl" => "Control",
            "Esc" => "Escape",
            "Space" => " ",
            "Return" => "Enter",
            "Del" => "Delete",
            "Up" => "ArrowUp",
            "Down" => "ArrowDown",
            "Left" => "ArrowLeft",
            "Right" => "ArrowRight",
            "Cmd" | "Command" => "Meta",
            "Option" => "Alt",
            other => other,
        };
        let by_key = USKEYBOARD_LAYOUT.iter().find(|definition| definition.key == name);
        let definition =
            by_key.or_else(|| USKEYBOARD_LAYOUT.iter().find(|definition| definition.code == name));
        if let Some(definition) = definition {
            return Some(Self::of(definition));
        }
        let mut chars = name.chars();
        match (chars.next(), chars.next()) {
            // A character that the keyboard lacks is still text.
            (Some(one), None) => Some(Self {
                key: one.to_string(),
                code: "",
                key_code: 0,
                text: Some(one.to_string()),
                bit: 0,
            }),
            _ => None,
        }
    }

    fn of(definition: &KeyDefinition) -> Self {
        let bit = match definition.key {
            "Alt" => 1,
            "Control" => 2,
            "Meta" => 4,
            "Shift" => SHIFT,
            _ => 0,
        };
        let text = match definition.key {
            "Enter" => Some("\r".to_owned()),
            key if key.chars().count() == 1 => Some(definition.text.unwrap_or(key).to_owned()),
            _ => definition.text.map(str::to_owned).filter(|text| !text.is_empty()),
        };
        Self {
            key: definition.key.to_owned(),
            code: definition.code,
            key_code: definition.key_code,
            text,
            bit,
        }
    }

    /// The key of a character that the keyboard has, with whether Shift is held for it.
    pub(super) fn typed(character: char) -> Option<Self> {
        let name = match character {
            '\n' | '\r' => return Self::named("Enter"),
            '\t' => return Self::named("Tab"),
            other => other.to_string(),
        };
        USKEYBOARD_LAYOUT.iter().find(|definition| definition.key == name).map(Self::of)
    }

    fn shifted(mut self) -> Self {
        if self.key.len() == 1 && self.key.chars().all(|one| one.is_ascii_lowercase()) {
            self.key = self.key.to_ascii_uppercase();
            self.text = Some(self.key.clone());
        }
        self
    }

    pub(super) fn bit(&self) -> u32 {
        self.bit
    }

    /// The parameters of `Input.dispatchKeyEvent`.
    pub(super) fn event(&self, down: bool, modifiers: u32) -> Value {
        let kind = match (down, &self.text) {
            (true, Some(_)) => "keyDown",
            (true, None) => "rawKeyDown",
            (false, _) => "keyUp",
        };
        let mut event = json!({
            "type": kind, "modifiers": modifiers, "key": self.key, "code": self.code,
            "windowsVirtualKeyCode": self.key_code, "nativeVirtualKeyCode": self.key_code,
        });
        if let (true, Some(text)) = (down, &self.text) {
            event["text"] = text.as_str().into();
            event["unmodifiedText"] = text.as_str().into();
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_playwright_writes_them() {
        for (text, modifiers, key, has_text) in [
            ("a", 0, "a", true),
            ("Enter", 0, "Enter", true),
            ("ControlOrMeta+a", 1, "a", false),
            ("Control+Shift+p", 2, "P", false),
            ("Shift+a", 1, "A", true),
            ("+", 0, "+", true),
            ("Control++", 1, "+", false),
            ("ArrowDown", 0, "ArrowDown", false),
            ("é", 0, "é", true),
            ("KeyQ", 0, "q", true),
        ] {
            let stroke: Stroke = text.parse().expect(text);
            assert_eq!(stroke.modifiers.len(), modifiers, "{text}");
            assert_eq!((stroke.key.key.as_str(), stroke.key.text.is_some()), (key, has_text), "{text}");
        }
        for bad in ["", "Contrl+a", "Nonsense", "a+b", "Control+"] {
            assert!(bad.parse::<Stroke>().is_err(), "{bad}");
        }
    }
}
