//! The edge towards HTTP: routes, who is at the door, the page itself.
//!
//! Owns: authentication, the checks of Host and Origin, the mapping of
//! refusals and errors to a status with a public text, the WebSocket and WHEP
//! signalling, the page's files. Refuses: state of its own. What a room is
//! comes from [`crate::room::Rooms`], what a token is from [`crate::store`].
//!
//! ```text
//!  connection ─▶ guard (Host, Origin, headers) ─▶ route ─▶ Caller (401, 403) ─▶ handler
//! ```

pub mod admin;
mod api;
mod assets;
mod audit;
mod auth;
mod base_path;
mod caller;
mod cdp;
mod connections;
mod context;
mod doctor;
mod document;
mod egress;
mod embed;
mod error;
mod feeds;
mod floor;
mod guard;
mod metrics;
mod origin;
mod page;
mod pick;
mod proxies;
mod ready;
mod routes;
mod rules;
mod secrets;
mod socket;
mod throttle;
mod tokens;
mod turn;
mod whep;
pub mod wire;
mod woken;

pub use auth::{Auth, RunTokens, Secret, SecretError, hash_of};
pub use base_path::{BasePath, BasePathError};
pub use connections::serve;
pub use context::{Context, Deployment, Edges, ServerOptions, SessionFeed, SessionUpdates};
pub use document::openapi_json;
pub use metrics::{Telemetry, TelemetrySource};
pub use origin::{Origin, OriginError};
pub use proxies::{NetError, Proxies};
pub use ready::Check;
pub use routes::router;
pub use secrets::{SecretList, SecretView};
pub use tokens::{MadeToken, TokenView, new_token};
pub use turn::{Turn, TurnError};
