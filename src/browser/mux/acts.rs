//! What a CDP method does to what people see: the table by which the public
//! door decides what needs the floor, what stays within a client's own
//! browser contexts and what is never done. Pure; knows no client.
//!
//! What is not in the table looks and changes nothing. A new method of
//! Chromium is therefore let through until it is listed here, except in the
//! domains that have a line of their own (`Input.*`).

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::message;

/// What a method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks; keeps its place among the messages of its session.
    Look,
    /// Lets go of something that is held for this client alone. Never waits.
    Unblock,
    /// Needs the floor.
    Act,
    /// `Input.*`: needs the floor, but for a release.
    Input,
    /// Needs the floor, but in a page that nobody else looks at or where it is known to look only.
    Evaluate,
    /// Answers a dialog.
    Dialog,
    /// Needs the floor where it is about what people share, nothing in the client's own contexts.
    Shared,
    /// Done in the client's own contexts; elsewhere refused with this reason.
    Own(&'static str),
    /// Done in the client's own contexts; elsewhere said to be done and left.
    OwnOrSilent,
    /// Refused with this reason.
    Never(&'static str),
    /// Makes a browser context.
    NewContext,
    /// Ends a browser context.
    EndContext,
    /// Says where downloads go.
    Downloads,
    /// Files of this machine go to a page.
    Files,
    /// Opens sessions, which must be flat so that their messages are seen.
    Attach,
}

const VIEW: &str = "this would change what the people in the room see; use a browser context of your own \
                    (Target.createBrowserContext, browser.newContext())";
const WINDOW: &str = "the window is the one that the people in the room look at; change the room's size \
                      instead, or use a browser context of your own";
const PERMISSIONS: &str =
    "permissions of the shared browser are the room's; use a browser context of your own";
const SAFETY: &str = "this would make the shared pages less safe; use a browser context of your own";
/// What a client is told that would hide its messages in others.
pub const NESTED: &str = "attach with flatten: true and address the session by sessionId";
const MACHINE: &str = "this reaches beyond the browser and is not offered here";

const TABLE: &[(&str, Kind)] = &[
    // Hands.
    ("Input.*", Kind::Input),
    ("Input.setIgnoreInputEvents", Kind::Own(VIEW)),
    ("Autofill.trigger", Kind::Act),
    // Pages.
    ("Page.navigate", Kind::Act),
    ("Page.reload", Kind::Act),
    ("Page.navigateToHistoryEntry", Kind::Act),
    ("Page.resetNavigationHistory", Kind::Act),
    ("Page.stopLoading", Kind::Act),
    ("Page.close", Kind::Act),
    ("Page.bringToFront", Kind::Act),
    ("Page.crash", Kind::Own(VIEW)),
    ("Page.setDocumentContent", Kind::Act),
    ("Page.handleJavaScriptDialog", Kind::Dialog),
    ("Page.setWebLifecycleState", Kind::Own(VIEW)),
    ("Page.setBypassCSP", Kind::Own(SAFETY)),
    ("Page.setFontFamilies", Kind::OwnOrSilent),
    ("Page.setFontSizes", Kind::OwnOrSilent),
    ("Page.setAdBlockingEnabled", Kind::OwnOrSilent),
    ("Page.setDownloadBehavior", Kind::Downloads),
    ("Page.setDeviceMetricsOverride", Kind::Own(VIEW)),
    ("Page.clearDeviceMetricsOverride", Kind::OwnOrSilent),
    ("Page.setDeviceOrientationOverride", Kind::Own(VIEW)),
    ("Page.setGeolocationOverride", Kind::Own(VIEW)),
    ("Page.setTouchEmulationEnabled", Kind::Own(VIEW)),
    ("Page.screencastFrameAck", Kind::Unblock),
    // Targets.
    ("Target.createTarget", Kind::Act),
    ("Target.closeTarget", Kind::Act),
    ("Target.activateTarget", Kind::Act),
    ("Target.openDevTools", Kind::Never(VIEW)),
    ("Target.createBrowserContext", Kind::NewContext),
    ("Target.disposeBrowserContext", Kind::EndContext),
    ("Target.attachToTarget", Kind::Attach),
    ("Target.setAutoAttach", Kind::Attach),
    ("Target.sendMessageToTarget", Kind::Never(NESTED)),
    ("Target.exposeDevToolsProtocol", Kind::Never("a page is not given the browser's protocol here")),
    ("Target.setRemoteLocations", Kind::Never(MACHINE)),
    // The browser.
    ("Browser.setWindowBounds", Kind::Own(WINDOW)),
    ("Browser.setContentsSize", Kind::Own(WINDOW)),
    ("Browser.setDownloadBehavior", Kind::Downloads),
    ("Browser.cancelDownload", Kind::Shared),
    ("Browser.grantPermissions", Kind::Own(PERMISSIONS)),
    ("Browser.setPermission", Kind::Own(PERMISSIONS)),
    ("Browser.resetPermissions", Kind::OwnOrSilent),
    ("Browser.setDockTile", Kind::OwnOrSilent),
    ("Browser.executeBrowserCommand", Kind::Act),
    ("Browser.crash", Kind::Never("the browser is the room's")),
    ("Browser.crashGpuProcess", Kind::Never("the browser is the room's")),
    ("Browser.addPrivacySandboxEnrollmentOverride", Kind::Never(SAFETY)),
    ("Browser.addPrivacySandboxCoordinatorKeyConfig", Kind::Never(SAFETY)),
    ("Extensions.*", Kind::Never("the room's policies say which extensions there are")),
    ("PWA.*", Kind::Never(MACHINE)),
    ("Tethering.*", Kind::Never(MACHINE)),
    ("Cast.*", Kind::Never(MACHINE)),
    ("Security.setIgnoreCertificateErrors", Kind::Own(SAFETY)),
    ("Security.setOverrideCertificateErrors", Kind::Own(SAFETY)),
    // Scripts.
    ("Runtime.evaluate", Kind::Evaluate),
    ("Runtime.callFunctionOn", Kind::Evaluate),
    ("Runtime.runScript", Kind::Evaluate),
    ("Runtime.terminateExecution", Kind::Act),
    ("Runtime.runIfWaitingForDebugger", Kind::Unblock),
    ("Debugger.evaluateOnCallFrame", Kind::Act),
    ("Debugger.pause", Kind::Act),
    ("Debugger.restartFrame", Kind::Act),
    ("Debugger.setScriptSource", Kind::Act),
    ("Debugger.setVariableValue", Kind::Act),
    ("Debugger.setReturnValue", Kind::Act),
    ("Debugger.resume", Kind::Unblock),
    // The document and its looks.
    ("DOM.focus", Kind::Act),
    ("DOM.scrollIntoViewIfNeeded", Kind::Act),
    ("DOM.setAttributeValue", Kind::Act),
    ("DOM.setAttributesAsText", Kind::Act),
    ("DOM.removeAttribute", Kind::Act),
    ("DOM.setFileInputFiles", Kind::Files),
    ("DOM.setNodeName", Kind::Act),
    ("DOM.setNodeValue", Kind::Act),
    ("DOM.setOuterHTML", Kind::Act),
    ("DOM.removeNode", Kind::Act),
    ("DOM.moveTo", Kind::Act),
    ("DOM.copyTo", Kind::Act),
    ("DOM.undo", Kind::Act),
    ("DOM.redo", Kind::Act),
    ("DOM.forceShowPopover", Kind::Act),
    ("CSS.addRule", Kind::Act),
    ("CSS.createStyleSheet", Kind::Act),
    ("CSS.forcePseudoState", Kind::Act),
    ("CSS.forceStartingStyle", Kind::Act),
    ("CSS.setContainerQueryText", Kind::Act),
    ("CSS.setEffectivePropertyValueForNode", Kind::Act),
    ("CSS.setKeyframeKey", Kind::Act),
    ("CSS.setLocalFontsEnabled", Kind::Own(VIEW)),
    ("CSS.setMediaText", Kind::Act),
    ("CSS.setPropertyRulePropertyName", Kind::Act),
    ("CSS.setRuleSelector", Kind::Act),
    ("CSS.setScopeText", Kind::Act),
    ("CSS.setStyleSheetText", Kind::Act),
    ("CSS.setStyleTexts", Kind::Act),
    ("CSS.setSupportsText", Kind::Act),
    ("Animation.seekAnimations", Kind::Act),
    ("Animation.setPaused", Kind::Act),
    ("Animation.setPlaybackRate", Kind::Act),
    ("Animation.setTiming", Kind::Act),
    ("Overlay.setInspectMode", Kind::Act),
    ("Emulation.*", Kind::Own(VIEW)),
    ("Emulation.canEmulate", Kind::Look),
    ("Emulation.getScreenInfos", Kind::Look),
    ("Emulation.getOverriddenSensorInformation", Kind::Look),
    ("Emulation.setFocusEmulationEnabled", Kind::Look),
    ("Emulation.clearDeviceMetricsOverride", Kind::OwnOrSilent),
    ("Emulation.clearDevicePostureOverride", Kind::OwnOrSilent),
    ("Emulation.clearDisplayFeaturesOverride", Kind::OwnOrSilent),
    ("Emulation.clearGeolocationOverride", Kind::OwnOrSilent),
    ("Emulation.clearIdleOverride", Kind::OwnOrSilent),
    ("Emulation.resetPageScaleFactor", Kind::OwnOrSilent),
    // What pages keep.
    ("Storage.setCookies", Kind::Shared),
    ("Storage.clearCookies", Kind::Shared),
    ("Storage.clearDataForOrigin", Kind::Shared),
    ("Storage.clearDataForStorageKey", Kind::Shared),
    ("Storage.clearSharedStorageEntries", Kind::Shared),
    ("Storage.clearTrustTokens", Kind::Shared),
    ("Storage.deleteSharedStorageEntry", Kind::Shared),
    ("Storage.deleteStorageBucket", Kind::Shared),
    ("Storage.overrideQuotaForOrigin", Kind::Own(SAFETY)),
    ("Storage.setSharedStorageEntry", Kind::Shared),
    ("Network.setCookie", Kind::Shared),
    ("Network.setCookies", Kind::Shared),
    ("Network.deleteCookies", Kind::Shared),
    ("Network.clearBrowserCookies", Kind::Shared),
    ("Network.clearBrowserCache", Kind::Shared),
    ("Network.emulateNetworkConditions", Kind::Own(VIEW)),
    ("Network.emulateNetworkConditionsByRule", Kind::Own(VIEW)),
    ("Network.overrideNetworkState", Kind::Own(VIEW)),
    ("Network.setUserAgentOverride", Kind::Own(VIEW)),
    ("Network.continueInterceptedRequest", Kind::Unblock),
    ("Fetch.continueRequest", Kind::Unblock),
    ("Fetch.continueResponse", Kind::Unblock),
    ("Fetch.continueWithAuth", Kind::Unblock),
    ("Fetch.failRequest", Kind::Unblock),
    ("Fetch.fulfillRequest", Kind::Unblock),
    ("DOMStorage.clear", Kind::Shared),
    ("DOMStorage.removeDOMStorageItem", Kind::Shared),
    ("DOMStorage.setDOMStorageItem", Kind::Shared),
    ("IndexedDB.clearObjectStore", Kind::Shared),
    ("IndexedDB.deleteDatabase", Kind::Shared),
    ("IndexedDB.deleteObjectStoreEntries", Kind::Shared),
    ("CacheStorage.deleteCache", Kind::Shared),
    ("CacheStorage.deleteEntry", Kind::Shared),
    ("ServiceWorker.unregister", Kind::Shared),
];

static KINDS: LazyLock<HashMap<&str, Kind>> = LazyLock::new(|| TABLE.iter().copied().collect());
static DOMAINS: LazyLock<HashMap<&str, Kind>> = LazyLock::new(|| {
    TABLE.iter().filter_map(|(name, kind)| Some((name.strip_suffix(".*")?, *kind))).collect()
});

/// The kind of a method.
pub fn kind(method: &str) -> Kind {
    if let Some(kind) = KINDS.get(method) {
        return *kind;
    }
    let domain = method.split_once('.').map_or(method, |(domain, _)| domain);
    DOMAINS.get(domain).copied().unwrap_or(Kind::Look)
}

/// What keeps a client's picture of tabs and frames whole and shows nothing of
/// a page. It goes on during a person's private moment.
pub fn is_plumbing(method: &str, params: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Script<'a> {
        #[serde(borrow)]
        source: std::borrow::Cow<'a, str>,
    }
    let (domain, name) = method.split_once('.').unwrap_or_default();
    match (domain, name) {
        (_, "enable" | "disable") | ("Target" | "Emulation" | "Schema", _) => true,
        (
            "Page",
            "getFrameTree"
            | "createIsolatedWorld"
            | "setLifecycleEventsEnabled"
            | "setInterceptFileChooserDialog"
            | "stopScreencast"
            | "getNavigationHistory",
        )
        | ("Runtime", "addBinding" | "removeBinding" | "releaseObject" | "releaseObjectGroup")
        | ("Network", "setCacheDisabled" | "setBypassServiceWorker")
        | ("Browser", "getVersion" | "getWindowForTarget" | "close" | "setDownloadBehavior")
        | ("ServiceWorker", _)
        | ("Log", _) => true,
        // Clients make their world by a script without a line in it.
        ("Page", "addScriptToEvaluateOnNewDocument") => {
            message::read::<Script>(params).is_some_and(|script| {
                script.source.lines().all(|line| line.is_empty() || line.starts_with("//"))
            })
        }
        _ => kind(method) == Kind::Unblock,
    }
}

