//! Sealing the values of secrets: AES-256-GCM with a key that is in a file
//! beside the database, never in it. What a value is for (its name, kind, room
//! and origins) is bound to it, so that a row that was changed does not open.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::StoreError;

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// The form of a sealed value.
const FORM: u8 = 1;

/// Why secrets cannot be kept or used. Everything else goes on.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the secrets' key cannot be used: {path}: {why}")]
    Key { path: PathBuf, why: String },
    #[error(
        "the secrets' key is gone: there is no {path}, but secrets are kept that need it. Restore it, or name \
         it by --secrets-key-file; else remove the secrets and set them anew"
    )]
    NoKey { path: PathBuf },
    #[error(
        "the secrets' key in {path} is not the one that they were kept with. Restore that one, or name it by \
         --secrets-key-file; else remove the secrets and set them anew"
    )]
    WrongKey { path: PathBuf },
    #[error("the secret {name} does not open: its row was changed or is damaged. Set it anew")]
    Sealed { name: String },
    #[error("the secret could not be encrypted: {0}")]
    Cipher(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for SecretError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The key itself; forgotten thoroughly.
pub(super) struct SealKey(Zeroizing<[u8; KEY_BYTES]>);

impl SealKey {
    /// The key in this file; nothing if there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, SecretError> {
        let wrong = |why: String| SecretError::Key { path: path.to_owned(), why };
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| wrong(error.to_string()))?,
        };
        let about = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if !about.is_file() || about.mode() & 0o027 != 0 {
            return Err(wrong("it must be a file that others cannot read; chmod 600 it".into()));
        }
        let mut text = Zeroizing::new(String::new());
        let read = file.take(1024).read_to_string(&mut text);
        read.map_err(|error| wrong(error.to_string()))?;
        let digits = text.trim().as_bytes();
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let good = digits.len() == 2 * KEY_BYTES
            && key.iter_mut().zip(digits.chunks(2)).all(|(byte, two)| {
                let two = std::str::from_utf8(two).ok().filter(|two| !two.starts_with('+'));
                two.and_then(|two| u8::from_str_radix(two, 16).ok()).map(|value| *byte = value).is_some()
            });
        match good {
            true => Ok(Some(Self(key))),
            false => Err(wrong("it must hold 64 hexadecimal digits".into())),
        }
    }

    /// Makes a key and its file, unless somebody else has just done so.
    pub(super) fn make(path: &Path) -> Result<Self, SecretError> {
        let wrong = |why: String| SecretError::Key { path: path.to_owned(), why };
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *key).map_err(|error| wrong(error.to_string()))?;
        let mut text = Zeroizing::new(String::new());
        for byte in key.iter() {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Self::read(path)?.ok_or_else(|| wrong("it has just been removed".into()))
            }
            Err(error) => Err(wrong(error.to_string())),
            Ok(mut file) => {
                let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
                written.map_err(|error| wrong(error.to_string()))?;
                Ok(Self(key))
            }
        }
    }

    /// What tells this key from others and says nothing of it.
    pub(super) fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"tandem secrets key\0");
        digest.update(self.0.as_slice());
        digest.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn seal(&self, bound: &[u8], value: &[u8]) -> Result<Vec<u8>, SecretError> {
        let failed = |error: &dyn std::fmt::Display| SecretError::Cipher(error.to_string());
        let (mut nonce, mut tag) = ([0; NONCE_BYTES], [0; TAG_BYTES]);
        getrandom::fill(&mut nonce).map_err(|error| failed(&error))?;
        let cipher = Cipher::aes_256_gcm();
        let text = encrypt_aead(cipher, self.0.as_slice(), Some(&nonce), bound, value, &mut tag);
        let text = text.map_err(|error| failed(&error))?;
        Ok([&[FORM][..], &nonce, &tag, &text].concat())
    }

    /// Nothing for what was not sealed by this key, or for something else.
    pub(super) fn open(&self, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (form, rest) = sealed.split_first()?;
        let (nonce, rest) = rest.split_at_checked(NONCE_BYTES)?;
        let (tag, text) = rest.split_at_checked(TAG_BYTES)?;
        if *form != FORM {
            return None;
        }
        let opened =
            decrypt_aead(Cipher::aes_256_gcm(), self.0.as_slice(), Some(nonce), bound, text, tag).ok()?;
        Some(Zeroizing::new(opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_was_sealed_opens_with_its_key_and_for_its_purpose_only() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("secrets.key");
        assert!(SealKey::read(&path).expect("none").is_none());
        let key = SealKey::make(&path).expect("made");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let sealed = key.seal(b"shop", b"hunter22").expect("sealed");
        assert!(!sealed.windows(8).any(|some| some == b"hunter22"));
        assert_ne!(sealed, key.seal(b"shop", b"hunter22").expect("sealed"), "never the same twice");
        let again = SealKey::read(&path).expect("read").expect("there");
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert_eq!(again.open(b"shop", &sealed).expect("opens").as_slice(), b"hunter22");
        assert!(again.open(b"bank", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(b"shop", &changed).is_none(), "byte {at}");
            assert!(key.open(b"shop", &sealed[..at]).is_none(), "cut at {at}");
        }
        let other = SealKey::make(&dir.path().join("other.key")).expect("made");
        assert!(other.open(b"shop", &sealed).is_none() && other.fingerprint() != key.fingerprint());
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused_in_words() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("secrets.key");
        let refused = |path: &Path| match SealKey::read(path) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("refused"),
        };
        std::fs::write(&path, "a5".repeat(32)).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        assert!(refused(&path).contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mode");
        assert!(SealKey::read(&path).expect("read").is_some());
        for wrong in ["", "a5", &"+5".repeat(32), &"zz".repeat(32), &"a5".repeat(33)] {
            std::fs::write(&path, wrong).expect("written");
            let why = refused(&path);
            assert!(why.contains("64 hexadecimal digits"), "{why}");
        }
        assert!(refused(dir.path()).contains("chmod 600"));
    }
}
