//! A rule made ready to be asked. Each condition is a function of its own, so
//! that the decision and the dry run cannot tell different stories.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use serde_json::Value;

use super::action::{Action, Class};
use super::command;
use super::fold::fold;
use super::glob::{self, Glob};
use super::named::Named;
use super::needs::{self, Needs};
use super::place::PlacePattern;
use super::rule::{Effect, OneOrMany, Rule};
use crate::base::{ActorId, ActorKind, Role};

/// The longest name and the longest word in a field of a rule.
const LONGEST_NAME: usize = 100;
const LONGEST_NOTE: usize = 1000;
/// Entries of one list.
pub const MOST_ENTRIES: usize = 64;
/// Arguments that are read for one path.
pub(super) const MOST_VALUES: usize = 1000;
/// Command lines of one action that are kept taken apart.
const MOST_COMMANDS: usize = 16;
/// Arguments whose values are commands, whatever the tool.
const COMMANDS: [&str; 6] = ["command", "cmd", "commands", "script", "shell", "bash"];

/// What is wrong with a rule: where in it, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub path: Vec<String>,
    pub why: String,
}

#[derive(Debug)]
pub struct Compiled {
    pub rule: Rule,
    pub needs: Needs,
    kind: Option<ActorKind>,
    roles: Vec<Role>,
    names: Vec<Pattern>,
    ids: Vec<ActorId>,
    pub what: Vec<Glob>,
    pub classes: Vec<Class>,
    pub places: Vec<PlacePattern>,
    texts: Vec<Pattern>,
    target_roles: Vec<Pattern>,
    target_names: Vec<Pattern>,
    arguments: Vec<Argument>,
}

/// A pattern with its folded twin.
#[derive(Debug)]
struct Pattern {
    exact: Glob,
    folded: Glob,
}

#[derive(Debug)]
struct Argument {
    name: String,
    path: Vec<String>,
    /// Any number at a level.
    patterns: Vec<Pattern>,
    command: bool,
}

/// An action with what its rules share: readings are made once, when first needed.
pub struct Question<'a> {
    pub action: &'a Action,
    named: &'a Named,
    name: Text<'a>,
    texts: OnceCell<Vec<Text<'a>>>,
    targets: OnceCell<Vec<(Text<'a>, Text<'a>)>>,
    executes: bool,
    pub has: Needs,
    /// Command lines that were taken apart already, by their text's address:
    /// they are borrowed from the action, which does not change meanwhile.
    commands: RefCell<Vec<(Address, Rc<Command>)>>,
}

/// Where a text lies, and its length.
type Address = (usize, usize);

/// A command line in both readings.
struct Command {
    /// Each part; none if it cannot be read for sure.
    parts: Vec<Text<'static>>,
    loose: Vec<Text<'static>>,
}

/// A value and its folded reading.
struct Text<'a> {
    raw: Cow<'a, str>,
    ascii: bool,
    folded: OnceCell<String>,
}

impl<'a> Text<'a> {
    fn new(raw: impl Into<Cow<'a, str>>) -> Self {
        let raw = raw.into();
        Self { ascii: raw.is_ascii(), raw, folded: OnceCell::new() }
    }

    fn folded(&self) -> &str {
        self.folded.get_or_init(|| fold(&self.raw).into_owned())
    }
}

impl<'a> Question<'a> {
    pub fn new(action: &'a Action, named: &'a Named) -> Self {
        Self {
            action,
            named,
            name: Text::new(action.actor.name.as_str()),
            texts: OnceCell::new(),
            targets: OnceCell::new(),
            executes: action.is(&Class::EXECUTE),
            has: Needs::of(action),
            commands: RefCell::default(),
        }
    }

    fn command(&self, line: &str, borrowed: bool) -> Rc<Command> {
        let key = (line.as_ptr() as usize, line.len());
        let mut known = self.commands.borrow_mut();
        if let Some((_, command)) = known.iter().find(|(other, _)| borrowed && *other == key) {
            return Rc::clone(command);
        }
        let parts = command::parts(line);
        let clear = if parts.unclear { Vec::new() } else { parts.commands };
        let command = Rc::new(Command {
            parts: clear.into_iter().map(Text::new).collect(),
            loose: command::loose(line).into_iter().map(Text::new).collect(),
        });
        if borrowed && known.len() < MOST_COMMANDS {
            known.push((key, Rc::clone(&command)));
        }
        command
    }

    fn texts(&self) -> &[Text<'a>] {
        self.texts.get_or_init(|| self.action.texts.iter().map(|text| Text::new(text.as_str())).collect())
    }

