//! A script that stands in a world of its own in every document, where no page
//! and no agent gets at it, and tells by a binding. Owns how it gets there and
//! how its words are read; what they mean is its owner's.

use serde::Deserialize;
use serde_json::json;

use super::act::Reply;
use super::attach::Attached;
use super::client::{CdpClient, CdpError, CdpEvent};

pub(super) struct Planted {
    pub script: &'static str,
    pub world: &'static str,
    /// The function by which it tells.
    pub binding: &'static str,
    /// The longest that it tells at once; more is passed over.
    pub longest: usize,
}

/// What a script told, and the context that it is in.
#[derive(Debug)]
pub(super) struct Words {
    pub context: i64,
    pub text: String,
}

impl Planted {
    /// Puts it into all documents of a page or frame, and into what comes to be
    /// inside of it. The answer to the last command comes when it is there.
    pub async fn plant(
        &self,
        client: &CdpClient,
        attached: &Attached,
        session: &str,
    ) -> Result<Reply, CdpError> {
        let world = self.world;
        for (method, params) in [
            // Without it the script is not put into new documents.
            ("Page.enable", json!({})),
            // Without it no binding is put into new documents.
            ("Runtime.enable", json!({})),
            ("Runtime.addBinding", json!({ "name": self.binding, "executionContextName": world })),
            attached.inward(),
        ] {
            drop(client.post(Some(session), method, &params).await?);
        }
        let params = json!({ "source": self.script, "worldName": world, "runImmediately": true });
        client.post(Some(session), "Page.addScriptToEvaluateOnNewDocument", &params).await
    }

    /// What it tells by this event, if it does.
    pub fn words(&self, event: &CdpEvent) -> Option<Words> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Called {
            name: String,
            payload: String,
            execution_context_id: i64,
        }
        if event.method != "Runtime.bindingCalled" {
            return None;
        }
        let called: Called = event.params()?;
        let ours = called.name == self.binding && called.payload.len() <= self.longest;
        ours.then_some(Words { context: called.execution_context_id, text: called.payload })
    }
}
