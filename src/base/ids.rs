//! Names of things, each a type of its own.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a room: 1 to 32 of `a-z`, `0-9` and `-`, starting with a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(Arc<str>);

/// Whoever acts or watches, for as long as their token is valid: a person's
/// browser or an agent's client.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActorId(Arc<str>);

/// One WebRTC connection of one viewer. Never used twice while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

/// Why a text is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(&'static str);

impl RoomId {
    /// Checks and takes a name.
    pub fn new(name: &str) -> Result<Self, IdError> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = name.as_bytes();
        match bytes {
            [] => Err(IdError("a room's name is empty; use 1 to 32 of a-z, 0-9 and -")),
            [_, ..] if bytes.len() > 32 => Err(IdError("a room's name is longer than 32 characters")),
            [first, ..] if !plain(*first) => Err(IdError("a room's name starts with a-z or 0-9")),
            _ if bytes.iter().all(|c| plain(*c) || *c == b'-') => Ok(Self(name.into())),
            _ => Err(IdError("a room's name has only a-z, 0-9 and -")),
        }
    }

    /// The room that exists from the start.
    pub fn main() -> Self {
        Self("main".into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ActorId {
    /// Checks and takes an id: 1 to 64 of letters, digits, `-`, `_`, `.` and `:`.
    pub fn new(id: &str) -> Result<Self, IdError> {
        let ok = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':');
        if id.is_empty() || id.len() > 64 || !id.bytes().all(ok) {
            return Err(IdError(
                "an actor's id has 1 to 64 letters, digits, dashes, underscores, dots and colons",
            ));
        }
        Ok(Self(id.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}
text_id!(RoomId);
text_id!(ActorId);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_name_is_short_plain_and_safe_in_a_path() {
        for good in ["main", "a", "team-1", "0day", &"x".repeat(32)] {
            assert!(RoomId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a/b", "..", "a b", "ä", "a\n", &"x".repeat(33)] {
            assert!(RoomId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_survive_json_and_bad_ones_are_refused_there_too() {
        let id: RoomId = serde_json::from_str("\"main\"").expect("valid");
        assert_eq!(serde_json::to_string(&id).expect("json"), "\"main\"");
        assert!(serde_json::from_str::<RoomId>("\"../etc\"").is_err());
        assert!(serde_json::from_str::<ActorId>("\"a b\"").is_err());
    }
}
