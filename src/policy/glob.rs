//! Patterns with `*` and `?`, matched on the whole value. `*` is any text,
//! line ends included, `?` is any one character, `\` takes the next character
//! as it is. There are no sets: `[` is a bracket, as in a command.
//!
//! Between two stars the leftmost fit is taken and never given up again, so
//! there is no backtracking: a pattern without `?` takes time in proportion
//! to the value, one with `?` at most value times pattern.

use memchr::memmem::Finder;

use super::fold::fold;

/// The longest pattern.
pub const LONGEST: usize = 512;

/// A pattern that is ready to match.
#[derive(Clone, Debug)]
pub struct Glob {
    /// What stands between the stars; one more than there are stars.
    parts: Vec<Part>,
}

/// Text without a star.
#[derive(Clone, Debug)]
enum Part {
    /// With a finder of it, which is dear to make.
    Text(String, Box<Finder<'static>>),
    /// `None` is a `?`.
    Holes(Vec<Option<char>>),
}

impl Glob {
    /// Any text is a pattern; its length is for the caller to limit.
    pub fn new(pattern: &str) -> Self {
        let mut parts = Vec::new();
        let mut part = Vec::new();
        let mut rest = pattern.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' => parts.push(std::mem::take(&mut part)),
                '?' => part.push(None),
                '\\' => part.push(Some(rest.next().unwrap_or('\\'))),
                c => part.push(Some(c)),
            }
        }
        parts.push(part);
        // Two stars in a row are one.
        let last = parts.len() - 1;
        let keep = |at: usize, part: &[Option<char>]| at == 0 || at == last || !part.is_empty();
        let kept = parts.iter().enumerate().filter(|(at, part)| keep(*at, part));
        Self { parts: kept.map(|(_, part)| Part::new(part)).collect() }
    }

    /// A pattern for exactly this text.
    pub fn literally(text: &str) -> String {
        let mut pattern = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '*' | '?' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern
    }

    /// The same pattern with its letters folded, for a value that is folded too.
    pub fn folded(&self) -> Self {
        let fold_part = |part: &Part| match part {
            Part::Text(text, _) => Part::text(fold(text).into_owned()),
            Part::Holes(holes) => {
                // Runs between holes fold as text does.
                let mut folded = Vec::new();
                for run in holes.split_inclusive(Option::is_none) {
                    let text: String = run.iter().flatten().collect();
                    folded.extend(fold(&text).chars().map(Some));
                    folded.extend(run.last().filter(|last| last.is_none()));
                }
                Part::Holes(folded)
            }
        };
        Self { parts: self.parts.iter().map(fold_part).collect() }
    }

    pub fn matches(&self, value: &str) -> bool {
        let (first, rest) = match self.parts.as_slice() {
            [] => return value.is_empty(),
            [only] => return only.at_start(value) == Some(value.len()),
            [first, rest @ ..] => (first, rest),
        };
        let Some((last, middle)) = rest.split_last() else { return false };
        let Some(start) = first.at_start(value) else { return false };
        let Some(end) = last.at_end(value).filter(|end| *end >= start) else { return false };
        let mut left = &value[start..end];
        for part in middle {
            match part.find(left) {
                Some(after) => left = &left[after..],
                None => return false,
            }
        }
        true
    }

    /// The text, if it has no star and no hole.
    pub fn literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text, _)] => Some(text),
            _ => None,
        }
    }

    /// Every character that a value must have to fit.
    pub fn letters(&self) -> impl Iterator<Item = char> + '_ {
        self.parts.iter().flat_map(|part| -> Box<dyn Iterator<Item = char> + '_> {
            match part {
                Part::Text(text, _) => Box::new(text.chars()),
                Part::Holes(holes) => Box::new(holes.iter().filter_map(|hole| *hole)),
            }
        })
    }

    /// The text before the first star or hole.
    pub fn prefix(&self) -> String {
        match self.parts.first() {
            Some(Part::Text(text, _)) => text.clone(),
            Some(Part::Holes(holes)) => holes.iter().map_while(|hole| *hole).collect(),
            None => String::new(),
        }
    }
}

