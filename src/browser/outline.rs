//! The outline of a page as a value: a tree of roles and names that can be
//! written down, searched, cut to a size, and compared with an earlier one.
//! Pure.

use serde::Deserialize;

/// A page as an agent is shown it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    pub(super) root: Node,
}

/// An element, or a text (then its role is `text`).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Node {
    pub role: String,
    pub name: String,
    pub states: Vec<String>,
    pub reference: String,
    pub url: String,
    pub placeholder: String,
    /// What a field holds, or what a text says.
    pub value: String,
    pub kind: String,
    /// What a list to choose from offers.
    pub options: Vec<String>,
    pub multiline: bool,
    pub pointer: bool,
    pub place: Option<[i32; 4]>,
    /// One of many alike, which go on one line each where they can.
    pub compact: bool,
    pub children: Vec<Node>,
}

/// A node as the script sends it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Sent {
    Text(String),
    Node(Box<SentNode>),
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct SentNode {
    r: String,
    n: String,
    s: Vec<String>,
    e: String,
    u: String,
    h: String,
    t: String,
    k: String,
    o: Vec<String>,
    m: bool,
    p: bool,
    b: Option<[i32; 4]>,
    c: Vec<Sent>,
}

impl Sent {
    /// With the number of its frame in every ref.
    pub fn into_node(self, prefix: &str) -> Node {
        match self {
            Sent::Text(value) => Node { role: TEXT.into(), value, ..Node::default() },
            Sent::Node(sent) => Node {
                role: sent.r,
                name: sent.n,
                states: sent.s,
                reference: if sent.e.is_empty() { sent.e } else { format!("{prefix}{}", sent.e) },
                url: sent.u,
                placeholder: sent.h,
                value: sent.t,
                kind: sent.k,
                options: sent.o,
                multiline: sent.m,
                pointer: sent.p,
                place: sent.b,
                compact: false,
                children: compacted(sent.c.into_iter().map(|child| child.into_node(prefix)).collect()),
            },
        }
    }
}

fn compacted(mut children: Vec<Node>) -> Vec<Node> {
    let mut start = 0;
    while start < children.len() {
        let role = children[start].role.clone();
        let length = children[start..].iter().take_while(|child| child.role == role).count();
        if length >= RUN {
            children[start..start + length].iter_mut().for_each(|child| child.compact = true);
        }
        start += length;
    }
    children
}

pub(super) const TEXT: &str = "text";
/// A row on one line is at most this long.
const LONGEST_ROW: usize = 600;
/// What an omission costs, about.
const OMISSION: usize = 60;
/// So many alike in a row may be cut off after the first ones.
const RUN: usize = 6;

/// How an outline is written down.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// About how many bytes at most. What does not fit is counted and can be asked for.
    pub budget: usize,
    /// How many levels.
    pub depth: Option<u32>,
    /// The first so many children are left out.
    pub from: usize,
}

impl Default for Layout {
    fn default() -> Self {
        Self { budget: usize::MAX, depth: None, from: 0 }
    }
}

/// A node with the line that it makes.
struct Laid<'a> {
    node: &'a Node,
    line: String,
    /// With all that is below, at its depth.
    size: usize,
    below: Vec<Laid<'a>>,
}

impl Node {
    pub fn is_text(&self) -> bool {
        self.role == TEXT
    }

    /// Without what is below.
    pub fn head(&self) -> String {
        if self.is_text() {
            return TEXT.to_owned();
        }
        let mut head = self.role.clone();
        if !self.name.is_empty() {
            head.push_str(&format!(" {}", quoted(&self.name)));
        }
        for state in &self.states {
            head.push_str(&format!(" [{state}]"));
        }
        if self.multiline {
            head.push_str(" [multiline]");
        }
        if !self.kind.is_empty() {
            head.push_str(&format!(" [type={}]", self.kind));
        }
        if !self.reference.is_empty() {
            head.push_str(&format!(" [ref={}]", self.reference));
        }
        if self.pointer {
            head.push_str(" [cursor=pointer]");
        }
        if let Some([x, y, width, height]) = self.place {
            head.push_str(&format!(" [box={x},{y},{width},{height}]"));
        }
        if !self.placeholder.is_empty() {
            head.push_str(&format!(" [placeholder={}]", quoted(&self.placeholder)));
        }
        if !self.options.is_empty() {
            let options: Vec<_> = self.options.iter().map(|option| quoted(option)).collect();
            head.push_str(&format!(" [options={}]", options.join(", ")));
        }
        if !self.url.is_empty() {
            head.push_str(&format!(" [url={}]", self.url));
        }
        head
    }

