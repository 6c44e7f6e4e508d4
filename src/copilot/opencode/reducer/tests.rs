//! Streams recorded from OpenCode 1.18.33, replayed, cut and resumed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use serde_json::Value;

use super::records::INTERRUPTED;
use super::*;
use crate::copilot::model::{Message, MessageHead, Session, Todo, ToolState};

/// What OpenCode itself keeps of a stream, to take snapshots of: raw values,
/// each replaced by its successor. Pieces of text are not kept, and what a
/// stopped turn had asked is never forgotten, as in the real one.
#[derive(Clone, Default)]
struct Server {
    sessions: BTreeMap<String, Value>,
    statuses: BTreeMap<String, Value>,
    messages: BTreeMap<String, BTreeMap<String, Value>>,
    parts: BTreeMap<String, BTreeMap<String, Value>>,
    todos: BTreeMap<String, Value>,
    permissions: BTreeMap<String, Value>,
    questions: BTreeMap<String, Value>,
}

impl Server {
    fn take(&mut self, event: &Value) {
        let of = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
        let p = &event["properties"];
        match event["type"].as_str().unwrap_or("") {
            "session.created" | "session.updated" => {
                self.sessions.insert(of("/properties/info/id"), p["info"].clone());
            }
            "session.deleted" => {
                self.sessions.remove(&of("/properties/info/id"));
            }
            "session.status" => {
                if p["status"]["type"] == "idle" {
                    self.statuses.remove(&of("/properties/sessionID"));
                } else {
                    self.statuses.insert(of("/properties/sessionID"), p["status"].clone());
                }
            }
            "session.idle" => {
                self.statuses.remove(&of("/properties/sessionID"));
            }
            "message.updated" => {
                let messages = self.messages.entry(of("/properties/sessionID")).or_default();
                messages.insert(of("/properties/info/id"), p["info"].clone());
            }
            "message.part.updated" => {
                let parts = self.parts.entry(of("/properties/part/messageID")).or_default();
                parts.insert(of("/properties/part/id"), p["part"].clone());
            }
            "todo.updated" => {
                self.todos.insert(of("/properties/sessionID"), p["todos"].clone());
            }
            "permission.asked" => {
                self.permissions.insert(of("/properties/id"), p.clone());
            }
            "permission.replied" => {
                self.permissions.remove(&of("/properties/requestID"));
            }
            "question.asked" => {
                self.questions.insert(of("/properties/id"), p.clone());
            }
            "question.replied" | "question.rejected" => {
                self.questions.remove(&of("/properties/requestID"));
            }
            _ => {}
        }
    }

    fn snapshot(&self) -> Snapshot {
        fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
            serde_json::from_value(value).expect("as OpenCode has it")
        }
        fn all<T: serde::de::DeserializeOwned>(values: &BTreeMap<String, Value>) -> Vec<T> {
            values.values().cloned().map(read).collect()
        }
        let empty = BTreeMap::new();
        let transcript = |session: &String| Transcript {
            session: Id::new(session).expect("an id"),
            messages: self
                .messages
                .get(session)
                .unwrap_or(&empty)
                .iter()
                .map(|(id, info)| WholeMessage {
                    info: read(info.clone()),
                    parts: all(self.parts.get(id).unwrap_or(&empty)),
                })
                .collect(),
            todos: self.todos.get(session).map_or_else(Vec::new, |todos| read(todos.clone())),
        };
        Snapshot {
            sessions: all(&self.sessions),
            statuses: read(serde_json::to_value(&self.statuses).expect("json")),
            permissions: all(&self.permissions),
            questions: all(&self.questions),
            transcripts: self.sessions.keys().map(transcript).collect(),
        }
    }
}

fn streams() -> &'static [(String, Vec<Value>)] {
    static STREAMS: OnceLock<Vec<(String, Vec<Value>)>> = OnceLock::new();
    STREAMS.get_or_init(read_streams)
}

fn read_streams() -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/copilot/streams");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("the recordings")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("readable");
            let events = text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
            (name, events)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 12, "the recordings are missing");
    found
}

fn stream(name: &str) -> &'static [Value] {
    &streams().iter().find(|(found, _)| found == name).expect("this recording").1
}

fn event(value: &Value) -> Event {
    Event::read(value.to_string().as_bytes())
}

fn run(reducer: &mut Reducer, events: &[Value], now: Instant) -> Vec<Update> {
    events.iter().flat_map(|value| reducer.handle(event(value), now)).collect()
}

