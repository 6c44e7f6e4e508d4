//! What a program's page can do: each call by the code that is behind the
//! tools too, so that the floor, the waits and the refusals are the same.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::agents::answer::Fault;
use crate::agents::call::{ACT, Call, PAGE, locator, within};
use crate::agents::tools::files;
use crate::base::{Size, ToolGroup};
use crate::browser::{
    self, ActError, Acting, Click, Done, KeyError, Locator, Picture, PointerButton, Scale, Shot, Stroke, Tab,
    address,
};
use crate::policy::SecretName;

/// A picture that a program took, base64 with its type, goes into the answer.
pub(super) type Taken = Option<(String, &'static str)>;

/// One call of a program.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Asked {
    pub id: u64,
    /// The line of the program; 0 when it is not known.
    #[serde(default)]
    pub line: u32,
    pub method: String,
    tab: Option<String>,
    #[serde(default)]
    args: Value,
}

#[derive(Deserialize)]
struct Timed {
    timeout: Option<f64>,
}

#[derive(Deserialize)]
struct Clicked {
    button: Option<Named>,
    #[serde(default)]
    double: bool,
    #[serde(default)]
    modifiers: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Named {
    Left,
    Middle,
    Right,
}

#[derive(Deserialize)]
struct Read {
    what: String,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Moused {
    act: String,
    #[serde(default)]
    x: f64,
    #[serde(default)]
    y: f64,
    button: Option<Named>,
    count: Option<u32>,
}

#[derive(Deserialize)]
struct Evaluated {
    function: String,
    #[serde(default)]
    argument: Value,
}

#[derive(Deserialize)]
struct Given {
    name: String,
    base64: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pictured {
    #[serde(rename = "type")]
    kind: Option<String>,
    path: Option<String>,
    #[serde(default)]
    full_page: bool,
}

impl From<Named> for PointerButton {
    fn from(named: Named) -> Self {
        match named {
            Named::Left => PointerButton::Left,
            Named::Middle => PointerButton::Middle,
            Named::Right => PointerButton::Right,
        }
    }
}

impl Asked {
    fn args<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(&self.args).map_err(|error| Fault::argument(format!("{}: {error}", self.method)))
    }

    fn text(&self, name: &str) -> Result<&str, Fault> {
        let text = self.args.get(name).and_then(Value::as_str);
        text.ok_or_else(|| Fault::argument(format!("{}: {name} is a text", self.method)))
    }

    fn number(&self, name: &str) -> Result<f64, Fault> {
        let number = self.args.get(name).and_then(Value::as_f64);
        number.ok_or_else(|| Fault::argument(format!("{}: {name} is a number", self.method)))
    }

    fn locator(&self) -> Result<Locator, Fault> {
        locator(self.text("locator")?)
    }

    /// How long it may take: as it says, within bounds.
    fn deadline(&self, usual: Duration) -> Instant {
        let said = Timed::deserialize(&self.args).ok().and_then(|timed| timed.timeout);
        let said = said.filter(|ms| ms.is_finite() && *ms > 0.0);
        within(said.map_or(usual, |ms| Duration::from_secs_f64(ms / 1000.0).min(PAGE)))
    }

    fn is_filling(&self) -> bool {
        matches!(
            self.method.as_str(),
            "fill" | "type" | "check" | "select" | "files" | "press" | "insertText"
        )
    }

    /// The tab that it speaks of; the agent works there from now on.
    pub async fn tab(&self, call: &mut Call) -> Result<Arc<Tab>, Fault> {
        let current = call.tab().await?;
        let Some(target) = self.tab.as_deref().filter(|target| *target != current.target()) else {
            return Ok(current);
        };
        let tab = call.browser.tab(target).filter(|tab| tab.is_open());
        let tab = tab.ok_or_else(|| Fault::new("closed", "the page was closed"))?;
        call.choose(Arc::clone(&tab)).await;
        Ok(tab)
    }

