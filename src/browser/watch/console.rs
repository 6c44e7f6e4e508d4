//! What a page logs: console calls, exceptions, and what the browser has to
//! say about it. Bounded by count and bytes; the oldest goes first.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shortened;
use crate::browser::CdpEvent;

const MOST: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
const LONGEST_TEXT: usize = 8 << 10;
const LONGEST_ARGUMENT: usize = 2 << 10;
const MOST_ARGUMENTS: usize = 20;
const DEEPEST_STACK: usize = 30;

/// How severe a message is; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A call of the console.
    Console,
    /// An exception that nobody caught.
    Exception,
    /// The browser itself: a failed load, a blocked resource, a deprecation.
    Browser,
}

/// A place in a source; line and column count from one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourcePlace {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub function: String,
    pub url: String,
    pub line: u32,
    pub column: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Message {
    /// Its number in this tab, from one.
    pub number: u64,
    pub level: Level,
    pub origin: Origin,
    /// `log`, `error`, `trace`, `exception`, `network`, `deprecation` and so on.
    pub kind: String,
    pub text: String,
    pub place: Option<SourcePlace>,
    /// Milliseconds since 1970.
    pub at: f64,
    /// What was passed, as the console would show it.
    pub arguments: Vec<String>,
    pub stack: Vec<SourcePlace>,
    /// Where from, when not from the page itself: `iframe`, `worker`, `service_worker`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How often it came in a row.
    pub times: u32,
}

impl std::fmt::Display for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}] {}", self.kind.to_ascii_uppercase(), self.text)?;
        if let Some(SourcePlace { url, line, .. }) = &self.place
            && !url.is_empty()
        {
            write!(f, " @ {url}:{line}")?;
        }
        if self.times > 1 {
            write!(f, " ({} times)", self.times)?;
        }
        Ok(())
    }
}

/// The log of one tab.
#[derive(Default)]
pub(super) struct Console {
    messages: VecDeque<Message>,
    last: u64,
    bytes: usize,
    /// The last message of the document before this one.
    before: u64,
    errors: u64,
    warnings: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallFrame {
    function_name: String,
    url: String,
    line_number: i64,
    column_number: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StackTrace {
    call_frames: Vec<CallFrame>,
}

/// What a script holds, as the inspector describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remote {
    #[serde(rename = "type")]
    kind: String,
    subtype: Option<String>,
    value: Option<Value>,
    unserializable_value: Option<String>,
    description: Option<String>,
    preview: Option<Preview>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Preview {
    subtype: Option<String>,
    description: Option<String>,
    #[serde(default)]
    overflow: bool,
    #[serde(default)]
    properties: Vec<Property>,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Property {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    key: Option<Preview>,
    value: Preview,
}

impl Console {
    pub fn list(&self, level: Level, all: bool) -> Vec<Message> {
        let shown = self.messages.iter().filter(|message| message.level <= level);
        shown.filter(|message| all || message.number > self.before).cloned().collect()
    }

    pub fn get(&self, number: u64) -> Option<Message> {
        self.messages.iter().find(|message| message.number == number).cloned()
    }

    pub fn counts(&self) -> (u64, u64) {
        (self.errors, self.warnings)
    }

    pub fn clear(&mut self) {
        self.messages.clear();
        (self.bytes, self.errors, self.warnings) = (0, 0, 0);
    }

    /// A new document is in the tab.
    pub fn on_document(&mut self) {
        self.before = self.last;
        (self.errors, self.warnings) = (0, 0);
    }

    /// Writes an event down; returns what is new, if the event is a message.
    pub fn on_event(&mut self, event: &CdpEvent, from: Option<&str>) -> Option<&Message> {
        let mut message = match event.method.as_str() {
            "Runtime.consoleAPICalled" => console_call(event)?,
            "Runtime.exceptionThrown" => exception(event)?,
            "Log.entryAdded" => entry(event)?,
            _ => return None,
        };
        message.from = from.map(str::to_owned);
        self.add(message)
    }

    fn add(&mut self, mut message: Message) -> Option<&Message> {
        match message.level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
            Level::Info | Level::Debug => {}
        }
        if let Some(last) = self.messages.back_mut()
            && last.number > self.before
            && (&last.text, &last.kind, &last.place) == (&message.text, &message.kind, &message.place)
        {
            last.times = last.times.saturating_add(1);
            return None;
        }
        self.last += 1;
        message.number = self.last;
        self.bytes += message.size();
        self.messages.push_back(message);
        while self.messages.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.size();
        }
        self.messages.back()
    }
}

impl Message {
    fn size(&self) -> usize {
        let stack: usize = self.stack.iter().map(|place| place.url.len() + place.function.len() + 32).sum();
        128 + self.text.len() + self.arguments.iter().map(String::len).sum::<usize>() + stack
    }
}

fn console_call(event: &CdpEvent) -> Option<Message> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Call {
        #[serde(rename = "type")]
        kind: String,
        args: Vec<Remote>,
        timestamp: f64,
        stack_trace: Option<StackTrace>,
    }
    let call: Call = event.params()?;
    let level = match call.kind.as_str() {
        "error" | "assert" => Level::Error,
        "warning" => Level::Warning,
        "debug"
        | "clear"
        | "endGroup"
        | "profile"
        | "profileEnd"
        | "startGroup"
        | "startGroupCollapsed"
        | "trace" => Level::Debug,
        _ => Level::Info,
    };
    let arguments: Vec<_> = call.args.iter().take(MOST_ARGUMENTS).map(Remote::show).collect();
    let stack = places(call.stack_trace);
    Some(Message {
        number: 0,
        level,
        origin: Origin::Console,
        kind: call.kind,
        text: shortened(&arguments.join(" "), LONGEST_TEXT),
        place: stack.first().cloned(),
        at: call.timestamp,
        arguments,
        stack,
        from: None,
        times: 1,
    })
}

