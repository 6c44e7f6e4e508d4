//! Setting a field to a value that the agent does not know: the frame's origin
//! and the field are asked for first, whoever has the value decides on them,
//! and the script sets the field only if both are still so, in one step of the
//! page in which nothing of the page's own runs. The value is never typed by
//! keys, which go to whatever has the focus by then.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Locator;
use super::act::{Acting, FILLABLE, Found, Frame, Outcome, Tries};
use super::fault::ActError;
use super::guard::{Field, Guard};
use super::memory::World;
use super::reaction::Done;
use crate::base::Redacted;

/// Which fields a value fits into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretFit {
    /// Fields of one line of text.
    Line,
    /// Fields whose text nobody sees.
    Password,
    /// Fields for a code of digits, of one line.
    Code,
}

/// Where a value is about to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPlace {
    /// Of the frame that the field is in, as the browser writes it; `null` where it has none.
    pub origin: String,
    /// What the field is, in words.
    pub field: String,
    /// What fits into it.
    pub fits: Vec<SecretFit>,
}

/// A value and what it fits, or why it is not given, in words for the agent.
pub type Given = Result<(Redacted<String>, SecretFit), String>;

impl Acting<'_> {
    /// Sets a field to a value that `give` gives, if it gives one for this place.
    pub async fn fill_secret(
        &self,
        locator: &Locator,
        guard: &Guard,
        give: impl AsyncFnOnce(&SecretPlace) -> Given,
    ) -> Result<Done, ActError> {
        #[derive(Deserialize)]
        struct Looked {
            #[serde(default)]
            gone: bool,
            #[serde(default)]
            origin: String,
            #[serde(default)]
            field: String,
            #[serde(default)]
            fits: Vec<SecretFit>,
        }
        let mut watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), FILLABLE, "field").await?;
        // Both calls go to this document; where it has gone, nothing is sent to the next one.
        let world = self.tab.world(&found.place).await?;
        let look = json!({ "handle": found.handle });
        let looked: Looked = self.ask_in(&world, &found, "lookAtSecretField", &look).await?;
        if looked.gone {
            return Err(ActError::Refused("the element was removed from the page meanwhile".into()));
        }
        let field = self.guarded_field(&found).await.map_err(elsewhere)?;
        let place = SecretPlace { origin: looked.origin, field: looked.field, fits: looked.fits };
        let (value, fit) = give(&place).await.map_err(ActError::Refused)?;
        self.show(&found)?;
        watch.begin();
        let argument =
            json!({ "handle": found.handle, "value": value.reveal(), "origin": place.origin, "fit": fit });
        let act = self.permit.begin()?;
        // Nobody reads fields of this tab from before the value is there until it is gone.
        for target in [&field.tab, &field.target, &self.tab.top().id] {
            self.tab.privacy.seal(target, true);
        }
        let filled = self.ask_in::<Outcome>(&world, &found, "fillSecret", &argument).await;
        drop(act);
        let filled = filled.and_then(|filled| filled.check());
        match &filled {
            Ok(()) => drop(guard.hold(field).await),
            Err(_) => guard.look_at(&field.tab).await,
        }
        filled?;
        self.settle(found, watch, Frame::Soon).await
    }

    /// The field as the guard of private moments knows it.
    async fn guarded_field(&self, found: &Found) -> Result<Field, ActError> {
        let object = self.tab.held(&found.place, found.handle).await?;
        let (node, _) = self.tab.node(&found.place, &object).await?;
        let state = self.tab.state.borrow();
        let mut target = found.place.id.clone();
        // A frame in the process of its parent is of its parent's target.
        while let Some(frame) = state.frames.get(&target)
            && let Some(parent) = &frame.parent
            && state.frames.get(parent).is_some_and(|above| above.session == frame.session)
        {
            target.clone_from(parent);
        }
        Ok(Field { tab: self.tab.target().to_owned(), target, node })
    }

    async fn ask_in<T: DeserializeOwned>(
        &self,
        world: &World,
        found: &Found,
        name: &str,
        argument: &Value,
    ) -> Result<T, ActError> {
        let answer = self.tab.call_in(&found.place, world, name, argument);
        let answer = tokio::time::timeout_at(self.deadline, answer).await.map_err(|_| ActError::Stuck)?;
        answer.map_err(elsewhere)
    }
}

/// Says what it means that a document is gone.
fn elsewhere(error: ActError) -> ActError {
    match error.is_gone() {
        true => ActError::Refused("the page went elsewhere meanwhile; nothing was typed".into()),
        false => error,
    }
}
