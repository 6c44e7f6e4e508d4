//! A room's browser for a request that needs one: woken when the room slept,
//! and waited for, but not without end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};

use super::error::ApiError;
use crate::browser::Browser;
use crate::room::{Phase, Room};

/// A browser starts in a second or two; who waits longer is told to come back.
const LONGEST_WAKE: Duration = Duration::from_secs(10);

pub(super) async fn browser(room: &dyn Room) -> Result<Arc<Browser>, ApiError> {
    if let Some(browser) = room.browser() {
        return Ok(browser);
    }
    room.knock();
    let mut view = room.view();
    let decided = view.wait_for(|view| room.browser().is_some() || why_none(&view.phase).is_some());
    let _ = tokio::time::timeout(LONGEST_WAKE, decided).await;
    room.browser().ok_or_else(|| {
        let why = why_none(&room.view().borrow().phase);
        let why = why.unwrap_or_else(|| "the browser is being started; try again in a moment".to_owned());
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why)
            .with_header((header::RETRY_AFTER, HeaderValue::from(2)))
    })
}

/// Why there will be no browser soon, if there will be none.
fn why_none(phase: &Phase) -> Option<String> {
    match phase {
        Phase::Failed { reason } => {
            Some(format!("the browser cannot be started: {reason}; it is tried again every minute"))
        }
        Phase::Stopped => {
            Some("the room is stopped; whoever administers the server starts it again".to_owned())
        }
        Phase::Stopping => Some("the room is ending".to_owned()),
        Phase::Starting | Phase::Live | Phase::Sleeping | Phase::Restarting { .. } => None,
    }
}
