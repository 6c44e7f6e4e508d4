//! What a person points at in the picture, in words for an agent: a hit test
//! through open shadow roots and frames of any origin. It looks only, and
//! sends no input. What is private is no more told than to an agent.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ts_rs::TS;
use utoipa::ToSchema;

use super::fault::ActError;
use super::frames::{Place, Window};
use super::tabs::Tab;
use crate::base::{Masks, Point};

/// Frames inside of frames that are gone into.
const DEEPEST: usize = 16;

/// What lies at a place of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
pub struct Picked {
    pub role: String,
    /// Its accessible name, of at most 200 characters.
    pub name: String,
    /// Finds it and nothing else, as Playwright's code from the page on.
    pub locator: String,
    /// What it shows, of at most 1000 characters.
    pub text: String,
    /// How its HTML begins, of at most 2000 characters, without secrets.
    pub html: String,
    /// Where it is in the picture, in the room's pixels.
    #[serde(rename = "box")]
    pub place: PickedBox,
    /// The page's address and title.
    pub url: String,
    pub title: String,
    /// The address of the frame that it is in; null for the page itself.
    pub frame: Option<String>,
}

/// A place in the room's pixels; parts of it may be out of sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct PickedBox {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

/// Why there is nothing to be told.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PickError {
    #[error("this is a part of the browser, not of the page; point at the page below its bar")]
    NotThePage,
    #[error("the page has nothing at this place")]
    Nothing,
    #[error("the page changed meanwhile; point again")]
    Changed,
    #[error("somebody is in a private moment; point again when it is over")]
    Private,
    #[error(transparent)]
    Page(ActError),
}

impl From<ActError> for PickError {
    fn from(error: ActError) -> Self {
        // Where a document goes while it is looked at, another one comes.
        if error.is_gone() { Self::Changed } else { Self::Page(error) }
    }
}

#[derive(Deserialize)]
struct Hit {
    element: Option<Element>,
    /// A frame's element, by the script's number.
    frame: Option<u64>,
}

#[derive(Deserialize)]
struct Element {
    role: String,
    name: String,
    locator: String,
    text: String,
    html: String,
    url: String,
    #[serde(rename = "box")]
    place: Sides,
}

#[derive(Deserialize)]
struct Sides {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Picked {
    /// Without the values that nobody is to read.
    fn masked(mut self, masks: &Masks) -> Self {
        let Self { role, name, locator, text, html, place: _, url, title, frame } = &mut self;
        for text in [role, name, locator, text, html, url, title].into_iter().chain(frame) {
            if masks.finds(text.as_bytes()) {
                *text = masks.mask(text).into_owned();
            }
        }
        self
    }
}

impl Tab {
    /// What lies at this place of the display, in words that an agent may read.
    pub async fn pick(&self, at: Point) -> Result<Picked, PickError> {
        let before = self.privacy.now();
        let picked = if self.privacy.is_on() { Err(PickError::Private) } else { self.pick_at(at).await };
        // Asked when it is given away: a moment may have begun meanwhile.
        if self.privacy.touched(before) {
            return Err(PickError::Private);
        }
        picked.map(|picked| picked.masked(self.privacy.masks()))
    }

    async fn pick_at(&self, at: Point) -> Result<Picked, PickError> {
        #[derive(Deserialize)]
        struct Holder {
            x: f64,
            y: f64,
        }
        let state = self.ready().await?;
        let mut place = self.top();
        let window: Window = self.call(&place, "place", &Value::Null).await?;
        let (mut x, mut y) = window.to_page(at.x, at.y);
        if !(0.0..window.inner_width).contains(&x) || !(0.0..window.inner_height).contains(&y) {
            return Err(PickError::NotThePage);
        }
        let mut origin = (0.0, 0.0);
        let mut way = String::new();
        let mut whole = false;
        for depth in 0.. {
            let argument = json!({ "x": x, "y": y, "whole": whole || depth >= DEEPEST });
            let hit: Hit = self.call(&place, "pickAt", &argument).await?;
            if let Some(element) = hit.element {
                let frame = (!way.is_empty()).then(|| element.url.clone());
                return Ok(picked(element, origin, &way, window, frame, state.url, state.title));
            }
            let Some(handle) = hit.frame else { break };
            let object = self.held(&place, handle).await?;
            let (_, inner) = self.node(&place, &object).await?;
            let Some(inner) = inner.and_then(|id| self.place_of(id)) else {
                // What it shows is no document of its own: then it is what is pointed at.
                whole = true;
                continue;
            };
            let holder: Holder = self.call_on(&place, &object, "frameBox", &[false.into()]).await?;
            let outer: String = self.call_on(&place, &object, "frameCode", &[]).await?;
            way.push_str(&format!("{outer}.contentFrame()."));
            (x, y) = (x - holder.x, y - holder.y);
            origin = (origin.0 + holder.x, origin.1 + holder.y);
            place = inner;
        }
        Err(PickError::Nothing)
    }

    /// A frame by the browser's name for it.
    fn place_of(&self, id: String) -> Option<Place> {
        let state = self.state.borrow();
        let frame = state.frames.get(&id)?;
        Some(Place { session: frame.session.clone(), number: frame.number, id })
    }
}

fn picked(
    element: Element,
    origin: (f64, f64),
    way: &str,
    window: Window,
    frame: Option<String>,
    url: String,
    title: String,
) -> Picked {
    let Element { role, name, locator, text, html, place: Sides { x, y, width, height }, .. } = element;
    let corner = window.to_display(origin.0 + x, origin.1 + y);
    let end = window.to_display(origin.0 + x + width, origin.1 + y + height);
    Picked {
        role,
        name,
        locator: format!("{way}{locator}"),
        text,
        html,
        place: PickedBox { x: corner.x, y: corner.y, width: end.x - corner.x, height: end.y - corner.y },
        url,
        title,
        frame,
    }
}
