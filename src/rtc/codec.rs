//! The bytes on the data channels, both ways. Pure: what a message means is
//! decided elsewhere; what is not a message is refused here, with a reason.

use crate::base::{Button, Input, Modifiers, Point};

/// The longest composed text of one message, in bytes.
pub const MAX_TEXT: usize = 4096;
/// The longest clipboard text of one message, in bytes.
pub const MAX_CLIPBOARD: usize = 65_536;

const MOVE: u8 = 0x01;
const BUTTON: u8 = 0x10;
const WHEEL: u8 = 0x11;
const KEY: u8 = 0x12;
const TEXT: u8 = 0x13;
const CLIPBOARD: u8 = 0x14;
const RELEASE_ALL: u8 = 0x15;
const ECHO: u8 = 0x81;

/// The two data channels of an interactive viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Unordered and never resent: pointer moves one way, echoes the other.
    Moves,
    /// Ordered and reliable: everything that must not be lost.
    Acts,
}

/// One message of a viewer.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Counts the moves; an older one than the last seen is stale.
    pub sequence: Option<u32>,
    /// The viewer's mark, if it wants an echo.
    pub stamp: Option<u32>,
    pub input: Input,
}

/// The answer to a stamp: which frame shows its effect first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    pub stamp: u32,
    pub rtp_timestamp: u32,
    /// From the input's arrival to the end of the frame's encoding, in microseconds.
    pub server_us: u32,
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("an empty message")]
    Empty,
    #[error("kind 0x{kind:02x} does not belong on the channel \"{}\"", .channel.label())]
    Kind { kind: u8, channel: Channel },
    #[error("a message of kind 0x{kind:02x} has {got} bytes, not {want}")]
    Length { kind: u8, want: usize, got: usize },
    #[error("button {0} does not exist")]
    Button(u8),
    #[error("{0} is neither up (0) nor down (1)")]
    Down(u8),
    #[error("modifier bits 0x{0:02x} are not known")]
    Modifiers(u8),
    #[error("a text of {got} bytes, where {min} to {max} are allowed")]
    TextLength { min: usize, max: usize, got: usize },
    #[error("a text that is not UTF-8")]
    Utf8,
}

impl Channel {
    pub fn label(self) -> &'static str {
        match self {
            Channel::Moves => "moves",
            Channel::Acts => "acts",
        }
    }

    pub fn from_label(label: &str) -> Option<Self> {
        [Channel::Moves, Channel::Acts].into_iter().find(|channel| channel.label() == label)
    }
}

impl Message {
    /// A viewer's message from its bytes.
    pub fn decode(channel: Channel, bytes: &[u8]) -> Result<Self, Malformed> {
        let (&kind, body) = bytes.split_first().ok_or(Malformed::Empty)?;
        let mut fields = Fields { kind, body, total: bytes.len() };
        let message = match (channel, kind) {
            (Channel::Moves, MOVE) => {
                fields.exactly(12)?;
                let (sequence, stamp) = (fields.u32(), fields.u32());
                Message::new(Some(sequence), stamp, Input::Move(fields.point()))
            }
            (Channel::Acts, BUTTON) => {
                fields.exactly(10)?;
                let (stamp, at) = (fields.u32(), fields.point());
                let button = button_from(fields.u8())?;
                Message::new(None, stamp, Input::Button { at, button, down: down_from(fields.u8())? })
            }
            (Channel::Acts, WHEEL) => {
                fields.exactly(12)?;
                let (stamp, at) = (fields.u32(), fields.point());
                Message::new(None, stamp, Input::Wheel { at, dx: fields.i16(), dy: fields.i16() })
            }
            (Channel::Acts, KEY) => {
                fields.exactly(12)?;
                let (stamp, keysym, code) = (fields.u32(), fields.u32(), fields.u16());
                let down = down_from(fields.u8())?;
                let modifiers = modifiers_from(fields.u8())?;
                Message::new(None, stamp, Input::Key { keysym, code, down, modifiers })
            }
            (Channel::Acts, TEXT) => {
                if body.len() < 4 {
                    return Err(Malformed::Length { kind, want: 6, got: bytes.len() });
                }
                let stamp = fields.u32();
                Message::new(None, stamp, Input::Text(fields.text(1, MAX_TEXT)?))
            }
            (Channel::Acts, CLIPBOARD) => {
                Message::new(None, 0, Input::Clipboard(fields.text(0, MAX_CLIPBOARD)?))
            }
            (Channel::Acts, RELEASE_ALL) => {
                fields.exactly(0)?;
                Message::new(None, 0, Input::ReleaseAll)
            }
            _ => return Err(Malformed::Kind { kind, channel }),
        };
        Ok(message)
    }

