//! What somebody is about to do, as far as rules can tell actions apart. It
//! knows no browser: a tool has a name and classes, and an agent with other
//! tools than ours brings classes of its own.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::place::Place;
use crate::base::Actor;

/// What an action is for, in one word: `navigate`, `submit`, `execute`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Class(Cow<'static, str>);

/// Why a word is no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a class is 1 to 32 of a-z, 0-9 and -, starting with a letter")]
pub struct ClassError;

/// One element that is acted on, as people and screen readers know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its ARIA role: `button`, `textbox`.
    #[serde(default)]
    pub role: String,
    /// Its accessible name.
    #[serde(default)]
    pub name: String,
}

/// One action that is to be decided on.
///
/// Whoever makes one tells everything that is known: what is left out cannot
/// be matched, and what is not known is said so (`Place::Unknown`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub actor: Actor,
    /// The tool (`browser_click`, `bash`) or CDP method (`Page.navigate`).
    pub tool: String,
    /// All that it does. No rule by class is about an action without any: what
    /// nobody knows is `Class::OTHER`.
    #[serde(default)]
    pub classes: Vec<Class>,
    /// Every place that it is about: the page's, and for a navigation the
    /// target's as well; empty when it is about none.
    #[serde(default)]
    pub places: Vec<Place>,
    #[serde(default)]
    pub arguments: Value,
    /// The elements that it acts on; two for a drag.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// The texts that it types.
    #[serde(default)]
    pub texts: Vec<String>,
}

impl Class {
    pub const NAVIGATE: Self = Self(Cow::Borrowed("navigate"));
    pub const INPUT: Self = Self(Cow::Borrowed("input"));
    pub const READ: Self = Self(Cow::Borrowed("read"));
    pub const DOWNLOAD: Self = Self(Cow::Borrowed("download"));
    pub const UPLOAD: Self = Self(Cow::Borrowed("upload"));
    /// Runs a script in a page.
    pub const EVALUATE: Self = Self(Cow::Borrowed("evaluate"));
    pub const STORAGE: Self = Self(Cow::Borrowed("storage"));
    pub const SUBMIT: Self = Self(Cow::Borrowed("submit"));
    pub const CREDENTIALS: Self = Self(Cow::Borrowed("credentials"));
    /// Changes how the browser or its network behaves.
    pub const SETTINGS: Self = Self(Cow::Borrowed("settings"));
    /// Runs a command; every argument of such an action is read as one.
    pub const EXECUTE: Self = Self(Cow::Borrowed("execute"));
    /// Changes files.
    pub const WRITE: Self = Self(Cow::Borrowed("write"));
    /// Nobody knows what it does.
    pub const OTHER: Self = Self(Cow::Borrowed("other"));

    /// The classes that rules may name without more ado.
    pub const KNOWN: [Self; 13] = [
        Self::NAVIGATE,
        Self::INPUT,
        Self::READ,
        Self::DOWNLOAD,
        Self::UPLOAD,
        Self::EVALUATE,
        Self::STORAGE,
        Self::SUBMIT,
        Self::CREDENTIALS,
        Self::SETTINGS,
        Self::EXECUTE,
        Self::WRITE,
        Self::OTHER,
    ];

    pub fn new(word: &str) -> Result<Self, ClassError> {
        let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let starts = word.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        if !starts || word.len() > 32 || !word.bytes().all(good) {
            return Err(ClassError);
        }
        Ok(Self(Cow::Owned(word.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Class {
    type Error = ClassError;
    fn try_from(word: String) -> Result<Self, ClassError> {
        Self::new(&word)
    }
}

impl From<Class> for String {
    fn from(class: Class) -> String {
        class.0.into_owned()
    }
}

impl Action {
    /// An action of which nothing is known yet but who does it with what.
    pub fn new(actor: Actor, tool: impl Into<String>) -> Self {
        Self {
            actor,
            tool: tool.into(),
            classes: Vec::new(),
            places: Vec::new(),
            arguments: Value::Null,
            targets: Vec::new(),
            texts: Vec::new(),
        }
    }

    pub fn classes(mut self, classes: impl IntoIterator<Item = Class>) -> Self {
        self.classes.extend(classes);
        self
    }

    /// The address of a page, or of where a navigation leads.
    pub fn at(mut self, url: &str) -> Self {
        self.places.push(Place::of(url));
        self
    }

    pub fn arguments(mut self, arguments: Value) -> Self {
        self.arguments = arguments;
        self
    }

    pub fn on(mut self, role: &str, name: &str) -> Self {
        self.targets.push(Target { role: role.to_owned(), name: name.to_owned() });
        self
    }

    pub fn typing(mut self, text: impl Into<String>) -> Self {
        self.texts.push(text.into());
        self
    }

    pub fn is(&self, class: &Class) -> bool {
        self.classes.contains(class)
    }
}
