//! What is drawn over a page for a video: a word and marks for each act, a
//! pointer that travels, chapter cards. It is drawn in the page itself, so
//! people see it too; the page's script cannot reach it, and no event does.
//!
//! Owns what may be drawn and for how long. A drawing that fails never keeps
//! an act from being done.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::act::{Acting, Found, REACTION};
use super::fault::ActError;
use super::frames::obstacle;
use super::tabs::Tab;

/// The longest that an act may be shown before it is done.
pub const LONGEST_CALLOUT: Duration = Duration::from_secs(10);
const LONGEST_DECLARATIONS: usize = 2000;
/// A person who takes over waits no longer than this for it to be noticed.
const NOTICE: Duration = Duration::from_millis(50);

/// CSS declarations that stay within the element that they are for, and load nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarations(String);

/// Why a text is not such declarations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationsError {
    #[error(
        "{0:?} may not stand in a style; write CSS declarations only, such as \"width: 20px; background: red\""
    )]
    Forbidden(&'static str),
    #[error("a style has at most {LONGEST_DECLARATIONS} bytes")]
    Long,
}

impl std::str::FromStr for Declarations {
    type Err = DeclarationsError;
    fn from_str(text: &str) -> Result<Self, DeclarationsError> {
        if text.len() > LONGEST_DECLARATIONS {
            return Err(DeclarationsError::Long);
        }
        // The parser of declarations lets nothing out by itself; these would load
        // something, or hide the words that would.
        let lower = text.to_ascii_lowercase();
        let forbidden = ["{", "}", "@", "\\", "<", "url(", "image-set(", "image(", "src(", "cross-fade("];
        match forbidden.into_iter().find(|word| lower.contains(word)) {
            Some(word) => Err(DeclarationsError::Forbidden(word)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// Where the word for an act stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Corner {
    TopLeft,
    Top,
    #[default]
    TopRight,
    BottomLeft,
    Bottom,
    BottomRight,
}

/// How acts are shown.
#[derive(Clone, Debug)]
pub struct CalloutStyle {
    /// How long each is shown; the act comes when the time is over.
    pub duration: Duration,
    pub corner: Corner,
    /// A pointer travels to where the act comes.
    pub cursor: bool,
    /// The act is named.
    pub titled: bool,
    pub title: Option<Declarations>,
    /// The mark of the point; there is none without it.
    pub point: Option<Declarations>,
    /// The box over the element; there is none without it.
    pub highlight: Option<Declarations>,
}

/// How the act that comes now is shown.
#[derive(Clone, Debug)]
pub struct Callout {
    pub style: Arc<CalloutStyle>,
    pub title: String,
}

impl Corner {
    fn as_str(self) -> &'static str {
        match self {
            Self::TopLeft => "top-left",
            Self::Top => "top",
            Self::TopRight => "top-right",
            Self::BottomLeft => "bottom-left",
            Self::Bottom => "bottom",
            Self::BottomRight => "bottom-right",
        }
    }
}

impl Acting<'_> {
    /// Shows the act that comes now, if it is to be shown, for as long as that was asked for.
    pub(super) async fn call_out(
        &self,
        point: Option<(f64, f64)>,
        found: Option<&Found>,
    ) -> Result<(), ActError> {
        let Some(Callout { style, title }) = self.observer.callout() else { return Ok(()) };
        self.permit.check()?;
        let until = Instant::now() + style.duration;
        let drawing = self.draw(&style, &title, point, found);
        match tokio::time::timeout(REACTION, drawing).await {
            Ok(Err(error @ (ActError::Closed | ActError::Crashed | ActError::Dialog(_)))) => {
                return Err(error);
            }
            Ok(Err(error)) => tracing::debug!(%error, "an act is not shown"),
            Ok(Ok(())) | Err(_) => {}
        }
        if let Some(at) = point.filter(|_| style.cursor) {
            self.tab.memory.set_drawn_pointer(Some((at, self.tab.documents())));
        }
        // The time was asked for; that it is over early when a person acts has no event here.
        let mut state = self.tab.state.clone();
        while Instant::now() < until {
            let step = until.min(Instant::now() + NOTICE);
            let stopped = state.wait_for(|state| obstacle(state).is_some());
            let _ = tokio::time::timeout_at(step, stopped).await;
            self.permit.check()?;
            self.tab.ready().await?;
        }
        Ok(())
    }

    async fn draw(
        &self,
        style: &CalloutStyle,
        title: &str,
        point: Option<(f64, f64)>,
        found: Option<&Found>,
    ) -> Result<(), ActError> {
        #[derive(Deserialize)]
        struct Box {
            x: f64,
            y: f64,
            width: f64,
            height: f64,
        }
        let mut frame = Value::Null;
        if let (Some(found), true) = (found, style.highlight.is_some()) {
            let argument = json!({ "handle": found.handle });
            let held: Option<Box> = self.tab.call(&found.place, "heldBox", &argument).await?;
            if let Some(Box { x, y, width, height }) = held {
                let (left, top) = found.origin;
                frame = json!({ "x": x + left, "y": y + top, "width": width, "height": height });
            }
        }
        let place = |(x, y): (f64, f64)| json!({ "x": x, "y": y });
        let css = |text: &Option<Declarations>| text.as_ref().map(|text| text.0.clone());
        let from = self.tab.memory.drawn_pointer().map(|(at, _)| at);
        let argument = json!({
            "duration": style.duration.as_millis() as u64, "corner": style.corner.as_str(),
            "title": if style.titled { title } else { "" }, "titleStyle": css(&style.title),
            "point": point.map(place), "from": from.map(place), "cursor": style.cursor,
            "pointStyle": css(&style.point), "highlightStyle": css(&style.highlight), "box": frame,
        });
        self.tab.call::<Value>(&self.tab.top(), "callOut", &argument).await?;
        Ok(())
    }
}

impl Tab {
    /// How many documents it has had.
    fn documents(&self) -> u64 {
        self.state.borrow().navigation.committed
    }

