//! What developers use: highlights, traces, heaps, profiles.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, PAGE, locator, within};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Colour, Profiling, Trace};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Highlight {
    /// Human-readable element description, shown to people
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator
    target: String,
    /// Its colour, as "red", "green", "blue", "orange" or in CSS as #rrggbb
    style: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct HideHighlight {
    /// Ignored here: there is one highlight
    #[allow(dead_code, reason = "known callers send it")]
    element: Option<String>,
    /// Ignored here: there is one highlight
    #[allow(dead_code, reason = "known callers send it")]
    target: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct StartTrace {
    /// Load the page again once the trace runs
    reload: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct StopTrace {
    /// Name of the file; trace.json if left out
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct HeapSnapshot {
    /// Name of the file; page.heapsnapshot if left out
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct StartProfile {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct StopProfile {
    /// Name of the file; page.cpuprofile if left out
    filename: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Config {}

impl Tool for Highlight {
    const NAME: &'static str = "browser_highlight";
    const ABOUT: &'static str = "Draw a frame around an element for the people who watch";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let colour = self.style.as_deref().and_then(colour).unwrap_or_default();
        let tab = call.tab().await?;
        tab.highlight(&target, colour).await?;
        let what = super::called(self.element.as_deref(), &self.target);
        Ok(Answer::result(format!("Highlighted {what}.")))
    }
}

impl Tool for HideHighlight {
    const NAME: &'static str = "browser_hide_highlight";
    const ABOUT: &'static str = "Remove the highlight";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        call.tab().await?.hide_highlight().await;
        Ok(Answer::result("The highlight is gone."))
    }
}

impl Tool for StartTrace {
    const NAME: &'static str = "browser_start_tracing";
    const ABOUT: &'static str = "Start a performance trace of the current tab";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        if call.work.trace.is_some() {
            return Err(Fault::new("refused", "a trace runs already; end it with browser_stop_tracing"));
        }
        call.work.trace = Some((Trace::start(&tab).await?, call.browser.privacy().now()));
        if self.reload == Some(true) {
            let held = call.floor().await?;
            tab.navigate(held.permit(), &tab.url(), within(PAGE)).await?;
        }
        Ok(Answer::result("The trace runs. End it with browser_stop_tracing."))
    }
}

impl Tool for StopTrace {
    const NAME: &'static str = "browser_stop_tracing";
    const ABOUT: &'static str = "Stop the performance trace: answers what it shows (LCP, CLS, long tasks, where time went, slow requests) and lays it down as a file";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let trace = call.work.trace.take();
        let (trace, since) =
            trace.ok_or_else(|| Fault::new("refused", "no trace runs; begin with browser_start_tracing"))?;
        let recorded = trace.stop().await?;
        if call.browser.privacy().touched(since) {
            let text =
                "a person's private moment is within this trace, so it is thrown away; begin a new one";
            return Err(Fault::new("private", text));
        }
        let name = self.filename.as_deref().unwrap_or("trace.json");
        let filed = call.file(name, "application/json", recorded.json)?;
        let text = format!("{}\n\nTrace: {filed}", recorded.analysis);
        Ok(Answer { structured: Some(json!(recorded.analysis)), ..Answer::result(text) })
    }
}

impl Tool for HeapSnapshot {
    const NAME: &'static str = "browser_heap_snapshot";
    const ABOUT: &'static str =
        "Take a heap snapshot of the current tab: answers what fills it and lays it down as a file";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let taken = tab.heap_snapshot().await?;
        let name = self.filename.as_deref().unwrap_or("page.heapsnapshot");
        let filed = call.file(name, "application/json", taken.json)?;
        let text = format!("{}\n\nSnapshot: {filed}", taken.summary);
        Ok(Answer { structured: Some(json!(taken.summary)), ..Answer::result(text) })
    }
}

impl Tool for StartProfile {
    const NAME: &'static str = "browser_start_profiling";
    const ABOUT: &'static str = "Start a profile of where scripts of the current tab spend time";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let StartProfile {} = self;
        let tab = call.tab().await?;
        call.work.profile = Some(Profiling::start(&tab).await?);
        Ok(Answer::result("The profile runs. End it with browser_stop_profiling."))
    }
}

impl Tool for StopProfile {
    const NAME: &'static str = "browser_stop_profiling";
    const ABOUT: &'static str = "Stop the profile: answers the hottest functions and lays it down as a file";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let profile = call.work.profile.take();
        let profile = profile
            .ok_or_else(|| Fault::new("refused", "no profile runs; begin with browser_start_profiling"))?;
        let taken = profile.stop().await?;
        let name = self.filename.as_deref().unwrap_or("page.cpuprofile");
        let filed = call.file(name, "application/json", taken.json)?;
        let lines: Vec<_> = taken
            .hottest
            .iter()
            .map(|hot| format!("{:.1} ms {} {}:{}", hot.self_ms, hot.function, hot.url, hot.line))
            .collect();
        let text = format!("{}\n\nProfile: {filed}", lines.join("\n"));
        Ok(Answer { structured: Some(json!({ "hottest": taken.hottest })), ..Answer::result(text) })
    }
}

impl Tool for Config {
    const NAME: &'static str = "browser_get_config";
    const ABOUT: &'static str = "Get what this room is and what your token opens";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let Config {} = self;
        let view = call.session.seat.view().borrow().clone();
        let groups: Vec<_> = call.session.groups.iter().map(|group| group.as_str()).collect();
        let config = json!({
            "version": env!("CARGO_PKG_VERSION"), "room": view.id, "size": view.size,
            "you": call.session.seat.actor().name, "toolGroups": groups,
            "present": view.present.iter().map(|present| &present.name).collect::<Vec<_>>(),
        });
        Ok(Answer { structured: Some(config.clone()), ..Answer::result(format!("{config:#}")) })
    }
}

/// The first colour in a style.
fn colour(style: &str) -> Option<Colour> {
    let named = [
        ("red", (230, 30, 30)),
        ("green", (20, 160, 60)),
        ("blue", (30, 100, 230)),
        ("orange", (255, 90, 0)),
    ];
    if let Some((_, (red, green, blue))) = named.iter().find(|(name, _)| style.contains(name)) {
        return Some(Colour { red: *red, green: *green, blue: *blue });
    }
    let hex = style.split_once('#')?.1.get(..6)?;
    let part = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    Some(Colour { red: part(0)?, green: part(2)?, blue: part(4)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_found_in_a_style() {
        let told = |style| colour(style).map(|c| (c.red, c.green, c.blue));
        assert_eq!(told("outline: 2px dashed red"), Some((230, 30, 30)));
        assert_eq!(told("outline: 1px solid #0a0B0c"), Some((10, 11, 12)));
        assert!(told("#12").is_none() && told("").is_none() && told("#12345é").is_none());
    }
}