    /// Does it, and gives what the program gets for it.
    pub async fn carry_out(&self, call: &mut Call, taken: &mut Taken) -> Result<Value, Fault> {
        if self.is_filling() {
            call.note_fields().await;
        }
        let done = self.dispatch(call, taken).await;
        if self.is_filling()
            && let Ok(watch) = call.watch().await
        {
            let _ = tokio::time::timeout(ACT, watch.forget_fields()).await;
        }
        done
    }

    async fn dispatch(&self, call: &mut Call, taken: &mut Taken) -> Result<Value, Fault> {
        match self.method.as_str() {
            "wait" => {
                let ms = self.number("ms")?.clamp(0.0, 60_000.0);
                tokio::time::sleep(Duration::from_secs_f64(ms / 1000.0)).await;
                Ok(Value::Null)
            }
            "look" => Ok(Value::Null),
            "tabs" => {
                let tabs = call.browser.look_at_tabs().await;
                Ok(tabs.iter().map(listed).collect())
            }
            "read" | "readNow" | "readAll" => self.read(call).await,
            "waitFor" => self.wait_for(call).await,
            "loaded" => self.loaded(call).await,
            "content" => Ok(self.tab(call).await?.html().await?.into()),
            "cookies" => self.cookies(call).await,
            "screenshot" => self.picture(call, taken).await,
            "highlight" => {
                self.tab(call).await?.highlight(&self.locator()?, browser::Colour::default()).await?;
                Ok(Value::Null)
            }
            "goto" | "history" | "reload" | "front" | "close" | "newPage" | "resize" => self.go(call).await,
            "evaluate" | "evaluateAll" | "blur" => self.evaluate(call).await,
            _ => self.act(call).await,
        }
    }

    /// Acts on an element, or with the keyboard and the mouse.
    async fn act(&self, call: &mut Call) -> Result<Value, Fault> {
        let files = match self.method.as_str() {
            "files" => given_files(call, self.args.get("files").cloned().unwrap_or_default())?,
            _ => Vec::new(),
        };
        let tab = self.tab(call).await?;
        let on = self.args.get("locator").and_then(Value::as_str).map(locator).transpose()?;
        let element =
            || on.as_ref().ok_or_else(|| Fault::argument(format!("{} needs a locator", self.method)));
        let deadline = self.deadline(ACT);
        let held = call.floor().await?;
        call.session.say(self.in_words());
        let shown = call.shown();
        let acting = Acting { tab: &tab, permit: held.permit(), observer: &shown, deadline };
        let stroke = |key: &str| -> Result<Stroke, Fault> {
            key.parse().map_err(|error: KeyError| Fault::argument(error.to_string()))
        };
        let _: Done = match self.method.as_str() {
            "click" => {
                let clicked: Clicked = self.args()?;
                let button = clicked.button.unwrap_or(Named::Left).into();
                let click = Click { button, double: clicked.double, modifiers: clicked.modifiers };
                acting.click(element()?, &click).await?
            }
            "tap" => acting.tap(element()?).await?,
            "fill" => call.fill(&acting, element()?, self.text("text")?).await?,
            "type" | "insertText" if SecretName::meant_by(self.text("text")?).is_some() => {
                return Err(Fault::argument("a secret is not typed key by key; use fill() with it"));
            }
            "type" => match &on {
                Some(on) => acting.press_sequentially(on, self.text("text")?).await?,
                None => {
                    acting.type_text(self.text("text")?).await?;
                    return Ok(Value::Null);
                }
            },
            "insertText" => {
                acting.insert(self.text("text")?).await?;
                return Ok(Value::Null);
            }
            "press" => {
                let stroke = stroke(self.text("key")?)?;
                if let Some(on) = &on {
                    acting.focus(on).await?;
                }
                acting.press(&stroke).await?
            }
            "check" => {
                let checked = self.args.get("checked").and_then(Value::as_bool).unwrap_or(true);
                acting.set_checked(element()?, checked).await?
            }
            "select" => {
                #[derive(Deserialize)]
                struct Chosen {
                    values: Vec<String>,
                }
                acting.select(element()?, &self.args::<Chosen>()?.values).await?
            }
            "hover" => acting.hover(element()?).await?,
            "focus" => acting.focus(element()?).await?,
            "selectText" => acting.select_text(element()?).await?,
            "scroll" => acting.scroll_into_view(element()?).await?,
            "drag" => acting.drag(element()?, &locator(self.text("to")?)?).await?,
            "files" => acting.upload(element()?, &files).await?,
            "dialog" => {
                let accept = self.args.get("accept").and_then(Value::as_bool).unwrap_or_default();
                let text = self.args.get("text").and_then(Value::as_str);
                acting.answer_dialog(accept, text).await?
            }
            "mouse" => {
                let moused: Moused = self.args()?;
                let button = moused.button.unwrap_or(Named::Left).into();
                let at = (moused.x, moused.y);
                match moused.act.as_str() {
                    "move" => acting.mouse_move(at).await?,
                    "down" => acting.mouse_down(button).await?,
                    "up" => acting.mouse_up(button).await?,
                    "wheel" => acting.mouse_wheel(at.0, at.1).await?,
                    _ => {
                        let count = moused.count.unwrap_or(1).clamp(1, 3);
                        acting.mouse_click(at, button, count, Duration::ZERO).await?
                    }
                }
            }
            other => return Err(Fault::argument(format!("{other} is not known of pages"))),
        };
        drop(held);
        Ok(Value::Null)
    }

