//! The people in the room: telling them something, asking them for help,
//! waiting for them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, Show, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::{ActorKind, ToolGroup};
use crate::browser::{Fact, FieldChange};
use crate::room::{HelpEnd, HelpTask, RoomView};

/// How often a client is told that its call is still waiting.
const STILL_WAITING: Duration = Duration::from_secs(5);
/// How long people are waited for unless the agent says otherwise, and at most.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Say {
    /// One line, shown beside your pointer until your next act
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct RequestHelp {
    /// What a person should do and why, such as "Please solve the CAPTCHA"
    reason: String,
    /// How long to wait for somebody, in seconds; 300 if left out
    timeout: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct WaitForUser {
    /// How long to wait, in seconds; 300 if left out
    timeout: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct WhatChanged {}

impl Tool for WhatChanged {
    const NAME: &'static str = "what_changed";
    const ABOUT: &'static str = "What happened in the browser since you looked last: where tabs went, dialogs, downloads, errors, fields that people filled in, and what changed on your page";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let WhatChanged {} = self;
        call.note_fields().await;
        let browser = std::sync::Arc::clone(&call.browser);
        let since = call.work.told(&browser);
        let (facts, lost) = browser.journal().since(since);
        call.work.tell(facts.last().map_or(since, |fact| fact.number));
        let mut answer = call.state(Show::Changes).await;
        let tab_of = |target: &str| {
            let tabs = answer.tabs.as_ref().map(|(tabs, _)| tabs.as_slice()).unwrap_or_default();
            tabs.iter().position(|tab| tab.target == target)
        };
        let mut lines = Vec::new();
        if lost {
            lines.push("More happened before, which is no longer known.".to_owned());
        }
        for entry in &facts {
            let place = match entry.tab.as_deref().map(tab_of) {
                Some(Some(index)) => format!("tab {index}: "),
                Some(None) => "a closed tab: ".to_owned(),
                None => String::new(),
            };
            lines.push(format!("- {place}{}", fact_in_words(&entry.fact)));
        }
        if lines.is_empty() {
            lines.push("Nothing happened but what the page shows.".to_owned());
        }
        answer.result = Some(lines.join("\n"));
        answer.structured = Some(json!({ "facts": facts, "lost": lost }));
        Ok(answer)
    }
}

/// One fact, as a line. What a page wrote stands in quotes.
fn fact_in_words(fact: &Fact) -> String {
    match fact {
        Fact::Navigated { url } => format!("went to {url}"),
        Fact::TabOpened { url, .. } => format!("opened with {url}"),
        Fact::TabClosed { url, title } => format!("{title:?} ({url}) was closed"),
        Fact::TabRefused { url, reason } => format!("{url} was closed again: {reason}"),
        Fact::DialogOpened { kind, message } => format!("a {kind} dialog opened: {message:?}"),
        Fact::DialogClosed { accepted: true } => "the dialog was accepted".to_owned(),
        Fact::DialogClosed { accepted: false } => "the dialog was dismissed".to_owned(),
        Fact::ChooserOpened { .. } => "a file chooser opened".to_owned(),
        Fact::DownloadStarted { number, file } => format!("download {number} of {file:?} began"),
        Fact::DownloadEnded { number, file, state } => format!("download {number} of {file:?}: {state}"),
        Fact::Crashed { url } => format!("{url} crashed"),
        Fact::ConsoleError { text } => format!("error: {text:?}"),
        Fact::FieldChanged(FieldChange { name, value: Some(value), .. }) => {
            format!("somebody filled in {name:?}: {value:?}")
        }
        Fact::FieldChanged(FieldChange { name, value: None, .. }) => {
            format!("somebody filled in {name:?}, whose value is secret")
        }
        Fact::TookOver { by } => format!("{by} took over"),
        Fact::HandedBack { by, note, seconds } if note.is_empty() => {
            format!("{by} handed back after {seconds} s")
        }
        Fact::HandedBack { by, note, seconds } => {
            format!("{by} handed back after {seconds} s and says: {note:?}")
        }
    }
}

impl Tool for Say {
    const NAME: &'static str = "say";
    const ABOUT: &'static str = "Show the people who watch a line of text beside your pointer";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        if self.text.trim().is_empty() {
            return Err(Fault::argument("text is empty"));
        }
        call.session.keep_saying(&self.text);
        let people = people(&call.session.seat.view().borrow());
        Ok(Answer::result(match people {
            0 => "Nobody is watching at the moment.".to_owned(),
            1 => "Shown to one person.".to_owned(),
            people => format!("Shown to {people} people."),
        }))
    }
}