fn exception(event: &CdpEvent) -> Option<Message> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Thrown {
        timestamp: f64,
        exception_details: Details,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Details {
        text: String,
        line_number: i64,
        column_number: i64,
        url: Option<String>,
        stack_trace: Option<StackTrace>,
        exception: Option<Remote>,
    }
    let Thrown { timestamp, exception_details: details } = event.params()?;
    let stack = places(details.stack_trace);
    let place = stack.first().cloned().or_else(|| {
        Some(SourcePlace {
            function: String::new(),
            url: details.url.clone()?,
            line: from_zero(details.line_number),
            column: from_zero(details.column_number),
        })
    });
    let text = match &details.exception {
        // The description of an error has its stack below; that is told apart.
        Some(exception) if exception.subtype.as_deref() == Some("error") => {
            let text = exception.description.clone().unwrap_or_default();
            text.split("\n    at ").next().unwrap_or_default().to_owned()
        }
        Some(exception) => format!("{} {}", details.text, exception.show()),
        None => details.text.clone(),
    };
    Some(Message {
        number: 0,
        level: Level::Error,
        origin: Origin::Exception,
        kind: "exception".into(),
        text: shortened(&text, LONGEST_TEXT),
        place,
        at: timestamp,
        arguments: Vec::new(),
        stack,
        from: None,
        times: 1,
    })
}

fn entry(event: &CdpEvent) -> Option<Message> {
    #[derive(Deserialize)]
    struct Added {
        entry: Entry,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        source: String,
        level: String,
        text: String,
        timestamp: f64,
        url: Option<String>,
        line_number: Option<i64>,
        stack_trace: Option<StackTrace>,
    }
    let Added { entry } = event.params()?;
    let level = match entry.level.as_str() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        "info" => Level::Info,
        _ => Level::Debug,
    };
    let line = entry.line_number.map_or(0, from_zero);
    let place = entry.url.map(|url| SourcePlace { function: String::new(), url, line, column: 0 });
    Some(Message {
        number: 0,
        level,
        origin: Origin::Browser,
        kind: entry.source,
        text: shortened(&entry.text, LONGEST_TEXT),
        place,
        at: entry.timestamp,
        arguments: Vec::new(),
        stack: places(entry.stack_trace),
        from: None,
        times: 1,
    })
}

fn from_zero(number: i64) -> u32 {
    u32::try_from(number.saturating_add(1)).unwrap_or_default()
}

