//! A native viewer in a room, let in by the WebSocket as our page is.

use std::time::Duration;

use anyhow::{Context, anyhow};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::service::Service;
use super::viewer::{Viewer, ViewerOptions};
use crate::server::wire::{ClientMessage, ServerMessage};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A viewer and the socket that keeps its seat.
pub(super) struct Seated {
    pub viewer: Viewer,
    keeper: tokio::task::JoinHandle<()>,
}

impl Seated {
    /// Comes into the room `main` as the admin.
    pub async fn enter(service: &Service, options: ViewerOptions) -> anyhow::Result<Self> {
        let mut request = format!("ws://{}/api/rooms/main/ws", service.address).into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {}", service.token).parse()?);
        let (mut socket, _) = connect_async(request).await.context("the room's socket does not open")?;
        let (back, kept) = tokio::sync::oneshot::channel();
        let viewer = Viewer::connect(options, |offer| async move {
            let answer = ask(&mut socket, offer).await.map_err(|error| error.to_string());
            let _ = back.send(socket);
            answer
        })
        .await?;
        let mut socket = kept.await?;
        // Reads on, so that pings are answered, and says nothing.
        let keeper = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        Ok(Self { viewer, keeper })
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn ask(socket: &mut Socket, sdp: String) -> anyhow::Result<String> {
    let offer = serde_json::to_string(&ClientMessage::Offer { sdp })?;
    socket.send(Message::text(offer)).await?;
    let answered = async {
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else { continue };
            match serde_json::from_str(&text)? {
                ServerMessage::Answer { sdp } => return Ok(sdp),
                ServerMessage::Error { message, .. } => return Err(anyhow!(message)),
                _ => {}
            }
        }
        Err(anyhow!("the socket was closed"))
    };
    tokio::time::timeout(Duration::from_secs(10), answered).await?
}