    /// What people read of it.
    fn in_words(&self) -> String {
        let on = self.args.get("locator").and_then(Value::as_str).unwrap_or("the page");
        match self.method.as_str() {
            "click" | "tap" => format!("clicks {on}"),
            "fill" | "type" | "insertText" => format!("types into {on}"),
            "press" => "presses a key".to_owned(),
            "check" => format!("ticks {on}"),
            "select" => format!("chooses in {on}"),
            "drag" => format!("drags {on}"),
            "files" => format!("uploads to {on}"),
            "dialog" => "answers a dialog".to_owned(),
            _ => "runs a script".to_owned(),
        }
    }

    async fn go(&self, call: &mut Call) -> Result<Value, Fault> {
        let browser = Arc::clone(&call.browser);
        let checked = |url: &str| address(url).map_err(|error| Fault::new("address", error.to_string()));
        if self.method == "newPage" {
            let held = call.floor().await?;
            call.session.say("opens a tab");
            let target = browser.open_tab(held.permit(), "about:blank").await?;
            let tab = browser.tab(&target);
            let tab = tab.ok_or_else(|| Fault::new("closed", "the tab was closed at once"))?;
            call.choose(Arc::clone(&tab)).await;
            return Ok(json!({ "target": target, "url": tab.url(), "title": "" }));
        }
        let tab = self.tab(call).await?;
        let deadline = self.deadline(PAGE);
        match self.method.as_str() {
            "resize" => {
                let side = |name| Ok::<_, Fault>(self.number(name)?.round().clamp(0.0, 1e6) as u32);
                let size = Size::new(side("width")?, side("height")?)
                    .map_err(|error| Fault::argument(error.to_string()))?;
                let _held = call.floor().await?;
                call.session.seat.resize(size).await.map_err(|why| Fault::new("refused", why))?;
            }
            "goto" => {
                let url = checked(self.text("url")?)?;
                let held = call.floor().await?;
                call.session.say(format!("goes to {url}"));
                let since = std::time::SystemTime::now();
                let went = tab.navigate(held.permit(), &url, deadline).await;
                went.map_err(|error| super::super::go::not_there(call, error, &url, since))?;
            }
            "reload" => {
                let held = call.floor().await?;
                call.session.say("loads the page again");
                tab.navigate(held.permit(), &tab.url(), deadline).await?;
            }
            "history" => {
                let by = self.number("by")?;
                let held = call.floor().await?;
                call.session.say(if by < 0.0 { "goes back" } else { "goes forward" });
                let by = if by < 0.0 { -1 } else { 1 };
                if !tab.go_in_history(held.permit(), by, deadline).await? {
                    return Err(Fault::new("no_history", "there is no page there in the history"));
                }
            }
            "front" => {
                let held = call.floor().await?;
                call.session.say("changes the tab");
                browser.select_tab(held.permit(), &tab).await?;
            }
            _ => {
                let held = call.floor().await?;
                call.session.say("closes a tab");
                browser.close_tab(held.permit(), &tab).await?;
            }
        }
        Ok(Value::Null)
    }

