//! What an agent says on the line, as our nouns: contents, plans, commands,
//! settings, sessions. Everything is cut to a length; the lists too.

use agent_client_protocol_schema::v1::{
    AvailableCommandsUpdate, ContentBlock, EmbeddedResourceResource, ListSessionsResponse, Plan, Role,
    SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory, SessionConfigSelectOption,
    SessionConfigSelectOptions, SessionInfo, SessionModeState, ToolCallContent,
};
use serde::Serialize;

use super::protocol::{Known, Models};
use crate::copilot::facilities::CommandChoice;
use crate::copilot::model::{Content, FileView, Id, Todo};

/// Of each list, so many are taken.
const MOST: usize = 500;
/// The longest text of one block.
const LONGEST: usize = 200_000;

pub(super) fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The protocol's own word for one of its kinds.
pub(super) fn word(kind: &impl Serialize) -> String {
    let word = serde_json::to_value(kind).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
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
pub(super) fn settings(
    options: &[SessionConfigOption],
    modes: Option<&SessionModeState>,
    models: Option<&Models>,
) -> Settings {
    let mut found = Settings::default();
    for option in options.iter().take(MOST) {
        let place = match option.category {
            Some(SessionConfigOptionCategory::Model) => &mut found.model,
            Some(SessionConfigOptionCategory::Mode) => &mut found.mode,
            _ => continue,
        };
        let SessionConfigKind::Select(select) = &option.kind else { continue };
        if place.is_some() {
            continue;
        }
        let choices = match &select.options {
            SessionConfigSelectOptions::Ungrouped(all) => all.iter().take(MOST).map(choice).collect(),
            SessionConfigSelectOptions::Grouped(groups) => {
                groups.iter().flat_map(|group| &group.options).take(MOST).map(choice).collect()
            }
            _ => vec![],
        };
        let by = By::Option(option.id.0.to_string());
        *place = Some(Setting { by, current: cut(&select.current_value.0, 200), choices });
    }
    if let (None, Some(modes)) = (&found.mode, modes) {
        let all = modes.available_modes.iter().take(MOST);
        let choices = all.map(|one| plain(&one.id.0, &one.name, one.description.as_deref())).collect();
        found.mode = Some(Setting { by: By::Mode, current: cut(&modes.current_mode_id.0, 200), choices });
    }
    if let (None, Some(models)) = (&found.model, models) {
        let all = models.available_models.iter().take(MOST).filter_map(|one| match one {
            Known::Known(one) => Some(plain(&one.model_id, &one.name, one.description.as_deref())),
            Known::Other(_) => None,
        });
        let (choices, current) = (all.collect(), cut(&models.current_model_id, 200));
        found.model = Some(Setting { by: By::Model, current, choices });
    }
    found
}

fn choice(one: &SessionConfigSelectOption) -> Choice {
    plain(&one.value.0, &one.name, one.description.as_deref())
}

fn plain(value: &str, name: &str, description: Option<&str>) -> Choice {
    Choice {
        value: cut(value, 200),
        name: cut(name, 200),
        description: cut(description.unwrap_or_default(), 500),
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
pub(super) fn listed(told: ListSessionsResponse, directory: &str) -> (Vec<Listed>, Option<String>) {
    let here = |one: &&SessionInfo| one.cwd == std::path::Path::new(directory);
    let one = |one: &SessionInfo| {
        Some(Listed {
            id: Id::new(&one.session_id.0)?,
            title: cut(one.title.as_deref().unwrap_or_default(), 200),
            updated: one.updated_at.as_deref().and_then(millis),
        })
    };
    let found = told.sessions.iter().take(MOST).filter(here).filter_map(one).collect();
    (found, told.next_cursor)
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
pub(super) fn said(content: &ContentBlock) -> Option<Content> {
    let annotations = match content {
        ContentBlock::Text(text) => &text.annotations,
        ContentBlock::Image(image) => &image.annotations,
        ContentBlock::ResourceLink(link) => &link.annotations,
        ContentBlock::Resource(resource) => &resource.annotations,
        _ => &None,
    };
    let audience = annotations.as_ref().and_then(|annotations| annotations.audience.as_ref());
    if audience.is_some_and(|audience| !audience.contains(&Role::User)) {
        return None;
    }
    let file = |name: &str, mime: Option<&str>, url: String| {
        let mime = cut(mime.unwrap_or_default(), 100);
        Some(Content::File(FileView { name: cut(name, 200), mime, url }))
    };
    match content {
        ContentBlock::Text(text) => Some(Content::Text { text: cut(&text.text, LONGEST), done: true }),
        ContentBlock::Image(image) => {
            file("", Some(&image.mime_type), data_url(&image.mime_type, &image.data))
        }
        ContentBlock::ResourceLink(link) => file(&link.name, link.mime_type.as_deref(), cut(&link.uri, 4000)),
        ContentBlock::Resource(resource) => {
            let (uri, mime) = match &resource.resource {
                EmbeddedResourceResource::TextResourceContents(text) => (&text.uri, &text.mime_type),
                EmbeddedResourceResource::BlobResourceContents(blob) => (&blob.uri, &blob.mime_type),
                _ => return None,
            };
            file(uri, mime.as_deref(), cut(uri, 4000))
        }
        _ => None,
    }
}

fn data_url(mime: &str, data: &str) -> String {
    format!("data:{mime};base64,{data}")
}

/// What a tool shows: texts, pictures, files that it changed.
pub(super) fn outputs(content: &[ToolCallContent]) -> (String, Vec<FileView>) {
    let (mut texts, mut images) = (vec![], vec![]);
    for one in content.iter().take(200) {
        match one {
            ToolCallContent::Content(inner) => match &inner.content {
                ContentBlock::Text(text) => texts.push(cut(&text.text, LONGEST)),
                ContentBlock::Image(image) => images.push(FileView {
                    name: String::new(),
                    mime: image.mime_type.clone(),
                    url: data_url(&image.mime_type, &image.data),
                }),
                _ => {}
            },
            ToolCallContent::Diff(diff) => {
                texts.push(format!("changed {}", cut(&diff.path.to_string_lossy(), 4000)));
            }
            _ => {}
        }
    }
    (texts.join("\n"), images)
}

pub(super) fn plan(plan: &Plan) -> Vec<Todo> {
    let all = plan.entries.iter().take(200).map(|one| Todo {
        text: cut(&one.content, 1000),
        state: word(&one.status),
        priority: word(&one.priority),
    });
    all.collect()
}

pub(super) fn commands(update: &AvailableCommandsUpdate) -> Vec<CommandChoice> {
    let all = update.available_commands.iter().take(MOST);
    all.map(|one| CommandChoice { name: cut(&one.name, 500), description: cut(&one.description, 500) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copilot::acp::protocol::Opened;
    use agent_client_protocol_schema::v1::NewSessionResponse;
    use serde_json::{Value, json};

    /// As a new session's answer has them.
    fn settings(mut told: Value) -> Settings {
        told["sessionId"] = "s".into();
        let Opened { answer, models } =
            serde_json::from_value::<Opened<NewSessionResponse>>(told).expect("an answer");
        let options = answer.config_options.unwrap_or_default();
        super::settings(&options, answer.modes.as_ref(), models.as_ref())
    }

    fn block(content: Value) -> ContentBlock {
        serde_json::from_value(content).expect("a block")
    }

    #[test]
    fn settings_are_read_in_each_of_the_forms_that_agents_have() {
        let options = settings(json!({ "configOptions": [
            { "id": "m", "name": "M", "type": "select", "category": "model", "currentValue": "a/b", "options": [
                { "group": "g", "name": "G", "options": [{ "value": "a/b", "name": "A/B" }] },
                { "group": "h", "name": "H", "options": [{ "value": "c", "name": "C" }] }] },
            { "id": "w", "name": "W", "type": "select", "category": "mode", "currentValue": "plan", "options": [{ "value": "plan", "name": "Plan", "description": "d" }] },
            { "id": "t", "name": "T", "type": "select", "category": "thought_level", "currentValue": "x", "options": [] },
            { "id": "f", "name": "F", "type": "boolean", "category": "model", "currentValue": true },
            { "id": "u", "name": "U", "type": "of_the_future", "category": "mode" }, 7,
        ] }));
        let model = options.model.expect("a model");
        assert_eq!(
            (model.by, model.current.as_str(), model.choices.len()),
            (By::Option("m".into()), "a/b", 2)
        );
        assert_eq!(options.mode.expect("a mode").choices[0].description, "d");
        let older = settings(json!({
            "modes": { "currentModeId": "ask", "availableModes": [{ "id": "ask", "name": "Ask" }] },
            "models": { "currentModelId": "x", "availableModels": [{ "modelId": "x", "name": "X" }] },
        }));
        assert_eq!(older.mode.expect("a mode").by, By::Mode);
        assert_eq!(
            older.model.map(|model| (model.by, model.choices[0].value.clone())),
            Some((By::Model, "x".into()))
        );
        assert_eq!(settings(json!({ "configOptions": 7, "modes": [] })), Settings::default());
    }

    #[test]
    fn of_the_agents_sessions_those_of_this_directory_are_listed() {
        let told = json!({ "sessions": [
            { "sessionId": "a", "cwd": "/here", "title": "A", "updatedAt": "2026-11-22T01:55:52.515Z" },
            { "sessionId": "b", "cwd": "/there" }, { "sessionId": "../x", "cwd": "/here" },
        ], "nextCursor": "n" });
        let (found, next) = listed(serde_json::from_value(told).expect("an answer"), "/here");
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
        assert_eq!(said(&block(hidden)), None);
        let link =
            json!({ "type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain" });
        assert!(matches!(said(&block(link)), Some(Content::File(file)) if file.url == "file:///a"));
    }
}