/// The same for events.
pub fn is_plumbing_event(method: &str) -> bool {
    let (domain, name) = method.split_once('.').unwrap_or_default();
    match domain {
        "Target" | "Inspector" => true,
        "Browser" => name.starts_with("download"),
        "Runtime" => name.starts_with("executionContext"),
        "Debugger" => matches!(name, "paused" | "resumed"),
        "Page" => {
            name.starts_with("frame")
                || name.starts_with("javascriptDialog")
                || matches!(
                    name,
                    "lifecycleEvent"
                        | "domContentEventFired"
                        | "loadEventFired"
                        | "navigatedWithinDocument"
                        | "windowOpen"
                        | "fileChooserOpened"
                )
        }
        _ => false,
    }
}

/// Whether it can read what stands in a field, in a form that nobody else
/// would recognise: by code, or in pieces.
pub fn can_read_fields(method: &str) -> bool {
    kind(method) == Kind::Evaluate
        || method.starts_with("HeapProfiler.")
        || matches!(
            method,
            "Runtime.getProperties"
                | "Runtime.queryObjects"
                | "Debugger.evaluateOnCallFrame"
                | "Debugger.setBreakpointByUrl"
                | "Debugger.setBreakpoint"
                | "Debugger.pause"
                | "Page.captureSnapshot"
                | "Page.printToPDF"
                | "Page.setDocumentContent"
                | "Debugger.setScriptSource"
                | "Tracing.start"
        )
}

