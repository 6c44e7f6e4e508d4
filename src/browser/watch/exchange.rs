//! The bodies of one request, asked for when somebody wants them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use super::{Watch, cut};
use crate::browser::CdpError;
use crate::browser::fault::ActError;
use crate::browser::frames::read;

/// A body, as text or as bytes in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub text: String,
    pub base64: bool,
    /// Something is missing at its end; this is its whole length in bytes.
    pub cut_from: Option<usize>,
}

impl Body {
    fn of_text(text: &str, most: usize) -> Self {
        let (start, is_cut) = cut(text, most);
        Body { text: start.to_owned(), base64: false, cut_from: is_cut.then_some(text.len()) }
    }

    fn of_base64(text: String, most: usize) -> Self {
        let whole = text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count();
        if whole <= most {
            return Body { text, base64: true, cut_from: None };
        }
        let text = text.get(..most / 3 * 4).unwrap_or_default().to_owned();
        Body { text, base64: true, cut_from: Some(whole) }
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> Vec<u8> {
        match self.base64 {
            true => BASE64_STANDARD.decode(&self.text).unwrap_or_default(),
            false => self.text.clone().into_bytes(),
        }
    }
}

impl Watch {
    /// What was sent with a request, at most so many bytes; nothing if it has no body.
    pub async fn request_body(&self, number: u64, most: usize) -> Result<Option<Body>, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Posted {
            post_data: String,
            #[serde(default)]
            base64_encoded: bool,
        }
        let request = self.request(number).ok_or_else(|| unknown(number))?;
        if let Some(text) = &request.posted {
            return Ok(Some(Body::of_text(text, most)));
        }
        if !request.has_body {
            return Ok(None);
        }
        let (client, _) = self.seen.client()?;
        let method = "Network.getRequestPostData";
        let params = json!({ "requestId": request.id });
        let posted = client.send(Some(&request.session), method, &params).await;
        let posted: Posted = read(method, posted.map_err(|error| gone(number, &error))?.get())?;
        Ok(Some(match posted.base64_encoded {
            true => Body::of_base64(posted.post_data, most),
            false => Body::of_text(&posted.post_data, most),
        }))
    }

    /// What came back, at most so many bytes. Chromium keeps bodies for a while only.
    pub async fn response_body(&self, number: u64, most: usize) -> Result<Body, ActError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Received {
            body: String,
            base64_encoded: bool,
        }
        let request = self.request(number).ok_or_else(|| unknown(number))?;
        let (client, _) = self.seen.client()?;
        let method = "Network.getResponseBody";
        let params = json!({ "requestId": request.id });
        let body = client.send(Some(&request.session), method, &params).await;
        let body: Received = read(method, body.map_err(|error| gone(number, &error))?.get())?;
        Ok(match body.base64_encoded {
            true => Body::of_base64(body.body, most),
            false => Body::of_text(&body.body, most),
        })
    }
}

fn unknown(number: u64) -> ActError {
    ActError::Refused(format!(
        "there is no request number {number} any more or yet; list the requests to see the numbers"
    ))
}

fn gone(number: u64, error: &CdpError) -> ActError {
    let why = match error {
        CdpError::Refused { message, .. } => message.as_str(),
        _ => "the browser did not answer",
    };
    ActError::Refused(format!(
        "Chromium does not have the body of request {number} ({why}): it has none, is still loading, was too large, or its page has gone"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_cut_at_whole_characters_and_say_so() {
        let body = Body::of_text("aéb", 2);
        assert_eq!((body.text.as_str(), body.cut_from), ("a", Some(4)));
        let bytes = Body::of_base64(BASE64_STANDARD.encode(b"hello world"), 6);
        assert_eq!((bytes.bytes().as_slice(), bytes.cut_from), (b"hello ".as_slice(), Some(11)));
        assert_eq!(Body::of_base64(BASE64_STANDARD.encode(b"hello"), 5).cut_from, None);
        assert_eq!(Body::of_base64(String::new(), 5).bytes(), b"");
    }
}