    async fn evaluate(&self, call: &mut Call) -> Result<Value, Fault> {
        let tab = self.tab(call).await?;
        let on = self.args.get("locator").and_then(Value::as_str).map(locator).transpose()?;
        let deadline = self.deadline(PAGE);
        if let Some(on) = on.as_ref().filter(|_| self.method == "evaluate") {
            self.until_there(&tab, on, self.deadline(ACT)).await?;
        }
        let held = call.floor().await?;
        call.session.say("runs a script");
        let Evaluated { function, argument } = match self.method.as_str() {
            "blur" => Evaluated { function: "(el) => el.blur()".into(), argument: Value::Null },
            _ => self.args()?,
        };
        if let Some(on) = on.as_ref().filter(|_| self.method == "evaluateAll") {
            return Ok(tab.evaluate_all(held.permit(), &function, on, &argument, deadline).await?);
        }
        let function = match on {
            Some(_) => format!("(element) => ({function}\n)(element, {argument})"),
            None => format!("() => ({function}\n)({argument})"),
        };
        Ok(tab.evaluate(held.permit(), &function, on.as_ref(), deadline).await?)
    }

    /// Asks of elements; but for `readAll` and `readNow` it waits for one.
    async fn read(&self, call: &mut Call) -> Result<Value, Fault> {
        let (tab, on) = (self.tab(call).await?, self.locator()?);
        let Read { what, name } = self.args()?;
        let name = name.unwrap_or_default();
        if self.method == "read" {
            self.until_there(&tab, &on, self.deadline(ACT)).await?;
        }
        let facts = tab.facts(&on, &what, &name).await?;
        match self.method.as_str() {
            "readAll" => Ok(facts.values.into()),
            _ if facts.values.len() > 1 => Err(ActError::Ambiguous {
                locator: on.to_string(),
                count: facts.values.len(),
                matches: facts.matches,
            }
            .into()),
            _ => Ok(facts.values.into_iter().next().unwrap_or_default()),
        }
    }

    async fn until_there(&self, tab: &Tab, on: &Locator, deadline: Instant) -> Result<(), Fault> {
        self.until(tab, on, deadline, "attached", |count, _| count > 0).await
    }

    async fn until(
        &self,
        tab: &Tab,
        on: &Locator,
        deadline: Instant,
        state: &str,
        so: impl Fn(usize, usize) -> bool,
    ) -> Result<(), Fault> {
        // A change of the page has no event of its own across frames; looking costs little.
        let mut clock = tokio::time::interval(Duration::from_millis(50));
        loop {
            clock.tick().await;
            let (count, visible) = tab.count(on).await?;
            if so(count, visible) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let text = format!("{on} was not {state} in time; {count} match, {visible} of them visible");
                return Err(Fault::new("timed_out", text));
            }
        }
    }

    async fn wait_for(&self, call: &mut Call) -> Result<Value, Fault> {
        let (tab, on) = (self.tab(call).await?, self.locator()?);
        let state = self.args.get("state").and_then(Value::as_str).unwrap_or("visible");
        let deadline = self.deadline(PAGE);
        let so: fn(usize, usize) -> bool = match state {
            "attached" => |count, _| count > 0,
            "detached" => |count, _| count == 0,
            "visible" => |_, visible| visible > 0,
            "hidden" => |_, visible| visible == 0,
            other => {
                return Err(Fault::argument(format!(
                    "there is no state {other}; there are attached, detached, visible, hidden"
                )));
            }
        };
        self.until(&tab, &on, deadline, state, so).await?;
        Ok(Value::Null)
    }

