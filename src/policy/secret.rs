//! Secrets that agents use without reading them: how one is named, what it is
//! for, and the origins at which it may be typed.
//!
//! Owns the decision whether a place may have a secret. It fails closed: an
//! origin that is not known, opaque, or written in an odd way has none.

mod origin;
mod totp;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

pub use origin::{SecretOrigin, SecretOriginError};
pub use totp::{Totp, TotpError};

/// The longest value, in characters.
pub const LONGEST_SECRET: usize = 1000;
/// Origins of one secret.
pub const MOST_SECRET_ORIGINS: usize = 32;
/// How an agent writes that a secret is to be typed.
pub const SECRET_PREFIX: &str = "secret:";

/// The name of a secret, which agents read and write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret's name has 1 to 64 small letters, digits, '-', '_' or '.', and begins with a letter or digit"
)]
pub struct SecretNameError;

/// What a secret is, and with it where it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// A user's name or the like, for fields of one line.
    Text,
    /// For password fields only.
    Password,
    /// What codes are made of that are good for a moment: an `otpauth://` address or base32.
    Totp,
}

impl SecretName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The secret that a text stands for, if it is one's name and nothing else.
    /// A text that begins so and goes on with what is no name is an error: it
    /// must not be typed as it is.
    pub fn meant_by(text: &str) -> Option<Result<Self, SecretNameError>> {
        text.strip_prefix(SECRET_PREFIX).map(str::parse)
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        let letter = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = matches!(text.len(), 1..=64)
            && text.bytes().all(|c| letter(c) || b"-_.".contains(&c))
            && text.bytes().next().is_some_and(letter);
        good.then(|| Self(text.to_owned())).ok_or(SecretNameError)
    }
}

impl TryFrom<String> for SecretName {
    type Error = SecretNameError;

    fn try_from(text: String) -> Result<Self, SecretNameError> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SecretKind {
    pub const ALL: [Self; 3] = [Self::Text, Self::Password, Self::Totp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Password => "password",
            Self::Totp => "totp",
        }
    }

    /// Checks a value that somebody wants to keep; why it cannot be, in words
    /// that hold nothing of it.
    pub fn check(self, value: &str) -> Result<(), String> {
        if value.is_empty() || value.chars().count() > LONGEST_SECRET {
            return Err(format!("a secret has 1 to {LONGEST_SECRET} characters"));
        }
        if value.chars().any(char::is_control) {
            return Err("a secret is one line without control characters".into());
        }
        match self {
            Self::Text | Self::Password => Ok(()),
            Self::Totp => value.parse::<Totp>().map(drop).map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SecretKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is no kind of secret; use text, password or totp"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_meant_by_its_name_alone() {
        let meant = |text: &str| SecretName::meant_by(text).map(|name| name.map(String::from));
        assert_eq!(meant("secret:shop-password"), Some(Ok("shop-password".into())));
        for text in ["shop-password", " secret:x", "my secret:x", "SECRET:x", ""] {
            assert_eq!(meant(text), None, "{text}");
        }
        for text in ["secret:", "secret:a b", "secret: a", "secret:A", "secret:-a", "secret:a\n", "secret:ä"]
        {
            assert_eq!(meant(text), Some(Err(SecretNameError)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_without_saying_it() {
        assert_eq!(SecretKind::Password.check("correct horse"), Ok(()));
        assert_eq!(SecretKind::Totp.check("JBSW Y3DP EHPK 3PXP"), Ok(()));
        for (kind, value) in [
            (SecretKind::Password, String::new()),
            (SecretKind::Password, "two\nlines".into()),
            (SecretKind::Text, "x".repeat(LONGEST_SECRET + 1)),
            (SecretKind::Totp, "hunter2 is no base32".into()),
        ] {
            let why = kind.check(&value).expect_err("refused");
            assert!(value.is_empty() || !why.contains(&value), "{why}");
        }
    }
}
