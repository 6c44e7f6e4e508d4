//! A colour that somebody chose for a person: dark enough for white words on it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Red, green and blue. White text on it has a contrast of at least 4.5 : 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour([u8; 3]);

/// Why a text is no such colour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColourError {
    #[error("a colour is written as #rrggbb, such as #0f766e")]
    Form,
    #[error("white words cannot be read on this colour; take a darker one, such as #0f766e")]
    Light,
}

/// What WCAG asks of text of this size.
const LEAST_CONTRAST: f64 = 4.5;

impl Colour {
    /// Between this colour and white, as WCAG defines it.
    fn contrast_with_white(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)
    }
}

impl FromStr for Colour {
    type Err = ColourError;
    fn from_str(text: &str) -> Result<Self, ColourError> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii());
        let part = |at: usize| {
            let pair = digits?.get(at..at + 2)?;
            pair.bytes().all(|c| c.is_ascii_hexdigit()).then(|| u8::from_str_radix(pair, 16).ok())?
        };
        let colour = match (part(0), part(2), part(4)) {
            (Some(red), Some(green), Some(blue)) => Self([red, green, blue]),
            _ => return Err(ColourError::Form),
        };
        if colour.contrast_with_white() < LEAST_CONTRAST { Err(ColourError::Light) } else { Ok(colour) }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl TryFrom<String> for Colour {
    type Error = ColourError;
    fn try_from(text: String) -> Result<Self, ColourError> {
        text.parse()
    }
}

impl From<Colour> for String {
    fn from(colour: Colour) -> String {
        colour.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_on_which_white_can_be_read() {
        assert_eq!("#0F766E".parse::<Colour>().map(|colour| colour.to_string()), Ok("#0f766e".into()));
        for text in ["", "red", "0f766e", "#0f766", "#0f766e0", "#0f76 e", "#+f766e", "#ä0f76"] {
            assert_eq!(text.parse::<Colour>(), Err(ColourError::Form), "{text}");
        }
        for text in ["#ffffff", "#ffff00", "#7fabff"] {
            assert_eq!(text.parse::<Colour>(), Err(ColourError::Light), "{text}");
        }
    }
}
