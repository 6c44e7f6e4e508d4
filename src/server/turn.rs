//! Credentials for a TURN server that hold for some hours: made from a secret
//! that it shares with us, as coturn's `use-auth-secret` reads them (the name
//! begins with the time of its end, the password is the HMAC-SHA1 of the name).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use super::wire::IceServer;
use crate::base::{ActorId, Redacted};
use crate::store::UnixSeconds;

/// How long one holds. A page gets new ones each time it connects, so this is
/// how long a page may stay and still find a way after its network changed.
const LASTS: u64 = 12 * 3600;

/// A TURN server, at one or more addresses.
#[derive(Clone, Debug)]
pub struct Turn {
    urls: Vec<String>,
    secret: Redacted<String>,
}

/// Why there can be no credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    #[error("the secret is shorter than 16 characters")]
    Short,
    #[error("a TURN address is written turn:host:port or turns:host:port, with ?transport=tcp where wanted")]
    Address,
}

impl Turn {
    pub fn new(urls: Vec<String>, secret: &str) -> Result<Self, TurnError> {
        if secret.len() < 16 {
            return Err(TurnError::Short);
        }
        Ok(Self { urls, secret: Redacted::new(secret.to_owned()) })
    }

    /// Where it is.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// An address as browsers take it.
    pub fn url(text: &str) -> Result<String, TurnError> {
        let rest = text.strip_prefix("turn:").or_else(|| text.strip_prefix("turns:"));
        let (host, query) =
            rest.ok_or(TurnError::Address)?.split_once('?').unwrap_or((rest.unwrap_or(""), ""));
        let plain = |c: u8| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c);
        let good = !host.is_empty()
            && host.bytes().all(plain)
            && matches!(query, "" | "transport=udp" | "transport=tcp")
            && !(text.ends_with('?'));
        if good { Ok(text.to_owned()) } else { Err(TurnError::Address) }
    }

    /// For one person or program. Nothing if the system's OpenSSL has no SHA-1.
    pub(super) fn server_for(&self, who: &ActorId, now: UnixSeconds) -> Option<IceServer> {
        // What comes after the colon tells the people of a server apart, for its quota.
        let user = format!("{}:{who}", now.plus(LASTS).0);
        match self.password(&user) {
            Ok(credential) => Some(IceServer {
                urls: self.urls.clone(),
                username: Some(user),
                credential: Some(credential),
            }),
            Err(error) => {
                tracing::warn!(%error, "no credentials for the TURN server can be made");
                None
            }
        }
    }

    fn password(&self, user: &str) -> Result<String, openssl::error::ErrorStack> {
        let key = PKey::hmac(self.secret.reveal().as_bytes())?;
        let mut signer = Signer::new(MessageDigest::sha1(), &key)?;
        signer.update(user.as_bytes())?;
        Ok(STANDARD.encode(signer.sign_to_vec()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_what_coturn_reckons_and_ends() {
        let turn = Turn::new(vec!["turn:t.example:3478".into()], "a-secret-of-some-length").expect("good");
        let who = ActorId::new("admin.0123456789abcdef").expect("an id");
        let server = turn.server_for(&who, UnixSeconds(1_700_000_000)).expect("made");
        assert_eq!(server.username.as_deref(), Some("1700043200:admin.0123456789abcdef"));
        // Reckoned apart: openssl dgst -sha1 -hmac SECRET -binary | base64.
        assert_eq!(server.credential.as_deref(), Some("69QjI4dedB3qXda/lzpiXCMZn/o="));
        assert!(!format!("{turn:?}").contains("a-secret"));
    }

    #[test]
    fn addresses_are_those_of_turn_servers() {
        for good in ["turn:a.example", "turn:192.0.2.1:3478?transport=tcp", "turns:[2001:db8::1]:5349"] {
            assert_eq!(Turn::url(good), Ok(good.to_owned()));
        }
        for bad in ["", "stun:a", "turn:", "turn:a b", "turn:a?x=1", "turn:user:pass@a", "turn:a?"] {
            assert_eq!(Turn::url(bad), Err(TurnError::Address), "{bad}");
        }
        assert!(matches!(Turn::new(vec![], "short"), Err(TurnError::Short)));
    }
}
