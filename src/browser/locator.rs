//! What an agent points with: a ref, a selector, or a locator expression as
//! Playwright writes it. Pure: the script in the page does the finding.

use serde_json::{Value, json};

use super::selector;
use super::step::{Filter, Role, StateValue, Step, Steps, Text};

/// Which element is meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Locator {
    text: String,
    target: Target,
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Ref {
        frame: u32,
        reference: String,
    },
    /// Each list but the last one finds an iframe, and the next begins inside it.
    Hops(Vec<Steps>),
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
/// How deep locators may hold one another.
const DEEPEST: usize = 12;

impl std::fmt::Display for Locator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.target {
            Target::Ref { .. } => write!(f, "ref {}", self.text),
            Target::Hops(_) => f.write_str(&self.text),
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
            let reason = format!("it is longer than {LONGEST} bytes");
            return Err(LocatorError { text: text.chars().take(40).collect(), reason });
        }
        let whole = text.to_owned();
        if let Some((frame, reference)) = as_ref(text.strip_prefix("aria-ref=").unwrap_or(text)) {
            let reference = reference.to_owned();
            return Ok(Self { text: whole, target: Target::Ref { frame, reference } });
        }
        let hops = match expression(text) {
            Some(expression) => {
                let mut parser = Parser { rest: expression, depth: 0 };
                let hops = parser.chain().map_err(|reason| fail(&reason))?;
                parser.space();
                match parser.rest.trim_end_matches(';').trim() {
                    "" => hops,
                    rest => {
                        return Err(fail(&format!("{:?} is not expected after a locator", shorten(rest))));
                    }
                }
            }
            None => vec![selector::parse(text).map_err(|reason| fail(&reason))?],
        };
        if hops.last().is_none_or(Vec::is_empty) {
            return Err(fail("a frame itself is no element; add what is meant inside of it"));
        }
        Ok(Self { text: whole, target: Target::Hops(hops) })
    }
}

impl Locator {
    /// Whether it is a ref of an outline.
    pub fn is_ref(&self) -> bool {
        matches!(self.target, Target::Ref { .. })
    }

    /// The number of the frame in which it begins, 0 for the page itself.
    pub(super) fn frame(&self) -> u32 {
        match &self.target {
            Target::Ref { frame, .. } => *frame,
            Target::Hops(_) => 0,
        }
    }

    /// What the script takes, frame by frame.
    pub(super) fn hops(&self) -> Vec<Value> {
        match &self.target {
            Target::Ref { reference, .. } => vec![json!({ "ref": reference })],
            Target::Hops(hops) => hops.iter().map(|steps| json!({ "steps": steps })).collect(),
        }
    }

    /// One of the elements that it matches.
    pub(super) fn nth(&self, n: usize) -> Result<Self, LocatorError> {
        match &self.target {
            Target::Ref { .. } => Ok(self.clone()),
            Target::Hops(_) if expression(&self.text).is_some() => {
                format!("{}.nth({n})", self.text.trim_end_matches(';')).parse()
            }
            Target::Hops(_) => format!("locator({}).nth({n})", Value::from(self.text.as_str())).parse(),
        }
    }

    /// The ref as it was given, if it is one.
    pub fn reference(&self) -> Option<&str> {
        match &self.target {
            Target::Ref { .. } => Some(&self.text),
            Target::Hops(_) => None,
        }
    }

