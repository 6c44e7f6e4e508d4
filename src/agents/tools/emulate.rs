//! What the page is told of the device and the person before it. Each is for
//! the agent's tab, and ends with the agent.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::Call;
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{Conditions, DeviceChange, Geolocation};

/// Left out is unchanged, null is undone.
fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct EmulateMedia {
    /// light or dark; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    color_scheme: Option<Option<String>>,
    /// reduce or no-preference; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    reduced_motion: Option<Option<String>>,
    /// active or none; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    forced_colors: Option<Option<String>>,
    /// more or no-preference; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    contrast: Option<Option<String>>,
    /// screen or print; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    media: Option<Option<String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::agents) struct Emulate {
    /// Offline, Slow 3G, Fast 3G, Slow 4G or Fast 4G; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    network_conditions: Option<Option<String>>,
    /// How many times slower the processor is, 1 to 20; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<f64>")]
    cpu_throttling_rate: Option<Option<f64>>,
    /// Latitude and longitude with an x between, such as 52.52x13.40; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    geolocation: Option<Option<String>>,
    /// The User-Agent that sites see; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    user_agent: Option<Option<String>>,
    /// Such as Europe/Berlin; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    timezone: Option<Option<String>>,
    /// Such as de-DE; null to undo
    #[serde(default, deserialize_with = "told")]
    #[schemars(with = "Option<String>")]
    locale: Option<Option<String>>,
}

impl Tool for EmulateMedia {
    const NAME: &'static str = "browser_emulate_media";
    const ABOUT: &'static str = "Emulate CSS media features in the current tab. What is left out stays, null clears. People see it too";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let held = call.floor().await?;
        let watch = call.watch().await?;
        let mut media = watch.emulated().media;
        for (slot, told) in [
            (&mut media.color_scheme, self.color_scheme),
            (&mut media.reduced_motion, self.reduced_motion),
            (&mut media.forced_colors, self.forced_colors),
            (&mut media.contrast, self.contrast),
            (&mut media.media, self.media),
        ] {
            if let Some(told) = told {
                *slot = told;
            }
        }
        watch.emulate(held.permit(), DeviceChange::Media(media)).await?;
        answer(call).await
    }
}

impl Tool for Emulate {
    const NAME: &'static str = "browser_emulate";
    const ABOUT: &'static str = "Emulate network conditions, a slower processor, a place, a user agent, a time zone or a language in the current tab. What is left out stays, null clears";
    const GROUP: ToolGroup = ToolGroup::Devtools;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let mut changes = Vec::new();
        if let Some(name) = self.network_conditions {
            let conditions = name.map(|name| {
                Conditions::named(&name).ok_or_else(|| {
                    Fault::argument(format!("{name:?} is none of {}", Conditions::NAMES.join(", ")))
                })
            });
            changes.push(DeviceChange::Network(conditions.transpose()?));
        }
        changes.extend(self.cpu_throttling_rate.map(DeviceChange::CpuSlowdown));
        if let Some(place) = self.geolocation {
            changes.push(DeviceChange::Geolocation(place.as_deref().map(at).transpose()?));
        }
        changes.extend(self.user_agent.map(DeviceChange::UserAgent));
        changes.extend(self.timezone.map(DeviceChange::Timezone));
        changes.extend(self.locale.map(DeviceChange::Locale));
        let held = call.floor().await?;
        let watch = call.watch().await?;
        for change in changes {
            watch.emulate(held.permit(), change).await?;
        }
        answer(call).await
    }
}

async fn answer(call: &mut Call) -> Done {
    let emulated = call.watch().await?.emulated();
    let lines = emulated.describe();
    let text = match lines.is_empty() {
        true => "Nothing is emulated in this tab.".to_owned(),
        false => format!("Emulated in this tab: {}", lines.join(", ")),
    };
    Ok(Answer { structured: Some(json!(emulated)), ..Answer::result(text) })
}

fn at(place: &str) -> Result<Geolocation, Fault> {
    let parts = place.split_once('x').and_then(|(latitude, longitude)| {
        Some((latitude.trim().parse().ok()?, longitude.trim().parse().ok()?))
    });
    let (latitude, longitude): (f64, f64) = parts.ok_or_else(|| {
        Fault::argument(format!("{place:?} is no place; write latitude and longitude as 52.52x13.40"))
    })?;
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return Err(Fault::argument("latitude is from -90 to 90 and longitude from -180 to 180"));
    }
    Ok(Geolocation { latitude, longitude, accuracy: 10.0 })
}
