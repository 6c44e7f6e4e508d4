//! An agent's words, and what becomes of them.

use super::*;
use crate::copilot::acp::protocol;
use agent_client_protocol_schema::v1::{SessionConfigOption, SessionModeState};
use serde_json::json;

/// An update as it comes on the line; nothing for one that is not known.
fn tell(state: &mut State, now: u64, id: &Id, update: &Value) -> Vec<Update> {
    match protocol::update(json!({ "sessionId": id, "update": update })) {
        Some((_, update)) => state.handle_update(now, id, update),
        None => vec![],
    }
}

fn asked(call: Value, options: Value) -> RequestPermissionRequest {
    protocol::permission(json!({ "sessionId": "s", "toolCall": call, "options": options })).expect("asked")
}

fn talk() -> (State, Id) {
    let mut state = State::default();
    let id = Id::new("s").expect("an id");
    state.handle_session(1, &id, None, 1);
    let (said, _) = state.handle_prompt(1, &id, "do it", false, None, vec![]);
    assert_eq!(said, ["do it"]);
    (state, id)
}

#[test]
fn a_turn_with_a_tool_and_a_permission_becomes_a_transcript() {
    let (mut state, id) = talk();
    let told = |state: &mut State, update: Value| tell(state, 2, &id, &update);
    let chunk = |text: &str| json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text } });
    told(&mut state, chunk("one "));
    told(&mut state, chunk("two"));
    told(
        &mut state,
        json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "bash", "kind": "execute", "status": "pending", "rawInput": {} }),
    );
    told(
        &mut state,
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "in_progress", "rawInput": { "command": "ls", "description": "d" } }),
    );
    let ask = asked(
        json!({ "toolCallId": "c", "kind": "execute", "title": "ls", "rawInput": { "command": "ls" } }),
        json!([{ "optionId": "o", "name": "O", "kind": "allow_once" }, { "optionId": "a", "name": "A", "kind": "allow_always" }]),
    );
    let (permission, _) = state.handle_permission(2, &id, &ask).expect("asked");
    assert_eq!(state.permissions()[0].input["description"], "d", "all of its arguments");
    let tool = |state: &State| match &state.page(&id, None, 9).expect("a page").0[1].parts[1].content {
        Content::Tool(tool) => tool.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(tool(&state).state, ToolState::Waiting);
    assert!(state.handle_answer(&permission, Gone::Answered).is_some());
    assert!(state.handle_answer(&permission, Gone::Answered).is_none(), "the first answer counts");
    told(
        &mut state,
        json!({ "sessionUpdate": "tool_call_update", "toolCallId": "c", "status": "completed",
        "content": [{ "type": "content", "content": { "type": "text", "text": "a.txt" } }] }),
    );
    told(&mut state, json!({ "sessionUpdate": "of_the_future", "x": 1 }));
    told(&mut state, chunk("three"));
    state.handle_end(3, &id, None);
    let (messages, older) = state.page(&id, None, 9).expect("a page");
    assert!(older.is_none() && messages.len() == 2 && messages[1].head.done);
    let texts = messages[1].parts.iter().map(|part| match &part.content {
        Content::Text { text, done } => format!("{text}/{done}"),
        Content::Tool(tool) => format!("{}/{:?}", tool.output, tool.state),
        _ => String::new(),
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["one two/true", "a.txt/Done", "three/true"]);
}

#[test]
fn what_the_end_of_the_process_leaves_open_is_told_as_interrupted() {
    let (mut state, id) = talk();
    let call =
        json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "t", "status": "in_progress" });
    assert!(!tell(&mut state, 2, &id, &call).is_empty());
    state.handle_permission(2, &id, &asked(json!({ "toolCallId": "c" }), json!([]))).expect("asked");
    let updates = state.handle_restart(3);
    assert!(
        updates.iter().any(|update| matches!(update, Update::PermissionGone { why: Gone::Restarted, .. }))
    );
    assert!(matches!(state.session(&id).expect("there").state, SessionState::Failed { .. }));
    assert!(state.permissions().is_empty());
}

#[test]
fn quiet_words_go_with_the_next_prompt() {
    let (mut state, id) = talk();
    state.handle_end(2, &id, None);
    let (now, _) = state.handle_prompt(3, &id, "Ada had it", true, Some(Origin::Room), vec![]);
    assert!(now.is_empty() && !state.works(&id));
    let (now, _) = state.handle_prompt(4, &id, "go on", false, None, vec![]);
    assert_eq!(now, ["Ada had it", "go on"]);
}