    /// On one line, if that says all: the node and nothing, a text, or a row's cells.
    pub fn single(&self) -> Option<String> {
        let head = self.head();
        if !self.value.is_empty() && self.children.is_empty() {
            return Some(format!("{head}: {}", scalar(&self.value)));
        }
        match self.children.as_slice() {
            [] => Some(head),
            [text] if text.is_text() => Some(format!("{head}: {}", scalar(&text.value))),
            cells if self.role == "row" || self.compact => {
                let cells: Option<Vec<_>> = cells.iter().map(Node::as_cell).collect();
                cells
                    .map(|cells| format!("{head}: {}", cells.join(" | ")))
                    .filter(|line| line.len() <= LONGEST_ROW)
            }
            _ => None,
        }
    }

    /// As a part of its parent's line.
    fn as_cell(&self) -> Option<String> {
        if self.is_text() {
            return Some(cell_text(&self.value));
        }
        let bare = self.reference.is_empty()
            && self.states.is_empty()
            && self.name.is_empty()
            && self.place.is_none();
        let cell = matches!(
            self.role.as_str(),
            "cell" | "gridcell" | "columnheader" | "rowheader" | "generic" | "heading" | "deletion"
        );
        let plain = bare && cell || self.role == "heading" && self.reference.is_empty();
        let mut parts = Vec::new();
        if !plain {
            parts.push(self.head());
        }
        if !self.value.is_empty() {
            parts.push(format!("= {}", quoted(&self.value)));
        }
        match self.children.as_slice() {
            [text] if !plain && text.is_text() => {
                let last = parts.len() - 1;
                parts[last].push_str(&format!(": {}", cell_text(&text.value)));
            }
            children if plain => {
                for child in children {
                    parts.push(child.as_cell()?);
                }
            }
            [] => {}
            _ => return None,
        }
        Some(parts.join(" "))
    }

    fn lay(&self, depth: usize, most: usize) -> Laid<'_> {
        let single = self.single();
        let open = single.is_none();
        let mut line = single.unwrap_or_else(|| self.head());
        let mut below = Vec::new();
        if open && depth >= most {
            line.push_str(&format!(": … {} inside", lines(self.count())));
        } else if open {
            line.push(':');
            if !self.value.is_empty() {
                below.push(Laid {
                    node: self,
                    line: format!("text: {}", scalar(&self.value)),
                    size: 0,
                    below: Vec::new(),
                });
            }
            below.extend(self.children.iter().map(|child| child.lay(depth + 1, most)));
        }
        let size = depth * 2 + line.len() + 3 + below.iter().map(|one| one.size).sum::<usize>();
        Laid { node: self, line, size, below }
    }

    pub fn count(&self) -> usize {
        self.children.iter().map(|child| 1 + if child.single().is_some() { 0 } else { child.count() }).sum()
    }

    /// Every node below, the parents first, with what they are in.
    pub fn walk<'a>(
        &'a self,
        path: &mut Vec<&'a Node>,
        visit: &mut impl FnMut(&[&'a Node], &'a Node) -> bool,
    ) {
        path.push(self);
        for child in &self.children {
            if visit(path, child) {
                child.walk(path, visit);
            }
        }
        path.pop();
    }
}

