//! The rows of secrets. Of a value only its sealed form is here; who opens it
//! decides what for.

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use std::path::Path;
use zeroize::Zeroizing;

use super::StoreError;
use super::rows::UnixSeconds;
use super::vault::{SealKey, SecretError};
use crate::base::{Redacted, RoomId};
use crate::policy::{SecretKind, SecretName, SecretOrigin, SecretOriginError};

/// Secrets of one server.
const MOST: i64 = 1000;
const FINGERPRINT: &str = "secrets_key";
const COLUMNS: &str = "name, kind, origins, room, made_at, made_by, used_at";

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    pub name: SecretName,
    pub kind: SecretKind,
    /// Where it may be typed.
    pub origins: Vec<SecretOrigin>,
    /// Only in this room, or in all.
    pub room: Option<RoomId>,
    pub made_at: UnixSeconds,
    pub made_by: String,
    pub used_at: Option<UnixSeconds>,
}

impl StoredSecret {
    fn origins_text(&self) -> String {
        self.origins.iter().map(SecretOrigin::to_string).collect::<Vec<_>>().join(" ")
    }

    /// What its value is bound to.
    fn bound(&self) -> Vec<u8> {
        let room = self.room.as_ref().map(RoomId::as_str).unwrap_or_default();
        // No part has a zero byte in it.
        ["tandem secret", self.name.as_str(), self.kind.as_str(), room, &self.origins_text()]
            .join("\0")
            .into()
    }
}

pub(super) fn all(connection: &Connection) -> Result<Vec<StoredSecret>, StoreError> {
    let mut query = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM secrets ORDER BY name"))?;
    let rows = query.query_map([], |row| Ok(stored(row)))?;
    rows.map(|row| row?).collect()
}

/// The key that the secrets here are kept with. With none to keep, a new one is made.
fn key(connection: &Connection, path: &Path) -> Result<SealKey, SecretError> {
    let kept: i64 = connection.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0))?;
    let fingerprint = "SELECT value FROM settings WHERE key = ?1";
    let fingerprint: Option<String> =
        connection.query_row(fingerprint, [FINGERPRINT], |row| row.get(0)).optional()?;
    match (SealKey::read(path)?, kept > 0) {
        (Some(key), true) if fingerprint.as_deref() != Some(&*key.fingerprint()) => {
            Err(SecretError::WrongKey { path: path.to_owned() })
        }
        (Some(key), _) => Ok(key),
        (None, true) => Err(SecretError::NoKey { path: path.to_owned() }),
        (None, false) => SealKey::make(path),
    }
}

/// Whether the secrets that are kept can be opened. Makes nothing.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), SecretError> {
    let kept: i64 = connection.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0))?;
    if kept > 0 {
        key(connection, path)?;
    }
    Ok(())
}

/// Keeps a secret; one of this name is replaced. True when there was none.
pub(super) fn put(
    connection: &mut Connection,
    path: &Path,
    secret: &StoredSecret,
    value: &str,
) -> Result<bool, SecretError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = key(&transaction, path)?;
    let sealed = key.seal(&secret.bound(), value.as_bytes())?;
    let is_new =
        !transaction.prepare("SELECT 1 FROM secrets WHERE name = ?1")?.exists([secret.name.as_str()])?;
    let kept: i64 = transaction.query_row("SELECT count(*) FROM secrets", [], |row| row.get(0))?;
    if is_new && kept >= MOST {
        let why = format!("{MOST} secrets are kept already; remove some that nobody uses");
        return Err(SecretError::Cipher(why));
    }
    transaction.execute(
        "INSERT INTO settings (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        [FINGERPRINT, &key.fingerprint()],
    )?;
    transaction.execute(
        "INSERT OR REPLACE INTO secrets (name, kind, origins, room, made_at, made_by, used_at, sealed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            secret.name.as_str(),
            secret.kind.as_str(),
            secret.origins_text(),
            secret.room.as_ref().map(RoomId::as_str),
            secret.made_at.0,
            secret.made_by,
            secret.used_at.map(|at| at.0),
            sealed,
        ],
    )?;
    transaction.commit()?;
    Ok(is_new)
}

