//! What an agent points with: a ref, a selector, or a locator expression.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Which element is meant. The script in the page finds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Locator {
    text: String,
    /// The number of the frame, 0 for the page itself.
    pub(super) frame: u32,
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Target {
    Ref {
        #[serde(rename = "ref")]
        reference: String,
    },
    Steps {
        steps: Vec<Value>,
    },
}

/// Why a text is no locator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no locator: {reason}")]
pub struct LocatorError {
    text: String,
    reason: String,
}

/// The longest locator.
const LONGEST: usize = 4096;

impl std::fmt::Display for Locator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.target {
            Target::Ref { .. } => write!(f, "ref {}", self.text),
            Target::Steps { .. } => f.write_str(&self.text),
        }
    }
}

impl std::str::FromStr for Locator {
    type Err = LocatorError;
    fn from_str(text: &str) -> Result<Self, LocatorError> {
        let text = text.trim();
        let fail = |reason: &str| LocatorError { text: text.to_owned(), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(fail("it is empty; use a ref from browser_snapshot such as e5"));
        }
        if text.len() > LONGEST {
            return Err(LocatorError { text: String::new(), reason: "it is too long".into() });
        }
        if let Some((frame, reference)) = as_ref(text) {
            let target = Target::Ref { reference: reference.to_owned() };
            return Ok(Self { text: text.to_owned(), frame, target });
        }
        let steps = if text.starts_with("getBy") || text.starts_with("locator(") || text.starts_with("page.")
        {
            Parser { rest: text.strip_prefix("page.").unwrap_or(text) }
                .chain()
                .map_err(|reason| fail(&reason))?
        } else if let Some(path) = text.strip_prefix("xpath=").or(text.starts_with("//").then_some(text)) {
            vec![json!({ "kind": "xpath", "xpath": path })]
        } else if let Some(words) = text.strip_prefix("text=") {
            vec![text_step(json!({ "text": words }))]
        } else {
            vec![json!({ "kind": "css", "css": text.strip_prefix("css=").unwrap_or(text) })]
        };
        Ok(Self { text: text.to_owned(), frame: 0, target: Target::Steps { steps } })
    }
}

impl Locator {
    /// What the script takes.
    pub(super) fn json(&self) -> Value {
        serde_json::to_value(&self.target).unwrap_or_default()
    }

    pub(super) fn reference(&self) -> Option<&str> {
        match &self.target {
            Target::Ref { .. } => Some(&self.text),
            Target::Steps { .. } => None,
        }
    }

    /// The ref without its frame.
    pub(super) fn bare_reference(&self) -> Option<&str> {
        match &self.target {
            Target::Ref { reference } => Some(reference),
            Target::Steps { .. } => None,
        }
    }
}

/// `e5` or `f2e5`, as the frame's number and the ref in it.
fn as_ref(text: &str) -> Option<(u32, &str)> {
    let digits = |text: &str| !text.is_empty() && text.len() < 10 && text.bytes().all(|c| c.is_ascii_digit());
    let (frame, bare) = match text.strip_prefix('f') {
        Some(rest) => {
            let at = rest.find('e')?;
            (rest[..at].parse().ok().filter(|_| digits(&rest[..at]))?, &rest[at..])
        }
        None => (0, text),
    };
    digits(bare.strip_prefix('e')?).then_some((frame, bare))
}

fn text_step(matcher: Value) -> Value {
    json!({ "kind": "text", "text": matcher })
}

