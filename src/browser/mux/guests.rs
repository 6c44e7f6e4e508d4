//! The multiplexer's dealings with clients from outside: each of their
//! messages is judged, and goes on, waits for the floor, or is answered here.
//!
//! A message that waits holds back the later ones of its session, so that
//! their order is kept; other sessions go on, since a page that somebody else
//! opens must not wait for this client's turn.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

use super::acts;
use super::core::{Client, ClientId, Effect, Mux, Output, Pending, Root, answer_nothing};
use super::guest::{Guest, GuestSignal, Unseen, Verdict};
use super::message::{self, Envelope, TargetPart};
use super::tally::ActTally;
use crate::base::Before;
use crate::floor::FloorPermit;
use crate::policy::Effect as Ruling;

impl Mux {
    // Handlers.

    /// The room's answer to [`GuestSignal::WantFloor`].
    pub fn handle_floor(&mut self, now: Instant, client: ClientId, answer: Result<Arc<FloorPermit>, String>) {
        let Some(guest) = self.guest(client) else { return };
        guest.asked = false;
        let held = guest.take_held();
        let refused = match answer {
            Ok(permit) => {
                guest.handle_permit(now, permit);
                None
            }
            Err(reason) => Some(reason),
        };
        for held in held {
            match &refused {
                // What must wait again takes its place at the end, behind what was held before it.
                None => self.handle_message(now, client, held.bytes, held.approved),
                Some(reason) => self.refuse_held(now, client, &held.session, held.bytes, reason),
            }
        }
    }

