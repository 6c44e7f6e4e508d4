//! Going somewhere: addresses, history, tabs, and waiting for what is asked for.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::fault::ActError;
use super::frames::{obstacle, read};
use super::launch::Browser;
use super::tabs::Tab;
use crate::floor::FloorPermit;

/// Why an agent may not go there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the address is empty")]
    Empty,
    #[error("the address is longer than {LONGEST} characters")]
    TooLong,
    #[error("{scheme}: addresses are not opened here; use http or https")]
    Scheme { scheme: String },
    #[error("the address has a character that no address has")]
    Character,
}

const LONGEST: usize = 65_536;
/// A page that does not answer for so long while it is left loops.
const LOOPING: Duration = Duration::from_secs(2);

/// Checks an address and adds a scheme if it has none.
pub fn address(text: &str) -> Result<String, AddressError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.len() > LONGEST {
        return Err(AddressError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(AddressError::Character);
    }
    if text.eq_ignore_ascii_case("about:blank") {
        return Ok("about:blank".to_owned());
    }
    let scheme = text.split_once(':').filter(|(scheme, rest)| {
        let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        // `localhost:8080` has a port, not a scheme.
        let port = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_port = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        named && !(is_port && (scheme.contains('.') || *scheme == "localhost"))
    });
    match scheme {
        Some((scheme, _)) => match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" | "data" => Ok(text.to_owned()),
            other => Err(AddressError::Scheme { scheme: other.to_owned() }),
        },
        None => {
            let host = text.split(['/', ':', '?', '#']).next().unwrap_or_default();
            let local = host == "localhost"
                || host.ends_with(".localhost")
                || host.starts_with("127.")
                || text.starts_with("[::1]");
            Ok(format!("{}://{text}", if local { "http" } else { "https" }))
        }
    }
}