/// Reads `getByRole("button", { name: "Save" }).first()` and its like.
struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn chain(mut self) -> Result<Vec<Value>, String> {
        let mut steps = Vec::new();
        loop {
            let name = self.word();
            self.expect('(')?;
            let arguments = self.arguments()?;
            steps.push(step(&name, &arguments)?);
            self.space();
            if self.rest.is_empty() {
                return Ok(steps);
            }
            self.expect('.')?;
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn peek(&mut self) -> Option<char> {
        self.space();
        self.rest.chars().next()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        self.space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(format!("'{wanted}' is missing before {:?}", shorten(self.rest))),
        }
    }

    fn word(&mut self) -> String {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn arguments(&mut self) -> Result<Vec<Value>, String> {
        let mut arguments = Vec::new();
        while self.peek() != Some(')') {
            arguments.push(self.value()?);
            if self.peek() == Some(',') {
                self.expect(',')?;
            }
        }
        self.expect(')')?;
        Ok(arguments)
    }

    fn value(&mut self) -> Result<Value, String> {
        match self.peek() {
            Some(quote @ ('"' | '\'' | '`')) => self.string(quote),
            Some('/') => self.regex(),
            Some('{') => self.object(),
            Some(c) if c == '-' || c.is_ascii_digit() => {
                let end =
                    self.rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(self.rest.len());
                let (number, rest) = self.rest.split_at(end);
                self.rest = rest;
                number.parse::<i32>().map(Value::from).map_err(|_| format!("{number} is no number"))
            }
            _ => match self.word().as_str() {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Err(format!("a value is missing before {:?}", shorten(self.rest))),
            },
        }
    }

    fn string(&mut self, quote: char) -> Result<Value, String> {
        self.expect(quote)?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, other)) => text.push(other),
                    None => break,
                },
                c if c == quote => {
                    self.rest = &self.rest[at + c.len_utf8()..];
                    return Ok(text.into());
                }
                c => text.push(c),
            }
        }
        Err(format!("the closing {quote} is missing"))
    }

    fn regex(&mut self) -> Result<Value, String> {
        self.expect('/')?;
        let (mut escaped, mut class) = (false, false);
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => class = true,
                ']' => class = false,
                '/' if !class => {
                    let source = self.rest[..at].to_owned();
                    self.rest = &self.rest[at + 1..];
                    let flags: String = self.word().chars().filter(|c| "imsu".contains(*c)).collect();
                    return Ok(json!({ "regex": source, "flags": flags }));
                }
                _ => {}
            }
        }
        Err("the closing / is missing".into())
    }

    fn object(&mut self) -> Result<Value, String> {
        self.expect('{')?;
        let mut object = Map::new();
        while self.peek() != Some('}') {
            let key = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.string(quote)?.as_str().unwrap_or_default().to_owned(),
                _ => self.word(),
            };
            self.expect(':')?;
            object.insert(key, self.value()?);
            if self.peek() == Some(',') {
                self.expect(',')?;
            }
        }
        self.expect('}')?;
        Ok(object.into())
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(20).collect()
}

/// A text or a pattern, with the options beside it, as the script's matcher.
fn matcher(value: Option<&Value>, options: Option<&Value>, of: &str) -> Result<Value, String> {
    match value {
        Some(Value::String(text)) => {
            let exact = options.and_then(|options| options.get("exact")).and_then(Value::as_bool);
            Ok(json!({ "text": text, "exact": exact.unwrap_or(false) }))
        }
        Some(pattern @ Value::Object(_)) if pattern.get("regex").is_some() => Ok(pattern.clone()),
        _ => Err(format!("{of} needs a text or a /pattern/")),
    }
}

