//! Who asks: the first argument of every handler but two, so that nobody
//! without a token learns even whether a thing exists.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::auth::{Credential, Denied, PageMark};
use super::context::{Context, RemoteAddress};
use super::error::ApiError;
use super::guard::Foreign;
use crate::base::{Actor, ActorId, Role, RoomId};
use crate::floor::Mode;
use crate::room::{RoomEvent, RoomView};
use crate::store::UnixSeconds;

/// The cookie with the token.
pub(super) const TOKEN_COOKIE: &str = "tandem";
/// The cookie that tells two browsers with one token apart. It proves nothing.
pub(super) const BROWSER_COOKIE: &str = "tandem_who";

/// Somebody with a good token.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) actor: Actor,
    /// The one room that the token is for, or all.
    pub(super) room: Option<RoomId>,
    pub(super) credential: Credential,
    arrival: Arrival,
}

/// How a caller came to the door; a token that follows comes the same way.
#[derive(Clone, Debug)]
struct Arrival {
    from: RemoteAddress,
    page: Option<PageMark>,
    foreign: Option<Foreign>,
}

/// The header in which a page without cookies says which one it is.
pub(super) const PAGE_HEADER: &str = "tandem-page";
/// The subprotocols of the WebSocket: the one that is spoken, and the only
/// place besides an address where a page can put something.
pub(super) const SUBPROTOCOL: &str = "tandem.1";
const TOKEN_PROTOCOL: &str = "tandem.token.";
const PAGE_PROTOCOL: &str = "tandem.page.";

impl Caller {
    /// May this caller know of this room at all?
    pub(super) fn enter(&self, room: &RoomId) -> Result<(), ApiError> {
        match &self.room {
            Some(own) if own != room => Err(ApiError::forbidden("this token is for another room")),
            _ => Ok(()),
        }
    }

    pub(super) fn administer(&self) -> Result<(), ApiError> {
        if self.actor.role.may_administer() && self.room.is_none() {
            return Ok(());
        }
        Err(ApiError::forbidden(format!(
            "a token with the role {} cannot do this; use the admin's",
            self.actor.role.as_str()
        )))
    }

    pub(super) fn act(&self) -> Result<(), ApiError> {
        if self.actor.role.may_act() {
            return Ok(());
        }
        Err(ApiError::forbidden("a viewer may only watch; ask for a token with the role controller"))
    }

    /// May this caller change the room to this mode, as far as the token says?
    pub(super) fn change_to(&self, mode: Mode) -> Result<(), ApiError> {
        match &self.credential.modes {
            Some(modes) if !modes.contains(&mode) => {
                Err(ApiError::forbidden(format!("this token does not change a room to the mode {mode}")))
            }
            _ => Ok(()),
        }
    }

    /// The same person at the same place, with a token that follows this one's.
    pub(super) async fn renewed(&self, context: &Context, secret: &str) -> Result<Self, ApiError> {
        let Arrival { from, page, foreign } = self.arrival.clone();
        let next = Self::from_secret(context, secret, from, None, page, foreign).await?;
        let same = next.room == self.room && next.actor.role == self.actor.role;
        if !same {
            return Err(ApiError::forbidden(
                "a token that renews another is for the same room and role; open the room anew with this one",
            ));
        }
        Ok(Self { actor: self.actor.clone(), ..next })
    }

    /// Whether they may read what this actor asks a yes for: whoever may answer
    /// reads all of it, an agent its own, a viewer nothing. It has texts and
    /// arguments that no picture shows.
    pub(super) fn reads_questions_of(&self, asker: &ActorId) -> bool {
        match self.actor.role {
            Role::Admin | Role::Controller => true,
            Role::Agent => self.actor.id == *asker,
            Role::Viewer => false,
        }
    }

    /// A room as this caller may see it.
    pub(super) fn sees(&self, room: &RoomView) -> RoomView {
        let mut room = room.clone();
        room.approvals.retain(|approval| self.reads_questions_of(&approval.actor));
        room
    }

    /// Whether they are told of this.
    pub(super) fn hears(&self, event: &RoomEvent) -> bool {
        match event {
            RoomEvent::Settled { actor, .. } => self.reads_questions_of(actor),
            _ => true,
        }
    }

    /// The caller as one who acts by tools. With a person's token it is
    /// somebody else than that person, and has an agent's right of way.
    pub(super) fn as_agent(&self) -> Result<Actor, ApiError> {
        if self.actor.role == Role::Agent {
            return Ok(self.actor.clone());
        }
        let id = ActorId::new(&format!("{}:agent", self.credential.key)).map_err(ApiError::internal)?;
        let name = Actor::clean_name(&format!("{}'s agent", self.actor.name));
        Ok(Actor { id, name, role: Role::Agent, colour: None })
    }

