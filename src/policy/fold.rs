//! A second reading of a text, for those who hide a word from a rule: without
//! invisible characters, wide and styled letters made plain (NFKC), small.
//!
//! A rule that denies or asks matches when either reading does, one that
//! allows must match both. Letters of other alphabets that look alike
//! (a Cyrillic `а`) stay what they are.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// The folded reading.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|c| c.is_ascii() && !c.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    if text.is_ascii() {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    let seen: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let small = ComposingNormalizerBorrowed::new_nfkc().normalize(&seen).to_lowercase();
    // Making small can take a letter apart again (İ).
    let composed = ComposingNormalizerBorrowed::new_nfkc().normalize(&small).into_owned();
    Cow::Owned(composed.chars().filter(|c| !is_invisible(*c)).collect())
}

/// Characters that show nothing: joiners, marks of direction, fillers,
/// variation selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hidden_and_styled_letters_are_seen_through() {
        for text in
            ["Pay now", "P\u{200b}ay now", "Ｐａｙ　ｎｏｗ", "𝐏𝐚𝐲 now", "pay\u{2060} now", "PAY\u{a0}NOW"]
        {
            assert_eq!(fold(text), "pay now", "{text:?}");
        }
        assert_ne!(fold("pаy now"), "pay now");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing_more(text in "\\PC{0,12}") {
            let once = fold(&text).into_owned();
            prop_assert_eq!(fold(&once), once.as_str());
        }
    }
}
