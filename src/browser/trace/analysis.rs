//! What a trace says about one page: when it was painted, how much it
//! shifted, what kept its main thread busy, what was slow to come. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::browser::watch::shortened;

/// A task that blocks for longer than this is felt.
const LONG: f64 = 50.0;
const MOST: usize = 10;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LongTask {
    /// Milliseconds after the load began, or after the first event.
    pub at: f64,
    pub ms: f64,
    /// What took most of it, with its source where that is known.
    pub mostly: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SlowRequest {
    pub url: String,
    pub ms: f64,
    pub status: Option<u64>,
    pub bytes: u64,
    pub failed: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interaction {
    pub kind: String,
    pub ms: f64,
    pub input_delay: f64,
    pub processing: f64,
}

/// Times are in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    pub url: String,
    /// How long was recorded.
    pub recorded: f64,
    pub events: usize,
    /// A page load was recorded; the next five are counted from its begin.
    pub has_load: bool,
    pub first_contentful_paint: Option<f64>,
    pub largest_contentful_paint: Option<f64>,
    pub largest_element: Option<String>,
    pub dom_content_loaded: Option<f64>,
    pub loaded: Option<f64>,
    pub cumulative_layout_shift: f64,
    pub layout_shifts: usize,
    pub total_blocking_time: f64,
    pub long_tasks: Vec<LongTask>,
    pub interactions: Vec<Interaction>,
    /// The main thread by kind of work, without what was inside other work.
    pub main_thread: BTreeMap<String, f64>,
    pub requests: usize,
    pub slowest_requests: Vec<SlowRequest>,
    /// Layouts that a script forced, their time, and where most came from.
    pub forced_layouts: usize,
    pub forced_layout_time: f64,
    pub forced_by: Option<String>,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "traceEvents")]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    name: String,
    #[serde(default)]
    ph: String,
    #[serde(default)]
    ts: f64,
    #[serde(default)]
    dur: f64,
    #[serde(default)]
    pid: i64,
    #[serde(default)]
    tid: i64,
    #[serde(default)]
    args: Value,
}

impl Event {
    fn data(&self) -> &Value {
        &self.args["data"]
    }

    fn frame(&self) -> Option<&str> {
        self.args["frame"].as_str().or_else(|| self.data()["frame"].as_str())
    }

    fn end(&self) -> f64 {
        self.ts + self.dur
    }

    /// Where a script's call is written.
    fn source(&self) -> String {
        let data = self.data();
        let name = data["functionName"].as_str().filter(|name| !name.is_empty());
        let name = name.or(data["type"].as_str()).unwrap_or(&self.name);
        match data["url"].as_str().filter(|url| !url.is_empty()) {
            Some(url) => {
                format!(
                    "{name} ({}:{})",
                    shortened(url, 200),
                    data["lineNumber"].as_u64().unwrap_or_default()
                )
            }
            None => name.to_owned(),
        }
    }
}

fn category(name: &str) -> &'static str {
    match name {
        "EvaluateScript"
        | "FunctionCall"
        | "TimerFire"
        | "EventDispatch"
        | "FireAnimationFrame"
        | "FireIdleCallback"
        | "RunMicrotasks"
        | "XHRReadyStateChange"
        | "XHRLoad"
        | "v8.compile"
        | "v8.compileModule"
        | "v8.run"
        | "v8.evaluateModule"
        | "V8.DeserializeContext" => "scripting",
        "MajorGC" | "MinorGC" | "BlinkGC.AtomicPhase" => "garbage collection",
        "Layout"
        | "UpdateLayoutTree"
        | "RecalculateStyles"
        | "HitTest"
        | "PrePaint"
        | "UpdateLayerTree"
        | "ParseAuthorStyleSheet"
        | "IntersectionObserverController::computeIntersections" => "rendering",
        "Paint" | "Layerize" | "Commit" | "CompositeLayers" | "RasterTask" | "Decode Image"
        | "ImageDecodeTask" => "painting",
        "ParseHTML"
        | "ResourceSendRequest"
        | "ResourceReceiveResponse"
        | "ResourceReceivedData"
        | "ResourceFinish"
        | "ResourceWillSendRequest" => "loading",
        name if name.starts_with("V8.GC") => "garbage collection",
        name if name.starts_with("v8.") || name.starts_with("V8.") => "scripting",
        _ => "other",
    }
}

