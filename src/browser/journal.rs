//! What happened in the browser, in order and numbered, so that somebody who
//! was away can be told what changed since.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;

use super::watch::FieldChange;

const MOST: usize = 500;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "fact")]
pub enum Fact {
    Navigated {
        url: String,
    },
    TabOpened {
        url: String,
        opener: Option<String>,
    },
    TabClosed {
        url: String,
        title: String,
    },
    /// A page opened too many; this one was closed again.
    TabRefused {
        url: String,
        reason: String,
    },
    DialogOpened {
        kind: String,
        message: String,
    },
    DialogClosed {
        accepted: bool,
    },
    /// A page asks for files, and an agent is to answer.
    ChooserOpened {
        multiple: bool,
    },
    DownloadStarted {
        number: u64,
        file: String,
    },
    DownloadEnded {
        number: u64,
        file: String,
        state: String,
    },
    Crashed {
        url: String,
    },
    ConsoleError {
        text: String,
    },
    FieldChanged(FieldChange),
    /// A person had the browser for themselves from here on.
    TookOver {
        by: String,
    },
    /// And handed it back, perhaps with a word for the agents.
    HandedBack {
        by: String,
        note: String,
        seconds: u64,
    },
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// From one, without gaps.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The tab, by the browser's name for it.
    pub tab: Option<String>,
    #[serde(flatten)]
    pub fact: Fact,
}

#[derive(Default)]
struct Pages {
    entries: VecDeque<JournalEntry>,
    last: u64,
}

/// The journal of one browser. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    pages: Arc<watch::Sender<Pages>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { pages: Arc::new(watch::channel(Pages::default()).0) }
    }
}

impl Journal {
    /// Writes a fact down: about a tab, or about the browser as a whole.
    pub fn add(&self, tab: Option<&str>, fact: Fact) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.pages.send_modify(|pages| pages.add(at, tab, fact));
    }

    /// The number of the last entry; 0 when there is none.
    pub fn last(&self) -> u64 {
        self.pages.borrow().last
    }

    /// What came after this number, and whether older entries of it are lost.
    pub fn since(&self, number: u64) -> (Vec<JournalEntry>, bool) {
        let pages = self.pages.borrow();
        let first = pages.entries.front().map_or(pages.last + 1, |entry| entry.number);
        let found = pages.entries.iter().filter(|entry| entry.number > number).cloned().collect();
        (found, number + 1 < first)
    }

    /// Waits until something comes after this number.
    pub async fn after(&self, number: u64) {
        let mut pages = self.pages.subscribe();
        let _ = pages.wait_for(|pages| pages.last > number).await;
    }
}

impl Pages {
    fn add(&mut self, at: u64, tab: Option<&str>, fact: Fact) {
        // A page that moves within itself again and again is told once.
        if let (Some(last), Fact::Navigated { url }) = (self.entries.back(), &fact)
            && last.tab.as_deref() == tab
            && matches!(&last.fact, Fact::Navigated { url: before } if before == url)
        {
            return;
        }
        self.last += 1;
        self.entries.push_back(JournalEntry { number: self.last, at, tab: tab.map(str::to_owned), fact });
        if self.entries.len() > MOST {
            self.entries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_journal_is_bounded_and_says_when_something_is_lost() {
        let journal = Journal::default();
        assert!(!journal.since(0).1);
        for number in 0..MOST + 10 {
            journal.add(None, Fact::Navigated { url: number.to_string() });
        }
        let (entries, lost) = journal.since(0);
        assert!(entries.len() == MOST && lost && entries[0].number == 11);
        let (entries, lost) = journal.since(journal.last() - 2);
        assert!(entries.len() == 2 && !lost);
        journal.add(None, Fact::Navigated { url: (MOST + 9).to_string() });
        assert_eq!(journal.since(journal.last() - 1).0.len(), 1);
    }
}
