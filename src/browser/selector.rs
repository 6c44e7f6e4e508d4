//! Playwright's selector strings: `css=form >> text=Save >> nth=0`.

use super::css;
use super::step::{Filter, Role, StateValue, Step, Steps, Text};

/// What `>>` may chain.
const MOST_PARTS: usize = 32;

/// Reads a selector string. What has no engine's name is CSS, an XPath or a quoted text.
pub(super) fn parse(text: &str) -> Result<Steps, String> {
    let parts = split(text)?;
    if parts.len() > MOST_PARTS {
        return Err(format!("it chains more than {MOST_PARTS} selectors"));
    }
    let mut steps = Vec::new();
    for part in parts {
        steps.push(one(part.trim())?);
    }
    Ok(steps)
}

/// At `>>` outside of quotes.
fn split(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut quote, mut at) = (Vec::new(), 0, None, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (_, b'\\') => at += 1,
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            // An apostrophe in the middle of a word opens nothing.
            (None, c @ (b'"' | b'\'' | b'`')) if at == 0 || !bytes[at - 1].is_ascii_alphanumeric() => {
                quote = Some(c);
            }
            (None, b'>') if bytes.get(at + 1) == Some(&b'>') => {
                parts.push(&text[start..at]);
                start = at + 2;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[start..]);
    match parts.iter().any(|part| part.trim().is_empty()) {
        true if parts.len() > 1 => Err("a selector is missing beside >>".into()),
        true => Err("it is empty".into()),
        false => Ok(parts),
    }
}

fn one(part: &str) -> Result<Step, String> {
    if part.starts_with("//") || part.starts_with("..") || part.starts_with("(//") {
        return Ok(Step::Xpath { xpath: part.to_owned() });
    }
    if part.len() > 1 && part.starts_with(['"', '\'']) && part.ends_with(part.chars().next().unwrap_or('"')) {
        return Ok(Step::Text { text: text_engine(part)? });
    }
    let engine = part.split_once('=').filter(|(name, _)| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '*'))
    });
    let Some((name, body)) = engine else { return css::parse(part) };
    let body = body.trim();
    match name {
        "css" | "css:light" => css::parse(body),
        "xpath" => Ok(Step::Xpath { xpath: body.to_owned() }),
        "text" | "text:light" => Ok(Step::Text { text: text_engine(body)? }),
        "id" | "data-testid" | "data-test-id" | "data-test" => {
            Ok(Step::attribute(name, Text::plain(&unquote(body)?, true)))
        }
        "role" => role(body),
        "nth" => {
            let nth = body.parse::<i32>().map_err(|_| format!("nth={body} is no number"))?;
            Ok(Step::Nth { nth: nth.into() })
        }
        "visible" => {
            Ok(Step::Filter(Box::new(Filter { visible: Some(body != "false"), ..Filter::default() })))
        }
        "has-text" => {
            Ok(Step::Filter(Box::new(Filter { has_text: Some(pattern(body, false)?), ..Filter::default() })))
        }
        other => Err(format!(
            "there is no selector engine {other:?}; there are css, xpath, text, role, id, data-testid, nth, visible"
        )),
    }
}

/// `text=` takes a quoted text whole, a pattern, or words in any case.
fn text_engine(body: &str) -> Result<Text, String> {
    match body.starts_with(['"', '\'']) {
        true => Ok(Text::Plain { text: unquote(body)?, exact: true, strict: true }),
        false => pattern(body, false),
    }
}

/// A quoted or bare text, or a `/pattern/flags`.
pub(super) fn pattern(body: &str, exact: bool) -> Result<Text, String> {
    match body.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
        Some((regex, flags)) if flags.chars().all(|c| "dgimsuy".contains(c)) => {
            Ok(Text::Pattern { regex: regex.to_owned(), flags: flags.replace(['g', 'y'], "") })
        }
        _ => Ok(Text::plain(&unquote(body)?, exact)),
    }
}

/// Takes the quotes off, if there are any.
pub(super) fn unquote(text: &str) -> Result<String, String> {
    let text = text.trim();
    let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return Ok(text.to_owned());
    };
    let inside = text[1..].strip_suffix(quote).ok_or_else(|| format!("the closing {quote} is missing"))?;
    let (mut plain, mut chars) = (String::new(), inside.chars());
    while let Some(c) = chars.next() {
        plain.push(if c == '\\' { chars.next().ok_or("it ends with a backslash")? } else { c });
    }
    Ok(plain)
}

/// `button[name="Save"][pressed][level=2]`.
fn role(body: &str) -> Result<Step, String> {
    let (name, mut rest) = body.split_at(body.find('[').unwrap_or(body.len()));
    let mut role = Role { role: name.trim().to_ascii_lowercase(), ..Role::default() };
    if role.role.is_empty() {
        return Err("role= needs a role, such as role=button[name=\"Save\"]".into());
    }
    while let Some(after) = rest.trim_start().strip_prefix('[') {
        let end = closing(after).ok_or("']' is missing")?;
        attribute(&mut role, after[..end].trim())?;
        rest = &after[end + 1..];
    }
    match rest.trim() {
        "" => Ok(Step::Role(Box::new(role))),
        other => Err(format!("{other:?} is not expected after a role")),
    }
}

/// Where the bracket closes that is not within quotes or a pattern.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (_, '\\') => drop(chars.next()),
            (Some(end), c) if c == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '/') => quote = Some(c),
            (None, ']') => return Some(at),
            _ => {}
        }
    }
    None
}

fn attribute(role: &mut Role, text: &str) -> Result<(), String> {
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key.trim(), Some(value.trim())),
        None => (text, None),
    };
    let (key, contains) = match key.strip_suffix('*') {
        Some(key) => (key.trim(), true),
        None => (key, false),
    };
    match key {
        "name" | "description" => {
            let value = value.ok_or("name needs a text")?;
            let (value, folded) = match value.strip_suffix(['i', 's']).map(str::trim_end) {
                Some(short) if short.ends_with(['"', '\'']) && short.len() > 1 => {
                    (short, value.ends_with('i'))
                }
                _ => (value, false),
            };
            let text = pattern(value, !contains && !folded)?;
            *(if key == "name" { &mut role.name } else { &mut role.description }) = Some(text);
            Ok(())
        }
        "include-hidden" => {
            role.include_hidden = value != Some("false");
            Ok(())
        }
        _ => {
            let (key, value) = state(key, value.unwrap_or("true").trim_matches(['"', '\'']))?;
            role.states.insert(key, value);
            Ok(())
        }
    }
}

/// The states that a role can be asked for.
pub(super) fn state(key: &str, value: &str) -> Result<(&'static str, StateValue), String> {
    const STATES: [&str; 6] = ["checked", "disabled", "expanded", "level", "pressed", "selected"];
    let Some(known) = STATES.into_iter().find(|known| *known == key) else {
        return Err(format!(
            "a role has no option {key}; there are name, exact, includeHidden, {}",
            STATES.join(", ")
        ));
    };
    let read = match value {
        _ if known == "level" => value.parse().ok().map(StateValue::Level),
        "true" => Some(StateValue::Is(true)),
        "false" => Some(StateValue::Is(false)),
        "mixed" if matches!(known, "checked" | "pressed") => Some(StateValue::Mixed("mixed")),
        _ => None,
    };
    read.map(|value| (known, value)).ok_or_else(|| format!("{known} cannot be {value:?}"))
}
