//! What people do, as code: from `browser_start_recording` to
//! `browser_stop_recording`. What agents do is not in it: whose hand it was,
//! the floor tells.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::{ActorKind, ToolGroup};
use crate::browser::Recording;
use crate::room::RoomView;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Start {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Stop {}

/// A recording that runs, with what tells people's acts from agents'.
pub(in crate::agents) struct PeopleRecorded {
    recording: Recording,
    _holders: Aborted,
}

/// A task that ends with its owner.
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tool for Start {
    const NAME: &'static str = "browser_start_recording";
    const ABOUT: &'static str = "Start recording what people do in the browser as Playwright code, in all tabs, without what agents do. Use it when somebody wants to show you how something is done. Passwords, codes and cards are not recorded";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let Start {} = self;
        if call.work.recording.is_some() {
            return Err(Fault::new(
                "refused",
                "a recording runs already; end it with browser_stop_recording",
            ));
        }
        let tab = call.tab().await?;
        let history = Arc::new(Mutex::new(Holders::default()));
        let holders = Aborted(tokio::spawn(keep(call.session.seat.view(), Arc::clone(&history))));
        let privacy = call.browser.privacy().clone();
        // What is done in a moment by hand is nobody's, as far as a recording is
        // concerned; of a field of secrets it has a placeholder.
        let by_person = move |at: f64| {
            !privacy.is_by_hand() && history.lock().unwrap_or_else(PoisonError::into_inner).was_person(at)
        };
        let recording = Recording::start(&call.browser, &tab, Arc::new(by_person)).await?;
        call.work.recording = Some(PeopleRecorded { recording, _holders: holders });
        call.session.tell_besides("records what people do");
        Ok(Answer::result(
            "Recording what people do. They are told so beside your name. Call browser_stop_recording when they say that they are done.",
        ))
    }
}

impl Tool for Stop {
    const NAME: &'static str = "browser_stop_recording";
    const ABOUT: &'static str = "Stop the recording started with browser_start_recording: answers what people did, as Playwright code";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let Stop {} = self;
        let running = call.work.recording.take();
        let running = running
            .ok_or_else(|| Fault::new("refused", "no recording runs; begin with browser_start_recording"))?;
        call.session.tell_besides("");
        let recorded = running.recording.stop().await;
        let mut text = match recorded.steps.len() {
            0 => "People did nothing in the page meanwhile.".to_owned(),
            1 => "Recorded 1 step.".to_owned(),
            count => format!("Recorded {count} steps."),
        };
        if recorded.cut {
            text.push_str(" It was too much for one recording: what came after these is missing.");
        }
        if recorded.broken {
            text.push_str(" The browser ended during the recording: what came after that is missing.");
        }
        if recorded.steps.iter().any(|step| step.code.contains("process.env.SECRET")) {
            text.push_str(" process.env.SECRET stands where somebody entered a secret.");
        }
        let code = recorded.code().replace("```", "` ` `");
        text.push_str(&format!("\n```js\n{code}\n```"));
        Ok(Answer { structured: Some(json!(recorded)), ..Answer::result(text) })
    }
}

/// Who had the floor, when.
#[derive(Default)]
struct Holders {
    /// Since when, in milliseconds since 1970; the latest last.
    since: VecDeque<(f64, Option<ActorKind>)>,
}

/// Changes of the holder that are remembered.
const MOST: usize = 200;
/// A person has the floor with their input; that it is told may take this many
/// milliseconds longer on a busy machine. What is taken for theirs by mistake
/// can only be the page's own doing: an agent's act has a holder.
const LATE: f64 = 1000.0;

impl Holders {
    fn add(&mut self, at: f64, kind: Option<ActorKind>) {
        if self.since.back().is_some_and(|(_, last)| *last == kind) {
            return;
        }
        self.since.push_back((at, kind));
        if self.since.len() > MOST {
            self.since.pop_front();
        }
    }

    /// A person acted at this moment.
    fn was_person(&self, at: f64) -> bool {
        let then = self.since.iter().rev().find(|(since, _)| *since <= at).and_then(|(_, kind)| *kind);
        match then {
            Some(kind) => kind == ActorKind::Person,
            // Nobody then, as far as was known: whoever took it right after.
            None => {
                let next = self.since.iter().find(|(since, kind)| *since > at && kind.is_some());
                next.is_some_and(|(since, kind)| *kind == Some(ActorKind::Person) && since - at < LATE)
            }
        }
    }
}

/// Writes down who has the floor for as long as the room is there.
async fn keep(mut view: watch::Receiver<Arc<RoomView>>, history: Arc<Mutex<Holders>>) {
    loop {
        let kind = view.borrow_and_update().holder.as_ref().map(|holder| holder.kind);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        history.lock().unwrap_or_else(PoisonError::into_inner).add(now.as_secs_f64() * 1000.0, kind);
        if view.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_act_it_was_is_told_by_the_floor() {
        let mut holders = Holders::default();
        let (person, agent) = (Some(ActorKind::Person), Some(ActorKind::Agent));
        for (at, kind) in [(0.0, None), (100.0, person), (200.0, None), (1000.0, agent), (1500.0, person)] {
            holders.add(at, kind);
        }
        for (at, was) in [(90.0, true), (150.0, true), (210.0, false), (990.0, false), (1200.0, false)] {
            assert_eq!(holders.was_person(at), was, "{at}");
        }
        assert!(holders.was_person(1600.0));
    }
}
