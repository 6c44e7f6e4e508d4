//! The secrets that a room's agents may use without reading them.
//!
//! Owns who may have which secret where: only in its room, only at its
//! origins, only in a field that it fits. Refuses to give a value without the
//! place it is for, and to any but those that type it.

use std::sync::Arc;

use crate::base::{Masks, Redacted, RoomId};
use crate::policy::{SecretKind, SecretName, SecretOrigin, Totp};
use crate::store::{SecretError, Store, StoredSecret, UnixSeconds};

/// The secrets of one room. Cheap to clone.
#[derive(Clone)]
pub struct Secrets {
    store: Store,
    room: Arc<RoomId>,
    masks: Masks,
}

/// What an agent may know of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableSecret {
    pub name: SecretName,
    pub kind: SecretKind,
    pub origins: Vec<SecretOrigin>,
}

/// Why a secret is not given; in words for the agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSecret {
    #[error("there is no secret {name} for this room; {}", those(.there))]
    Unknown { name: SecretName, there: Vec<SecretName> },
    #[error(
        "the secret {name} may be typed at {} only, and this frame is at {at} instead: go to one of those first, or ask an admin to allow this one",
        list(.origins)
    )]
    Elsewhere { name: SecretName, origins: Vec<SecretOrigin>, at: String },
    /// Of the server; its own words go to the log.
    #[error("secrets cannot be used now: {0}")]
    Unavailable(String),
}

fn those(names: &[SecretName]) -> String {
    match names.is_empty() {
        true => "there is none at all. An admin sets them with `tandem secret set`".into(),
        false => format!("there are: {}", list(names)),
    }
}

fn list(some: &[impl ToString]) -> String {
    some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Secrets {
    pub(super) fn new(store: Store, room: RoomId, masks: Masks) -> Self {
        Self { store, room: Arc::new(room), masks }
    }

    /// Those that may be used in this room.
    pub async fn list(&self) -> Result<Vec<UsableSecret>, NoSecret> {
        let all = self.store.secrets().await.map_err(|error| self.unavailable(&error.into()))?;
        let here = all.into_iter().filter(|secret| self.has(secret));
        Ok(here
            .map(|StoredSecret { name, kind, origins, .. }| UsableSecret { name, kind, origins })
            .collect())
    }

    fn has(&self, secret: &StoredSecret) -> bool {
        secret.room.as_ref().is_none_or(|room| *room == *self.room)
    }

    /// What is known of one; or which ones there are.
    pub async fn find(&self, name: &SecretName) -> Result<UsableSecret, NoSecret> {
        let mut all = self.list().await?;
        match all.iter().position(|secret| secret.name == *name) {
            Some(at) => Ok(all.swap_remove(at)),
            None => {
                let there = all.into_iter().map(|secret| secret.name).collect();
                Err(NoSecret::Unknown { name: name.clone(), there })
            }
        }
    }

    /// What is to be typed into a field of a frame of this origin, as the
    /// browser told it just now. From here on it is masked in all that leaves.
    pub async fn give(
        &self,
        name: &SecretName,
        origin: &str,
    ) -> Result<(Redacted<String>, SecretKind), NoSecret> {
        let opened = self.store.open_secret(name.clone()).await;
        let opened = opened.map_err(|error| self.unavailable(&error))?;
        let Some((secret, value)) = opened.filter(|(secret, _)| self.has(secret)) else {
            self.find(name).await?;
            return Err(NoSecret::Unknown { name: name.clone(), there: vec![] });
        };
        if !secret.origins.iter().any(|allowed| allowed.fits(origin)) {
            let at = if origin.is_empty() || origin == "null" { "no origin of its own" } else { origin };
            let at = at.chars().take(200).collect();
            return Err(NoSecret::Elsewhere { name: name.clone(), origins: secret.origins, at });
        }
        let now = UnixSeconds::now();
        let value = match secret.kind {
            SecretKind::Text | SecretKind::Password => value,
            SecretKind::Totp => {
                let code = value.reveal().parse::<Totp>().ok();
                let code = code.and_then(|totp| totp.code(u64::try_from(now.0).unwrap_or_default()));
                code.ok_or_else(|| NoSecret::Unavailable(format!("{name} makes no code; set it anew")))?
            }
        };
        self.masks.add(value.reveal());
        let noted = self.store.note_secret_use(name.clone(), now).await;
        noted.map_err(|error| self.unavailable(&error.into()))?;
        Ok((value, secret.kind))
    }

    fn unavailable(&self, error: &SecretError) -> NoSecret {
        tracing::warn!(room = %self.room, %error, "secrets cannot be used");
        NoSecret::Unavailable(match error {
            SecretError::Store(_) | SecretError::Cipher(_) => "the server cannot read them".into(),
            SecretError::Sealed { name } => format!("{name} does not open; an admin must set it anew"),
            _ => "the key that opens them is missing or wrong; an admin must restore it".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        text.parse().expect("a name")
    }

    async fn kept(store: &Store, of: &str, kind: SecretKind, room: Option<&str>, value: &str) {
        let secret = StoredSecret {
            name: name(of),
            kind,
            origins: vec!["https://shop.example".parse().expect("an origin")],
            room: room.map(|room| RoomId::new(room).expect("a room")),
            made_at: UnixSeconds(1),
            made_by: "Ann".into(),
            used_at: None,
        };
        store.put_secret(secret, Redacted::new(value.into())).await.expect("kept");
    }

    #[tokio::test]
    async fn a_secret_is_given_for_its_place_in_its_room_and_masked_from_then_on() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("store");
        kept(&store, "shop-password", SecretKind::Password, None, "hunter22").await;
        kept(&store, "other", SecretKind::Text, Some("other"), "elsewhere").await;
        kept(&store, "code", SecretKind::Totp, Some("main"), "JBSWY3DPEHPK3PXP").await;
        let masks = Masks::default();
        let secrets = Secrets::new(store.clone(), RoomId::main(), masks.clone());
        let names: Vec<_> = secrets.list().await.expect("listed").into_iter().map(|one| one.name).collect();
        assert_eq!(names, [name("code"), name("shop-password")]);

        let shop = "https://shop.example";
        for place in ["https://evil.example", "null", "", "http://shop.example"] {
            let refused = secrets.give(&name("shop-password"), place).await.expect_err("refused").to_string();
            assert!(refused.contains("https://shop.example only"), "{refused}");
        }
        assert!(masks.is_empty());
        let (value, kind) = secrets.give(&name("shop-password"), shop).await.expect("given");
        assert_eq!((value.reveal().as_str(), kind), ("hunter22", SecretKind::Password));
        assert_eq!(masks.mask("it is hunter22"), "it is ••••");
        let (code, _) = secrets.give(&name("code"), shop).await.expect("given");
        assert!(code.reveal().len() == 6 && masks.finds(code.reveal().as_bytes()));
        let used = store.secrets().await.expect("listed");
        assert!(used.iter().all(|one| one.used_at.is_some() == (one.name != name("other"))));

        for unknown in ["other", "none"] {
            let refused = secrets.give(&name(unknown), shop).await.expect_err("refused").to_string();
            assert!(refused.contains("there are: code, shop-password"), "{refused}");
            assert!(secrets.find(&name(unknown)).await.is_err());
        }
        std::fs::remove_file(dir.path().join("secrets.key")).expect("removed");
        let refused = secrets.give(&name("shop-password"), shop).await.expect_err("refused").to_string();
        assert!(refused.contains("the key that opens them is missing"), "{refused}");
    }
}
