//! The room's seat, as the tools see it, and the routes that lead to it.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::handler::mcp_service;
use super::port::{Refused, Seat, SeatDoor};
use crate::base::{Actor, RoomId};
use crate::browser::Browser;
use crate::floor::FloorPermit;
use crate::room::{AgentSeat, House, NoFloor, RoomEvent};

impl Seat for AgentSeat {
    fn actor(&self) -> &Actor {
        self.actor()
    }

    fn browser(&self, deadline: Instant) -> BoxFuture<'_, Result<Arc<Browser>, String>> {
        Box::pin(self.ready_browser(deadline))
    }

    fn floor(&self, deadline: Instant) -> BoxFuture<'_, Result<FloorPermit, Refused>> {
        Box::pin(async move {
            self.floor(deadline).await.map_err(|refusal| match refusal {
                NoFloor::Held { holder, since } => Refused::Busy { holder, waited: since },
                NoFloor::Refused(_) | NoFloor::Stopping => Refused::Forbidden(refusal.to_string()),
            })
        })
    }

    fn done(&self, permit: FloorPermit) {
        self.done(permit);
    }

    fn show(&self, event: RoomEvent) {
        self.show(event);
    }
}

/// The MCP service. Each request comes with the extensions [`Actor`] and
/// [`RoomId`], put there by whoever let it in.
pub fn router(house: Arc<House>, stop: CancellationToken) -> Router {
    Router::new().fallback_service(mcp_service(stop)).layer(from_fn_with_state(house, bring_to_the_seat))
}

async fn bring_to_the_seat(State(house): State<Arc<House>>, mut request: Request, next: Next) -> Response {
    let extensions = request.extensions();
    let (Some(actor), Some(room)) = (extensions.get::<Actor>(), extensions.get::<RoomId>()) else {
        tracing::error!("an agent's request came without saying whose it is");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let (actor, room) = (actor.clone(), room.clone());
    let key = format!("{} in {room}", actor.id);
    let open = Arc::new(move || {
        let room = house.handle(&room).ok_or("the room is gone")?;
        let seat = room.enter_agent(actor.clone()).map_err(|error| error.to_string())?;
        Ok(Arc::new(seat) as Arc<dyn Seat>)
    });
    request.extensions_mut().insert(SeatDoor { key, open });
    next.run(request).await
}
