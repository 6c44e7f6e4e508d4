//! What OpenCode offers beside conversations, as Tandem's nouns. Of what it
//! sends about providers only names are read: keys stand beside them.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, ClientError};
use super::driver::told;
use super::events::SessionInfo;
use crate::copilot::facilities::{AgentChoice, Choices, CommandChoice, Diff, FileChange, ModelChoice};
use crate::copilot::model::Id;
use crate::copilot::place::file_url;
use crate::copilot::port::{Attachment, PortError};

/// Models that are told of; a gateway may have thousands.
const MOST_MODELS: usize = 2000;
/// The longest patch of one file that is told, in bytes.
const LONGEST_PATCH: usize = 1 << 20;

#[derive(Deserialize)]
struct ProvidersInfo {
    providers: Vec<ProviderInfo>,
    #[serde(default)]
    default: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ProviderInfo {
    id: String,
    name: String,
    #[serde(default)]
    models: BTreeMap<String, ModelInfo>,
}

#[derive(Deserialize)]
struct ModelInfo {
    #[serde(default)]
    name: String,
    #[serde(default)]
    limit: LimitInfo,
}

#[derive(Default, Deserialize)]
struct LimitInfo {
    #[serde(default)]
    context: f64,
}

/// The one field of the configuration that is read, and never more.
#[derive(Deserialize)]
struct ChosenInfo {
    #[serde(default)]
    model: Option<String>,
}

#[derive(Deserialize)]
struct AgentInfo {
    name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    mode: String,
    #[serde(default)]
    hidden: bool,
}

#[derive(Deserialize)]
struct CommandInfo {
    name: String,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct DiffInfo {
    #[serde(default)]
    file: String,
    #[serde(default)]
    patch: String,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    additions: f64,
    #[serde(default)]
    deletions: f64,
}

/// A model as OpenCode names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelName {
    pub provider: String,
    pub model: String,
}

impl ModelName {
    /// Out of `provider/model`; the model's own name may have slashes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (provider, model) = text.split_once('/')?;
        (!provider.is_empty() && !model.is_empty())
            .then(|| Self { provider: provider.to_owned(), model: model.to_owned() })
    }
}

impl Client {
    /// How many tokens each model takes, by `provider/model`.
    pub(super) async fn limits(&self) -> Result<BTreeMap<String, u64>, ClientError> {
        let info: ProvidersInfo = self.get("/config/providers").await?;
        let all = info.providers.into_iter().flat_map(|provider| {
            let id = provider.id;
            provider
                .models
                .into_iter()
                .map(move |(model, info)| (format!("{id}/{model}"), info.limit.context))
        });
        Ok(all
            .filter(|(_, limit)| *limit >= 1.0)
            .take(MOST_MODELS)
            .map(|(id, limit)| (id, limit as u64))
            .collect())
    }

    async fn models(&self) -> Result<Vec<ModelChoice>, ClientError> {
        let (info, chosen) =
            tokio::join!(self.get::<ProvidersInfo>("/config/providers"), self.get::<ChosenInfo>("/config"));
        let info = info?;
        let chosen = chosen.ok().and_then(|chosen| chosen.model);
        let usual = info
            .providers
            .first()
            .and_then(|first| info.default.get(&first.id).map(|model| format!("{}/{model}", first.id)));
        let usual = chosen.or(usual);
        let all = info.providers.into_iter().flat_map(|provider| {
            let (usual, provider_id, provider_name) = (usual.clone(), provider.id, provider.name);
            provider.models.into_iter().map(move |(model, info)| {
                let id = format!("{provider_id}/{model}");
                let name = if info.name.is_empty() { model } else { info.name };
                ModelChoice {
                    default: usual.as_ref() == Some(&id),
                    id,
                    name,
                    provider: provider_name.clone(),
                }
            })
        });
        Ok(all.take(MOST_MODELS).collect())
    }

    async fn agents(&self) -> Result<Vec<AgentChoice>, ClientError> {
        let all: Vec<AgentInfo> = self.get("/agent").await?;
        let usable = all.into_iter().filter(|agent| agent.mode != "subagent" && !agent.hidden);
        let choice = |agent: AgentInfo| AgentChoice {
            name: agent.name,
            description: agent.description.unwrap_or_default(),
        };
        Ok(usable.map(choice).collect())
    }

    async fn commands(&self) -> Result<Vec<CommandChoice>, ClientError> {
        let all: Vec<CommandInfo> = self.get("/command").await?;
        let choice = |command: CommandInfo| CommandChoice {
            name: command.name,
            description: command.description.unwrap_or_default(),
        };
        Ok(all.into_iter().map(choice).collect())
    }

    pub(super) async fn choices(&self) -> Result<Choices, PortError> {
        let (agents, models, commands) = tokio::join!(self.agents(), self.models(), self.commands());
        let wrong = |error| told(error, "choice");
        Ok(Choices {
            agents: agents.map_err(wrong)?,
            models: models.map_err(wrong)?,
            commands: commands.map_err(wrong)?,
        })
    }

