//! What changed between two outlines: enough to make the new one of the old
//! one, and as a short text for an agent that has seen the old one. Pure.

use std::collections::{HashMap, HashSet};

use super::outline::{Node, Outline, path_of};

/// The change from one outline to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Delta {
    change: Change,
    text: String,
}

/// How one node becomes another.
#[derive(Clone, Debug, Default, PartialEq)]
struct Change {
    /// Everything but its children, where that changed.
    head: Option<Node>,
    children: Vec<Step>,
}

/// Taken in order, these turn the old children into the new ones.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Keep(usize),
    Remove(usize),
    Insert(Node),
    Change(Change),
}

impl Outline {
    /// What has to be done to `old` to come to this one.
    pub fn diff(&self, old: &Outline) -> Delta {
        let change = change(&old.root, &self.root);
        let mut teller = Teller { removed: HashSet::new(), lines: Vec::new() };
        teller.collect(&old.root, &change);
        teller.tell(&mut vec![&self.root], &old.root, &change);
        Delta { text: teller.lines.join("\n"), change }
    }
}

impl Delta {
    pub fn is_empty(&self) -> bool {
        self.change.head.is_none() && self.change.children.iter().all(|step| matches!(step, Step::Keep(_)))
    }

    /// For an agent: `+` came, `~` changed, `-` went; each group under what it is in.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn apply(&self, old: &Outline) -> Outline {
        Outline { root: apply(&old.root, &self.change) }
    }
}

fn bare(node: &Node) -> Node {
    Node { children: Vec::new(), ..clone_head(node) }
}

fn clone_head(node: &Node) -> Node {
    Node {
        role: node.role.clone(),
        name: node.name.clone(),
        states: node.states.clone(),
        reference: node.reference.clone(),
        url: node.url.clone(),
        placeholder: node.placeholder.clone(),
        value: node.value.clone(),
        kind: node.kind.clone(),
        options: node.options.clone(),
        multiline: node.multiline,
        pointer: node.pointer,
        place: node.place,
        compact: node.compact,
        children: Vec::new(),
    }
}

fn apply(old: &Node, change: &Change) -> Node {
    let mut new = change.head.clone().unwrap_or_else(|| bare(old));
    let mut at = 0;
    for step in &change.children {
        match step {
            Step::Keep(count) => {
                new.children.extend(old.children.iter().skip(at).take(*count).cloned());
                at += count;
            }
            Step::Remove(count) => at += count,
            Step::Insert(node) => new.children.push(node.clone()),
            Step::Change(change) => {
                new.children.extend(old.children.get(at).map(|child| apply(child, change)));
                at += 1;
            }
        }
    }
    new
}

fn same_head(a: &Node, b: &Node) -> bool {
    a.role == b.role
        && a.name == b.name
        && a.states == b.states
        && a.reference == b.reference
        && a.url == b.url
        && a.placeholder == b.placeholder
        && a.value == b.value
        && a.kind == b.kind
        && a.options == b.options
        && (a.multiline, a.pointer, a.place, a.compact) == (b.multiline, b.pointer, b.place, b.compact)
}

fn change(old: &Node, new: &Node) -> Change {
    let head = (!same_head(old, new)).then(|| bare(new));
    let (a, b) = (&old.children, &new.children);
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - front;
    let back = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let mut steps = Steps::default();
    steps.keep(front);
    middle(&a[front..a.len() - back], &b[front..b.len() - back], &mut steps);
    steps.keep(back);
    Change { head, children: steps.0 }
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn keep(&mut self, count: usize) {
        match self.0.last_mut() {
            _ if count == 0 => {}
            Some(Step::Keep(kept)) => *kept += count,
            _ => self.0.push(Step::Keep(count)),
        }
    }

    fn remove(&mut self, count: usize) {
        match self.0.last_mut() {
            _ if count == 0 => {}
            Some(Step::Remove(removed)) => *removed += count,
            _ => self.0.push(Step::Remove(count)),
        }
    }

    fn pair(&mut self, old: &Node, new: &Node) {
        if old == new {
            self.keep(1);
        } else {
            self.0.push(Step::Change(change(old, new)));
        }
    }
}