    fn targets(&self) -> &[(Text<'a>, Text<'a>)] {
        self.targets.get_or_init(|| {
            let both = self.action.targets.iter();
            both.map(|target| (Text::new(target.role.as_str()), Text::new(target.name.as_str()))).collect()
        })
    }
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        let exact = Glob::new(pattern);
        Self { folded: exact.folded(), exact }
    }

    fn matches(&self, text: &Text, allows: bool) -> bool {
        // What fits a text in ASCII as it is fits it folded, so one of the two tells.
        if text.ascii {
            if allows { self.exact.matches(&text.raw) } else { self.folded.matches(text.folded()) }
        } else if allows {
            self.exact.matches(&text.raw) && self.folded.matches(text.folded())
        } else {
            self.exact.matches(&text.raw) || self.folded.matches(text.folded())
        }
    }
}

fn any(patterns: &[Pattern], text: &Text, allows: bool) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text, allows))
}

/// All parts for a rule that allows, and at least one; any part for the others.
fn fits<T>(parts: impl IntoIterator<Item = T>, allows: bool, part_fits: impl FnMut(T) -> bool) -> bool {
    let mut parts = parts.into_iter().peekable();
    if parts.peek().is_none() {
        return false;
    }
    if allows { parts.all(part_fits) } else { parts.any(part_fits) }
}

impl Compiled {
    /// Reads a rule, or says all that is wrong with it.
    pub fn new(rule: &Rule) -> Result<Self, Vec<Wrong>> {
        let mut check = Check { wrong: Vec::new() };
        check.name(&rule.name);
        if rule.note.as_ref().is_some_and(|note| note.chars().count() > LONGEST_NOTE) {
            check.complain(&["note"], format!("a note has at most {LONGEST_NOTE} characters"));
        }
        if !rule.over.is_empty() && rule.effect != Effect::Allow {
            check.complain(&["over"], "only a rule that allows can stand over others".to_owned());
        }
        for (at, other) in rule.over.iter().enumerate() {
            let good = other.split_once('/').is_some_and(|(scope, name)| {
                matches!(scope, "server" | "room") && !name.is_empty() && name.len() <= LONGEST_NAME * 4
            });
            if !good {
                let why = format!("{other:?} names no rule; write server/NAME or room/NAME");
                check.complain(&["over", &at.to_string()], why);
            }
        }
        check.count(&["over"], rule.over.0.len());
        check.count(&["classes"], rule.classes.0.len());
        check.count(&["who", "id"], rule.who.id.0.len());
        check.count(&["who", "role"], rule.who.role.0.len());
        let names = check.patterns(&["who", "name"], &rule.who.name);
        check.patterns(&["what"], &rule.what);
        let texts = check.patterns(&["matching", "text"], &rule.matching.text);
        let target_roles = check.patterns(&["matching", "target", "role"], &rule.matching.target.role);
        let target_names = check.patterns(&["matching", "target", "name"], &rule.matching.target.name);
        check.patterns(&["where"], &rule.places);
        let mut places = Vec::new();
        for (at, place) in rule.places.iter().enumerate() {
            match PlacePattern::new(place) {
                Ok(PlacePattern::New) if rule.effect == Effect::Allow => {
                    let why = "new is for rules that ask or deny".to_owned();
                    check.complain(&["where", &at.to_string()], why);
                }
                Ok(pattern) => places.push(pattern),
                Err(why) => check.complain(&["where", &at.to_string()], why),
            }
        }
        check.count(&["matching", "arguments"], rule.matching.arguments.len());
        let mut arguments = Vec::new();
        for (name, patterns) in &rule.matching.arguments {
            let place = ["matching", "arguments", name];
            match path(name) {
                Ok(path) => arguments.push(Argument {
                    command: path.iter().any(|name| COMMANDS.contains(&name.to_lowercase().as_str())),
                    name: name.clone(),
                    path,
                    patterns: check.patterns(&place, patterns),
                }),
                Err(why) => check.complain(&place, why),
            }
            if patterns.is_empty() {
                check.complain(&place, "an empty list matches nothing; leave the argument out".to_owned());
            }
        }
        if !check.wrong.is_empty() {
            return Err(check.wrong);
        }
        let needs = Needs {
            actor: needed(&names),
            targets: needed(&target_roles) | needed(&target_names),
            texts: needed(&texts),
            arguments: arguments.iter().fold(0, |bits, argument| bits | needed(&argument.patterns)),
        };
        Ok(Self {
            rule: rule.clone(),
            needs,
            kind: rule.who.kind,
            roles: rule.who.role.0.clone(),
            names,
            ids: rule.who.id.0.clone(),
            what: rule.what.iter().map(|pattern| Glob::new(pattern)).collect(),
            classes: rule.classes.0.clone(),
            places,
            texts,
            target_roles,
            target_names,
            arguments,
        })
    }

