//! One permission of an agent: the room's rules are asked, then its people, in
//! the queue that all approvals of the room stand in. Dropping the work
//! withdraws the question.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::Asked;
use crate::base::Actor;
use crate::copilot::model::{Id, Permission};
use crate::copilot::port::{Agent, PortError, Yes};
use crate::policy::{
    Action, Answer, Answered, AskError, By, Class, Decision, Effect, End, Fingerprint, NotApproved, Request,
    SessionCall,
};
use crate::room::{AgentSeat, Entry, NoApproval, OpenApproval, Outcome, RecordKind};

/// How long the call's own arguments may take to come after the permission.
const ARGUMENTS: Duration = Duration::from_secs(5);
/// How long people are asked; the queue's own limit is the same.
const WAIT: Duration = Duration::from_secs(1800);
/// How long a yes lasts that the agent keeps by itself.
const UNTIL: &str = "until the agent restarts";

/// Seeks an answer, and gives it to the agent.
pub(super) async fn seek(
    seat: &AgentSeat,
    agent: Arc<dyn Agent>,
    asked: &Asked,
    project: Id,
    mut word: watch::Receiver<Permission>,
) {
    // Whoever says yes sees what will be done.
    let known = word.wait_for(|permission| permission.complete || permission.call.is_none());
    let _ = tokio::time::timeout(ARGUMENTS, known).await;
    let permission = word.borrow().clone();
    let action = action(seat.actor(), &permission);
    let call = SessionCall {
        session: permission.session.to_string(),
        root: permission.root.to_string(),
        call: permission.call.clone(),
        project: project.to_string(),
    };
    let decision = seat.rules().decide(&action);
    if let Some((yes, message)) = ruled(&decision) {
        let outcome = if yes == Yes::Once { Outcome::Done } else { Outcome::Refused };
        let entry = Entry::new(RecordKind::Decision, &permission.tool).by(seat.actor()).outcome(outcome);
        seat.recorder().note(entry.details(json!({ "decision": decision })).of_call(&call));
        return answer(agent, permission, yes, message).await;
    }
    let always = (!permission.always.is_empty())
        .then(|| format!("{}: {}, {UNTIL}", permission.tool, permission.always.join(", ")));
    let mut request = Request::new(&action, decision, Fingerprint::new(""), WAIT);
    request.arguments = shown(&permission);
    request.session = Some(call);
    request.always = always;
    let Some(open) = open(seat, &request).await else { return };
    asked.put(&permission.id, open.id());
    let answered = open.answered().await;
    let answered = match answered {
        Ok(id) => seat.spend_approval(id, Fingerprint::new("")).await.map(|approved| approved.answered),
        Err(NoApproval::No(NotApproved::Ended(End::Denied { answered }))) => Ok(answered),
        Err(error) => Err(error),
    };
    asked.remove(&permission.id);
    match answered {
        Ok(Answered { answer: given, .. }) => {
            let (yes, message) = match given {
                Answer::Once => (Yes::Once, None),
                Answer::Always | Answer::AlwaysForOrigin => (Yes::Always, None),
                Answer::Deny { message } => (Yes::Reject, message),
            };
            answer(agent, permission, yes, message).await;
        }
        // Nobody answered in time; the agent is told so when its own time is over, or now.
        Err(NoApproval::No(NotApproved::Ended(End::Expired { .. }))) => {
            answer(agent, permission, Yes::Reject, None).await;
        }
        Err(why) => tracing::debug!(%why, permission = %permission.id, "a permission got no answer"),
    }
}

/// Puts the question into the queue as soon as there is a place in it.
async fn open(seat: &AgentSeat, request: &Request) -> Option<OpenApproval> {
    let mut view = seat.view();
    loop {
        match seat.open_approval(request.clone()).await {
            Ok(open) => return Some(open),
            Err(NoApproval::NotAsked(AskError::TooOften { wait, .. })) => tokio::time::sleep(wait).await,
            // What waits is in the view: it changes when there may be a place.
            Err(NoApproval::NotAsked(AskError::RoomFull { .. } | AskError::ActorFull { .. })) => {
                view.changed().await.ok()?;
            }
            Err(why) => {
                tracing::debug!(%why, "a permission was not asked");
                return None;
            }
        }
    }
}