impl Tab {
    /// Goes to an address and waits until its document can be read.
    pub async fn navigate(&self, permit: &FloorPermit, url: &str, deadline: Instant) -> Result<(), ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Went {
            loader_id: Option<String>,
            error_text: Option<String>,
            #[serde(default)]
            is_download: bool,
        }
        let state = match self.ready().await {
            // A new document is what mends a crash.
            Err(ActError::Crashed) => self.state(),
            ready => ready?,
        };
        // While a navigation is on its way, nothing asked of the page is answered.
        if !state.crashed && !state.navigation.pending {
            self.end_a_loop(permit).await?;
        }
        permit.check()?;
        let before = state.navigation.committed;
        let params = json!({ "url": url });
        let mut after = self.state.clone();
        let went = self.client.send(Some(&state.session), "Page.navigate", &params);
        let went = tokio::select! {
            went = went => went?,
            // The page that is left may ask whether one really wants to leave.
            _ = after.wait_for(|state| state.dialog.is_some() || state.closed) => {
                return Err(obstacle(&self.state()).unwrap_or(ActError::Closed));
            }
            () = tokio::time::sleep_until(deadline) => {
                return Err(ActError::Refused(format!("{url} did not answer in time; it may still load")));
            }
        };
        let went: Went = read("Page.navigate", went.get())?;
        if went.is_download {
            return Err(ActError::Refused(format!("{url} is a download; it has started")));
        }
        if let Some(error) = went.error_text {
            return Err(ActError::Refused(format!("{error} at {url}")));
        }
        if went.loader_id.is_some() {
            self.arrived(before, deadline).await?;
        }
        Ok(())
    }

    /// A page in an endless loop would hold up the next page of its site,
    /// which has the same process: its script is ended. Once the navigation
    /// has begun, Chromium would no longer pass this on to the page.
    async fn end_a_loop(&self, permit: &FloorPermit) -> Result<(), ActError> {
        let session = self.state.borrow().session.clone();
        let question = json!({ "expression": "0" });
        let answer = self.client.post(Some(&session), "Runtime.evaluate", &question).await?;
        if tokio::time::timeout(LOOPING, answer).await.is_err() {
            permit.check()?;
            self.end_script(&session).await;
        }
        Ok(())
    }

    async fn end_script(&self, session: &str) {
        tracing::info!("a page did not answer while it was left; its script was ended");
        // It is heard in the middle of the loop; a page that has gone needs it no more.
        let _ = self.client.post(Some(session), "Runtime.terminateExecution", &json!({})).await;
    }

    /// Goes back by one; false when there is nothing to go back to.
    pub async fn back(&self, permit: &FloorPermit, deadline: Instant) -> Result<bool, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct History {
            current_index: usize,
            entries: Vec<Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            id: i64,
            url: String,
        }
        let state = self.ready().await?;
        let nothing = json!({});
        let history = self.client.send(Some(&state.session), "Page.getNavigationHistory", &nothing);
        let history: History = read("Page.getNavigationHistory", self.guarded(history).await?.get())?;
        let Some(entry) = history.current_index.checked_sub(1).and_then(|at| history.entries.get(at)) else {
            return Ok(false);
        };
        permit.check()?;
        let mut after = self.state.clone();
        let (before, url) = (state.navigation.committed, entry.url.clone());
        let params = json!({ "entryId": entry.id });
        let went = self.client.send(Some(&state.session), "Page.navigateToHistoryEntry", &params);
        self.guarded(went).await?;
        // Within one document nothing is committed, but the address changes.
        let moved = after.wait_for(|state| {
            state.navigation.committed > before
                || state.url == url && !state.navigation.pending
                || obstacle(state).is_some()
        });
        let _ = tokio::time::timeout_at(deadline, moved).await;
        self.arrival(deadline).await?;
        Ok(true)
    }

    /// Waits until a navigation after `before` has arrived and can be read.
    /// The page is asked too: a new process may have begun before its events were on.
    async fn arrived(&self, before: u64, deadline: Instant) -> Result<(), ActError> {
        let mut state = self.state.clone();
        let question = json!({ "expression": "document.readyState !== 'loading'", "returnByValue": true });
        loop {
            let glance = deadline.min(Instant::now() + Duration::from_millis(100));
            let arrived = state.wait_for(|state| {
                state.navigation.committed > before && state.navigation.ready || obstacle(state).is_some()
            });
            match tokio::time::timeout_at(glance, arrived).await {
                Ok(Ok(state)) => return obstacle(&state).map_or(Ok(()), Err),
                Ok(Err(_)) => return Err(ActError::Closed),
                // What is there can be looked at, though it is not complete.
                Err(_) if Instant::now() >= deadline => return Ok(()),
                Err(_) => {}
            }
            let top = self.top();
            let asked =
                tokio::time::timeout_at(deadline, self.run(&top, "Runtime.evaluate", &question)).await;
            match asked {
                Ok(Ok(value)) if value.get() == "true" => return Ok(()),
                Ok(Ok(_)) | Err(_) => {}
                Ok(Err(error)) if error.is_gone() => {}
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    /// Waits for a navigation in flight, if there is one.
    pub(super) async fn arrival(&self, deadline: Instant) -> Result<(), ActError> {
        let mut state = self.state.clone();
        let arrived = state.wait_for(|state| {
            !state.navigation.pending && state.navigation.ready || obstacle(state).is_some()
        });
        match tokio::time::timeout_at(deadline, arrived).await {
            Ok(Ok(state)) => obstacle(&state).map_or(Ok(()), Err),
            Ok(Err(_)) => Err(ActError::Closed),
            Err(_) => Ok(()),
        }
    }

    /// Whether a text can be seen in the page or a frame of it.
    pub async fn shows(&self, text: &str) -> Result<bool, ActError> {
        self.ready().await?;
        let argument = json!({ "text": text });
        for place in self.places() {
            match self.call::<bool>(&place, "hasText", &argument).await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl Browser {
    /// Opens a tab in front and returns its name.
    pub async fn open_tab(&self, permit: &FloorPermit, url: &str) -> Result<String, ActError> {
        permit.check()?;
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            target_id: String,
        }
        let before: Vec<_> = self.tabs().into_iter().map(|tab| tab.target).collect();
        let created = self.cdp_client().send(None, "Target.createTarget", &json!({ "url": url })).await?;
        let created: Created = read("Target.createTarget", created.get())?;
        // Others may open tabs at the same time: this one is known by its page.
        for info in self.look_at_tabs().await {
            if !before.contains(&info.target)
                && let Some(tab) = self.tab(&info.target)
            {
                let ready = tab.ready().await;
                if tab.page() == created.target_id {
                    return ready.map(|_| info.target);
                }
            }
        }
        Err(ActError::Closed)
    }

    /// Brings a tab to the front, for everybody.
    pub async fn select_tab(&self, permit: &FloorPermit, tab: &Tab) -> Result<(), ActError> {
        permit.check()?;
        let params = json!({ "targetId": tab.target() });
        self.cdp_client().send(None, "Target.activateTarget", &params).await?;
        self.look_at_tabs().await;
        Ok(())
    }

    /// Closes a tab. The last one is replaced first: a window without tabs ends the browser.
    pub async fn close_tab(&self, permit: &FloorPermit, tab: &Tab) -> Result<(), ActError> {
        let tabs = self.look_at_tabs().await;
        if tabs.len() == 1 && tabs[0].target == tab.target() {
            self.open_tab(permit, "about:blank").await?;
        }
        permit.check()?;
        let mut state = tab.state.clone();
        let params = json!({ "targetId": tab.target() });
        self.cdp_client().send(None, "Target.closeTarget", &params).await?;
        let closed = state.wait_for(|state| state.closed || state.dialog.is_some());
        if tokio::time::timeout(Duration::from_secs(2), closed).await.is_err() {
            permit.check()?;
            let session = tab.state.borrow().session.clone();
            tab.end_script(&session).await;
            let closed = state.wait_for(|state| state.closed || state.dialog.is_some());
            let _ = tokio::time::timeout(Duration::from_secs(2), closed).await;
        }
        self.look_at_tabs().await;
        match tab.dialog() {
            Some(dialog) => Err(ActError::Dialog(dialog)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_a_scheme_and_dangerous_ones_are_refused() {
        for (text, wanted) in [
            ("example.com", "https://example.com"),
            ("localhost:8080/x", "http://localhost:8080/x"),
            ("127.0.0.1:1", "http://127.0.0.1:1"),
            ("example.com:8443/a?b", "https://example.com:8443/a?b"),
            (" http://a/ ", "http://a/"),
            ("about:blank", "about:blank"),
        ] {
            assert_eq!(address(text).as_deref(), Ok(wanted));
        }
        for bad in [
            "",
            "file:///etc/passwd",
            "FILE:/x",
            "javascript:1",
            "chrome://settings",
            "view-source:http://a",
            "devtools://x",
            "about:flags",
            "a\nb",
            "blob:x",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
