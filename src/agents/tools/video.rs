//! Videos of the agent's tab, their chapters, and acts drawn on the page for them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::shelf;
use crate::agents::tool::{Kind, Tool};
use crate::agents::video::{LARGEST_SIDE, SMALLEST_SIDE, Video};
use crate::base::{Size, ToolGroup};
use crate::browser::{CalloutStyle, Corner, Declarations, DeclarationsError, LONGEST_CALLOUT};
use crate::media::FilmLimit;

const USUAL_RATE: f64 = 25.0;
const MOST_RATE: f64 = 60.0;
/// How long a pointer travels when a video asks for one.
const TRAVEL: Duration = Duration::from_millis(800);
const USUAL_CALLOUT: f64 = 500.0;
const USUAL_CARD: f64 = 2000.0;
const LONGEST_CARD: f64 = 10_000.0;
const LONGEST_TITLE: usize = 200;
const LONGEST_DESCRIPTION: usize = 1000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct StartVideo {
    /// Name of the file, which ends with .webm; video-{timestamp}.webm if left out
    filename: Option<String>,
    /// Size of the video, 200 to 1920 pixels a side; the page's own, made smaller to 1280, if left out
    size: Option<VideoSize>,
    /// The most frames per second, 1 to 60; 25 if left out
    fps: Option<f64>,
    /// Draw a mouse pointer that travels to each action point. Slows each act down by 800 ms
    cursor: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VideoSize {
    width: f64,
    height: f64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct StopVideo {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Chapter {
    /// Chapter title
    title: String,
    /// Chapter description
    description: Option<String>,
    /// How long the card is shown, in milliseconds: 2000 if left out, at most 10000
    duration: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct ShowActions {
    /// How long each act is shown before it is done, in milliseconds: 500 if left out, at most 10000
    duration: Option<f64>,
    /// Where the act is named; top-right if left out
    position: Option<Position>,
    /// "pointer" (default) draws a mouse pointer that travels to each action point
    cursor: Option<Cursor>,
    style: Option<Styles>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Position {
    TopLeft,
    Top,
    TopRight,
    BottomLeft,
    Bottom,
    BottomRight,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Cursor {
    None,
    Pointer,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Styles {
    /// CSS declarations of a marker centred on the action point, which has no size by itself; none if left out
    point: Option<String>,
    /// CSS declarations of a box over the target element, such as "outline: 2px solid #333"; none if left out
    highlight: Option<String>,
    /// CSS declarations of the act's name, such as "font-size: 16px"
    title: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct HideActions {}

impl Tool for StartVideo {
    const NAME: &'static str = "browser_start_video";
    const ABOUT: &'static str = "Start recording a video (WebM) of the current tab. It ends by itself after 30 minutes or 64 MiB, with its tab, and without a file with your session; stop it with browser_stop_video";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        if call.work.video.is_some() {
            return Err(Fault::new("refused", "a video is recorded already; end it with browser_stop_video"));
        }
        let name = named(self.filename.as_deref())?;
        let size = self.size.as_ref().map(sized).transpose()?;
        let rate = self.fps.unwrap_or(USUAL_RATE);
        if !(1.0..=MOST_RATE).contains(&rate) {
            return Err(Fault::argument(format!("fps is from 1 to {MOST_RATE}, not {rate}")));
        }
        let tab = call.tab().await?;
        let mut video =
            Video::start(&tab, call.browser.privacy().clone(), name, size, rate.round() as u32).await?;
        if self.cursor == Some(true) {
            video.cursor = true;
            call.work.callouts = Some(Arc::new(CalloutStyle {
                duration: TRAVEL,
                corner: Corner::default(),
                cursor: true,
                titled: false,
                title: None,
                point: None,
                highlight: None,
            }));
        }
        call.work.video = Some(video);
        Ok(Answer::result("Video recording started. End it with browser_stop_video."))
    }
}

impl Tool for StopVideo {
    const NAME: &'static str = "browser_stop_video";
    const ABOUT: &'static str = "Stop video recording and lay the video down as a file";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let StopVideo {} = self;
        let video = call.work.video.take();
        let video = video
            .ok_or_else(|| Fault::new("refused", "no video is recorded; begin with browser_start_video"))?;
        let (name, cursor, size) = (video.name.clone(), video.cursor, video.size);
        let film = video.stop().await;
        if cursor {
            call.work.end_callouts().await;
        }
        let film = film?;
        let bytes = film.bytes.len();
        let filed = call.file(&name, "video/webm", film.bytes)?;
        let why = match film.limit {
            None => "",
            Some(FilmLimit::Bytes) => "\nThe recording ended by itself before: a video has at most 64 MiB.",
            Some(FilmLimit::Length) => {
                "\nThe recording ended by itself before: a video lasts at most 30 minutes."
            }
        };
        let seconds = film.length.as_secs_f64();
        let text = format!("Video ({size}, {seconds:.1} s): {filed}{why}");
        let structured = json!({
            "file": name, "bytes": bytes, "milliseconds": film.length.as_millis() as u64,
            "frames": film.frames, "size": size, "endedEarly": film.limit.is_some(),
        });
        Ok(Answer { structured: Some(structured), ..Answer::result(text) })
    }
}

impl Tool for Chapter {
    const NAME: &'static str = "browser_video_chapter";
    const ABOUT: &'static str = "Add a chapter marker to the video recording. Shows a full-screen chapter card with blurred backdrop, which people in the room see too, and waits until it is gone";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let description = self.description.unwrap_or_default();
        if self.title.trim().is_empty() || self.title.chars().count() > LONGEST_TITLE {
            return Err(Fault::argument(format!(
                "a chapter needs a title of at most {LONGEST_TITLE} characters"
            )));
        }
        if description.chars().count() > LONGEST_DESCRIPTION {
            let text = format!("a chapter's description has at most {LONGEST_DESCRIPTION} characters");
            return Err(Fault::argument(text));
        }
        let duration = time("duration", self.duration.unwrap_or(USUAL_CARD), LONGEST_CARD)?;
        // The card belongs into the video, wherever the agent works now.
        let recorded = call.work.video.as_ref().and_then(|video| call.browser.tab(&video.tab));
        let tab = match recorded {
            Some(tab) => tab,
            None => call.tab().await?,
        };
        let added = call.work.video.as_ref().map(|video| video.chapter(&self.title));
        tab.show_chapter(&self.title, &description, duration).await?;
        // The time was asked for.
        tokio::time::sleep(duration).await;
        let title = &self.title;
        Ok(Answer::result(match added {
            Some(true) => format!("Chapter '{title}' added."),
            Some(false) => {
                format!("Chapter '{title}' was shown but is not in the video: it has ended or has too many.")
            }
            None => {
                format!("Chapter '{title}' was shown. No video is recorded; begin with browser_start_video.")
            }
        }))
    }
}

impl Tool for ShowActions {
    const NAME: &'static str = "browser_video_show_actions";
    const ABOUT: &'static str = "Draw your acts on the page from now on: each is named, and if styled its point is marked and its element highlighted, before it is done. People in the room see it too";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let longest = LONGEST_CALLOUT.as_millis() as f64;
        let duration = time("duration", self.duration.unwrap_or(USUAL_CALLOUT), longest)?;
        let styles = self.style.unwrap_or_default();
        let style = CalloutStyle {
            duration,
            corner: self.position.map_or_else(Corner::default, Corner::from),
            cursor: self.cursor != Some(Cursor::None),
            titled: true,
            title: declarations("title", styles.title)?,
            point: declarations("point", styles.point)?,
            highlight: declarations("highlight", styles.highlight)?,
        };
        if !style.cursor {
            call.work.end_callouts().await;
        }
        call.work.callouts = Some(Arc::new(style));
        // They were asked for by themselves: they outlast the video.
        if let Some(video) = &mut call.work.video {
            video.cursor = false;
        }
        Ok(Answer::result("Action annotations enabled."))
    }
}

impl Tool for HideActions {
    const NAME: &'static str = "browser_video_hide_actions";
    const ABOUT: &'static str = "Stop drawing your acts on the page";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let HideActions {} = self;
        call.work.end_callouts().await;
        Ok(Answer::result("Action annotations disabled."))
    }
}

impl From<Position> for Corner {
    fn from(position: Position) -> Self {
        match position {
            Position::TopLeft => Self::TopLeft,
            Position::Top => Self::Top,
            Position::TopRight => Self::TopRight,
            Position::BottomLeft => Self::BottomLeft,
            Position::Bottom => Self::Bottom,
            Position::BottomRight => Self::BottomRight,
        }
    }
}

/// The name of the file, before there is one.
fn named(name: Option<&str>) -> Result<String, Fault> {
    let Some(name) = name else {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(format!("video-{}.webm", now.as_millis()));
    };
    let name = shelf::plain(name).map_err(Fault::argument)?;
    match name.rsplit_once('.') {
        None => Ok(format!("{name}.webm")),
        Some((stem, ending)) if ending.eq_ignore_ascii_case("webm") && !stem.is_empty() => Ok(name),
        Some(_) => {
            Err(Fault::argument(format!("a video is a WebM file: end its name with .webm, not {name:?}")))
        }
    }
}

fn sized(size: &VideoSize) -> Result<Size, Fault> {
    let (least, most) = (f64::from(SMALLEST_SIDE), f64::from(LARGEST_SIDE));
    let fits = |side: f64| (least..=most).contains(&side);
    if !fits(size.width) || !fits(size.height) {
        let (width, height) = (size.width, size.height);
        let text = format!("a video has {least} to {most} pixels a side, not {width}x{height}");
        return Err(Fault::argument(text));
    }
    Size::new(size.width as u32, size.height as u32).map_err(|error| Fault::argument(error.to_string()))
}

fn time(what: &str, milliseconds: f64, most: f64) -> Result<Duration, Fault> {
    if !(0.0..=most).contains(&milliseconds) {
        return Err(Fault::argument(format!("{what} is from 0 to {most} ms, not {milliseconds}")));
    }
    Ok(Duration::from_millis(milliseconds as u64))
}

fn declarations(what: &str, style: Option<String>) -> Result<Option<Declarations>, Fault> {
    let read = |style: String| style.parse();
    style
        .map(read)
        .transpose()
        .map_err(|error: DeclarationsError| Fault::argument(format!("style.{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::video::{LONGEST, MOST_BYTES};

    #[test]
    fn what_the_tool_says_of_its_limits_is_so() {
        assert_eq!((MOST_BYTES, LONGEST), (64 << 20, Duration::from_secs(30 * 60)));
    }

    #[test]
    fn a_video_has_a_name_that_says_what_it_is() {
        assert!(named(None).is_ok_and(|name| name.starts_with("video-") && name.ends_with(".webm")));
        assert_eq!(named(Some("../a/tour")), Ok("tour.webm".into()));
        assert_eq!(named(Some("Tour.WEBM")), Ok("Tour.WEBM".into()));
        for bad in ["", "..", "tour.mp4", ".webm.exe"] {
            assert!(named(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_and_times_without_sense_are_refused() {
        let size = |width: f64, height: f64| sized(&VideoSize { width, height });
        assert!(size(801.5, 600.0).is_ok_and(|size| size.to_string() == "800x600"));
        for (width, height) in [(0.0, 600.0), (800.0, 4000.0), (f64::NAN, 300.0), (-800.0, 600.0)] {
            assert!(size(width, height).is_err(), "{width}x{height}");
        }
        assert!(time("duration", -1.0, 10.0).is_err() && time("duration", f64::NAN, 10.0).is_err());
    }
}
