//! Tokens: how they are made, and whom one stands for.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::throttle::Throttle;
use crate::base::{Redacted, Role, RoomId, ToolGroups};
use crate::store::{Store, StoreError, StoredToken, TokenHash, TokenId, UnixSeconds};

/// How often other processes' changes to the tokens are looked for.
const LOOK_FOR_CHANGES: Duration = Duration::from_secs(1);
/// A chosen admin token is at least this long.
const SHORTEST: usize = 8;
const LONGEST: usize = 200;

/// The text of a token, which opens doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret(Redacted<String>);

/// Why a text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the admin token is shorter than {SHORTEST} characters; leave it out to have one made")]
    Short,
    #[error("the admin token is longer than {LONGEST} characters")]
    Long,
    #[error("the admin token has a character that does not fit an address; use letters, digits, - _ . ~")]
    Character,
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// The tokens that live in memory only, for this run of the server.
#[derive(Clone, Debug)]
pub struct RunTokens {
    pub admin: Secret,
    pub agent: Secret,
}

/// What was shown at the door, after it proved good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credential {
    /// `admin`, `agent` or the id of a stored token: the stem of the actor's id.
    pub(super) key: String,
    pub(super) role: Role,
    pub(super) room: Option<RoomId>,
    pub(super) name: String,
    pub(super) expires_at: Option<UnixSeconds>,
    /// Which groups of tools it opens, if not those that the server gives all.
    pub(super) tools: Option<ToolGroups>,
    stored: Option<TokenId>,
}

/// Why nobody is let in.
#[derive(Debug)]
pub(super) enum Denied {
    Wrong,
    TooMany { retry_after: Duration },
    Failed(StoreError),
}

/// Knows the tokens.
#[derive(Debug)]
pub struct Auth {
    store: Store,
    admin: TokenHash,
    agent: TokenHash,
    throttle: Mutex<Throttle>,
    /// Counts changes to the tokens, so that open connections look again.
    changes: watch::Sender<u64>,
}

/// What is kept of a token's text.
pub fn hash_of(secret: &str) -> TokenHash {
    TokenHash(Sha256::digest(secret.as_bytes()).into())
}

impl Secret {
    /// Makes a new one from 32 random bytes.
    pub fn random() -> Result<Self, SecretError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| SecretError::NoRandom)?;
        Ok(Self(Redacted::new(format!("tdm_{}", URL_SAFE_NO_PAD.encode(bytes)))))
    }

    /// Takes one that somebody chose.
    pub fn chosen(text: &str) -> Result<Self, SecretError> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b'~');
        if !text.bytes().all(fits) {
            return Err(SecretError::Character);
        }
        match text.len() {
            ..SHORTEST => Err(SecretError::Short),
            SHORTEST..=LONGEST => Ok(Self(Redacted::new(text.to_owned()))),
            _ => Err(SecretError::Long),
        }
    }

    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }

    pub fn hash(&self) -> TokenHash {
        hash_of(self.reveal())
    }
}

impl RunTokens {
    /// The tokens of this run; the admin's may have been chosen.
    pub fn new(admin: Option<Secret>) -> Result<Self, SecretError> {
        let admin = admin.map_or_else(Secret::random, Ok)?;
        Ok(Self { admin, agent: Secret::random()? })
    }
}

impl Auth {
    pub fn new(store: Store, tokens: &RunTokens) -> Self {
        Self {
            store,
            admin: tokens.admin.hash(),
            agent: tokens.agent.hash(),
            throttle: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Whom this text stands for.
    pub(super) async fn check(
        &self,
        secret: &str,
        from: IpAddr,
        now: UnixSeconds,
    ) -> Result<Credential, Denied> {
        // Texts that cannot be tokens are not worth a hash or a query.
        if secret.len() > LONGEST {
            return Err(self.wrong(from, None));
        }
        let hash = hash_of(secret);
        let same = |ours: &TokenHash| bool::from(ours.0.ct_eq(&hash.0));
        let of_the_run = |key: &str, role, name: &str| Credential {
            key: key.to_owned(),
            role,
            room: None,
            name: name.to_owned(),
            expires_at: None,
            tools: None,
            stored: None,
        };
        if same(&self.admin) {
            return Ok(of_the_run("admin", Role::Admin, "Admin"));
        }
        if same(&self.agent) {
            return Ok(of_the_run("agent", Role::Agent, "Agent"));
        }
        match self.store.token_by_hash(hash).await {
            Ok(Some(token)) if same(&token.hash) && token.is_good(now) => Ok(token.into()),
            Ok(_) => Err(self.wrong(from, Some(&hash))),
            Err(error) => Err(Denied::Failed(error)),
        }
    }

    fn wrong(&self, from: IpAddr, token: Option<&TokenHash>) -> Denied {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match throttle.handle_wrong(from, token, Instant::now()) {
            Ok(()) => Denied::Wrong,
            Err(retry_after) => Denied::TooMany { retry_after },
        }
    }

    /// Ends when the credential is no longer good: run out or revoked.
    pub(super) async fn ended(&self, credential: &Credential) {
        let Some(id) = credential.stored.clone() else {
            return std::future::pending().await;
        };
        let mut changes = self.changes.subscribe();
        loop {
            match self.store.token(id.clone()).await {
                Ok(Some(token)) if token.is_good(UnixSeconds::now()) => {}
                Ok(_) => return,
                // Not being able to ask is no proof that it still holds, but
                // the store says no more until the server is ended anyway.
                Err(error) => tracing::warn!(%error, "cannot look a token up again"),
            }
            let left = credential.expires_at.map(|end| end.0.saturating_sub(UnixSeconds::now().0).max(0));
            let run_out = async {
                match left.and_then(|seconds| u64::try_from(seconds).ok()) {
                    // A sleep is capped so that a change of the clock is noticed.
                    Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds.clamp(1, 60))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = run_out => {}
            }
        }
    }

    /// Tells open connections to look at their tokens again.
    pub(super) fn tokens_changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Watches for what `tandem token` changes from outside.
    pub(super) async fn watch_store(&self, shutdown: CancellationToken) {
        let mut seen = self.store.foreign_changes().await.ok();
        let mut beat = tokio::time::interval(LOOK_FOR_CHANGES);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = beat.tick() => {}
            }
            let Ok(found) = self.store.foreign_changes().await else { return };
            if seen.replace(found) != Some(found) {
                self.tokens_changed();
            }
        }
    }
}

impl From<StoredToken> for Credential {
    fn from(token: StoredToken) -> Self {
        Self {
            key: token.id.to_string(),
            role: token.role,
            room: token.room,
            name: token.name,
            expires_at: token.expires_at,
            tools: token.tools,
            stored: Some(token.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_token_is_long_random_fits_an_address_and_is_never_printed() {
        let (one, two) = (Secret::random().expect("made"), Secret::random().expect("made"));
        assert_ne!(one, two);
        assert!(one.reveal().starts_with("tdm_") && one.reveal().len() == 47);
        assert_eq!(Secret::chosen(one.reveal()), Ok(one.clone()));
        assert!(!format!("{one:?}").contains(one.reveal()));
    }

    #[test]
    fn a_chosen_token_that_is_short_or_would_break_an_address_is_refused() {
        assert_eq!(Secret::chosen("short"), Err(SecretError::Short));
        assert_eq!(Secret::chosen(""), Err(SecretError::Short));
        assert_eq!(Secret::chosen(&"x".repeat(201)), Err(SecretError::Long));
        assert_eq!(Secret::chosen("a token with&signs"), Err(SecretError::Character));
    }
}
