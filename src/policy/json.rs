//! JSON that remembers where everything stood, so that what is wrong with a
//! rule can be pointed at. Keys that stand twice are kept, to be complained of.

use super::parse::Complaint;

/// Lists within lists.
const DEEPEST: usize = 32;

#[derive(Debug)]
pub struct Node {
    /// Bytes from the start.
    pub at: usize,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    Null,
    Switch,
    Number,
    Text(String),
    List(Vec<Node>),
    /// Keys with where they stand.
    Map(Vec<(usize, String, Node)>),
}

impl Node {
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Switch => "true or false",
            Kind::Number => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "an object",
        }
    }

    /// The node that a path leads to, or the last one on the way.
    pub fn find(&self, path: &[String]) -> &Node {
        let Some((first, rest)) = path.split_first() else { return self };
        let next = match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(_, key, _)| key == first).map(|(_, _, node)| node),
            Kind::List(entries) => first.parse().ok().and_then(|at: usize| entries.get(at)),
            _ => None,
        };
        next.map_or(self, |node| node.find(rest))
    }
}

/// Line and column of a byte, both from 1; the column counts characters.
pub fn position(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at.min(text.len())];
    let line = before.bytes().filter(|c| *c == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line as u32, column as u32)
}

/// Reads a document whole.
pub fn read(text: &str) -> Result<Node, Complaint> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    let node = reader.value(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.complaint("something follows the end of the document"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn complaint(&self, why: &str) -> Complaint {
        Complaint::at(self.text, self.at, why.to_owned())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, Complaint> {
        if depth > DEEPEST {
            return Err(self.complaint("lists and objects are nested too deep"));
        }
        let at = self.at;
        let kind = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'/') => return Err(self.complaint("JSON has no comments; use \"note\"")),
            Some(b'\'') => return Err(self.complaint("a text stands in double quotes")),
            None => return Err(self.complaint("the document ends too early")),
            Some(_) => {
                let rest = &self.text[at..];
                let end = |c: char| matches!(c, ',' | ']' | '}') || c.is_whitespace();
                let word = &rest[..rest.find(end).unwrap_or(rest.len())];
                let kind = match word {
                    "null" => Kind::Null,
                    "true" | "false" => Kind::Switch,
                    number if serde_json::from_str::<serde_json::Number>(number).is_ok() => Kind::Number,
                    _ => return Err(self.complaint("a value is missing, or a text without its quotes")),
                };
                self.at += word.len();
                kind
            }
        };
        Ok(Node { at, kind })
    }

    fn string(&mut self) -> Result<String, Complaint> {
        let start = self.at;
        let mut bytes = self.text.as_bytes()[start..].iter().enumerate().skip(1);
        while let Some((length, c)) = bytes.next() {
            match c {
                b'\\' => {
                    bytes.next();
                }
                b'\n' => break,
                b'"' => {
                    self.at = start + length + 1;
                    return serde_json::from_str(&self.text[start..self.at])
                        .map_err(|error| Complaint::at(self.text, start, format!("not a text: {error}")));
                }
                _ => {}
            }
        }
        Err(self.complaint("the text has no closing quote on its line"))
    }

    /// True at the end, false before another entry.
    fn ends(&mut self, close: u8, first: bool, what: &str) -> Result<bool, Complaint> {
        self.blanks();
        match self.peek() {
            Some(c) if c == close => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if first => Ok(false),
            Some(b',') => {
                self.at += 1;
                self.blanks();
                match self.peek() {
                    Some(c) if c == close => Err(self.complaint("a comma after the last entry")),
                    _ => Ok(false),
                }
            }
            None => Err(self.complaint(&format!("the {what} does not end"))),
            Some(_) => Err(self.complaint(&format!("a comma or the end of the {what} is missing"))),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Complaint> {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.ends(b']', entries.is_empty(), "list")? {
            entries.push(self.value(depth + 1)?);
        }
        Ok(Kind::List(entries))
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Complaint> {
        self.at += 1;
        let mut entries = Vec::new();
        while !self.ends(b'}', entries.is_empty(), "object")? {
            if self.peek() != Some(b'"') {
                return Err(self.complaint("a field's name in double quotes is missing"));
            }
            let at = self.at;
            let key = self.string()?;
            self.blanks();
            if self.peek() != Some(b':') {
                return Err(self.complaint("a colon is missing after the field's name"));
            }
            self.at += 1;
            self.blanks();
            entries.push((at, key, self.value(depth + 1)?));
        }
        Ok(Kind::Map(entries))
    }
}
