//! A place for an agent's own program: a JavaScript realm in a page that
//! nobody sees, in a browser context and process of its own. It has no
//! network, no storage and no way to the room but one: it calls by a binding,
//! and whoever opened it answers. Its end takes all of it away.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::client::{CdpClient, CdpEvent};
use super::fault::ActError;
use super::frames::read;
use super::launch::Browser;
use super::mux::Rules;

const PATIENCE: Duration = Duration::from_secs(10);
const BINDING: &str = "__tandem_call";
const ADDRESS: &str = "https://realm.invalid/";
/// Scripts come by the protocol alone, which this does not concern.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-eval'; webrtc 'block'; sandbox allow-scripts";
const CUT_OFF: &str =
    "the code called faster than could be answered (await each call), or the browser has gone";
/// The longest that one call may tell.
const LONGEST_CALL: usize = 8 << 20;

/// Goes with its client.
pub struct Realm {
    client: CdpClient,
    session: String,
    heard: broadcast::Receiver<Arc<CdpEvent>>,
    program: Option<super::act::Reply>,
}

/// What a program does.
#[derive(Clone, Debug)]
pub enum RealmEvent {
    /// It called.
    Called(Value),
    /// It ended without a word: it cannot be read, or its process has gone.
    Failed(String),
}

impl Realm {
    /// A realm in which this script has run.
    pub async fn open(browser: &Browser, script: &str) -> Result<Self, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Context {
            browser_context_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Made {
            target_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Attached {
            session_id: String,
        }
        let rules = Rules { owner: true, ..Rules::default() };
        let client = browser.client_of_own(rules).await.map_err(super::CdpError::from)?;
        let heard = client.events();
        let method = "Target.createBrowserContext";
        let context = client.send(None, method, &json!({ "disposeOnDetach": true })).await?;
        let context: Context = read(method, context.get())?;
        let params = json!({
            "url": "about:blank", "background": true, "hidden": true,
            "browserContextId": context.browser_context_id,
        });
        let made: Made =
            read("Target.createTarget", client.send(None, "Target.createTarget", &params).await?.get())?;
        let params = json!({ "targetId": made.target_id, "flatten": true });
        let method = "Target.attachToTarget";
        let attached: Attached = read(method, client.send(None, method, &params).await?.get())?;
        let mut realm = Self { client, session: attached.session_id, heard, program: None };
        let all = json!({ "patterns": [{ "urlPattern": "*" }] });
        let offline =
            json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 });
        for (method, params) in
            [("Fetch.enable", all), ("Inspector.enable", json!({})), ("Network.enable", json!({}))]
        {
            realm.client.send(Some(&realm.session), method, &params).await?;
        }
        tokio::time::timeout(PATIENCE, realm.settle()).await.map_err(|_| ActError::Stuck)??;
        for (method, params) in [
            // Also what asks no leave of `Fetch`, such as a WebSocket.
            ("Network.emulateNetworkConditions", offline),
            ("Runtime.enable", json!({})),
            ("Runtime.addBinding", json!({ "name": BINDING })),
        ] {
            realm.client.send(Some(&realm.session), method, &params).await?;
        }
        realm.evaluate(script).await?;
        Ok(realm)
    }

    /// Shows an empty document with the policy; nothing else is ever answered.
    async fn settle(&mut self) -> Result<(), ActError> {
        let params = json!({ "url": ADDRESS });
        let mut went = self.client.post(Some(&self.session), "Page.navigate", &params).await?;
        let headers = json!([
            { "name": "content-type", "value": "text/html" },
            { "name": "content-security-policy", "value": POLICY },
            { "name": "x-dns-prefetch-control", "value": "off" },
        ]);
        let body = BASE64_STANDARD.encode("<!doctype html>");
        loop {
            tokio::select! {
                went = &mut went => {
                    went.map_err(|_| super::CdpError::from(super::MuxError::Gone))??;
                    return Ok(());
                }
                event = self.heard.recv() => match event {
                    Ok(event) if event.method == "Fetch.requestPaused" => {
                        let Some(request) = paused(&event) else { continue };
                        let params = json!({ "requestId": request, "responseCode": 200,
                            "responseHeaders": headers, "body": body });
                        drop(self.client.post(Some(&self.session), "Fetch.fulfillRequest", &params).await?);
                    }
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(super::CdpError::from(super::MuxError::Gone).into());
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                },
            }
        }
    }

    async fn evaluate(&self, expression: &str) -> Result<(), ActError> {
        let params = json!({ "expression": expression, "returnByValue": false });
        let answer = self.client.send(Some(&self.session), "Runtime.evaluate", &params).await?;
        match thrown(answer.get()) {
            Some(why) => Err(ActError::Page(why)),
            None => Ok(()),
        }
    }

    /// Begins a program; what it does comes by [`Realm::next`].
    pub async fn begin(&mut self, expression: &str) -> Result<(), ActError> {
        let params = json!({ "expression": expression, "returnByValue": false });
        self.program = Some(self.client.post(Some(&self.session), "Runtime.evaluate", &params).await?);
        Ok(())
    }

    /// Runs something short in it, such as an answer to a call. Nobody waits for it.
    pub async fn tell(&self, expression: &str) -> Result<(), ActError> {
        let params = json!({ "expression": expression, "returnByValue": false });
        let told = self.client.post(Some(&self.session), "Runtime.evaluate", &params).await;
        // A client that is called without a pause is cut off, so that it slows nobody else.
        drop(told.map_err(|_| ActError::Page(CUT_OFF.to_owned()))?);
        Ok(())
    }

    /// What the program does next. May be dropped at any time.
    pub async fn next(&mut self) -> RealmEvent {
        #[derive(Deserialize)]
        struct Called {
            name: String,
            payload: String,
        }
        loop {
            let begun = async {
                match &mut self.program {
                    Some(program) => program.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = self.heard.recv() => match event {
                    Ok(event) => match event.method.as_str() {
                        "Runtime.bindingCalled" => {
                            let Some(called) = event.params::<Called>().filter(|called| called.name == BINDING) else {
                                continue;
                            };
                            if called.payload.len() > LONGEST_CALL {
                                return RealmEvent::Failed(format!("one call may tell at most {LONGEST_CALL} bytes"));
                            }
                            match serde_json::from_str(&called.payload) {
                                Ok(value) => return RealmEvent::Called(value),
                                Err(_) => continue,
                            }
                        }
                        "Fetch.requestPaused" => {
                            if let Some(request) = paused(&event) {
                                let params = json!({ "requestId": request, "errorReason": "BlockedByClient" });
                                let _ = self.client.post(Some(&self.session), "Fetch.failRequest", &params).await;
                            }
                        }
                        "Inspector.targetCrashed" | "Target.targetCrashed" => {
                            return RealmEvent::Failed("its process ended; it may have used too much memory".into());
                        }
                        "Runtime.executionContextsCleared" => {
                            return RealmEvent::Failed("it left its own page, which is not the room's".into());
                        }
                        _ => {}
                    },
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        return RealmEvent::Failed(CUT_OFF.into());
                    }
                    Err(broadcast::error::RecvError::Closed) => {
                        return RealmEvent::Failed(CUT_OFF.into());
                    }
                },
                begun = begun => {
                    self.program = None;
                    match begun {
                        Ok(Ok(answer)) => if let Some(why) = thrown(answer.get()) {
                            return RealmEvent::Failed(why);
                        },
                        Ok(Err(error)) => return RealmEvent::Failed(error.to_string()),
                        Err(_) => return RealmEvent::Failed("the browser has gone".into()),
                    }
                }
            }
        }
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        // A loop without end is ended rather than left to the process's own end.
        let (client, session) = (self.client.clone(), std::mem::take(&mut self.session));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = client.post(Some(&session), "Runtime.terminateExecution", &json!({})).await;
                let _ = client.post(Some(&session), "Page.close", &json!({})).await;
            });
        }
    }
}

fn paused(event: &CdpEvent) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Paused {
        request_id: String,
    }
    event.params::<Paused>().map(|paused| paused.request_id)
}

/// What a script threw, as its outcome says.
fn thrown(outcome: &str) -> Option<String> {
    let outcome: Value = serde_json::from_str(outcome).ok()?;
    let details = outcome.get("exceptionDetails")?;
    let exception = &details["exception"];
    let text = exception["description"].as_str().or(exception["value"].as_str()).or(details["text"].as_str());
    Some(text.unwrap_or("an error").to_owned())
}
