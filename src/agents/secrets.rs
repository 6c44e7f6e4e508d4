//! Typing what the agent does not know: `secret:NAME` in place of a text is
//! exchanged on the server, right before the field is set, for what is kept
//! under that name, if the frame's origin and the field may have it. Rules,
//! people and the record read the name.

use serde_json::json;

use super::answer::Fault;
use super::call::Call;
use crate::browser::{self, Acting, Locator, SecretFit};
use crate::policy::{SECRET_PREFIX, SecretKind, SecretName};
use crate::room::{Entry, NoSecret, Outcome, RecordKind};

/// The secret that a text stands for, if it does.
pub(super) fn meant_by(text: &str) -> Result<Option<SecretName>, Fault> {
    SecretName::meant_by(text).transpose().map_err(|error| {
        let text = format!(
            "{SECRET_PREFIX} stands before the name of a secret: {error}. browser_secrets lists them"
        );
        Fault::argument(text)
    })
}

/// Refuses a secret where only plain texts can be typed.
pub(super) fn refuse(text: &str, instead: &str) -> Result<(), Fault> {
    match SecretName::meant_by(text) {
        Some(_) => Err(Fault::argument(format!("a secret is not typed here; {instead}"))),
        None => Ok(()),
    }
}

fn fit_of(kind: SecretKind) -> (SecretFit, &'static str) {
    match kind {
        SecretKind::Text => (SecretFit::Line, "a field of one line of text"),
        SecretKind::Password => (SecretFit::Password, "a password field (type=\"password\")"),
        SecretKind::Totp => (SecretFit::Code, "a field of one line for a code"),
    }
}

impl Call {
    /// Fills a field with a text, or with the secret that the text stands for.
    pub(super) async fn fill(
        &self,
        acting: &Acting<'_>,
        target: &Locator,
        text: &str,
    ) -> Result<browser::Done, Fault> {
        match meant_by(text)? {
            None => Ok(acting.fill(target, text).await?),
            Some(name) => self.fill_secret(acting, target, &name).await,
        }
    }

    async fn fill_secret(
        &self,
        acting: &Acting<'_>,
        target: &Locator,
        name: &SecretName,
    ) -> Result<browser::Done, Fault> {
        let Some(secrets) = self.session.seat.secrets() else {
            return Err(Fault::new("secret", "this room has no secrets"));
        };
        let told = |error: NoSecret| Fault::new("secret", error.to_string());
        let mut origin = None;
        // One that is not there is told before anything is looked for on the page.
        let found = secrets.find(name).await;
        let filled = match found {
            Err(error) => Err(told(error)),
            Ok(found) => {
                let (fit, words) = fit_of(found.kind);
                let mut refused = None;
                let give = async |place: &browser::SecretPlace| {
                    origin = Some(place.origin.clone());
                    let given = match place.fits.contains(&fit) {
                        true => secrets.give(name, &place.origin).await.map_err(|error| error.to_string()),
                        false => Err(format!(
                            "{name} is a {} and fits {words} only; this is {}",
                            found.kind, place.field
                        )),
                    };
                    let given = given.and_then(|(value, kind)| match kind == found.kind {
                        true => Ok((value, fit)),
                        false => Err(format!("{name} was changed meanwhile; try again")),
                    });
                    given.inspect_err(|why| refused = Some(why.clone()))
                };
                let done = acting.fill_secret(target, self.browser.guard(), give).await;
                done.map_err(|error| match refused {
                    Some(why) => Fault::new("secret", why),
                    None => error.into(),
                })
            }
        };
        self.note_use(name, origin, &filled);
        filled
    }

    /// Each use is a line of its own in the record: by name, origin and outcome.
    fn note_use(&self, name: &SecretName, origin: Option<String>, filled: &Result<browser::Done, Fault>) {
        let Some(recorder) = self.session.seat.recorder() else { return };
        let (outcome, why) = match filled {
            Ok(_) => (Outcome::Done, ""),
            Err(fault) if fault.code == "secret" => (Outcome::Refused, fault.text.as_str()),
            Err(fault) if fault.code == "preempted" => (Outcome::Cancelled, ""),
            Err(_) => (Outcome::Failed, ""),
        };
        let entry = Entry::new(RecordKind::Act, "secret").by(self.session.seat.actor());
        // What looks like a secret is taken out of a line, also by what it is called.
        let details = json!({ "name": name, "origin": origin });
        recorder.note(entry.outcome(outcome).because(why).details(details));
    }
}
