//! A performance trace of the browser, recorded for a while and read for one tab.
//!
//! Each recording has a CDP client of its own: when it is dropped, Chromium stops.

mod analysis;

pub use analysis::{Analysis, Interaction, LongTask, SlowRequest};

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;

use super::CdpError;
use super::client::{CdpClient, CdpEvent};
use super::fault::ActError;
use super::frames::read;
use super::mux::{MuxError, Rules};
use super::tabs::Tab;

/// What Chromium records at most; then it stops by itself.
const BUFFER_KB: u64 = 64 << 10;
/// What is read at most.
const LARGEST: usize = 96 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

const CATEGORIES: [&str; 9] = [
    "-*",
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "loading",
    "blink.user_timing",
    "v8.execute",
    "v8",
    "toplevel",
];

/// A recording that runs.
pub struct Trace {
    client: CdpClient,
    heard: broadcast::Receiver<Arc<CdpEvent>>,
    frame: String,
}

/// A recording that has ended.
pub struct Recorded {
    /// The trace in Chromium's JSON, which DevTools can open.
    pub json: Vec<u8>,
    pub analysis: Analysis,
}

impl Trace {
    /// Begins to record. One at a time in a browser.
    pub async fn start(tab: &Tab) -> Result<Self, ActError> {
        let state = tab.ready().await?;
        let client = CdpClient::attach(&tab.mux, Rules { owner: true, ..Rules::default() })
            .await
            .map_err(CdpError::from)?;
        let heard = client.events();
        let params = json!({
            "transferMode": "ReturnAsStream", "streamFormat": "json",
            "traceConfig": {
                "recordMode": "recordUntilFull", "traceBufferSizeInKb": BUFFER_KB,
                "excludedCategories": ["*"], "includedCategories": &CATEGORIES[1..],
            },
        });
        match client.send(None, "Tracing.start", &params).await {
            Ok(_) => Ok(Self { client, heard, frame: state.page }),
            Err(CdpError::Refused { message, .. }) => Err(ActError::Refused(format!(
                "the trace cannot begin: {message}; only one runs at a time in a browser"
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the recording, reads it and says what it shows.
    pub async fn stop(mut self) -> Result<Recorded, ActError> {
        #[derive(Deserialize)]
        struct Complete {
            stream: String,
        }
        self.client.send(None, "Tracing.end", &json!({})).await?;
        let complete = async {
            loop {
                match self.heard.recv().await {
                    Ok(event) if event.method == "Tracing.tracingComplete" => {
                        return event.params::<Complete>().map(|complete| complete.stream);
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        };
        let stream = tokio::time::timeout(PATIENCE, complete).await.map_err(|_| ActError::Stuck)?;
        let stream = stream.ok_or(CdpError::from(MuxError::Gone))?;
        let json = read_stream(&self.client, &stream).await?;
        let frame = self.frame.clone();
        // A large trace takes a while to read; other tasks go on meanwhile.
        let read = tokio::task::spawn_blocking(move || {
            let analysis = Analysis::of(&json, &frame);
            analysis.map(|analysis| Recorded { json, analysis })
        });
        let read = read.await.map_err(|_| ActError::Stuck)?;
        read.map_err(|error| ActError::Refused(format!("the trace cannot be read: {error}")))
    }
}

async fn read_stream(client: &CdpClient, stream: &str) -> Result<Vec<u8>, ActError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Piece {
        data: String,
        eof: bool,
        #[serde(default)]
        base64_encoded: bool,
    }
    let mut whole = Vec::new();
    loop {
        let params = json!({ "handle": stream, "size": 1 << 20 });
        let piece: Piece = read("IO.read", client.send(None, "IO.read", &params).await?.get())?;
        match piece.base64_encoded {
            true => whole.extend(BASE64_STANDARD.decode(&piece.data).map_err(|_| ActError::Stuck)?),
            false => whole.extend_from_slice(piece.data.as_bytes()),
        }
        if whole.len() > LARGEST {
            let _ = client.send(None, "IO.close", &json!({ "handle": stream })).await;
            return Err(ActError::Refused(format!(
                "the trace has more than {} MiB; record a shorter time",
                LARGEST >> 20
            )));
        }
        if piece.eof {
            let _ = client.send(None, "IO.close", &json!({ "handle": stream })).await;
            return Ok(whole);
        }
    }
}
