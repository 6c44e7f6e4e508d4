//! Values that nobody but their owner is to read, and the text from which they
//! are taken out before it leaves. Owns the list of a room's values, in memory
//! only, and the forms in which they turn up elsewhere: escaped, in an address,
//! in base64. Takes values out by what they are; what a program has encoded in
//! a way of its own is not recognised.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::Value;

use super::Redacted;

/// What stands in a value's place.
pub const MASK: &str = "••••";
/// Values kept; beyond it the oldest is forgotten.
const MOST: usize = 64;
/// A longer value is known by its beginning.
const LONGEST: usize = 1024;
/// A shorter one would take too much else with it.
const SHORTEST: usize = 3;
/// Up to this length a value counts only where it stands alone, since "1234"
/// is a part of many numbers.
const STANDS_ALONE: usize = 5;

/// The values of one room. Cheap to clone; all clones have the same values.
#[derive(Clone, Default)]
pub struct Masks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Nothing is masked where there is nothing, which is nearly always.
    any: AtomicBool,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    values: VecDeque<Redacted<String>>,
    /// Finds all forms of all values; with which of them must stand alone.
    finder: Option<(AhoCorasick, Vec<bool>)>,
}

impl Masks {
    /// From now on this value is taken out of everything. Blanks around it do not count.
    pub fn add(&self, value: &str) {
        let value = value.trim();
        let end = (0..=LONGEST.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
        let value = &value[..end.unwrap_or(0)];
        if value.chars().count() < SHORTEST {
            return;
        }
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.values.iter().any(|known| known.reveal() == value) {
            return;
        }
        if known.values.len() == MOST {
            known.values.pop_front();
        }
        known.values.push_back(Redacted::new(value.to_owned()));
        known.build();
        self.0.any.store(true, Ordering::Release);
    }

    /// The same for a value that is still being typed: what it was before is
    /// no value of its own when the new one begins with it.
    pub fn grow(&self, before: Option<&str>, value: &str) {
        let part = before
            .map(str::trim)
            .filter(|before| value.trim().starts_with(before) && value.trim() != *before);
        if let Some(before) = part {
            let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
            known.values.retain(|known| known.reveal() != before);
        }
        self.add(value);
    }

    pub fn is_empty(&self) -> bool {
        !self.0.any.load(Ordering::Acquire)
    }

    /// Whether one of the values is in it.
    pub fn finds(&self, text: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        known.matches(text).next().is_some()
    }

    /// The text without the values.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_empty() {
            return Cow::Borrowed(text);
        }
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut masked = String::new();
        let mut done = 0;
        for (start, end) in known.matches(text.as_bytes()) {
            // The forms are whole characters, so that these are boundaries.
            let (Some(before), true) = (text.get(done..start), start >= done) else { continue };
            masked.push_str(before);
            masked.push_str(MASK);
            done = end;
        }
        if done == 0 {
            return Cow::Borrowed(text);
        }
        masked.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(masked)
    }

    /// Takes the values out of all strings, names and numbers. True when there was one.
    pub fn mask_json(&self, value: &mut Value) -> bool {
        if self.is_empty() {
            return false;
        }
        match value {
            Value::String(text) => match self.mask(text) {
                Cow::Owned(masked) => {
                    *text = masked;
                    true
                }
                Cow::Borrowed(_) => false,
            },
            Value::Number(number) => {
                let found = self.finds(number.to_string().as_bytes());
                if found {
                    *value = MASK.into();
                }
                found
            }
            Value::Array(all) => all.iter_mut().fold(false, |found, one| self.mask_json(one) | found),
            Value::Object(all) => {
                let mut found = all.values_mut().fold(false, |found, one| self.mask_json(one) | found);
                if all.keys().any(|name| self.finds(name.as_bytes())) {
                    let old = std::mem::take(all);
                    all.extend(old.into_iter().map(|(name, one)| (self.mask(&name).into_owned(), one)));
                    found = true;
                }
                found
            }
            Value::Null | Value::Bool(_) => false,
        }
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks(redacted)")
    }
}

impl Known {
    fn build(&mut self) {
        let mut forms: Vec<(String, bool)> = Vec::new();
        for value in &self.values {
            let value = value.reveal();
            let alone = value.chars().count() <= STANDS_ALONE;
            for form in forms_of(value) {
                if !forms.iter().any(|(known, _)| *known == form) {
                    forms.push((form, alone));
                }
            }
        }
        let texts = forms.iter().map(|(form, _)| form);
        self.finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(texts)
            .ok()
            .map(|finder| (finder, forms.iter().map(|(_, alone)| *alone).collect()));
    }

    /// Where values are, in order, none within another.
    fn matches<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let found = self.finder.iter().flat_map(move |(finder, alone)| {
            finder.find_iter(text).filter(move |found| {
                let letter = |at: Option<usize>| {
                    at.and_then(|at| text.get(at)).is_some_and(|byte| byte.is_ascii_alphanumeric())
                };
                !alone[found.pattern().as_usize()]
                    || !(letter(found.start().checked_sub(1)) || letter(Some(found.end())))
            })
        });
        found.map(|found| (found.start(), found.end()))
    }
}