    async fn loaded(&self, call: &mut Call) -> Result<Value, Fault> {
        let tab = self.tab(call).await?;
        let (state, deadline) = (self.text("state")?.to_owned(), self.deadline(PAGE));
        if !["load", "domcontentloaded", "networkidle"].contains(&state.as_str()) {
            return Err(Fault::argument("state is load, domcontentloaded or networkidle"));
        }
        tab.until_loaded(state != "domcontentloaded", deadline).await?;
        if state == "networkidle" {
            loop {
                let changed = call.watch().await?.network_changed();
                match tokio::time::timeout(Duration::from_millis(500), changed).await {
                    Err(_) => break,
                    Ok(()) if Instant::now() < deadline => {}
                    Ok(()) => return Err(Fault::new("timed_out", "the network was not idle in time")),
                }
            }
        }
        Ok(Value::Null)
    }

    async fn cookies(&self, call: &mut Call) -> Result<Value, Fault> {
        #[derive(Deserialize)]
        struct Of {
            urls: Vec<String>,
        }
        let Of { urls } = self.args()?;
        let tab = self.tab(call).await?;
        if !call.session.groups.contains(ToolGroup::Storage) {
            return Err(Fault::new(
                "refused",
                "cookies are in the group \"storage\", which this token does not open",
            ));
        }
        let cookies = tab.cookies(None, None).await?;
        let hosts: Vec<&str> = urls.iter().filter_map(|url| host(url)).collect();
        let fits = |domain: &str| {
            let domain = domain.trim_start_matches('.');
            hosts.iter().any(|host| *host == domain || host.ends_with(&format!(".{domain}")))
        };
        let cookies = cookies.into_iter().filter(|cookie| hosts.is_empty() || fits(&cookie.domain));
        Ok(json!(cookies.collect::<Vec<_>>()))
    }

    async fn picture(&self, call: &mut Call, taken: &mut Taken) -> Result<Value, Fault> {
        let tab = self.tab(call).await?;
        let on = self.args.get("locator").and_then(Value::as_str).map(locator).transpose()?;
        let Pictured { kind, path, full_page } = self.args()?;
        let ending = path.as_deref().and_then(|path| path.rsplit_once('.')).map(|(_, ending)| ending);
        let format = match kind.as_deref().or(ending) {
            Some("jpeg" | "jpg") => Picture::Jpeg,
            Some("webp") => Picture::Webp,
            _ => Picture::Png,
        };
        let shot = Shot { format, full_page, element: on, scale: Scale::Css, ..Shot::default() };
        let bytes = tokio::time::timeout(PAGE, call.browser.screenshot(&tab, &shot)).await;
        let bytes = bytes.map_err(|_| Fault::new("stuck", "the picture was not taken in time"))??;
        let mime = match bytes.get(..4) {
            Some([0xff, 0xd8, ..]) => "image/jpeg",
            Some(b"RIFF") => "image/webp",
            _ => "image/png",
        };
        let data = STANDARD.encode(&bytes);
        if let Some(path) = &path {
            call.file(path, mime, bytes)?;
        }
        *taken = Some((data.clone(), mime));
        Ok(data.into())
    }
}

fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?', '#']).next().filter(|host| !host.is_empty())
}

/// A tab, as a program gets it.
pub(super) fn listed(tab: &browser::TabInfo) -> Value {
    json!({ "target": tab.target, "url": tab.url, "title": tab.title })
}

fn given_files(call: &Call, given: Value) -> Result<Vec<browser::UploadFile>, Fault> {
    let given: Vec<Given> = serde_json::from_value(given)
        .map_err(|_| Fault::argument("files are names, or { name, mimeType, buffer }"))?;
    let mut found = Vec::new();
    for file in given {
        match file.base64 {
            Some(data) => {
                let bytes = STANDARD.decode(data).map_err(|_| Fault::argument("a buffer is bytes"))?;
                found.push(call.browser.stage_upload(&file.name, &bytes)?);
            }
            None => found.extend(files::found(call, std::iter::once(&file.name))?),
        }
    }
    Ok(found)
}
