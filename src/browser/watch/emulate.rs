//! Emulation of media, network, processor, place and language in one tab.
//! People see what it does, so it is listed, and undone when the agent leaves.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Watch, shortened};
use crate::browser::fault::ActError;
use crate::floor::FloorPermit;

/// CSS media; what is none is as the machine has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// `light` or `dark`.
    pub color_scheme: Option<String>,
    /// `reduce` or `no-preference`.
    pub reduced_motion: Option<String>,
    /// `active` or `none`.
    pub forced_colors: Option<String>,
    /// `more`, `less` or `no-preference`.
    pub contrast: Option<String>,
    /// `screen` or `print`.
    pub media: Option<String>,
}

/// How the network is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conditions {
    pub name: String,
    pub offline: bool,
    /// Milliseconds added to each request.
    pub latency: f64,
    /// Bytes a second; -1 is without limit.
    pub download: f64,
    pub upload: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geolocation {
    pub latitude: f64,
    pub longitude: f64,
    /// Metres.
    #[serde(default = "close")]
    pub accuracy: f64,
}

fn close() -> f64 {
    10.0
}

/// All that one agent emulates in a tab.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Emulated {
    pub media: Media,
    pub network: Option<Conditions>,
    /// How many times slower the page's processor is.
    pub cpu_slowdown: Option<f64>,
    pub geolocation: Option<Geolocation>,
    pub user_agent: Option<String>,
    pub timezone: Option<String>,
    pub locale: Option<String>,
}

/// One thing to change; what is `None` inside is undone.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceChange {
    /// All of it as given.
    Media(Media),
    Network(Option<Conditions>),
    CpuSlowdown(Option<f64>),
    Geolocation(Option<Geolocation>),
    UserAgent(Option<String>),
    Timezone(Option<String>),
    Locale(Option<String>),
}

impl Conditions {
    pub const NAMES: [&str; 5] = ["Offline", "Slow 3G", "Fast 3G", "Slow 4G", "Fast 4G"];

    /// The conditions that DevTools calls so.
    pub fn named(name: &str) -> Option<Self> {
        let name = Self::NAMES.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
        let kbit = |kbit: f64| kbit * 1000.0 / 8.0;
        let (latency, download, upload) = match name {
            "Offline" => (0.0, -1.0, -1.0),
            "Slow 3G" => (2000.0, kbit(400.0), kbit(400.0)),
            "Fast 3G" | "Slow 4G" => (562.5, kbit(1440.0), kbit(675.0)),
            _ => (165.0, kbit(8100.0), kbit(1350.0)),
        };
        Some(Self { name: name.to_owned(), offline: name == "Offline", latency, download, upload })
    }
}

impl Emulated {
    pub fn describe(&self) -> Vec<String> {
        let Media { color_scheme, reduced_motion, forced_colors, contrast, media } = &self.media;
        let parts = [
            color_scheme.as_ref().map(|value| format!("colour scheme {value}")),
            reduced_motion.as_ref().map(|value| format!("reduced motion {value}")),
            forced_colors.as_ref().map(|value| format!("forced colours {value}")),
            contrast.as_ref().map(|value| format!("contrast {value}")),
            media.as_ref().map(|value| format!("media {value}")),
            self.network.as_ref().map(|value| format!("network {}", value.name)),
            self.cpu_slowdown.map(|value| format!("processor {value} times slower")),
            self.geolocation.map(|at| format!("place {}, {}", at.latitude, at.longitude)),
            self.user_agent.as_ref().map(|value| format!("user agent {}", shortened(value, 60))),
            self.timezone.as_ref().map(|value| format!("time zone {value}")),
            self.locale.as_ref().map(|value| format!("locale {value}")),
        ];
        parts.into_iter().flatten().collect()
    }

    /// What tells a new session about it.
    pub(super) fn commands(&self, is_page: bool) -> Vec<(&'static str, Value)> {
        let mut commands = Vec::new();
        if self.media != Media::default() {
            commands.push(media(&self.media));
        }
        commands.extend(self.network.as_ref().map(|conditions| network(Some(conditions))));
        commands.extend(self.user_agent.as_ref().map(|text| user_agent(Some(text))));
        if is_page {
            commands.extend(self.cpu_slowdown.map(|rate| cpu(Some(rate))));
            commands.extend(self.geolocation.map(|place| geolocation(Some(place))));
            commands.extend(self.timezone.as_ref().map(|text| timezone(Some(text))));
            commands.extend(self.locale.as_ref().map(|text| locale(Some(text))));
        }
        commands
    }
}