impl Laid<'_> {
    fn write(&self, depth: usize, budget: usize, ask: &Ask<'_>, out: &mut Out) {
        if self.size <= budget {
            return self.write_all(depth, out);
        }
        let own = depth * 2 + self.line.len() + 3;
        let ask = match self.node.reference.as_str() {
            "" => ask.inside(),
            reference => Ask { target: Some(reference), direct: true, from: 0 },
        };
        if own + OMISSION > budget {
            let inside = lines(self.node.count());
            out.line(depth, &format!("{} … {inside} inside{}", self.line, ask.for_all()));
            out.cut = true;
            return;
        }
        out.line(depth, &self.line);
        write_children(&self.below, depth + 1, budget - own, &ask, out);
    }

    fn write_all(&self, depth: usize, out: &mut Out) {
        out.line(depth, &self.line);
        for child in &self.below {
            child.write_all(depth + 1, out);
        }
    }
}

/// How to ask for what was left out.
struct Ask<'a> {
    target: Option<&'a str>,
    /// What is left out are the target's own children.
    direct: bool,
    from: usize,
}

impl<'a> Ask<'a> {
    fn inside(&self) -> Ask<'a> {
        Ask { target: self.target, direct: false, from: 0 }
    }

    fn for_all(&self) -> String {
        self.target.map(|target| format!(", ask with target {target}")).unwrap_or_default()
    }

    fn for_rest(&self, index: usize) -> String {
        match (self.target, self.direct) {
            (Some(target), true) => format!(", ask with target {target} from {}", index + self.from),
            (None, true) => format!(", ask from {}", index + self.from),
            (Some(target), false) => format!(", ask with target {target}"),
            (None, false) => String::new(),
        }
    }
}

struct Out {
    text: String,
    cut: bool,
}

impl Out {
    fn line(&mut self, depth: usize, line: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str("- ");
        self.text.push_str(line);
    }
}

