//! Where a room's browser may connect to: the lists that people write, what an
//! address is, and the decision about one connection with its reason.
//!
//! The order, from the strongest word to the weakest:
//!
//! 1. what is the service's own is closed, whatever the lists say;
//! 2. what `deny` names is closed, but `*` only closes what no `allow` names;
//! 3. an address of the open internet is open, any other is closed unless an
//!    `allow` names the address. A name in `allow` never opens an address that
//!    is otherwise closed: whoever answers for the name could point it anywhere.
//!
//! It opens no socket and resolves no name: names, addresses and the answer to
//! "is this the service's own" come in as values.

mod address;
mod pattern;
mod rules;
mod upstream;

pub use address::{Kind, faces, kind};
pub use pattern::{Pattern, PatternError};
pub use rules::{EgressLists, Host, HostError, Judge, MOST_ENTRIES, Refusal, Why};
pub use upstream::{Upstream, UpstreamError, UpstreamKind};