#[test]
fn a_session_of_before_is_listed_and_its_past_is_told_once() {
    let mut state = State::default();
    let id = Id::new("old").expect("an id");
    let listed = || vec![Listed { id: id.clone(), title: "Of old".into(), updated: Some(7) }];
    assert!(matches!(state.handle_listed(9, listed(), true)[..], [Update::Session { .. }]));
    assert_eq!(state.handle_listed(9, listed(), true), []);
    assert_eq!(state.is_elsewhere(&id), Some(true));
    let past = [
        json!({ "sessionUpdate": "user_message_chunk", "messageId": "msg_z", "content": { "type": "text", "text": "do it" } }),
        json!({ "sessionUpdate": "user_message_chunk", "messageId": "msg_z", "content": { "type": "text", "text": "<file>", "annotations": { "audience": ["assistant"] } } }),
        json!({ "sessionUpdate": "agent_thought_chunk", "messageId": "prt_b", "content": { "type": "text", "text": "hm" } }),
        json!({ "sessionUpdate": "agent_message_chunk", "messageId": "msg_a", "content": { "type": "text", "text": "done" } }),
        json!({ "sessionUpdate": "tool_call", "toolCallId": "c", "title": "bash", "status": "completed" }),
        json!({ "sessionUpdate": "user_message_chunk", "messageId": "msg_b", "content": { "type": "text", "text": "more" } }),
        json!({ "sessionUpdate": "agent_message_chunk", "messageId": "msg_c", "content": { "type": "text", "text": "more done" } }),
    ];
    let tell_past = |state: &mut State| {
        past.iter().for_each(|update| assert_eq!(tell(state, 50, &id, update), [], "nobody waits for it"));
    };
    state.handle_loading(&id);
    tell_past(&mut state);
    state.handle_loaded(&id, Some(1));
    let seen = |state: &State| {
        let (messages, _) = state.page(&id, None, 99).expect("a page");
        assert!(messages.is_sorted_by_key(|one| one.head.id.clone()), "ids rise with time");
        assert!(messages.iter().all(|one| one.head.done && one.head.created == 7));
        let words = |message: &Message| {
            message
                .parts
                .iter()
                .map(|part| match &part.content {
                    Content::Text { text, done: true } => text.clone(),
                    Content::Reasoning { text, done: true } => format!("({text})"),
                    Content::Tool(tool) => format!("{}:{:?}:{:?}", tool.name, tool.state, tool.ended),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
                .join(" ")
        };
        messages.iter().map(words).collect::<Vec<_>>()
    };
    let wanted = ["do it", "(hm) done bash:Done:None", "more", "more done"];
    assert_eq!(seen(&state), wanted);
    // Another start of the process tells it again; it is here already.
    state.handle_loading(&id);
    tell_past(&mut state);
    state.handle_loaded(&id, Some(2));
    assert_eq!(seen(&state), wanted);
    assert!(state.is_of(&id, 2));
}

#[test]
fn a_past_that_could_not_be_told_is_asked_for_again_and_a_session_that_is_gone_is_told() {
    let mut state = State::default();
    let id = Id::new("old").expect("an id");
    state.handle_listed(9, vec![Listed { id: id.clone(), title: String::new(), updated: None }], true);
    state.handle_loading(&id);
    let said = json!({ "sessionUpdate": "user_message_chunk", "content": { "type": "text", "text": "x" } });
    tell(&mut state, 9, &id, &said);
    state.handle_loaded(&id, None);
    assert_eq!((state.is_elsewhere(&id), state.page(&id, None, 9)), (Some(true), Some((vec![], None))));
    assert_eq!(state.handle_listed(9, vec![], false), []);
    assert_eq!(state.handle_listed(9, vec![], true), [Update::SessionGone { session: id }]);
}

#[test]
fn what_nobody_answers_in_time_is_withdrawn() {
    let (mut state, id) = talk();
    let (permission, _) =
        state.handle_permission(5, &id, &asked(json!({ "toolCallId": "c" }), json!([]))).expect("asked");
    assert_eq!(state.poll_timeout(), Some(5 + PATIENCE));
    assert_eq!(state.handle_timeout(4 + PATIENCE), (vec![], vec![]));
    let (over, updates) = state.handle_timeout(5 + PATIENCE);
    assert_eq!(over, [permission]);
    assert!(matches!(updates[0], Update::PermissionGone { why: Gone::Expired, .. }), "{updates:?}");
    assert_eq!(state.poll_timeout(), None);
}

#[test]
fn a_model_and_a_mode_are_switched_by_what_the_agent_offers() {
    let (mut state, id) = talk();
    assert_eq!(state.switch(&id, Kind::Model, "x"), Switch::None(vec![]));
    let options = json!([{ "id": "model", "name": "M", "type": "select", "category": "model", "currentValue": "p/one",
        "options": [{ "value": "p/one", "name": "P/One" }, { "value": "p/two", "name": "P/Two" }] }]);
    let modes = json!({ "currentModeId": "build",
        "availableModes": [{ "id": "build", "name": "Build" }, { "id": "plan", "name": "Plan" }] });
    let options: Vec<SessionConfigOption> = serde_json::from_value(options).expect("options");
    let modes: SessionModeState = serde_json::from_value(modes).expect("modes");
    let updates = state.handle_settings(&id, content::settings(&options, Some(&modes), None), true);
    assert!(
        matches!(&updates[..], [Update::Session { session }] if session.model.as_deref() == Some("p/one"))
    );
    assert_eq!(state.switch(&id, Kind::Model, "p/one"), Switch::Same);
    assert_eq!(state.switch(&id, Kind::Model, "p/two"), Switch::By(By::Option("model".into())));
    assert_eq!(state.switch(&id, Kind::Mode, "plan"), Switch::By(By::Mode));
    assert_eq!(state.switch(&id, Kind::Mode, "none"), Switch::None(vec!["build".into(), "plan".into()]));
    state.handle_switched(&id, Kind::Mode, "plan");
    assert_eq!(state.session(&id).expect("there").agent.as_deref(), Some("plan"));
    let choices = state.choices();
    assert_eq!((choices.models[0].provider.as_str(), choices.models[0].name.as_str()), ("P", "One"));
    assert!(choices.models[0].default && !choices.models[1].default && choices.agents.len() == 2);
}
