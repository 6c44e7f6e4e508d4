//! The page: where a token in the address moves to a cookie and disappears.

use axum::extract::{FromRequestParts as _, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};

use super::assets;
use super::base_path::BasePath;
use super::caller::{BROWSER_COOKIE, Caller, TOKEN_COOKIE, browser, remote};
use super::context::Context;
use super::error::ApiError;
use super::guard::Site;
use crate::base::RoomId;
use crate::store::UnixSeconds;

/// How long a browser keeps a token that has no end of its own.
const COOKIE_DAYS: i64 = 30;

pub(super) async fn root(State(context): State<Context>, request: Request) -> Response {
    match visit(&context, request, "/").await {
        Err(response) => response,
        Ok(caller) => {
            let room = caller.room.as_ref().map_or("main", RoomId::as_str);
            see_other(&context.options.deployment.base.at(&format!("/rooms/{room}")))
        }
    }
}

pub(super) async fn room(
    State(context): State<Context>,
    Path(room): Path<String>,
    request: Request,
) -> Response {
    let Ok(room) = RoomId::new(&room) else {
        return match visit(&context, request, "/").await {
            Err(response) => response,
            Ok(_) => sorry(&ApiError::not_found("There is no such room.")),
        };
    };
    let headers = request.headers().clone();
    match visit(&context, request, &format!("/rooms/{room}")).await {
        Err(response) => response,
        Ok(caller) => match caller.enter(&room) {
            Err(refusal) => sorry(&refusal),
            Ok(()) if context.rooms.get(&room).is_none() => {
                sorry(&ApiError::not_found(format!("There is no room named {room}.")))
            }
            Ok(()) => assets::page(&context, "index.html", &headers),
        },
    }
}

/// The page that tries which way to the server a browser has.
pub(super) async fn doctor(State(context): State<Context>, request: Request) -> Response {
    let headers = request.headers().clone();
    match visit(&context, request, "/doctor").await {
        Err(response) => response,
        Ok(_) => assets::page(&context, "doctor.html", &headers),
    }
}

/// The page of whoever administers the server. It holds nothing that is not
/// asked of the API, and tells others how to come in as one who may.
pub(super) async fn admin(State(context): State<Context>, request: Request) -> Response {
    let headers = request.headers().clone();
    match visit(&context, request, "/admin").await {
        Err(refused) if refused.status() == StatusCode::UNAUTHORIZED => page(
            StatusCode::UNAUTHORIZED,
            "This page is for who administers the server",
            "Open it with the admin's token, by the address that Tandem printed when it started: \
             <code>/admin?token=…</code>",
        ),
        Err(response) => response,
        Ok(caller) => {
            let mut response = assets::page(&context, "admin.html", &headers);
            if caller.administer().is_err() && response.status().is_success() {
                *response.status_mut() = StatusCode::FORBIDDEN;
            }
            response
        }
    }
}

/// Who visits a page; or what to answer instead.
async fn visit(context: &Context, request: Request, path: &str) -> Result<Caller, Response> {
    let (mut parts, _) = request.into_parts();
    let Some((secret, query)) = take_token(&parts.uri) else {
        return Caller::from_request_parts(&mut parts, context).await.map_err(|refusal| sorry(&refusal));
    };
    let from = remote(&parts).map_err(|refusal| sorry(&refusal))?;
    let caller = Caller::from_secret(context, &secret, from, None, None, None)
        .await
        .map_err(|refusal| sorry(&refusal))?;
    if caller.credential.origin.is_some() {
        // It would go into a cookie, which such a token never does.
        return Err(sorry(&ApiError::forbidden("This link is for a frame in another page.")));
    }
    let secure = parts.extensions.get::<Site>().is_some_and(|site| site.secure);
    let base = &context.options.deployment.base;
    let mut response = see_other(&base.at(&format!("{path}{query}")));
    set_cookies(response.headers_mut(), &parts.headers, &secret, &caller, (secure, base))
        .map_err(|error| sorry(&error))?;
    Err(response)
}

/// Splits the token off a query; the rest begins with `?` unless it is empty.
pub(super) fn take_token(uri: &Uri) -> Option<(String, String)> {
    let (tokens, rest): (Vec<&str>, Vec<&str>) =
        uri.query()?.split('&').partition(|pair| pair.split('=').next() == Some("token"));
    let secret = tokens.first()?.split_once('=').map_or("", |(_, value)| value).to_owned();
    let rest = rest.join("&");
    Some((secret, if rest.is_empty() { rest } else { format!("?{rest}") }))
}

fn set_cookies(
    answer: &mut HeaderMap,
    request: &HeaderMap,
    secret: &str,
    caller: &Caller,
    (secure, base): (bool, &BasePath),
) -> Result<(), ApiError> {
    let longest = COOKIE_DAYS * 24 * 3600;
    let age = caller
        .credential
        .expires_at
        .map_or(longest, |end| end.0.saturating_sub(UnixSeconds::now().0).clamp(0, longest));
    let secure = if secure { "; Secure" } else { "" };
    let path = base.cookie_path();
    let mark = match browser(request) {
        Some(mark) => mark.to_owned(),
        None => {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).map_err(ApiError::internal)?;
            format!("{:016x}", u64::from_be_bytes(bytes))
        }
    };
    for (name, value) in [(TOKEN_COOKIE, secret), (BROWSER_COOKIE, &mark)] {
        let cookie = format!("{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        answer.append(header::SET_COOKIE, HeaderValue::from_str(&cookie).map_err(ApiError::internal)?);
    }
    Ok(())
}

fn see_other(to: &str) -> Response {
    match HeaderValue::from_str(to) {
        Ok(to) => (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response(),
        Err(error) => ApiError::bad_request(error.to_string()).into_response(),
    }
}

/// A refusal as a page for a person.
fn sorry(refusal: &ApiError) -> Response {
    let (title, text) = match refusal.status() {
        StatusCode::UNAUTHORIZED => (
            "This link is not valid",
            "Open the address with a token that Tandem printed when it started, or ask for a new link.",
        ),
        _ => ("This does not work", refusal.message()),
    };
    page(refusal.status(), title, text)
}

/// A page with one sentence. The texts are ours, without anything to escape.
pub(super) fn page(status: StatusCode, title: &str, text: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tandem</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <body style=\"font:16px system-ui;max-width:32em;margin:20vh auto;padding:0 1em\">\
         <h1 style=\"font-size:1.25em\">{title}</h1><p>{text}</p></body></html>"
    );
    (status, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leaves_the_address_and_the_rest_stays() {
        let take = |uri: &'static str| take_token(&Uri::from_static(uri));
        assert_eq!(take("/rooms/main?token=abc"), Some(("abc".into(), String::new())));
        assert_eq!(take("/?a=1&token=abc&b=2&token=x"), Some(("abc".into(), "?a=1&b=2".into())));
        assert_eq!(take("/?token"), Some((String::new(), String::new())));
        assert_eq!(take("/?tokens=abc"), None);
        assert_eq!(take("/"), None);
    }
}
