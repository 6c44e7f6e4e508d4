//! Looking: the outline, pictures, waiting for a text.

use std::time::Duration;

use base64::Engine;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, PAGE, locator, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Picture, Shot, SnapshotScope};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Snapshot {
    /// Only the part below this ref from an earlier snapshot
    target: Option<String>,
    /// How many levels of the outline to show
    depth: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Screenshot {
    /// Image format, defaults to png
    #[serde(rename = "type")]
    kind: Option<ImageKind>,
    /// Ignored here: the picture comes in the answer
    #[allow(dead_code, reason = "known callers send it")]
    filename: Option<String>,
    /// Human-readable element description
    #[allow(dead_code, reason = "known callers send it")]
    element: Option<String>,
    /// Ref, CSS selector or locator of the one element to picture
    target: Option<String>,
    /// The full scrollable page instead of the viewport
    full_page: Option<bool>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ImageKind {
    Png,
    Jpeg,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct WaitFor {
    /// The time to wait in seconds
    time: Option<f64>,
    /// The text to wait for
    text: Option<String>,
    /// The text to wait for to disappear
    text_gone: Option<String>,
}

impl Tool for Snapshot {
    const NAME: &'static str = "browser_snapshot";
    const ABOUT: &'static str =
        "Capture an outline of the current page with refs to act on; better than a screenshot";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let below = self.target.as_deref().map(locator).transpose()?;
        if below.is_none() && self.depth.is_none() {
            return Ok(call.state(true).await);
        }
        let tab = call.tab().await?;
        let snapshot =
            tab.snapshot(&SnapshotScope { below, depth: self.depth, ..SnapshotScope::default() }).await?;
        Ok(Answer { snapshot: Some(snapshot), ..call.state(false).await })
    }
}

impl Tool for Screenshot {
    const NAME: &'static str = "browser_take_screenshot";
    const ABOUT: &'static str =
        "Take a picture of the current page. Act by browser_snapshot, not by this picture";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let element = self.target.as_deref().map(locator).transpose()?;
        let full_page = self.full_page == Some(true);
        if element.is_some() && full_page {
            return Err(Fault::argument("fullPage cannot be used with an element"));
        }
        let (format, mime) = match self.kind {
            None | Some(ImageKind::Png) => (Picture::Png, "image/png"),
            Some(ImageKind::Jpeg) => (Picture::Jpeg, "image/jpeg"),
        };
        let tab = call.tab().await?;
        let shot = Shot { format, full_page, element, ..Shot::default() };
        let taken = tokio::time::timeout(PAGE, call.browser.screenshot(&tab, &shot)).await;
        let bytes = taken.map_err(|_| Fault::new("stuck", "the picture was not taken in time"))??;
        // A picture that had to shrink comes as JPEG whatever was asked for.
        let mime = if bytes.starts_with(&[0xff, 0xd8]) { "image/jpeg" } else { mime };
        let what = match (&self.target, full_page) {
            (Some(target), _) => target.clone(),
            (None, true) => "full page".into(),
            (None, false) => "viewport".into(),
        };
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        let result = Some(format!("Took the {what} screenshot"));
        Ok(Answer { result, image: Some((data, mime)), ..Answer::default() })
    }
}

impl Tool for WaitFor {
    const NAME: &'static str = "browser_wait_for";
    const ABOUT: &'static str = "Wait for text to appear or disappear or a specified time to pass";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        if self.time.is_none() && self.text.is_none() && self.text_gone.is_none() {
            return Err(Fault::argument("one of time, text or textGone is needed"));
        }
        let tab = call.tab().await?;
        let mut waited = Vec::new();
        if let Some(seconds) = self.time {
            if !(0.0..=PAGE.as_secs_f64()).contains(&seconds) {
                return Err(Fault::argument(format!("time is from 0 to {} seconds", PAGE.as_secs())));
            }
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            waited.push(format!("Waited for {seconds}"));
        }
        let gone = self.text_gone.as_ref().map(|text| (text, false));
        for (text, wanted) in gone.into_iter().chain(self.text.as_ref().map(|text| (text, true))) {
            let deadline = within(PAGE);
            // A change of the text has no event of its own across frames; looking costs little.
            let mut clock = tokio::time::interval(Duration::from_millis(100));
            loop {
                clock.tick().await;
                match tokio::time::timeout_at(deadline, tab.shows(text)).await {
                    Ok(Ok(shown)) if shown == wanted => break,
                    Ok(Ok(_)) if tokio::time::Instant::now() < deadline => {}
                    Ok(Err(error)) => return Err(error.into()),
                    Ok(Ok(_)) | Err(_) => {
                        let verb = if wanted { "appear" } else { "disappear" };
                        let text = format!("{text:?} did not {verb} within {} s", PAGE.as_secs());
                        return Err(Fault::new("timed_out", text));
                    }
                }
            }
            waited.push(format!("Waited for {text:?} {}", if wanted { "to appear" } else { "to disappear" }));
        }
        Ok(Answer { result: Some(waited.join("\n")), ..call.state(true).await })
    }
}
