//! What is never written down. A line is for years and for many readers, so
//! what is not known to be harmless is left out: of typed texts only their
//! length stays, of addresses origin and path, of code the beginning without
//! what stands in quotes.

use serde_json::{Map, Value, json};
use url::Url;

/// The longest text of a detail, in characters.
const LONGEST_TEXT: usize = 300;
/// How much of code is kept, in characters.
const LONGEST_CODE: usize = 80;
/// So many values of a list are kept.
const MOST_VALUES: usize = 32;
const DEEPEST: usize = 6;
/// Digits in a row that could be a code or a card's number.
const LONG_NUMBER: usize = 4;
/// Letters and digits in one word that could be a token.
const LONG_WORD: usize = 20;

/// Keys whose values are secret wherever they stand.
const SECRET: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "authorization",
    "cookie",
    "otp",
    "pin",
    "cvc",
    "cvv",
    "credential",
    "apikey",
    "session",
    "card",
];

/// At most so many characters, on one line.
pub fn shortened(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// Origin and path of an address. Of one that holds its page itself, the scheme.
pub fn address(url: &str) -> String {
    let Ok(parsed) = Url::parse(url) else { return "an address that cannot be read".to_owned() };
    if parsed.cannot_be_a_base() {
        return match url {
            "about:blank" | "about:srcdoc" => url.to_owned(),
            _ => format!("{}:", parsed.scheme()),
        };
    }
    let host = parsed.host_str().unwrap_or_default();
    let port = parsed.port().map(|port| format!(":{port}")).unwrap_or_default();
    shortened(&format!("{}://{host}{port}{}", parsed.scheme(), parsed.path()), LONGEST_TEXT)
}

/// What was typed, or is as secret: only how long it is.
pub fn typed(text: &str) -> Value {
    json!({ "characters": text.chars().count() })
}

/// The beginning of code, up to the first text, comment or pattern in it.
pub fn code(code: &str) -> Value {
    let quoted = |c: char| matches!(c, '"' | '\'' | '`' | '/' | '#' | '\\');
    let open = code.split(quoted).next().unwrap_or_default();
    let mut shown = masked(&shortened(open.trim(), LONGEST_CODE));
    if open.len() < code.len() && !shown.ends_with('…') {
        shown.push('…');
    }
    json!({ "begins": shown, "characters": code.chars().count() })
}

/// Somebody's words: without what looks like a code, a token or the query of an address.
pub fn words(text: &str, most: usize) -> String {
    let short = shortened(text, most);
    let kept: Vec<String> = short.split(' ').map(word).collect();
    kept.join(" ")
}

fn word(word: &str) -> String {
    if let Some(at) = word.find("://") {
        let scheme = word[..at]
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |before| before + word[before..].chars().next().map_or(1, char::len_utf8));
        let end = word[at..].find(['"', '\'', ')', '>', ',']).map_or(word.len(), |n| at + n);
        return format!("{}{}{}", masked(&word[..scheme]), address(&word[scheme..end]), masked(&word[end..]));
    }
    masked(word)
}

/// Without long numbers, and without long words of letters and digits.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+' | '=' | '.');
        let end = rest.find(|c: char| !of_word(c)).unwrap_or(rest.len());
        if end > 0 {
            let word = &rest[..end];
            let digits = word.chars().filter(char::is_ascii_digit).count();
            let letters = word.chars().filter(|c| c.is_alphabetic()).count();
            let token = word.chars().count() >= LONG_WORD && digits > 0 && letters > 0;
            let number = digits >= LONG_NUMBER && digits > letters;
            out.push_str(if token || number { "(redacted)" } else { word });
        }
        let next = rest[end..].chars().next().map_or(0, char::len_utf8);
        out.push_str(&rest[end..end + next]);
        rest = &rest[end + next..];
    }
    out
}

fn is_secret(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    SECRET.iter().any(|secret| match secret.len() {
        ..=4 => plain == *secret,
        _ => plain.contains(secret),
    })
}

/// The last look at details before they are kept, whoever made them.
pub fn value(value: Value) -> Value {
    within(value, 0)
}

