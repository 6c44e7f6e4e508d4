//! How often a client from outside acted, by page and method, and how often a
//! rule denied it: for those who write it down. Counts are added up where the acts go out and taken away in
//! one piece, so a flood of input costs a number and nothing is missed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Beyond so many kinds of acts all others count as one.
const MOST: usize = 512;
/// The most that is kept of a decision's words, in characters.
const LONGEST_WHY: usize = 200;

/// Page, method, and what denied it.
type Which = (Option<String>, String, Option<String>);

/// Acts that went out or were denied since they were taken last.
#[derive(Default)]
pub struct ActTally {
    counts: Mutex<BTreeMap<Which, u64>>,
    added: Notify,
}

/// Some acts of one method on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acts {
    /// The target, if it was not the browser itself.
    pub target: Option<String>,
    pub method: String,
    /// The decision that kept them from being done, in words.
    pub denied: Option<String>,
    pub count: u64,
}

impl ActTally {
    pub(super) fn add(&self, target: Option<&str>, method: &str) {
        self.count(target, method, None);
    }

    pub(super) fn add_denied(&self, target: Option<&str>, method: &str, why: &str) {
        self.count(target, method, Some(why.chars().take(LONGEST_WHY).collect()));
    }

    fn count(&self, target: Option<&str>, method: &str, denied: Option<String>) {
        {
            let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (target.map(str::to_owned), method.chars().take(80).collect::<String>(), denied);
            let full = counts.len() >= MOST && !counts.contains_key(&key);
            let other =
                |(_, _, denied): Which| (None, "other".to_owned(), denied.map(|_| "rules".to_owned()));
            *counts.entry(if full { other(key) } else { key }).or_default() += 1;
        }
        self.added.notify_one();
    }

    /// Ends when something was added.
    pub async fn added(&self) {
        self.added.notified().await;
    }

    /// All of it; from then on it counts anew.
    pub fn take(&self) -> Vec<Acts> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        let acts = |((target, method, denied), count)| Acts { target, method, denied, count };
        counts.into_iter().map(acts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acts_are_counted_by_page_and_method_and_the_memory_is_bounded() {
        let tally = ActTally::default();
        for _ in 0..1000 {
            tally.add(Some("a"), "Input.dispatchMouseEvent");
        }
        tally.add(None, "Target.createTarget");
        let counts: Vec<_> = tally.take().into_iter().map(|acts| (acts.target, acts.count)).collect();
        assert_eq!(counts, [(None, 1), (Some("a".to_owned()), 1000)]);
        for number in 0..5000 {
            tally.add(None, &format!("Input.{number}"));
        }
        let left = tally.take();
        assert!(left.iter().all(|acts| acts.denied.is_none()));
        for number in 0..5000 {
            tally.add_denied(None, &format!("Input.{number}"), "deny by the rule x");
        }
        let denied = tally.take();
        assert!(denied.len() <= MOST + 1 && denied.iter().all(|acts| acts.denied.is_some()));
        assert!(left.len() <= MOST + 1 && left.iter().map(|acts| acts.count).sum::<u64>() == 5000);
    }
}
