//! The parts of a command line that joins several: `a && b; c | d`, lines,
//! `$(…)`, backticks, subshells, redirections.
//!
//! A rule that allows must match every part, and none of it may be unclear; a
//! rule that denies or asks matches when any part does, or the whole, in any
//! reading. The reader knows the quoting of POSIX shells. Where shells differ
//! or a line cannot be read for sure (an open quote, a here-document, a
//! comment with a quote in it), it says so, and nothing is allowed by it.

/// Substitutions within substitutions; deeper ones are unclear.
const DEEPEST: usize = 16;
/// Words of a shell before a command.
const LEADING: [&str; 10] = ["if", "then", "else", "elif", "do", "while", "until", "!", "time", "coproc"];

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Each command and each redirection (`> file`), as written.
    pub commands: Vec<String>,
    /// Not to be read for sure: nothing allows it.
    pub unclear: bool,
}

/// Takes a command line apart.
pub fn parts(line: &str) -> Parts {
    let mut reader =
        Reader { chars: line.chars().collect(), at: 0, found: Parts::default(), depth: 0, loose: 0 };
    reader.list(None);
    reader.found
}

/// Every reading of a line that one could think of, for rules that deny or
/// ask: cut at each joint whether quoted or not, and with the quotes gone.
pub fn loose(line: &str) -> Vec<String> {
    let joint =
        |c: char| matches!(c, ';' | '&' | '|' | '\n' | '\r' | '(' | ')' | '{' | '}' | '`' | '\'' | '"');
    let joined = line.replace("\\\n", "");
    let mut found: Vec<String> = joined.split(joint).map(plain).filter(|part| !part.is_empty()).collect();
    found.extend(parts(line).commands.iter().map(|part| plain(part)));
    let bare: Vec<String> = found.iter().filter_map(|part| command_in(part)).map(str::to_owned).collect();
    found.extend(bare);
    found
}

/// The command after words that only lead up to one: `then rm x`, `A=1 rm x`.
fn command_in(part: &str) -> Option<&str> {
    let mut rest = part;
    while let Some((word, after)) = rest.split_once(' ') {
        let name = word.split_once('=').map(|(name, _)| name);
        let assigns = name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+'))
        });
        if !assigns && !LEADING.contains(&word) {
            break;
        }
        rest = after;
    }
    (rest.len() < part.len()).then_some(rest)
}

