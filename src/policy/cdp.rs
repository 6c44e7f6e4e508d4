//! What a CDP method is for: the classes by which rules can tell the methods
//! apart, and an action made of a message. A method that nobody has listed is
//! `other`, and so fits no rule that allows by class.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

use super::action::{Action, Class};
use super::place::Place;
use crate::base::Actor;

/// A domain's line (`Input.*`) stands for what is not listed of it.
const TABLE: &[(&str, &[Class])] = &[
    // Hands.
    ("Input.*", &[Class::INPUT]),
    ("Autofill.*", &[Class::INPUT, Class::CREDENTIALS]),
    ("DOM.focus", &[Class::INPUT]),
    ("DOM.scrollIntoViewIfNeeded", &[Class::INPUT]),
    ("Page.handleJavaScriptDialog", &[Class::INPUT, Class::SUBMIT]),
    ("Overlay.setInspectMode", &[Class::INPUT]),
    ("FedCm.*", &[Class::INPUT, Class::CREDENTIALS]),
    ("WebAuthn.*", &[Class::CREDENTIALS]),
    ("DeviceAccess.*", &[Class::INPUT, Class::SETTINGS]),
    // Going places.
    ("Page.navigate", &[Class::NAVIGATE]),
    ("Page.navigateToHistoryEntry", &[Class::NAVIGATE]),
    ("Page.reload", &[Class::NAVIGATE]),
    ("Page.close", &[Class::NAVIGATE]),
    ("Page.bringToFront", &[Class::NAVIGATE]),
    ("Page.resetNavigationHistory", &[Class::NAVIGATE]),
    ("Page.stopLoading", &[Class::NAVIGATE]),
    ("Page.setDocumentContent", &[Class::NAVIGATE, Class::EVALUATE]),
    ("Target.createTarget", &[Class::NAVIGATE]),
    ("Target.closeTarget", &[Class::NAVIGATE]),
    ("Target.activateTarget", &[Class::NAVIGATE]),
    // Scripts, and what changes a document as they do.
    ("Runtime.evaluate", &[Class::EVALUATE]),
    ("Runtime.callFunctionOn", &[Class::EVALUATE]),
    ("Runtime.runScript", &[Class::EVALUATE]),
    ("Runtime.compileScript", &[Class::EVALUATE]),
    ("Runtime.addBinding", &[Class::EVALUATE]),
    ("Runtime.setAsyncCallStackDepth", &[Class::READ]),
    ("Runtime.terminateExecution", &[Class::EVALUATE]),
    ("Runtime.*", &[Class::READ]),
    ("Page.addScriptToEvaluateOnNewDocument", &[Class::EVALUATE]),
    ("Page.addScriptToEvaluateOnLoad", &[Class::EVALUATE]),
    ("Page.setBypassCSP", &[Class::EVALUATE, Class::SETTINGS]),
    ("Debugger.evaluateOnCallFrame", &[Class::EVALUATE]),
    ("Debugger.setScriptSource", &[Class::EVALUATE]),
    ("Debugger.setVariableValue", &[Class::EVALUATE]),
    ("Debugger.setReturnValue", &[Class::EVALUATE]),
    ("Debugger.setBreakpoint", &[Class::EVALUATE]),
    ("Debugger.setBreakpointByUrl", &[Class::EVALUATE]),
    ("Debugger.setBreakpointOnFunctionCall", &[Class::EVALUATE]),
    ("Debugger.pause", &[Class::EVALUATE]),
    ("Debugger.restartFrame", &[Class::EVALUATE]),
    ("Debugger.*", &[Class::READ]),
    ("DOM.setAttributeValue", &[Class::EVALUATE]),
    ("DOM.setAttributesAsText", &[Class::EVALUATE]),
    ("DOM.removeAttribute", &[Class::EVALUATE]),
    ("DOM.setNodeName", &[Class::EVALUATE]),
    ("DOM.setNodeValue", &[Class::EVALUATE]),
    ("DOM.setOuterHTML", &[Class::EVALUATE]),
    ("DOM.removeNode", &[Class::EVALUATE]),
    ("DOM.moveTo", &[Class::EVALUATE]),
    ("DOM.copyTo", &[Class::EVALUATE]),
    ("DOM.undo", &[Class::EVALUATE]),
    ("DOM.redo", &[Class::EVALUATE]),
    ("DOM.forceShowPopover", &[Class::EVALUATE]),
    ("DOM.*", &[Class::READ]),
    ("DOMDebugger.*", &[Class::READ, Class::EVALUATE]),
    ("CSS.addRule", &[Class::EVALUATE]),
    ("CSS.createStyleSheet", &[Class::EVALUATE]),
    ("CSS.forcePseudoState", &[Class::EVALUATE]),
    ("CSS.forceStartingStyle", &[Class::EVALUATE]),
    ("CSS.setContainerQueryText", &[Class::EVALUATE]),
    ("CSS.setEffectivePropertyValueForNode", &[Class::EVALUATE]),
    ("CSS.setKeyframeKey", &[Class::EVALUATE]),
    ("CSS.setLocalFontsEnabled", &[Class::SETTINGS]),
    ("CSS.setMediaText", &[Class::EVALUATE]),
    ("CSS.setPropertyRulePropertyName", &[Class::EVALUATE]),
    ("CSS.setRuleSelector", &[Class::EVALUATE]),
    ("CSS.setScopeText", &[Class::EVALUATE]),
    ("CSS.setStyleSheetText", &[Class::EVALUATE]),
    ("CSS.setStyleTexts", &[Class::EVALUATE]),
    ("CSS.setSupportsText", &[Class::EVALUATE]),
    ("CSS.*", &[Class::READ]),
    ("Animation.*", &[Class::EVALUATE]),
    // Files.
    ("DOM.setFileInputFiles", &[Class::INPUT, Class::UPLOAD]),
    ("Page.handleFileChooser", &[Class::INPUT, Class::UPLOAD]),
    ("Page.setInterceptFileChooserDialog", &[Class::UPLOAD]),
    ("Browser.setDownloadBehavior", &[Class::DOWNLOAD]),
    ("Page.setDownloadBehavior", &[Class::DOWNLOAD]),
    ("Browser.cancelDownload", &[Class::DOWNLOAD]),
    ("Network.loadNetworkResource", &[Class::READ, Class::DOWNLOAD]),
    // What sites keep.
    ("Storage.*", &[Class::STORAGE]),
    ("Storage.getCookies", &[Class::STORAGE, Class::READ, Class::CREDENTIALS]),
    ("Storage.getTrustTokens", &[Class::STORAGE, Class::READ, Class::CREDENTIALS]),
    ("Storage.setCookies", &[Class::STORAGE, Class::CREDENTIALS]),
    ("Network.getCookies", &[Class::STORAGE, Class::READ, Class::CREDENTIALS]),
    ("Network.getAllCookies", &[Class::STORAGE, Class::READ, Class::CREDENTIALS]),
    ("Network.setCookie", &[Class::STORAGE, Class::CREDENTIALS]),
    ("Network.setCookies", &[Class::STORAGE, Class::CREDENTIALS]),
    ("Network.deleteCookies", &[Class::STORAGE]),
    ("Network.clearBrowserCookies", &[Class::STORAGE]),
    ("Network.clearBrowserCache", &[Class::STORAGE]),
    ("Page.getCookies", &[Class::STORAGE, Class::READ, Class::CREDENTIALS]),
    ("Page.deleteCookie", &[Class::STORAGE]),
    ("DOMStorage.*", &[Class::STORAGE]),
    ("IndexedDB.*", &[Class::STORAGE]),
    ("CacheStorage.*", &[Class::STORAGE]),
    ("FileSystem.*", &[Class::STORAGE, Class::READ]),
    ("ServiceWorker.*", &[Class::STORAGE, Class::SETTINGS]),
    ("BackgroundService.*", &[Class::STORAGE, Class::READ]),
    // The network and the browser's behaviour.
    ("Fetch.continueWithAuth", &[Class::SETTINGS, Class::CREDENTIALS]),
    ("Fetch.getResponseBody", &[Class::READ]),
    ("Fetch.takeResponseBodyAsStream", &[Class::READ]),
    ("Fetch.*", &[Class::SETTINGS]),
    ("Network.setExtraHTTPHeaders", &[Class::SETTINGS, Class::CREDENTIALS]),
    ("Network.emulateNetworkConditions", &[Class::SETTINGS]),
    ("Network.emulateNetworkConditionsByRule", &[Class::SETTINGS]),
    ("Network.overrideNetworkState", &[Class::SETTINGS]),
    ("Network.setUserAgentOverride", &[Class::SETTINGS]),
    ("Network.setBlockedURLs", &[Class::SETTINGS]),
    ("Network.setBypassServiceWorker", &[Class::SETTINGS]),
    ("Network.setCacheDisabled", &[Class::SETTINGS]),
    ("Network.setCookieControls", &[Class::SETTINGS]),
    ("Network.setRequestInterception", &[Class::SETTINGS]),
    ("Network.continueInterceptedRequest", &[Class::SETTINGS]),
    ("Network.replayXHR", &[Class::SUBMIT]),
    ("Network.*", &[Class::READ]),
    ("Emulation.canEmulate", &[Class::READ]),
    ("Emulation.*", &[Class::SETTINGS]),
    ("Security.enable", &[Class::READ]),
    ("Security.disable", &[Class::READ]),
    ("Security.*", &[Class::SETTINGS]),
    ("Browser.getVersion", &[Class::READ]),
    ("Browser.getWindowForTarget", &[Class::READ]),
    ("Browser.getWindowBounds", &[Class::READ]),
    ("Browser.getHistogram", &[Class::READ]),
    ("Browser.getHistograms", &[Class::READ]),
    ("Browser.getBrowserCommandLine", &[Class::READ]),
    ("Browser.*", &[Class::SETTINGS]),
    ("Extensions.*", &[Class::SETTINGS]),
    ("PWA.*", &[Class::SETTINGS]),
    ("Tethering.*", &[Class::SETTINGS]),
    ("Cast.*", &[Class::SETTINGS]),
    ("Target.setDiscoverTargets", &[Class::READ]),
    ("Target.getTargets", &[Class::READ]),
    ("Target.getTargetInfo", &[Class::READ]),
    ("Target.getBrowserContexts", &[Class::READ]),
    ("Target.attachToTarget", &[Class::READ]),
    ("Target.attachToBrowserTarget", &[Class::READ]),
    ("Target.autoAttachRelated", &[Class::READ]),
    ("Target.detachFromTarget", &[Class::READ]),
    ("Target.setAutoAttach", &[Class::READ]),
    ("Target.createBrowserContext", &[Class::SETTINGS]),
    ("Target.disposeBrowserContext", &[Class::SETTINGS]),
    // Looking.
    ("Page.captureScreenshot", &[Class::READ]),
    ("Page.captureSnapshot", &[Class::READ]),
    ("Page.printToPDF", &[Class::READ]),
    ("Page.createIsolatedWorld", &[Class::READ]),
    ("Page.enable", &[Class::READ]),
    ("Page.disable", &[Class::READ]),
    ("Page.getAppManifest", &[Class::READ]),
    ("Page.getFrameTree", &[Class::READ]),
    ("Page.getLayoutMetrics", &[Class::READ]),
    ("Page.getNavigationHistory", &[Class::READ]),
    ("Page.getResourceContent", &[Class::READ]),
    ("Page.getResourceTree", &[Class::READ]),
    ("Page.searchInResource", &[Class::READ]),
    ("Page.removeScriptToEvaluateOnNewDocument", &[Class::READ]),
    ("Page.setLifecycleEventsEnabled", &[Class::READ]),
    ("Page.startScreencast", &[Class::READ]),
    ("Page.stopScreencast", &[Class::READ]),
    ("Page.screencastFrameAck", &[Class::READ]),
    ("Page.*", &[Class::SETTINGS]),
    ("Accessibility.*", &[Class::READ]),
    ("Audits.*", &[Class::READ]),
    ("DOMSnapshot.*", &[Class::READ]),
    ("EventBreakpoints.*", &[Class::READ]),
    ("HeapProfiler.*", &[Class::READ]),
    ("IO.*", &[Class::READ]),
    ("Inspector.*", &[Class::READ]),
    ("LayerTree.*", &[Class::READ]),
    ("Log.*", &[Class::READ]),
    ("Console.*", &[Class::READ]),
    ("Media.*", &[Class::READ]),
    ("Memory.*", &[Class::READ]),
    ("Overlay.*", &[Class::READ]),
    ("Performance.*", &[Class::READ]),
    ("PerformanceTimeline.*", &[Class::READ]),
    ("Preload.*", &[Class::READ]),
    ("Profiler.*", &[Class::READ]),
    ("Schema.*", &[Class::READ]),
    ("SystemInfo.*", &[Class::READ]),
    ("Tracing.*", &[Class::READ]),
    ("WebAudio.*", &[Class::READ]),
];

