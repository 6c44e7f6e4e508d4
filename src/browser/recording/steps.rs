//! What a person did, step by step, and the Playwright code of it. Pure:
//! bounded in count and bytes; what follows one another as one act becomes one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Steps of one recording, and bytes of their code. Beyond them it says so and takes no more.
const MOST: usize = 500;
const MOST_BYTES: usize = 64 << 10;
/// Stands for every secret.
const SECRET: &str = "process.env.SECRET";
/// The clicks of a double click come within this many milliseconds.
const DOUBLE: f64 = 1000.0;

/// What the script in a page tells.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Told {
    pub at: f64,
    pub action: String,
    pub locator: Option<String>,
    pub to: Option<String>,
    pub value: Option<String>,
    pub values: Vec<String>,
    pub secret: bool,
    pub modifiers: Vec<String>,
    pub button: Option<String>,
}

/// One step, as it is answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedStep {
    /// `click`, `fill`, `goto` and so on: the name of Playwright's method.
    pub action: String,
    /// The name of the page in the code.
    pub page: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locator: Option<String>,
    /// What was filled in, pressed, chosen or gone to; a secret only as a placeholder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    pub code: String,
    #[serde(skip)]
    at: f64,
    #[serde(skip)]
    tab: String,
}

/// The steps so far.
#[derive(Default)]
pub(super) struct Steps {
    steps: Vec<RecordedStep>,
    /// The names of the tabs in the code.
    names: BTreeMap<String, Name>,
    bytes: usize,
    pub full: bool,
}

struct Name {
    name: String,
    /// How the code gets at a tab that was there before; nothing when it has it.
    from: Option<usize>,
}

impl Steps {
    /// A tab that is there as the recording begins; the first of them is `page`.
    pub fn knows(&mut self, tab: &str, at: usize, is_first: bool) {
        let name = if is_first { "page".to_owned() } else { format!("page{}", self.names.len().max(1)) };
        self.names.insert(tab.to_owned(), Name { name, from: (!is_first).then_some(at) });
    }

    pub fn is_known(&self, tab: &str) -> bool {
        self.names.contains_key(tab)
    }

    pub fn list(&self) -> &[RecordedStep] {
        &self.steps
    }

    /// Something was done in the page of this tab since then.
    pub fn touched_since(&self, tab: &str, at: f64) -> bool {
        let in_page = |step: &RecordedStep| step.tab == tab && step.locator.is_some();
        self.steps.iter().rev().take(5).any(|step| in_page(step) && step.at >= at)
    }

    /// Something was done in a page. `frame` is the code of the frame that it was in.
    pub fn add(&mut self, tab: &str, frame: Option<&str>, told: Told) {
        let inside = |code: &str| match frame {
            Some(frame) => format!("{frame}.contentFrame().{code}"),
            None => code.to_owned(),
        };
        let locator = told.locator.as_deref().map(inside);
        let secret = |value: Value| if told.secret { Value::from(SECRET) } else { value };
        let literal = |value: &Value| if told.secret { SECRET.to_owned() } else { value.to_string() };
        let files = || match told.values.as_slice() {
            [one] => Value::from(one.as_str()),
            many => Value::from(many.to_vec()),
        };
        let (method, value, argument) = match told.action.as_str() {
            "click" | "dblclick" => {
                let mut options = Vec::new();
                if let Some(button) = &told.button {
                    options.push(format!("button: {}", Value::from(button.as_str())));
                }
                if !told.modifiers.is_empty() {
                    options.push(format!("modifiers: {}", Value::from(told.modifiers.clone())));
                }
                let options =
                    if options.is_empty() { String::new() } else { format!("{{ {} }}", options.join(", ")) };
                (told.action.clone(), None, options)
            }
            "check" | "uncheck" => (told.action.clone(), None, String::new()),
            "fill" => {
                let value = Value::from(told.value.clone().unwrap_or_default());
                let code = literal(&value);
                ("fill".into(), Some(secret(value)), code)
            }
            "press" => {
                let value = Value::from(told.value.clone().unwrap_or_default());
                let code = value.to_string();
                ("press".into(), Some(value), code)
            }
            "select" => {
                let code = literal(&files());
                ("selectOption".into(), Some(secret(files())), code)
            }
            "files" => ("setInputFiles".into(), Some(files()), files().to_string()),
            "drag" => {
                let to = inside(told.to.as_deref().unwrap_or_default());
                let page = self.name(tab, told.at);
                ("dragTo".into(), Some(Value::from(to.as_str())), format!("{page}.{to}"))
            }
            _ => return,
        };
        self.merge(tab, &method, locator.as_deref(), &told);
        let page = self.name(tab, told.at);
        let on = match &locator {
            Some(locator) => format!("{page}.{locator}"),
            None if method == "press" => format!("{page}.keyboard"),
            None => return,
        };
        let code = format!("await {on}.{method}({argument});");
        self.push(RecordedStep {
            action: method,
            page,
            locator: locator.or_else(|| Some("keyboard".into())),
            value,
            code,
            at: told.at,
            tab: tab.to_owned(),
        });
    }

