//! Who is at the door: people and agents, and what their role lets them do.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::{ActorId, Colour};

/// What a token lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, rooms and tokens included.
    Admin,
    /// Watch and act.
    Controller,
    /// Watch only.
    Viewer,
    /// Act through tools; not a person.
    Agent,
}

/// People and agents look different and have different rights of way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActorKind {
    Person,
    Agent,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub id: ActorId,
    /// What others see beside the pointer; 1 to 40 characters, already cleaned.
    pub name: String,
    pub role: Role,
    /// Theirs, if one was chosen for them; else one that follows from the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
}

impl Role {
    /// Whether somebody of the other role may see what this one is the lowest to see.
    pub fn includes(self, other: Role) -> bool {
        let rank = |role| match role {
            Role::Agent => 0,
            Role::Viewer => 1,
            Role::Controller => 2,
            Role::Admin => 3,
        };
        rank(other) >= rank(self)
    }

    pub fn may_watch(self) -> bool {
        true
    }

    /// May give input to the browser, by hand or by tool.
    pub fn may_act(self) -> bool {
        matches!(self, Role::Admin | Role::Controller | Role::Agent)
    }

    /// May make and remove rooms and tokens.
    pub fn may_administer(self) -> bool {
        self == Role::Admin
    }

    pub fn kind(self) -> ActorKind {
        match self {
            Role::Agent => ActorKind::Agent,
            Role::Admin | Role::Controller | Role::Viewer => ActorKind::Person,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Controller => "controller",
            Role::Viewer => "viewer",
            Role::Agent => "agent",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Role::Admin, Role::Controller, Role::Viewer, Role::Agent]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("'{text}' is no role; use admin, controller, viewer or agent"))
    }
}

impl Actor {
    pub fn kind(&self) -> ActorKind {
        self.role.kind()
    }

    /// Makes a name fit to show: control characters and bidirectional
    /// overrides go, white space folds, at most 40 characters stay.
    pub fn clean_name(raw: &str) -> String {
        let shown = raw.chars().filter(|c| {
            !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        });
        let folded: String = shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
        folded.chars().take(40).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_may_only_watch() {
        assert!(Role::Viewer.may_watch() && !Role::Viewer.may_act() && !Role::Viewer.may_administer());
        assert!(Role::Agent.may_act() && !Role::Agent.may_administer());
        assert!(Role::Admin.may_act() && Role::Admin.may_administer());
    }

    #[test]
    fn a_name_cannot_hide_or_spill() {
        assert_eq!(Actor::clean_name("  Ada \n\t Lovelace\u{202e} "), "Ada Lovelace");
        assert_eq!(Actor::clean_name(&"x".repeat(99)).len(), 40);
    }
}
