//! A page that nobody sees, on an origin of choice without asking its server:
//! every request of it is answered here with an empty document.

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
use super::mux::{Multiplexer, Rules};

const PATIENCE: Duration = Duration::from_secs(10);

/// Goes with its client.
pub(super) struct Hidden {
    client: CdpClient,
    session: String,
    heard: broadcast::Receiver<Arc<CdpEvent>>,
}

impl Hidden {
    pub async fn open(mux: &Multiplexer, context: Option<&str>) -> Result<Self, ActError> {
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
        let client = CdpClient::attach(mux, Rules { owner: true, ..Rules::default() })
            .await
            .map_err(super::CdpError::from)?;
        let heard = client.events();
        let mut params = json!({ "url": "about:blank", "background": true, "hidden": true });
        if let Some(context) = context {
            params["browserContextId"] = context.into();
        }
        let made = client.send(None, "Target.createTarget", &params).await?;
        let made: Made = read("Target.createTarget", made.get())?;
        let params = json!({ "targetId": made.target_id, "flatten": true });
        let attached = client.send(None, "Target.attachToTarget", &params).await?;
        let attached: Attached = read("Target.attachToTarget", attached.get())?;
        let session = attached.session_id;
        let all = json!({ "patterns": [{ "urlPattern": "*" }] });
        client.send(Some(&session), "Fetch.enable", &all).await?;
        Ok(Self { client, session, heard })
    }

    /// Shows an empty document of this origin.
    pub async fn go(&mut self, origin: &str) -> Result<(), ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Paused {
            request_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Went {
            error_text: Option<String>,
        }
        let url = format!("{origin}/");
        let mut went = self.client.post(Some(&self.session), "Page.navigate", &json!({ "url": url })).await?;
        let body = BASE64_STANDARD.encode("<!doctype html>");
        let headers = json!([{ "name": "content-type", "value": "text/html" }]);
        let going = async {
            loop {
                tokio::select! {
                    went = &mut went => return went.unwrap_or(Err(super::MuxError::Gone.into())),
                    event = self.heard.recv() => match event {
                        Ok(event) if event.method == "Fetch.requestPaused" => {
                            let Some(paused) = event.params::<Paused>() else { continue };
                            let params = json!({ "requestId": paused.request_id, "responseCode": 200,
                                "responseHeaders": headers, "body": body });
                            drop(self.client.post(Some(&self.session), "Fetch.fulfillRequest", &params).await?);
                        }
                        Err(broadcast::error::RecvError::Closed) => return Err(super::MuxError::Gone.into()),
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    },
                }
            }
        };
        let went = tokio::time::timeout(PATIENCE, going).await.map_err(|_| ActError::Stuck)??;
        match read::<Went>("Page.navigate", went.get())?.error_text {
            Some(error) => Err(ActError::Refused(format!("{error} at {origin}"))),
            None => Ok(()),
        }
    }

    pub async fn run(&self, expression: &str) -> Result<Value, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Outcome {
            result: Remote,
            exception_details: Option<Value>,
        }
        #[derive(Deserialize)]
        struct Remote {
            #[serde(default)]
            value: Value,
        }
        let method = "Runtime.evaluate";
        let params = json!({ "expression": expression, "returnByValue": true });
        let outcome: Outcome =
            read(method, self.client.send(Some(&self.session), method, &params).await?.get())?;
        match outcome.exception_details {
            Some(_) => Err(ActError::Refused("the origin's storage does not take it; it may be full".into())),
            None => Ok(outcome.result.value),
        }
    }
}
