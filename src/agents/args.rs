//! Reading a tool's arguments: an unknown one leads to the nearest right one.

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::answer::Fault;

/// Reads a tool's arguments; an unknown key is an error that names the nearest right one.
pub(super) fn read<T: DeserializeOwned + JsonSchema>(arguments: JsonObject) -> Result<T, Fault> {
    let schema = schemars::schema_for!(T);
    let known: Vec<&str> = match schema.get("properties").and_then(Value::as_object) {
        Some(properties) => properties.keys().map(String::as_str).collect(),
        None => Vec::new(),
    };
    if let Some(key) = arguments.keys().find(|key| !known.contains(&key.as_str())) {
        let nearest = match key.as_str() {
            "ref" | "selector" | "locator" => known.iter().find(|known| **known == "target").copied(),
            _ => nearest(key, &known),
        };
        let key: String = key.chars().take(64).collect();
        return Err(Fault::argument(match nearest {
            Some(nearest) => format!("unknown argument {key:?}; did you mean {nearest:?}?"),
            None if known.is_empty() => format!("unknown argument {key:?}; this tool takes none"),
            None => format!("unknown argument {key:?}; this tool takes {}", known.join(", ")),
        }));
    }
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| Fault::argument(format!("invalid arguments: {error}")))
}

/// The known word that is most like this one, if any is like it at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (distance, nearest) = known.iter().map(|known| (distance(word, known), *known)).min()?;
    (distance <= nearest.len().max(word.len()) / 2).then_some(nearest)
}

/// How many letters must change to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.to_lowercase().chars().enumerate().take(64) {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::tools::Click;
    use serde_json::json;

    #[derive(serde::Deserialize, JsonSchema)]
    struct Nothing {}

    fn object(value: Value) -> JsonObject {
        value.as_object().cloned().expect("an object")
    }

    #[test]
    fn an_unknown_argument_is_answered_with_the_nearest_right_one() {
        let refused = |value| read::<Click>(object(value)).err().expect("refused").text;
        assert!(refused(json!({ "ref": "e5" })).contains("\"target\""));
        assert!(refused(json!({ "target": "e5", "doubleclick": true })).contains("\"doubleClick\""));
        assert!(refused(json!({ "target": "e5", "zzzzzzzz": 1 })).contains("takes"));
        assert!(refused(json!({})).contains("target"));
        let none = read::<Nothing>(object(json!({ "x": 1 }))).err().expect("refused");
        assert!(none.text.contains("takes none"));
        assert!(read::<Click>(object(json!({ "target": "e5", "button": "right" }))).is_ok());
    }
}
