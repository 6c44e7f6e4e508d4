//! Before a call is done: the rules are asked, and people where the rules say
//! so. What people say yes to is bound to the page as they saw it.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::answer::Fault;
use super::call::{Call, PAGE, locator};
use super::paint;
use super::{classes, elicit, port::NoYes};
use crate::browser::{Card, Locator, Picture, Scale, Shot, Tab};
use crate::policy::{Action, Class, Decision, Effect, Fingerprint, LARGEST_PICTURE, Place, Request, Rules};

/// How long people are waited for.
const WAIT: Duration = Duration::from_secs(300);
/// How long an element may take to be there, so that rules can be asked about it.
const THERE: Duration = Duration::from_secs(5);
/// A page that changes while it is asked about is asked about again, so often.
const MOST_ASKED: usize = 3;
/// What is shown around the element, in pixels.
const AROUND: f64 = 120.0;
/// Arguments that name elements.
const TARGETS: [&str; 4] = ["target", "startTarget", "endTarget", "ref"];
/// Arguments that are typed.
const TEXTS: [&str; 4] = ["text", "value", "promptText", "values"];

/// An act as the rules and people see it.
struct Seen {
    action: Action,
    /// The same for people's eyes: nothing secret in it.
    arguments: Value,
    texts: Vec<String>,
    page: Fingerprint,
    picture: Option<bytes::Bytes>,
}

impl Call {
    /// Says whether this call may be done. Waits for people where they are to say it.
    pub(super) async fn consent(&mut self, tool: &str, arguments: &Map<String, Value>) -> Result<(), Fault> {
        let rules = self.session.seat.rules();
        if rules.is_empty() && rules.default_effect() == Effect::Allow {
            return Ok(());
        }
        for _ in 0..MOST_ASKED {
            let seen = self.see(tool, arguments, &rules).await?;
            let decision = rules.decide(&seen.action);
            match decision.effect {
                Effect::Allow => return Ok(()),
                Effect::Deny => return Err(Fault::new("denied", refusal(tool, &decision))),
                Effect::Ask => {
                    if self.ask(tool, arguments, seen, decision).await? {
                        return Ok(());
                    }
                }
            }
        }
        Err(Fault::new(
            "stale",
            "the page kept changing while people were asked; look again, then try once more",
        ))
    }

    /// Asks people. False when the page has changed meanwhile.
    async fn ask(
        &mut self,
        tool: &str,
        arguments: &Map<String, Value>,
        seen: Seen,
        decision: Decision,
    ) -> Result<bool, Fault> {
        let mut request = Request::new(&seen.action, decision, seen.page.clone(), WAIT);
        request.arguments = seen.arguments;
        request.texts = seen.texts;
        request.why = arguments.get("element").and_then(Value::as_str).map(str::to_owned);
        request.picture = seen.picture;
        self.session.say(format!("waits for a yes to {tool}"));
        let seat = std::sync::Arc::clone(&self.session.seat);
        let question = seat.asks_clients().then(|| elicit::question(&request));
        let client = std::sync::Arc::clone(&self.progress);
        let at_client = async move {
            match question {
                Some(question) => client.elicit(question).await,
                None => std::future::pending().await,
            }
        };
        let mut asked = seat.ask_approval(request, Box::pin(at_client));
        let mut clock = tokio::time::interval(Duration::from_secs(5));
        clock.tick().await;
        let id = loop {
            tokio::select! {
                answered = &mut asked => match answered {
                    Ok(id) => break id,
                    Err(NoYes::Stale) => return Ok(false),
                    Err(NoYes::No(why)) => return Err(Fault::new("denied", why)),
                },
                _ = clock.tick() => self.tell("waiting for a person to approve this").await,
            }
        };
        drop(asked);
        let now = self.see(tool, arguments, &seat.rules()).await?;
        match seat.spend_approval(id, now.page).await {
            Ok(()) => Ok(true),
            Err(NoYes::Stale) => Ok(false),
            Err(NoYes::No(why)) => Err(Fault::new("denied", why)),
        }
    }

