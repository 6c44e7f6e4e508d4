//! What a person's hands do, as data. `rtc` decodes it from a data channel,
//! `floor` says whether it may happen, `display` makes it happen.

use super::{PeerId, Point};

/// A mouse button by its meaning; X numbers them otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Button {
    Left,
    Middle,
    Right,
    Back,
    Forward,
}

/// Modifier keys as the viewer's browser sees them, to repair what was missed
/// while the page had no focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    pub shift: bool,
    pub control: bool,
    pub alt: bool,
    pub meta: bool,
    pub caps_lock: bool,
    pub num_lock: bool,
}

/// One act of a person's hands.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The pointer is here now. May be lost or merged.
    Move(Point),
    /// A button goes down or up at this place.
    Button { at: Point, button: Button, down: bool },
    /// The wheel, in 1/120 of a notch; positive is down and right. May be merged.
    Wheel { at: Point, dx: i32, dy: i32 },
    /// A key by its X keysym goes down or up. A repeat is another down.
    /// `code` is the physical key (an evdev code as in `KeyboardEvent.code`), 0 if not known.
    Key { keysym: u32, code: u16, down: bool, modifiers: Modifiers },
    /// Text that arrived composed: dead keys, an input method, a phone's keyboard.
    Text(String),
    /// Text for the display's clipboard, to be pasted by a key press that follows.
    Clipboard(String),
    /// The viewer's page lost the focus: everything it holds goes up.
    ReleaseAll,
}

/// A viewer's mark on an input, echoed with the first frame that shows its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputStamp {
    pub peer: PeerId,
    pub stamp: u32,
}

/// An input with the mark of the viewer that sent it, if it wants an echo.
#[derive(Clone, Debug, PartialEq)]
pub struct StampedInput {
    pub input: Input,
    pub stamp: Option<InputStamp>,
}

impl Input {
    /// True for what a person means as an act: a press, a key, a scroll, text.
    /// A bare move of the pointer and a release are not.
    pub fn is_deliberate(&self) -> bool {
        match self {
            Input::Move(_) | Input::ReleaseAll | Input::Clipboard(_) => false,
            Input::Button { down, .. } | Input::Key { down, .. } => *down,
            Input::Wheel { .. } | Input::Text(_) => true,
        }
    }
}
