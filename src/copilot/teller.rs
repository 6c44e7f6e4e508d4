//! Numbers an agent's updates and holds the newest, for readers who come back.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::broadcast;

use super::model::Update;
use super::port::{Numbered, Updates};

/// Updates that are held for readers who come back.
const HELD: usize = 2048;
const HELD_BYTES: usize = 16 << 20;
/// Updates that wait for one live reader; a slower one is told to read anew.
const LIVE: usize = 1024;

pub(super) struct Teller {
    /// Tells this run from others; without randomness readers of an earlier
    /// one may miss something until they reload.
    run: String,
    last: u64,
    held: VecDeque<Numbered>,
    held_bytes: usize,
    live: broadcast::Sender<Numbered>,
}

impl Default for Teller {
    fn default() -> Self {
        let mut run = [0; 9];
        let _ = getrandom::fill(&mut run);
        Self {
            run: URL_SAFE_NO_PAD.encode(run),
            last: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            live: broadcast::channel(LIVE).0,
        }
    }
}

impl Teller {
    pub(super) fn tell(&mut self, updates: Vec<Update>) {
        for update in updates {
            let json = match serde_json::to_string(&update) {
                Ok(json) => json,
                Err(error) => {
                    tracing::error!(%error, "an update cannot be written");
                    continue;
                }
            };
            self.last += 1;
            let one = Numbered { id: self.last, json: json.into() };
            self.held_bytes += one.json.len();
            self.held.push_back(one.clone());
            while self.held.len() > HELD || (self.held_bytes > HELD_BYTES && self.held.len() > 1) {
                if let Some(old) = self.held.pop_front() {
                    self.held_bytes -= old.json.len();
                }
            }
            // Nobody may be listening.
            let _ = self.live.send(one);
        }
    }

    /// The id of the last update, as readers know it.
    pub(super) fn place(&self) -> String {
        format!("{}.{}", self.run, self.last)
    }

    pub(super) fn updates(&self, after: Option<(String, u64)>) -> Updates {
        let missed = match after {
            None => Some(vec![]),
            Some((run, id)) if run == self.run && id <= self.last => {
                let oldest = self.held.front().map_or(self.last + 1, |one| one.id);
                (oldest <= id + 1).then(|| self.held.iter().filter(|one| one.id > id).cloned().collect())
            }
            Some(_) => None,
        };
        Updates { run: self.run.clone(), missed, last: self.last, live: self.live.subscribe() }
    }
}