    /// The bytes of a viewer's message and the channel it goes by. Coordinates
    /// beyond 16 bits are clamped.
    pub fn encode(&self) -> (Channel, Vec<u8>) {
        let stamp = self.stamp.unwrap_or(0).to_be_bytes();
        let mut bytes = Vec::with_capacity(16);
        let point = |bytes: &mut Vec<u8>, at: Point| {
            bytes.extend(narrow(at.x));
            bytes.extend(narrow(at.y));
        };
        match &self.input {
            Input::Move(at) => {
                bytes.push(MOVE);
                bytes.extend(self.sequence.unwrap_or(0).to_be_bytes());
                bytes.extend(stamp);
                point(&mut bytes, *at);
                return (Channel::Moves, bytes);
            }
            Input::Button { at, button, down } => {
                bytes.push(BUTTON);
                bytes.extend(stamp);
                point(&mut bytes, *at);
                bytes.extend([button_code(*button), u8::from(*down)]);
            }
            Input::Wheel { at, dx, dy } => {
                bytes.push(WHEEL);
                bytes.extend(stamp);
                point(&mut bytes, *at);
                bytes.extend(narrow(*dx));
                bytes.extend(narrow(*dy));
            }
            Input::Key { keysym, code, down, modifiers } => {
                bytes.push(KEY);
                bytes.extend(stamp);
                bytes.extend(keysym.to_be_bytes());
                bytes.extend(code.to_be_bytes());
                bytes.extend([u8::from(*down), modifier_bits(*modifiers)]);
            }
            Input::Text(text) => {
                bytes.push(TEXT);
                bytes.extend(stamp);
                bytes.extend(text.as_bytes());
            }
            Input::Clipboard(text) => {
                bytes.push(CLIPBOARD);
                bytes.extend(text.as_bytes());
            }
            Input::ReleaseAll => bytes.push(RELEASE_ALL),
        }
        (Channel::Acts, bytes)
    }

    fn new(sequence: Option<u32>, stamp: u32, input: Input) -> Self {
        Self { sequence, stamp: (stamp != 0).then_some(stamp), input }
    }
}

impl Echo {
    pub fn encode(self) -> [u8; 13] {
        let mut bytes = [ECHO; 13];
        bytes[1..5].copy_from_slice(&self.stamp.to_be_bytes());
        bytes[5..9].copy_from_slice(&self.rtp_timestamp.to_be_bytes());
        bytes[9..].copy_from_slice(&self.server_us.to_be_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (&kind, body) = bytes.split_first().ok_or(Malformed::Empty)?;
        if kind != ECHO {
            return Err(Malformed::Kind { kind, channel: Channel::Moves });
        }
        let mut fields = Fields { kind, body, total: bytes.len() };
        fields.exactly(12)?;
        Ok(Self { stamp: fields.u32(), rtp_timestamp: fields.u32(), server_us: fields.u32() })
    }
}

/// True when `sequence` comes after `last`, also across the end of 32 bits.
pub fn is_newer(sequence: u32, last: u32) -> bool {
    let ahead = sequence.wrapping_sub(last);
    ahead != 0 && ahead < 1 << 31
}

/// Reads what `exactly` has shown to be there.
struct Fields<'a> {
    kind: u8,
    body: &'a [u8],
    total: usize,
}

impl Fields<'_> {
    fn exactly(&self, want: usize) -> Result<(), Malformed> {
        if self.body.len() == want {
            return Ok(());
        }
        Err(Malformed::Length { kind: self.kind, want: want + 1, got: self.total })
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        if let Some((head, rest)) = self.body.split_at_checked(N) {
            field.copy_from_slice(head);
            self.body = rest;
        }
        field
    }

    fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn i16(&mut self) -> i32 {
        i32::from(i16::from_be_bytes(self.take()))
    }

    fn point(&mut self) -> Point {
        Point { x: self.i16(), y: self.i16() }
    }

    fn text(&mut self, min: usize, max: usize) -> Result<String, Malformed> {
        let got = self.body.len();
        if got < min || got > max {
            return Err(Malformed::TextLength { min, max, got });
        }
        std::str::from_utf8(self.body).map(str::to_owned).map_err(|_| Malformed::Utf8)
    }
}

fn narrow(value: i32) -> [u8; 2] {
    (value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16).to_be_bytes()
}

fn down_from(byte: u8) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Malformed::Down(other)),
    }
}

const BUTTONS: [Button; 5] = [Button::Left, Button::Middle, Button::Right, Button::Back, Button::Forward];

fn button_from(code: u8) -> Result<Button, Malformed> {
    BUTTONS.get(usize::from(code)).copied().ok_or(Malformed::Button(code))
}

fn button_code(button: Button) -> u8 {
    match button {
        Button::Left => 0,
        Button::Middle => 1,
        Button::Right => 2,
        Button::Back => 3,
        Button::Forward => 4,
    }
}

fn modifiers_from(bits: u8) -> Result<Modifiers, Malformed> {
    if bits >= 64 {
        return Err(Malformed::Modifiers(bits));
    }
    let on = |bit: u8| bits & bit != 0;
    Ok(Modifiers {
        shift: on(1),
        control: on(2),
        alt: on(4),
        meta: on(8),
        caps_lock: on(16),
        num_lock: on(32),
    })
}

