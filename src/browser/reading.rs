//! Reading elements without touching them, and an agent's own function over
//! several of them.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Locator;
use super::fault::ActError;
use super::frames::read;
use super::tabs::Tab;
use crate::floor::FloorPermit;

/// What can be asked of an element.
pub const FACTS: [&str; 11] = [
    "textContent",
    "innerText",
    "innerHTML",
    "inputValue",
    "attribute",
    "visible",
    "enabled",
    "editable",
    "checked",
    "box",
    "card",
];
/// Elements that one function may be given.
const MOST: usize = 200;

/// What was asked of all elements that match, in the order of the page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ElementFacts {
    error: Option<String>,
    pub values: Vec<Value>,
    /// The first of several, in words.
    pub matches: Vec<String>,
}

/// What people are told of an element that an agent wants to act on.
#[derive(Clone, Debug, Deserialize)]
pub struct Card {
    pub role: String,
    pub name: String,
    /// What is typed into it is for nobody's eyes.
    #[serde(default)]
    pub secret: bool,
    /// A click on it sends its form.
    #[serde(default)]
    pub submits: bool,
    /// Tells it from all other elements, also of later documents.
    pub mark: String,
    /// Where it is in its frame.
    #[serde(rename = "box")]
    pub at: Option<CardBox>,
}

/// A place in CSS pixels.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct CardBox {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// What lies at a place of a page.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub struct ElementAt {
    #[serde(rename = "ref")]
    pub reference: String,
    pub role: String,
    pub name: String,
    #[serde(skip_serializing)]
    last: u64,
}

impl Tab {
    /// What lies at a place of the window; what is inside of frames is the frame.
    pub async fn element_at(&self, x: f64, y: f64) -> Result<Option<ElementAt>, ActError> {
        self.ready().await?;
        let start = self.last_ref.load(Ordering::Acquire);
        let argument = json!({ "x": x, "y": y, "start": start });
        let found: Option<ElementAt> = self.call(&self.top(), "elementAt", &argument).await?;
        if let Some(found) = &found {
            self.last_ref.fetch_max(found.last, Ordering::AcqRel);
        }
        Ok(found)
    }

    /// Asks one of [`FACTS`] of all elements that match. Changes nothing.
    pub async fn facts(&self, locator: &Locator, what: &str, name: &str) -> Result<ElementFacts, ActError> {
        if !FACTS.contains(&what) {
            return Err(ActError::Refused(format!("{what} is not known of elements")));
        }
        self.ready().await?;
        let Ok((mut place, target)) = self.enter(locator).await? else {
            return Ok(ElementFacts::default());
        };
        let argument = json!({ "locator": target, "what": what, "name": name });
        let mut facts: ElementFacts = self.call(&place, "facts", &argument).await?;
        if let Some(reason) = facts.error.take() {
            return Err(ActError::Locator { locator: locator.to_string(), reason });
        }
        if what == "box" {
            #[derive(Deserialize)]
            struct Holder {
                x: f64,
                y: f64,
            }
            while let Some((parent, object)) = self.owner(&place).await? {
                let frame: Holder = self.call_on(&parent, &object, "frameBox", &[false.into()]).await?;
                for value in facts.values.iter_mut().filter(|value| value.is_object()) {
                    value["x"] = (value["x"].as_f64().unwrap_or_default() + frame.x).into();
                    value["y"] = (value["y"].as_f64().unwrap_or_default() + frame.y).into();
                }
                place = parent;
            }
        }
        Ok(facts)
    }

    /// What people are told of the one element that matches; none or several are no card.
    pub async fn card(&self, locator: &Locator) -> Result<Option<Card>, ActError> {
        let facts = self.facts(locator, "card", "").await?;
        let [one] = facts.values.as_slice() else { return Ok(None) };
        Ok(serde_json::from_value(one.clone()).ok())
    }

    /// Tells the page's document from every other.
    pub async fn document_mark(&self) -> Result<String, ActError> {
        self.ready().await?;
        self.call(&self.top(), "documentMark", &Value::Null).await
    }

    /// The page's document as HTML.
    pub async fn html(&self) -> Result<String, ActError> {
        self.ready().await?;
        let value = self.in_own_world("document.documentElement?.outerHTML ?? ''").await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page's document is parsed, or has loaded all that belongs to it.
    pub async fn until_loaded(&self, whole: bool, deadline: Instant) -> Result<(), ActError> {
        self.arrival(deadline).await?;
        let mut attempt = 1;
        loop {
            let state = self.in_own_world("document.readyState").await;
            match state.as_ref().map(Value::as_str) {
                Ok(Some("complete")) => return Ok(()),
                Ok(Some("interactive")) if !whole => return Ok(()),
                Err(error) if !error.is_gone() => return Err(error.clone()),
                _ if Instant::now() >= deadline => {
                    return Err(ActError::Refused("the page was not loaded in time".into()));
                }
                _ => super::frames::pause(attempt, deadline).await,
            }
            attempt = (attempt + 1).min(4);
        }
    }

    async fn in_own_world(&self, expression: &str) -> Result<Value, ActError> {
        let top = self.top();
        let context = self.world(&top).await?.context;
        let params = json!({ "expression": expression, "contextId": context, "returnByValue": true });
        let value = self.run(&top, "Runtime.evaluate", &params).await?;
        Ok(read("Runtime.evaluate", value.get())?)
    }

    /// Runs a function of the agent's in the page's own world with all
    /// elements that match as its first argument. Returns its value.
    pub async fn evaluate_all(
        &self,
        permit: &FloorPermit,
        function: &str,
        locator: &Locator,
        argument: &Value,
        deadline: Instant,
    ) -> Result<Value, ActError> {
        self.ready().await?;
        let (count, _) = self.count(locator).await?;
        if count > MOST {
            return Err(ActError::Refused(format!(
                "{locator} matches {count} elements; evaluateAll takes at most {MOST}"
            )));
        }
        let mut place = self.top();
        let mut arguments = vec![json!({ "value": argument })];
        for n in 0..count {
            let nth = locator.nth(n).map_err(|error| ActError::Refused(error.to_string()))?;
            let (found, object) = self.in_page_world(&nth).await?;
            place = found;
            arguments.push(json!({ "objectId": object }));
        }
        permit.check()?;
        let source = function.trim();
        let method = "Runtime.callFunctionOn";
        let mut params = json!({
            "functionDeclaration": format!("function(argument, ...elements) {{ return ({source}\n)(elements, argument); }}"),
            "arguments": arguments, "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        if let Some(object) = arguments.get(1).and_then(|element| element.get("objectId")) {
            params["objectId"] = object.clone();
        }
        let done = async {
            match count {
                0 => {
                    let expression = format!("({source}\n)([], {argument})");
                    let params =
                        json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
                    self.run(&place, "Runtime.evaluate", &params).await
                }
                _ => self.run(&place, method, &params).await,
            }
        };
        let value = tokio::time::timeout_at(deadline, done)
            .await
            .map_err(|_| ActError::Refused("the function did not return in time".into()))??;
        Ok(read(method, value.get())?)
    }
}
