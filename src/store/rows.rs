//! The rows, as values.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::base::{Colour, Role, RoomId, Size, ToolGroups};
use crate::floor::Mode;

/// A moment on the wall clock, in whole seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct UnixSeconds(pub i64);

/// The public name of a token: 12 hexadecimal digits. Knowing it opens nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// SHA-256 of a token's text, which is all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

/// SHA-256 of the secret by which one page is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PageHash(pub [u8; 32]);

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    pub id: TokenId,
    pub hash: TokenHash,
    pub role: Role,
    /// Only this room, or all.
    pub room: Option<RoomId>,
    pub name: String,
    pub created_at: UnixSeconds,
    pub expires_at: Option<UnixSeconds>,
    pub revoked_at: Option<UnixSeconds>,
    /// Which groups of tools it opens, if not those that the server gives all.
    pub tools: Option<ToolGroups>,
    /// Of the person, if one was chosen.
    pub colour: Option<Colour>,
    /// To which modes its holder may change the room; to all if it does not say.
    pub modes: Option<Vec<Mode>>,
    /// The one other site whose pages may show the room and bring this token.
    pub origin: Option<String>,
    /// The first token of the same person, if this one came to renew another.
    pub person: Option<TokenId>,
    /// Good for the one page that brings it first.
    pub single_use: bool,
    /// What that page was known by.
    pub claimed: Option<PageHash>,
}

/// A room to be made again at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    pub id: RoomId,
    pub size: Size,
    pub start_url: Option<String>,
    pub created_at: UnixSeconds,
    /// Who may act in it at first, if it says so itself.
    pub mode: Option<Mode>,
    /// What it has of its own besides, as JSON that only the room reads.
    pub options: Option<String>,
}

impl UnixSeconds {
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }

    /// This many seconds later; stops at the end of time.
    pub fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)))
    }
}

impl TokenId {
    pub fn new(text: &str) -> Option<Self> {
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        (text.len() == 12 && text.bytes().all(hex)).then(|| Self(text.to_owned()))
    }

    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hash)")
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hash)")
    }
}

impl TryFrom<String> for TokenId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text).ok_or("a token's id is 12 hexadecimal digits")
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> String {
        id.0
    }
}

impl StoredToken {
    /// True as long as it was neither revoked nor has run out.
    pub fn is_good(&self, now: UnixSeconds) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
