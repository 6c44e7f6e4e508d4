//! Which form fields were changed. A listener in an isolated world of its own
//! keeps them, and is asked when somebody wants to know. Secrets are never kept.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Watch;
use crate::browser::fault::ActError;
use crate::browser::frames::read;
use crate::browser::journal::Fact;

const SCRIPT: &str = include_str!("fields.js");
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
        for changes in self.in_worlds("globalThis.__tandem_fields ? __tandem_fields.take() : []").await? {
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
        self.in_worlds("globalThis.__tandem_fields?.take(), 0").await.map(|_| ())
    }

    /// Runs an expression in our world of every frame. What went meanwhile is left out.
    async fn in_worlds(&self, expression: &str) -> Result<Vec<Value>, ActError> {
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
        struct Remote {
            value: Option<Value>,
        }
        let Some(tab) = self.seen.tab.upgrade() else { return Err(ActError::Closed) };
        tab.ready().await?;
        let (client, _) = self.seen.client()?;
        let sessions = self.seen.link.borrow().frames();
        let asked = async {
            let mut values = Vec::new();
            let mut left = MOST_FRAMES;
            for session in &sessions {
                let Ok(tree) = client.send(Some(session), "Page.getFrameTree", &json!({})).await else {
                    continue;
                };
                let mut frames = Vec::new();
                read::<Tree>("Page.getFrameTree", tree.get())?.frame_tree.ids(&mut frames);
                for frame in frames {
                    if left == 0 {
                        return Ok(values);
                    }
                    left -= 1;
                    let params = json!({ "frameId": frame, "worldName": WORLD });
                    let Ok(world) = client.send(Some(session), "Page.createIsolatedWorld", &params).await
                    else {
                        continue;
                    };
                    let world: World = read("Page.createIsolatedWorld", world.get())?;
                    let params = json!({ "expression": expression, "contextId": world.execution_context_id, "returnByValue": true });
                    let Ok(outcome) = client.send(Some(session), "Runtime.evaluate", &params).await else {
                        continue;
                    };
                    let outcome: Outcome = read("Runtime.evaluate", outcome.get())?;
                    values.extend(outcome.result.value);
                }
            }
            Ok(values)
        };
        tab.guarded(asked).await
    }
}
