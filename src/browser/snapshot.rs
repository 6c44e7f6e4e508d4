//! Taking the outline of a page with its frames.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::json;

use super::Locator;
use super::delta::Delta;
use super::fault::ActError;
use super::frames::Place;
use super::outline::{Findings, Layout, Node, Outline, Sent};
use super::tabs::Tab;

/// An outline is never written longer than this; what is left out says so.
const LARGEST: usize = 200_000;
/// How long it is if nothing else is asked for: the whole page, or a part of it.
const PAGE: usize = 20_000;
const PART: usize = 60_000;
/// Frames in frames, so deep.
const DEEPEST: usize = 8;
/// The most matches of a search.
const MOST_MATCHES: usize = 30;

/// What is to be shown.
#[derive(Clone, Debug, Default)]
pub struct SnapshotScope {
    /// Only what is below this element.
    pub below: Option<Locator>,
    /// How many levels.
    pub depth: Option<u32>,
    /// About how many bytes; the rest is counted and can be asked for. 20,000
    /// for a page and 60,000 for a part unless something else is said.
    pub budget: Option<usize>,
    /// Without the first so many of its parts: what an omission says after "from".
    pub from: usize,
    /// With where each element lies in its frame's viewport.
    pub boxes: bool,
    /// Addresses of links are not shortened.
    pub whole_urls: bool,
}

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub url: String,
    pub title: String,
    pub yaml: String,
    /// Something was left out for its size.
    pub cut: bool,
    /// All of it, to compare later ones with and to search in.
    pub outline: Outline,
}

impl Snapshot {
    /// What changed since an earlier outline, unless the whole is shorter to say.
    pub fn since(&self, old: &Outline) -> Result<Delta, &str> {
        let delta = self.outline.diff(old);
        if delta.text().len() < self.yaml.len() { Ok(delta) } else { Err(&self.yaml) }
    }

    /// The lines with a text, in any case.
    pub fn find_text(&self, text: &str) -> Findings {
        let wanted = text.to_lowercase();
        self.outline.find(|line| line.to_lowercase().contains(&wanted), MOST_MATCHES)
    }

    /// The lines that a pattern matches: `/total: \d+/i`, or without slashes.
    pub fn find_pattern(&self, pattern: &str) -> Result<Findings, ActError> {
        let (source, flags) = match pattern.strip_prefix('/').and_then(|rest| rest.rsplit_once('/')) {
            Some((source, flags)) if flags.chars().all(|c| c.is_ascii_lowercase()) => (source, flags),
            _ => (pattern, ""),
        };
        let regex = regex::RegexBuilder::new(source)
            .case_insensitive(flags.contains('i'))
            .size_limit(1 << 20)
            .build()
            .map_err(|error| ActError::Refused(format!("the pattern {pattern:?} cannot be used: {error}")))?;
        Ok(self.outline.find(|line| regex.is_match(line), MOST_MATCHES))
    }
}

#[derive(Deserialize)]
struct Taken {
    #[serde(default)]
    gone: bool,
    root: Option<Sent>,
    /// The refs of the elements that hold a frame.
    #[serde(default)]
    holders: Vec<String>,
    #[serde(default)]
    whole: bool,
    #[serde(default)]
    last: u64,
    #[serde(default)]
    title: String,
}

impl Tab {
    /// All frames, parents before children.
    pub(super) fn places(&self) -> Vec<Place> {
        let state = self.state.borrow();
        let mut places: Vec<_> = state
            .frames
            .iter()
            .map(|(id, frame)| Place { id: id.clone(), session: frame.session.clone(), number: frame.number })
            .collect();
        places.sort_by_key(|place| place.number);
        places
    }

