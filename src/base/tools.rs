//! The groups that an agent's tools come in, and a set of them: what a token
//! opens of the tools.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tools that are switched on and off together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolGroup {
    /// Going places, looking, acting on elements, and the people in the room.
    Core,
    /// The pointer by coordinates.
    Vision,
    /// Pages as documents.
    Pdf,
    /// Locators and assertions for tests.
    Testing,
    /// Answers made up for the page, and its network taken away.
    Network,
    /// Cookies and what a site keeps in the browser.
    Storage,
    /// Traces, emulation, highlights: what developers use.
    Devtools,
}

/// Some of the groups. Its text form is their names with commas between, or `all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolGroups(u8);

/// Why a text is not a set of groups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no group of tools; use core, vision, pdf, testing, network, storage, devtools or all")]
pub struct ToolGroupError(String);

impl ToolGroup {
    pub const ALL: [Self; 7] =
        [Self::Core, Self::Vision, Self::Pdf, Self::Testing, Self::Network, Self::Storage, Self::Devtools];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Vision => "vision",
            Self::Pdf => "pdf",
            Self::Testing => "testing",
            Self::Network => "network",
            Self::Storage => "storage",
            Self::Devtools => "devtools",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl ToolGroups {
    pub const ALL: Self = Self(0x7f);

    pub fn contains(self, group: ToolGroup) -> bool {
        self.0 & group.bit() != 0
    }

    pub fn iter(self) -> impl Iterator<Item = ToolGroup> {
        ToolGroup::ALL.into_iter().filter(move |group| self.contains(*group))
    }
}

impl Default for ToolGroups {
    fn default() -> Self {
        [ToolGroup::Core, ToolGroup::Vision, ToolGroup::Pdf, ToolGroup::Testing].into_iter().collect()
    }
}

impl FromIterator<ToolGroup> for ToolGroups {
    fn from_iter<I: IntoIterator<Item = ToolGroup>>(groups: I) -> Self {
        Self(groups.into_iter().fold(0, |bits, group| bits | group.bit()))
    }
}

impl std::str::FromStr for ToolGroups {
    type Err = ToolGroupError;
    fn from_str(text: &str) -> Result<Self, ToolGroupError> {
        let mut bits = 0;
        for name in text.split(',').map(str::trim) {
            bits |= match ToolGroup::ALL.iter().find(|group| group.as_str() == name) {
                Some(group) => group.bit(),
                None if name == "all" => Self::ALL.0,
                None => return Err(ToolGroupError(name.chars().take(40).collect())),
            };
        }
        Ok(Self(bits))
    }
}

impl std::fmt::Display for ToolGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        for (n, group) in self.iter().enumerate() {
            f.write_str(if n > 0 { "," } else { "" })?;
            f.write_str(group.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_survives_being_written_down() {
        for text in ["core", "core,network", "all", "core,vision,pdf,testing"] {
            let groups: ToolGroups = text.parse().expect(text);
            assert_eq!(groups.to_string(), text);
        }
        assert_eq!("all".parse(), Ok(ToolGroups::ALL));
        assert_eq!(ToolGroup::ALL.into_iter().collect::<ToolGroups>(), ToolGroups::ALL);
        assert_eq!("core, visoin".parse::<ToolGroups>(), Err(ToolGroupError("visoin".into())));
        assert!("".parse::<ToolGroups>().is_err());
    }
}