    /// Takes away what the next step says once more.
    fn merge(&mut self, tab: &str, method: &str, locator: Option<&str>, told: &Told) {
        let same = |step: &RecordedStep, action: &str| {
            step.tab == tab && step.action == action && step.locator.as_deref() == locator
        };
        match method {
            "fill" | "selectOption" if self.steps.last().is_some_and(|last| same(last, method)) => {
                self.pop();
            }
            "dblclick" => {
                for _ in 0..2 {
                    let is_part = |last: &RecordedStep| same(last, "click") && told.at - last.at < DOUBLE;
                    if self.steps.last().is_some_and(is_part) {
                        self.pop();
                    }
                }
            }
            _ => {}
        }
    }

    /// Something was done to a tab: `goto`, `goBack`, `bringToFront`, `close` and so on.
    pub fn add_tab_act(&mut self, tab: &str, at: f64, method: &str, argument: Option<&str>) {
        let page = self.name(tab, at);
        let value = argument.map(Value::from);
        let code = format!(
            "await {page}.{method}({});",
            value.as_ref().map(ToString::to_string).unwrap_or_default()
        );
        // Keys that were typed into the address bar lead to one place.
        if method == "goto"
            && self.steps.last().is_some_and(|last| {
                last.tab == tab && last.action == "goto" && last.value == value && at - last.at < DOUBLE
            })
        {
            return;
        }
        let action = method.to_owned();
        self.push(RecordedStep { action, page, locator: None, value, code, at, tab: tab.to_owned() });
    }

    /// A tab was opened, by hand or by the last act in its opener.
    pub fn add_tab(&mut self, tab: &str, opener: Option<&str>, at: f64) {
        let name = format!("page{}", self.names.len().max(1));
        self.names.insert(tab.to_owned(), Name { name: name.clone(), from: None });
        let cause = opener.and_then(|opener| {
            let last = self.steps.last_mut()?;
            (last.tab == opener && last.locator.is_some() && at - last.at < 5000.0).then_some(last)
        });
        if let Some(last) = cause {
            let before = last.code.len();
            last.code = format!(
                "const {name}Promise = {}.waitForEvent('popup');\n{}\nconst {name} = await {name}Promise;",
                last.page, last.code
            );
            self.bytes += last.code.len() - before;
            return;
        }
        let code = format!("const {name} = await page.context().newPage();");
        self.push(RecordedStep {
            action: "newPage".into(),
            page: name,
            locator: None,
            value: None,
            code,
            at,
            tab: tab.to_owned(),
        });
    }

    /// A dialog was answered; what answers it comes before the act that opened it.
    pub fn add_dialog(&mut self, tab: &str, accepted: bool, text: &str) {
        let Some(last) = self.steps.last_mut().filter(|last| last.tab == tab) else { return };
        let answer = match (accepted, text) {
            (true, "") => "accept()".to_owned(),
            (true, text) => format!("accept({})", Value::from(text)),
            (false, _) => "dismiss()".to_owned(),
        };
        let before = last.code.len();
        last.code = format!("{}.once('dialog', dialog => dialog.{answer});\n{}", last.page, last.code);
        self.bytes += last.code.len() - before;
    }