    /// Looks at what this call is about.
    async fn see(
        &mut self,
        tool: &str,
        arguments: &Map<String, Value>,
        rules: &Rules,
    ) -> Result<Seen, Fault> {
        let mut classes = classes::classes(tool, arguments);
        let mut action = Action::new(self.session.seat.actor().clone(), tool);
        let tab = self.tab().await.ok();
        let mut page = String::new();
        if let Some(tab) = &tab {
            action = action.at(&tab.url());
            let mark = tokio::time::timeout(PAGE, tab.document_mark()).await;
            page = format!(
                "{}|{}|{}",
                tab.target(),
                tab.url(),
                mark.ok().and_then(Result::ok).unwrap_or_default()
            );
        }
        if classes.contains(&Class::NAVIGATE)
            && let Some(url) = arguments.get("url").and_then(Value::as_str)
        {
            let url = crate::browser::address(url).map_or_else(|_| url.to_owned(), |url| url.to_string());
            action.places.push(Place::of(&url));
        }
        let (mut targets, mut typed) = (Vec::new(), Vec::new());
        named(arguments, &mut targets, &mut typed);
        let mut shown = Value::Object(arguments.clone());
        let mut secret = false;
        let mut picture = None;
        if let Some(tab) = &tab {
            for target in targets {
                let Some(card) = self.card(tab, &locator(&target)?).await? else {
                    return Err(Fault::new("no_match", format!("no single element matches {target}")));
                };
                secret |= card.secret;
                if card.secret {
                    classes.push(Class::CREDENTIALS);
                }
                if card.submits && tool == "browser_click" {
                    classes.push(Class::SUBMIT);
                }
                page.push_str(&format!("|{}|{}|{}", card.mark, card.role, card.name));
                action = action.on(&card.role, &card.name);
                if picture.is_none() {
                    picture = Some(card);
                }
            }
        }
        classes.dedup();
        action = action.classes(classes).arguments(Value::Object(arguments.clone()));
        for text in &typed {
            action = action.typing(text.clone());
        }
        if secret {
            typed.iter_mut().for_each(|text| *text = "••••".into());
            hide(&mut shown);
        }
        let asks = rules.decide(&action).effect == Effect::Ask;
        let picture = match (&tab, asks) {
            (Some(tab), true) => self.around(tab, picture.as_ref()).await,
            _ => None,
        };
        Ok(Seen { action, arguments: shown, texts: typed, page: Fingerprint::new(page), picture })
    }

    /// The element, waited for as long as an act would wait for it.
    async fn card(&self, tab: &Tab, target: &Locator) -> Result<Option<Card>, Fault> {
        let until = Instant::now() + THERE;
        loop {
            let card = tokio::time::timeout(THERE, tab.card(target)).await;
            let card = card.map_err(|_| Fault::new("stuck", "the page does not answer"))??;
            if card.is_some() || Instant::now() >= until {
                return Ok(card);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The page around an element, with a frame around it; the whole page when it is about none.
    async fn around(&self, tab: &Tab, card: Option<&Card>) -> Option<bytes::Bytes> {
        let shot = Shot { format: Picture::Png, scale: Scale::Css, ..Shot::default() };
        let taken = tokio::time::timeout(THERE, self.browser.screenshot(tab, &shot)).await.ok()?.ok()?;
        let at = card.and_then(|card| card.at);
        tokio::task::spawn_blocking(move || {
            let mut picture = image::load_from_memory(&taken).ok()?.to_rgb8();
            let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
            let mut cut = (0.0, 0.0, width, height);
            if let Some(at) = at {
                paint::frame(
                    &mut picture,
                    (at.x - 3.0, at.y - 3.0),
                    (at.x + at.width + 3.0, at.y + at.height + 3.0),
                );
                let (left, top) =
                    ((at.x - AROUND).clamp(0.0, width - 1.0), (at.y - AROUND).clamp(0.0, height - 1.0));
                let right = (at.x + at.width + AROUND).clamp(left + 1.0, width);
                let bottom = (at.y + at.height + AROUND).clamp(top + 1.0, height);
                cut = (left, top, right - left, bottom - top);
            }
            let part =
                image::imageops::crop_imm(&picture, cut.0 as u32, cut.1 as u32, cut.2 as u32, cut.3 as u32);
            let mut jpeg = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80);
            part.to_image().write_with_encoder(encoder).ok()?;
            (jpeg.len() <= LARGEST_PICTURE).then(|| jpeg.into())
        })
        .await
        .ok()?
    }
}

fn refusal(tool: &str, decision: &Decision) -> String {
    format!("{tool} is not allowed here: {decision}. Do it another way, or ask a person with request_help")
}

/// The elements that arguments name and the texts that they type, also in lists of fields.
fn named(arguments: &Map<String, Value>, targets: &mut Vec<String>, texts: &mut Vec<String>) {
    for (key, value) in arguments {
        match value {
            Value::String(text) if TARGETS.contains(&key.as_str()) => targets.push(text.clone()),
            Value::String(text) if TEXTS.contains(&key.as_str()) => texts.push(text.clone()),
            Value::Array(list) => {
                for value in list {
                    match value {
                        Value::Object(inner) => named(inner, targets, texts),
                        Value::String(text) if TEXTS.contains(&key.as_str()) => texts.push(text.clone()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// Takes out what is typed.
fn hide(arguments: &mut Value) {
    match arguments {
        Value::Object(map) => {
            for (key, value) in map {
                if TEXTS.contains(&key.as_str()) {
                    *value = "••••".into();
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(hide),
        _ => {}
    }
}