fn step(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let first = arguments.first();
    let options = arguments.get(1);
    let text = |of: &str| matcher(first, options, of);
    let attribute = |attribute: &str| -> Result<Value, String> {
        Ok(json!({ "kind": "attribute", "attribute": attribute, "text": text(name)? }))
    };
    match name {
        "getByRole" => {
            let role = first.and_then(Value::as_str).ok_or("getByRole needs a role")?;
            let mut step = json!({ "kind": "role", "role": role, "states": {} });
            for (key, value) in options.and_then(Value::as_object).into_iter().flatten() {
                match key.as_str() {
                    "name" => step["name"] = matcher(Some(value), options, "name")?,
                    "exact" | "includeHidden" => {}
                    "checked" | "disabled" | "expanded" | "level" | "pressed" | "selected" => {
                        step["states"][key] = value.clone();
                    }
                    other => return Err(format!("getByRole has no option {other}")),
                }
            }
            Ok(step)
        }
        "getByText" => Ok(text_step(text(name)?)),
        "getByLabel" => Ok(json!({ "kind": "label", "text": text(name)? })),
        "getByPlaceholder" => attribute("placeholder"),
        "getByAltText" => attribute("alt"),
        "getByTitle" => attribute("title"),
        "getByTestId" => {
            let mut exact = text(name)?;
            if exact.get("text").is_some() {
                exact["exact"] = true.into();
            }
            Ok(json!({ "kind": "attribute", "attribute": "data-testid", "text": exact }))
        }
        "locator" => {
            let css = first.and_then(Value::as_str).ok_or("locator needs a selector")?;
            if let Some(path) = css.strip_prefix("xpath=").or(css.starts_with("//").then_some(css)) {
                return Ok(json!({ "kind": "xpath", "xpath": path }));
            }
            Ok(json!({ "kind": "css", "css": css.strip_prefix("css=").unwrap_or(css) }))
        }
        "filter" => {
            let has =
                first.and_then(|options| options.get("hasText")).ok_or("filter takes { hasText } here")?;
            Ok(json!({ "kind": "filter", "text": matcher(Some(has), None, "hasText")? }))
        }
        "first" => Ok(json!({ "kind": "nth", "nth": 0 })),
        "last" => Ok(json!({ "kind": "nth", "nth": -1 })),
        "nth" => {
            let nth = first.and_then(Value::as_i64).ok_or("nth needs a number")?;
            Ok(json!({ "kind": "nth", "nth": nth }))
        }
        other => Err(format!("{other}() is not known here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json_of(text: &str) -> Value {
        text.parse::<Locator>().unwrap_or_else(|error| panic!("{error}")).json()
    }

    #[test]
    fn refs_selectors_and_expressions_are_told_apart() {
        assert_eq!(json_of("e5"), json!({ "ref": "e5" }));
        assert_eq!("f2e5".parse::<Locator>().map(|locator| locator.frame), Ok(2));
        assert_eq!(json_of("em"), json!({ "steps": [{ "kind": "css", "css": "em" }] }));
        assert_eq!(json_of("form"), json!({ "steps": [{ "kind": "css", "css": "form" }] }));
        assert_eq!(json_of("//a[1]")["steps"][0]["kind"], "xpath");
        let steps = json_of(r#"getByRole("button", { name: 'Save "it"', exact: true }).nth(-2)"#);
        assert_eq!(
            steps["steps"],
            json!([
                { "kind": "role", "role": "button", "states": {}, "name": { "text": "Save \"it\"", "exact": true } },
                { "kind": "nth", "nth": -2 }
            ])
        );
        assert_eq!(
            json_of("getByText(/a\\/[/]b/i)")["steps"][0]["text"],
            json!({ "regex": "a\\/[/]b", "flags": "i" })
        );
        assert_eq!(
            json_of("locator('li').filter({ hasText: 'x' }).first()")["steps"].as_array().map(Vec::len),
            Some(3)
        );
        assert_eq!(json_of("getByTestId('x')")["steps"][0]["text"]["exact"], true);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for bad in [
            "",
            "getByRole(",
            "getByRole()",
            "getByText('x'",
            "getByRole('a').click()",
            "getByFoo('x')",
            "getByText('x)",
        ] {
            assert!(bad.parse::<Locator>().is_err(), "{bad}");
        }
        assert!("x".repeat(LONGEST + 1).parse::<Locator>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(getByRole|locator|getByText|f1e|page\\.)?[ -~é]{0,40}") {
            let _ = text.parse::<Locator>();
        }
    }
}
