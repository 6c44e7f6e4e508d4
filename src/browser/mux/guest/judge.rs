//! Says of a message from outside what it needs: nothing, the floor, a
//! person's yes, or that it is refused. Changes nothing.

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::page::Page;
use super::{Guest, GuestOptions, GuestRules};
use crate::browser::mux::acts::{self, Kind};
use crate::browser::mux::message;
use crate::policy::{Action, Decision, Effect, Place, cdp};

/// What is to be done with a message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::browser::mux) enum Verdict {
    /// In its turn.
    Pass,
    /// At once, ahead of what waits.
    Now,
    /// With the floor.
    Act,
    /// At once, unless what it releases waits itself.
    Release,
    /// It is answered and not done.
    Silent,
    /// It is answered when the dialog has closed.
    WhenClosed,
    Refuse(Cow<'static, str>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope<'a> {
    #[serde(borrow, default)]
    browser_context_id: Option<Cow<'a, str>>,
    #[serde(default)]
    window_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attach {
    #[serde(default)]
    auto_attach: Option<bool>,
    #[serde(default)]
    flatten: bool,
}

/// A context with a proxy of its own would go past the room's gate.
const NO_PROXY: &str = "a browser context has no proxy of its own here: everything goes by the room's gate; an admin \
                        sets the room's proxy";

/// Where an agent has nothing to look for, whatever people may see there.
const CLOSED_PAGE: &str =
    "pages of the browser itself and files of the machine are not opened here; use http or https";

/// Whether a message asks for such a page, as Chromium would read its address.
fn goes_to_browser_page(params: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Goes<'a> {
        #[serde(borrow)]
        url: Cow<'a, str>,
    }
    let Some(goes) = message::read::<Goes<'_>>(params) else { return false };
    let Ok(url) = url::Url::parse(&goes.url) else { return false };
    match url.scheme() {
        "about" => !matches!(url.path(), "blank" | "srcdoc"),
        "file" | "filesystem" | "devtools" | "view-source" => true,
        scheme => scheme.starts_with("chrome"),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NewContext {
    proxy_server: Option<serde::de::IgnoredAny>,
    proxy_bypass_list: Option<serde::de::IgnoredAny>,
}

impl Guest {
    /// What the room's rules say of a message. Nothing when there are none.
    pub fn decide(
        &self,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> Option<(Option<String>, Action, Decision)> {
        let GuestRules { actor, rules, address } = self.options.rules.as_ref()?;
        let rules = rules();
        if rules.is_empty() && rules.default_effect() == Effect::Allow {
            return None;
        }
        let target = self.pages.get(session).map(|page| page.target.clone());
        let page = target.as_deref().map(|target| match address(target) {
            Some(url) => Place::of(&url),
            None => Place::Unknown,
        });
        let params = message::read::<Value>(params).unwrap_or_default();
        let action = cdp::action(actor.clone(), method, params, page);
        let decision = rules.decide(&action);
        Some((target, action, decision))
    }

    /// Says what a message needs; and with which other parameters it goes on, if not its own.
    pub fn judge(
        &self,
        session: &str,
        method: &str,
        params: Option<&RawValue>,
    ) -> (Verdict, Option<Box<RawValue>>) {
        if matches!(method, "Page.navigate" | "Target.createTarget") && goes_to_browser_page(params) {
            return (Verdict::Refuse(CLOSED_PAGE.into()), None);
        }
        let page = self.pages.get(session);
        let own = || self.is_own(page, params);
        let verdict = match acts::kind(method) {
            Kind::Look => Verdict::Pass,
            Kind::Unblock => Verdict::Now,
            Kind::Act => Verdict::Act,
            Kind::Input if acts::is_release(method, params) => Verdict::Release,
            Kind::Input => Verdict::Act,
            Kind::Evaluate => self.judge_evaluation(page, params),
            Kind::Dialog => judge_dialog(page, params),
            Kind::Shared if own() => Verdict::Pass,
            Kind::Shared => Verdict::Act,
            Kind::Own(_) | Kind::OwnOrSilent if own() => Verdict::Pass,
            Kind::Own(_) if acts::is_default(method, params) => Verdict::Silent,
            Kind::OwnOrSilent => Verdict::Silent,
            Kind::Own(reason) | Kind::Never(reason) => Verdict::Refuse(reason.into()),
            Kind::Attach => {
                let part = message::read::<Attach>(params);
                match part.is_some_and(|part| part.flatten || part.auto_attach == Some(false)) {
                    true => Verdict::Pass,
                    false => Verdict::Refuse(acts::NESTED.into()),
                }
            }
            Kind::NewContext => {
                let given = message::read::<NewContext>(params);
                if given.is_none_or(|given| given.proxy_server.is_some() || given.proxy_bypass_list.is_some())
                {
                    return (Verdict::Refuse(NO_PROXY.into()), None);
                }
                return (Verdict::Pass, with(params, "disposeOnDetach", true.into()));
            }
            Kind::EndContext if own() => Verdict::Pass,
            Kind::EndContext => Verdict::Refuse(
                "this browser context is not this client's; close the connection instead".into(),
            ),
            Kind::Downloads if own() => {
                let dir = self.options.download_dir.to_string_lossy().into_owned();
                return (Verdict::Pass, with(params, "downloadPath", dir.into()));
            }
            Kind::Downloads => Verdict::Silent,
            Kind::Files => self.judge_files(params),
        };
        (verdict, None)
    }

    fn is_own(&self, page: Option<&Page>, params: Option<&RawValue>) -> bool {
        let scope: Option<Scope> = message::read(params);
        match scope {
            Some(Scope { browser_context_id: Some(context), .. }) => self.contexts.contains(context.as_ref()),
            Some(Scope { window_id: Some(window), .. }) => self.windows.contains(&window),
            _ => page.is_some_and(|page| page.own),
        }
    }

    fn judge_evaluation(&self, page: Option<&Page>, params: Option<&RawValue>) -> Verdict {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Part<'a> {
            #[serde(default)]
            context_id: Option<i64>,
            #[serde(default)]
            execution_context_id: Option<i64>,
            #[serde(borrow, default)]
            object_id: Option<Cow<'a, str>>,
            #[serde(default)]
            throw_on_side_effect: bool,
        }
        let Some(page) = page else { return Verdict::Pass };
        // A worker has no page to change.
        if page.own || !matches!(page.kind.as_str(), "page" | "iframe" | "tab" | "webview") {
            return Verdict::Pass;
        }
        let Some(part) = message::read::<Part>(params) else { return Verdict::Act };
        if part.throw_on_side_effect {
            return Verdict::Pass;
        }
        // An object's id names its isolate, its world and itself.
        let of_object = || part.object_id.as_ref()?.split('.').nth(1)?.parse().ok();
        let world = part.context_id.or(part.execution_context_id).or_else(of_object);
        let isolated = world.is_some_and(|world| page.isolated.contains(&world));
        if isolated && !acts::has_acting_word(params) { Verdict::Pass } else { Verdict::Act }
    }

    /// A page gets no file out of what the server keeps.
    fn judge_files(&self, params: Option<&RawValue>) -> Verdict {
        #[derive(Deserialize)]
        struct Part {
            #[serde(default)]
            files: Vec<PathBuf>,
        }
        let Some(part) = message::read::<Part>(params) else { return Verdict::Act };
        let GuestOptions { download_dir, private_dir, .. } = &self.options;
        let plain = |path: &Path| {
            path.is_absolute() && path.components().all(|part| !matches!(part, Component::ParentDir))
        };
        let may = |path: &PathBuf| {
            plain(path)
                && (path.starts_with(download_dir) || !path.starts_with(private_dir))
                && !path.starts_with("/proc")
        };
        match part.files.iter().all(may) {
            true => Verdict::Act,
            false => Verdict::Refuse("this file is not for pages; give the absolute path of another".into()),
        }
    }
}

/// A dialog belongs to whoever made the page open it. Playwright answers every
/// dialog that its user does not listen for, and its process ends when that
/// answer is refused; so such an answer is neither given nor refused, but
/// waits until somebody closes the dialog.
fn judge_dialog(page: Option<&Page>, params: Option<&RawValue>) -> Verdict {
    #[derive(Deserialize)]
    struct Part {
        accept: bool,
    }
    let Some((page, dialog)) = page.and_then(|page| Some((page, page.dialog.as_ref()?))) else {
        // It is closed already, as far as the client could know. A late answer must not hit the next one.
        return Verdict::Silent;
    };
    let accept = message::read::<Part>(params).is_some_and(|part| part.accept);
    match dialog.own || (accept && !dialog.before_unload) {
        _ if page.own => Verdict::Pass,
        true => Verdict::Act,
        false => Verdict::WhenClosed,
    }
}

/// The parameters with one of them replaced.
fn with(params: Option<&RawValue>, key: &str, value: Value) -> Option<Box<RawValue>> {
    let mut all: serde_json::Map<String, Value> = message::read(params).unwrap_or_default();
    all.insert(key.to_owned(), value);
    message::raw(&Value::Object(all))
}
