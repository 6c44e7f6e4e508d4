//! All rules that count in one room, and what they say about an action.
//!
//! Deny wins, then ask, then allow, whichever scope a rule is from and
//! wherever it stands; within one effect the server's rules come first, then
//! the room's, each from top to bottom, and the first that fits is the one
//! that is named. The one exception is written down in a rule: an `allow` may
//! stand over rules that ask, by their names. Nothing stands over a deny.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::action::{Action, Class};
use super::compiled::{Compiled, Question};
use super::named::Named;
use super::needs::Needs;
use super::place::Place;
use super::rule::{Effect, Rule, Scope};

/// Rules of one scope.
pub const MOST_RULES: usize = 2000;
/// Rules that an explanation lists.
const MOST_EXPLAINED: usize = 20;
/// Conditions that a rule may miss and still be close.
const CLOSE: usize = 2;
/// Rules that ask, named in one decision.
const MOST_ASKS: usize = 8;
/// Words of a set with a bit for each rule of both scopes.
const WORDS: usize = (2 * MOST_RULES).div_ceil(64);

/// The rules of one scope, checked. Made by [`RuleSet::parse`] or [`RuleSet::new`].
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    pub(super) entries: Vec<Entry>,
    /// Classes of its own, beside the known ones.
    pub(super) classes: Vec<Class>,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub compiled: Arc<Compiled>,
    /// Where it stands in the document that it was read from.
    pub line: u32,
}

/// The rules of a room and its server, ready to decide. Never changes: edited
/// rules make another one, so that a decision is by the old or the new ones.
#[derive(Debug)]
pub struct Rules {
    default: Effect,
    /// Where people have been or sent somebody.
    named: Named,
    /// By precedence.
    ordered: Vec<(Scope, Entry)>,
    /// Of each, close together: most rules are told off by them.
    needs: Vec<Needs>,
    index: Index,
    /// Rules that ask, and the rules that stand over each.
    over: HashMap<u32, Vec<u32>>,
}

/// Which rule, as it is named in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RuleRef {
    pub scope: Scope,
    pub name: String,
    /// Its line in the document that it was read from.
    pub line: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Rule(RuleRef),
    /// No rule fits.
    Default,
}

/// What becomes of an action, and why.
#[must_use = "a decision that nobody heeds is none"]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Decision {
    pub effect: Effect,
    pub by: By,
    /// When it asks: every rule that does, eight at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<RuleRef>,
    /// How many rules were looked at closely.
    pub considered: u32,
}

/// A dry run: the decision and what came close to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Explanation {
    pub decision: Decision,
    /// The closest first, 20 at most.
    pub rules: Vec<Near>,
    /// How many more came close.
    pub more: u32,
}

/// A rule that did not decide, or would have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Near {
    pub rule: RuleRef,
    pub effect: Effect,
    /// Whether all of it fits the action.
    pub fits: bool,
    /// What does not fit, or why it did not decide; empty for the one that did.
    pub why: Vec<String>,
}

/// Rules by what an action must have to fit them. A rule stands in the list
/// that tells most: the end of its hosts, then its tools, then its classes.
#[derive(Debug, Default)]
struct Index {
    hosts: HashMap<String, Vec<u32>>,
    /// Those of `hosts` that deny or ask: an unknown place fits them.
    strict: Vec<u32>,
    tools: HashMap<String, Vec<u32>>,
    prefixes: HashMap<String, Vec<u32>>,
    /// Lengths of `prefixes`, in bytes.
    lengths: Vec<usize>,
    classes: HashMap<Class, Vec<u32>>,
    always: Vec<u32>,
}

/// A set of rules, in order.
struct Candidates([u64; WORDS]);

impl RuleSet {
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.entries.iter().map(|entry| &entry.compiled.rule)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl PartialEq for RuleSet {
    /// The same rules, wherever they stood.
    fn eq(&self, other: &Self) -> bool {
        self.classes == other.classes && self.rules().eq(other.rules())
    }
}

impl Rules {
    /// `default`: what becomes of an action that no rule fits.
    pub fn new(default: Effect, server: &RuleSet, room: &RuleSet) -> Self {
        let both = [(Scope::Server, server), (Scope::Room, room)];
        let mut ordered: Vec<(Scope, Entry)> = both
            .into_iter()
            .flat_map(|(scope, set)| set.entries.iter().map(move |entry| (scope, entry.clone())))
            .collect();
        ordered.sort_by_key(|(_, entry)| entry.compiled.effect());
        let mut index = Index::default();
        let mut names: HashMap<String, u32> = HashMap::new();
        for (id, (scope, entry)) in (0u32..).zip(&ordered) {
            index.add(id, &entry.compiled);
            if entry.compiled.effect() == Effect::Ask {
                names.insert(format!("{scope}/{}", entry.compiled.rule.name), id);
            }
        }
        let mut over: HashMap<u32, Vec<u32>> = HashMap::new();
        for (id, (_, entry)) in (0u32..).zip(&ordered) {
            // A name that no rule has stands over nothing: the rule may come back.
            for asked in entry.compiled.rule.over.iter().filter_map(|name| names.get(name)) {
                over.entry(*asked).or_default().push(id);
            }
        }
        let needs = ordered.iter().map(|(_, entry)| entry.compiled.needs).collect();
        Self { default, named: Named::default(), ordered, needs, index, over }
    }

    /// With what the room's people have named.
    pub fn naming(mut self, named: Named) -> Self {
        self.named = named;
        self
    }

    pub fn default_effect(&self) -> Effect {
        self.default
    }

    pub fn len(&self) -> usize {
        self.ordered.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }

    /// What becomes of an action.
    pub fn decide(&self, action: &Action) -> Decision {
        let question = Question::new(action, &self.named);
        let mut considered = 0;
        let mut asks = Vec::new();
        for id in self.index.candidates(action).iter() {
            if !self.needs[id as usize].are_in(&question.has) {
                continue;
            }
            let compiled = self.compiled(id);
            // The rules that ask are through: one of them decides.
            if !asks.is_empty() && compiled.effect() == Effect::Allow {
                break;
            }
            considered += 1;
            if !compiled.matches(&question) {
                continue;
            }
            match compiled.effect() {
                Effect::Ask if self.stands_over(id, &question) => {}
                Effect::Ask => asks.push(self.named(id)),
                effect => {
                    if asks.is_empty() {
                        return Decision { effect, by: By::Rule(self.named(id)), asks, considered };
                    }
                }
            }
            if asks.len() == MOST_ASKS {
                break;
            }
        }
        match asks.first() {
            Some(first) => Decision { effect: Effect::Ask, by: By::Rule(first.clone()), asks, considered },
            None => Decision { effect: self.default, by: By::Default, asks, considered },
        }
    }

    /// The decision, and every rule that came close to deciding.
    pub fn explain(&self, action: &Action) -> Explanation {
        let decision = self.decide(action);
        let question = Question::new(action, &self.named);
        let mut near: Vec<(usize, Near)> = Vec::new();
        for id in 0..self.ordered.len() as u32 {
            let compiled = self.compiled(id);
            let misses = compiled.misses(&question);
            if misses.len() > CLOSE {
                continue;
            }
            let (rule, effect, fits) = (self.named(id), compiled.effect(), misses.is_empty());
            let decided = By::Rule(rule.clone()) == decision.by;
            let why = match &decision.by {
                _ if !fits => misses.clone(),
                _ if decided => Vec::new(),
                By::Rule(by) if effect == decision.effect => vec![format!("{by} stands before it")],
                By::Rule(by) if effect > decision.effect => {
                    vec![format!("{by} says {}, which is stronger", decision.effect)]
                }
                _ => vec!["a rule that allows stands over it".to_owned()],
            };
            near.push((misses.len(), Near { rule, effect, fits, why }));
        }
        near.sort_by_key(|(misses, _)| *misses);
        let more = near.len().saturating_sub(MOST_EXPLAINED) as u32;
        let rules = near.into_iter().take(MOST_EXPLAINED).map(|(_, near)| near).collect();
        Explanation { decision, rules, more }
    }

    fn compiled(&self, id: u32) -> &Compiled {
        &self.ordered[id as usize].1.compiled
    }

    fn named(&self, id: u32) -> RuleRef {
        let (scope, entry) = &self.ordered[id as usize];
        let rule = &entry.compiled.rule;
        RuleRef { scope: *scope, name: rule.name.clone(), line: entry.line, note: rule.note.clone() }
    }

    /// Whether a rule that allows and fits stands over this one that asks.
    fn stands_over(&self, ask: u32, question: &Question) -> bool {
        self.over.get(&ask).is_some_and(|over| over.iter().any(|id| self.compiled(*id).matches(question)))
    }
}

impl Index {
    fn add(&mut self, id: u32, rule: &Compiled) {
        let tails: Option<Vec<&str>> = rule.places.iter().map(|place| place.tail()).collect();
        match tails {
            Some(tails) if !tails.is_empty() => {
                for tail in tails {
                    self.hosts.entry(tail.to_owned()).or_default().push(id);
                }
                if rule.effect() != Effect::Allow {
                    self.strict.push(id);
                }
                return;
            }
            _ => {}
        }
        let broad = rule.what.is_empty() || rule.what.iter().any(|glob| glob.prefix().is_empty());
        if broad && !rule.classes.is_empty() {
            for class in &rule.classes {
                self.classes.entry(class.clone()).or_default().push(id);
            }
        } else if broad {
            self.always.push(id);
        } else {
            for glob in &rule.what {
                if let Some(tool) = glob.literal() {
                    self.tools.entry(tool.to_owned()).or_default().push(id);
                } else {
                    let prefix = glob.prefix();
                    if !self.lengths.contains(&prefix.len()) {
                        self.lengths.push(prefix.len());
                    }
                    self.prefixes.entry(prefix).or_default().push(id);
                }
            }
        }
    }

    fn candidates(&self, action: &Action) -> Candidates {
        let mut found = Candidates([0; WORDS]);
        found.add(Some(&self.always));
        found.add(self.tools.get(&action.tool));
        for prefix in self.lengths.iter().filter_map(|length| action.tool.get(..*length)) {
            found.add(self.prefixes.get(prefix));
        }
        for class in &action.classes {
            found.add(self.classes.get(class));
        }
        for place in &action.places {
            let mut rest = place.host();
            while let Some(host) = rest {
                found.add(self.hosts.get(host));
                rest = host.split_once('.').map(|(_, below)| below);
            }
            if *place == Place::Unknown {
                found.add(Some(&self.strict));
            }
        }
        found
    }
}

impl Candidates {
    fn add(&mut self, rules: Option<&Vec<u32>>) {
        for id in rules.into_iter().flatten() {
            self.0[*id as usize / 64] |= 1 << (id % 64);
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.0).flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros();
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}

impl Decision {
    /// Whether it may be done without asking anyone.
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allow
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} (line {})", self.scope, self.name, self.line)
    }
}

impl fmt::Display for Decision {
    /// One sentence, for an agent or a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            By::Default => write!(f, "{}: no rule fits, and the default is {}", self.effect, self.effect),
            By::Rule(rule) => {
                write!(f, "{} by the rule {rule}", self.effect)?;
                rule.note.as_ref().map_or(Ok(()), |note| write!(f, ": {note}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
