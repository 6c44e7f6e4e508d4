//! A rule as people write it.
//!
//! Within a field any entry will do, all fields that are written must fit. A
//! rule that denies or asks needs one part of the action to fit, a rule that
//! allows needs all of them to: every class, every place, every element,
//! every text and every joined command.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::action::Class;
use crate::base::{ActorId, ActorKind, Role};

/// What becomes of an action. The order is that of precedence, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Never done.
    Deny,
    /// Done when a person says yes.
    Ask,
    /// Done at once.
    Allow,
}

/// Whose rules: the server's or one room's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Server,
    Room,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique in its scope; stands in every decision.
    pub name: String,
    pub effect: Effect,
    #[serde(default, skip_serializing_if = "Who::is_anyone")]
    pub who: Who,
    /// Patterns for the tool or CDP method.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub what: OneOrMany<String>,
    /// What the action is for.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub classes: OneOrMany<Class>,
    /// Patterns for places.
    #[serde(default, rename = "where", skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub places: OneOrMany<String>,
    #[serde(default, skip_serializing_if = "Matching::is_anything")]
    pub matching: Matching,
    /// Only with `allow`: the rules that ask and need not, as `server/name`
    /// or `room/name`. An answer "always for this origin" becomes such a rule.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub over: OneOrMany<String>,
    /// For people: why there is this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whose actions a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ActorKind>,
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "Role | Role[]")]
    #[schema(value_type = Vec<Role>)]
    pub role: OneOrMany<Role>,
    /// Patterns for the name. Who connects may choose it: deny by it, allow by `id`.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub name: OneOrMany<String>,
    /// Exactly these.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub id: OneOrMany<ActorId>,
}

/// What more of an action must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Matching {
    /// Patterns for what is typed.
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub text: OneOrMany<String>,
    #[serde(skip_serializing_if = "TargetPatterns::is_anything")]
    pub target: TargetPatterns,
    /// Patterns for arguments, by name, dotted path (`fields.*.value`, `*` is
    /// every entry) or JSON pointer (`/fields/0/value`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[ts(type = "Record<string, string | string[]>")]
    #[schema(value_type = BTreeMap<String, Vec<String>>)]
    pub arguments: BTreeMap<String, OneOrMany<String>>,
}

/// Patterns for an element.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TargetPatterns {
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub role: OneOrMany<String>,
    #[serde(skip_serializing_if = "OneOrMany::is_empty")]
    #[ts(type = "string | string[]")]
    #[schema(value_type = Vec<String>)]
    pub name: OneOrMany<String>,
}

/// A list that may be written without brackets when it has one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written<T>", into = "Written<T>")]
#[serde(bound(serialize = "T: Clone + Serialize", deserialize = "T: Deserialize<'de>"))]
pub struct OneOrMany<T>(pub Vec<T>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> From<Written<T>> for OneOrMany<T> {
    fn from(written: Written<T>) -> Self {
        match written {
            Written::One(one) => Self(vec![one]),
            Written::Many(many) => Self(many),
        }
    }
}

impl<T> From<OneOrMany<T>> for Written<T> {
    fn from(mut list: OneOrMany<T>) -> Self {
        match list.0.pop() {
            Some(one) if list.0.is_empty() => Self::One(one),
            last => {
                list.0.extend(last);
                Self::Many(list.0)
            }
        }
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<T> for OneOrMany<T> {
    fn from(one: T) -> Self {
        Self(vec![one])
    }
}

impl<T> OneOrMany<T> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<T> FromIterator<T> for OneOrMany<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Rule {
    /// A rule about everything that anyone does anywhere.
    pub fn new(name: impl Into<String>, effect: Effect) -> Self {
        Self {
            name: name.into(),
            effect,
            who: Who::default(),
            what: OneOrMany::default(),
            classes: OneOrMany::default(),
            places: OneOrMany::default(),
            matching: Matching::default(),
            over: OneOrMany::default(),
            note: None,
        }
    }
}

impl Who {
    pub fn is_anyone(&self) -> bool {
        *self == Self::default()
    }
}

impl Matching {
    pub fn is_anything(&self) -> bool {
        *self == Self::default()
    }
}

impl TargetPatterns {
    pub fn is_anything(&self) -> bool {
        *self == Self::default()
    }
}

impl Effect {
    pub const ALL: [Self; 3] = [Self::Deny, Self::Ask, Self::Allow];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Allow => "allow",
        }
    }
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Room => "room",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Effect {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|effect| effect.as_str() == text)
            .ok_or_else(|| format!("'{text}' is no effect; use allow, ask or deny"))
    }
}
