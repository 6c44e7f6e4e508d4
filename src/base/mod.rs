//! The ground floor: the nouns that every other part shares.
//!
//! Nothing here does IO, reads a clock or can fail at run time, apart from
//! refusing to build a value that would be wrong. Imports from the rest of
//! the program are not allowed here.

mod actor;
mod colour;
mod geometry;
mod ids;
mod input;
mod masks;
mod picture;
mod privacy;
mod redacted;
mod tools;
mod units;
mod words;

pub use actor::{Actor, ActorKind, Role};
pub use colour::{Colour, ColourError};
pub use geometry::{MAX_SIDE, MIN_SIDE, Point, Rect, Size, SizeError};
pub use ids::{ActorId, IdError, PeerId, RoomId};
pub use input::{Button, Input, InputStamp, Modifiers, StampedInput};
pub use masks::{MASK, Masks};
pub use picture::{Codec, CursorImage, EncodedFrame, EncodedSink, FrameMoment, FrameSink, Rung, Tier};
pub use privacy::{Before, Privacy};
pub use redacted::Redacted;
pub use tools::{ToolGroup, ToolGroupError, ToolGroups};
pub use units::Bitrate;
pub use words::nearest;