fn modifier_bits(modifiers: Modifiers) -> u8 {
    let Modifiers { shift, control, alt, meta, caps_lock, num_lock } = modifiers;
    [shift, control, alt, meta, caps_lock, num_lock]
        .into_iter()
        .enumerate()
        .fold(0, |bits, (place, on)| bits | (u8::from(on) << place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn point() -> impl Strategy<Value = Point> {
        (any::<i16>(), any::<i16>()).prop_map(|(x, y)| Point { x: x.into(), y: y.into() })
    }

    fn input() -> impl Strategy<Value = Input> {
        prop_oneof![
            point().prop_map(Input::Move),
            (point(), 0..5u8, any::<bool>()).prop_map(|(at, code, down)| Input::Button {
                at,
                button: button_from(code).expect("one of five"),
                down
            }),
            (point(), any::<i16>(), any::<i16>()).prop_map(|(at, dx, dy)| Input::Wheel {
                at,
                dx: dx.into(),
                dy: dy.into()
            }),
            (any::<u32>(), any::<u16>(), any::<bool>(), 0..64u8).prop_map(|(keysym, code, down, bits)| {
                Input::Key { keysym, code, down, modifiers: modifiers_from(bits).expect("six bits") }
            }),
            "\\PC{1,64}".prop_map(Input::Text),
            "\\PC{0,64}".prop_map(Input::Clipboard),
            Just(Input::ReleaseAll),
        ]
    }

    proptest! {
        #[test]
        fn a_message_survives_the_channel(input in input(), stamp in any::<u32>(), sequence in any::<u32>()) {
            let sequence = matches!(input, Input::Move(_)).then_some(sequence);
            let stamp = if matches!(input, Input::Clipboard(_) | Input::ReleaseAll) { 0 } else { stamp };
            let message = Message::new(sequence, stamp, input);
            let (channel, bytes) = message.encode();
            prop_assert_eq!(Message::decode(channel, &bytes), Ok(message));
        }

        #[test]
        fn an_echo_survives_the_channel(stamp: u32, rtp_timestamp: u32, server_us: u32) {
            let echo = Echo { stamp, rtp_timestamp, server_us };
            prop_assert_eq!(Echo::decode(&echo.encode()), Ok(echo));
        }

        #[test]
        fn random_bytes_are_a_message_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for channel in [Channel::Moves, Channel::Acts] {
                if let Ok(message) = Message::decode(channel, &bytes) {
                    prop_assert_eq!(message.encode(), (channel, bytes.clone()));
                }
            }
            let _ = Echo::decode(&bytes);
        }

        #[test]
        fn a_longer_or_shorter_message_is_refused(input in input(), cut in 1..3usize) {
            prop_assume!(!matches!(input, Input::Text(_) | Input::Clipboard(_)));
            let (channel, mut bytes) = Message::new(None, 1, input).encode();
            let shorter = bytes.len().saturating_sub(cut);
            prop_assert!(Message::decode(channel, &bytes[..shorter]).is_err());
            bytes.push(0);
            prop_assert!(Message::decode(channel, &bytes).is_err());
        }
    }

    #[test]
    fn bad_bytes_are_refused_with_a_reason() {
        let said = |channel, bytes: &[u8]| Message::decode(channel, bytes).expect_err("refused").to_string();
        assert_eq!(said(Channel::Acts, &[]), "an empty message");
        assert!(said(Channel::Acts, &[MOVE; 13]).contains("\"acts\""));
        assert!(said(Channel::Acts, &[BUTTON, 0, 0, 0, 1, 0, 0, 0, 0, 7, 1]).contains("button 7"));
        assert!(said(Channel::Acts, &[BUTTON, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9]).contains("9 is neither"));
        assert!(said(Channel::Acts, &[TEXT, 0, 0, 0, 0]).contains("0 bytes"));
        assert!(said(Channel::Acts, &[TEXT, 0, 0, 0, 0, 0xff]).contains("UTF-8"));
        let mut long = vec![TEXT; 5 + MAX_TEXT];
        assert!(Message::decode(Channel::Acts, &long).is_ok());
        long.push(b'x');
        assert!(Message::decode(Channel::Acts, &long).is_err());
        assert!(Message::decode(Channel::Acts, &vec![CLIPBOARD; 2 + MAX_CLIPBOARD]).is_err());
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let at = Point { x: -2, y: 258 };
        let message = Message::new(Some(7), 9, Input::Move(at));
        let bytes = vec![1, 0, 0, 0, 7, 0, 0, 0, 9, 0xff, 0xfe, 1, 2];
        assert_eq!(message.encode(), (Channel::Moves, bytes));
        let echo = Echo { stamp: 1, rtp_timestamp: 2, server_us: 3 };
        assert_eq!(echo.encode(), [0x81, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]);
    }

    #[test]
    fn a_later_move_is_newer_also_across_the_wrap() {
        assert!(is_newer(1, 0) && is_newer(0, u32::MAX) && is_newer(5, u32::MAX - 5));
        assert!(!is_newer(0, 0) && !is_newer(0, 1) && !is_newer(u32::MAX, 0));
    }
}