pub(super) fn remove(connection: &Connection, name: &SecretName) -> Result<bool, StoreError> {
    Ok(connection.execute("DELETE FROM secrets WHERE name = ?1", [name.as_str()])? > 0)
}

pub(super) fn used(connection: &Connection, name: &SecretName, at: UnixSeconds) -> Result<(), StoreError> {
    connection.execute("UPDATE secrets SET used_at = ?2 WHERE name = ?1", params![name.as_str(), at.0])?;
    Ok(())
}

/// A secret with its value.
pub(super) fn open(
    connection: &Connection,
    path: &Path,
    name: &SecretName,
) -> Result<Option<(StoredSecret, Redacted<String>)>, SecretError> {
    let mut query =
        connection.prepare_cached(&format!("SELECT {COLUMNS}, sealed FROM secrets WHERE name = ?1"))?;
    let row =
        query.query_row([name.as_str()], |row| Ok((stored(row), row.get::<_, Vec<u8>>(7)?))).optional()?;
    let Some((secret, sealed)) = row else { return Ok(None) };
    let secret = secret?;
    let damaged = || SecretError::Sealed { name: name.to_string() };
    let mut value: Zeroizing<Vec<u8>> =
        key(connection, path)?.open(&secret.bound(), &sealed).ok_or_else(damaged)?;
    let value = String::from_utf8(std::mem::take(&mut *value)).map_err(|_| damaged())?;
    Ok(Some((secret, Redacted::new(value))))
}

