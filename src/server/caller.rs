//! Who asks: the first argument of every handler but two, so that nobody
//! without a token learns even whether a thing exists.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::auth::{Credential, Denied};
use super::context::{Context, RemoteAddress};
use super::error::ApiError;
use crate::base::{Actor, ActorId, Role, RoomId};
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
}

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
        Ok(Actor { id, name, role: Role::Agent })
    }

    pub(super) async fn from_secret(
        context: &Context,
        secret: &str,
        from: RemoteAddress,
        browser: Option<&str>,
    ) -> Result<Self, ApiError> {
        let credential = match context.auth.check(secret, from.0, UnixSeconds::now()).await {
            Ok(credential) => credential,
            Err(Denied::Failed(error)) => return Err(ApiError::internal(error)),
            Err(denied) => {
                context.metrics.auth_failures.inc();
                return Err(match denied {
                    Denied::TooMany { retry_after } => ApiError::too_many(retry_after.as_secs().max(1)),
                    _ => ApiError::unauthorized("this token is wrong, has run out or was revoked"),
                });
            }
        };
        let id = match browser {
            Some(browser) => format!("{}.{browser}", credential.key),
            None => credential.key.clone(),
        };
        let id = ActorId::new(&id).map_err(ApiError::internal)?;
        let actor = Actor { id, name: credential.name.clone(), role: credential.role };
        Ok(Self { actor, room: credential.room.clone(), credential })
    }
}

impl FromRequestParts<Context> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let from = remote(parts)?;
        if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
            let secret = value.to_str().ok().and_then(bearer).ok_or_else(|| {
                ApiError::unauthorized("the Authorization header is not of the form `Bearer TOKEN`")
            })?;
            return Self::from_secret(context, secret, from, None).await;
        }
        let Some(secret) = cookie(&parts.headers, TOKEN_COOKIE) else {
            return Err(ApiError::unauthorized(
                "a token is needed here: send `Authorization: Bearer TOKEN`, or open the page by an address with a token",
            ));
        };
        Self::from_secret(context, secret, from, browser(&parts.headers)).await
    }
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
    }
}