impl Analysis {
    /// Reads a trace for the page whose main frame is named.
    pub(super) fn of(json: &[u8], frame: &str) -> Result<Self, serde_json::Error> {
        let File { mut events } = serde_json::from_slice(json)?;
        events.retain(|event| event.ph != "M" || event.name == "thread_name");
        let timed = || events.iter().filter(|event| event.ts > 0.0);
        let first = timed().map(|event| event.ts).fold(f64::INFINITY, f64::min);
        let last = timed().map(Event::end).fold(0.0, f64::max);
        let mut analysis = Self { events: events.len(), ..Self::default() };
        if !first.is_finite() {
            return Ok(analysis);
        }
        analysis.recorded = (last - first) / 1000.0;
        // Renderers name the frame that they work for; the browser's own process does so too.
        let named = events.iter().filter(|event| event.ph != "M" && event.frame() == Some(frame));
        let own: HashSet<i64> = named.map(|event| event.pid).collect();
        let address = |event: &&Event| event.name == "navigationStart" && event.frame() == Some(frame);
        for event in events.iter().filter(address) {
            if let Some(url) = event.data()["documentLoaderURL"].as_str().filter(|url| !url.is_empty()) {
                url.clone_into(&mut analysis.url);
            }
        }
        let main: HashSet<(i64, i64)> = events
            .iter()
            .filter(|event| event.ph == "M" && own.contains(&event.pid))
            .filter(|event| event.args["name"].as_str() == Some("CrRendererMain"))
            .map(|event| (event.pid, event.tid))
            .collect();
        let load =
            events.iter().filter(|event| event.name == "navigationStart" && event.frame() == Some(frame));
        let load = load
            .map(|event| event.ts)
            .fold(None, |last: Option<f64>, ts| Some(last.map_or(ts, |last| last.max(ts))));
        analysis.has_load = load.is_some();
        let zero = load.unwrap_or(first);
        analysis.read_marks(&events, frame, zero);
        analysis.read_shifts(&events, &own, zero);
        analysis.read_interactions(&events, &own);
        analysis.read_requests(&events, &own, zero);
        for thread in &main {
            analysis.read_thread(&events, *thread, zero);
        }
        analysis.long_tasks.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        analysis.long_tasks.truncate(MOST);
        Ok(analysis)
    }

    fn read_marks(&mut self, events: &[Event], frame: &str, zero: f64) {
        let here = events.iter().filter(|event| event.frame() == Some(frame) && event.ts >= zero);
        for event in here {
            let at = Some((event.ts - zero) / 1000.0);
            match event.name.as_str() {
                _ if !self.has_load => {}
                "firstContentfulPaint" => self.first_contentful_paint = self.first_contentful_paint.or(at),
                "largestContentfulPaint::Candidate" if self.largest_contentful_paint <= at => {
                    self.largest_contentful_paint = at;
                    let data = event.data();
                    let kind = data["type"].as_str().or(data["nodeName"].as_str()).unwrap_or("element");
                    self.largest_element =
                        Some(format!("{kind}, {} square pixels", data["size"].as_u64().unwrap_or_default()));
                }
                "MarkDOMContent" => self.dom_content_loaded = self.dom_content_loaded.or(at),
                "MarkLoad" => self.loaded = self.loaded.or(at),
                _ => {}
            }
        }
    }