fn stored(row: &Row<'_>) -> Result<StoredSecret, StoreError> {
    let key: String = row.get(0)?;
    let nonsense = |reason: String| StoreError::Row { table: "secrets", key: key.clone(), reason };
    let (kind, origins): (String, String) = (row.get(1)?, row.get(2)?);
    let room: Option<String> = row.get(3)?;
    Ok(StoredSecret {
        name: key.parse().map_err(|error| nonsense(format!("{error}")))?,
        kind: kind.parse().map_err(nonsense)?,
        origins: origins
            .split(' ')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|error: SecretOriginError| nonsense(error.to_string()))?,
        room: room.map(|room| RoomId::new(&room)).transpose().map_err(|error| nonsense(error.to_string()))?,
        made_at: UnixSeconds(row.get(4)?),
        made_by: row.get(5)?,
        used_at: row.get::<_, Option<i64>>(6)?.map(UnixSeconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn secret(name: &str, origin: &str) -> StoredSecret {
        StoredSecret {
            name: name.parse().expect("a name"),
            kind: SecretKind::Password,
            origins: vec![origin.parse().expect("an origin")],
            room: None,
            made_at: UnixSeconds(1),
            made_by: "Ann".into(),
            used_at: None,
        }
    }

    fn value(text: &str) -> Redacted<String> {
        Redacted::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_secret_is_kept_replaced_and_removed_and_never_stands_in_the_file() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("store");
        let shop = secret("shop", "https://shop.example");
        assert!(store.put_secret(shop.clone(), value("hunter22-xyzzy")).await.expect("kept"));
        assert_eq!(store.secrets().await.expect("listed"), std::slice::from_ref(&shop));
        let (found, opened) = store.open_secret(shop.name.clone()).await.expect("opened").expect("there");
        assert_eq!((&found, opened.reveal().as_str()), (&shop, "hunter22-xyzzy"));
        store.note_secret_use(shop.name.clone(), UnixSeconds(9)).await.expect("noted");
        assert_eq!(store.secrets().await.expect("listed")[0].used_at, Some(UnixSeconds(9)));
        assert!(!store.put_secret(shop.clone(), value("another-xyzzy")).await.expect("replaced"));
        drop(store.clone());
        store.flush().await.expect("flushed");
        for file in std::fs::read_dir(dir.path()).expect("dir").flatten() {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            assert!(!bytes.windows(5).any(|some| some == b"xyzzy"), "{}", file.path().display());
        }
        assert!(store.remove_secret(shop.name.clone()).await.expect("removed"));
        assert!(!store.remove_secret(shop.name.clone()).await.expect("none"));
        assert!(store.open_secret(shop.name).await.expect("none").is_none());
    }

    #[tokio::test]
    async fn what_was_for_one_room_goes_with_it() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("store");
        let (all, other) = (secret("all", "https://a.example"), RoomId::new("other").expect("an id"));
        for room in [other.clone(), RoomId::main()] {
            let kept =
                StoredSecret { room: Some(room.clone()), ..secret(room.as_str(), "https://a.example") };
            store.put_secret(kept, value("hunter22-xyzzy")).await.expect("kept");
        }
        store.put_secret(all, value("hunter22-xyzzy")).await.expect("kept");
        store.remove_room(other).await.expect("removed");
        let left: Vec<_> =
            store.secrets().await.expect("listed").into_iter().map(|one| one.name.to_string()).collect();
        assert_eq!(left, ["all", "main"]);
    }

    #[tokio::test]
    async fn a_row_that_was_changed_does_not_open() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("store");
        let shop = secret("shop", "https://shop.example");
        for change in [
            "UPDATE secrets SET origins = 'https://evil.example'",
            "UPDATE secrets SET name = 'bank'",
            "UPDATE secrets SET kind = 'text'",
            "UPDATE secrets SET room = 'main'",
            "UPDATE secrets SET sealed = substr(sealed, 2)",
        ] {
            store.put_secret(shop.clone(), value("hunter22")).await.expect("kept");
            store.tamper(|connection| connection.execute(change, [])).await.expect("changed");
            let name = store.secrets().await.expect("listed")[0].name.clone();
            let refused = store.open_secret(name.clone()).await;
            assert!(matches!(refused, Err(SecretError::Sealed { .. })), "{change}: {refused:?}");
            store.remove_secret(name).await.expect("removed");
        }
    }

    #[tokio::test]
    async fn with_a_wrong_key_or_none_secrets_are_refused_in_words_and_all_else_goes_on() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("store");
        let shop = secret("shop", "https://shop.example");
        store.put_secret(shop.clone(), value("hunter22")).await.expect("kept");
        store.check_secrets().await.expect("good");
        let (key, away) = (dir.path().join("secrets.key"), dir.path().join("away.key"));
        std::fs::rename(&key, &away).expect("moved");
        let missing = store.open_secret(shop.name.clone()).await.expect_err("refused").to_string();
        assert!(missing.contains("is gone") && missing.contains("--secrets-key-file"), "{missing}");
        assert!(
            store.put_secret(shop.clone(), value("x")).await.is_err() && !key.exists(),
            "no new one is made"
        );
        SealKey::make(&key).expect("made");
        let wrong = store.check_secrets().await.expect_err("refused").to_string();
        assert!(wrong.contains("not the one"), "{wrong}");
        assert!(matches!(store.open_secret(shop.name.clone()).await, Err(SecretError::WrongKey { .. })));
        assert_eq!(store.secrets().await.expect("listed").len(), 1);
        store.put_setting("x", "y".into()).await.expect("kept");
        // The right one elsewhere, and then: all removed, kept anew with the new one.
        let named = store.clone().with_secrets_key(&away);
        assert_eq!(
            named.open_secret(shop.name.clone()).await.expect("opened").expect("there").1.reveal(),
            "hunter22"
        );
        store.remove_secret(shop.name.clone()).await.expect("removed");
        store.put_secret(shop.clone(), value("anew")).await.expect("kept");
        assert_eq!(store.open_secret(shop.name).await.expect("opened").expect("there").1.reveal(), "anew");
    }
}
