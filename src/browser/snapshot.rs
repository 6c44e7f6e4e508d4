//! The outline of a page with its frames, as YAML with refs.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::json;

use super::Locator;
use super::fault::ActError;
use super::frames::Place;
use super::tabs::Tab;

/// Beyond this an outline is cut, and says so.
const LARGEST: usize = 200_000;

/// What is to be shown.
#[derive(Clone, Debug, Default)]
pub struct SnapshotScope {
    /// Only what is below this ref.
    pub below: Option<Locator>,
    /// How many levels.
    pub depth: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub url: String,
    pub title: String,
    pub yaml: String,
    /// Something was left out for its size.
    pub cut: bool,
}

#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    gone: bool,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default)]
    frames: Vec<Inner>,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    last: u64,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(rename = "ref")]
    reference: String,
    line: usize,
    indent: usize,
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
        let (number, reference) = match &scope.below {
            Some(locator) => {
                let bare = locator.bare_reference().ok_or_else(|| ActError::Locator {
                    locator: locator.to_string(),
                    reason: "a part of the snapshot is asked for by its ref".into(),
                })?;
                (locator.frame, Some(bare.to_owned()))
            }
            None => (0, None),
        };
        let missing =
            || ActError::NoSuchRef(scope.below.as_ref().map(ToString::to_string).unwrap_or_default());
        let mut left = LARGEST;
        let mut cut = false;
        let start = self.frame(number).ok_or_else(missing)?;
        let mut lines = Vec::new();
        // Frames still to be put in: where, how deep, which.
        let outline = match self.outline(&start, reference.as_deref(), scope.depth, left).await? {
            outline if outline.gone && reference.is_some() => return Err(missing()),
            outline => outline,
        };
        self.weave(&start, outline, 0, &mut lines, &mut left, &mut cut).await?;
        let state = self.state();
        if cut {
            lines.push(format!(
                "# The outline is longer than {LARGEST} bytes and was cut here. Ask for a part: browser_snapshot with target (a ref) or depth."
            ));
        }
        Ok(Snapshot { url: state.url, title: state.title, yaml: lines.join("\n"), cut })
    }

    async fn outline(
        &self,
        place: &Place,
        reference: Option<&str>,
        depth: Option<u32>,
        limit: usize,
    ) -> Result<Outline, ActError> {
        let start = self.last_ref.load(Ordering::Acquire);
        let argument = json!({ "start": start, "limit": limit, "ref": reference, "depth": depth });
        let outline: Outline = self.call(place, "outline", &argument).await?;
        self.last_ref.fetch_max(outline.last, Ordering::AcqRel);
        Ok(outline)
    }

    /// Puts the outlines of inner frames below the elements that hold them.
    async fn weave(
        &self,
        place: &Place,
        outline: Outline,
        indent: usize,
        lines: &mut Vec<String>,
        left: &mut usize,
        cut: &mut bool,
    ) -> Result<(), ActError> {
        *cut |= outline.cut;
        let prefix = if place.number == 0 { String::new() } else { format!("f{}", place.number) };
        let owned = match outline.frames.is_empty() {
            true => Vec::new(),
            false => self.inner_frames(place).await,
        };
        let mut inner = outline.frames.into_iter().peekable();
        for (at, line) in outline.lines.into_iter().enumerate() {
            *left = left.saturating_sub(line.len() + 1);
            let pad = "  ".repeat(indent);
            let mut line = format!("{pad}{}", line.replace("[ref=@", &format!("[ref={prefix}")));
            let frame = inner.next_if(|inner| inner.line == at);
            let child = frame.as_ref().and_then(|frame| {
                owned.iter().find(|(reference, _)| *reference == frame.reference).map(|(_, child)| child)
            });
            let below = match child {
                Some(child) if !*cut => match Box::pin(self.outline(child, None, None, *left)).await {
                    Ok(below) if !below.lines.is_empty() => Some((child, below)),
                    Ok(_) => None,
                    Err(error) if error.is_gone() => None,
                    Err(error) => return Err(error),
                },
                _ => None,
            };
            if below.is_some() {
                line.push(':');
            }
            lines.push(line);
            if let (Some((child, below)), Some(frame)) = (below, frame) {
                Box::pin(self.weave(child, below, indent + frame.indent, lines, left, cut)).await?;
            }
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
            {
                owned.push((reference, child));
            }
        }
        owned
    }
}
