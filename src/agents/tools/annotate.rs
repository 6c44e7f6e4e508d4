//! A person draws on a picture of the page for the agent: a card asks for it,
//! as for any help, and what comes back is the picture with the marks on it,
//! what was said of each and what lies under it.

use base64::Engine;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::together::{LIMIT, patiently};
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, PAGE, Show};
use crate::agents::paint::{Drawn, paint};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Browser, Picture, Scale, Shot, Tab, Window};
use crate::room::{HelpEnd, HelpRequest, HelpTask, Mark, MarkShape, RoomView};

const ASKED: &str = "Please mark on a picture of the page what you mean.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Annotate {
    /// What the person should mark and why
    reason: Option<String>,
}

/// The page as the person saw it who took the request up.
struct Seen {
    picture: Vec<u8>,
    window: Window,
}

impl Tool for Annotate {
    const NAME: &'static str = "browser_annotate";
    const ABOUT: &'static str = "Ask a person to draw on a picture of the current page, and wait for it: answers the picture with the marks, what was said of each and the element under it";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let reason = self.reason.filter(|reason| !reason.trim().is_empty());
        let tab = call.tab().await?;
        let browser = std::sync::Arc::clone(&call.browser);
        let front = browser.front_tab().await;
        if front.is_none_or(|front| front.target() != tab.target()) {
            return Err(Fault::new(
                "refused",
                "people see another tab; bring yours to the front first with browser_tabs and action select",
            ));
        }
        call.session.say("waits for a person's marks");
        let seat = std::sync::Arc::clone(&call.session.seat);
        let asking = seat.ask_help(reason.unwrap_or_else(|| ASKED.to_owned()), HelpTask::Annotate, LIMIT);
        let mut view = seat.view();
        let agent = seat.actor().id.clone();
        let asked = async {
            let mut asking = std::pin::pin!(asking);
            let mut seen = None;
            loop {
                let own = |help: &&HelpRequest| help.agent.id == agent && help.task == HelpTask::Annotate;
                let is_taken_up = |view: &std::sync::Arc<RoomView>| {
                    view.help.iter().find(own).is_some_and(|help| help.helper.is_some())
                };
                let taken_up = async { view.wait_for(is_taken_up).await.is_ok() };
                tokio::select! {
                    biased;
                    end = &mut asking => return (end, seen),
                    // Their picture stands still from then on.
                    taken_up = taken_up, if seen.is_none() => {
                        if !taken_up {
                            return (asking.await, seen);
                        }
                        seen = Some(see(&browser, &tab).await);
                    }
                }
            }
        };
        let (end, seen) = patiently(call, "waiting for a person's marks", asked).await;
        match end {
            HelpEnd::Done { by, note, marks, .. } => {
                let seen = match seen {
                    Some(seen) => seen?,
                    None => see(&call.browser, &tab).await?,
                };
                answer(call, &tab, &seen, &by, &note, &marks).await
            }
            HelpEnd::Refused(why) => Err(Fault::new("refused", why)),
            end => {
                let (text, outcome) = match end {
                    HelpEnd::Declined { by, note } if note.is_empty() => {
                        (format!("{by} declined."), "declined")
                    }
                    HelpEnd::Declined { by, note } => {
                        (format!("{by} declined. Their note: {note:?}."), "declined")
                    }
                    HelpEnd::Unanswered { people: 0 } => {
                        ("Nobody was in the room to ask.".into(), "unanswered")
                    }
                    HelpEnd::Unfinished { by } => (
                        format!("{by} took it up but sent no marks within {} s.", LIMIT.as_secs()),
                        "unfinished",
                    ),
                    _ => (format!("Nobody took it up within {} s.", LIMIT.as_secs()), "unanswered"),
                };
                let structured = Some(json!({ "outcome": outcome, "annotations": [] }));
                Ok(Answer { result: Some(text), structured, ..call.state(Show::Changes).await })
            }
        }
    }
}

async fn see(browser: &Browser, tab: &Tab) -> Result<Seen, Fault> {
    let shot = Shot { format: Picture::Png, scale: Scale::Css, ..Shot::default() };
    let taken = tokio::time::timeout(PAGE, browser.screenshot(tab, &shot)).await;
    let picture = taken.map_err(|_| Fault::new("stuck", "the picture was not taken in time"))??;
    let window =
        tab.window().await.ok_or_else(|| Fault::new("stuck", "the page does not say where it is"))?;
    Ok(Seen { picture, window })
}

async fn answer(call: &mut Call, tab: &Tab, seen: &Seen, by: &str, note: &str, marks: &[Mark]) -> Done {
    let mut drawn = Vec::new();
    let mut listed = Vec::new();
    let mut lines = vec![match marks.len() {
        0 => format!("{by} drew nothing."),
        1 => format!("{by} drew 1 mark."),
        count => format!("{by} drew {count} marks."),
    }];
    if !note.is_empty() {
        lines.push(format!("Their note: {note:?}."));
    }
    for (index, mark) in marks.iter().enumerate() {
        let points: Vec<_> = mark.points.iter().map(|(x, y)| seen.window.to_page(*x, *y)).collect();
        let side = |pick: fn(&(f64, f64)) -> f64| {
            let least = points.iter().map(pick).fold(f64::INFINITY, f64::min);
            let most = points.iter().map(pick).fold(f64::NEG_INFINITY, f64::max);
            (least, most)
        };
        let ((left, right), (top, bottom)) = (side(|at| at.0), side(|at| at.1));
        let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        let element = tab.element_at(x, y).await.ok().flatten();
        let shape = if mark.shape == MarkShape::Box { "box" } else { "line" };
        let text = if mark.text.is_empty() { String::new() } else { format!(" {:?}", mark.text) };
        let under = element.as_ref().map_or(String::new(), |element| {
            format!(", over {} {:?} [ref={}]", element.role, element.name, element.reference)
        });
        lines.push(format!(
            "- {}: {shape}{text} [box={:.0},{:.0},{:.0},{:.0}]{under}",
            index + 1,
            left,
            top,
            right - left,
            bottom - top
        ));
        listed.push(json!({
            "number": index + 1, "shape": shape, "text": mark.text, "element": element,
            "box": { "x": left.round(), "y": top.round(), "width": (right - left).round(), "height": (bottom - top).round() },
        }));
        drawn.push(Drawn { is_box: mark.shape == MarkShape::Box, points });
    }
    // Decoding and drawing is work of many milliseconds.
    let picture = seen.picture.clone();
    let painted = tokio::task::spawn_blocking(move || painted(&picture, &drawn)).await;
    let painted = painted.map_err(|error| Fault::new("page_error", error.to_string()))??;
    let data = base64::engine::general_purpose::STANDARD.encode(painted);
    let structured: Value = json!({ "outcome": "done", "by": by, "note": note, "annotations": listed });
    Ok(Answer {
        result: Some(lines.join("\n")),
        structured: Some(structured),
        image: Some((data, "image/png")),
        ..call.state(Show::Whole).await
    })
}

fn painted(picture: &[u8], marks: &[Drawn]) -> Result<Vec<u8>, Fault> {
    let broken = |error: image::ImageError| Fault::new("page_error", format!("the picture: {error}"));
    let mut picture = image::load_from_memory(picture).map_err(broken)?.to_rgb8();
    paint(&mut picture, marks);
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).map_err(broken)?;
    Ok(bytes.into_inner())
}