/// Tells the agent. Goes on when the work is dropped: the word has been given.
async fn answer(agent: Arc<dyn Agent>, permission: Permission, yes: Yes, message: Option<String>) {
    let telling = tokio::spawn(async move {
        let Permission { id, session, .. } = permission;
        match agent.answer_permission(session, id.clone(), yes, message).await {
            Ok(()) => tracing::info!(permission = %id, answer = ?yes, "answered an agent's permission"),
            Err(PortError::Expired(_)) => {}
            Err(error) => tracing::warn!(permission = %id, %error, "an answer did not reach the agent"),
        }
    });
    let _ = telling.await;
}

/// What a rule says, if one does. That nothing is forbidden by default says
/// nothing: the agent asks because somebody wants to be asked.
fn ruled(decision: &Decision) -> Option<(Yes, Option<String>)> {
    match (decision.effect, &decision.by) {
        (Effect::Allow, By::Rule(_)) => Some((Yes::Once, None)),
        (Effect::Deny, By::Rule(rule)) => {
            Some((Yes::Reject, Some(format!("A rule of this room says no: {rule}. Find another way."))))
        }
        (Effect::Deny, By::Default) => {
            Some((Yes::Reject, Some("No rule of this room allows it. Find another way.".into())))
        }
        _ => None,
    }
}

/// The same for the rules.
fn action(actor: &Actor, permission: &Permission) -> Action {
    let class = match permission.tool.as_str() {
        "bash" | "shell" | "execute" => Class::EXECUTE,
        "edit" | "write" | "patch" | "multiedit" | "apply_patch" | "delete" | "move" => Class::WRITE,
        "read" | "list" | "glob" | "grep" | "search" | "lsp" => Class::READ,
        "webfetch" | "websearch" | "codesearch" | "fetch" => Class::NAVIGATE,
        _ => Class::OTHER,
    };
    let input = &permission.input;
    let mut action = Action::new(actor.clone(), permission.tool.as_str());
    if class == Class::NAVIGATE {
        // What has no address could go anywhere.
        action = action.at(input.get("url").and_then(Value::as_str).unwrap_or_default());
    }
    let arguments = match (class == Class::EXECUTE, input.get("command")) {
        // The rest is for people, such as what it is for; as a command it would mislead the rules.
        (true, Some(command)) => json!({ "command": command }),
        (true, None) => json!({ "command": permission.patterns.join("\n") }),
        (false, _) if input.is_null() => json!({ "patterns": permission.patterns }),
        (false, _) => input.clone(),
    };
    action.classes([class]).arguments(arguments)
}

/// The same for people.
fn shown(permission: &Permission) -> Value {
    match permission.input.is_null() {
        true => json!({ "patterns": permission.patterns }),
        false => permission.input.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ActorId, Role};
    use crate::policy::{RuleSet, Rules};

    fn permission(tool: &str, input: Value) -> Permission {
        let id = |text| Id::new(text).expect("an id");
        Permission {
            id: id("p"),
            session: id("s"),
            root: id("s"),
            call: None,
            tool: tool.into(),
            input,
            complete: true,
            patterns: vec![],
            always: vec![],
        }
    }

    fn decide(rules: &str, tool: &str, input: Value) -> Option<Yes> {
        let actor = Actor {
            id: ActorId::new("a").expect("an id"),
            name: "OpenCode".into(),
            role: Role::Agent,
            colour: None,
        };
        let rules = RuleSet::parse(rules).expect("rules");
        let rules = Rules::new(Effect::Allow, &RuleSet::default(), &rules);
        ruled(&rules.decide(&action(&actor, &permission(tool, input)))).map(|(yes, _)| yes)
    }

    #[test]
    fn a_rule_answers_and_the_default_does_not() {
        let rules = json!({ "rules": [
            { "name": "git", "effect": "allow", "what": "bash", "matching": { "arguments": { "command": "git *" } } },
            { "name": "no-rm", "effect": "deny", "what": "bash", "matching": { "arguments": { "command": "rm *" } } },
            { "name": "writes", "effect": "ask", "classes": "write" },
        ] })
        .to_string();
        let bash = |command: &str| {
            decide(&rules, "bash", json!({ "command": command, "description": "rm is not meant" }))
        };
        assert_eq!(bash("git status"), Some(Yes::Once));
        assert_eq!(bash("git status && rm -rf x"), Some(Yes::Reject));
        assert_eq!(bash("ls"), None, "nobody said that it may");
        assert_eq!(decide(&rules, "edit", json!({ "filePath": "a" })), None);
    }
}