/// Without quotes and backslashes, blanks folded: `r''m  -rf` is `rm -rf`.
fn plain(part: &str) -> String {
    let bare: String = part.chars().filter(|c| !matches!(c, '\'' | '"' | '\\')).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    found: Parts,
    depth: usize,
    /// Braces that are open; `}` alone ends a group.
    loose: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn end(&mut self, part: &mut String) {
        let whole = part.trim();
        if !whole.is_empty() {
            self.found.commands.push(whole.to_owned());
        }
        part.clear();
    }

    /// Commands up to the character that closes them.
    fn list(&mut self, close: Option<char>) {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.found.unclear = true;
            self.at = self.chars.len();
        }
        let mut part = String::new();
        let mut word_starts = true;
        while let Some(c) = self.peek(0) {
            if Some(c) == close {
                break;
            }
            let started = std::mem::replace(&mut word_starts, c.is_whitespace() || is_joint(c));
            match c {
                '\\' => match self.peek(1) {
                    Some('\n') => self.at += 1,
                    Some(next) => {
                        part.extend(['\\', next]);
                        self.at += 1;
                    }
                    None => self.found.unclear = true,
                },
                '\'' => self.single(&mut part),
                '"' => self.double(&mut part),
                '`' => self.backticks(&mut part),
                '$' if self.peek(1) == Some('(') => self.substitution(&mut part, 2),
                '$' if self.peek(1) == Some('\'') => {
                    let before = part.len();
                    part.push('$');
                    self.at += 1;
                    self.single(&mut part);
                    // Shells differ on whether a backslash keeps it open.
                    self.found.unclear |= part[before..].contains('\\');
                }
                '$' if self.peek(1) == Some('{') => self.braces(&mut part),
                '<' | '>' if self.peek(1) == Some('(') => self.substitution(&mut part, 2),
                '#' if started || part.trim().is_empty() => {
                    let comment: String = self.chars[self.at..].iter().take_while(|c| **c != '\n').collect();
                    self.found.unclear |= comment
                        .contains(|c: char| is_joint(c) || matches!(c, '\'' | '"' | '`' | '$' | '\\' | '\r'));
                    self.at += comment.chars().count();
                    continue;
                }
                '<' | '>' => {
                    self.redirection(&mut part);
                    word_starts = true;
                    continue;
                }
                '&' if self.peek(1) == Some('>') => {
                    self.at += 1;
                    self.redirection(&mut part);
                    word_starts = true;
                    continue;
                }
                '(' => {
                    self.end(&mut part);
                    self.at += 1;
                    self.list(Some(')'));
                    self.found.unclear |= self.peek(0) != Some(')');
                }
                ')' => {
                    // The end of a pattern in `case`, or nonsense.
                    self.found.unclear = true;
                    self.end(&mut part);
                }
                '{' if part.trim().is_empty() && self.peek(1).is_none_or(char::is_whitespace) => {
                    self.loose += 1
                }
                '}' if part.trim().is_empty() && self.loose > 0 => self.loose -= 1,
                ';' | '&' | '|' | '\n' | '\r' => self.end(&mut part),
                c => part.push(c),
            }
            self.at += 1;
        }
        self.end(&mut part);
        self.depth -= 1;
    }

    /// From a `'` to the next one; stays on it.
    fn single(&mut self, part: &mut String) {
        part.push('\'');
        loop {
            self.at += 1;
            match self.peek(0) {
                Some(c) => part.push(c),
                None => self.found.unclear = true,
            }
            if matches!(self.peek(0), Some('\'') | None) {
                return;
            }
        }
    }

    /// From a `"` to the next one; what is substituted in it is a part too.
    fn double(&mut self, part: &mut String) {
        part.push('"');
        self.at += 1;
        while let Some(c) = self.peek(0) {
            match c {
                '"' => {
                    part.push('"');
                    return;
                }
                '\\' => {
                    part.push('\\');
                    self.at += 1;
                    part.extend(self.peek(0));
                }
                '`' => self.backticks(part),
                '$' if self.peek(1) == Some('(') => self.substitution(part, 2),
                '$' if self.peek(1) == Some('{') => self.braces(part),
                c => part.push(c),
            }
            self.at += 1;
        }
        self.found.unclear = true;
    }

    /// `$(…)`, `<(…)`; stays on what closes it.
    fn substitution(&mut self, part: &mut String, opening: usize) {
        let start = self.at;
        self.at += opening;
        let braces = std::mem::take(&mut self.loose);
        self.list(Some(')'));
        self.loose = braces;
        self.found.unclear |= self.peek(0) != Some(')');
        let end = (self.at + 1).min(self.chars.len());
        part.extend(&self.chars[start..end]);
    }

    /// `` `…` ``: up to the next one that is not escaped; stays on it.
    fn backticks(&mut self, part: &mut String) {
        let start = self.at;
        let mut inside = String::new();
        self.at += 1;
        loop {
            match self.peek(0) {
                Some('`') => break,
                Some('\\') if matches!(self.peek(1), Some('`' | '\\' | '$')) => {
                    self.at += 1;
                    inside.extend(self.peek(0));
                }
                Some(c) => inside.push(c),
                None => {
                    self.found.unclear = true;
                    break;
                }
            }
            self.at += 1;
        }
        let end = (self.at + 1).min(self.chars.len());
        part.extend(&self.chars[start..end]);
        if self.depth >= DEEPEST {
            self.found.unclear = true;
            return;
        }
        let chars = inside.chars().collect();
        let mut within = Reader { chars, at: 0, found: Parts::default(), depth: self.depth, loose: 0 };
        within.list(None);
        self.found.commands.append(&mut within.found.commands);
        self.found.unclear |= within.found.unclear;
    }

    /// `${…}`: plain ones stay as they are, what could hold a command is unclear.
    fn braces(&mut self, part: &mut String) {
        let rest = &self.chars[self.at..];
        let length = rest.iter().position(|c| *c == '}').map_or(rest.len(), |at| at + 1);
        let text: String = rest[..length].iter().collect();
        let dark = |c: char| matches!(c, '`' | '\'' | '"' | '\\' | '(' | '\n') || is_joint(c);
        self.found.unclear |= !text.ends_with('}') || text.contains(dark) || text[2..].contains('$');
        part.push_str(&text);
        self.at += length - 1;
    }

    /// `> file`, `2>&1`, `<<< word`: a part of its own, but for one that only
    /// joins two descriptors.
    fn redirection(&mut self, part: &mut String) {
        let mut sign = String::new();
        while let Some(c) = self.peek(0).filter(|c| matches!(c, '<' | '>' | '&' | '|')) {
            // `>a&` ends after the file; only what follows the arrow at once belongs to it.
            sign.push(c);
            self.at += 1;
        }
        // A here-document's lines are no commands, but who can tell where it ends.
        self.found.unclear |= sign.starts_with("<<") && sign != "<<<";
        if !matches!(sign.as_str(), "<" | ">" | ">>" | "<>" | ">|" | ">&" | "<&" | "<<<" | "<<") {
            self.found.unclear = true;
        }
        // The number before the arrow belongs to it.
        let number = part.len() - part.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let before = part[..part.len() - number].chars().next_back();
        if before.is_none_or(char::is_whitespace) {
            part.truncate(part.len() - number);
        }
        while self.peek(0).is_some_and(|c| matches!(c, ' ' | '\t')) {
            self.at += 1;
        }
        let mut file = String::new();
        while let Some(c) =
            self.peek(0).filter(|c| !c.is_whitespace() && !is_joint(*c) && !matches!(c, '<' | '>'))
        {
            match c {
                '\'' => self.single(&mut file),
                '"' => self.double(&mut file),
                '`' => self.backticks(&mut file),
                '$' if self.peek(1) == Some('(') => self.substitution(&mut file, 2),
                '$' if self.peek(1) == Some('{') => self.braces(&mut file),
                '\\' => {
                    file.push('\\');
                    self.at += 1;
                    file.extend(self.peek(0));
                }
                c => file.push(c),
            }
            self.at += 1;
        }
        self.at = self.at.min(self.chars.len());
        let joins = matches!(sign.as_str(), ">&" | "<&")
            && !file.is_empty()
            && file.chars().all(|c| c.is_ascii_digit() || c == '-');
        if !joins {
            self.found.commands.push(format!("{sign} {file}").trim().to_owned());
        }
        part.push(' ');
    }
}

