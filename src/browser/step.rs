//! The steps of a locator, as the script in the page takes them.

use serde::Serialize;

/// A text to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Text {
    Plain {
        text: String,
        exact: bool,
        /// A text node of the element, whole: `text="Log in"`.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        strict: bool,
    },
    Pattern {
        regex: String,
        flags: String,
    },
}

/// What a state of an element must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum StateValue {
    Is(bool),
    Level(u32),
    Mixed(&'static str),
}

pub(super) type Steps = Vec<Step>;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Step {
    Css {
        css: String,
        list: Vec<Complex>,
        /// It has pseudo-classes that only the script knows.
        own: bool,
        /// It begins with a combinator.
        relative: bool,
    },
    Xpath {
        xpath: String,
    },
    Role(Box<Role>),
    Text {
        text: Text,
    },
    Label {
        text: Text,
    },
    Attribute {
        attribute: String,
        text: Text,
    },
    Nth {
        nth: i64,
    },
    Filter(Box<Filter>),
    And {
        other: Steps,
    },
    Or {
        other: Steps,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    pub role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Text>,
    pub states: std::collections::BTreeMap<&'static str, StateValue>,
    pub include_hidden: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_text: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_not_text: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has: Option<Steps>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_not: Option<Steps>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible: Option<bool>,
}

/// Compounds with combinators between them: ` `, `>`, `+` or `~`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Complex {
    pub parts: Vec<Compound>,
    pub combinators: Vec<char>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Compound {
    /// What the browser itself can match.
    pub css: String,
    pub scope: bool,
    pub pseudos: Vec<Pseudo>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Pseudo {
    pub name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Text>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Complex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
}

impl Text {
    pub fn plain(text: &str, exact: bool) -> Self {
        Text::Plain { text: text.to_owned(), exact, strict: false }
    }
}

impl Step {
    pub fn attribute(attribute: &str, text: Text) -> Self {
        Step::Attribute { attribute: attribute.to_owned(), text }
    }
}