    /// What is due by now.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, client)| client.guest.as_ref().and_then(|guest| guest.poll_timeout()).is_some())
            .map(|(id, _)| *id)
            .collect();
        for client in due {
            let Some(guest) = self.guest(client) else { continue };
            let calls = guest.handle_timeout(now);
            // Whoever preempted the client waits until its hands are up.
            let grip = guest.take_loose_grip();
            for (session, method, params) in calls {
                let pending = grip.clone().map_or(Pending::Own, Pending::Release);
                self.own(method, &params, Some(&session), pending);
            }
        }
    }

    /// People's answer to [`GuestSignal::WantYes`].
    pub fn handle_yes(&mut self, now: Instant, client: ClientId, number: u64, answer: Result<(), String>) {
        let Some(guest) = self.guest(client) else { return };
        let Some(asked) = guest.take_question(number) else { return };
        let held = guest.take_held();
        match answer {
            Ok(()) => self.handle_message(now, client, asked.bytes, true),
            Err(reason) => self.refuse_asked(client, &asked.bytes, &reason),
        }
        // What stood behind it goes on, or waits again.
        for held in held {
            self.handle_message(now, client, held.bytes, held.approved);
        }
    }

    fn refuse_asked(&mut self, client: ClientId, bytes: &Bytes, reason: &str) {
        let Ok(message) = serde_json::from_slice::<Envelope>(bytes) else { return };
        let refusal = message::refusal(message.id.as_ref(), -32000, reason, message.session.as_deref());
        self.answer_client(client, refusal);
    }

    /// Asks the room's rules. True when the message goes no further for now.
    fn is_stopped(
        &mut self,
        client: ClientId,
        message: &Envelope,
        id: &Number,
        method: &str,
        real: &str,
        bytes: &Bytes,
    ) -> bool {
        let session = message.session.as_deref();
        let Some(guest) = self.guest(client) else { return true };
        let Some((target, action, decision)) = guest.decide(real, method, message.params) else {
            return false;
        };
        let refusal = match decision.effect {
            Ruling::Allow => return false,
            Ruling::Deny => {
                guest.denied(target.as_deref(), method, &decision);
                format!("{method} is not allowed here: {decision}")
            }
            Ruling::Ask => match guest.question(real, bytes.clone()) {
                Some(number) => {
                    let (action, decision) = (Box::new(action), Box::new(decision));
                    let signal = GuestSignal::WantYes { number, target, action, decision };
                    self.outputs.push_back(Output::Signal(client, signal));
                    return true;
                }
                None => "too many messages wait for a person's yes; wait for their answers".into(),
            },
        };
        self.answer_client(client, message::refusal(Some(id), -32000, &refusal, session));
        true
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one message")]
    pub(super) fn handle_from_guest(
        &mut self,
        now: Instant,
        client: ClientId,
        message: &Envelope,
        id: &Number,
        method: &str,
        effect: Effect,
        real: &str,
        bytes: &Bytes,
        approved: bool,
    ) {
        let Some(guest) = self.guest(client) else { return };
        let session = message.session.as_deref();
        if let Some(why) = guest.withheld(real, method, message.params) {
            return self.answer_client(client, message::refusal(Some(id), -32000, why, session));
        }
        let (verdict, other) = guest.judge(real, method, message.params);
        // What lets a page go on, and what lets go of a button, is never in question.
        let in_question = !matches!(verdict, Verdict::Now | Verdict::Release | Verdict::Refuse(_));
        let behind = guest.holds_back(real);
        if in_question && !behind && !approved && self.is_stopped(client, message, id, method, real, bytes) {
            return;
        }
        let Some(guest) = self.guest(client) else { return };
        let params = other.as_deref().or(message.params);
        if verdict == Verdict::Act && guest.may_go_astray(real, method) {
            let text = "somebody else has acted since this client gave this page the focus, so that these keys may go astray; \
                        click, or focus an element, and then go on";
            return self.answer_client(client, message::refusal(Some(id), -32000, text, session));
        }
        let permit = match verdict {
            Verdict::Act if !behind => guest.fresh_permit().cloned(),
            _ => None,
        };
        let waits = match verdict {
            Verdict::Act => permit.is_none(),
            Verdict::Pass | Verdict::Release => behind,
            _ => false,
        };
        if waits {
            let ask = verdict == Verdict::Act && !std::mem::replace(&mut guest.asked, true);
            if !guest.hold(real, bytes.clone(), approved) {
                let text = "too many messages wait for the floor; wait for their answers";
                return self.answer_client(client, message::refusal(Some(id), -32000, text, session));
            }
            if ask {
                self.outputs.push_back(Output::Signal(client, GuestSignal::WantFloor));
            }
            return;
        }
        // What was let go of for it must not come up a second time, in a person's hand.
        let verdict = match verdict {
            Verdict::Release if guest.was_released(real, method, params) => Verdict::Silent,
            verdict => verdict,
        };
        match verdict {
            Verdict::Silent => return self.answer_client(client, answer_nothing(id, session)),
            Verdict::Refuse(reason) => {
                return self.answer_client(client, message::refusal(Some(id), -32000, &reason, session));
            }
            Verdict::WhenClosed => {
                if !guest.wait_for_dialog(real, id) {
                    self.answer_client(client, answer_nothing(id, session));
                }
                return;
            }
            Verdict::Release => guest.handle_release(real, method, params),
            Verdict::Now => guest.handle_unblocked(real, method, params),
            Verdict::Act => {
                if let Some(signal) = guest.handle_act(now, real, method, params) {
                    self.outputs.push_back(Output::Signal(client, signal));
                }
            }
            Verdict::Pass => {}
        }
        let effect = match method {
            "Target.createBrowserContext" => Effect::NewContext,
            "Target.getBrowserContexts" => Effect::ContextList,
            "Target.createTarget" => Effect::NewTab,
            "Page.createIsolatedWorld" => Effect::World,
            "Browser.getWindowForTarget" => Effect::Window(target_of(params)),
            "Page.handleJavaScriptDialog" => Effect::Dialog,
            _ if permit.is_some() => Effect::Acted,
            _ => effect,
        };
        self.forward(client, id, method, params, session, real, effect, permit);
    }

    /// A message that waited in vain. What only stood behind another goes on.
    fn refuse_held(&mut self, now: Instant, client: ClientId, real: &str, bytes: Bytes, reason: &str) {
        let Ok(message) = serde_json::from_slice::<Envelope>(&bytes) else { return };
        let (Some(id), Some(method)) = (message.id.as_ref(), message.method.as_deref()) else { return };
        let Some(guest) = self.guest(client) else { return };
        let (verdict, _) = guest.judge(real, method, message.params);
        if !matches!(verdict, Verdict::Act | Verdict::Release) {
            return self.handle_from_client(now, client, bytes.clone());
        }
        if method == "Page.handleJavaScriptDialog" && guest.wait_for_dialog(real, id) {
            return;
        }
        let refusal = message::refusal(Some(id), -32000, reason, message.session.as_deref());
        self.answer_client(client, refusal);
    }

    // Pollers.

    /// Waits until a client that holds something down is preempted; then
    /// [`Mux::handle_timeout`] is due.
    pub fn preempted(&self) -> impl Future<Output = ()> + Send + use<> {
        let guests = self.clients.values().filter_map(|client| client.guest.as_ref());
        let any: Vec<_> = guests.filter_map(Guest::preempted).map(Box::pin).collect();
        async move {
            match any.is_empty() {
                true => std::future::pending().await,
                false => drop(futures_util::future::select_all(any).await),
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.clients.values().filter_map(|client| client.guest.as_ref()?.poll_timeout()).min()
    }

    pub(super) fn on_guest_answer(
        &mut self,
        client: ClientId,
        session: Option<&str>,
        effect: Effect,
        result: Option<&RawValue>,
    ) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part {
            browser_context_id: Option<String>,
            target_id: Option<String>,
            execution_context_id: Option<i64>,
            window_id: Option<i64>,
        }
        let Some(Client { root: Root::Open { shown, .. }, guest: Some(guest), .. }) =
            self.clients.get_mut(&client)
        else {
            return;
        };
        let real = session.unwrap_or(shown);
        if matches!(effect, Effect::Acted | Effect::Dialog) {
            return guest.handle_acted(real);
        }
        let Some(part) = message::read::<Part>(result) else { return };
        match effect {
            Effect::NewContext => {
                if let Some(context) = part.browser_context_id {
                    guest.contexts.insert(context.clone());
                    self.contexts.insert(context, client);
                }
            }
            Effect::NewTab => {
                guest.handle_acted(real);
                guest.tabs.extend(part.target_id);
            }
            Effect::World => {
                if let Some(world) = part.execution_context_id {
                    guest.handle_world(real, world);
                }
            }
            Effect::Window(target) => {
                if let Some(window) = part.window_id {
                    guest.handle_window(real, target.as_deref(), window);
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_guest_attached(
        &mut self,
        now: Instant,
        client: ClientId,
        child: &str,
        parent: &str,
        part: &TargetPart,
    ) {
        let (Some(guest), Some(info)) = (self.guest(client), &part.target_info) else { return };
        if guest.handle_attached(now, child, parent, info, part.waiting_for_debugger) {
            // Without focus, animation frames stop in tabs that are not in front.
            let params = serde_json::json!({ "enabled": true });
            self.own("Emulation.setFocusEmulationEnabled", &params, Some(child), Pending::Own);
        }
    }

    pub(super) fn on_guest_event(
        &mut self,
        now: Instant,
        client: ClientId,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) {
        let Some(Client { root: Root::Open { shown, .. }, guest: Some(guest), .. }) =
            self.clients.get_mut(&client)
        else {
            return;
        };
        let answered = guest.handle_event(now, session, method, params);
        let session = (session != shown).then(|| session.to_owned());
        for id in answered {
            self.answer_client(client, answer_nothing(&id, session.as_deref()));
        }
    }

    pub(super) fn without_foreign_contexts(
        &self,
        client: ClientId,
        result: Option<&RawValue>,
    ) -> Option<Box<RawValue>> {
        #[derive(Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct List {
            browser_context_ids: Vec<String>,
            #[serde(flatten)]
            rest: serde_json::Map<String, serde_json::Value>,
        }
        let mut list: List = message::read(result)?;
        list.browser_context_ids
            .retain(|context| self.contexts.get(context).is_none_or(|owner| *owner == client));
        serde_json::value::to_raw_value(&list).ok()
    }

    /// What this client does is counted there.
    pub fn acts_of(&mut self, client: ClientId) -> Arc<ActTally> {
        self.guest(client).map(|guest| Arc::clone(&guest.acts)).unwrap_or_default()
    }

    /// Since when, as far as privacy is concerned, and whether its answer shows nothing.
    pub(super) fn privacy_of_call(
        &self,
        client: ClientId,
        method: &str,
        params: Option<&RawValue>,
    ) -> Option<(Before, bool)> {
        let guest = self.clients.get(&client)?.guest.as_ref()?;
        Some((guest.options.privacy.now(), acts::is_plumbing(method, params)))
    }

    /// The refusal in place of an answer that nobody is to see.
    pub(super) fn withheld_answer(
        &self,
        client: ClientId,
        id: &Number,
        session: Option<&str>,
        privacy: Option<(Before, bool)>,
    ) -> Option<Vec<u8>> {
        let guest = self.clients.get(&client)?.guest.as_ref()?;
        let why = privacy.and_then(|(since, plumbing)| guest.answer_withheld(since, plumbing))?;
        Some(message::refusal(Some(id), -32000, why, session))
    }

    /// Whether an event goes on to a client from outside.
    pub(super) fn is_told(
        &mut self,
        client: ClientId,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> bool {
        let Some(guest) = self.guest(client) else { return true };
        match guest.handle_unseen(method, params) {
            Unseen::Told => true,
            Unseen::Kept => false,
            Unseen::Answered(method, params) => {
                self.own(method, &params, Some(session), Pending::Own);
                false
            }
        }
    }

    /// A message without what is secret.
    pub(super) fn masked(&self, client: ClientId, bytes: Vec<u8>) -> Vec<u8> {
        let guest = self.clients.get(&client).and_then(|client| client.guest.as_ref());
        let Some(masks) = guest.map(Guest::masks).filter(|masks| masks.finds(&bytes)) else { return bytes };
        let Ok(mut message) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return bytes };
        // What the message is about stays as it is; only what it tells is masked.
        for part in ["params", "result", "error"] {
            if let Some(part) = message.get_mut(part) {
                masks.mask_json(part);
            }
        }
        serde_json::to_vec(&message).unwrap_or_default()
    }

    fn guest(&mut self, client: ClientId) -> Option<&mut Guest> {
        self.clients.get_mut(&client)?.guest.as_mut()
    }
}

fn target_of(params: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Part {
        target_id: Option<String>,
    }
    message::read::<Part>(params)?.target_id
}

#[cfg(test)]
mod tests;
