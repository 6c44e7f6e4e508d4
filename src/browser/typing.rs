//! The keyboard, and what sets a field at once.

use serde_json::json;

use super::Locator;
use super::act::{
    ATTACHED, Acting, FILLABLE, Frame, Outcome, REACTION, Reply, SELECTABLE, STABLE, Tries, VISIBLE,
};
use super::fault::{ActError, Obstacle};
use super::keys::{Key, Stroke};
use super::pointer::Grip;
use super::reaction::Done;

impl Acting<'_> {
    /// Replaces the text of a field, as a paste would.
    pub async fn fill(&self, locator: &Locator, text: &str) -> Result<Done, ActError> {
        let mut watch = self.tab.watch().await;
        let argument = json!({ "value": text });
        let (found, prepared) =
            self.find_and_do(locator, FILLABLE, "field", "prepareFill", argument, &mut watch).await?;
        if !prepared.done {
            if text.is_empty() {
                let delete: Stroke =
                    "Delete".parse().map_err(|error| ActError::Refused(format!("{error}")))?;
                let answers = self.stroke(&delete).await?;
                self.all_answered(answers).await?;
            } else {
                // The page says that the text has come before the browser says that it was sent.
                let reacted = self.reacted(&found.place, Frame::Typed);
                tokio::try_join!(self.insert(text), reacted)?;
                return self.finish(&found.place, watch, found.code).await;
            }
        }
        self.settle(found, watch, Frame::Soon).await
    }

    /// Types a text key by key into an element, after what is there.
    pub async fn type_slowly(&self, locator: &Locator, text: &str) -> Result<Done, ActError> {
        let mut watch = self.tab.watch().await;
        let (found, _) = self
            .find_and_do(locator, FILLABLE, "field", "focus", json!({ "atEnd": true }), &mut watch)
            .await?;
        self.type_text(text).await?;
        self.settle(found, watch, Frame::Soon).await
    }

    /// Focuses an element, whatever it is, and types key by key.
    pub async fn press_sequentially(&self, locator: &Locator, text: &str) -> Result<Done, ActError> {
        let watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), ATTACHED, "look").await?;
        self.permit.check()?;
        let focused: Outcome = self.ask(&found.place, "focus", &json!({ "handle": found.handle })).await?;
        focused.check()?;
        self.type_text(text).await?;
        self.settle(found, watch, Frame::Soon).await
    }

    /// Types a text key by key to whatever has the focus.
    pub async fn type_text(&self, text: &str) -> Result<(), ActError> {
        let mut done = 0;
        for character in clusters(text) {
            let typed = self.type_character(character).await;
            typed.map_err(|error| match error {
                ActError::Preempted(_) => ActError::PreemptedAfter { done, of: text.chars().count() },
                error => error,
            })?;
            done += character.chars().count();
        }
        Ok(())
    }

    async fn type_character(&self, character: &str) -> Result<(), ActError> {
        {
            let mut chars = character.chars();
            let one = chars.next().filter(|_| chars.next().is_none());
            match one.and_then(Key::typed) {
                Some(key) => {
                    let answers = self.stroke(&Stroke { modifiers: Vec::new(), key }).await?;
                    self.all_answered(answers).await?;
                }
                // Not on the keyboard: it comes as text.
                None => self.insert(character).await?,
            }
        }
        Ok(())
    }

    /// Presses one key, with its modifiers, and waits for the page to react.
    pub async fn press(&self, stroke: &Stroke) -> Result<Done, ActError> {
        self.permit.check()?;
        self.tab.ready().await?;
        self.tab.emulate_focus(true).await;
        self.call_out(None, None).await?;
        let mut chooser = self.catch_choosers().await?;
        let mut watch = self.tab.watch().await;
        watch.begin();
        let done = async {
            let answers = self.stroke(stroke).await?;
            self.all_answered(answers).await?;
            let top = self.tab.top();
            self.reacted(&top, Frame::Soon).await?;
            self.finish(&top, watch, String::new()).await
        };
        let done = done.await;
        chooser.release().await?;
        done
    }

    /// Gives an element the focus.
    pub async fn focus(&self, locator: &Locator) -> Result<Done, ActError> {
        self.with_script(locator, ATTACHED, "focus").await
    }

    /// Selects all text of an element.
    pub async fn select_text(&self, locator: &Locator) -> Result<Done, ActError> {
        self.with_script(locator, VISIBLE, "selectText").await
    }

    /// Brings an element into the window.
    pub async fn scroll_into_view(&self, locator: &Locator) -> Result<Done, ActError> {
        let watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), STABLE, "look").await?;
        self.settle(found, watch, Frame::Shown).await
    }

    async fn with_script(
        &self,
        locator: &Locator,
        needs: super::act::Needs,
        name: &str,
    ) -> Result<Done, ActError> {
        let watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), needs, "look").await?;
        self.permit.check()?;
        let outcome: Outcome = self.ask(&found.place, name, &json!({ "handle": found.handle })).await?;
        outcome.check()?;
        self.settle(found, watch, Frame::Soon).await
    }

    /// Chooses options of a list by value or label. Waits for options that are not there yet.
    pub async fn select(&self, locator: &Locator, values: &[String]) -> Result<Done, ActError> {
        let mut tries = Tries::new(self, locator);
        let mut watch = self.tab.watch().await;
        loop {
            let found = self.find(&mut tries, SELECTABLE, "field").await?;
            watch.begin();
            self.show(&found)?;
            let argument = json!({ "handle": found.handle, "values": values });
            let selected: Outcome = self.ask(&found.place, "chooseOptions", &argument).await?;
            match (&selected.wait, &selected.error) {
                (Some(code), Some(why)) => tries.failed(Obstacle::from_code(code), why.clone()),
                _ => {
                    selected.check()?;
                    return self.settle(found, watch, Frame::Soon).await;
                }
            }
            tries.wait().await?;
        }
    }

    /// Answers the dialog that is open.
    pub async fn answer_dialog(&self, accept: bool, text: Option<&str>) -> Result<Done, ActError> {
        let mut state = self.tab.state.clone();
        if state.borrow().dialog.is_none() {
            return Err(ActError::NoDialog);
        }
        let session = state.borrow().session.clone();
        let mut params = json!({ "accept": accept });
        if let Some(text) = text {
            params["promptText"] = text.into();
        }
        let watch = self.tab.watch().await;
        self.permit.check()?;
        self.tab.client.send(Some(&session), "Page.handleJavaScriptDialog", &params).await?;
        let closed = state.wait_for(|state| state.dialog.is_none());
        let _ = tokio::time::timeout(REACTION, closed).await;
        // Another one may have opened at once; that is for the next answer.
        let top = self.tab.top();
        self.reacted(&top, Frame::Shown).await?;
        self.finish(&top, watch, String::new()).await
    }

    /// One key, down and up. The permit is asked before each key that goes down.
    pub(super) async fn stroke(&self, stroke: &Stroke) -> Result<Vec<Reply>, ActError> {
        let mut bits = 0;
        let mut grip = Grip::new(self);
        let mut answers = Vec::new();
        let mut stopped = Ok(());
        for key in stroke.modifiers.iter().chain([&stroke.key]) {
            if let Err(preempted) = self.permit.check() {
                stopped = Err(preempted);
                break;
            }
            grip.hold("Input.dispatchKeyEvent", key.event(false, bits));
            bits |= key.bit();
            answers.push(self.post("Input.dispatchKeyEvent", &key.event(true, bits)).await?);
        }
        answers.extend(grip.release().await?);
        stopped?;
        Ok(answers)
    }

    pub async fn insert(&self, text: &str) -> Result<(), ActError> {
        self.permit.check()?;
        let answer = self.post("Input.insertText", &json!({ "text": text })).await?;
        self.all_answered(vec![answer]).await
    }
}

