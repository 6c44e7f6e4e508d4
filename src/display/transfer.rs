//! A text on its way from another program's clipboard, as a state machine.
//!
//! ```text
//!  idle ──owner──▶ asked for UTF-8 ──refused──▶ asked for Latin-1 ──refused──▶ idle
//!                     │ text                        │ text
//!                     ├─────────────▶ done ◀────────┤
//!                     │ "in pieces"                 │
//!                     └──▶ pieces ──empty piece──▶ done
//! ```
//! Time comes in as an argument. A new owner, silence and a text that is too
//! long each end a transfer.

use std::time::{Duration, Instant};

/// An owner that is silent for this long is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// How the owner was asked to write the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Latin1,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the owner for its text in this encoding.
    Ask(Encoding),
    Wait,
    Done(String),
    /// More than the limit: none of it is given, for half a text is a wrong text.
    TooLong,
}

#[derive(Debug)]
pub(super) struct Incoming {
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle,
    Asked { encoding: Encoding, until: Instant },
    Pieces { encoding: Encoding, until: Instant, bytes: Vec<u8> },
}

impl Incoming {
    pub fn new(limit: usize) -> Self {
        Self { limit, state: State::Idle }
    }

    /// Another program owns the clipboard now.
    pub fn handle_owner(&mut self, now: Instant) -> Next {
        self.ask(now, Encoding::Utf8)
    }

    /// Nobody, or we ourselves, own it now.
    pub fn handle_no_owner(&mut self) {
        self.state = State::Idle;
    }

    /// The owner will not give the text in the encoding that was asked for.
    pub fn handle_refusal(&mut self, now: Instant) -> Next {
        match self.state {
            State::Asked { encoding: Encoding::Utf8, .. } => self.ask(now, Encoding::Latin1),
            _ => self.end(Next::Wait),
        }
    }

    /// The text as a whole.
    pub fn handle_text(&mut self, bytes: &[u8]) -> Next {
        match self.state {
            State::Asked { .. } if bytes.len() > self.limit => self.end(Next::TooLong),
            State::Asked { encoding, .. } => self.end(Next::Done(decode(encoding, bytes))),
            State::Idle | State::Pieces { .. } => Next::Wait,
        }
    }

    /// The text will come in pieces.
    pub fn handle_pieces_announced(&mut self, now: Instant) -> Next {
        if let State::Asked { encoding, .. } = self.state {
            self.state = State::Pieces { encoding, until: now + PATIENCE, bytes: Vec::new() };
        }
        Next::Wait
    }

    /// One piece; an empty one is the end.
    pub fn handle_piece(&mut self, now: Instant, piece: &[u8]) -> Next {
        let State::Pieces { encoding, until, bytes } = &mut self.state else { return Next::Wait };
        if piece.is_empty() {
            let text = decode(*encoding, bytes);
            return self.end(Next::Done(text));
        }
        *until = now + PATIENCE;
        bytes.extend_from_slice(piece);
        if bytes.len() > self.limit { self.end(Next::TooLong) } else { Next::Wait }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            self.state = State::Idle;
        }
    }

    pub fn is_in_pieces(&self) -> bool {
        matches!(self.state, State::Pieces { .. })
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Idle => None,
            State::Asked { until, .. } | State::Pieces { until, .. } => Some(*until),
        }
    }

    fn ask(&mut self, now: Instant, encoding: Encoding) -> Next {
        self.state = State::Asked { encoding, until: now + PATIENCE };
        Next::Ask(encoding)
    }

    fn end(&mut self, next: Next) -> Next {
        self.state = State::Idle;
        next
    }
}

fn decode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// A text for a program that knows only Latin-1.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_utf_8_is_asked_for_latin_1() {
        let (t, mut incoming) = (Instant::now(), Incoming::new(100));
        assert_eq!(incoming.handle_owner(t), Next::Ask(Encoding::Utf8));
        assert_eq!(incoming.handle_refusal(t), Next::Ask(Encoding::Latin1));
        assert_eq!(incoming.handle_text(&[0xdf]), Next::Done("ß".into()));
        assert_eq!(incoming.handle_refusal(t), Next::Wait);
    }

    #[test]
    fn pieces_are_put_together_and_a_piece_may_cut_a_character() {
        let (t, mut incoming) = (Instant::now(), Incoming::new(100));
        incoming.handle_owner(t);
        incoming.handle_pieces_announced(t);
        let (head, tail) = "я漢".as_bytes().split_at(3);
        assert_eq!(incoming.handle_piece(t, head), Next::Wait);
        assert_eq!(incoming.handle_piece(t, tail), Next::Wait);
        assert_eq!(incoming.handle_piece(t, &[]), Next::Done("я漢".into()));
    }

    #[test]
    fn too_long_a_text_is_given_up_whole_or_in_pieces() {
        let (t, mut incoming) = (Instant::now(), Incoming::new(4));
        incoming.handle_owner(t);
        assert_eq!(incoming.handle_text(b"12345"), Next::TooLong);
        incoming.handle_owner(t);
        incoming.handle_pieces_announced(t);
        assert_eq!(incoming.handle_piece(t, b"123"), Next::Wait);
        assert_eq!(incoming.handle_piece(t, b"45"), Next::TooLong);
        assert_eq!(incoming.handle_piece(t, &[]), Next::Wait);
    }

    #[test]
    fn a_silent_owner_is_given_up() {
        let (t, mut incoming) = (Instant::now(), Incoming::new(4));
        incoming.handle_owner(t);
        let until = incoming.poll_timeout().expect("waits");
        incoming.handle_timeout(until);
        assert_eq!(incoming.handle_text(b"late"), Next::Wait);
    }

    #[test]
    fn what_latin_1_lacks_is_a_question_mark() {
        assert_eq!(latin1("aß漢"), [b'a', 0xdf, b'?']);
    }
}