fn is_joint(c: char) -> bool {
    matches!(c, ';' | '&' | '|' | '\n' | '\r' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(line: &str, commands: &[&str]) {
        let found = parts(line);
        let mut sorted = found.commands.clone();
        sorted.sort();
        let mut wanted = commands.to_vec();
        wanted.sort_unstable();
        assert_eq!(
            (sorted.iter().map(String::as_str).collect::<Vec<_>>(), found.unclear),
            (wanted, false),
            "{line:?}"
        );
    }

    #[test]
    fn each_way_of_joining_is_seen() {
        check("git log", &["git log"]);
        check("a && b; c | d & e || f\ng |& h", &["a", "b", "c", "d", "e", "f", "g", "h"]);
        check("git log $(rm x)", &["git log $(rm x)", "rm x"]);
        check("git log \"`rm x`\" <(rm y)", &["git log \"`rm x`\" <(rm y)", "rm x", "rm y"]);
        check("(a; b) && { c; d; }", &["a", "b", "c", "d"]);
        check("echo \"$(a \"$(b)\")\"", &["echo \"$(a \"$(b)\")\"", "a \"$(b)\"", "b"]);
        check("a\\\nb", &["ab"]);
    }

    #[test]
    fn what_is_quoted_joins_nothing() {
        check("git commit -m 'a && b; c'", &["git commit -m 'a && b; c'"]);
        check(r#"echo "a; \" && b""#, &[r#"echo "a; \" && b""#]);
        check(r"echo a\;b", &[r"echo a\;b"]);
        check("echo ${HOME}/x", &["echo ${HOME}/x"]);
        check("ls # all of it", &["ls"]);
    }

    #[test]
    fn a_redirection_is_a_part_and_joining_descriptors_is_none() {
        check("git log > /etc/passwd", &["git log", "> /etc/passwd"]);
        check("a 2>>'x y' b", &["a   b", ">> 'x y'"]);
        check("make 2>&1 | tee", &["make", "tee"]);
        check("sort < in", &["sort", "< in"]);
        check("a &> f; b", &["a", "> f", "b"]);
    }

    #[test]
    fn what_cannot_be_read_for_sure_is_unclear() {
        for line in [
            "echo 'a",
            "echo \"a",
            "echo `a",
            "echo $(a",
            "cat <<EOF\nit's\nEOF\nrm x\n: '",
            "ls # don't\nrm x # '",
            r"echo $'\'' ; rm x ; echo $'\''",
            "a)b",
            "echo ${x:-`rm y`}",
            "a \\",
            &"$(".repeat(40),
        ] {
            assert!(parts(line).unclear, "{line:?}");
        }
    }

    #[test]
    fn quotes_hide_no_word_from_a_loose_reading() {
        for line in [
            "r''m  -rf /",
            "bash -c 'rm -rf /'",
            "ls # don't\nrm -rf /",
            "\\rm -rf /",
            "r\\\nm -rf /",
            "if a; then rm -rf /; fi",
            "A=1 ! rm -rf /",
        ] {
            assert!(loose(line).iter().any(|part| part == "rm -rf /"), "{line:?}: {:?}", loose(line));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_and_two_that_are_joined_are_apart(
            junk in "[a '\"`$(){};&|<>#\\\\\n]{0,40}",
            joint in prop::sample::select(vec!["&&", ";", "|", "||", "&", "\n", "|&"]),
        ) {
            let found = parts(&junk);
            // A line that is clear stays clear, whatever is joined to it, and what is joined is a part.
            let both = parts(&format!("{junk} {joint} rm x"));
            if !found.unclear && !both.unclear && !junk.contains('#') {
                prop_assert!(both.commands.iter().any(|part| part == "rm x"), "{:?}", both);
            }
        }
    }
}