    /// The ref without its frame.
    pub(super) fn bare_reference(&self) -> Option<&str> {
        match &self.target {
            Target::Ref { reference, .. } => Some(reference),
            Target::Hops(_) => None,
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

/// The text as an expression, if it begins like one.
fn expression(text: &str) -> Option<&str> {
    let text = text.strip_prefix("await ").unwrap_or(text);
    let text =
        ["page.", "frame.", "this.page."].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text);
    let name: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let called = text[name.len()..].trim_start().starts_with('(');
    let known = METHODS.contains(&name.as_str()) || name.starts_with("getBy") || name.starts_with("get_by");
    (called && (known || nearest(&name).is_some())).then_some(text)
}

const METHODS: &[&str] = &[
    "getByRole",
    "getByText",
    "getByLabel",
    "getByPlaceholder",
    "getByAltText",
    "getByTitle",
    "getByTestId",
    "locator",
    "frameLocator",
    "contentFrame",
    "owner",
    "filter",
    "and",
    "or",
    "first",
    "last",
    "nth",
];

/// What acts, or asks; a target only finds.
const ACTS: &[&str] = &[
    "click",
    "dblclick",
    "fill",
    "type",
    "press",
    "hover",
    "check",
    "uncheck",
    "selectOption",
    "focus",
    "tap",
    "all",
    "count",
    "textContent",
    "innerText",
    "isVisible",
    "waitFor",
    "evaluate",
    "screenshot",
    "pressSequentially",
];

/// The method that was most likely meant.
fn nearest(name: &str) -> Option<&'static str> {
    let flat = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let wanted = flat(name);
    let best = METHODS.iter().map(|method| (distance(&wanted, &flat(method)), *method)).min()?;
    (best.0 <= 2.min(wanted.len() / 2)).then_some(best.1)
}

/// How many letters have to be changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// An argument of a method.
#[derive(Debug)]
enum Arg {
    Text(String),
    Pattern { regex: String, flags: String },
    Number(i64),
    Bool(bool),
    Object(Vec<(String, Arg)>),
    Locator(Vec<Steps>),
}

/// Reads `getByRole("button", { name: "Save" }).first()` and its like.
struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn chain(&mut self) -> Result<Vec<Steps>, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("locators are nested too deeply".into());
        }
        let mut hops = vec![Steps::new()];
        loop {
            let name = self.word();
            if name.is_empty() {
                return Err(format!("a method is missing before {:?}", shorten(self.rest)));
            }
            self.expect('(')?;
            let arguments = self.arguments()?;
            method(&name, arguments, &mut hops)?;
            if self.peek() != Some('.') {
                self.depth -= 1;
                return Ok(hops);
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
            None if self.rest.is_empty() => Err(format!("'{wanted}' is missing at its end")),
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

    fn arguments(&mut self) -> Result<Vec<Arg>, String> {
        let mut arguments = Vec::new();
        while self.peek() != Some(')') {
            arguments.push(self.value()?);
            if self.peek() != Some(',') {
                break;
            }
            self.expect(',')?;
        }
        self.expect(')')?;
        Ok(arguments)
    }

    fn value(&mut self) -> Result<Arg, String> {
        match self.peek() {
            Some(quote @ ('"' | '\'' | '`')) => self.string(quote).map(Arg::Text),
            Some('/') => self.regex(),
            Some('{') => self.object(),
            Some(c) if c == '-' || c.is_ascii_digit() => {
                let end =
                    self.rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(self.rest.len());
                let (number, rest) = self.rest.split_at(end);
                self.rest = rest;
                number
                    .parse::<i32>()
                    .map(|number| Arg::Number(number.into()))
                    .map_err(|_| format!("{number} is no number"))
            }
            _ => {
                let here = self.rest;
                match self.word().as_str() {
                    "true" => Ok(Arg::Bool(true)),
                    "false" => Ok(Arg::Bool(false)),
                    _ => match expression(here) {
                        Some(expression) => {
                            self.rest = expression;
                            self.chain().map(Arg::Locator)
                        }
                        None => Err(format!("a value is missing before {:?}", shorten(here))),
                    },
                }
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<String, String> {
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
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err(format!("the closing {quote} is missing"))
    }

    fn regex(&mut self) -> Result<Arg, String> {
        self.expect('/')?;
        let (mut escaped, mut class) = (false, false);
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => class = true,
                ']' => class = false,
                '/' if !class => {
                    let regex = self.rest[..at].to_owned();
                    self.rest = &self.rest[at + 1..];
                    let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
                    let (flags, rest) = self.rest.split_at(end);
                    if let Some(bad) = flags.chars().find(|c| !"dgimsuvy".contains(*c)) {
                        return Err(format!("a pattern has no flag {bad:?}"));
                    }
                    self.rest = rest;
                    return Ok(Arg::Pattern { regex, flags: flags.replace(['g', 'y'], "") });
                }
                _ => {}
            }
        }
        Err("the closing / is missing".into())
    }

    fn object(&mut self) -> Result<Arg, String> {
        self.expect('{')?;
        let mut object = Vec::new();
        while self.peek() != Some('}') {
            let key = match self.peek() {
                Some(quote @ ('"' | '\'')) => self.string(quote)?,
                _ => self.word(),
            };
            self.expect(':')?;
            let value = self.value()?;
            object.push((key, value));
            if self.peek() != Some(',') {
                break;
            }
            self.expect(',')?;
        }
        self.expect('}')?;
        Ok(Arg::Object(object))
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(20).collect()
}

fn text_of(value: Arg, exact: bool, of: &str) -> Result<Text, String> {
    match value {
        Arg::Text(text) => Ok(Text::Plain { text, exact, strict: false }),
        Arg::Pattern { regex, flags } => Ok(Text::Pattern { regex, flags }),
        _ => Err(format!("{of} needs a text or a /pattern/")),
    }
}

fn local(value: Arg, of: &str) -> Result<Steps, String> {
    match value {
        Arg::Locator(mut hops) if hops.len() == 1 => Ok(hops.remove(0)),
        Arg::Locator(_) => Err(format!("{of} cannot look into a frame")),
        Arg::Text(text) => selector::parse(&text),
        _ => Err(format!("{of} needs a locator such as getByText('x')")),
    }
}

/// Takes `exact` out of the options; what is left is given to `other`.
fn options(
    arguments: &mut std::vec::IntoIter<Arg>,
    of: &str,
    mut other: impl FnMut(String, Arg) -> Result<(), String>,
) -> Result<bool, String> {
    let mut exact = false;
    match arguments.next() {
        None => {}
        Some(Arg::Object(object)) => {
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("exact", Arg::Bool(value)) => exact = value,
                    ("exact", _) => return Err("exact is true or false".into()),
                    (_, value) => other(key, value)?,
                }
            }
        }
        Some(_) => return Err(format!("{of} takes options as {{ … }} after its first argument")),
    }
    match arguments.next() {
        None => Ok(exact),
        Some(_) => Err(format!("{of} has too many arguments")),
    }
}

fn filter_option(filter: &mut Filter, key: &str, value: Arg) -> Result<(), String> {
    match (key, value) {
        ("hasText", value) => filter.has_text = Some(text_of(value, false, key)?),
        ("hasNotText", value) => filter.has_not_text = Some(text_of(value, false, key)?),
        ("has", value) => filter.has = Some(local(value, key)?),
        ("hasNot", value) => filter.has_not = Some(local(value, key)?),
        ("visible", Arg::Bool(visible)) => filter.visible = Some(visible),
        _ => {
            return Err(format!(
                "there is no option {key} here; there are has, hasNot, hasText, hasNotText, visible"
            ));
        }
    }
    Ok(())
}

/// Adds what a method means to the steps so far.
fn method(name: &str, arguments: Vec<Arg>, hops: &mut Vec<Steps>) -> Result<(), String> {
    let mut arguments = arguments.into_iter();
    let no_option = |key: String, _: Arg| Err(format!("{name} has no option {key}; there is exact"));
    let step = match name {
        "getByRole" => {
            let Some(Arg::Text(role)) = arguments.next() else {
                return Err("getByRole needs a role, such as getByRole('button')".into());
            };
            let mut role = Role { role: role.trim().to_ascii_lowercase(), ..Role::default() };
            let (mut label, mut about) = (None, None);
            let exact = options(&mut arguments, name, |key, value| {
                match (key.as_str(), value) {
                    ("name", value) => label = Some(value),
                    ("description", value) => about = Some(value),
                    ("includeHidden", Arg::Bool(value)) => role.include_hidden = value,
                    ("level", Arg::Number(level)) => {
                        let level = u32::try_from(level).map_err(|_| "a level is 1 or more".to_owned())?;
                        role.states.insert("level", StateValue::Level(level));
                    }
                    (key, Arg::Bool(value)) => {
                        let (key, value) = selector::state(key, if value { "true" } else { "false" })?;
                        role.states.insert(key, value);
                    }
                    (key, Arg::Text(value)) => {
                        let (key, value) = selector::state(key, &value)?;
                        role.states.insert(key, value);
                    }
                    (key, _) => return Err(format!("getByRole's {key} is true or false")),
                }
                Ok(())
            })?;
            role.name = label.map(|value| text_of(value, exact, "name")).transpose()?;
            role.description = about.map(|value| text_of(value, exact, "description")).transpose()?;
            Step::Role(Box::new(role))
        }
        "getByText" | "getByLabel" | "getByPlaceholder" | "getByAltText" | "getByTitle" | "getByTestId" => {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a text or a /pattern/"))?;
            let exact = options(&mut arguments, name, no_option)?;
            let text = text_of(value, exact || name == "getByTestId", name)?;
            match name {
                "getByText" => Step::Text { text },
                "getByLabel" => Step::Label { text },
                "getByPlaceholder" => Step::attribute("placeholder", text),
                "getByAltText" => Step::attribute("alt", text),
                "getByTitle" => Step::attribute("title", text),
                _ => Step::attribute("data-testid", text),
            }
        }
        "locator" => {
            let inner = match arguments.next() {
                Some(value @ (Arg::Text(_) | Arg::Locator(_))) => local(value, name)?,
                _ => return Err("locator needs a selector, such as locator('#save')".into()),
            };
            let mut filter = Filter::default();
            options(&mut arguments, name, |key, value| filter_option(&mut filter, &key, value))?;
            let last = last(hops);
            last.extend(inner);
            if filter == Filter::default() {
                return Ok(());
            }
            Step::Filter(Box::new(filter))
        }
        "filter" => {
            let mut filter = Filter::default();
            options(&mut arguments, name, |key, value| filter_option(&mut filter, &key, value))?;
            if filter == Filter::default() {
                return Err("filter needs one of has, hasNot, hasText, hasNotText, visible".into());
            }
            Step::Filter(Box::new(filter))
        }
        "and" | "or" => {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a locator"))?;
            let other = local(value, name)?;
            if last(hops).is_empty() {
                return Err(format!("{name}() needs a locator before it"));
            }
            match name {
                "and" => Step::And { other },
                _ => Step::Or { other },
            }
        }
        "first" => Step::Nth { nth: 0 },
        "last" => Step::Nth { nth: -1 },
        "nth" => match arguments.next() {
            Some(Arg::Number(nth)) => Step::Nth { nth },
            _ => return Err("nth needs a number, such as nth(0)".into()),
        },
        "frameLocator" => {
            let Some(value) = arguments.next() else {
                return Err("frameLocator needs a selector, such as frameLocator('iframe')".into());
            };
            last(hops).extend(local(value, name)?);
            hops.push(Steps::new());
            return Ok(());
        }
        "contentFrame" => {
            if last(hops).is_empty() {
                return Err("contentFrame() needs a locator of an iframe before it".into());
            }
            hops.push(Steps::new());
            return Ok(());
        }
        "owner" => {
            if hops.len() < 2 || !last(hops).is_empty() {
                return Err("owner() comes after frameLocator()".into());
            }
            hops.pop();
            return Ok(());
        }
        act if ACTS.contains(&act) => {
            return Err(format!("{act}() is no way to find; a target only says which element. Leave it out"));
        }
        other => {
            return Err(match nearest(other) {
                Some(method) => format!("there is no {other}(); did you mean {method}()?"),
                None => format!("there is no {other}(); there are {}", METHODS.join(", ")),
            });
        }
    };
    last(hops).push(step);
    Ok(())
}

fn last(hops: &mut Vec<Steps>) -> &mut Steps {
    if hops.is_empty() {
        hops.push(Steps::new());
    }
    let at = hops.len() - 1;
    &mut hops[at]
}

#[cfg(test)]
mod tests;
