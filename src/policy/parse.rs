//! Rules from a JSON document, and back. A document is taken whole or not at
//! all; whatever is wrong with it is said with line, column and the word that
//! was probably meant.
//!
//! ```json
//! { "rules": [{ "name": "no-pay", "effect": "deny", "matching": { "target": { "name": "Pay*" } } }] }
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::action::Class;
use super::compiled::Compiled;
use super::json::{self, Kind, Node, position};
use super::rule::{Effect, Matching, OneOrMany, Rule, TargetPatterns, Who};
use super::rules::{Entry, MOST_RULES, RuleSet};
use crate::base::{ActorId, ActorKind, Role, nearest};

/// The longest document, in bytes.
pub const LONGEST_DOCUMENT: usize = 4 << 20;
/// Complaints about one document.
const MOST_COMPLAINTS: usize = 20;
/// Complaints that are kept until they are put in order.
const MOST_KEPT: usize = 1000;
/// Classes that a document may bring.
const MOST_CLASSES: usize = 64;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Complaint {
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    pub why: String,
}

/// Rules that were refused; those before them stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrokenRules {
    /// In order, 20 at most.
    pub complaints: Vec<Complaint>,
    /// How many more there are.
    pub more: u32,
}

impl RuleSet {
    /// Reads a document: `{"rules": […]}` or the list alone.
    pub fn parse(text: &str) -> Result<Self, BrokenRules> {
        if text.len() > LONGEST_DOCUMENT {
            let why = format!("{} bytes; rules have at most {LONGEST_DOCUMENT} bytes", text.len());
            return Err(Complaint { line: 1, column: 1, why }.into());
        }
        let document = json::read(text)?;
        let mut reader = Reader { wrong: Vec::new(), more: 0, classes: Vec::new(), text };
        let set = reader.document(&document);
        if reader.wrong.is_empty() {
            return Ok(set);
        }
        let mut wrong = reader.wrong;
        wrong.sort_by_key(|(at, _)| *at);
        let more = reader.more + wrong.len().saturating_sub(MOST_COMPLAINTS) as u32;
        wrong.truncate(MOST_COMPLAINTS);
        let complaints = wrong.into_iter().map(|(at, why)| Complaint::at(text, at, why)).collect();
        Err(BrokenRules { complaints, more })
    }

    /// Checks rules that are there already. Lines are those of [`RuleSet::print`].
    pub fn new(rules: &[Rule]) -> Result<Self, BrokenRules> {
        let mut own: Vec<Class> = Vec::new();
        for class in rules.iter().flat_map(|rule| rule.classes.iter()) {
            if !Class::KNOWN.contains(class) && !own.contains(class) {
                own.push(class.clone());
            }
        }
        Self::parse(&print(&own, rules.iter()))
    }

    /// These rules and one more at the end.
    pub fn with(&self, rule: Rule) -> Result<Self, BrokenRules> {
        Self::new(&self.rules().cloned().chain([rule]).collect::<Vec<_>>())
    }

    /// The document, as [`RuleSet::parse`] reads it.
    pub fn print(&self) -> String {
        print(&self.classes, self.rules())
    }
}

fn print<'a>(classes: &[Class], rules: impl Iterator<Item = &'a Rule>) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(skip_serializing_if = "<[Class]>::is_empty")]
        classes: &'a [Class],
        rules: Vec<&'a Rule>,
    }
    let document = Document { classes, rules: rules.collect() };
    let mut text = serde_json::to_string_pretty(&document).expect("texts and lists of texts are JSON");
    text.push('\n');
    text
}