    /// The model for a prompt: one that there is, for OpenCode takes any and fails later.
    pub(super) async fn model(&self, text: &str) -> Result<ModelName, PortError> {
        let known = self.models().await.map_err(|error| told(error, "model"))?;
        let name = ModelName::read(text).filter(|_| known.iter().any(|model| model.id == text));
        name.ok_or_else(|| {
            let text: String = text.chars().take(80).collect();
            let some: Vec<_> = known.iter().take(3).map(|model| model.id.as_str()).collect();
            PortError::Refused(match some.is_empty() {
                true => {
                    format!("there is no model {text:?}, and no other: give OpenCode the key of a provider")
                }
                false => {
                    format!("there is no model {text:?}; choose one of the list, such as {}", some.join(", "))
                }
            })
        })
    }

    /// An agent for a prompt, by its name.
    pub(super) async fn agent(&self, name: &str) -> Result<(), PortError> {
        let known = self.agents().await.map_err(|error| told(error, "agent"))?;
        if known.iter().any(|agent| agent.name == name) {
            return Ok(());
        }
        let some: Vec<_> = known.iter().take(5).map(|agent| agent.name.as_str()).collect();
        let name: String = name.chars().take(80).collect();
        Err(PortError::Refused(format!("there is no agent {name:?}; there are {}", some.join(", "))))
    }

    pub(super) async fn command_exists(&self, name: &str) -> Result<(), PortError> {
        let known = self.commands().await.map_err(|error| told(error, "command"))?;
        match known.iter().any(|command| command.name == name) {
            true => Ok(()),
            false => Err(PortError::Unknown("command")),
        }
    }

    pub(super) async fn diff(&self, session: &Id) -> Result<Diff, ClientError> {
        // OpenCode tells it by the person's message that began the turn.
        let (messages, _) = self.messages(session, None, 100).await?;
        let mut turns: Vec<&Id> = vec![];
        let mut asked = None;
        for message in &messages {
            if message.info.role == "user" {
                asked = Some(&message.info.id);
            } else if message.parts.iter().any(|part| part.body["type"] == "patch") {
                turns.extend(asked.take());
            }
        }
        let mut files: BTreeMap<String, FileChange> = BTreeMap::new();
        for turn in turns {
            let all: Vec<DiffInfo> = self.get(&format!("/session/{session}/diff?messageID={turn}")).await?;
            for info in all {
                let change = files.entry(info.file.clone()).or_insert_with(|| FileChange {
                    path: info.file,
                    before: info.before,
                    after: None,
                    patch: String::new(),
                    added: 0,
                    removed: 0,
                });
                change.after = info.after;
                change.patch = shortened(std::mem::take(&mut change.patch) + &info.patch);
                change.added = change.added.saturating_add(info.additions as u32);
                change.removed = change.removed.saturating_add(info.deletions as u32);
            }
        }
        Ok(Diff { files: files.into_values().collect() })
    }

    pub(super) async fn files(&self, query: &str, limit: usize) -> Result<Vec<String>, ClientError> {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let found: Vec<String> =
            self.get(&format!("/find/file?query={query}&type=file&limit={limit}")).await?;
        Ok(found.into_iter().take(limit).collect())
    }

    pub(super) async fn children(&self, session: &Id) -> Result<Vec<SessionInfo>, ClientError> {
        self.get(&format!("/session/{session}/children")).await
    }

    pub(super) async fn fork(&self, session: &Id, message: Option<&Id>) -> Result<SessionInfo, ClientError> {
        let body = message.map_or_else(|| json!({}), |message| json!({ "messageID": message }));
        self.tell(Method::POST, &format!("/session/{session}/fork"), &body).await
    }

    pub(super) async fn revert(&self, session: &Id, message: &Id) -> Result<SessionInfo, ClientError> {
        let body = json!({ "messageID": message });
        self.tell(Method::POST, &format!("/session/{session}/revert"), &body).await
    }

    pub(super) async fn unrevert(&self, session: &Id) -> Result<SessionInfo, ClientError> {
        self.tell(Method::POST, &format!("/session/{session}/unrevert"), &json!({})).await
    }
}

fn shortened(mut patch: String) -> String {
    if patch.len() > LONGEST_PATCH {
        let end = (0..=LONGEST_PATCH).rev().find(|at| patch.is_char_boundary(*at)).unwrap_or_default();
        patch.truncate(end);
        patch.push_str("\n… (more was changed than can be shown)\n");
    }
    patch
}

/// Files as they go with a prompt or a slash command.
pub(super) async fn file_parts(client: &Client, files: Vec<Attachment>) -> Result<Vec<Value>, PortError> {
    let mut parts = Vec::with_capacity(files.len());
    for Attachment { name, mime, data, path } in files {
        let url = match path {
            Some(path) => file_url(client.directory(), &path).await?,
            None => format!("data:{mime};base64,{}", data.unwrap_or_default()),
        };
        parts.push(json!({ "type": "file", "mime": mime, "filename": name, "url": url }));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_own_name_may_have_slashes() {
        let name = ModelName::read("router/vendor/small").expect("a name");
        assert_eq!((name.provider.as_str(), name.model.as_str()), ("router", "vendor/small"));
        assert!(["", "x", "/x", "x/"].iter().all(|wrong| ModelName::read(wrong).is_none()));
    }

    #[test]
    fn of_providers_only_names_are_read() {
        let info = r#"{"providers":[{"id":"p","name":"P","key":"sk-1","models":{"m":{"name":"M","headers":{"k":"v"},"limit":{"context":9}}}}],"default":{"p":"m"}}"#;
        let info: ProvidersInfo = serde_json::from_str(info).expect("read");
        assert_eq!((info.providers[0].models["m"].limit.context, info.default["p"].as_str()), (9.0, "m"));
    }
}