/// Shares the bytes out: what is small is shown whole, runs of alike ones and
/// large parts share the rest.
fn write_children(children: &[Laid<'_>], depth: usize, budget: usize, ask: &Ask<'_>, out: &mut Out) {
    let mut units: Vec<(usize, usize)> = Vec::new();
    for (at, child) in children.iter().enumerate() {
        match units.last_mut() {
            Some((start, end)) if children[*start].node.role == child.node.role => *end = at + 1,
            _ => units.push((at, at + 1)),
        }
    }
    let units: Vec<_> = units
        .into_iter()
        .flat_map(|(start, end)| match end - start >= RUN {
            true => vec![(start, end)],
            false => (start..end).map(|at| (at, at + 1)).collect(),
        })
        .collect();
    let size =
        |&(start, end): &(usize, usize)| children[start..end].iter().map(|one| one.size).sum::<usize>();
    let mut by_size: Vec<_> = (0..units.len()).collect();
    by_size.sort_by_key(|at| size(&units[*at]));
    let mut given = vec![0; units.len()];
    let mut left = budget;
    for (done, at) in by_size.iter().enumerate() {
        let share = left / (units.len() - done);
        given[*at] = size(&units[*at]).min(share);
        left -= given[*at];
    }
    let mut skipped = 0;
    for (unit, given) in units.iter().zip(given) {
        let &(start, end) = unit;
        if end - start == 1 {
            // Too many for even a word each: they are counted.
            if given < OMISSION.min(children[start].size) {
                skipped += 1;
                continue;
            }
            children[start].write(depth, given, ask, out);
            continue;
        }
        let mut left = given;
        let mut shown = start;
        let whole = size(unit) <= given;
        while shown < end && (whole || children[shown].size + OMISSION <= left) {
            left = left.saturating_sub(children[shown].size);
            children[shown].write_all(depth, out);
            shown += 1;
        }
        if shown == start && given > 4 * OMISSION {
            children[shown].write(depth, given - OMISSION, ask, out);
            shown += 1;
        }
        if shown < end {
            let role = &children[start].node.role;
            let what = if role == TEXT { "texts".to_owned() } else { format!("{role}s") };
            out.line(depth, &format!("… {} more {what}{}", end - shown, ask.for_rest(shown)));
            out.cut = true;
        }
    }
    if skipped > 0 {
        out.line(depth, &format!("… {skipped} more parts{}", ask.for_all()));
        out.cut = true;
    }
}

impl Outline {
    /// Writes it down. True when something was left out.
    pub fn write(&self, layout: &Layout) -> (String, bool) {
        let most = layout.depth.map_or(usize::MAX, |depth| depth as usize);
        let children: Vec<_> =
            self.root.children.iter().skip(layout.from).map(|child| child.lay(0, most)).collect();
        let mut out = Out { text: String::new(), cut: false };
        if layout.from > 0 {
            out.line(0, &format!("… {} before", layout.from.min(self.root.children.len())));
        }
        let whole: usize = children.iter().map(|child| child.size).sum();
        if whole <= layout.budget {
            children.iter().for_each(|child| child.write_all(0, &mut out));
        } else {
            let ask = match self.root.reference.as_str() {
                "" => Ask { target: None, direct: true, from: layout.from },
                reference => Ask { target: Some(reference), direct: true, from: layout.from },
            };
            write_children(&children, 0, layout.budget, &ask, &mut out);
        }
        (out.text, out.cut)
    }

    /// Role and name of every ref.
    pub fn refs(&self) -> Vec<(&str, &str, &str)> {
        let mut found = Vec::new();
        self.root.walk(&mut Vec::new(), &mut |_, node| {
            if !node.reference.is_empty() {
                found.push((node.reference.as_str(), node.role.as_str(), node.name.as_str()));
            }
            true
        });
        found
    }

    /// The lines that match, each group under its path; at most `most`.
    pub fn find(&self, wanted: impl Fn(&str) -> bool, most: usize) -> Findings {
        let mut findings = Findings::default();
        let mut last = None;
        self.root.walk(&mut Vec::new(), &mut |path, node| {
            let single = node.single();
            let line = single.clone().unwrap_or_else(|| node.head());
            if wanted(&line) {
                findings.count += 1;
                if findings.count <= most {
                    let holder: *const Node = path[path.len() - 1];
                    if last != Some(holder) {
                        if path.len() > 1 {
                            findings.push(&format!("in {}:", path_of(&path[1..])));
                        }
                        last = Some(holder);
                    }
                    let open = if single.is_none() { ":" } else { "" };
                    findings.push(&format!("  - {line}{open}"));
                }
            }
            // A row's cells are on its line.
            single.is_none()
        });
        if findings.count > most {
            findings.push(&format!("… {} more matches; search for something longer", findings.count - most));
        }
        findings
    }
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    pub count: usize,
    pub text: String,
}

impl Findings {
    fn push(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
    }
}

/// What something is in: the last few, by role, name and ref.
pub(super) fn path_of(path: &[&Node]) -> String {
    let told: Vec<_> = path
        .iter()
        .filter(|node| !(node.role == "generic" && node.reference.is_empty()))
        .map(|node| {
            let name: String = node.name.chars().take(40).collect();
            let name = if name.is_empty() { name } else { format!(" {}", quoted(&name)) };
            let reference =
                if node.reference.is_empty() { String::new() } else { format!(" [ref={}]", node.reference) };
            format!("{}{name}{reference}", node.role)
        })
        .collect();
    match told.len() {
        0 => "the page".to_owned(),
        1..=4 => told.join(" › "),
        many => format!("{} › … › {}", told[0], told[many - 2..].join(" › ")),
    }
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line".to_owned() } else { format!("{count} lines") }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn cell_text(text: &str) -> String {
    if text.contains("[ref=") || text.contains(" | ") { quoted(text) } else { text.to_owned() }
}

/// A text as YAML takes it. What could be taken for one of our own lines is quoted.
fn scalar(text: &str) -> String {
    let first = text.chars().next().unwrap_or(' ');
    let special = "-?:,[]{}#&*!|>'\"%@`~…".contains(first) || first.is_whitespace();
    let word = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no");
    let number = text.parse::<f64>().is_ok();
    let inside = text.contains(": ") || text.contains(" #") || text.contains("[ref=") || text.contains('\n');
    let end = text.ends_with(':') || text.ends_with(char::is_whitespace);
    if special || word || number || inside || end { quoted(text) } else { text.to_owned() }
}
