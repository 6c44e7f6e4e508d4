//! Keeps the house tidy: imports run downwards only, and every file says what
//! it is.

use std::path::{Path, PathBuf};

/// From the ground up. Modules on one line are siblings and never import each other.
const FLOORS: &[&[&str]] = &[
    &["base"],
    &["floor", "policy", "process"],
    &["display", "media", "rtc", "browser", "egress", "store"],
    &["room"],
    &["server", "agents", "copilot"],
    &["bench"],
    &["cli", "main", "lib"],
];

fn level(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The first names after `crate::` in a text, also out of `crate::{a, b::c}`.
fn imports(text: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        // `$crate::` belongs to macros of others; `my_crate::` is another word.
        if text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut start = 0;
        for (index, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                found.push(name(group[start..index].trim_start()));
                start = index + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn imports_run_downwards_and_siblings_are_strangers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        let inner = file.strip_prefix(&src).expect("below src");
        let first = inner.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        let Some(own) = level(&module) else {
            wrong.push(format!("{}: the module {module} has no floor", inner.display()));
            continue;
        };
        let text = without_comments(&std::fs::read_to_string(&file).expect("readable"));
        for import in imports(&text) {
            match level(&import) {
                _ if import == module => {}
                Some(other) if other < own => {}
                Some(_) => wrong.push(format!("{}: {module} imports {import}", inner.display())),
                None => wrong.push(format!("{}: {import} is no module of the house", inner.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that run up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    sources(&root.join("tests"), &mut files);
    let silent: Vec<_> = files
        .iter()
        .filter(|file| !std::fs::read_to_string(file).expect("readable").starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "files without a word about themselves: {silent:?}");
}

#[test]
fn the_reader_of_imports_sees_groups_and_paths() {
    let text = "use crate::base::{A, B}; use crate::{room::{X, Y}, store}; let x = crate::rtc::go();";
    assert_eq!(imports(text), ["base", "room", "store", "rtc"]);
    assert_eq!(imports("$crate::x my_crate::y"), Vec::<String>::new());
}