fn within(value: Value, depth: usize) -> Value {
    match value {
        Value::String(text) => words(&text, LONGEST_TEXT).into(),
        Value::Array(_) | Value::Object(_) if depth >= DEEPEST => "…".into(),
        Value::Array(values) => {
            values.into_iter().take(MOST_VALUES).map(|value| within(value, depth + 1)).collect()
        }
        Value::Object(map) => {
            // Sorted here: what is kept of many must not depend on the order in which they came.
            let mut all: Vec<_> = map.into_iter().collect();
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            let kept = all.into_iter().take(MOST_VALUES).map(|(key, value)| {
                let value = match value {
                    // How long it is, or that there is one, says nothing of it.
                    Value::String(_) | Value::Array(_) if is_secret(&key) => "(redacted)".into(),
                    value => within(value, depth + 1),
                };
                (shortened(&key, 60), value)
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn of_an_address_origin_and_path_are_kept() {
        for (url, kept) in [
            ("https://ada:hunter2@a.example:8443/x/y?token=hunter2#hunter2", "https://a.example:8443/x/y"),
            ("http://a.example", "http://a.example/"),
            ("data:text/html,hunter2", "data:"),
            ("javascript:hunter2()", "javascript:"),
            ("about:blank", "about:blank"),
            ("hunter2", "an address that cannot be read"),
        ] {
            assert_eq!(address(url), kept, "{url}");
        }
    }

    #[test]
    fn of_code_nothing_is_kept_that_stands_in_quotes_or_after() {
        let kept = code("() => login('hunter2', 12345)");
        assert_eq!(kept, json!({ "begins": "() => login(…", "characters": 29 }));
        for text in ["/* don't */ f('hunter2')", "f(`hunter2`)", "x = /'/; y = 'hunter2'", "// hunter2\nf()"]
        {
            assert!(!code(text).to_string().contains("hunter2"), "{text}");
        }
        assert!(!code("f(483920)").to_string().contains("483920"));
    }

    #[test]
    fn what_is_kept_of_many_values_does_not_depend_on_their_order() {
        let names: Vec<_> = (0..2 * MOST_VALUES).map(|at| format!("n{at:04}")).collect();
        let of = |names: Vec<&String>| value(names.into_iter().map(|name| (name.clone(), 1)).collect());
        let kept = of(names.iter().collect());
        assert_eq!(kept.to_string(), of(names.iter().rev().collect()).to_string());
        assert_eq!(kept.as_object().map(Map::len), Some(MOST_VALUES));
    }

    #[test]
    fn words_lose_codes_tokens_and_queries() {
        let kept = words(
            "the code is 483920, see (https://a.example/x?k=hunter2), key tdm_a1b2c3d4e5f6a7b8c9d0, room 12",
            300,
        );
        assert_eq!(kept, "the code is (redacted), see (https://a.example/x), key (redacted), room 12");
    }

    #[test]
    fn details_lose_what_their_keys_call_secret() {
        let details = json!({
            "Authorization": "Basic x", "nested": [{ "api_key": "k", "set-cookie": "a=b" }], "userPassword": "hunter2",
            "tokens": ["hunter2"], "spin": "round", "at": 12345,
        });
        let kept = value(details).to_string();
        assert!(!kept.contains("hunter2") && !kept.contains("Basic") && !kept.contains("a=b"), "{kept}");
        assert!(kept.contains("round") && kept.contains("12345"), "{kept}");
    }

    proptest! {
        #[test]
        fn a_query_or_fragment_never_stays(host in "[a-z]{1,9}", path in "[a-z/]{0,9}", secret in "[A-Z]{6,12}", mark in "[?#]") {
            let url = format!("see https://{host}.example/{path}{mark}{secret}");
            prop_assert!(!words(&url, 300).contains(&secret));
            let kept = value(json!({ "a": [url] })).to_string();
            prop_assert!(!kept.contains(&secret), "{}", kept);
        }

        #[test]
        fn any_text_is_made_fit(text in ".*") {
            let _ = (words(&text, 50), code(&text), address(&text));
            prop_assert!(shortened(&text, 10).chars().count() <= 11);
        }
    }
}
