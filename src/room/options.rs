//! What a room may be given that others are not: limits, sleep, a profile of
//! one visit only, a proxy, a language, a time zone.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::policy::egress::{EgressLists, Upstream};
use crate::process::Limits;

/// The longest name of a time zone.
const LONGEST: usize = 256;

/// What becomes of cookies, tabs and everything else that the browser keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Kept, over a restart of the server too.
    #[default]
    Keep,
    /// Thrown away whenever the room falls asleep or stops.
    Discard,
}

/// What a room has of its own; what is left out is the server's setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct RoomOptions {
    pub profile: Profile,
    /// Seconds without a viewer, an agent or an open question after which the
    /// room falls asleep; 0 for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep_s: Option<u32>,
    pub limits: Limits,
    /// What its browser reaches, beside the server's own lists.
    #[serde(skip_serializing_if = "EgressLists::is_empty")]
    pub egress: EgressLists,
    /// A proxy through which all that its browser does goes: `http://host:port`, `https://…` or
    /// `socks5://…`, with `user:password@` before the host. The credentials are never shown again.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "reveal",
        deserialize_with = "read_proxy"
    )]
    #[schema(value_type = Option<String>)]
    #[ts(type = "string", optional)]
    pub proxy: Option<Upstream>,
    /// Whether the browser's own pages (`chrome:`, `view-source:`, `devtools:`, extensions') are open to
    /// people in this room; agents never open them. Without effect where policies are installed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub browser_pages: bool,
    /// A language tag (BCP 47), such as `de` or `pt-BR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// A name of the tz database, such as `Europe/Berlin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl RoomOptions {
    /// The same for people's eyes: without the credentials of its proxy.
    pub fn shown(&self) -> Self {
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.to_string().parse().ok());
        Self { proxy, ..self.clone() }
    }

    /// Says in one sentence what cannot be.
    pub fn check(&self) -> Result<(), String> {
        self.limits.check()?;
        if self.sleep_s.is_some_and(|seconds| seconds > 31_536_000) {
            return Err("sleep_s is a year at the most; 0 means never".into());
        }
        self.egress.check()?;
        if self.locale.as_deref().is_some_and(|locale| !is_locale(locale)) {
            return Err("locale is a language tag such as de or pt-BR".into());
        }
        if self.time_zone.as_deref().is_some_and(|zone| !is_time_zone(zone)) {
            return Err(
                "time_zone is a name that this machine's tz database has, such as Europe/Berlin".into()
            );
        }
        Ok(())
    }
}

/// What is kept of it is what was given. Nobody else is shown these options.
fn reveal<S: Serializer>(proxy: &Option<Upstream>, serializer: S) -> Result<S::Ok, S::Error> {
    proxy.as_ref().map(Upstream::reveal).serialize(serializer)
}

fn read_proxy<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Upstream>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    (2..=3).contains(&language.len())
        && language.chars().all(|c| c.is_ascii_lowercase())
        && text.len() <= 35
        && parts.all(|part| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

fn is_time_zone(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+".contains(c);
    let within = text.split('/').all(|part| !part.is_empty() && part.chars().all(plain));
    text == "UTC"
        || (within
            && text.len() <= LONGEST
            && std::path::Path::new("/usr/share/zoneinfo").join(text).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_could_not_use_is_refused_with_what_it_could() {
        let fine = RoomOptions {
            proxy: "socks5://user:secret@[::1]:1080".parse().ok(),
            locale: Some("pt-BR".into()),
            time_zone: Some("UTC".into()),
            sleep_s: Some(0),
            ..RoomOptions::default()
        };
        assert_eq!(fine.check(), Ok(()));
        assert!(!format!("{fine:?}").contains("secret"));
        let kept = serde_json::to_string(&fine).expect("json");
        assert_eq!(serde_json::from_str::<RoomOptions>(&kept).ok(), Some(fine));
        for proxy in ["proxy:8080", "socks4://a:1", "ftp://a:1", "http://a", "http://:1", "http://a b:1"] {
            let read: Result<RoomOptions, _> = serde_json::from_value(serde_json::json!({ "proxy": proxy }));
            assert!(read.is_err_and(|error| error.to_string().contains("socks5://")), "{proxy}");
        }
        let star = serde_json::json!({ "egress": { "allow": ["*"] } });
        let star: RoomOptions = serde_json::from_value(star).expect("options");
        assert!(star.check().is_err_and(|said| said.contains("0.0.0.0/0")));
        for locale in ["", "german", "DE", "de_DE", "de-", "--lang"] {
            let bad = RoomOptions { locale: Some(locale.into()), ..RoomOptions::default() };
            assert!(bad.check().is_err_and(|said| said.contains("pt-BR")), "{locale}");
        }
        for zone in ["", "../../etc/passwd", "Mars/Base", "/etc/localtime", "Europe/"] {
            let bad = RoomOptions { time_zone: Some(zone.into()), ..RoomOptions::default() };
            assert!(bad.check().is_err_and(|said| said.contains("Europe/Berlin")), "{zone}");
        }
    }
}