    /// Shows a card over the whole view, for so long.
    pub async fn show_chapter(
        &self,
        title: &str,
        description: &str,
        duration: Duration,
    ) -> Result<(), ActError> {
        self.ready().await?;
        let argument =
            json!({ "title": title, "description": description, "duration": duration.as_millis() as u64 });
        let top = self.top();
        let shown = self.call::<Value>(&top, "chapterCard", &argument);
        tokio::time::timeout(REACTION, shown).await.map_err(|_| ActError::Stuck)??;
        Ok(())
    }

    /// The pointer that was drawn last stands in the new document where it stood in the old.
    pub(super) async fn redraw_pointer(&self) {
        let Some((at, document)) = self.memory.drawn_pointer() else { return };
        let now = self.documents();
        if document != now {
            self.memory.set_drawn_pointer(Some((at, now)));
            self.stand(json!({ "x": at.0, "y": at.1 })).await;
        }
    }

    /// Takes the drawn pointer away.
    pub async fn hide_pointer(&self) {
        if self.memory.drawn_pointer().is_some() {
            self.memory.set_drawn_pointer(None);
            self.stand(Value::Null).await;
        }
    }

    async fn stand(&self, point: Value) {
        let (top, argument) = (self.top(), json!({ "point": point }));
        let standing = self.call::<Value>(&top, "pointerStands", &argument);
        if let Ok(Err(error)) = tokio::time::timeout(REACTION, standing).await {
            tracing::debug!(%error, "the drawn pointer is not where it should be");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_style_is_declarations_that_load_nothing() {
        let style = |text: &str| text.parse::<Declarations>();
        for fine in ["", "width: 20px; background: rgba(0,0,0,.5)", "outline: 2px solid #333; --a: 1"] {
            assert!(style(fine).is_ok(), "{fine}");
        }
        for bad in [
            "} * { color: red",
            "background: URL(http://example.test/)",
            "background: u\\72l(x)",
            "@import 'x'",
            "background: image-set('x' 1x)",
            "</style><script>",
        ] {
            assert!(matches!(style(bad), Err(DeclarationsError::Forbidden(_))), "{bad}");
        }
        assert_eq!(style(&"a".repeat(2001)), Err(DeclarationsError::Long));
    }
}