    /// The worst five seconds of shifts with less than one second between two.
    fn read_shifts(&mut self, events: &[Event], own: &HashSet<i64>, zero: f64) {
        let mut shifts: Vec<(f64, f64)> = events
            .iter()
            .filter(|event| event.name == "LayoutShift" && own.contains(&event.pid) && event.ts >= zero)
            .filter(|event| event.data()["had_recent_input"].as_bool() != Some(true))
            .filter_map(|event| {
                let data = event.data();
                Some((event.ts / 1e6, data["weighted_score_delta"].as_f64().or(data["score"].as_f64())?))
            })
            .collect();
        shifts.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.layout_shifts = shifts.len();
        let (mut begin, mut before, mut sum) = (f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0);
        for (at, score) in shifts {
            if at - before > 1.0 || at - begin > 5.0 {
                (begin, sum) = (at, 0.0);
            }
            before = at;
            sum += score;
            self.cumulative_layout_shift = self.cumulative_layout_shift.max(sum);
        }
    }

    fn read_interactions(&mut self, events: &[Event], own: &HashSet<i64>) {
        let mut longest: HashMap<u64, Interaction> = HashMap::new();
        for event in events.iter().filter(|event| event.name == "EventTiming" && own.contains(&event.pid)) {
            let data = event.data();
            let Some(id) = data["interactionId"].as_u64().filter(|id| *id > 0) else { continue };
            let number = |name: &str| data[name].as_f64().unwrap_or_default();
            let interaction = Interaction {
                kind: data["type"].as_str().unwrap_or_default().to_owned(),
                ms: number("duration"),
                input_delay: (number("processingStart") - number("timeStamp")).max(0.0),
                processing: (number("processingEnd") - number("processingStart")).max(0.0),
            };
            let known = longest.entry(id).or_insert_with(|| interaction.clone());
            if known.ms < interaction.ms {
                *known = interaction;
            }
        }
        self.interactions = longest.into_values().collect();
        self.interactions.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        self.interactions.truncate(MOST);
    }

    fn read_requests(&mut self, events: &[Event], own: &HashSet<i64>, zero: f64) {
        struct Open {
            url: String,
            begin: f64,
            status: Option<u64>,
        }
        let mut open: HashMap<&str, Open> = HashMap::new();
        let mut done = Vec::new();
        for event in events.iter().filter(|event| own.contains(&event.pid) && event.ts >= zero) {
            let data = event.data();
            let Some(id) = data["requestId"].as_str() else { continue };
            match event.name.as_str() {
                "ResourceSendRequest" => {
                    let url = shortened(data["url"].as_str().unwrap_or_default(), 300);
                    open.insert(id, Open { url, begin: event.ts, status: None });
                }
                "ResourceReceiveResponse" => {
                    if let Some(request) = open.get_mut(id) {
                        request.status = data["statusCode"].as_u64();
                    }
                }
                "ResourceFinish" => {
                    if let Some(Open { url, begin, status }) = open.remove(id) {
                        done.push(SlowRequest {
                            url,
                            ms: (event.ts - begin) / 1000.0,
                            status,
                            bytes: data["encodedDataLength"].as_u64().unwrap_or_default(),
                            failed: data["didFail"].as_bool().unwrap_or_default(),
                        });
                    }
                }
                _ => {}
            }
        }
        self.requests = done.len() + open.len();
        done.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        done.truncate(MOST);
        self.slowest_requests = done;
    }