impl Part {
    fn new(part: &[Option<char>]) -> Self {
        match part.iter().copied().collect::<Option<String>>() {
            Some(text) => Self::text(text),
            None => Self::Holes(part.to_vec()),
        }
    }

    fn text(text: String) -> Self {
        let finder = Box::new(Finder::new(&text).into_owned());
        Self::Text(text, finder)
    }

    /// Where it ends when it stands at the start.
    fn at_start(&self, value: &str) -> Option<usize> {
        match self {
            Self::Text(text, _) => value.starts_with(text.as_str()).then_some(text.len()),
            Self::Holes(holes) => {
                let mut rest = value.chars();
                for hole in holes {
                    let c = rest.next()?;
                    if hole.is_some_and(|wanted| wanted != c) {
                        return None;
                    }
                }
                Some(value.len() - rest.as_str().len())
            }
        }
    }

    /// Where it begins when it stands at the end.
    fn at_end(&self, value: &str) -> Option<usize> {
        match self {
            Self::Text(text, _) => value.ends_with(text.as_str()).then(|| value.len() - text.len()),
            Self::Holes(holes) => {
                let mut rest = value.chars();
                for hole in holes.iter().rev() {
                    let c = rest.next_back()?;
                    if hole.is_some_and(|wanted| wanted != c) {
                        return None;
                    }
                }
                Some(rest.as_str().len())
            }
        }
    }

    /// Where its leftmost occurrence ends.
    fn find(&self, value: &str) -> Option<usize> {
        match self {
            Self::Text(text, finder) => finder.find(value.as_bytes()).map(|at| at + text.len()),
            Self::Holes(_) => value
                .char_indices()
                .map(|(at, _)| at)
                .find_map(|at| self.at_start(&value[at..]).map(|length| at + length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The meaning of a pattern, with no thought of speed.
    fn naive(pattern: &[char], value: &[char]) -> bool {
        match pattern {
            [] => value.is_empty(),
            ['*', rest @ ..] => (0..=value.len()).any(|at| naive(rest, &value[at..])),
            ['?', rest @ ..] => !value.is_empty() && naive(rest, &value[1..]),
            ['\\', c, rest @ ..] => value.first() == Some(c) && naive(rest, &value[1..]),
            [c, rest @ ..] => value.first() == Some(c) && naive(rest, &value[1..]),
        }
    }

    #[test]
    fn a_pattern_fits_the_whole_value_and_stars_cross_lines() {
        for (pattern, value, fits) in [
            ("git *", "git log\nrm x", true),
            ("git *", "xgit log", false),
            ("a", "a\n", false),
            ("", "", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("?", "é", true),
            ("[ab]", "[ab]", true),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"a\", r"a\", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(value), fits, "{pattern:?} {value:?}");
        }
    }

    #[test]
    fn a_pattern_made_to_explode_does_not() {
        let (pattern, value) = ("*a".repeat(200) + "b", "a".repeat(200_000));
        assert!(!Glob::new(&pattern).matches(&value));
        assert!(!Glob::new("*?a?a?a?a?b").matches(&value));
    }

    proptest! {
        #[test]
        fn the_matcher_means_what_the_naive_one_means(pattern in r"[ab*?é\n\\]{0,9}", value in r"[ab*é\n\\]{0,12}") {
            let chars: Vec<char> = pattern.chars().collect();
            let plain: Vec<char> = value.chars().collect();
            prop_assert_eq!(Glob::new(&pattern).matches(&value), naive(&chars, &plain));
        }

        #[test]
        fn a_literal_pattern_fits_its_text_alone(text in r"[ab*?\\]{0,8}", other in r"[ab*?\\]{0,8}") {
            let glob = Glob::new(&Glob::literally(&text));
            prop_assert!(glob.matches(&text));
            prop_assert_eq!(glob.matches(&other), text == other);
        }
    }
}
