//! What the driver writes into the room's record: who came and went, what
//! became of floor, approvals and help, and once for each time that a person
//! had the floor what their hands did. How often, never what: no key and no
//! text comes here.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::help::HelpEnd;
use super::lifecycle::Part;
use super::presence::PresentList;
use super::record::{Entry, Outcome, RecordError, RecordKind, Recorder, redact};
use super::{FloorAsk, HelpAnswer};
use crate::base::{Actor, ActorId, Input, Size};
use crate::floor::{FloorEvent, Holder, MomentCause, MomentEvent, Refusal};
use crate::policy::{Answer, AnswerError, ApprovalId, ApprovalView, End, Event};

/// The longest words of somebody, in characters.
const LONGEST_WORDS: usize = 200;

pub(super) struct Ledger {
    recorder: Recorder,
    /// People who have had the floor since their hands were written down last.
    hands: HashMap<ActorId, Hands>,
    /// Who asked for the approvals that are open.
    asked: HashMap<ApprovalId, (Actor, String)>,
}

/// What somebody's hands did.
struct Hands {
    actor: Actor,
    page: Option<String>,
    presses: u64,
    keys: u64,
    scrolls: u64,
    texts: u64,
    since: std::time::Instant,
}

impl Ledger {
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, hands: HashMap::new(), asked: HashMap::new() }
    }

    // Getters.

    /// Whether a person's input may be done. What lets go may always.
    pub fn takes(&self, input: &Input) -> Result<(), RecordError> {
        match acts(input) {
            true => self.recorder.takes(),
            false => Ok(()),
        }
    }

    // Handlers.

    pub fn entered(&self, actor: &Actor) {
        self.recorder.note(Entry::new(RecordKind::Join, "entered").by(actor));
    }

    pub fn left(&mut self, actor: &Actor) {
        self.write_hands(|hands| hands.actor.id == actor.id);
        self.recorder.note(Entry::new(RecordKind::Leave, "left").by(actor));
    }

    /// A person's input that was let through.
    pub fn handle_input(&mut self, actor: &Actor, input: &Input, page: Option<&str>) {
        if !acts(input) {
            return;
        }
        let hands = self.hands.entry(actor.id.clone()).or_insert_with(|| Hands {
            actor: actor.clone(),
            page: page.map(str::to_owned),
            presses: 0,
            keys: 0,
            scrolls: 0,
            texts: 0,
            since: std::time::Instant::now(),
        });
        match input {
            Input::Button { .. } => hands.presses += 1,
            Input::Key { .. } => hands.keys += 1,
            Input::Wheel { .. } => hands.scrolls += 1,
            Input::Text(_) | Input::Clipboard(_) => hands.texts += 1,
            Input::Move(_) | Input::ReleaseAll => {}
        }
    }

    /// Whoever has the floor no longer has done what they did.
    pub fn handle_holder(&mut self, holder: &Holder) {
        if self.hands.is_empty() {
            return;
        }
        let still = |hands: &Hands| matches!(holder, Holder::Person { id, .. } if *id == hands.actor.id);
        self.write_hands(|hands| !still(hands));
    }

    fn write_hands(&mut self, so: impl Fn(&Hands) -> bool) {
        let recorder = &self.recorder;
        self.hands.retain(|_, hands| {
            let over = so(hands);
            if over {
                let Hands { presses, keys, scrolls, texts, since, .. } = hands;
                let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
                let details = json!({
                    "presses": presses, "keys": keys, "scrolls": scrolls, "texts": texts, "ms": ms,
                });
                let entry = Entry::new(RecordKind::Input, "hands").by(&hands.actor);
                recorder.note(entry.page(hands.page.as_deref().unwrap_or_default()).details(details));
            }
            !over
        });
    }

    pub fn floor(&mut self, event: &FloorEvent, present: &PresentList) {
        let entry = |what: &str, by: Option<&ActorId>| {
            let entry = Entry::new(RecordKind::Floor, what);
            match by.map(|id| (id, present.actor(id))) {
                Some((_, Some(actor))) => entry.by(actor),
                Some((id, None)) => entry.details(json!({ "id": id })),
                None => entry,
            }
        };
        let entry = match event {
            FloorEvent::TookOver { by } => entry("took over", Some(by)),
            FloorEvent::HandedBack { by, note, took, left } => {
                // What they did before comes before.
                self.write_hands(|hands| hands.actor.id == *by);
                let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                let note = (!note.is_empty()).then(|| redact::words(note, LONGEST_WORDS));
                entry("handed back", Some(by))
                    .details(json!({ "ms": ms, "note": note, "left": left, "by": by }))
            }
            FloorEvent::Turn { of } => entry("turn", Some(of)),
            FloorEvent::Free => entry("free", None),
            FloorEvent::Asked { by } => entry("asked", Some(by)),
            FloorEvent::Mode { mode, by } => {
                let mut entry =
                    Entry::new(RecordKind::Setting, "mode").details(json!({ "mode": mode, "by": by }));
                if let Some(actor) = present.actor(by) {
                    entry = entry.by(actor);
                }
                entry
            }
            // It follows from one of the others.
            FloorEvent::Release(_) => return,
        };
        self.recorder.note(entry);
    }

    /// What was asked about the floor and refused, or is told by no event.
    pub fn asked_floor(&self, actor: &Actor, ask: &FloorAsk, done: &Result<(), Refusal>) {
        let (what, to) = match ask {
            FloorAsk::Takeover => ("take over", None),
            FloorAsk::HandBack { .. } => ("hand back", None),
            FloorAsk::Request => ("ask", None),
            FloorAsk::Withdraw => ("withdraw", None),
            FloorAsk::Give { to } => ("give", Some(to)),
            FloorAsk::Mode { .. } => ("mode", None),
            FloorAsk::Private { .. } => ("private", None),
        };
        let entry = Entry::new(RecordKind::Floor, what).by(actor).details(json!({ "to": to }));
        match (done, ask) {
            (Err(refusal), _) => {
                self.recorder.note(entry.outcome(Outcome::Refused).because(&refusal.to_string()));
            }
            (Ok(()), FloorAsk::Withdraw | FloorAsk::Give { .. }) => self.recorder.note(entry),
            (Ok(()), _) => {}
        }
    }

    /// A private moment began, or is over.
    pub fn private(&mut self, event: &MomentEvent) {
        let entry = |what: &str| Entry::new(RecordKind::Floor, what);
        match event {
            MomentEvent::Began { by, cause } => {
                let by_field = *cause == MomentCause::Field;
                self.recorder
                    .note(entry("private moment begins").by(by).details(json!({ "by_field": by_field })));
            }
            MomentEvent::Ended { .. } => self.recorder.note(entry("private moment ends")),
            MomentEvent::Ending => {}
        }
    }

    /// `open` is what waits for an answer now.
    pub fn approval(&mut self, event: &Event, open: &[ApprovalView]) {
        let entry = |what: &str| Entry::new(RecordKind::Approval, what);
        let entry = match event {
            Event::Asked { id } => {
                let Some(view) = open.iter().find(|view| view.id == *id) else { return };
                let actor =
                    Actor { id: view.actor.clone(), name: view.name.clone(), role: view.role, colour: None };
                self.asked.insert(*id, (actor.clone(), view.tool.clone()));
                let targets: Vec<Value> = view
                    .targets
                    .iter()
                    .map(|target| json!({ "role": target.role, "name": redact::words(&target.name, 80) }))
                    .collect();
                let details = json!({
                    "approval": id, "classes": view.classes, "places": view.places, "targets": targets,
                    "why": view.why, "rule": view.rule,
                });
                let entry = entry(&view.tool).by(&actor).outcome(Outcome::Begun).details(details);
                match &view.session {
                    Some(call) => entry.of_call(call),
                    None => entry,
                }
            }
            Event::Answered { id, answered } => {
                let actor = Actor {
                    id: answered.by.clone(),
                    name: answered.name.clone(),
                    role: answered.role,
                    colour: None,
                };
                let (answer, message) = match &answered.answer {
                    Answer::Once => ("once", None),
                    Answer::AlwaysForOrigin => ("always-for-origin", None),
                    Answer::Always => ("always", None),
                    Answer::Deny { message } => ("deny", message.as_ref()),
                };
                let message = message.map(|message| redact::words(message, LONGEST_WORDS));
                entry("answered").by(&actor).details(json!({
                    "approval": id, "answer": answer, "message": message, "tool": self.tool(id),
                }))
            }
            Event::Rule { id, rule } => {
                let details = json!({ "approval": id, "rule": rule.name, "effect": rule.effect });
                Entry::new(RecordKind::Rules, "added").details(details)
            }
            Event::Ended { id, end } => {
                let (outcome, word) = match end {
                    End::Spent { .. } => (Outcome::Done, "used"),
                    End::Denied { .. } => (Outcome::Refused, "denied"),
                    End::Expired { .. } => {
                        (Outcome::Cancelled, "nobody answered, or it was not used, in time")
                    }
                    End::Stale { .. } => (Outcome::Cancelled, "the page has changed"),
                    End::Withdrawn { .. } => (Outcome::Cancelled, "who asked has withdrawn it"),
                    End::Closed { reason, .. } => (Outcome::Cancelled, reason.as_str()),
                };
                let details = json!({ "approval": id, "tool": self.tool(id) });
                let entry = entry("ended").outcome(outcome).because(word).details(details);
                match self.asked.remove(id) {
                    Some((actor, _)) => entry.by(&actor),
                    None => entry,
                }
            }
        };
        self.recorder.note(entry);
    }

    fn tool(&self, id: &ApprovalId) -> Option<&str> {
        self.asked.get(id).map(|(_, tool)| tool.as_str())
    }

    pub fn answer_refused(&self, actor: &Actor, id: ApprovalId, error: &AnswerError) {
        let entry = Entry::new(RecordKind::Approval, "answered").by(actor).details(json!({ "approval": id }));
        let why = match error {
            AnswerError::MayNotAnswer { .. } => "may not answer",
            AnswerError::AlreadyAnswered(_) => "somebody was first",
            AnswerError::Gone(_) => "it is not asked any more",
            AnswerError::Unknown => "there is no such approval",
            AnswerError::NotAlways => "cannot be allowed always",
        };
        self.recorder.note(entry.outcome(Outcome::Refused).because(why));
    }

    pub fn help_asked(&self, actor: &Actor, id: u32, reason: &str) {
        let details = json!({ "help": id, "reason": redact::words(reason, LONGEST_WORDS) });
        let entry = Entry::new(RecordKind::Help, "asked").by(actor).outcome(Outcome::Begun);
        self.recorder.note(entry.details(details));
    }

    pub fn help_answered(&self, actor: &Actor, id: u32, answer: &HelpAnswer, refused: Option<&String>) {
        let (what, note) = match answer {
            HelpAnswer::Accept => ("taken up", ""),
            HelpAnswer::Done { note, .. } => ("finished", note.as_str()),
            HelpAnswer::Decline { note } => ("declined", note.as_str()),
        };
        let note = (!note.is_empty()).then(|| redact::words(note, LONGEST_WORDS));
        let entry = Entry::new(RecordKind::Help, what).by(actor).details(json!({ "help": id, "note": note }));
        self.recorder.note(match refused {
            Some(why) => entry.outcome(Outcome::Refused).because(why),
            None => entry,
        });
    }

    /// A request for help that nobody ended.
    pub fn help_ended(&self, id: u32, end: &HelpEnd) {
        let why = match end {
            HelpEnd::Done { .. } | HelpEnd::Declined { .. } => return,
            HelpEnd::Unanswered { .. } => "nobody took it up in time",
            HelpEnd::Unfinished { .. } => "whoever took it up did not finish in time",
            HelpEnd::Refused(_) => "it could not be asked",
        };
        let entry = Entry::new(RecordKind::Help, "ended").outcome(Outcome::Cancelled).because(why);
        self.recorder.note(entry.details(json!({ "help": id })));
    }

    pub fn resized(&self, actor: &Actor, size: Size) {
        let details = json!({ "width": size.width(), "height": size.height() });
        self.recorder.note(Entry::new(RecordKind::Setting, "size").by(actor).details(details));
    }

    pub fn slept(&self) {
        self.recorder.note(Entry::new(RecordKind::Room, "slept"));
    }

    pub fn woke(&self) {
        self.recorder.note(Entry::new(RecordKind::Room, "woke"));
    }

    pub fn part_ended(&self, part: Part, reason: &str) {
        let part = match part {
            Part::Display => "display",
            Part::WindowManager => "window manager",
            Part::Browser => "browser",
        };
        self.recorder.note(Entry::new(RecordKind::Room, part).outcome(Outcome::Failed).because(reason));
    }
}

/// Whether it does something to the page. Moves show where somebody is; what
/// comes up was pressed before.
fn acts(input: &Input) -> bool {
    match input {
        Input::Button { down, .. } | Input::Key { down, .. } => *down,
        Input::Wheel { .. } | Input::Text(_) | Input::Clipboard(_) => true,
        Input::Move(_) | Input::ReleaseAll => false,
    }
}