    /// The name of a tab in the code; one that was there before is fetched with its first use.
    fn name(&mut self, tab: &str, at: f64) -> String {
        if !self.names.contains_key(tab) {
            self.add_tab(tab, None, at);
        }
        let Some(known) = self.names.get_mut(tab) else { return "page".into() };
        let name = known.name.clone();
        if let Some(from) = known.from.take() {
            let code = format!("const {name} = page.context().pages()[{from}];");
            let action = "pages".to_owned();
            let (page, tab) = (name.clone(), tab.to_owned());
            self.push(RecordedStep { action, page, locator: None, value: None, code, at, tab });
        }
        name
    }

    fn push(&mut self, step: RecordedStep) {
        if self.full || self.steps.len() >= MOST || self.bytes + step.code.len() > MOST_BYTES {
            self.full = true;
            return;
        }
        self.bytes += step.code.len();
        self.steps.push(step);
    }

    fn pop(&mut self) {
        if let Some(step) = self.steps.pop() {
            self.bytes -= step.code.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Steps {
        let mut steps = Steps::default();
        steps.knows("a", 0, true);
        steps.knows("b", 1, false);
        steps
    }

    fn told(action: &str, locator: &str, value: Option<&str>) -> Told {
        Told {
            action: action.into(),
            locator: Some(locator.into()),
            value: value.map(str::to_owned),
            ..Told::default()
        }
    }

    fn code(steps: &Steps) -> Vec<&str> {
        steps.list().iter().map(|step| step.code.as_str()).collect()
    }

    #[test]
    fn what_is_one_act_is_one_step() {
        let mut steps = steps();
        steps.add("a", None, told("fill", "getByLabel('Name')", Some("A")));
        steps.add("a", None, told("fill", "getByLabel('Name')", Some("Ada \"L\"")));
        for action in ["click", "click", "dblclick"] {
            steps.add("a", None, told(action, "getByText('x')", None));
        }
        assert_eq!(
            code(&steps),
            [r#"await page.getByLabel('Name').fill("Ada \"L\"");"#, "await page.getByText('x').dblclick();"]
        );
    }

    #[test]
    fn a_secret_is_only_a_placeholder() {
        let mut steps = steps();
        let secret = Told { secret: true, ..told("fill", "getByLabel('Password')", None) };
        steps.add("a", None, secret);
        assert_eq!(code(&steps), ["await page.getByLabel('Password').fill(process.env.SECRET);"]);
    }

    #[test]
    fn frames_tabs_and_popups_are_in_the_code() {
        let mut steps = steps();
        steps.add("a", Some("locator('iframe')"), told("click", "getByText('y')", None));
        steps.add_tab("c", Some("a"), 10.0);
        steps.add("b", None, told("press", "getByLabel('q')", Some("Enter")));
        steps.add_tab_act("c", 20.0, "close", None);
        assert_eq!(
            code(&steps),
            [
                "const page2Promise = page.waitForEvent('popup');\nawait page.locator('iframe').contentFrame().getByText('y').click();\nconst page2 = await page2Promise;",
                "const page1 = page.context().pages()[1];",
                "await page1.getByLabel('q').press(\"Enter\");",
                "await page2.close();",
            ]
        );
    }

    #[test]
    fn a_recording_is_bounded_and_says_when_it_is_full() {
        let mut steps = steps();
        for n in 0..MOST + 10 {
            steps.add("a", None, told("click", &format!("getByText('{n}')"), None));
        }
        assert!(steps.full && steps.list().len() == MOST);
        let mut steps = self::steps();
        for n in 0..20 {
            steps.add("a", None, told("fill", &n.to_string(), Some(&"x".repeat(10_000))));
        }
        assert!(steps.full && steps.bytes <= MOST_BYTES);
    }
}
