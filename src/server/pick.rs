//! What a person points at in the picture, to put it into words for an agent.
//! For people who may act; agents have tools of their own, with rules.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::api::{Body, RoomPath, no_room};
use super::caller::Caller;
use super::context::Context;
use super::error::{ApiError, ErrorBody};
use super::woken;
use crate::base::{Point, Role};
use crate::browser::{ActError, PickError, Picked};

/// A page that takes longer is busy with something else.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// A place in the picture, in the room's pixels.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PickPlace {
    x: i32,
    y: i32,
}

/// What lies at a place of the picture, in the tab that is shown: its role, name, a locator that
/// finds it, what it says. Changes nothing in the page. For people who may act. The code
/// `no-page` says that there is no page at this place, and the text why.
#[utoipa::path(post, path = "/api/rooms/{room}/pick", params(("room" = String, Path)), request_body = PickPlace, responses(
    (status = 200, body = Picked), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 409, body = ErrorBody), (status = 415, body = ErrorBody), (status = 503, body = ErrorBody)))]
pub(super) async fn pick(
    caller: Caller,
    RoomPath(id): RoomPath,
    State(context): State<Context>,
    request: Request,
) -> Result<Json<Picked>, ApiError> {
    caller.enter(&id)?;
    caller.act()?;
    if caller.actor.role == Role::Agent {
        return Err(ApiError::forbidden("pointing is for people; look with the tool browser_snapshot"));
    }
    let room = context.rooms.get(&id).ok_or_else(no_room)?;
    let Body(PickPlace { x, y }) = Body::<PickPlace>::from_request(request, &context).await?;
    // What is pointed at goes to an agent, which sees nothing of it now.
    if room.view().borrow().private.is_some() {
        return Err(refused(PickError::Private));
    }
    let size = room.view().borrow().size;
    let within = |at: i32, side: u32| u32::try_from(at).is_ok_and(|at| at < side);
    if !within(x, size.width()) || !within(y, size.height()) {
        let (width, height) = (size.width(), size.height());
        return Err(ApiError::bad_request(format!(
            "{x}, {y} is outside of the picture, which has {width} x {height} pixels"
        )));
    }
    let browser = woken::browser(&*room).await?;
    let look = async {
        let tab = browser.front_tab().await.ok_or_else(|| no_page("no tab is open".to_owned()))?;
        tab.pick(Point { x, y }).await.map_err(refused)
    };
    match tokio::time::timeout(LONGEST_LOOK, look).await {
        Ok(found) => found.map(Json),
        Err(_) => Err(no_page("the page is busy and does not answer; try again in a moment".to_owned())),
    }
}

fn no_page(why: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "no-page", why)
}

fn refused(error: PickError) -> ApiError {
    match error {
        PickError::Page(ActError::Dialog(dialog)) => no_page(format!(
            "a {} dialog is open and blocks the page: {:?}; answer it first",
            dialog.kind, dialog.message
        )),
        error => no_page(error.to_string()),
    }
}