/// What everybody sees: sessions, messages and what waits.
fn seen(reducer: &Reducer) -> Value {
    let messages: BTreeMap<String, Vec<Message>> =
        reducer.sessions().map(|session| (session.id.to_string(), reducer.messages(&session.id))).collect();
    let todos: BTreeMap<String, Vec<Todo>> =
        reducer.sessions().map(|session| (session.id.to_string(), reducer.todos(&session.id))).collect();
    serde_json::json!({
        "sessions": reducer.sessions().collect::<Vec<_>>(),
        "messages": messages,
        "todos": todos,
        "permissions": reducer.permissions().collect::<Vec<_>>(),
        "questions": reducer.questions().collect::<Vec<_>>(),
    })
}

/// The stream as it came, against one that was lost from `lost` on, with a
/// snapshot taken at `back`, from which events come again that are older by `again`.
fn check(name: &str, events: &[Value], lost: usize, back: usize, again: usize) {
    let now = Instant::now();
    let mut whole = Reducer::default();
    run(&mut whole, events, now);
    let mut server = Server::default();
    events[..back].iter().for_each(|value| server.take(value));
    let mut resumed = Reducer::default();
    run(&mut resumed, &events[..lost], now);
    resumed.restore(server.snapshot(), false, now);
    run(&mut resumed, &events[again..], now);
    assert_eq!(seen(&resumed), seen(&whole), "{name}: lost at {lost}, back at {back}, again from {again}");
}

/// True when the stream tells of a fault that no message keeps, and it is lost here.
fn loses_a_fault(name: &str, events: &[Value], lost: usize, back: usize) -> bool {
    name == "unknown-model" && events[lost..back].iter().any(|event| event["type"] == "session.error")
        || name == "samples"
}

