//! CSS selectors, taken apart as far as is needed to match them through shadow
//! roots and with Playwright's pseudo-classes. Whether a simple selector is
//! sound is for the browser to say.

use super::selector::{pattern, unquote};
use super::step::{Complex, Compound, Pseudo, Step, Text};

/// How deep pseudo-classes may hold one another.
const DEEPEST: usize = 16;

pub(super) fn parse(text: &str) -> Result<Step, String> {
    let text = text.trim();
    let mut parser = Parser { text, at: 0, own: false, depth: 0 };
    let list = parser.list()?;
    if let Some(rest) = parser.rest().chars().next() {
        return Err(format!("{rest:?} is not expected after {:?}", &text[..parser.at]));
    }
    let relative = list.iter().any(|complex| complex.parts.first().is_some_and(|part| part.scope))
        && text.starts_with(['>', '+', '~']);
    Ok(Step::Css {
        css: text.to_owned(),
        list,
        own: parser.own || (relative && text.contains(',')),
        relative,
    })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    own: bool,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn space(&mut self) -> bool {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        rest.len() != self.rest().len()
    }

    /// Selectors with commas between them.
    fn list(&mut self) -> Result<Vec<Complex>, String> {
        let mut list = vec![self.complex()?];
        while self.peek() == Some(',') {
            self.bump();
            list.push(self.complex()?);
        }
        Ok(list)
    }

    fn complex(&mut self) -> Result<Complex, String> {
        let mut complex = Complex::default();
        self.space();
        if let Some(combinator @ ('>' | '+' | '~')) = self.peek() {
            self.bump();
            complex.parts.push(Compound { scope: true, ..Compound::default() });
            complex.combinators.push(combinator);
            self.space();
        }
        loop {
            complex.parts.push(self.compound()?);
            let spaced = self.space();
            match self.peek() {
                None | Some(',' | ')') => return Ok(complex),
                Some(combinator @ ('>' | '+' | '~')) => {
                    self.bump();
                    self.space();
                    complex.combinators.push(combinator);
                }
                Some(_) if spaced => complex.combinators.push(' '),
                Some(other) => return Err(format!("{other:?} is not expected in a selector")),
            }
        }
    }

    fn compound(&mut self) -> Result<Compound, String> {
        let mut compound = Compound::default();
        let start = self.at;
        while let Some(c) = self.peek() {
            match c {
                ':' => self.pseudo(&mut compound)?,
                '[' => {
                    let inside = self.balanced('[', ']')?;
                    compound.css.push_str(inside);
                }
                '\\' => {
                    self.bump();
                    let escaped = self.bump().ok_or("it ends with a backslash")?;
                    compound.css.push('\\');
                    compound.css.push(escaped);
                }
                '#' | '.' | '*' | '|' | '-' | '_' => compound.css.extend(self.bump()),
                c if c.is_alphanumeric() || !c.is_ascii() => compound.css.extend(self.bump()),
                _ => break,
            }
        }
        if self.at == start {
            return Err(match self.peek() {
                None => "a selector is missing at its end".to_owned(),
                Some(c) => format!("{c:?} is not expected in a CSS selector"),
            });
        }
        Ok(compound)
    }

    /// From an opening bracket to its closing one, both included.
    fn balanced(&mut self, open: char, close: char) -> Result<&'a str, String> {
        let start = self.at;
        let mut depth = 0;
        let mut quote = None;
        while let Some(c) = self.bump() {
            match (quote, c) {
                (_, '\\') => drop(self.bump()),
                (Some(end), c) if c == end => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, c) if c == open => depth += 1,
                (None, c) if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(&self.text[start..self.at]);
                    }
                }
                _ => {}
            }
        }
        Err(format!("{open:?} is not closed"))
    }

    fn pseudo(&mut self, compound: &mut Compound) -> Result<(), String> {
        let start = self.at;
        while self.peek() == Some(':') {
            self.bump();
        }
        let word = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '-') {
            self.bump();
        }
        let name = &self.text[word..self.at];
        let whole = match self.peek() {
            Some('(') => Some(self.balanced('(', ')')?),
            _ => None,
        };
        let inside = whole.map(|text| text[1..text.len() - 1].trim());
        let own = |name| Pseudo { name, text: None, list: Vec::new(), nth: None };
        let words = || inside.ok_or_else(|| format!(":{name}() needs a text"));
        let pseudo = match name {
            "scope" => {
                compound.scope = true;
                return Ok(());
            }
            "visible" => own("visible"),
            "has-text" => Pseudo { text: Some(pattern(words()?, false)?), ..own("has-text") },
            "text" => Pseudo { text: Some(pattern(words()?, false)?), ..own("text") },
            "text-is" => Pseudo {
                text: Some(Text::Plain { text: unquote(words()?)?, exact: true, strict: true }),
                ..own("text-is")
            },
            "text-matches" => Pseudo { text: Some(regex_arguments(words()?)?), ..own("text-matches") },
            "nth-match" => {
                let (selector, nth) =
                    words()?.rsplit_once(',').ok_or(":nth-match(selector, 1) needs both")?;
                let nth: u32 = nth.trim().parse().map_err(|_| ":nth-match() counts from 1".to_owned())?;
                if nth == 0 {
                    return Err(":nth-match() counts from 1".into());
                }
                Pseudo { list: self.inner(selector)?.0, nth: Some(nth), ..own("nth-match") }
            }
            "is" | "where" | "not" | "has" => {
                let (list, custom) = self.inner(words()?)?;
                let relative =
                    name == "has" && list.iter().any(|one| one.parts.first().is_some_and(|part| part.scope));
                if !custom && (name != "has" || relative) {
                    compound.css.push_str(&self.text[start..self.at]);
                    return Ok(());
                }
                self.own |= custom;
                let name = match name {
                    "not" => "not",
                    "has" => "has",
                    _ => "is",
                };
                compound.pseudos.push(Pseudo { list, ..own(name) });
                return Ok(());
            }
            "light" | "left-of" | "right-of" | "above" | "below" | "near" => {
                return Err(format!(":{name}() is not known here; use a role, a text or the structure"));
            }
            "" => return Err("a pseudo-class has no name".into()),
            _ => {
                compound.css.push_str(&self.text[start..self.at]);
                return Ok(());
            }
        };
        self.own = true;
        compound.pseudos.push(pseudo);
        Ok(())
    }

    fn inner(&self, text: &str) -> Result<(Vec<Complex>, bool), String> {
        if self.depth >= DEEPEST {
            return Err("pseudo-classes are nested too deeply".into());
        }
        let mut parser = Parser { text, at: 0, own: false, depth: self.depth + 1 };
        let list = parser.list()?;
        match parser.peek() {
            None => Ok((list, parser.own)),
            Some(c) => Err(format!("{c:?} is not expected in {text:?}")),
        }
    }
}

/// The arguments of `:text-matches("pattern", "i")`.
fn regex_arguments(text: &str) -> Result<Text, String> {
    let quote =
        text.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or("a quoted pattern is needed")?;
    let end = text[1..].find(quote).ok_or("the pattern is not closed")? + 1;
    let rest = text[end + 1..].trim_start_matches([' ', ',']);
    let flags = if rest.is_empty() { String::new() } else { unquote(rest)? };
    Ok(Text::Pattern { regex: text[1..end].replace("\\\\", "\\"), flags: flags.replace(['g', 'y'], "") })
}
