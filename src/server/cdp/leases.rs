//! What a CDP client does, in the record: a line before it has the floor, and
//! one for each method on each page when it has acted, or when a rule has denied
//! it. Floods of `Input.*` are
//! one line for each time that it had the floor. Parameters are never written.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::Actor;
use crate::browser::{ActTally, Browser};
use crate::room::{AgentSeat, Begun, Entry, Outcome, RecordError, RecordKind, Recorder};

pub(super) struct Leases {
    recorder: Recorder,
    actor: Actor,
    browser: Arc<Browser>,
    acts: Arc<ActTally>,
    begun: Option<Begun>,
    /// Inputs that are not written down yet: by page, by method.
    inputs: BTreeMap<Option<String>, BTreeMap<String, u64>>,
}

impl Leases {
    pub fn new(seat: &AgentSeat, browser: &Arc<Browser>, acts: Arc<ActTally>) -> Self {
        Self {
            recorder: seat.recorder().clone(),
            actor: seat.actor().clone(),
            browser: Arc::clone(browser),
            acts,
            begun: None,
            inputs: BTreeMap::new(),
        }
    }

    /// Before the client acts: what cannot be written is not done.
    pub async fn begin(&mut self) -> Result<(), RecordError> {
        self.end();
        self.begun = Some(self.recorder.begin(self.entry("cdp", None)).await?);
        Ok(())
    }

    /// Ends when it has acted again. It must stop when that cannot be written any more.
    pub async fn acted(&mut self) -> Result<(), RecordError> {
        self.acts.added().await;
        self.write();
        self.recorder.takes()
    }

    pub fn is_open(&self) -> bool {
        self.begun.is_some() || !self.inputs.is_empty()
    }

    /// It has the floor no more.
    pub fn end(&mut self) {
        self.write();
        for (page, methods) in std::mem::take(&mut self.inputs) {
            let count: u64 = methods.values().sum();
            let entry = self.entry("Input.*", page.as_deref());
            self.recorder
                .note(entry.details(json!({ "count": count, "methods": methods, "of": self.seq() })));
        }
        if let Some(begun) = self.begun.take() {
            begun.done();
        }
    }

    fn write(&mut self) {
        for acts in self.acts.take() {
            let page = acts.target.and_then(|target| self.browser.tab(&target)).map(|tab| tab.url());
            if let Some(why) = acts.denied {
                let entry = Entry::new(RecordKind::Decision, &acts.method).by(&self.actor);
                let entry = entry.page(page.as_deref().unwrap_or_default()).outcome(Outcome::Refused);
                self.recorder.note(entry.because(&why).details(json!({ "count": acts.count })));
                continue;
            }
            if acts.method.starts_with("Input.") {
                *self.inputs.entry(page).or_default().entry(acts.method).or_default() += acts.count;
                continue;
            }
            let entry = self.entry(&acts.method, page.as_deref());
            self.recorder.note(entry.details(json!({ "count": acts.count, "of": self.seq() })));
        }
    }

    fn seq(&self) -> Option<Value> {
        self.begun.as_ref().map(|begun| begun.seq().into())
    }

    fn entry(&self, what: &str, page: Option<&str>) -> Entry {
        Entry::new(RecordKind::Act, what).by(&self.actor).page(page.unwrap_or_default())
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.end();
    }
}