/// What a node is known by: its ref, else its role and name, else what it says.
fn key(node: &Node) -> String {
    if !node.reference.is_empty() {
        return node.reference.clone();
    }
    if !node.name.is_empty() {
        return format!("{} {}", node.role, node.name);
    }
    let mut said = format!("{} {}", node.role, node.value);
    node.walk(&mut Vec::new(), &mut |_, inner| {
        for part in [&inner.name, &inner.value] {
            said.push('\u{1}');
            said.push_str(part);
        }
        said.len() < LONGEST_KEY
    });
    said
}

/// So much of what a node says tells it from others.
const LONGEST_KEY: usize = 400;

fn unique(keys: &[String]) -> HashMap<&str, usize> {
    let mut seen: HashMap<&str, Option<usize>> = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        seen.entry(key).and_modify(|at| *at = None).or_insert(Some(at));
    }
    seen.into_iter().filter_map(|(key, at)| Some((key, at?))).collect()
}

/// Nodes that are known in both are anchors, as far as their order agrees.
fn middle(old: &[Node], new: &[Node], steps: &mut Steps) {
    let (old_keys, new_keys): (Vec<_>, Vec<_>) =
        (old.iter().map(key).collect(), new.iter().map(key).collect());
    let (known, fresh) = (unique(&old_keys), unique(&new_keys));
    let pairs: Vec<(usize, usize)> = new_keys
        .iter()
        .enumerate()
        .filter(|(at, key)| fresh.get(key.as_str()) == Some(at))
        .filter_map(|(at, key)| Some((*known.get(key.as_str())?, at)))
        .collect();
    let (mut a, mut b) = (0, 0);
    for (x, y) in rising(&pairs) {
        gap(&old[a..x], &new[b..y], steps);
        steps.pair(&old[x], &new[y]);
        (a, b) = (x + 1, y + 1);
    }
    gap(&old[a..], &new[b..], steps);
}

/// The longest part of the pairs whose old indexes rise, as the new ones do.
fn rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, (old, _)) in pairs.iter().enumerate() {
        let place = ends.partition_point(|end| pairs[*end].0 < *old);
        before.push(place.checked_sub(1).map(|place| ends[place]));
        match ends.get_mut(place) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut chain = Vec::new();
    let mut at = ends.last().copied();
    while let Some(index) = at {
        chain.push(pairs[index]);
        at = before[index];
    }
    chain.reverse();
    chain
}

/// Between anchors, what has the same role is the same thing, changed.
fn gap(old: &[Node], new: &[Node], steps: &mut Steps) {
    let mut a = 0;
    for node in new {
        let alike =
            |other: &Node| other.role == node.role && other.reference.is_empty() == node.reference.is_empty();
        match old.get(a) {
            Some(other) if alike(other) => {
                steps.pair(other, node);
                a += 1;
            }
            _ => steps.0.push(Step::Insert(node.clone())),
        }
    }
    steps.remove(old.len() - a);
}

/// Puts a change into words.
struct Teller {
    /// The refs of what went from somewhere.
    removed: HashSet<String>,
    lines: Vec<String>,
}

impl Teller {
    fn collect(&mut self, old: &Node, change: &Change) {
        let mut at = 0;
        for step in &change.children {
            match step {
                Step::Keep(count) => at += count,
                Step::Remove(count) => {
                    let gone = old.children.iter().skip(at).take(*count);
                    self.removed
                        .extend(gone.map(|node| node.reference.clone()).filter(|one| !one.is_empty()));
                    at += count;
                }
                Step::Insert(_) => {}
                Step::Change(change) => {
                    if let Some(child) = old.children.get(at) {
                        self.collect(child, change);
                    }
                    at += 1;
                }
            }
        }
    }