    pub(super) async fn from_secret(
        context: &Context,
        secret: &str,
        from: RemoteAddress,
        browser: Option<&str>,
        page: Option<PageMark>,
        foreign: Option<Foreign>,
    ) -> Result<Self, ApiError> {
        let credential = match context.auth.check(secret, from.0, page.as_ref(), UnixSeconds::now()).await {
            Ok(credential) => credential,
            Err(denied) => return Err(refusal_of(context, from, denied)),
        };
        if let Some(foreign) = &foreign
            && !foreign.may_bring(&credential)
        {
            context.metrics.auth_failures.inc();
            let token = &credential.key;
            tracing::warn!(%token, origin = %foreign.origin, "refused a token from a site that it is not for");
            return Err(ApiError::wrong_origin("this token is not for pages of this site"));
        }
        let mark = page.as_ref().map(PageMark::public);
        let id = match mark.as_deref().or(browser) {
            Some(browser) => format!("{}.{browser}", credential.key),
            None => credential.key.clone(),
        };
        let id = ActorId::new(&id).map_err(ApiError::internal)?;
        let (name, role, colour) = (credential.name.clone(), credential.role, credential.colour);
        let actor = Actor { id, name, role, colour };
        Ok(Self {
            actor,
            room: credential.room.clone(),
            credential,
            arrival: Arrival { from, page, foreign },
        })
    }
}

/// What somebody with a token that opens nothing is told, and the log.
pub(super) fn refusal_of(context: &Context, from: RemoteAddress, denied: Denied) -> ApiError {
    if let Denied::Failed(error) = denied {
        return ApiError::internal(error);
    }
    context.metrics.auth_failures.inc();
    match denied {
        Denied::TooMany { retry_after } => ApiError::too_many(retry_after.as_secs().max(1)),
        Denied::Ended { token, why } => {
            tracing::warn!(%token, from = %from.0, reason = why.code(), "refused a token that is good no more");
            ApiError::ended(why)
        }
        // A guess is bounded by the throttle, and so is its line.
        _ => {
            tracing::warn!(from = %from.0, "refused a token that is unknown here");
            ApiError::unauthorized("this token is wrong, has run out or was revoked")
        }
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let from = remote(parts)?;
        let foreign = parts.extensions.get::<Foreign>().cloned();
        if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
            let secret = value.to_str().ok().and_then(bearer).ok_or_else(|| {
                ApiError::unauthorized("the Authorization header is not of the form `Bearer TOKEN`")
            })?;
            let page = parts.headers.get(PAGE_HEADER).and_then(|mark| PageMark::new(mark.to_str().ok()?));
            return Self::from_secret(context, secret, from, None, page, foreign).await;
        }
        if let Some(secret) = offered(&parts.headers, TOKEN_PROTOCOL) {
            let page = offered(&parts.headers, PAGE_PROTOCOL).and_then(PageMark::new);
            return Self::from_secret(context, secret, from, None, page, foreign).await;
        }
        // A cookie is sent by the browser, whoever's page asks: it is nothing from another site.
        let secret = cookie(&parts.headers, TOKEN_COOKIE).filter(|_| foreign.is_none());
        let Some(secret) = secret else {
            return Err(ApiError::unauthorized(
                "a token is needed here: send `Authorization: Bearer TOKEN`, or open the page by an address with a token",
            ));
        };
        Self::from_secret(context, secret, from, browser(&parts.headers), None, foreign).await
    }
}

/// Whether a request brings its own token, as against a cookie.
pub(super) fn brings_token(headers: &HeaderMap) -> bool {
    headers.contains_key(header::AUTHORIZATION) || brings_token_by_protocol(headers)
}

/// Whether it is a page's WebSocket that does.
pub(super) fn brings_token_by_protocol(headers: &HeaderMap) -> bool {
    offered(headers, TOKEN_PROTOCOL).is_some()
}

/// What a page has put into the list of subprotocols after this.
fn offered<'h>(headers: &'h HeaderMap, before: &str) -> Option<&'h str> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix(before))
}

pub(super) fn remote(parts: &Parts) -> Result<RemoteAddress, ApiError> {
    parts.extensions.get().copied().ok_or_else(|| ApiError::internal("a request without its address"))
}

/// The browser's own mark, if it is one of ours.
pub(super) fn browser(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, BROWSER_COOKIE)
        .filter(|mark| mark.len() == 16 && mark.bytes().all(|c| c.is_ascii_hexdigit()))
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim()).filter(|secret| !secret.is_empty())
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_a_header_and_in_a_cookie_among_others() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for wrong in ["", "Bearer", "Bearer ", "Basic abc", "abc"] {
            assert_eq!(bearer(wrong), None, "{wrong}");
        }
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "a=b; tandem=one".parse().expect("valid"));
        headers.append(header::COOKIE, "tandem_who=0123456789abcdef".parse().expect("valid"));
        assert_eq!(cookie(&headers, "tandem"), Some("one"));
        assert_eq!(browser(&headers), Some("0123456789abcdef"));
        assert_eq!(cookie(&headers, "and"), None);
        assert!(!brings_token(&headers));
        headers.append(
            header::SEC_WEBSOCKET_PROTOCOL,
            "tandem.1, tandem.token.tdm_x,tandem.page.0f".parse().expect("valid"),
        );
        assert_eq!(offered(&headers, TOKEN_PROTOCOL), Some("tdm_x"));
        assert_eq!(offered(&headers, PAGE_PROTOCOL), Some("0f"));
        assert!(brings_token(&headers));
    }
}
