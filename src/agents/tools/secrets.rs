//! Which secrets the agent may type without reading them.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Secrets {}

impl Tool for Secrets {
    const NAME: &'static str = "browser_secrets";
    const ABOUT: &'static str = "List the names of secrets (passwords, codes) that you can type without reading them: give secret:NAME as the text to browser_type or browser_fill_form, at one of its origins";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let Secrets {} = self;
        let all = match call.session.seat.secrets() {
            Some(secrets) => secrets.list().await.map_err(|error| Fault::new("secret", error.to_string()))?,
            None => vec![],
        };
        let line = |one: &crate::room::UsableSecret| {
            let origins: Vec<_> = one.origins.iter().map(ToString::to_string).collect();
            format!("- secret:{} ({}) at {}", one.name, one.kind, origins.join(", "))
        };
        let lines: Vec<_> = all.iter().map(line).collect();
        let mut answer = Answer::result(match lines.is_empty() {
            true => "There are no secrets for this room.".to_owned(),
            false => lines.join("\n"),
        });
        let each =
            all.iter().map(|one| json!({ "name": one.name, "kind": one.kind, "origins": one.origins }));
        answer.structured = Some(json!({ "secrets": each.collect::<Vec<_>>() }));
        Ok(answer)
    }
}