fn places(stack: Option<StackTrace>) -> Vec<SourcePlace> {
    let frames = stack.map(|stack| stack.call_frames).unwrap_or_default();
    let place = |frame: CallFrame| SourcePlace {
        function: shortened(&frame.function_name, 200),
        url: shortened(&frame.url, LONGEST_ARGUMENT),
        line: from_zero(frame.line_number),
        column: from_zero(frame.column_number),
    };
    frames.into_iter().take(DEEPEST_STACK).map(place).collect()
}

impl Remote {
    fn show(&self) -> String {
        let text = match (&self.value, &self.unserializable_value, &self.preview) {
            (Some(Value::String(text)), ..) => text.clone(),
            (Some(value), ..) if self.kind != "object" || value.is_null() => value.to_string(),
            (_, Some(text), _) => text.clone(),
            (_, _, Some(preview))
                if !matches!(self.subtype.as_deref(), Some("error" | "node" | "regexp" | "date")) =>
            {
                preview.show()
            }
            _ => self.description.clone().unwrap_or_else(|| self.kind.clone()),
        };
        shortened(&text, LONGEST_ARGUMENT)
    }
}

impl Preview {
    fn show(&self) -> String {
        let name = self.description.as_deref().unwrap_or_default();
        let is_list = self.subtype.as_deref() == Some("array");
        let value = |property: &Property| {
            let value = property.value.as_deref().unwrap_or_default();
            match property.kind.as_str() {
                "string" => format!("{value:?}"),
                "function" => "ƒ".to_owned(),
                _ => value.to_owned(),
            }
        };
        let mut parts: Vec<String> = self
            .entries
            .iter()
            .map(|entry| match &entry.key {
                Some(key) => format!("{} => {}", key.show(), entry.value.show()),
                None => entry.value.show(),
            })
            .collect();
        if self.entries.is_empty() {
            parts.extend(self.properties.iter().map(|property| match is_list {
                true => value(property),
                false => format!("{}: {}", property.name, value(property)),
            }));
        }
        if self.overflow {
            parts.push("…".to_owned());
        }
        let inside = parts.join(", ");
        match name {
            _ if is_list => format!("[{inside}]"),
            name if self.entries.is_empty()
                && self.properties.is_empty()
                && !name.is_empty()
                && name != "Object" =>
            {
                name.to_owned()
            }
            "" | "Object" => format!("{{{inside}}}"),
            name => format!("{name} {{{inside}}}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, level: Level) -> Message {
        Message {
            number: 0,
            level,
            origin: Origin::Console,
            kind: "log".into(),
            text: text.into(),
            place: None,
            at: 0.0,
            arguments: vec![],
            stack: vec![],
            from: None,
            times: 1,
        }
    }

    #[test]
    fn the_log_is_bounded_by_count_and_by_bytes() {
        let mut console = Console::default();
        for number in 0..3000 {
            console.add(message(&number.to_string(), Level::Info));
        }
        assert_eq!(console.messages.len(), MOST);
        assert_eq!(console.list(Level::Debug, true).last().map(|last| last.number), Some(3000));
        for number in 0..1000 {
            console.add(message(&format!("{number}{}", "x".repeat(LONGEST_TEXT)), Level::Info));
        }
        assert!(console.bytes <= MOST_BYTES && console.messages.len() < 200);
        console.clear();
        assert_eq!(console.bytes, 0);
    }

    #[test]
    fn a_message_in_a_row_is_counted_and_a_level_includes_the_more_severe() {
        let mut console = Console::default();
        for _ in 0..5 {
            console.add(message("again", Level::Warning));
        }
        console.add(message("bad", Level::Error));
        console.add(message("so", Level::Debug));
        let shown = console.list(Level::Warning, false);
        assert_eq!(
            shown.iter().map(|one| (one.text.as_str(), one.times)).collect::<Vec<_>>(),
            [("again", 5), ("bad", 1)]
        );
        assert_eq!(console.counts(), (1, 5));
        console.on_document();
        assert!(console.list(Level::Debug, false).is_empty());
        assert_eq!(console.list(Level::Debug, true).len(), 3);
        assert_eq!(console.counts(), (0, 0));
    }
}