    /// `path` ends with the new node that `change` makes of `old`.
    fn tell(&mut self, path: &mut Vec<&Node>, old: &Node, change: &Change) {
        let Some(new) = path.last().copied() else { return };
        let mut told = false;
        let (mut at, mut to) = (0, 0);
        for step in &change.children {
            match step {
                Step::Keep(count) => (at, to) = (at + count, to + count),
                Step::Remove(count) => {
                    for gone in old.children.iter().skip(at).take(*count) {
                        let moved = !gone.reference.is_empty()
                            && new.children.iter().any(|node| node.reference == gone.reference);
                        if !moved {
                            self.line(&mut told, path, &format!("- {}", short(gone)));
                        }
                    }
                    at += count;
                }
                Step::Insert(node) => {
                    if !node.reference.is_empty() && self.removed.contains(&node.reference) {
                        self.line(&mut told, path, &format!("+ {} (moved here)", short(node)));
                    } else {
                        self.line(&mut told, path, &format!("+ {}", first_line(node)));
                        if node.single().is_none() {
                            self.whole(node, 2);
                        }
                    }
                    to += 1;
                }
                Step::Change(inner) => {
                    let (Some(from), Some(child)) = (old.children.get(at), new.children.get(to)) else {
                        return;
                    };
                    if child.single().is_some() {
                        self.line(&mut told, path, &format!("~ {}", first_line(child)));
                    } else {
                        if inner.head.is_some() || from.single().is_some() {
                            self.line(&mut told, path, &format!("~ {}", child.head()));
                        }
                        let before = self.lines.len();
                        path.push(child);
                        self.tell(path, from, inner);
                        path.pop();
                        // Something else was told of in between.
                        told &= self.lines.len() == before;
                    }
                    (at, to) = (at + 1, to + 1);
                }
            }
        }
    }

    fn line(&mut self, told: &mut bool, path: &[&Node], line: &str) {
        if !*told && path.len() > 1 {
            self.lines.push(format!("in {}:", path_of(&path[1..])));
        }
        *told = true;
        self.lines.push(format!("{}{line}", if path.len() > 1 { "  " } else { "" }));
    }

    fn whole(&mut self, node: &Node, depth: usize) {
        let inside = Outline { root: node.clone() };
        let (text, _) = inside.write(&super::outline::Layout::default());
        let pad = "  ".repeat(depth);
        self.lines.extend(text.lines().map(|line| format!("{pad}{line}")));
    }
}

fn first_line(node: &Node) -> String {
    node.single().unwrap_or_else(|| format!("{}:", node.head()))
}