/// How a value is written where it turns up.
fn forms_of(value: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = Value::from(text).to_string();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let percent = |keep: &str, space: &str, upper: bool| {
        let mut escaped = String::new();
        for byte in value.bytes() {
            match byte {
                b' ' => escaped.push_str(space),
                _ if byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte) => {
                    escaped.push(byte.into());
                }
                _ if upper => drop(write!(escaped, "%{byte:02X}")),
                _ => drop(write!(escaped, "%{byte:02x}")),
            }
        }
        escaped
    };
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let mut forms = vec![
        value.to_owned(),
        json(value),
        json(&json(value)),
        html.replace('\'', "&#39;"),
        html,
        // What JavaScript's encodeURIComponent, encodeURI and forms leave as it is.
        percent("-_.!~*'()", "%20", true),
        percent("-_.!~*'();,/?:@&=+$#", "%20", true),
        percent("-_.*", "+", true),
        percent("-_.~", "%20", true),
        percent("-_.~", "%20", false),
    ];
    // A card's number, with and without the gaps that fields put in.
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if digits.len() >= 8 && value.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | '-')) {
        for gap in [" ", "-", "+", "%20"] {
            let parts: Vec<&str> =
                digits.as_bytes().chunks(4).filter_map(|part| std::str::from_utf8(part).ok()).collect();
            forms.push(parts.join(gap));
        }
        forms.push(digits);
    }
    if value.len() > STANDS_ALONE {
        let hex = value.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        forms.extend([hex.to_uppercase(), hex]);
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend(value.bytes());
            // The letters that hold bits of what stands around it are left out.
            let first = (before * 8).div_ceil(6);
            let last = bytes.len() * 8 / 6;
            for engine in [&BASE64_STANDARD, &BASE64_URL_SAFE] {
                let coded = engine.encode(&bytes);
                forms.extend(coded.get(first..last).map(str::to_owned));
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn masks(values: &[&str]) -> Masks {
        let masks = Masks::default();
        values.iter().for_each(|value| masks.add(value));
        masks
    }

    #[test]
    fn a_value_is_taken_out_however_it_is_written() {
        let value = "p\"ä &<ß>'+/1?x";
        let masks = masks(&[value]);
        let encoded = BASE64_STANDARD.encode(format!("ann:{value}"));
        for text in [
            format!("the password is {value}!"),
            json!({ "a": value }).to_string(),
            Value::from(json!({ "a": value }).to_string()).to_string(),
            "https://a.example/?q=p%22%C3%A4%20%26%3C%C3%9F%3E'%2B%2F1%3Fx&b=1".into(),
            "q=p%22%C3%A4+%26%3C%C3%9F%3E%27%2B%2F1%3Fx".into(),
            "q=p%22%c3%a4%20%26%3c%c3%9f%3e%27%2b%2f1%3fx".into(),
            "<b>p&quot;ä &amp;&lt;ß&gt;&#39;+/1?x</b>".into(),
            format!("authorization: Basic {encoded}"),
        ] {
            assert!(masks.finds(text.as_bytes()), "{text}");
            assert!(masks.mask(&text).contains(MASK), "{text}");
        }
        assert_eq!(masks.mask("nothing of it"), "nothing of it");
        assert!(!format!("{masks:?}").contains("1?x"));
    }

    #[test]
    fn a_short_value_counts_only_where_it_stands_alone() {
        let masks = masks(&["4711", "ab"]);
        assert_eq!(masks.mask("pin=4711, 4711"), "pin=••••, ••••");
        assert_eq!(masks.mask("order 147112, ab"), "order 147112, ab");
    }

    #[test]
    fn a_card_is_known_with_and_without_gaps() {
        let masks = masks(&["4111 1111 1111 1111"]);
        for text in ["4111111111111111", "4111-1111-1111-1111", "n=4111+1111+1111+1111"] {
            assert!(masks.mask(text).contains(MASK), "{text}");
        }
        let mut value = json!({ "n": 4_111_111_111_111_111_u64, "list": [1, true, null] });
        assert!(masks.mask_json(&mut value));
        assert_eq!(value, json!({ "n": MASK, "list": [1, true, null] }));
    }

    #[test]
    fn a_value_that_grows_leaves_no_trail() {
        let masks = Masks::default();
        let mut before = None;
        for end in 1..="correct horse".len() {
            let value = &"correct horse"[..end];
            masks.grow(before, value);
            before = Some(value);
        }
        assert_eq!(masks.mask("correct, correct horse"), "correct, ••••");
    }

    #[test]
    fn names_in_an_object_are_masked_too() {
        let masks = masks(&["hunter22"]);
        let mut value = json!({ "hunter22": [{ "x": "hunter22" }] });
        assert!(masks.mask_json(&mut value) && !value.to_string().contains("hunter22"));
    }

    proptest! {
        #[test]
        fn what_is_masked_holds_no_value_any_more(
            value in "[ -~äß]{6,20}", before in "[ -~]{0,8}", after in "[ -~]{0,8}", more in "[a-z]{6}",
        ) {
            let masks = masks(&[&value, &more]);
            let text = format!("{before}{value}{after}{more}{value}");
            let masked = masks.mask(&text);
            if value.trim().chars().count() > STANDS_ALONE {
                prop_assert!(!masked.contains(value.trim()), "{masked}");
            }
            let mut value_json = json!({ "a": text });
            masks.mask_json(&mut value_json);
            prop_assert!(value.trim().chars().count() <= STANDS_ALONE || !value_json["a"].as_str().is_some_and(|text| text.contains(value.trim())));
        }

        #[test]
        fn any_text_is_read_without_a_panic(value in "\\PC{0,40}", text in "\\PC{0,80}") {
            let masks = masks(&[&value]);
            let _ = masks.mask(&text);
            let _ = masks.mask(&format!("{text}{value}{text}"));
        }
    }
}