/// A hand that is lifted: it may never be held back.
pub fn is_release(method: &str, params: Option<&RawValue>) -> bool {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
    }
    matches!(method, "Input.dispatchMouseEvent" | "Input.dispatchKeyEvent" | "Input.dispatchTouchEvent")
        && message::read::<Part>(params).is_some_and(|part| {
            matches!(part.kind.as_ref(), "mouseReleased" | "keyUp" | "touchEnd" | "touchCancel")
        })
}

/// Whether it goes to whatever has the focus.
pub fn is_typing(method: &str) -> bool {
    matches!(method, "Input.dispatchKeyEvent" | "Input.insertText" | "Input.imeSetComposition")
}

/// Whether an override asks for what is there anyway. Playwright and
/// Puppeteer send these for every page that they meet, so refusing them would
/// shut the door, and doing them would change what people see: Playwright
/// asks for the light colour scheme, Puppeteer for 800 by 600 pixels.
pub fn is_default(method: &str, params: Option<&RawValue>) -> bool {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Part {
        enabled: Option<bool>,
        value: Option<bool>,
        ignore: Option<bool>,
        hidden: Option<bool>,
        offline: Option<bool>,
        latency: Option<f64>,
        download_throughput: Option<f64>,
        upload_throughput: Option<f64>,
        rate: Option<f64>,
        width: Option<f64>,
        height: Option<f64>,
        device_scale_factor: Option<f64>,
        mobile: Option<bool>,
        media: Option<String>,
        features: Vec<Feature>,
        user_agent: Option<String>,
        accept_language: Option<String>,
        locale: Option<String>,
        timezone_id: Option<String>,
        latitude: Option<f64>,
        color: Option<serde::de::IgnoredAny>,
    }
    #[derive(Deserialize)]
    struct Feature {
        value: String,
    }
    let Some(part) = params.map_or_else(|| Some(Part::default()), |params| message::read(Some(params)))
    else {
        return false;
    };
    let empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
    let Some((_, name)) = method.split_once('.') else { return false };
    match name {
        "setEmulatedMedia" => {
            let plain =
                |feature: &Feature| matches!(feature.value.as_str(), "" | "light" | "no-preference" | "none");
            empty(&part.media) && part.features.iter().all(plain)
        }
        "setDeviceMetricsOverride" => {
            let size = (part.width.unwrap_or_default(), part.height.unwrap_or_default());
            let scale = part.device_scale_factor.unwrap_or_default();
            let plain = part.mobile != Some(true) && (scale == 0.0 || scale == 1.0);
            plain && (size == (0.0, 0.0) || size == (800.0, 600.0))
        }
        "setTouchEmulationEnabled"
        | "setEmitTouchEventsForMouse"
        | "setBypassCSP"
        | "setIgnoreInputEvents"
        | "setAutomationOverride" => part.enabled == Some(false),
        "setIgnoreCertificateErrors" => part.ignore == Some(false),
        "setScriptExecutionDisabled" | "setDocumentCookieDisabled" => {
            part.value.or(part.enabled) == Some(false)
        }
        "setScrollbarsHidden" => part.hidden == Some(false),
        "setCPUThrottlingRate" => part.rate == Some(1.0),
        "setUserAgentOverride" => empty(&part.user_agent) && empty(&part.accept_language),
        "setLocaleOverride" => empty(&part.locale),
        "setTimezoneOverride" => empty(&part.timezone_id),
        "setGeolocationOverride" => part.latitude.is_none(),
        "setDefaultBackgroundColorOverride" => part.color.is_none(),
        "emulateNetworkConditions" | "overrideNetworkState" => {
            let fast = |rate: Option<f64>| rate.is_none_or(|rate| rate <= 0.0);
            part.offline != Some(true)
                && fast(part.latency)
                && fast(part.download_throughput)
                && fast(part.upload_throughput)
        }
        "setEmulatedVisionDeficiency" | "setEmulatedOSTextScale" | "setAutoDarkModeOverride" => {
            params.is_none_or(|params| matches!(params.get().trim(), "{}" | r#"{"type":"none"}"#))
        }
        _ => false,
    }
}

/// Words of functions that act although they run in an isolated world, where
/// Playwright and Puppeteer mostly look: theirs for filling, choosing and
/// focusing, and what any such function would call.
const ACTING_WORDS: &[&str] = &[
    "injected.fill(",
    "injected.selectOptions(",
    "injected.selectText(",
    "injected.focusNode(",
    "injected.blurNode(",
    "injected.setInputFiles(",
    "injected.dispatchEvent(",
    ".dispatchEvent(",
    ".focus()",
    ".blur()",
    ".click()",
    ".select()",
    ".submit()",
    ".scrollTo(",
    ".scrollBy(",
    ".scrollIntoView(",
    "location.href =",
    "location.assign(",
];
/// A longer call carries a library, which holds every word.
const LONGEST_SEARCHED: usize = 16 << 10;

/// Whether a call in an isolated world is known to act.
pub fn has_acting_word(params: Option<&RawValue>) -> bool {
    params.is_some_and(|params| {
        let text = params.get();
        text.len() <= LONGEST_SEARCHED && ACTING_WORDS.iter().any(|word| text.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("json")
    }

    #[test]
    fn no_method_stands_twice_and_each_line_is_a_method_or_a_domain() {
        assert_eq!(KINDS.len(), TABLE.len());
        assert!(TABLE.iter().all(|(name, _)| name.split('.').count() == 2));
    }

    #[test]
    fn hands_need_the_floor_and_eyes_do_not() {
        for act in ["Page.navigate", "Target.createTarget", "DOM.setOuterHTML", "Page.bringToFront"] {
            assert_eq!(kind(act), Kind::Act, "{act}");
        }
        assert_eq!(kind("Input.dispatchMouseEvent"), Kind::Input);
        assert_eq!(kind("Input.somethingNew"), Kind::Input);
        for look in ["Page.captureScreenshot", "Runtime.enable", "DOM.describeNode", "Some.new", "nonsense"] {
            assert_eq!(kind(look), Kind::Look, "{look}");
        }
        assert!(matches!(kind("Emulation.setSomethingNew"), Kind::Own(_)));
        assert!(matches!(kind("Extensions.loadUnpacked"), Kind::Never(_)));
        assert_eq!(kind("Runtime.runIfWaitingForDebugger"), Kind::Unblock);
    }

    #[test]
    fn only_a_hand_that_is_lifted_is_a_release() {
        for (method, params, release) in [
            ("Input.dispatchMouseEvent", r#"{"type":"mouseReleased","x":1}"#, true),
            ("Input.dispatchMouseEvent", r#"{"type":"mousePressed"}"#, false),
            ("Input.dispatchKeyEvent", r#"{"type":"keyUp"}"#, true),
            ("Input.dispatchKeyEvent", r#"{"type":"rawKeyDown"}"#, false),
            ("Input.dispatchTouchEvent", r#"{"type":"touchEnd","touchPoints":[]}"#, true),
            ("Input.dispatchTouchEvent", r#"[]"#, false),
            ("Page.navigate", r#"{"type":"keyUp"}"#, false),
        ] {
            assert_eq!(is_release(method, Some(&raw(params))), release, "{method} {params}");
        }
        assert!(!is_release("Input.dispatchKeyEvent", None));
    }

    #[test]
    fn what_the_libraries_send_to_every_page_asks_for_nothing() {
        for (method, params, plain) in [
            (
                "Emulation.setEmulatedMedia",
                r#"{"media":"","features":[{"name":"prefers-color-scheme","value":"light"},{"name":"forced-colors","value":"none"}]}"#,
                true,
            ),
            (
                "Emulation.setEmulatedMedia",
                r#"{"features":[{"name":"prefers-color-scheme","value":"dark"}]}"#,
                false,
            ),
            ("Emulation.setEmulatedMedia", r#"{"media":"print"}"#, false),
            (
                "Emulation.setDeviceMetricsOverride",
                r#"{"mobile":false,"width":800,"height":600,"deviceScaleFactor":1}"#,
                true,
            ),
            (
                "Emulation.setDeviceMetricsOverride",
                r#"{"mobile":true,"width":390,"height":844,"deviceScaleFactor":3}"#,
                false,
            ),
            ("Emulation.setTouchEmulationEnabled", r#"{"enabled":false}"#, true),
            ("Emulation.setTouchEmulationEnabled", r#"{"enabled":true}"#, false),
            ("Emulation.setDefaultBackgroundColorOverride", r#"{"color":{"r":0,"g":0,"b":0,"a":0}}"#, false),
            ("Emulation.setDefaultBackgroundColorOverride", "{}", true),
            (
                "Network.emulateNetworkConditions",
                r#"{"offline":false,"latency":0,"downloadThroughput":-1,"uploadThroughput":-1}"#,
                true,
            ),
            (
                "Network.emulateNetworkConditions",
                r#"{"offline":true,"latency":0,"downloadThroughput":0,"uploadThroughput":0}"#,
                false,
            ),
            ("Emulation.setTimezoneOverride", r#"{"timezoneId":"Asia/Tokyo"}"#, false),
            ("Emulation.setSomethingNew", "{}", false),
        ] {
            assert_eq!(is_default(method, Some(&raw(params))), plain, "{method} {params}");
        }
    }

    #[test]
    fn a_function_that_fills_or_focuses_is_known_by_its_words() {
        let call = |text: &str| {
            has_acting_word(Some(&raw(&serde_json::json!({ "arguments": [{ "value": text }] }).to_string())))
        };
        assert!(call("([injected, node, value]) => injected.fill(node, value)"));
        assert!(call("element => element.focus()"));
        assert!(!call("([injected, node]) => injected.elementState(node, 'visible')"));
        assert!(!call(&format!("/* a library */ x.focus() {}", " ".repeat(LONGEST_SEARCHED))));
    }
}