/// Enough to know which one is meant.
fn short(node: &Node) -> String {
    let line = node.single().unwrap_or_else(|| {
        let mut said = String::new();
        node.walk(&mut Vec::new(), &mut |_, inner| {
            if said.is_empty() {
                said.push_str(if inner.name.is_empty() { &inner.value } else { &inner.name });
            }
            said.is_empty()
        });
        if node.name.is_empty() { format!("{}: {said}", node.head()) } else { node.head() }
    });
    match line.char_indices().nth(80) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browser::outline::Layout;
    use proptest::prelude::*;

    fn node(role: &str, name: &str, reference: &str, children: Vec<Node>) -> Node {
        Node {
            role: role.into(),
            name: name.into(),
            reference: reference.into(),
            children,
            ..Node::default()
        }
    }

    fn outline(children: Vec<Node>) -> Outline {
        Outline { root: node("root", "", "", children) }
    }

    fn text(value: &str) -> Node {
        Node { role: "text".into(), value: value.into(), ..Node::default() }
    }

    #[test]
    fn a_change_is_told_where_it_is_and_no_more() {
        let row = |n: usize| {
            let cells = [format!("cell {n}"), "x".to_owned()];
            node("row", "", "", cells.iter().map(|said| node("cell", "", "", vec![text(said)])).collect())
        };
        let page = |status: &str, rows: std::ops::Range<usize>| {
            outline(vec![
                node("heading", "Orders", "e1", vec![]),
                node(
                    "main",
                    "",
                    "e2",
                    vec![
                        node("table", "All", "e3", rows.map(row).collect()),
                        node("status", "", "e4", vec![text(status)]),
                    ],
                ),
            ])
        };
        let (old, new) = (page("ready", 0..50), page("saved", 1..51));
        let delta = new.diff(&old);
        assert_eq!(delta.apply(&old), new);
        assert_eq!(
            delta.text(),
            "in main [ref=e2] › table \"All\" [ref=e3]:\n  - row: cell 0 | x\n  + row: cell 50 | x\nin main [ref=e2]:\n  ~ status [ref=e4]: saved"
        );
        assert!(new.diff(&new).is_empty());
    }

    #[test]
    fn what_does_not_fit_is_counted_and_can_be_asked_for() {
        let rows = (0..500)
            .map(|n| node("row", "", "", vec![node("cell", "", "", vec![text(&format!("cell {n}"))])]))
            .collect();
        let page = outline(vec![
            node("heading", "Orders", "e1", vec![]),
            node("table", "All", "e3", rows),
            node("button", "Next", "e9", vec![]),
        ]);
        let (text, cut) = page.write(&Layout { budget: 1000, ..Layout::default() });
        assert!(
            cut && text.len() < 1200
                && text.contains("heading \"Orders\"")
                && text.contains("button \"Next\""),
            "{text}"
        );
        let omitted =
            text.lines().find(|line| line.contains("more rows, ask with target e3 from ")).expect("told");
        let from: usize = omitted.rsplit(' ').next().expect("number").parse().expect("number");
        let part = Outline { root: page.root.children[1].clone() };
        let (rest, _) = part.write(&Layout { from, ..Layout::default() });
        assert!(rest.contains(&format!("row: cell {from}\n")) && rest.ends_with("cell 499"), "{rest}");
        assert!(text.contains(&format!("row: cell {}\n", from - 1)));
        let found = page.find(|line| line.contains("cell 49"), 5);
        assert_eq!(found.count, 11);
        assert!(found.text.starts_with("in table \"All\" [ref=e3]:\n  - row: cell 49\n"), "{}", found.text);
    }

    fn tree() -> impl Strategy<Value = Node> {
        let leaf = (0..4usize, 0..6usize, 0..12usize).prop_map(|(role, name, reference)| {
            let role = ["button", "row", "text", "list"][role];
            let reference =
                if reference < 6 || role == "text" { String::new() } else { format!("e{reference}") };
            let name = if name == 0 { String::new() } else { format!("n{name}") };
            match role {
                "text" => text(&name),
                _ => node(role, &name, &reference, vec![]),
            }
        });
        leaf.prop_recursive(4, 60, 8, |inner| {
            (0..4usize, prop::collection::vec(inner, 0..8))
                .prop_map(|(role, children)| node(["list", "row", "main", "generic"][role], "", "", children))
        })
    }

    proptest! {
        #[test]
        fn the_delta_applied_to_the_old_outline_gives_the_new_one(
            old in prop::collection::vec(tree(), 0..6),
            new in prop::collection::vec(tree(), 0..6),
        ) {
            let (old, new) = (outline(old), outline(new));
            let delta = new.diff(&old);
            prop_assert_eq!(delta.apply(&old), new.clone());
            prop_assert_eq!(delta.is_empty(), old == new);
            prop_assert!(new.diff(&new).text().is_empty());
        }

        #[test]
        fn a_budget_holds_about_and_without_one_nothing_is_left_out(page in prop::collection::vec(tree(), 0..12), budget in 300..3000usize) {
            let page = outline(page);
            let (_, cut) = page.write(&Layout::default());
            prop_assert!(!cut);
            let (text, _) = page.write(&Layout { budget, ..Layout::default() });
            prop_assert!(text.len() <= budget + budget / 2 + 200, "{} of {budget}", text.len());
        }
    }
}