static METHODS: LazyLock<HashMap<&str, &[Class]>> = LazyLock::new(|| TABLE.iter().copied().collect());
static DOMAINS: LazyLock<HashMap<&str, &[Class]>> = LazyLock::new(|| {
    TABLE.iter().filter_map(|(name, classes)| Some((name.strip_suffix(".*")?, *classes))).collect()
});

/// What a message is for. Parameters can only add to what its method is.
pub fn classes(method: &str, params: &Value) -> Vec<Class> {
    let domain = method.split_once('.').map_or(method, |(domain, _)| domain);
    let listed = METHODS.get(method).or_else(|| DOMAINS.get(domain));
    let mut classes = listed.map_or_else(|| vec![Class::OTHER], |classes| classes.to_vec());
    // Enter in a form, and an address that is a script.
    if method == "Input.dispatchKeyEvent" && params["type"] != "keyUp" {
        let enter = params["key"] == "Enter"
            || params["code"] == "Enter"
            || params["code"] == "NumpadEnter"
            || params["windowsVirtualKeyCode"] == 13
            || params["text"].as_str().is_some_and(|text| text.contains(['\r', '\n']));
        if enter {
            classes.push(Class::SUBMIT);
        }
    }
    let script = |place: Place| matches!(&place, Place::Opaque(text) if text == "javascript:");
    if leads_to(method, params).is_some_and(script) {
        classes.push(Class::EVALUATE);
    }
    classes
}