type Command = (&'static str, Value);

fn media(media: &Media) -> Command {
    let feature =
        |name: &str, value: &Option<String>| json!({ "name": name, "value": value.as_deref().unwrap_or("") });
    let features = [
        feature("prefers-color-scheme", &media.color_scheme),
        feature("prefers-reduced-motion", &media.reduced_motion),
        feature("forced-colors", &media.forced_colors),
        feature("prefers-contrast", &media.contrast),
    ];
    (
        "Emulation.setEmulatedMedia",
        json!({ "media": media.media.as_deref().unwrap_or(""), "features": features }),
    )
}

fn network(conditions: Option<&Conditions>) -> Command {
    let (offline, latency, download, upload) =
        conditions.map_or((false, 0.0, -1.0, -1.0), |c| (c.offline, c.latency, c.download, c.upload));
    let params = json!({
        "offline": offline, "latency": latency, "downloadThroughput": download, "uploadThroughput": upload,
    });
    ("Network.emulateNetworkConditions", params)
}

fn cpu(rate: Option<f64>) -> Command {
    ("Emulation.setCPUThrottlingRate", json!({ "rate": rate.unwrap_or(1.0) }))
}

fn geolocation(place: Option<Geolocation>) -> Command {
    match place {
        Some(place) => ("Emulation.setGeolocationOverride", json!(place)),
        None => ("Emulation.clearGeolocationOverride", json!({})),
    }
}

fn user_agent(text: Option<&String>) -> Command {
    ("Emulation.setUserAgentOverride", json!({ "userAgent": text.map_or("", String::as_str) }))
}

fn timezone(text: Option<&String>) -> Command {
    ("Emulation.setTimezoneOverride", json!({ "timezoneId": text.map_or("", String::as_str) }))
}

fn locale(text: Option<&String>) -> Command {
    match text {
        Some(text) => ("Emulation.setLocaleOverride", json!({ "locale": text })),
        None => ("Emulation.setLocaleOverride", json!({})),
    }
}

impl DeviceChange {
    fn check(&self) -> Result<(), ActError> {
        let refused = |text: String| Err(ActError::Refused(text));
        match self {
            DeviceChange::Media(media) => {
                for (name, value, known) in [
                    ("colorScheme", &media.color_scheme, &["light", "dark"][..]),
                    ("reducedMotion", &media.reduced_motion, &["reduce", "no-preference"]),
                    ("forcedColors", &media.forced_colors, &["active", "none"]),
                    ("contrast", &media.contrast, &["more", "less", "no-preference"]),
                    ("media", &media.media, &["screen", "print"]),
                ] {
                    if value.as_deref().is_some_and(|value| !known.contains(&value)) {
                        return refused(format!("{name} is one of {}", known.join(", ")));
                    }
                }
                Ok(())
            }
            DeviceChange::Network(Some(conditions)) => {
                let fine = |value: f64| value == -1.0 || (1.0..=1e12).contains(&value);
                if !(0.0..=60_000.0).contains(&conditions.latency) {
                    return refused("the latency is between 0 and 60000 ms".into());
                }
                match fine(conditions.download) && fine(conditions.upload) {
                    true => Ok(()),
                    false => refused("a throughput is at least one byte a second, or -1 for no limit".into()),
                }
            }
            DeviceChange::CpuSlowdown(Some(rate)) if !(1.0..=20.0).contains(rate) => {
                refused("the processor can be made 1 to 20 times slower".into())
            }
            DeviceChange::Geolocation(Some(place)) => {
                let fine = (-90.0..=90.0).contains(&place.latitude)
                    && (-180.0..=180.0).contains(&place.longitude)
                    && (0.0..=1e7).contains(&place.accuracy);
                match fine {
                    true => Ok(()),
                    false => refused(
                        "latitude is between -90 and 90, longitude between -180 and 180, accuracy in metres"
                            .into(),
                    ),
                }
            }
            DeviceChange::UserAgent(Some(text))
            | DeviceChange::Timezone(Some(text))
            | DeviceChange::Locale(Some(text))
                if text.is_empty() || text.len() > 500 || text.chars().any(char::is_control) =>
            {
                refused("the text is empty, too long or has control characters".into())
            }
            _ => Ok(()),
        }
    }
}

impl Watch {
    pub fn emulated(&self) -> Emulated {
        self.seen.emulated.borrow().clone()
    }

    /// Changes one thing for this tab, for as long as the agent attends to it.
    pub async fn emulate(&self, permit: &FloorPermit, change: DeviceChange) -> Result<(), ActError> {
        change.check()?;
        let (client, page) = self.seen.client()?;
        permit.check()?;
        match &change {
            DeviceChange::Media(wanted) => {
                let (method, params) = media(wanted);
                self.seen.send_all(method, &params).await?;
            }
            DeviceChange::Network(wanted) => {
                let (method, params) = network(wanted.as_ref());
                let sessions: Vec<_> = self.seen.link.borrow().sessions.keys().cloned().collect();
                for session in sessions.iter().filter(|session| **session != page) {
                    drop(client.post(Some(session), method, &params).await?);
                }
                client.send(Some(&page), method, &params).await?;
            }
            DeviceChange::UserAgent(wanted) => {
                let (method, params) = user_agent(wanted.as_ref());
                self.seen.send_all(method, &params).await?;
            }
            DeviceChange::CpuSlowdown(rate) => {
                let (method, params) = cpu(*rate);
                client.send(Some(&page), method, &params).await?;
            }
            DeviceChange::Geolocation(place) => {
                // A made-up place is of use only to a page that may ask for it; the real one stays locked.
                let setting = if place.is_some() { "granted" } else { "denied" };
                let allowed = json!({ "permission": { "name": "geolocation" }, "setting": setting });
                client.send(None, "Browser.setPermission", &allowed).await?;
                let (method, params) = geolocation(*place);
                client.send(Some(&page), method, &params).await?;
            }
            DeviceChange::Timezone(wanted) => {
                // One is replaced by another unchecked; only a first one is looked at.
                let (method, nothing) = timezone(None);
                client.send(Some(&page), method, &nothing).await?;
                let (method, params) = timezone(wanted.as_ref());
                if let Err(error) = client.send(Some(&page), method, &params).await {
                    let before = self.seen.emulated.borrow().timezone.clone();
                    let (method, params) = timezone(before.as_ref());
                    drop(client.post(Some(&page), method, &params).await?);
                    return Err(error.into());
                }
            }
            DeviceChange::Locale(wanted) => {
                if wanted.is_some() {
                    // One is not replaced by another, only by none.
                    let (method, nothing) = locale(None);
                    client.send(Some(&page), method, &nothing).await?;
                }
                let (method, params) = locale(wanted.as_ref());
                client.send(Some(&page), method, &params).await?;
            }
        }
        self.seen.emulated.send_modify(|now| match change {
            DeviceChange::Media(wanted) => now.media = wanted,
            DeviceChange::Network(wanted) => now.network = wanted,
            DeviceChange::CpuSlowdown(wanted) => now.cpu_slowdown = wanted,
            DeviceChange::Geolocation(wanted) => now.geolocation = wanted,
            DeviceChange::UserAgent(wanted) => now.user_agent = wanted,
            DeviceChange::Timezone(wanted) => now.timezone = wanted,
            DeviceChange::Locale(wanted) => now.locale = wanted,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let media = Media { color_scheme: Some("pink".into()), ..Media::default() };
        for bad in [
            DeviceChange::Media(media),
            DeviceChange::CpuSlowdown(Some(0.1)),
            DeviceChange::CpuSlowdown(Some(f64::NAN)),
            DeviceChange::Geolocation(Some(Geolocation { latitude: 91.0, longitude: 0.0, accuracy: 1.0 })),
            DeviceChange::UserAgent(Some("a\nb".into())),
            DeviceChange::Network(Some(Conditions {
                download: 0.0,
                ..Conditions::named("offline").expect("known")
            })),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        for name in Conditions::NAMES {
            assert!(DeviceChange::Network(Conditions::named(name)).check().is_ok(), "{name}");
        }
        assert_eq!(Conditions::named("5G"), None);
    }

    #[test]
    fn a_new_session_is_told_only_what_was_changed() {
        assert!(Emulated::default().commands(true).is_empty());
        let emulated = Emulated {
            timezone: Some("Asia/Tokyo".into()),
            network: Conditions::named("Offline"),
            ..Emulated::default()
        };
        assert_eq!(emulated.commands(true).len(), 2);
        assert_eq!(emulated.commands(false).len(), 1);
        assert_eq!(emulated.describe().len(), 2);
    }
}
