//! Telling at a glance which rules cannot fit.

use serde_json::Value;

use super::action::Action;
use super::compiled::MOST_VALUES;
use super::glob::Glob;

/// Letters that the action must have for a rule to fit, a bit for each of
/// ASCII, folded. They tell most rules off at a glance, without a look at
/// their patterns. Where folding is not letter by letter, an action has all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    pub actor: u128,
    pub targets: u128,
    pub texts: u128,
    pub arguments: u128,
}

/// The bit of a letter that no text has: there is something at all.
const PRESENT: u128 = 1 << 127;

impl Needs {
    /// What an action has.
    pub fn of(action: &Action) -> Self {
        Self {
            actor: letters([action.actor.name.as_str()]),
            targets: letters(action.targets.iter().flat_map(|target| [&*target.role, &*target.name])),
            texts: letters(action.texts.iter().map(String::as_str)),
            arguments: all_letters(&action.arguments, 0, &mut 0),
        }
    }

    /// Whether what is needed is there: a rule that lacks something cannot fit.
    pub fn are_in(&self, has: &Self) -> bool {
        (self.actor & !has.actor)
            | (self.targets & !has.targets)
            | (self.texts & !has.texts)
            | (self.arguments & !has.arguments)
            == 0
    }
}

/// What a folded pattern needs.
pub fn of_pattern(pattern: &Glob) -> u128 {
    pattern.letters().fold(PRESENT, |bits, c| bits | bit(c))
}

fn bit(c: char) -> u128 {
    if c.is_ascii() { (1 << c as u32) & !PRESENT } else { 0 }
}

/// The letters of all texts together, and a blank, which taking a command apart can add.
fn letters<'a>(texts: impl IntoIterator<Item = &'a str>) -> u128 {
    texts.into_iter().fold(0, |bits, text| {
        if text.is_ascii() {
            text.bytes().fold(bits | PRESENT | bit(' '), |bits, c| bits | bit(c.to_ascii_lowercase().into()))
        } else {
            !0
        }
    })
}

/// The letters of all values. Those that are no texts have all, and so have
/// more values than are read.
fn all_letters(value: &Value, depth: usize, seen: &mut usize) -> u128 {
    *seen += 1;
    if *seen > MOST_VALUES {
        return !0;
    }
    match value {
        Value::Null if depth == 0 => 0,
        Value::String(text) => letters([text.as_str()]),
        // An object can be what a pattern is about, with its keys and quotes.
        Value::Object(map) if depth == 0 => {
            map.values().fold(0, |bits, value| bits | all_letters(value, 1, seen))
        }
        Value::Array(list) => list.iter().fold(0, |bits, value| bits | all_letters(value, depth + 1, seen)),
        _ => !0,
    }
}