    pub fn effect(&self) -> Effect {
        self.rule.effect
    }

    fn allows(&self) -> bool {
        self.rule.effect == Effect::Allow
    }

    pub fn matches(&self, question: &Question) -> bool {
        self.what_fits(question)
            && self.classes_fit(question)
            && self.who_fits(question)
            && self.place_fits(question)
            && self.target_fits(question)
            && self.text_fits(question)
            && self.arguments.iter().all(|argument| self.argument_fits(argument, question))
    }

    /// Every condition that does not hold, in words.
    pub fn misses(&self, question: &Question) -> Vec<String> {
        let action = question.action;
        let (rule, mut misses) = (&self.rule, Vec::new());
        let mut miss = |fits: bool, why: &dyn Fn() -> String| {
            if !fits {
                misses.push(shortly(&why()));
            }
        };
        let each = if self.allows() { "all of " } else { "any of " };
        miss(self.what_fits(question), &|| {
            format!("what: {} is none of {}", action.tool, list(rule.what.iter()))
        });
        miss(self.classes_fit(question), &|| {
            let theirs = list(action.classes.iter());
            format!("classes: {} has not {each}{theirs}", list(rule.classes.iter()))
        });
        miss(self.who_fits(question), &|| {
            let actor = &action.actor;
            format!("who: {} ({}, {}) is not meant", actor.name, actor.role.as_str(), actor.id)
        });
        miss(self.place_fits(question), &|| match action.places.as_slice() {
            [] => "where: the action is at no place".to_owned(),
            places => format!("where: {} has not {each}{}", list(rule.places.iter()), list(places)),
        });
        miss(self.target_fits(question), &|| match action.targets.as_slice() {
            [] => "matching.target: the action has none".to_owned(),
            targets => {
                let shown = targets.iter().map(|target| format!("{} {:?}", target.role, target.name));
                format!("matching.target: the patterns fit not {each}{}", list(shown))
            }
        });
        // What is typed may be a secret: it is not repeated.
        miss(self.text_fits(question), &|| match action.texts.len() {
            0 => "matching.text: the action types none".to_owned(),
            _ => format!("matching.text: what is typed is not like {}", list(rule.matching.text.iter())),
        });
        for argument in &self.arguments {
            miss(self.argument_fits(argument, question), &|| {
                let (name, patterns) = (&argument.name, &rule.matching.arguments[&argument.name]);
                if values(&action.arguments, &argument.path).is_some_and(|values| values.is_empty()) {
                    return format!("matching.arguments.{name}: the action has no such argument");
                }
                let joined = match self.allows() && (argument.command || question.executes) {
                    true => "; an allow must fit each command that is joined",
                    false => "",
                };
                format!("matching.arguments.{name}: not like {}{joined}", list(patterns.iter()))
            });
        }
        misses
    }

    fn who_fits(&self, question: &Question) -> bool {
        let actor = &question.action.actor;
        self.kind.is_none_or(|kind| kind == actor.kind())
            && (self.roles.is_empty() || self.roles.contains(&actor.role))
            && (self.ids.is_empty() || self.ids.contains(&actor.id))
            && (self.names.is_empty() || any(&self.names, &question.name, self.allows()))
    }

    fn what_fits(&self, question: &Question) -> bool {
        self.what.is_empty() || self.what.iter().any(|glob| glob.matches(&question.action.tool))
    }

    fn classes_fit(&self, question: &Question) -> bool {
        self.classes.is_empty()
            || fits(&question.action.classes, self.allows(), |class| self.classes.contains(class))
    }

    fn place_fits(&self, question: &Question) -> bool {
        let allows = self.allows();
        self.places.is_empty()
            || fits(&question.action.places, allows, |place| {
                self.places.iter().any(|pattern| match pattern {
                    PlacePattern::New => question.named.is_new(place),
                    pattern => pattern.matches(place, allows),
                })
            })
    }

    fn target_fits(&self, question: &Question) -> bool {
        let (roles, names) = (&self.target_roles, &self.target_names);
        if roles.is_empty() && names.is_empty() {
            return true;
        }
        let allows = self.allows();
        fits(question.targets(), allows, |(role, name)| {
            (roles.is_empty() || any(roles, role, allows)) && (names.is_empty() || any(names, name, allows))
        })
    }

    fn text_fits(&self, question: &Question) -> bool {
        let allows = self.allows();
        self.texts.is_empty() || fits(question.texts(), allows, |text| any(&self.texts, text, allows))
    }

