//! A WebSocket on loopback for clients that live in this process but speak
//! only that: chromiumoxide. The path is a secret of 128 bits, and a request
//! that carries an Origin comes from a page and is refused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig};

use super::{LONGEST_FROM_CLIENT, Multiplexer, Rules};
use crate::base::Redacted;
use crate::process::OwnPort;

/// The open door. Dropping it closes it for new clients.
pub struct Door {
    url: Redacted<String>,
    listener: tokio::task::JoinHandle<()>,
    /// No page gets here, whatever a room may reach.
    _own: OwnPort,
}

impl Door {
    pub async fn open(mux: Multiplexer, rules: Rules) -> std::io::Result<Self> {
        let mut secret = [0u8; 16];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let path = format!("/{}", secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Redacted::new(format!("ws://{}{path}", listener.local_addr()?));
        let own = OwnPort::claim(listener.local_addr()?.port());
        let path: Arc<str> = path.into();
        // Strangers that connect and say nothing cannot fill more than this; more wait at the socket.
        let places = Arc::new(Semaphore::new(16));
        let listener = tokio::spawn(async move {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let stream = match listener.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "the internal CDP door cannot accept");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let (mux, path) = (mux.clone(), Arc::clone(&path));
                tokio::spawn(async move {
                    serve(stream, mux, rules, &path).await;
                    drop(place);
                });
            }
        });
        Ok(Self { url, listener, _own: own })
    }

    pub fn url(&self) -> &str {
        self.url.reveal()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn serve(stream: TcpStream, mux: Multiplexer, rules: Rules, path: &str) {
    let _ = stream.set_nodelay(true);
    #[allow(clippy::result_large_err, reason = "the shape of the answer is the library's")]
    let check = |request: &Request, response: Response| {
        let known: bool = request.uri().path().as_bytes().ct_eq(path.as_bytes()).into();
        if known && !request.headers().contains_key(http::header::ORIGIN) {
            return Ok(response);
        }
        let mut refusal = http::Response::new(None);
        *refusal.status_mut() = http::StatusCode::FORBIDDEN;
        Err(refusal)
    };
    let config = WebSocketConfig::default()
        // It is cleared for every read.
        .read_buffer_size(16 << 10)
        .max_message_size(Some(LONGEST_FROM_CLIENT))
        .max_frame_size(Some(LONGEST_FROM_CLIENT));
    let handshake = tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(config));
    let Ok(Ok(socket)) = tokio::time::timeout(Duration::from_secs(5), handshake).await else { return };
    let Ok(mut attached) = mux.attach(rules).await else { return };
    let to_browser = attached.sender();
    let (mut sink, mut source) = socket.split();
    loop {
        tokio::select! {
            message = attached.next() => {
                let Some(message) = message else { break };
                let Ok(text) = Utf8Bytes::try_from(message) else { continue };
                if sink.send(Message::Text(text)).await.is_err() {
                    break;
                }
            }
            message = source.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if to_browser.send(Bytes::from(text)).await.is_err() {
                        break;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = sink.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    #[tokio::test]
    async fn a_page_and_a_guess_are_refused() {
        let (read, _keep) = rustix::pipe::pipe().expect("pipe");
        let (_keep_too, write) = rustix::pipe::pipe().expect("pipe");
        let mux = Multiplexer::start(read, write).expect("starts");
        let door = Door::open(mux, Rules::default()).await.expect("opens");
        let mut page = door.url().into_client_request().expect("request");
        page.headers_mut().insert("origin", "http://evil.example".parse().expect("value"));
        assert!(tokio_tungstenite::connect_async(page).await.is_err());
        let guess = format!("{}0", door.url());
        assert!(tokio_tungstenite::connect_async(guess).await.is_err());
        assert!(tokio_tungstenite::connect_async(door.url()).await.is_ok());
    }
}