impl Complaint {
    pub(super) fn at(text: &str, at: usize, why: String) -> Self {
        let (line, column) = position(text, at);
        Self { line, column, why }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

impl From<Complaint> for BrokenRules {
    fn from(complaint: Complaint) -> Self {
        Self { complaints: vec![complaint], more: 0 }
    }
}

impl fmt::Display for BrokenRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, complaint) in self.complaints.iter().enumerate() {
            write!(f, "{}{complaint}", if at > 0 { "\n" } else { "" })?;
        }
        if self.more > 0 { write!(f, "\nand {} more", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for BrokenRules {}

struct Reader<'a> {
    text: &'a str,
    /// What is wrong, and at which byte.
    wrong: Vec<(usize, String)>,
    /// What was not kept of it.
    more: u32,
    classes: Vec<Class>,
}

const DOCUMENT: &[&str] = &["rules", "classes"];
const RULE: &[&str] = &["name", "effect", "who", "what", "classes", "where", "matching", "over", "note"];
const WHO: &[&str] = &["kind", "role", "name", "id"];
const MATCHING: &[&str] = &["text", "target", "arguments"];
const TARGET: &[&str] = &["role", "name"];

impl Reader<'_> {
    fn complain(&mut self, at: usize, why: String) {
        if self.wrong.len() < MOST_KEPT {
            self.wrong.push((at, why));
        } else {
            self.more += 1;
        }
    }

    fn document(&mut self, document: &Node) -> RuleSet {
        let rules = match &document.kind {
            Kind::List(_) => document,
            _ => {
                let fields = self.fields(document, "the document", DOCUMENT);
                if let Some(node) = fields.get("classes") {
                    self.classes =
                        self.list(node, |word| Class::new(word).map_err(|error| error.to_string())).0;
                    if self.classes.len() > MOST_CLASSES {
                        self.complain(node.at, format!("at most {MOST_CLASSES} classes"));
                    }
                }
                match fields.get("rules").copied() {
                    Some(rules) => rules,
                    None => {
                        if matches!(document.kind, Kind::Map(_)) {
                            self.complain(document.at, "the list \"rules\" is missing".to_owned());
                        }
                        return RuleSet::default();
                    }
                }
            }
        };
        let Kind::List(nodes) = &rules.kind else {
            self.complain(rules.at, format!("\"rules\" is a list, not {}", rules.name()));
            return RuleSet::default();
        };
        if nodes.len() > MOST_RULES {
            let why = format!("{} rules; there may be {MOST_RULES} in one scope", nodes.len());
            self.complain(rules.at, why);
            return RuleSet::default();
        }
        let mut lines = Lines { text: self.text, at: 0, line: 1 };
        let mut names: HashMap<String, u32> = HashMap::new();
        let mut entries = Vec::new();
        for node in nodes {
            let line = lines.of(node.at);
            let Some(rule) = self.rule(node) else { continue };
            if let Some(first) = names.insert(rule.name.clone(), line) {
                let name = node.find(&["name".to_owned()]).at;
                self.complain(name, format!("line {first} has a rule {:?} already", shortly(&rule.name)));
            }
            match Compiled::new(&rule) {
                Ok(compiled) => entries.push(Entry { compiled: Arc::new(compiled), line }),
                Err(wrong) => {
                    for wrong in wrong {
                        self.complain(node.find(&wrong.path).at, wrong.why);
                    }
                }
            }
        }
        RuleSet { entries, classes: std::mem::take(&mut self.classes) }
    }

    /// A rule as it is written; nothing when what is missing leaves none.
    fn rule(&mut self, node: &Node) -> Option<Rule> {
        let fields = self.fields(node, "a rule", RULE);
        if !matches!(node.kind, Kind::Map(_)) {
            return None;
        }
        let name = fields.get("name").and_then(|node| self.one(node));
        if !fields.contains_key("name") {
            self.complain(node.at, "the rule has no \"name\"; decisions name it".to_owned());
        }
        let effect = fields.get("effect").and_then(|node| {
            let word = self.one(node)?;
            self.word(node, &word, "effect", Effect::ALL.map(Effect::as_str), |word| word.parse().ok())
        });
        if !fields.contains_key("effect") {
            self.complain(node.at, "the rule has no \"effect\"; write allow, ask or deny".to_owned());
        }
        let mut rule = Rule::new(name.unwrap_or_default(), effect.unwrap_or(Effect::Deny));
        if let Some(who) = fields.get("who") {
            rule.who = self.who(who);
        }
        rule.what = self.texts(&fields, "what");
        rule.places = self.texts(&fields, "where");
        rule.over = self.texts(&fields, "over");
        if let Some(node) = fields.get("classes") {
            let own = self.classes.clone();
            rule.classes = self.list(node, |word| {
                let known = Class::KNOWN.iter().chain(&own).find(|class| class.as_str() == word);
                known.cloned().ok_or_else(|| {
                    let words = Class::KNOWN.iter().chain(&own).map(Class::as_str);
                    let list = "name a class of your own in the document's \"classes\"";
                    match nearest(word, words) {
                        Some(near) => {
                            format!("there is no class {:?}; did you mean {near:?}?", shortly(word))
                        }
                        None => format!("there is no class {:?}; {list}", shortly(word)),
                    }
                })
            });
        }
        if let Some(matching) = fields.get("matching") {
            rule.matching = self.matching(matching);
        }
        rule.note = fields.get("note").and_then(|node| self.one(node));
        (fields.contains_key("name") && effect.is_some()).then_some(rule)
    }

    fn who(&mut self, node: &Node) -> Who {
        let fields = self.fields(node, "\"who\"", WHO);
        let kind = fields.get("kind").and_then(|node| {
            let word = self.one(node)?;
            self.word(node, &word, "kind", ["person", "agent"], |word| match word {
                "person" => Some(ActorKind::Person),
                "agent" => Some(ActorKind::Agent),
                _ => None,
            })
        });
        let role = fields.get("role").map(|node| {
            self.list(node, |word| {
                word.parse::<Role>().map_err(|why| {
                    let roles = [Role::Admin, Role::Controller, Role::Viewer, Role::Agent];
                    match nearest(word, roles.map(Role::as_str)) {
                        Some(near) => format!("there is no role {:?}; did you mean {near:?}?", shortly(word)),
                        None => shortly(&why),
                    }
                })
            })
        });
        let id = fields
            .get("id")
            .map(|node| self.list(node, |word| ActorId::new(word).map_err(|error| error.to_string())));
        let name = self.texts(&fields, "name");
        Who { kind, role: role.unwrap_or_default(), name, id: id.unwrap_or_default() }
    }

    fn matching(&mut self, node: &Node) -> Matching {
        let fields = self.fields(node, "\"matching\"", MATCHING);
        let text = self.texts(&fields, "text");
        let target = match fields.get("target") {
            Some(node) => {
                let fields = self.fields(node, "\"target\"", TARGET);
                TargetPatterns { role: self.texts(&fields, "role"), name: self.texts(&fields, "name") }
            }
            None => TargetPatterns::default(),
        };
        let mut arguments = BTreeMap::new();
        if let Some(node) = fields.get("arguments") {
            match &node.kind {
                Kind::Map(entries) => {
                    for (at, name, node) in entries {
                        let patterns = self.list(node, |word| Ok(word.to_owned()));
                        if arguments.insert(name.clone(), patterns).is_some() {
                            self.complain(*at, format!("{:?} stands twice", shortly(name)));
                        }
                    }
                }
                _ => self.complain(node.at, format!("\"arguments\" is an object, not {}", node.name())),
            }
        }
        Matching { text, target, arguments }
    }

    /// The fields of an object; unknown ones and those that stand twice are complained of.
    fn fields<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&'static str],
    ) -> HashMap<&'static str, &'n Node> {
        let mut fields = HashMap::new();
        let Kind::Map(entries) = &node.kind else {
            self.complain(node.at, format!("{what} is an object, not {}", node.name()));
            return fields;
        };
        for (at, key, value) in entries {
            match known.iter().find(|known| *known == key) {
                Some(key) => {
                    if fields.insert(*key, value).is_some() {
                        self.complain(*at, format!("{key:?} stands twice"));
                    }
                }
                None => {
                    let hint = match nearest(key, known.iter().copied()) {
                        Some(near) => format!("did you mean {near:?}?"),
                        None => format!("it has {}", known.join(", ")),
                    };
                    self.complain(*at, format!("{what} has no field {:?}; {hint}", shortly(key)));
                }
            }
        }
        fields
    }