/// Where a message leads, if it leads somewhere.
pub fn leads_to(method: &str, params: &Value) -> Option<Place> {
    if !matches!(method, "Page.navigate" | "Target.createTarget") {
        return None;
    }
    match params["url"].as_str() {
        // An empty address opens an empty tab.
        Some("") | None if method == "Target.createTarget" => Some(Place::of("about:blank")),
        Some(url) => Some(Place::of(url)),
        None => Some(Place::Unknown),
    }
}

/// What a message types.
pub fn types(method: &str, params: &Value) -> Option<String> {
    let text = match method {
        "Input.insertText" | "Input.imeSetComposition" | "Input.dispatchKeyEvent" => &params["text"],
        "Page.handleJavaScriptDialog" => &params["promptText"],
        _ => return None,
    };
    text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The action that a message is, sent to a page at `page`; nothing for the browser itself.
pub fn action(actor: Actor, method: &str, params: Value, page: Option<Place>) -> Action {
    let mut action = Action::new(actor, method).classes(classes(method, &params));
    action.places.extend(page);
    action.places.extend(leads_to(method, &params));
    action.texts.extend(types(method, &params));
    action.arguments = params;
    action
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_method_stands_twice_and_each_line_is_a_method_or_a_domain() {
        assert_eq!(METHODS.len(), TABLE.len());
        assert!(TABLE.iter().all(|(name, classes)| name.split('.').count() == 2 && !classes.is_empty()));
    }

    #[test]
    fn a_method_has_the_classes_of_what_it_does() {
        for (method, params, wanted) in [
            ("Input.insertText", json!({}), vec![Class::INPUT]),
            (
                "Input.dispatchKeyEvent",
                json!({ "type": "keyDown", "key": "Enter" }),
                vec![Class::INPUT, Class::SUBMIT],
            ),
            ("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": "Enter" }), vec![Class::INPUT]),
            ("Page.navigate", json!({ "url": "https://a.example" }), vec![Class::NAVIGATE]),
            (
                "Page.navigate",
                json!({ "url": "javascript:alert(1)" }),
                vec![Class::NAVIGATE, Class::EVALUATE],
            ),
            ("DOM.setFileInputFiles", json!({}), vec![Class::INPUT, Class::UPLOAD]),
            ("Network.getCookies", json!({}), vec![Class::STORAGE, Class::READ, Class::CREDENTIALS]),
            ("Accessibility.getFullAXTree", json!({}), vec![Class::READ]),
            ("Page.setSomethingNew", json!({}), vec![Class::SETTINGS]),
            ("Brandnew.method", Value::Null, vec![Class::OTHER]),
            ("nonsense", json!([1]), vec![Class::OTHER]),
        ] {
            assert_eq!(classes(method, &params), wanted, "{method} {params}");
        }
    }

    #[test]
    fn a_navigation_is_at_its_page_and_where_it_leads() {
        let actor = Actor {
            id: crate::base::ActorId::new("bot").expect("an id"),
            name: "bot".into(),
            role: crate::base::Role::Agent,
            colour: None,
        };
        let page = Some(Place::of("https://a.example/x"));
        let go = |params| action(actor.clone(), "Page.navigate", params, page.clone()).places;
        assert_eq!(go(json!({ "url": "https://b.example" }))[1], Place::of("https://b.example"));
        assert_eq!(go(json!({ "url": "b.example" }))[1], Place::Unknown);
        assert_eq!(go(json!({}))[1], Place::Unknown);
        let typed = action(actor, "Input.insertText", json!({ "text": "hi" }), page);
        assert_eq!((typed.texts, typed.places.len()), (vec!["hi".to_owned()], 1));
    }
}
