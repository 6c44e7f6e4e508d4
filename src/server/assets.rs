//! The client's files, held inside the program.

use std::borrow::Cow;

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use super::caller::Caller;
use super::context::Context;
use super::error::ApiError;
use super::page;

/// The build of `client/`. It may be missing when the server is compiled; the
/// page then says so.
#[derive(RustEmbed)]
#[folder = "client/dist"]
#[allow_missing = true]
struct Client;

/// One of the pages. The build writes its files' addresses as `./…`; here they
/// become what the browser must ask for, wherever below us the page stands.
pub(super) fn page(context: &Context, name: &str, headers: &HeaderMap) -> Response {
    let base = &context.options.deployment.base;
    let Some(found) = Client::get(name) else {
        return page::page(
            StatusCode::SERVICE_UNAVAILABLE,
            "The client is not built",
            "Run <code>make build</code>, then start Tandem again.",
        );
    };
    let text = String::from_utf8_lossy(&found.data).replace("=\"./", &format!("=\"{base}/"));
    let hash = Sha256::digest(text.as_bytes());
    answer(name, headers, None, &hash, text.into_bytes().into())
}

pub(super) async fn asset(
    _: Caller,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    file(&format!("assets/{path}"), &headers).ok_or_else(|| ApiError::not_found("there is no such file"))
}

/// Files beside the page, such as its icon; everything else is not there.
pub(super) async fn other(_: Caller, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let name = uri.path().trim_start_matches('/');
    let plain = !name.is_empty() && !name.contains('/') && !name.ends_with(".html");
    plain.then(|| file(name, &headers)).flatten().ok_or_else(|| ApiError::not_found("there is nothing here"))
}

/// The page for a frame, which learns whose page it may talk to. An origin has
/// no character that means anything in HTML.
pub(super) fn embed_page(parent: &str) -> Option<String> {
    let found = Client::get("embed.html")?;
    let html = String::from_utf8(found.data.into_owned()).ok()?;
    Some(html.replace("content=\"tandem-parent\"", &format!("content=\"{parent}\"")))
}

/// A file that everybody may have.
pub(super) fn public(name: &str, headers: &HeaderMap) -> Option<Response> {
    name.starts_with("embed").then(|| file(name, headers)).flatten()
}

fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let packed = [("br", "br"), ("gzip", "gz")].into_iter().find_map(|(encoding, ending)| {
        accepts(accepted, encoding)
            .then(|| Client::get(&format!("{path}.{ending}")))?
            .map(|file| (encoding, file))
    });
    let (encoding, found) = match packed {
        Some((encoding, file)) => (Some(encoding), file),
        None => (None, Client::get(path)?),
    };
    let hash = found.metadata.sha256_hash();
    Some(answer(path, headers, encoding, &hash, found.data))
}

fn answer(
    path: &str,
    headers: &HeaderMap,
    encoding: Option<&'static str>,
    hash: &[u8],
    data: Cow<'static, [u8]>,
) -> Response {
    let tag: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let tag = HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|asked| *asked == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let kind = HeaderValue::from_static(kind_of(path));
        ([(header::CONTENT_TYPE, kind)], Body::from(data.into_owned())).into_response()
    };
    let answer = response.headers_mut();
    answer.insert(header::ETAG, tag);
    answer.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // A name with a hash in it never means other bytes.
    let caching = if has_hash(path) { "private, max-age=31536000, immutable" } else { "private, no-cache" };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Some(encoding) = encoding
        && !known
    {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn accepts(header: &str, encoding: &str) -> bool {
    header.split(',').any(|part| {
        let mut pieces = part.split(';').map(str::trim);
        let named = pieces.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        named && !pieces.any(|piece| matches!(piece, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// True for names such as `index-B7x_2kQp.js`, as the client's build makes them.
fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    let part = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    // The hash may itself have a dash in it, so it is counted from the end.
    stem.len() > 9
        && stem.is_char_boundary(stem.len() - 9)
        && stem[stem.len() - 9..].starts_with(['-', '.'])
        && stem.bytes().rev().take(8).all(part)
        && path.starts_with("assets/")
}

fn kind_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_good() {
        for good in ["assets/index-B7x_2kQp.js", "assets/index-a-b_c-d-.css"] {
            assert!(has_hash(good), "{good}");
        }
        for bad in ["index.html", "assets/index.js", "icon-12345678.svg", "assets/x", "assets/ü.js"] {
            assert!(!has_hash(bad), "{bad}");
        }
    }

    #[test]
    fn an_encoding_is_used_only_when_it_is_wanted() {
        assert!(accepts("gzip, deflate, br;q=0.9", "br") && accepts("GZIP", "gzip"));
        assert!(!accepts("gzip;q=0", "gzip") && !accepts("", "br") && !accepts("brotli", "br"));
    }
}
