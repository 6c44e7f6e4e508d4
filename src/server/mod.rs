//! The edge towards HTTP: routes, who is at the door, the page itself.

pub mod wire;
