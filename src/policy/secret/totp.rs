//! Codes that are good for a moment, by RFC 6238. The time comes in as a value.

use std::fmt;
use std::str::FromStr;

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::base::Redacted;

/// A shorter key is guessed; RFC 4226 asks for 16 bytes, and many sites give 10.
const SHORTEST_KEY: usize = 10;
const LONGEST_KEY: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

/// What codes are made of. Prints nothing of its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    key: Redacted<Vec<u8>>,
    hash: Hash,
    digits: u32,
    period: u64,
}

/// Why a text is no such thing; holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    #[error("a totp secret is an address that begins with otpauth://totp/, or its key in base32")]
    Form,
    #[error("the key of a totp secret is in base32 (A to Z, 2 to 7) and has 10 to 256 bytes")]
    Key,
    #[error("the algorithm of a totp secret is SHA1, SHA256 or SHA512")]
    Hash,
    #[error("a totp secret has 6, 7 or 8 digits")]
    Digits,
    #[error("the period of a totp secret is 5 to 300 seconds")]
    Period,
}

impl Totp {
    /// The code of this moment, in seconds since 1970; nothing where the hash is not to be had.
    pub fn code(&self, now: u64) -> Option<Redacted<String>> {
        let hash = match self.hash {
            Hash::Sha1 => MessageDigest::sha1(),
            Hash::Sha256 => MessageDigest::sha256(),
            Hash::Sha512 => MessageDigest::sha512(),
        };
        let key = PKey::hmac(self.key.reveal()).ok()?;
        let mut signer = Signer::new(hash, &key).ok()?;
        let mac = signer.sign_oneshot_to_vec(&(now / self.period).to_be_bytes()).ok()?;
        let at = usize::from(mac.last()? & 0xf);
        let four: [u8; 4] = mac.get(at..at + 4)?.try_into().ok()?;
        let number = u32::from_be_bytes(four) & 0x7fff_ffff;
        let width = self.digits as usize;
        Some(Redacted::new(format!("{:0width$}", number % 10_u32.pow(self.digits))))
    }
}

impl FromStr for Totp {
    type Err = TotpError;

    fn from_str(text: &str) -> Result<Self, TotpError> {
        let text = text.trim();
        let mut found = Self { key: Redacted::new(vec![]), hash: Hash::Sha1, digits: 6, period: 30 };
        if !text.get(..10).is_some_and(|begin| begin.eq_ignore_ascii_case("otpauth://")) {
            found.key = base32(text).ok_or(TotpError::Key)?;
            return Ok(found);
        }
        let url = url::Url::parse(text).map_err(|_| TotpError::Form)?;
        if !url.host_str().is_some_and(|host| host.eq_ignore_ascii_case("totp")) {
            return Err(TotpError::Form);
        }
        let mut key = None;
        for (name, value) in url.query_pairs() {
            match &*name.to_ascii_lowercase() {
                "secret" => key = Some(base32(&value).ok_or(TotpError::Key)?),
                "algorithm" => {
                    found.hash = match &*value.to_ascii_uppercase() {
                        "SHA1" | "SHA-1" => Hash::Sha1,
                        "SHA256" | "SHA-256" => Hash::Sha256,
                        "SHA512" | "SHA-512" => Hash::Sha512,
                        _ => return Err(TotpError::Hash),
                    }
                }
                "digits" => {
                    found.digits = value
                        .parse()
                        .ok()
                        .filter(|digits| (6..=8).contains(digits))
                        .ok_or(TotpError::Digits)?;
                }
                "period" => {
                    found.period =
                        value.parse().ok().filter(|s| (5..=300).contains(s)).ok_or(TotpError::Period)?;
                }
                _ => {}
            }
        }
        found.key = key.ok_or(TotpError::Form)?;
        Ok(found)
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Totp").field("hash", &self.hash).field("digits", &self.digits).finish_non_exhaustive()
    }
}

/// RFC 4648, with the blanks, dashes and small letters that sites show it with.
fn base32(text: &str) -> Option<Redacted<Vec<u8>>> {
    let text = text.trim_end_matches('=');
    let (mut bits, mut held) = (0_u32, 0_u32);
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    for c in text.bytes().filter(|c| !matches!(c, b' ' | b'-')) {
        let value = match c.to_ascii_uppercase() {
            c @ b'A'..=b'Z' => c - b'A',
            c @ b'2'..=b'7' => c - b'2' + 26,
            _ => return None,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
        if bytes.len() > LONGEST_KEY {
            return None;
        }
    }
    // What is left over is filling, less than a letter's worth and nothing but zeros.
    (bytes.len() >= SHORTEST_KEY && bits < 5 && held == 0).then(|| Redacted::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_base32(bytes: &[u8]) -> String {
        let mut out = String::new();
        for chunk in bytes.chunks(5) {
            let mut five = [0; 8];
            five[3..3 + chunk.len()].copy_from_slice(chunk);
            let number = u64::from_be_bytes(five);
            for at in 0..(chunk.len() * 8).div_ceil(5) {
                let value = (number >> (35 - 5 * at) & 31) as u8;
                out.push(char::from(if value < 26 { b'A' + value } else { b'2' + value - 26 }));
            }
        }
        out
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let seeds = [
            ("SHA1", "12345678901234567890".to_owned()),
            ("SHA256", "12345678901234567890123456789012".to_owned()),
            ("SHA512", "1234567890".repeat(6) + "1234"),
        ];
        let vectors: [(u64, [&str; 3]); 6] = [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ];
        for (now, codes) in vectors {
            for ((name, seed), code) in seeds.iter().zip(codes) {
                let key = in_base32(seed.as_bytes());
                let address =
                    format!("otpauth://totp/Shop:ann?secret={key}&algorithm={name}&digits=8&issuer=Shop");
                let totp: Totp = address.parse().expect("a secret");
                assert_eq!(totp.code(now).expect("a code").reveal(), code, "{name} at {now}");
            }
        }
    }

    #[test]
    fn a_bare_key_makes_six_digits_of_sha1_each_half_minute() {
        let totp: Totp = "gezd gnbv gy3t qojq-gezd gnbv gy3t qojq".parse().expect("a secret");
        assert_eq!(totp.code(59).expect("a code").reveal(), "287082");
        assert_eq!(totp.code(30), totp.code(59));
        assert_ne!(totp.code(59), totp.code(60));
        assert!(!format!("{totp:?}").contains("12345"));
    }

    #[test]
    fn what_makes_no_codes_is_refused_and_why_does_not_tell_it() {
        let key = in_base32(b"12345678901234567890");
        let with = |rest: &str| format!("otpauth://totp/x?secret={key}&{rest}");
        for (text, wanted) in [
            (String::new(), TotpError::Key),
            ("AAAA".into(), TotpError::Key),
            ("not base32 at all, 0189".into(), TotpError::Key),
            ("A".repeat(2000), TotpError::Key),
            (format!("otpauth://hotp/x?secret={key}"), TotpError::Form),
            ("otpauth://totp/x?issuer=y".into(), TotpError::Form),
            (with("algorithm=MD5"), TotpError::Hash),
            (with("digits=4"), TotpError::Digits),
            (with("digits=99999999999"), TotpError::Digits),
            (with("period=0"), TotpError::Period),
        ] {
            let error = text.parse::<Totp>().expect_err("refused");
            assert_eq!(error, wanted, "{text}");
            assert!(!error.to_string().contains(&key));
        }
    }
}
