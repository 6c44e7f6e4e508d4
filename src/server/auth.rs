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
use crate::base::{Colour, Redacted, Role, RoomId, ToolGroups};
use crate::floor::Mode;
use crate::store::{PageHash, Store, StoreError, StoredToken, TokenHash, TokenId, UnixSeconds};

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
    pub(super) colour: Option<Colour>,
    /// To which modes its holder may change a room, if not to all.
    pub(super) modes: Option<Vec<Mode>>,
    /// The other site whose pages may bring it.
    pub(super) origin: Option<String>,
    pub(super) single_use: bool,
    stored: Option<TokenId>,
}

impl Credential {
    /// How long it is good, if it ends.
    pub(super) fn seconds_left(&self) -> Option<u64> {
        let end = self.expires_at?;
        Some(u64::try_from(end.0.saturating_sub(UnixSeconds::now().0)).unwrap_or(0))
    }
}

/// The secret by which a page without cookies is known again: 32 hexadecimal
/// digits that it made up and keeps in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageMark(PageHash);

/// Why a token that was good once is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Expired,
    Revoked,
    /// It is for one page, and another came first.
    Used,
}

/// What is known of a token that no page has brought yet.
#[derive(Debug)]
pub(super) enum Known {
    /// Whose pages may show it, and why it opens nothing any more, if so.
    Token {
        origin: Option<String>,
    },
    Unknown(Denied),
}

/// Why nobody is let in.
#[derive(Debug)]
pub(super) enum Denied {
    Wrong,
    Ended { token: TokenId, why: Ended },
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

impl PageMark {
    pub(super) fn new(text: &str) -> Option<Self> {
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        (text.len() == 32 && text.bytes().all(hex)).then(|| Self(PageHash(hash_of(text).0)))
    }

    /// What others may know of it: tells two pages with one token apart.
    pub(super) fn public(&self) -> String {
        self.0.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Ended {
    pub(super) fn words(self) -> &'static str {
        match self {
            Ended::Expired => "this token has run out; get a new one where this one came from",
            Ended::Revoked => "this token was revoked; get a new one where this one came from",
            Ended::Used => "this token is for one page, and another page has used it; get a new one",
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Ended::Expired => "token-expired",
            Ended::Revoked => "token-revoked",
            Ended::Used => "token-used",
        }
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
        page: Option<&PageMark>,
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
            colour: None,
            modes: None,
            origin: None,
            single_use: false,
            stored: None,
        };
        if same(&self.admin) {
            return Ok(of_the_run("admin", Role::Admin, "Admin"));
        }
        if same(&self.agent) {
            return Ok(of_the_run("agent", Role::Agent, "Agent"));
        }
        match self.store.token_by_hash(hash).await {
            Ok(Some(token)) if same(&token.hash) => self.check_stored(token, from, page, now).await,
            Ok(_) => Err(self.wrong(from, Some(&hash))),
            Err(error) => Err(Denied::Failed(error)),
        }
    }

    async fn check_stored(
        &self,
        token: StoredToken,
        from: IpAddr,
        page: Option<&PageMark>,
        now: UnixSeconds,
    ) -> Result<Credential, Denied> {
        let why = match standing(&token, now) {
            Some(why) => why,
            None if !token.single_use => return Ok(token.into()),
            None => match page {
                Some(PageMark(page)) => match self.store.claim_token(token.id.clone(), *page).await {
                    Ok(true) => return Ok(token.into()),
                    Ok(false) => Ended::Used,
                    Err(error) => return Err(Denied::Failed(error)),
                },
                None => Ended::Used,
            },
        };
        // Whoever shows the text knew the token: they may know why it fails.
        match self.wrong(from, Some(&token.hash)) {
            Denied::Wrong => Err(Denied::Ended { token: token.id, why }),
            too_many => Err(too_many),
        }
    }

    /// What is known of a token before it is used: who may show its page.
    pub(super) async fn look(&self, secret: &str, from: IpAddr) -> Result<Known, StoreError> {
        let hash = hash_of(secret);
        let same = |ours: &TokenHash| bool::from(ours.0.ct_eq(&hash.0));
        if secret.len() > LONGEST {
            return Ok(Known::Unknown(self.wrong(from, Some(&hash))));
        }
        if same(&self.admin) || same(&self.agent) {
            return Ok(Known::Token { origin: None });
        }
        Ok(match self.store.token_by_hash(hash).await? {
            Some(token) if same(&token.hash) => Known::Token { origin: token.origin },
            _ => Known::Unknown(self.wrong(from, Some(&hash))),
        })
    }

    /// True while any good token names this site.
    pub(super) async fn knows_origin(&self, origin: &str) -> Result<bool, StoreError> {
        self.store.has_origin(origin.to_owned(), UnixSeconds::now()).await
    }

    fn wrong(&self, from: IpAddr, token: Option<&TokenHash>) -> Denied {
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        match throttle.handle_wrong(from, token, Instant::now()) {
            Ok(()) => Denied::Wrong,
            Err(retry_after) => Denied::TooMany { retry_after },
        }
    }

    /// Ends when the credential is no longer good: run out or revoked.
    pub(super) async fn ended(&self, credential: &Credential) -> Ended {
        let Some(id) = credential.stored.clone() else {
            return std::future::pending().await;
        };
        let mut changes = self.changes.subscribe();
        loop {
            match self.store.token(id.clone()).await {
                Ok(Some(token)) => {
                    if let Some(why) = standing(&token, UnixSeconds::now()) {
                        return why;
                    }
                }
                Ok(None) => return Ended::Revoked,
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
                changed = changes.changed() => if changed.is_err() { return Ended::Revoked },
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

/// Why a token is good no more; nothing while it is.
fn standing(token: &StoredToken, now: UnixSeconds) -> Option<Ended> {
    match token.is_good(now) {
        true => None,
        false if token.revoked_at.is_some() => Some(Ended::Revoked),
        false => Some(Ended::Expired),
    }
}

impl From<StoredToken> for Credential {
    fn from(token: StoredToken) -> Self {
        Self {
            // Who comes with a token that renews another is the same person.
            key: token.person.as_ref().unwrap_or(&token.id).to_string(),
            role: token.role,
            room: token.room,
            name: token.name,
            expires_at: token.expires_at,
            tools: token.tools,
            colour: token.colour,
            modes: token.modes,
            origin: token.origin,
            single_use: token.single_use,
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
    fn a_page_is_known_by_a_secret_of_which_others_see_something_else() {
        let text = "0123456789abcdef0123456789abcdef";
        let mark = PageMark::new(text).expect("a mark");
        assert_eq!(mark.public().len(), 16);
        assert!(!text.contains(&mark.public()) && !format!("{mark:?}").contains("0123"));
        for wrong in ["", "0123", &text.to_uppercase(), &format!("{text}0")] {
            assert_eq!(PageMark::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_chosen_token_that_is_short_or_would_break_an_address_is_refused() {
        assert_eq!(Secret::chosen("short"), Err(SecretError::Short));
        assert_eq!(Secret::chosen(""), Err(SecretError::Short));
        assert_eq!(Secret::chosen(&"x".repeat(201)), Err(SecretError::Long));
        assert_eq!(Secret::chosen("a token with&signs"), Err(SecretError::Character));
    }
}