/// A text as what a person takes for characters, as far as typing needs it:
/// marks, joiners and flags stay with what they belong to.
fn clusters(text: &str) -> Vec<&str> {
    let joins = |c: char| {
        matches!(c, '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\u{20e3}' | '\u{300}'..='\u{36f}' | '\u{1f3fb}'..='\u{1f3ff}')
            || matches!(c, '\u{e0020}'..='\u{e007f}')
    };
    let flag = |c: char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let mut found = Vec::new();
    let (mut start, mut before, mut flags) = (0, '\0', 0);
    for (at, c) in text.char_indices() {
        let pair = flag(c) && flag(before) && flags % 2 == 1;
        if at > 0 && !(joins(c) || before == '\u{200d}' || pair) {
            found.push(&text[start..at]);
            start = at;
        }
        flags = if flag(c) { flags + 1 } else { 0 };
        before = c;
    }
    if !text.is_empty() {
        found.push(&text[start..]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::clusters;

    #[test]
    fn what_looks_like_one_character_is_typed_as_one() {
        assert_eq!(clusters("aé"), ["a", "é"]);
        assert_eq!(clusters("e\u{301}x"), ["e\u{301}", "x"]);
        assert_eq!(clusters("👩‍👩‍👧👍🏽"), ["👩‍👩‍👧", "👍🏽"]);
        assert_eq!(clusters("🇩🇪🇫🇷!"), ["🇩🇪", "🇫🇷", "!"]);
        assert!(clusters("").is_empty());
    }
}