    pub async fn snapshot(&self, scope: &SnapshotScope) -> Result<Snapshot, ActError> {
        self.ready().await?;
        let (place, reference) = match &scope.below {
            None => (self.top(), None),
            Some(locator) => match locator.bare_reference() {
                Some(bare) => match self.frame(locator.frame()) {
                    Some(place) => (place, Some(bare.to_owned())),
                    None => return Err(self.no_ref(locator).await),
                },
                // A selector is looked up first, and is then a ref like any other.
                None => {
                    let (place, handle, _) = self.look(locator, false).await?;
                    let start = self.last_ref.load(Ordering::Acquire);
                    let argument = json!({ "handle": handle, "start": start });
                    let given: String = self.call(&place, "refOf", &argument).await?;
                    (place, Some(given))
                }
            },
        };
        let taken = self.take(&place, reference.as_deref(), scope).await?;
        let (Some(root), false) = (taken.root, taken.gone) else {
            return match &scope.below {
                Some(locator) => Err(self.no_ref(locator).await),
                None => Err(ActError::Stuck),
            };
        };
        let prefix = prefix(&place);
        let mut root = root.into_node(&prefix);
        let (whole, title) = (taken.whole, taken.title);
        if !taken.holders.is_empty() {
            self.weave(&place, &mut root, scope, 0).await?;
        }
        if let (Some(reference), [only]) = (&reference, root.children.as_slice())
            && only.reference == format!("{prefix}{reference}")
        {
            // What is asked for is the element itself; its parts are counted from its own.
            if scope.from > 0 {
                root = only.clone();
            }
        }
        let outline = Outline { root };
        self.memory.show(outline.refs().into_iter());
        let layout = Layout {
            budget: scope.budget.unwrap_or(if scope.below.is_some() { PART } else { PAGE }).min(LARGEST),
            depth: scope.depth,
            from: scope.from,
        };
        let (mut yaml, cut) = outline.write(&layout);
        if !whole {
            yaml.push_str(
                "\n# The page has more elements than an outline takes; ask for a part by its target.",
            );
        }
        // The tracker hears of a new title a moment later than the page itself.
        let title = if place.number == 0 { title } else { self.title() };
        Ok(Snapshot { url: self.url(), title, yaml, cut: cut || !whole, outline })
    }

    async fn take(
        &self,
        place: &Place,
        reference: Option<&str>,
        scope: &SnapshotScope,
    ) -> Result<Taken, ActError> {
        let start = self.last_ref.load(Ordering::Acquire);
        let argument =
            json!({ "start": start, "ref": reference, "boxes": scope.boxes, "urls": scope.whole_urls });
        let taken: Taken = self.call(place, "outline", &argument).await?;
        self.last_ref.fetch_max(taken.last, Ordering::AcqRel);
        Ok(taken)
    }

    /// Puts the outlines of inner frames below the elements that hold them.
    async fn weave(
        &self,
        place: &Place,
        root: &mut Node,
        scope: &SnapshotScope,
        depth: usize,
    ) -> Result<(), ActError> {
        if depth >= DEEPEST {
            return Ok(());
        }
        for (reference, child) in self.inner_frames(place).await {
            let Some(holder) = holder(root, &format!("{}{reference}", prefix(place))) else { continue };
            let taken = match self.take(&child, None, scope).await {
                Ok(taken) => taken,
                Err(error) if error.is_gone() => continue,
                Err(error) => return Err(error),
            };
            let Some(inner) = taken.root else { continue };
            let mut inner = inner.into_node(&prefix(&child));
            if !taken.holders.is_empty() {
                Box::pin(self.weave(&child, &mut inner, scope, depth + 1)).await?;
            }
            holder.children = inner.children;
        }
        Ok(())
    }

    /// The frames directly inside, each with the ref of the element that holds it.
    async fn inner_frames(&self, parent: &Place) -> Vec<(String, Place)> {
        let children: Vec<_> = {
            let state = self.state.borrow();
            let inside = state.frames.iter().filter(|(_, frame)| frame.parent.as_deref() == Some(&parent.id));
            inside
                .map(|(id, frame)| Place {
                    id: id.clone(),
                    session: frame.session.clone(),
                    number: frame.number,
                })
                .collect()
        };
        let mut owned = Vec::new();
        for child in children {
            // A frame that goes meanwhile is left out.
            if let Ok(Some((holder, object))) = self.owner(&child).await
                && let Ok(reference) = self.call_on::<String>(&holder, &object, "frameRef", &[]).await
                && !reference.is_empty()
            {
                owned.push((reference, child));
            }
        }
        owned
    }
}

fn prefix(place: &Place) -> String {
    if place.number == 0 { String::new() } else { format!("f{}", place.number) }
}

/// The node with this ref.
fn holder<'a>(node: &'a mut Node, reference: &str) -> Option<&'a mut Node> {
    if node.reference == reference {
        return Some(node);
    }
    node.children.iter_mut().find_map(|child| holder(child, reference))
}
