//! A room in a page of another site: the page for a frame and the script for
//! the element. Owns who may show it, which the browser enforces. Refuses to
//! put a token anywhere: the page keeps it in its memory, and what follows is
//! decided anew where the page opens its socket.
//!
//! ```text
//!  GET /embed/{room}?token=…  ─▶ who made it for whom? ─▶ frame-ancestors, and the page
//!                                unknown ─▶ one sentence
//! ```

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use super::auth::Known;
use super::caller::{refusal_of, remote};
use super::context::Context;
use super::error::ApiError;
use super::guard::{Framing, Public, Site};
use super::origin::Origin;
use super::page::take_token;
use crate::base::RoomId;

/// Why there is nothing in a frame, in the languages that the client has.
#[derive(Clone, Copy)]
enum Nothing {
    NoToken,
    Unknown,
    TooMany,
    NoRoom,
    NotBuilt,
    Failed,
}

impl Nothing {
    fn status(self) -> StatusCode {
        match self {
            Nothing::NoToken | Nothing::Unknown => StatusCode::UNAUTHORIZED,
            Nothing::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Nothing::NoRoom => StatusCode::NOT_FOUND,
            Nothing::NotBuilt => StatusCode::SERVICE_UNAVAILABLE,
            Nothing::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(self, german: bool) -> &'static str {
        match (self, german) {
            (Nothing::NoToken, false) => "This frame was opened without a token. Reload the page around it.",
            (Nothing::NoToken, true) => {
                "Dieser Rahmen wurde ohne Token geöffnet. Lade die Seite, die ihn zeigt, neu."
            }
            (Nothing::Unknown, false) => "The token of this frame is unknown here. Ask for a new one.",
            (Nothing::Unknown, true) => {
                "Das Token dieses Rahmens ist hier nicht bekannt. Lass dir ein neues geben."
            }
            (Nothing::TooMany, false) => "Too many wrong tokens from this network. Wait a minute.",
            (Nothing::TooMany, true) => "Zu viele falsche Token aus diesem Netz. Warte eine Minute.",
            (Nothing::NoRoom, false) => "There is no such room.",
            (Nothing::NoRoom, true) => "Diesen Raum gibt es nicht.",
            (Nothing::NotBuilt, false) => "The client is not built. Run make build, then start Tandem again.",
            (Nothing::NotBuilt, true) => {
                "Der Client ist nicht gebaut. Führe make build aus und starte Tandem neu."
            }
            (Nothing::Failed, false) => "Something failed on the server. Its log says what.",
            (Nothing::Failed, true) => "Auf dem Server ging etwas schief. Sein Protokoll sagt, was.",
        }
    }
}

/// The page for a frame.
pub(super) async fn frame(
    State(context): State<Context>,
    Path(room): Path<String>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let german = speaks_german(&parts.uri);
    let Ok(room) = RoomId::new(&room) else { return nothing(Nothing::NoRoom, german) };
    let Some((secret, _)) = take_token(&parts.uri) else {
        tracing::warn!(%room, "refused a frame without a token");
        return nothing(Nothing::NoToken, german);
    };
    let Ok(from) = remote(&parts) else { return nothing(Nothing::Failed, german) };
    let origin = match context.auth.look(&secret, from.0).await {
        Ok(Known::Token { origin }) => origin,
        Ok(Known::Unknown(denied)) => {
            let refusal = refusal_of(&context, from, denied);
            let too_many = refusal.status() == StatusCode::TOO_MANY_REQUESTS;
            return nothing(if too_many { Nothing::TooMany } else { Nothing::Unknown }, german);
        }
        Err(error) => {
            tracing::error!(%error, "cannot look a token up");
            return nothing(Nothing::Failed, german);
        }
    };
    // Kept tokens have what was an origin when they were made.
    let origin = origin.and_then(|origin| origin.parse::<Origin>().ok());
    let own = parts.extensions.get::<Site>().map(|site| {
        let scheme = if site.secure { "https" } else { "http" };
        format!("{scheme}://{}", site.host)
    });
    let parent = origin.as_ref().map(Origin::to_string).or(own).unwrap_or_default();
    match assets::embed_page(&parent) {
        None => nothing(Nothing::NotBuilt, german),
        Some(html) => {
            let mut response = Html(html).into_response();
            response.extensions_mut().insert(origin.map_or(Framing::Own, Framing::By));
            response
        }
    }
}

/// A script for other sites' pages.
pub(super) async fn script(uri: Uri, headers: HeaderMap) -> Response {
    let mut response = own_script(uri, headers).await;
    response.extensions_mut().insert(Public);
    response
}

/// A script of our own page in a frame, which has no token to load it with.
pub(super) async fn own_script(uri: Uri, headers: HeaderMap) -> Response {
    let name = uri.path().rsplit('/').next().unwrap_or_default();
    assets::public(name, &headers)
        .unwrap_or_else(|| ApiError::not_found("the client is not built; run make build").into_response())
}

fn speaks_german(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == "lang=de" || pair.starts_with("lang=de-"))
}

/// One sentence, in whoever's frame: it holds nothing that could be misused.
fn nothing(why: Nothing, german: bool) -> Response {
    let lang = if german { "de" } else { "en" };
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><title>Tandem</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <body style=\"font:14px/1.4 system-ui;margin:0;min-height:100vh;display:grid;place-items:center;text-align:center\">\
         <p style=\"max-width:26em;padding:16px;text-wrap:balance\">{}</p></body></html>",
        why.words(german)
    );
    let mut response = (why.status(), [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response();
    response.extensions_mut().insert(Framing::Anyone);
    response
}
