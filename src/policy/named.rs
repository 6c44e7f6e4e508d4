//! The places that a room's people have named: where they went, what they
//! wrote to an agent, what they said yes to. An agent that goes elsewhere goes
//! somewhere new, which a rule can be about (`where: new`).

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::place::Place;

/// Beyond so many the list begins anew, and what is known is asked once more.
const MOST: usize = 5000;
/// The longest text that is looked through for addresses.
const LONGEST: usize = 64 << 10;

/// Cheap to clone; all clones have the same places.
#[derive(Clone, Debug, Default)]
pub struct Named(Arc<RwLock<BTreeSet<String>>>);

impl Named {
    pub fn add(&self, place: &Place) {
        let Some(key) = key(place) else { return };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key);
    }

    /// Every address in a text: `https://shop.example/x`, `shop.example`.
    pub fn add_text(&self, text: &str) {
        let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let apart = |c: char| c.is_whitespace() || "<>\"'`()[]{},;|".contains(c);
        for word in text[..end].split(apart) {
            let word = word.trim_end_matches(['.', ',', '!', '?', ':']);
            let has_scheme = word.starts_with("http://") || word.starts_with("https://");
            let is_host = || {
                let host = word.split(['/', ':']).next().unwrap_or_default();
                let last = host.rsplit('.').next().unwrap_or_default();
                // "e.g." is no host, and neither is a version.
                host.contains('.')
                    && last.len() > 1
                    && last.chars().all(|c| c.is_alphabetic() || c == '-')
                    && !host.contains('@')
            };
            if has_scheme {
                self.add(&Place::of(word));
            } else if is_host() {
                self.add(&Place::of(&format!("https://{word}")));
            }
        }
    }

    /// Whether nobody has named it. What belongs to no site is never new; what
    /// is not known always is.
    pub fn is_new(&self, place: &Place) -> bool {
        match place {
            Place::Unknown => true,
            Place::Opaque(_) => false,
            Place::Origin { .. } => key(place)
                .is_none_or(|key| !self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&key)),
        }
    }
}

/// A site is the same by `http`, by `https` and with `www.` before it.
fn key(place: &Place) -> Option<String> {
    let Place::Origin { scheme, host, port } = place else { return None };
    let host = host.strip_prefix("www.").unwrap_or(host);
    let usual = matches!(
        (scheme.as_str(), port),
        ("http" | "ws", Some(80)) | ("https" | "wss", Some(443)) | (_, None)
    );
    Some(match port {
        Some(port) if !usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_named_is_not_new_and_its_look_alikes_are() {
        let named = Named::default();
        named.add_text("Please look at https://www.shop.example/a?b and at bank.example, see mail me@evil.example, v1.2, e.g.");
        for known in [
            "https://shop.example/",
            "http://www.shop.example",
            "https://bank.example/x",
            "about:blank",
            "data:,x",
        ] {
            assert!(!named.is_new(&Place::of(known)), "{known}");
        }
        for new in [
            "https://evil.example",
            "https://shop.example.evil.example",
            "https://shop.example:8443",
            "https://api.shop.example",
            "no address",
        ] {
            assert!(named.is_new(&Place::of(new)), "{new}");
        }
    }
}
