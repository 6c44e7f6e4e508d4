//! Looking: the outline, pictures, waiting for a text.

use std::time::Duration;

use base64::Engine;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::LONGEST_VALUE;
use crate::agents::answer::{Answer, Done, Fault, Shown};
use crate::agents::call::{Call, PAGE, Show, locator, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Picture, Scale, Shot, SnapshotScope};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Snapshot {
    /// Only the part below this element: a ref from an earlier snapshot, a CSS selector or a locator
    target: Option<String>,
    /// How many levels of the outline to show
    depth: Option<f64>,
    /// Only what changed since you were last shown this tab: + came, ~ changed, - went
    diff: Option<bool>,
    /// Leave out the first so many parts, as an omission in an earlier snapshot says
    from: Option<usize>,
    /// About how many bytes to show at most; what is left out is counted. 20000 if left out
    budget: Option<usize>,
    /// With [box=x,y,width,height] of each element, in CSS pixels of its frame's viewport
    boxes: Option<bool>,
    /// Addresses of links in full
    whole_urls: Option<bool>,
    /// Lay the snapshot down as a file of this name instead of answering it
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Find {
    /// Text to search for, in any case. Either text or regex
    text: Option<String>,
    /// Regular expression to search for; /in slashes/i to add flags
    regex: Option<String>,
    /// Lay the result down as a file of this name instead of answering it
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Screenshot {
    /// Image format; by the ending of filename if left out, else png
    #[serde(rename = "type")]
    kind: Option<ImageKind>,
    /// Lay the picture down as a file of this name too
    filename: Option<String>,
    /// Human-readable element description
    #[allow(dead_code, reason = "known callers send it")]
    element: Option<String>,
    /// Ref, CSS selector or locator of the one element to picture
    target: Option<String>,
    /// The full scrollable page instead of the viewport
    full_page: Option<bool>,
    /// css: one pixel for each CSS pixel; device: as many as the display has. css if left out
    scale: Option<PictureScale>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum ImageKind {
    Png,
    Jpeg,
    Webp,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum PictureScale {
    Css,
    Device,
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
        let scope = SnapshotScope {
            below: self.target.as_deref().map(locator).transpose()?,
            depth: self.depth.map(|depth| depth.clamp(0.0, 1000.0) as u32),
            budget: self.budget.map(|budget| budget.clamp(200, LONGEST_VALUE)),
            from: self.from.unwrap_or(0),
            boxes: self.boxes == Some(true),
            whole_urls: self.whole_urls == Some(true),
        };
        let plain = scope.below.is_none() && scope.depth.is_none() && scope.from == 0 && !scope.boxes;
        let mut answer = call.state(Show::Address).await;
        if answer.dialog.is_some() {
            return Ok(answer);
        }
        let tab = call.tab().await?;
        let taken = tokio::time::timeout(PAGE, tab.snapshot(&scope)).await;
        let snapshot = taken.map_err(|_| Fault::new("stuck", "the page does not answer"))??;
        answer.page = Some((snapshot.url.clone(), snapshot.title.clone()));
        if let Some(name) = &self.filename {
            answer.result = Some(call.file(name, "text/yaml", snapshot.yaml)?);
            return Ok(answer);
        }
        // A part of the page is not what later changes are counted from.
        answer.outline = Some(match plain {
            true => call.show(&tab, snapshot, self.diff == Some(true)),
            false => Shown::Whole(snapshot.yaml),
        });
        Ok(answer)
    }
}

impl Tool for Find {
    const NAME: &'static str = "browser_find";
    const ABOUT: &'static str = "Search the outline of the current page, those parts too that a snapshot left out. Answers the lines with their refs and what they are in";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let taken = tokio::time::timeout(PAGE, tab.snapshot(&SnapshotScope::default())).await;
        let snapshot = taken.map_err(|_| Fault::new("stuck", "the page does not answer"))??;
        let (found, what) = match (&self.text, &self.regex) {
            (Some(text), None) if !text.is_empty() => (snapshot.find_text(text), text),
            (None, Some(regex)) if !regex.is_empty() => (snapshot.find_pattern(regex)?, regex),
            _ => return Err(Fault::argument("give either text or regex")),
        };
        let result = match (found.count, &self.filename) {
            (0, _) => format!("Nothing on the page matches {what:?}."),
            (count, None) => format!("{count} found\n```yaml\n{}\n```", found.text.replace("```", "` ` `")),
            (_, Some(name)) => call.file(name, "text/yaml", found.text)?,
        };
        Ok(Answer { structured: Some(json!({ "count": found.count })), ..Answer::result(result) })
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
        let ending =
            self.filename.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let format = match (self.kind, ending) {
            (Some(ImageKind::Jpeg), _) | (None, Some("jpg" | "jpeg")) => Picture::Jpeg,
            (Some(ImageKind::Webp), _) | (None, Some("webp")) => Picture::Webp,
            _ => Picture::Png,
        };
        let scale = match self.scale {
            None | Some(PictureScale::Css) => Scale::Css,
            Some(PictureScale::Device) => Scale::Device,
        };
        let tab = call.tab().await?;
        let shot = Shot { format, full_page, element, scale, ..Shot::default() };
        let taken = tokio::time::timeout(PAGE, call.browser.screenshot(&tab, &shot)).await;
        let bytes = taken.map_err(|_| Fault::new("stuck", "the picture was not taken in time"))??;
        // A picture that had to shrink comes as JPEG whatever was asked for.
        let mime = match (bytes.get(..4), format) {
            (Some([0xff, 0xd8, ..]), _) => "image/jpeg",
            (_, Picture::Webp) => "image/webp",
            _ => "image/png",
        };
        let what = match (&self.target, full_page) {
            (Some(target), _) => target.clone(),
            (None, true) => "full page".into(),
            (None, false) => "viewport".into(),
        };
        let data = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let mut result = format!("Took the {what} screenshot");
        if let Some(name) = &self.filename {
            result.push_str(&format!(": {}", call.file(name, mime, bytes)?));
        }
        Ok(Answer { image: Some((data, mime)), ..Answer::result(result) })
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
        Ok(Answer { result: Some(waited.join("\n")), ..call.state(Show::Changes).await })
    }
}
