//! URL patterns as Playwright means them.

/// A pattern: `*` is anything but a slash, `**` anything, `?` is itself,
/// `{a,b}` one of several, `\` takes the next character as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    /// Anything but a slash.
    Segment,
    Anything,
    /// `/**/`: a slash, with whole segments after it or none.
    Folders,
    OneOf(Vec<Vec<Part>>),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no URL pattern: {reason}")]
pub struct GlobError {
    text: String,
    reason: &'static str,
}

const LONGEST: usize = 2048;
/// Steps of one match: a pattern of many stars against a long URL could take for ever.
const PATIENCE: u32 = 200_000;

impl std::fmt::Display for Glob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Glob {
    type Err = GlobError;
    fn from_str(text: &str) -> Result<Self, GlobError> {
        let fail = |reason| GlobError { text: super::shortened(text, 100), reason };
        if text.is_empty() {
            return Err(fail("it is empty; **/* matches everything"));
        }
        if text.len() > LONGEST {
            return Err(fail("it is too long"));
        }
        let chars: Vec<char> = text.chars().collect();
        let mut at = 0;
        let parts = read(&chars, &mut at, false).map_err(fail)?;
        Ok(Self { text: text.to_owned(), parts })
    }
}

impl Glob {
    pub fn matches(&self, url: &str) -> bool {
        let url: Vec<char> = url.split('#').next().unwrap_or_default().chars().collect();
        let mut steps = PATIENCE;
        let parts: Vec<&Part> = self.parts.iter().collect();
        if matches(&parts, &url, &mut steps) {
            return true;
        }
        // An address without a path has one all the same: a slash.
        let bare = self.text.matches('/').count() == 2 && self.text.contains("://");
        bare && url.last() == Some(&'/') && matches(&parts, &url[..url.len() - 1], &mut steps)
    }
}

fn read(chars: &[char], at: &mut usize, in_group: bool) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    while let Some(&c) = chars.get(*at) {
        match c {
            '\\' if *at + 1 < chars.len() => {
                parts.push(Part::Char(chars[*at + 1]));
                *at += 2;
            }
            '*' => {
                let start = *at;
                while chars.get(*at) == Some(&'*') {
                    *at += 1;
                }
                let before = start.checked_sub(1).map(|before| chars[before]);
                let after = chars.get(*at);
                if *at - start == 1 {
                    parts.push(Part::Segment);
                } else if before == Some('/') && after == Some(&'/') {
                    *at += 1;
                    parts.pop();
                    parts.push(Part::Folders);
                } else {
                    parts.push(Part::Anything);
                }
            }
            '{' if in_group => return Err("a group stands inside a group"),
            '{' => {
                *at += 1;
                let mut choices = Vec::new();
                loop {
                    choices.push(read(chars, at, true)?);
                    match chars.get(*at) {
                        Some(',') => *at += 1,
                        Some('}') => break *at += 1,
                        _ => return Err("a { is not closed"),
                    }
                }
                parts.push(Part::OneOf(choices));
            }
            ',' | '}' if in_group => return Ok(parts),
            c => {
                parts.push(Part::Char(c));
                *at += 1;
            }
        }
    }
    Ok(parts)
}

fn matches(parts: &[&Part], url: &[char], steps: &mut u32) -> bool {
    let Some(left) = steps.checked_sub(1) else { return false };
    *steps = left;
    let Some((first, rest)) = parts.split_first() else { return url.is_empty() };
    match first {
        Part::Char(c) => url.first() == Some(c) && matches(rest, &url[1..], steps),
        Part::Segment => {
            let most = url.iter().take_while(|c| **c != '/').count();
            (0..=most).any(|taken| matches(rest, &url[taken..], steps))
        }
        Part::Anything => (0..=url.len()).any(|taken| matches(rest, &url[taken..], steps)),
        Part::Folders => {
            url.first() == Some(&'/')
                && (0..url.len()).any(|at| url[at] == '/' && matches(rest, &url[at + 1..], steps))
        }
        Part::OneOf(choices) => choices.iter().any(|choice| {
            let all: Vec<&Part> = choice.iter().chain(rest.iter().copied()).collect();
            matches(&all, url, steps)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_mean_what_playwright_means() {
        for (pattern, url, wanted) in [
            ("**/*.png", "http://a/b/c.png", true),
            ("**/*.png", "http://a/c.png", true),
            ("**/*.png", "http://a/c.png?x", false),
            ("**/*.png*", "http://a/c.png?x", true),
            ("**/*.{png,jpg}", "https://a/b.jpg", true),
            ("**/*.{png,jpg}", "https://a/b.gif", false),
            ("**/api/**", "https://a/api/x/y?z", true),
            ("**/api/users", "https://a/v1/api/users", true),
            ("http://a/*", "http://a/b/c", false),
            ("http://a/*", "http://a/b", true),
            ("http://a/**", "http://a/b/c", true),
            ("http://a/**/c", "http://a/c", true),
            ("http://a/**/c", "http://a/x/y/c", true),
            ("http://a/**/c", "http://a/xc", false),
            ("http://a", "http://a/", true),
            ("http://a/?q=1", "http://a/?q=1", true),
            ("http://a/?q=1", "http://a/xq=1", false),
            ("http://a/\\*", "http://a/*", true),
            ("http://a/\\*", "http://a/b", false),
            ("http://a/b", "http://a/b#part", true),
            ("**/*", "http://a/b/c", true),
            ("**", "anything", true),
        ] {
            let glob: Glob = pattern.parse().expect("a pattern");
            assert_eq!(glob.matches(url), wanted, "{pattern} {url}");
        }
        for bad in ["", "{a", "{a,{b}}", &"x".repeat(LONGEST + 1)] {
            assert!(bad.parse::<Glob>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_gives_up() {
        let glob: Glob = "*a".repeat(500).parse().expect("a pattern");
        assert!(!glob.matches(&format!("{}b", "a".repeat(4000))));
    }

    proptest! {
        #[test]
        fn no_pattern_makes_it_panic(pattern in "[a/*?{},\\\\é]{0,30}", url in "[a/*?{}é#]{0,30}") {
            if let Ok(glob) = pattern.parse::<Glob>() {
                glob.matches(&url);
            }
        }
    }
}