    fn argument_fits(&self, argument: &Argument, question: &Question) -> bool {
        let allows = self.allows();
        let command = argument.command || question.executes;
        let value_fits = |value: &Value| {
            let text = Text::new(written(value));
            let whole = || any(&argument.patterns, &text, allows);
            let part = |part: &Text| any(&argument.patterns, part, allows);
            let taken_apart = || question.command(&text.raw, matches!(text.raw, Cow::Borrowed(_)));
            match (command, allows) {
                (false, _) => whole(),
                (true, false) => whole() || taken_apart().loose.iter().any(part),
                (true, true) => fits(&taken_apart().parts, true, part),
            }
        };
        if let Some(value) = straight(&question.action.arguments, &argument.path) {
            return value_fits(value);
        }
        // More than is read: whoever denies assumes the worst, whoever allows too.
        match values(&question.action.arguments, &argument.path) {
            Some(values) => fits(values, allows, value_fits),
            None => !allows,
        }
    }
}

/// What each of the patterns needs; nothing where there are none.
fn needed(patterns: &[Pattern]) -> u128 {
    patterns
        .iter()
        .map(|pattern| needs::of_pattern(&pattern.folded))
        .reduce(|all, bits| all & bits)
        .unwrap_or(0)
}

/// Looks for what is wrong.
struct Check {
    wrong: Vec<Wrong>,
}

impl Check {
    fn complain(&mut self, path: &[&str], why: String) {
        self.wrong.push(Wrong { path: path.iter().map(|part| (*part).to_owned()).collect(), why });
    }

    fn name(&mut self, name: &str) {
        let length = name.chars().count();
        if name.trim() != name
            || name.is_empty()
            || length > LONGEST_NAME
            || name.chars().any(char::is_control)
        {
            let why = format!("a rule's name has 1 to {LONGEST_NAME} characters, without blanks at its ends");
            self.complain(&["name"], why);
        }
    }

    fn count(&mut self, path: &[&str], count: usize) {
        if count > MOST_ENTRIES {
            self.complain(path, format!("{count} entries; a list has at most {MOST_ENTRIES}"));
        }
    }

    fn patterns(&mut self, path: &[&str], patterns: &OneOrMany<String>) -> Vec<Pattern> {
        self.count(path, patterns.0.len());
        for (at, pattern) in patterns.iter().enumerate() {
            if pattern.len() > glob::LONGEST {
                let at = at.to_string();
                let path: Vec<&str> = path.iter().copied().chain([at.as_str()]).collect();
                self.complain(&path, format!("a pattern has at most {} bytes", glob::LONGEST));
            }
        }
        patterns.iter().map(|pattern| Pattern::new(pattern)).collect()
    }
}

/// The names that lead to an argument.
fn path(name: &str) -> Result<Vec<String>, String> {
    if name.len() > glob::LONGEST {
        return Err(format!("the name of an argument has at most {} bytes", glob::LONGEST));
    }
    let parts: Vec<String> = match name.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
        None => name.split('.').map(str::to_owned).collect(),
    };
    if name.is_empty() || (!name.starts_with('/') && parts.iter().any(String::is_empty)) {
        return Err(format!("{name:?} leads to no argument; write its name, a.b or /a/b"));
    }
    Ok(parts)
}

/// The one value at a path that leads through no list, which is most of them.
fn straight<'a>(arguments: &'a Value, path: &[String]) -> Option<&'a Value> {
    let value = path.iter().try_fold(arguments, |value, part| value.as_object()?.get(part))?;
    (!value.is_array()).then_some(value)
}

/// The values at a path, lists opened; nothing when there are more than are read.
fn values<'a>(arguments: &'a Value, path: &[String]) -> Option<Vec<&'a Value>> {
    let mut found = vec![arguments];
    for part in path {
        let mut next = Vec::new();
        for value in found {
            match value {
                Value::Object(map) if part == "*" && !map.contains_key("*") => next.extend(map.values()),
                Value::Object(map) => next.extend(map.get(part)),
                Value::Array(list) if part == "*" => next.extend(list),
                Value::Array(list) => next.extend(part.parse().ok().and_then(|at: usize| list.get(at))),
                _ => {}
            }
        }
        found = next;
        if found.len() > MOST_VALUES {
            return None;
        }
    }
    if found.iter().any(|value| value.is_array()) {
        let open = |value: &'a Value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        found = found.into_iter().flat_map(open).collect();
    }
    (found.len() <= MOST_VALUES).then_some(found)
}

fn written(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn list<T: std::fmt::Display>(entries: impl IntoIterator<Item = T>) -> String {
    let mut entries = entries.into_iter();
    let mut shown: Vec<String> = entries.by_ref().take(5).map(|entry| entry.to_string()).collect();
    if entries.next().is_some() {
        shown.push("…".to_owned());
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

fn shortly(text: &str) -> String {
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
