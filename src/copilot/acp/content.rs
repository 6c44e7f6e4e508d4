//! What an agent says on the line, as our nouns: contents, plans, commands,
//! settings, sessions. Reads leniently; what is not known says nothing.

use serde_json::Value;

use crate::copilot::facilities::CommandChoice;
use crate::copilot::model::{Content, FileView, Id, Todo};

/// Of each list, so many are taken.
const MOST: usize = 500;
/// The longest text of one block.
const LONGEST: usize = 200_000;

fn text(value: &Value, most: usize) -> String {
    value.as_str().unwrap_or_default().chars().take(most).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().take(MOST)
}

/// Something that can be chosen in a session: its model, or its way of working.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    /// How the protocol sets it.
    pub by: By,
    pub current: String,
    pub choices: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// `session/set_config_option` with this id.
    Option(String),
    /// `session/set_mode`.
    Mode,
    /// `session/set_model`, of before there were options.
    Model,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub value: String,
    pub name: String,
    pub description: String,
}

/// What was told of a session's settings; nothing of what was not told.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub model: Option<Setting>,
    pub mode: Option<Setting>,
}

/// Out of an answer to `session/new` or `session/load`, or a `config_option_update`.
pub(super) fn settings(told: &Value) -> Settings {
    let mut found = Settings::default();
    for option in list(&told["configOptions"]) {
        let place = match option["category"].as_str() {
            Some("model") => &mut found.model,
            Some("mode") => &mut found.mode,
            _ => continue,
        };
        let Some(id) = option["id"].as_str().filter(|_| place.is_none()) else { continue };
        *place = Some(Setting {
            by: By::Option(id.to_owned()),
            current: text(&option["currentValue"], 200),
            choices: list(&option["options"]).flat_map(choices).take(MOST).collect(),
        });
    }
    let plain = |one: &Value, id: &str| Choice {
        value: text(&one[id], 200),
        name: text(&one["name"], 200),
        description: text(&one["description"], 500),
    };
    let (modes, models) = (&told["modes"], &told["models"]);
    if found.mode.is_none() && modes["currentModeId"].is_string() {
        let choices = list(&modes["availableModes"]).map(|one| plain(one, "id")).collect();
        found.mode = Some(Setting { by: By::Mode, current: text(&modes["currentModeId"], 200), choices });
    }
    if found.model.is_none() && models["currentModelId"].is_string() {
        let choices = list(&models["availableModels"]).map(|one| plain(one, "modelId")).collect();
        found.model = Some(Setting { by: By::Model, current: text(&models["currentModelId"], 200), choices });
    }
    found
}

/// One choice, or those of a group.
fn choices(one: &Value) -> Vec<Choice> {
    let choice = |one: &Value| Choice {
        value: text(&one["value"], 200),
        name: text(&one["name"], 200),
        description: text(&one["description"], 500),
    };
    match one["value"].is_string() {
        true => vec![choice(one)],
        false => list(&one["options"]).map(choice).collect(),
    }
}

/// A session that the agent has, also of before this start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub id: Id,
    pub title: String,
    /// Milliseconds since 1970.
    pub updated: Option<u64>,
}

/// Out of an answer to `session/list`: the sessions of this directory, and where to go on.
pub(super) fn listed(told: &Value, directory: &str) -> (Vec<Listed>, Option<String>) {
    let here = |one: &&Value| one["cwd"].as_str().is_none_or(|cwd| cwd == directory);
    let one = |one: &Value| {
        Some(Listed {
            id: one["sessionId"].as_str().and_then(Id::new)?,
            title: text(&one["title"], 200),
            updated: one["updatedAt"].as_str().and_then(millis),
        })
    };
    let found = list(&told["sessions"]).filter(here).filter_map(one).collect();
    (found, told["nextCursor"].as_str().map(str::to_owned))
}

/// A time as RFC 3339 has it, in UTC, as agents write it; others are not read.
fn millis(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let fraction = time.get(19..)?.strip_suffix('Z')?.trim_start_matches('.');
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
    // Days since 1970, counting years from March so that the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469;
    u64::try_from(((days * 24 + hour) * 60 + minute) * 60_000 + second * 1000 + millis).ok()
}

/// What a person said before, as a part; nothing for what only the model was to read.
pub(super) fn said(content: &Value) -> Option<Content> {
    let audience = content.pointer("/annotations/audience").and_then(Value::as_array);
    if audience.is_some_and(|audience| !audience.iter().any(|one| one == "user")) {
        return None;
    }
    let file = |name: &Value, mime: &Value, url: String| {
        Content::File(FileView { name: text(name, 200), mime: text(mime, 100), url })
    };
    match content["type"].as_str()? {
        "text" => Some(Content::Text { text: text(&content["text"], LONGEST), done: true }),
        "image" => {
            let (data, mime) = (content["data"].as_str()?, content["mimeType"].as_str()?);
            Some(file(&Value::Null, &content["mimeType"], format!("data:{mime};base64,{data}")))
        }
        "resource_link" => Some(file(&content["name"], &content["mimeType"], text(&content["uri"], 4000))),
        "resource" => {
            let resource = &content["resource"];
            Some(file(&resource["uri"], &resource["mimeType"], text(&resource["uri"], 4000)))
        }
        _ => None,
    }
}