    /// Walks through one thread's work, inner work within outer.
    fn read_thread(&mut self, events: &[Event], thread: (i64, i64), zero: f64) {
        let mut work: Vec<&Event> = events
            .iter()
            .filter(|event| event.ph == "X" && (event.pid, event.tid) == thread && event.end() >= zero)
            .collect();
        work.sort_by(|a, b| a.ts.total_cmp(&b.ts).then(b.dur.total_cmp(&a.dur)));
        let mut inside: Vec<f64> = vec![0.0; work.len()];
        let mut stack: Vec<usize> = Vec::new();
        let mut forced: HashMap<String, f64> = HashMap::new();
        // A task may run another one; the outermost is what blocks.
        let mut tasks: Vec<usize> = Vec::new();
        // For the task that is open: what takes how long in it.
        let mut parts: HashMap<usize, HashMap<String, f64>> = HashMap::new();
        for (at, event) in work.iter().enumerate() {
            while stack.last().is_some_and(|top| work[*top].end() <= event.ts) {
                stack.pop();
            }
            if let Some(top) = stack.last() {
                inside[*top] += event.dur;
            }
            let script = stack.iter().rev().find(|outer| {
                matches!(work[**outer].name.as_str(), "FunctionCall" | "EvaluateScript" | "TimerFire")
            });
            if matches!(event.name.as_str(), "Layout" | "UpdateLayoutTree")
                && let Some(script) = script
            {
                self.forced_layouts += 1;
                self.forced_layout_time += event.dur / 1000.0;
                *forced.entry(work[*script].source()).or_default() += event.dur;
            }
            if let Some(task) = stack.iter().find(|outer| is_task(&work[**outer].name)) {
                if category(&event.name) != "other" && stack.len() <= 6 {
                    let source = event.source();
                    // A place in a source says more than a kind of event around it.
                    let weight = if source.ends_with(')') { 1.0 } else { 0.8 };
                    *parts.entry(*task).or_default().entry(source).or_default() += event.dur * weight;
                }
            } else if is_task(&event.name) {
                tasks.push(at);
            }
            stack.push(at);
        }
        for (at, event) in work.iter().enumerate() {
            let own = (event.dur - inside[at]).max(0.0) / 1000.0;
            *self.main_thread.entry(category(&event.name).to_owned()).or_default() += own;
        }
        for at in tasks {
            let event = work[at];
            let ms = event.dur / 1000.0;
            if ms > LONG {
                let paint = self.first_contentful_paint.unwrap_or_default();
                let begin = (event.ts - zero) / 1000.0;
                // What blocks before anything is painted is not felt as blocking.
                let from = begin.max(paint);
                self.total_blocking_time += ((begin + ms - from).min(ms) - LONG).max(0.0);
                let mostly = parts.get(&at).and_then(|parts| parts.iter().max_by(|a, b| a.1.total_cmp(b.1)));
                let mostly = mostly.map_or_else(|| event.name.clone(), |(name, _)| name.clone());
                self.long_tasks.push(LongTask { at: begin, ms, mostly });
            }
        }
        self.forced_by = forced
            .into_iter()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(name, _)| name)
            .or(self.forced_by.take());
    }
}

fn is_task(name: &str) -> bool {
    matches!(name, "RunTask" | "ThreadControllerImpl::RunTask")
}

