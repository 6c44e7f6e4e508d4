//! The display of a room: Xvfb, capture, input, cursor, clipboard.