    fn one(&mut self, node: &Node) -> Option<String> {
        match &node.kind {
            Kind::Text(text) => Some(text.clone()),
            _ => {
                self.complain(node.at, format!("a text is wanted here, not {}", node.name()));
                None
            }
        }
    }

    fn word<T, const N: usize>(
        &mut self,
        node: &Node,
        word: &str,
        what: &str,
        known: [&'static str; N],
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let found = read(word);
        if found.is_none() {
            let hint = match nearest(word, known) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("use {}", known.join(", ")),
            };
            self.complain(node.at, format!("there is no {what} {:?}; {hint}", shortly(word)));
        }
        found
    }

    fn texts(&mut self, fields: &HashMap<&'static str, &Node>, field: &str) -> OneOrMany<String> {
        match fields.get(field) {
            Some(node) => self.list(node, |word| Ok(word.to_owned())),
            None => OneOrMany::default(),
        }
    }

    /// A text or a list of them.
    fn list<T>(&mut self, node: &Node, read: impl Fn(&str) -> Result<T, String>) -> OneOrMany<T> {
        let nodes = match &node.kind {
            Kind::List(nodes) if nodes.is_empty() => {
                self.complain(node.at, "an empty list matches nothing; leave the field out".to_owned());
                return OneOrMany::default();
            }
            Kind::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut entries = Vec::new();
        for node in nodes {
            match &node.kind {
                Kind::Text(text) => match read(text) {
                    Ok(entry) => entries.push(entry),
                    Err(why) => self.complain(node.at, why),
                },
                _ => self.complain(
                    node.at,
                    format!("a text or a list of texts is wanted here, not {}", node.name()),
                ),
            }
        }
        OneOrMany(entries)
    }
}

/// Lines of places that come in order, counted once.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl Lines<'_> {
    fn of(&mut self, at: usize) -> u32 {
        self.line += self.text[self.at..at].bytes().filter(|c| *c == b'\n').count() as u32;
        self.at = at;
        self.line
    }
}

fn shortly(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