/// What a tool shows: texts, pictures, files that it changed.
pub(super) fn outputs(content: &[Value]) -> (String, Vec<FileView>) {
    let (mut texts, mut images) = (vec![], vec![]);
    for one in content.iter().take(200) {
        match one["type"].as_str() {
            Some("content") => {
                let inner = &one["content"];
                if inner["text"].is_string() {
                    texts.push(text(&inner["text"], LONGEST));
                } else if let (Some(data), Some(mime)) = (inner["data"].as_str(), inner["mimeType"].as_str())
                {
                    let url = format!("data:{mime};base64,{data}");
                    images.push(FileView { name: String::new(), mime: mime.to_owned(), url });
                }
            }
            Some("diff") => texts.push(format!("changed {}", text(&one["path"], 4000))),
            _ => {}
        }
    }
    (texts.join("\n"), images)
}

pub(super) fn plan(update: &Value) -> Vec<Todo> {
    let todo = |one: &Value| Todo {
        text: text(&one["content"], 1000),
        state: text(&one["status"], 1000),
        priority: text(&one["priority"], 1000),
    };
    list(&update["entries"]).take(200).map(todo).collect()
}

pub(super) fn commands(update: &Value) -> Vec<CommandChoice> {
    let choice = |one: &Value| CommandChoice {
        name: text(&one["name"], 500),
        description: text(&one["description"], 500),
    };
    list(&update["availableCommands"]).map(choice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_read_in_each_of_the_forms_that_agents_have() {
        let options = settings(&json!({ "configOptions": [
            { "id": "m", "category": "model", "currentValue": "a/b", "options": [
                { "group": "g", "name": "G", "options": [{ "value": "a/b", "name": "A/B" }] }, { "value": "c", "name": "C" }] },
            { "id": "w", "category": "mode", "currentValue": "plan", "options": [{ "value": "plan", "name": "Plan", "description": "d" }] },
            { "id": "t", "category": "thought_level", "currentValue": "x", "options": [] },
        ] }));
        let model = options.model.expect("a model");
        assert_eq!(
            (model.by, model.current.as_str(), model.choices.len()),
            (By::Option("m".into()), "a/b", 2)
        );
        assert_eq!(options.mode.expect("a mode").choices[0].description, "d");
        let older = settings(&json!({
            "modes": { "currentModeId": "ask", "availableModes": [{ "id": "ask", "name": "Ask" }] },
            "models": { "currentModelId": "x", "availableModels": [{ "modelId": "x", "name": "X" }] },
        }));
        assert_eq!(older.mode.expect("a mode").by, By::Mode);
        assert_eq!(
            older.model.map(|model| (model.by, model.choices[0].value.clone())),
            Some((By::Model, "x".into()))
        );
        assert_eq!(settings(&json!({ "configOptions": 7, "modes": [] })), Settings::default());
    }

    #[test]
    fn of_the_agents_sessions_those_of_this_directory_are_listed() {
        let told = json!({ "sessions": [
            { "sessionId": "a", "cwd": "/here", "title": "A", "updatedAt": "2026-11-22T01:55:52.515Z" },
            { "sessionId": "b", "cwd": "/there" }, { "sessionId": "../x", "cwd": "/here" },
        ], "nextCursor": "n" });
        let (found, next) = listed(&told, "/here");
        let wanted =
            Listed { id: Id::new("a").expect("an id"), title: "A".into(), updated: Some(1_795_312_552_515) };
        assert_eq!((found, next), (vec![wanted], Some("n".into())));
    }

    #[test]
    fn times_are_read_as_agents_write_them() {
        assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(millis("2000-02-29T12:00:00.5Z"), Some(951_825_600_500));
        assert_eq!(millis("2026-11-22T01:55:52.515Z"), Some(1_795_312_552_515));
        assert!(
            ["", "yesterday", "2026-11-22", "2026-11-22T01:55:52+01:00", "1900-01-01T00:00:00Z"]
                .iter()
                .all(|wrong| millis(wrong).is_none())
        );
    }

    #[test]
    fn what_only_the_model_was_to_read_is_not_what_the_person_said() {
        let hidden =
            json!({ "type": "text", "text": "<file>", "annotations": { "audience": ["assistant"] } });
        assert_eq!(said(&hidden), None);
        let link =
            json!({ "type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain" });
        assert!(matches!(said(&link), Some(Content::File(file)) if file.url == "file:///a"));
    }
}