impl std::fmt::Display for Analysis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "Trace of {} ({:.1} s, {} events)", self.url, self.recorded / 1000.0, self.events)?;
        let ms = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |ms| format!("{ms:.0} ms"));
        if self.has_load {
            writeln!(
                f,
                "Load: FCP {}, LCP {} ({}), DOMContentLoaded {}, load {}",
                ms(self.first_contentful_paint),
                ms(self.largest_contentful_paint),
                self.largest_element.as_deref().unwrap_or("nothing painted"),
                ms(self.dom_content_loaded),
                ms(self.loaded)
            )?;
        } else {
            writeln!(f, "No page load was recorded.")?;
        }
        writeln!(
            f,
            "CLS {:.3} ({} shifts), TBT {:.0} ms",
            self.cumulative_layout_shift, self.layout_shifts, self.total_blocking_time
        )?;
        match self.interactions.first() {
            Some(worst) => writeln!(
                f,
                "Slowest interaction: {} {:.0} ms (input delay {:.0}, processing {:.0})",
                worst.kind, worst.ms, worst.input_delay, worst.processing
            )?,
            None => writeln!(f, "No interaction was recorded.")?,
        }
        let mut kinds: Vec<_> = self.main_thread.iter().collect();
        kinds.sort_by(|a, b| b.1.total_cmp(a.1));
        let kinds: Vec<_> = kinds.iter().map(|(kind, ms)| format!("{kind} {ms:.0} ms")).collect();
        writeln!(f, "Main thread: {}", kinds.join(", "))?;
        for task in self.long_tasks.iter().take(5) {
            writeln!(f, "- long task of {:.0} ms at {:.0} ms, mostly {}", task.ms, task.at, task.mostly)?;
        }
        if self.forced_layouts > 0 {
            let by = self.forced_by.as_deref().unwrap_or("a script");
            writeln!(
                f,
                "Layouts forced by scripts: {} ({:.0} ms), most by {by}",
                self.forced_layouts, self.forced_layout_time
            )?;
        }
        writeln!(f, "Requests: {}", self.requests)?;
        for request in self.slowest_requests.iter().take(5) {
            let status = request.status.map_or_else(|| "no status".to_owned(), |status| status.to_string());
            writeln!(f, "- {:.0} ms, {status}, {} bytes: {}", request.ms, request.bytes, request.url)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn work(name: &str, ts: f64, dur: f64, args: Value) -> Value {
        json!({ "name": name, "ph": "X", "ts": ts, "dur": dur, "pid": 1, "tid": 2, "args": args })
    }

    fn read(events: Vec<Value>) -> Analysis {
        let mut all = vec![
            json!({ "name": "thread_name", "ph": "M", "pid": 1, "tid": 2, "args": { "name": "CrRendererMain" } }),
            json!({ "name": "navigationStart", "ph": "R", "ts": 1_000_000.0, "pid": 1, "tid": 2, "args": { "frame": "F", "data": { "documentLoaderURL": "http://a/" } } }),
        ];
        all.extend(events);
        Analysis::of(json!({ "traceEvents": all }).to_string().as_bytes(), "F").expect("read")
    }

    #[test]
    fn blocking_counts_from_the_first_paint_and_self_time_leaves_out_what_is_inside() {
        let analysis = read(vec![
            json!({ "name": "firstContentfulPaint", "ph": "R", "ts": 1_200_000.0, "pid": 1, "tid": 2, "args": { "frame": "F", "data": {} } }),
            work("RunTask", 1_010_000.0, 100_000.0, json!({})),
            work("RunTask", 1_300_000.0, 150_000.0, json!({})),
            work(
                "FunctionCall",
                1_310_000.0,
                120_000.0,
                json!({ "data": { "functionName": "go", "url": "http://a/x.js", "lineNumber": 3 } }),
            ),
            work("Layout", 1_320_000.0, 40_000.0, json!({})),
        ]);
        assert_eq!(analysis.first_contentful_paint, Some(200.0));
        assert_eq!(analysis.total_blocking_time, 100.0);
        assert_eq!(
            analysis.long_tasks[0],
            LongTask { at: 300.0, ms: 150.0, mostly: "go (http://a/x.js:3)".into() }
        );
        assert_eq!((analysis.main_thread["scripting"], analysis.main_thread["rendering"]), (80.0, 40.0));
        assert_eq!((analysis.forced_layouts, analysis.forced_layout_time), (1, 40.0));
        assert!(analysis.to_string().contains("most by go (http://a/x.js:3)"), "{analysis}");
    }

    #[test]
    fn shifts_count_in_windows_and_not_after_input() {
        let shift = |ts: f64, score: f64, input: bool| {
            json!({ "name": "LayoutShift", "ph": "I", "ts": ts, "pid": 1, "tid": 2,
                "args": { "data": { "weighted_score_delta": score, "had_recent_input": input } } })
        };
        let analysis = read(vec![
            shift(1.1e6, 0.1, false),
            shift(1.5e6, 0.1, false),
            shift(1.6e6, 0.9, true),
            shift(9e6, 0.15, false),
        ]);
        assert!((analysis.cumulative_layout_shift - 0.2).abs() < 1e-9);
        assert_eq!(analysis.layout_shifts, 3);
    }

    #[test]
    fn an_empty_trace_and_one_that_is_none() {
        assert!(
            Analysis::of(b"{\"traceEvents\":[]}", "F").expect("read").to_string().contains("No page load")
        );
        assert!(Analysis::of(b"{", "F").is_err());
    }
}
