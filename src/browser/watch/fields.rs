//! Which form fields were changed. A listener in an isolated world of its own
//! keeps them, and is asked when somebody wants to know. Secrets are never kept.

use std::collections::HashMap;
use std::sync::PoisonError;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Watch;
use crate::browser::client::{CdpClient, CdpError};
use crate::browser::fault::ActError;
use crate::browser::frames::{Place, read};
use crate::browser::journal::Fact;

const SCRIPT: &str = concat!("{\n", include_str!("../page/secrets.js"), include_str!("fields.js"), "}");
const WORLD: &str = "tandem_fields";
/// Frames that are asked.
const MOST_FRAMES: usize = 50;

/// A field that was changed by real input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its label, or what comes closest.
    pub name: String,
    /// `text`, `checkbox`, `select-one` and so on.
    pub kind: String,
    /// What is in it now; nothing when that is secret.
    pub value: Option<String>,
}

/// The object that keeps the fields of one document, in its isolated world.
#[derive(Clone)]
pub(super) struct Keeper {
    session: String,
    object: String,
}

pub(super) fn announce() -> Value {
    json!({ "source": SCRIPT, "worldName": WORLD, "runImmediately": true })
}

#[derive(Deserialize)]
struct Node {
    frame: Frame,
    #[serde(rename = "childFrames", default)]
    children: Vec<Node>,
}

#[derive(Deserialize)]
struct Frame {
    id: String,
}

impl Node {
    fn ids(self, found: &mut Vec<String>) {
        found.push(self.frame.id);
        self.children.into_iter().for_each(|child| child.ids(found));
    }
}

impl Watch {
    /// The fields that were changed since this was last asked, by whomever.
    /// To be asked before an agent acts, it names what people did; after the
    /// act, `forget_fields` drops what the agent did itself.
    pub async fn changed_fields(&self) -> Result<Vec<FieldChange>, ActError> {
        let mut all = Vec::new();
        for changes in self.in_worlds("function() { return this.take(); }").await? {
            all.extend(serde_json::from_value::<Vec<FieldChange>>(changes).unwrap_or_default());
        }
        Ok(all)
    }

    /// As `changed_fields`, written into the journal too.
    pub async fn record_fields(&self) -> Result<Vec<FieldChange>, ActError> {
        let changes = self.changed_fields().await?;
        for change in &changes {
            self.seen.journal.add(Some(&self.seen.target), Fact::FieldChanged(change.clone()));
        }
        Ok(changes)
    }

    /// Drops what was changed up to now.
    pub async fn forget_fields(&self) -> Result<(), ActError> {
        self.in_worlds("function() { this.take(); }").await.map(|_| ())
    }

    /// True when one question to each frame tells which fields were changed.
    pub fn knows_fields(&self) -> bool {
        self.seen.tab.upgrade().is_some_and(|tab| self.known(&tab.places()).is_some())
    }

    /// Calls a function on what keeps the fields in every frame. What went meanwhile is left out.
    async fn in_worlds(&self, function: &str) -> Result<Vec<Value>, ActError> {
        let Some(tab) = self.seen.tab.upgrade() else { return Err(ActError::Closed) };
        tab.ready().await?;
        let (client, _) = self.seen.client()?;
        let asked = async {
            // Where all keepers are known, one round trip does. One whose document
            // went can only fail: its name is never given twice.
            let known = self.known(&tab.places());
            let mut called = Vec::new();
            if let Some(known) = &known {
                called = join_all(known.iter().map(|keeper| keeper.call(&client, function))).await;
            }
            if known.is_some() && called.iter().all(Option::is_some) {
                return Ok(called.into_iter().flatten().collect());
            }
            let found = self.find_keepers(&client).await?;
            // What was called above has nothing left to tell.
            let again = join_all(found.values().map(|keeper| keeper.call(&client, function))).await;
            *self.keepers.lock().unwrap_or_else(PoisonError::into_inner) = found;
            Ok(called.into_iter().chain(again).flatten().collect())
        };
        tab.guarded(asked).await
    }

    /// The keepers of these frames, if those of all are known.
    fn known(&self, places: &[Place]) -> Option<Vec<Keeper>> {
        let keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().take(MOST_FRAMES).map(|place| keepers.get(&place.id).cloned()).collect()
    }

    /// Looks for the keepers of all frames. A frame without one has not run the script yet.
    async fn find_keepers(&self, client: &CdpClient) -> Result<HashMap<String, Keeper>, CdpError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tree {
            frame_tree: Node,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct World {
            execution_context_id: i64,
        }
        #[derive(Deserialize)]
        struct Outcome {
            result: Remote,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Remote {
            object_id: Option<String>,
        }
        let sessions = self.seen.link.borrow().frames();
        let mut keepers = HashMap::new();
        for session in &sessions {
            let Ok(tree) = client.send(Some(session), "Page.getFrameTree", &json!({})).await else {
                continue;
            };
            let mut frames = Vec::new();
            read::<Tree>("Page.getFrameTree", tree.get())?.frame_tree.ids(&mut frames);
            for frame in frames {
                if keepers.len() == MOST_FRAMES {
                    return Ok(keepers);
                }
                let params = json!({ "frameId": frame, "worldName": WORLD });
                let Ok(world) = client.send(Some(session), "Page.createIsolatedWorld", &params).await else {
                    continue;
                };
                let world: World = read("Page.createIsolatedWorld", world.get())?;
                let params = json!({
                    "expression": "globalThis.__tandem_fields", "contextId": world.execution_context_id,
                });
                let Ok(outcome) = client.send(Some(session), "Runtime.evaluate", &params).await else {
                    continue;
                };
                if let Some(object) = read::<Outcome>("Runtime.evaluate", outcome.get())?.result.object_id {
                    keepers.insert(frame, Keeper { session: session.clone(), object });
                }
            }
        }
        Ok(keepers)
    }
}

impl Keeper {
    /// What the function returns; nothing when the document has gone.
    async fn call(&self, client: &CdpClient, function: &str) -> Option<Value> {
        #[derive(Deserialize)]
        struct Outcome {
            result: Remote,
        }
        #[derive(Deserialize)]
        struct Remote {
            #[serde(default)]
            value: Value,
        }
        let params =
            json!({ "functionDeclaration": function, "objectId": self.object, "returnByValue": true });
        let outcome = client.send(Some(&self.session), "Runtime.callFunctionOn", &params).await.ok()?;
        Some(read::<Outcome>("Runtime.callFunctionOn", outcome.get()).ok()?.result.value)
    }
}