impl Tool for RequestHelp {
    const NAME: &'static str = "request_help";
    const ABOUT: &'static str = "Ask a person to do something in the browser that you cannot or should not do, such as a login, a CAPTCHA or a payment. Waits until they say that it is done; the answer has their note";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        if self.reason.trim().is_empty() {
            return Err(Fault::argument("reason is empty; say what a person should do"));
        }
        let limit = limit(self.timeout)?;
        call.session.say("waits for a person's help");
        let seat = std::sync::Arc::clone(&call.session.seat);
        let end =
            patiently(call, "waiting for a person's help", seat.ask_help(self.reason, HelpTask::Act, limit))
                .await;
        let mut answer = call.state(Show::Changes).await;
        let (text, how) = match end {
            HelpEnd::Done { by, note, took, .. } => {
                let said = if note.is_empty() { String::new() } else { format!(" Their note: {note:?}.") };
                (format!("{by} did it in {} s.{said}", took.as_secs()), "done")
            }
            HelpEnd::Declined { by, note } => {
                let said = if note.is_empty() { String::new() } else { format!(" Their note: {note:?}.") };
                (format!("{by} declined.{said}"), "declined")
            }
            HelpEnd::Unanswered { people: 0 } => ("Nobody was in the room to help.".into(), "unanswered"),
            HelpEnd::Unanswered { .. } => {
                (format!("Nobody took it up within {} s.", limit.as_secs()), "unanswered")
            }
            HelpEnd::Unfinished { by } => (
                format!("{by} took it up but did not say within {} s that it is done.", limit.as_secs()),
                "unfinished",
            ),
            HelpEnd::Refused(why) => return Err(Fault::new("refused", why)),
        };
        answer.structured = Some(json!({ "outcome": how }));
        answer.result = Some(text);
        Ok(answer)
    }
}

impl Tool for WaitForUser {
    const NAME: &'static str = "wait_for_user";
    const ABOUT: &'static str =
        "Wait until a person has used the browser and is still again, or until nobody uses it any more";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let limit = limit(self.timeout)?;
        call.session.say("waits for a person");
        let mut view = call.session.seat.view();
        let deadline = within(limit);
        let acting =
            async { view.wait_for(|view| holder(view).is_some()).await.ok().and_then(|view| holder(&view)) };
        let who = tokio::time::timeout_at(deadline, patiently(call, "waiting for a person", acting)).await;
        let who = who.ok().flatten();
        let mut in_time = false;
        if who.is_some() {
            let still = async { view.wait_for(|view| holder(view).is_none()).await.is_ok() };
            let still = patiently(call, "waiting for a person", still);
            in_time = tokio::time::timeout_at(deadline, still).await.is_ok();
        }
        let text = match (who, in_time) {
            (Some(who), true) => format!("{who} used the browser and is still again."),
            (Some(who), false) => format!("{who} is still using the browser after {} s.", limit.as_secs()),
            (None, _) => format!("Nobody used the browser within {} s.", limit.as_secs()),
        };
        Ok(Answer { result: Some(text), ..call.state(Show::Changes).await })
    }
}

/// Waits, and tells the client every few seconds that it still does.
pub(super) async fn patiently<T>(call: &Call, what: &str, until: impl Future<Output = T>) -> T {
    let mut until = std::pin::pin!(until);
    let mut clock = tokio::time::interval(STILL_WAITING);
    loop {
        tokio::select! {
            done = &mut until => return done,
            _ = clock.tick() => call.tell(what).await,
        }
    }
}

/// The person who has the floor.
fn holder(view: &RoomView) -> Option<String> {
    view.holder.as_ref().filter(|holder| holder.kind == ActorKind::Person).map(|holder| holder.name.clone())
}

fn people(view: &RoomView) -> usize {
    view.present.iter().filter(|present| present.kind == ActorKind::Person).count()
}

fn limit(seconds: Option<f64>) -> Result<Duration, Fault> {
    let Some(seconds) = seconds else { return Ok(LIMIT) };
    if !(1.0..=LONGEST.as_secs_f64()).contains(&seconds) {
        return Err(Fault::argument(format!("timeout is from 1 to {} seconds", LONGEST.as_secs())));
    }
    Ok(Duration::from_secs_f64(seconds))
}