#[test]
fn a_stream_that_is_cut_anywhere_and_resumed_from_a_snapshot_ends_the_same() {
    for (name, events) in streams() {
        for at in (0..=events.len()).filter(|at| !loses_a_fault(name, events, 0, *at)) {
            check(name, events, 0, at, at);
        }
        for at in (0..=events.len()).filter(|_| name != "samples") {
            check(name, events, at, at, at);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_gap_and_a_repetition_anywhere_change_nothing(seed in any::<(usize, usize, usize, usize)>()) {
        let all = streams();
        let (name, events) = &all[seed.0 % all.len()];
        let lost = seed.1 % (events.len() + 1);
        let back = lost + seed.2 % (events.len() + 1 - lost);
        let again = seed.3 % (back + 1);
        if !loses_a_fault(name, events, lost.min(again), back) {
            check(name, events, lost, back, again);
        }
    }

    #[test]
    fn no_order_of_events_and_no_garbage_breaks_it(order in proptest::collection::vec(any::<(usize, usize)>(), 0..120)) {
        let all = streams();
        let now = Instant::now();
        let mut reducer = Reducer::default();
        for (which, at) in order {
            let events = &all[which % all.len()].1;
            reducer.handle(event(&events[at % events.len()]), now);
            reducer.handle(Event::read(b"{\"type\":\"new.kind\"}"), now);
        }
        let _ = seen(&reducer);
    }
}

/// A reader that has only the updates.
#[derive(Default)]
struct Reader {
    sessions: BTreeMap<Id, Session>,
    messages: BTreeMap<(Id, Id), (MessageHead, BTreeMap<Id, Part>)>,
    permissions: BTreeMap<Id, Permission>,
    questions: BTreeMap<Id, Question>,
}

impl Reader {
    fn take(&mut self, update: Update) {
        match update {
            Update::Session { session } => drop(self.sessions.insert(session.id.clone(), session)),
            Update::SessionGone { session } => {
                self.sessions.remove(&session);
                self.messages.retain(|(of, _), _| *of != session);
            }
            Update::Message { session, message } => {
                let key = (session, message.id.clone());
                let parts = self.messages.remove(&key).map(|old| old.1).unwrap_or_default();
                self.messages.insert(key, (message, parts));
            }
            Update::Part { session, message, part } => {
                let held = self.messages.get_mut(&(session, message)).expect("its message came before");
                held.1.insert(part.id.clone(), part);
            }
            Update::Piece { session, message, part, text: piece } => {
                let held = self.messages.get_mut(&(session, message)).expect("its message");
                match &mut held.1.get_mut(&part).expect("its part").content {
                    Content::Text { text, .. } | Content::Reasoning { text, .. } => text.push_str(&piece),
                    other => panic!("a piece for {other:?}"),
                }
            }
            Update::Permission { permission } => {
                self.permissions.insert(permission.id.clone(), permission);
            }
            Update::PermissionGone { permission, .. } => {
                self.permissions.remove(&permission).expect("was there");
            }
            Update::Question { question } => {
                self.questions.insert(question.id.clone(), question);
            }
            Update::QuestionGone { question, .. } => {
                self.questions.remove(&question).expect("was there");
            }
            _ => {}
        }
    }
}

#[test]
fn who_has_only_the_updates_sees_the_same_after_each_event() {
    for (name, events) in streams() {
        let now = Instant::now();
        let (mut reducer, mut reader) = (Reducer::default(), Reader::default());
        for value in events {
            reducer.handle(event(value), now).into_iter().for_each(|update| reader.take(update));
            let sessions: Vec<_> = reader.sessions.values().cloned().collect();
            assert_eq!(sessions, reducer.sessions().collect::<Vec<_>>(), "{name}: {value}");
            for session in &sessions {
                let own = reader.messages.iter().filter(|((of, _), _)| *of == session.id);
                let own: Vec<_> = own
                    .map(|(_, (head, parts))| Message {
                        head: head.clone(),
                        parts: parts.values().cloned().collect(),
                    })
                    .collect();
                assert_eq!(own, reducer.messages(&session.id), "{name}: {value}");
            }
            assert!(reader.permissions.values().eq(reducer.permissions()), "{name}: {value}");
            assert!(reader.questions.values().eq(reducer.questions()), "{name}: {value}");
        }
    }
}

#[test]
fn a_permission_shows_the_real_arguments_of_its_call_and_the_call_waits() {
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    let mut shown = vec![];
    // Here it is asked before the call has its arguments.
    for value in stream("refused") {
        for update in reducer.handle(event(value), now) {
            match update {
                Update::Permission { permission } => shown.push(permission.input.clone()),
                Update::Part { part: Part { content: Content::Tool(tool), .. }, .. } => {
                    shown.push(serde_json::to_value(tool.state).expect("json"));
                }
                Update::PermissionGone { why, .. } => shown.push(serde_json::to_value(why).expect("json")),
                _ => {}
            }
        }
    }
    let full = serde_json::json!({ "command": "rm -r x", "description": "Remove" });
    assert_eq!(shown.iter().filter(|one| **one == full).count(), 1, "{shown:?}");
    let states: Vec<_> = shown.iter().filter_map(Value::as_str).collect();
    assert!(states.starts_with(&["pending", "waiting"]) && states.ends_with(&["failed"]), "{states:?}");
    assert!(states.contains(&"answered"), "{states:?}");
}

#[test]
fn a_subagents_permission_names_the_session_that_people_opened() {
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    let asked = stream("subagent").iter().find_map(|value| {
        reducer.handle(event(value), now);
        reducer.permissions().next().cloned()
    });
    let asked = asked.expect("it asks");
    assert_ne!(asked.session, asked.root);
    let child = reducer.session(&asked.session).expect("the child");
    assert_eq!(child.parent, Some(asked.root));
}

#[test]
fn a_stop_ends_what_was_asked_and_a_snapshot_does_not_bring_it_back() {
    let events = stream("aborted");
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    let updates = run(&mut reducer, events, now);
    assert!(updates.iter().any(|one| matches!(one, Update::PermissionGone { why: Gone::Ended, .. })));
    let mut server = Server::default();
    events.iter().for_each(|value| server.take(value));
    let snapshot = server.snapshot();
    assert_eq!(snapshot.permissions.len(), 1, "OpenCode still lists it");
    reducer.restore(snapshot, false, now);
    assert_eq!(reducer.permissions().count(), 0);
    assert_eq!(reducer.sessions().next().expect("one").state, SessionState::Idle);
}

#[test]
fn a_restart_while_a_tool_waits_ends_permission_and_tool() {
    let events = stream("permission");
    let asked = events.iter().position(|one| one["type"] == "permission.asked").expect("asked");
    let (mut reducer, mut server, now) = (Reducer::default(), Server::default(), Instant::now());
    run(&mut reducer, &events[..=asked], now);
    assert_eq!(reducer.permissions().count(), 1);
    events[..=asked].iter().for_each(|value| server.take(value));
    server.statuses.clear();
    server.permissions.clear();
    let updates = reducer.restore(server.snapshot(), true, now);
    assert!(matches!(updates[0], Update::PermissionGone { why: Gone::Restarted, .. }), "{updates:?}");
    let session = reducer.sessions().next().expect("one").id;
    let messages = reducer.messages(&session);
    let tools = messages.iter().flat_map(|message| &message.parts);
    let tools: Vec<_> = tools
        .filter_map(|part| match &part.content {
            Content::Tool(tool) => Some((tool.state, tool.output.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(tools, [(ToolState::Failed, INTERRUPTED)]);
    assert!(messages.iter().all(|message| message.head.done));
}

#[test]
fn what_nobody_answers_in_time_is_withdrawn() {
    let events = stream("permission");
    let asked = events.iter().position(|one| one["type"] == "permission.asked").expect("asked");
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    run(&mut reducer, &events[..=asked], now);
    assert_eq!(reducer.poll_timeout(), Some(now + PATIENCE));
    assert_eq!(reducer.handle_timeout(now + PATIENCE - Duration::from_secs(1)), (vec![], vec![]));
    let (updates, overdue) = reducer.handle_timeout(now + PATIENCE);
    assert!(matches!(updates[0], Update::PermissionGone { why: Gone::Expired, .. }));
    assert!(matches!(overdue[..], [Overdue::Permission { .. }]));
    assert_eq!(reducer.poll_timeout(), None);
}

#[test]
fn a_fault_is_told_in_words_and_ends_with_the_next_turn() {
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    run(&mut reducer, stream("unknown-model"), now);
    let session = reducer.sessions().next().expect("one");
    let SessionState::Failed { reason } = &session.state else { panic!("{session:?}") };
    assert!(reason.contains("Model not found: nope/x") && reason.contains("opencode.json"), "{reason}");
    assert!(!reason.contains("chunk"), "no stack: {reason}");
    let busy = serde_json::json!({ "type": "session.status", "properties": {
        "sessionID": session.id, "status": { "type": "busy" } } });
    reducer.handle(event(&busy), now);
    assert_eq!(reducer.session(&session.id).expect("there").state, SessionState::Busy);
    let idle = serde_json::json!({ "type": "session.idle", "properties": { "sessionID": session.id } });
    reducer.handle(event(&idle), now);
    assert_eq!(reducer.session(&session.id).expect("there").state, SessionState::Idle);
}

#[test]
fn a_call_for_a_subagent_names_its_session_from_when_it_runs_on() {
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    let mut told = vec![];
    for value in stream("subagent") {
        for update in reducer.handle(event(value), now) {
            if let Update::Part { part: Part { content: Content::Tool(tool), .. }, session, .. } = update
                && tool.name == "task"
            {
                told.push((tool.state, session, tool.child));
            }
        }
    }
    let (last, parent, child) = told.last().cloned().expect("told");
    let child = child.expect("a session");
    assert_eq!((last, reducer.session(&child).expect("there").parent), (ToolState::Done, Some(parent)));
    assert!(told.iter().all(|(state, _, of)| *state == ToolState::Pending || of.as_ref() == Some(&child)));
    assert!(told.iter().any(|(state, ..)| *state == ToolState::Running), "{told:?}");
}

#[test]
fn a_page_from_an_answer_of_before_or_after_is_what_all_updates_say() {
    for (name, events) in streams().iter().filter(|(name, _)| name != "samples") {
        let now = Instant::now();
        let mut reducer = Reducer::default();
        let mut servers = vec![Server::default()];
        for value in events {
            let mut server = servers.last().expect("one").clone();
            server.take(value);
            servers.push(server);
        }
        for (at, value) in events.iter().enumerate() {
            reducer.handle(event(value), now);
            // OpenCode answered a moment ago, or is ahead of its own events.
            for moment in [at.saturating_sub(3), at, at + 1, (at + 4).min(events.len())] {
                for transcript in servers[moment].snapshot().transcripts {
                    let id = transcript.session;
                    let held = reducer.messages(&id);
                    if !held.is_empty() {
                        assert_eq!(
                            reducer.newest_page(&id, transcript.messages),
                            held,
                            "{name} {at} {moment}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn lines_of_the_record_are_in_pages_that_are_read_again() {
    let (mut reducer, now) = (Reducer::default(), Instant::now());
    run(&mut reducer, stream("permission"), now);
    let (id, call) = reducer
        .sessions()
        .find_map(|session| {
            let messages = reducer.messages(&session.id);
            let mut parts = messages.into_iter().flat_map(|message| message.parts);
            parts.find_map(|part| match part.content {
                Content::Tool(tool) => Some((session.id.clone(), tool.call)),
                _ => None,
            })
        })
        .expect("a call");
    assert!(matches!(reducer.handle_line(&id, &call, 7)[..], [Update::Part { .. }]));
    let mut server = Server::default();
    stream("permission").iter().for_each(|value| server.take(value));
    reducer.restore(server.snapshot(), true, now);
    let transcript = server.snapshot().transcripts.into_iter().find(|one| one.session == id).expect("one");
    for page in [reducer.newest_page(&id, vec![]), Reducer::older_page(&reducer, &id, transcript.messages)] {
        let text = serde_json::to_string(&page).expect("json");
        assert!(text.contains("\"record\":7"), "{text}");
    }
}
