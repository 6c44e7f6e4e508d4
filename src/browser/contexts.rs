//! Isolated contexts: cookies and storage of their own, as in a private
//! window, in windows of their own on the same display.

use serde::Deserialize;
use serde_json::json;

use super::downloads;
use super::fault::ActError;
use super::frames::read;
use super::launch::Browser;
use crate::floor::FloorPermit;

/// Contexts at once.
const MOST: usize = 20;

impl Browser {
    /// A new context. It lives until it is disposed of or the browser ends.
    pub async fn new_context(&self, permit: &FloorPermit) -> Result<String, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Made {
            browser_context_id: String,
        }
        if self.contexts().await?.len() >= MOST {
            return Err(ActError::Refused(format!(
                "there are {MOST} isolated contexts already; close one first"
            )));
        }
        permit.check()?;
        let made = self.cdp_client().send(None, "Target.createBrowserContext", &json!({})).await?;
        let made: Made = read("Target.createBrowserContext", made.get())?;
        downloads::listen(self.cdp_client(), Some(&made.browser_context_id)).await?;
        Ok(made.browser_context_id)
    }

    /// The isolated contexts that are there.
    pub async fn contexts(&self) -> Result<Vec<String>, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct List {
            browser_context_ids: Vec<String>,
        }
        let method = "Target.getBrowserContexts";
        let list: List = read(method, self.cdp_client().send(None, method, &json!({})).await?.get())?;
        Ok(list.browser_context_ids)
    }

    /// Opens a tab of a context, in a window of its own. Returns its name.
    pub async fn open_tab_in(
        &self,
        permit: &FloorPermit,
        context: &str,
        url: &str,
    ) -> Result<String, ActError> {
        if !self.contexts().await?.iter().any(|known| known == context) {
            return Err(ActError::Refused(format!(
                "there is no isolated context {context:?}; make one first"
            )));
        }
        permit.check()?;
        let before: Vec<_> = self.tabs().into_iter().map(|tab| tab.target).collect();
        let params = json!({ "url": url, "browserContextId": context, "newWindow": true });
        self.cdp_client().send(None, "Target.createTarget", &params).await?;
        let after = self.look_at_tabs().await;
        let new = after.into_iter().find(|tab| {
            let in_context = || self.tab(&tab.target).is_some_and(|tab| tab.context() == Some(context));
            !before.contains(&tab.target) && in_context()
        });
        let new = new.ok_or(ActError::Closed)?.target;
        if let Some(tab) = self.tab(&new) {
            tab.ready().await?;
        }
        Ok(new)
    }

    /// Closes all tabs of a context and forgets its cookies and storage.
    pub async fn dispose_context(&self, permit: &FloorPermit, context: &str) -> Result<(), ActError> {
        permit.check()?;
        self.end_context(context).await
    }

    /// The same for a context whose agent has gone, and which nobody else can reach.
    pub async fn end_context(&self, context: &str) -> Result<(), ActError> {
        let params = json!({ "browserContextId": context });
        self.cdp_client().send(None, "Target.disposeBrowserContext", &params).await?;
        self.look_at_tabs().await;
        Ok(())
    }
}
