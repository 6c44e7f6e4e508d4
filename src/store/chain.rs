//! The chain of hashes over the lines of a record, and the one way to write a
//! line down: RFC 8785, so that anyone can check it with a library at hand.
//!
//! A line's hash is SHA-256 over the 32 bytes of the hash before it and the
//! canonical JSON of the line in UTF-8. Before the first line stand 32 zeros.

use std::fmt;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::records::RecordedLine;

/// The largest whole number that every reader of JSON reads exactly.
const LARGEST: u64 = (1 << 53) - 1;
/// Below this depth values are left out.
const DEEPEST: usize = 32;

/// A link of the chain.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct LineHash(pub [u8; 32]);

/// Where a chain stands: its last line so far, or the last that was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub seq: u64,
    pub hash: LineHash,
}

/// The first line that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {seq}: {why}")]
pub struct Broken {
    pub seq: u64,
    pub why: &'static str,
}

impl LineHash {
    /// The hash of a line that stands after this one.
    pub fn then(self, canonical: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(self.0);
        digest.update(canonical.as_bytes());
        Self(digest.finalize().into())
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Link {
    /// Goes on to the next line, if that is the one that belongs here.
    pub fn check(&mut self, line: &RecordedLine) -> Result<(), Broken> {
        let next = self.seq + 1;
        let broken = |why| Err(Broken { seq: next, why });
        if line.seq != next {
            return broken("it is missing");
        }
        let Ok(value) = serde_json::from_str::<Value>(&line.line) else {
            return broken("it is no JSON");
        };
        let told = |key: &str| value.get(key).and_then(Value::as_i64);
        if told("seq") != i64::try_from(line.seq).ok() || told("at") != Some(line.at) {
            return broken("it stands at another place or time than it says");
        }
        if canonical(&value) != line.line {
            return broken("it is not written in the canonical form");
        }
        let hash = self.hash.then(&line.line);
        if hash != line.hash {
            return broken("its hash is not that of its text and the hash before it");
        }
        *self = Self { seq: next, hash };
        Ok(())
    }
}

/// RFC 8785: keys in the order of their UTF-16, no blanks, the shortest
/// escapes. Numbers that are not whole, or too large to be exact everywhere,
/// are written as texts, since their digits differ between libraries.
pub fn canonical(value: &Value) -> String {
    let mut out = String::with_capacity(256);
    write(value, 0, &mut out);
    out
}

fn write(value: &Value, depth: usize, out: &mut String) {
    match value {
        _ if depth > DEEPEST => out.push_str("\"…\""),
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => {
            let exact = number
                .as_u64()
                .map(|n| n <= LARGEST)
                .or_else(|| number.as_i64().map(|n| n.unsigned_abs() <= LARGEST));
            match exact {
                Some(true) => out.push_str(&number.to_string()),
                _ => text(&number.to_string(), out),
            }
        }
        Value::String(string) => text(string, out),
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(value, depth + 1, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (at, (key, value)) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                text(key, out);
                out.push(':');
                write(value, depth + 1, out);
            }
            out.push('}');
        }
    }
}

fn text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_form_is_that_of_rfc_8785() {
        let value = json!({ "b": [1, true, null], "a": "\u{1}\n\"\\é€/", "\u{ffff}": 1, "\u{1f600}": -2 });
        let expected =
            "{\"a\":\"\\u0001\\n\\\"\\\\é€/\",\"b\":[1,true,null],\"\u{1f600}\":-2,\"\u{ffff}\":1}";
        assert_eq!(canonical(&value), expected);
        assert_eq!(canonical(&json!([1.5, 9007199254740993u64])), "[\"1.5\",\"9007199254740993\"]");
    }

    #[test]
    fn the_form_does_not_depend_on_the_order_in_which_keys_came() {
        let of = |text: &str| canonical(&serde_json::from_str(text).expect("json"));
        let one = of("{\"b\": {\"y\": 1, \"x\": [{\"d\": 1, \"c\": 2}]}, \"a\": 1}");
        assert_eq!(one, of("{\"a\": 1, \"b\": {\"x\": [{\"c\": 2, \"d\": 1}], \"y\": 1}}"));
        assert_eq!(one, "{\"a\":1,\"b\":{\"x\":[{\"c\":2,\"d\":1}],\"y\":1}}");
    }

    #[test]
    fn the_first_hash_is_what_anyone_computes() {
        let hash = LineHash::default().then("{}").to_string();
        assert_eq!(hash, "fb1634c4e6cd4b1f1afe3ce2d6ef080f7ac5d1f357d723ad4dfca782733b62db");
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_to_the_same(value in json_value()) {
            let once = canonical(&value);
            let back: Value = serde_json::from_str(&once).expect("json");
            prop_assert_eq!(canonical(&back), once);
        }
    }
}
