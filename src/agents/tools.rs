//! What each tool does: reads its arguments, waits for the floor, acts, answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use rmcp::model::{JsonObject, ProgressNotificationParam};
use rmcp::service::{RequestContext, RoleServer};

use super::answer::{Answer, list_tabs};
use super::args::{self, FieldKind, ImageKind, MouseButton, TabAction};
use super::catalogue;
use super::session::{Held, Session, Shown};
use crate::browser::{
    ActError, Acting, Attending, Browser, Click, Locator, Picture, PointerButton, Shot, SnapshotScope,
    Stroke, Tab, address,
};

/// How long a call waits for a person to be still.
const FLOOR: Duration = Duration::from_secs(30);
/// How long a call waits for a browser that is being started.
const BROWSER: Duration = Duration::from_secs(10);
/// How long it may take until the end of a browser that no longer answers is known.
const LAST_BREATH: Duration = Duration::from_millis(50);
/// How long an element may take to be there and ready.
const ACT: Duration = Duration::from_secs(5);
/// How long a page may take to come, a text to appear, a function to return.
const PAGE: Duration = Duration::from_secs(30);
/// The longest text that can be typed key by key in one call.
const LONGEST_TYPED: usize = 10_000;

/// One call on its way.
struct Call<'a> {
    session: &'a Session,
    context: &'a RequestContext<RoleServer>,
    browser: Arc<Browser>,
    current: tokio::sync::MutexGuard<'a, Option<Attending>>,
}

type Done = Result<Answer, String>;

pub(super) async fn call(
    session: &Session,
    name: &str,
    arguments: Option<JsonObject>,
    context: &RequestContext<RoleServer>,
) -> Answer {
    let mut current = session.current.lock().await;
    // What only looks may be done a second time when the browser went under it.
    let listing =
        arguments.as_ref().and_then(|given| given.get("action")).is_some_and(|action| action == "list");
    let looks = catalogue::only_looks(name) || (name == "browser_tabs" && listing);
    for last in [!looks, true] {
        let browser = match session.seat.browser(Instant::now() + BROWSER).await {
            Ok(browser) => browser,
            Err(why) => return Answer::error(why),
        };
        let mut call = Call { session, context, browser: Arc::clone(&browser), current };
        let done = call.run(name, arguments.clone()).await;
        let none_open = |answer: &Answer| answer.tabs.as_ref().is_none_or(|(tabs, _)| tabs.is_empty());
        let doubtful = done.as_ref().map_or(true, none_open);
        // The pipe closes a moment after its last command has failed.
        let went = doubtful && tokio::time::timeout(LAST_BREATH, browser.gone()).await.is_ok();
        match done {
            _ if went && last => {
                return Answer::error(
                    "the browser ended during this call and is being started again with its tabs; \
                     take a new snapshot before going on",
                );
            }
            _ if went => current = call.current,
            Ok(answer) => return answer,
            Err(error) => return call.failed(error).await,
        }
    }
    Answer::error("the browser keeps ending; try again in a moment")
}

fn words(error: ActError) -> String {
    error.to_string()
}

fn locator(text: &str) -> Result<Locator, String> {
    text.parse().map_err(|error: crate::browser::LocatorError| error.to_string())
}

fn within(time: Duration) -> tokio::time::Instant {
    tokio::time::Instant::now() + time
}

/// What people read: the agent's own description, else what it pointed with.
fn called(element: Option<&str>, target: &str) -> String {
    element.filter(|text| !text.is_empty()).unwrap_or(target).to_owned()
}

impl<'a> Call<'a> {
    async fn run(&mut self, name: &str, arguments: Option<JsonObject>) -> Done {
        match name {
            "browser_navigate" => self.navigate(arguments).await,
            "browser_navigate_back" => self.back(arguments).await,
            "browser_snapshot" => self.snapshot(arguments).await,
            "browser_click" => self.click(arguments).await,
            "browser_hover" => self.hover(arguments).await,
            "browser_type" => self.type_text(arguments).await,
            "browser_press_key" => self.press_key(arguments).await,
            "browser_select_option" => self.select_option(arguments).await,
            "browser_fill_form" => self.fill_form(arguments).await,
            "browser_take_screenshot" => self.screenshot(arguments).await,
            "browser_tabs" => self.tabs(arguments).await,
            "browser_wait_for" => self.wait_for(arguments).await,
            "browser_evaluate" => self.evaluate(arguments).await,
            "browser_handle_dialog" => self.handle_dialog(arguments).await,
            other => Err(format!("there is no tool {other:?}")),
        }
    }

    async fn tab(&mut self) -> Result<Arc<Tab>, String> {
        self.session.tab(&mut self.current, &self.browser).await
    }

    /// Waits for the floor; tells a client that asked for it that it still waits.
    async fn floor(&self) -> Result<Held<'a>, String> {
        let seat = self.session.seat.as_ref();
        let mut floor = seat.floor(Instant::now() + FLOOR);
        let token = self.context.meta.get_progress_token();
        let mut clock = tokio::time::interval(Duration::from_secs(5));
        clock.tick().await;
        let mut progress = 0.0;
        loop {
            tokio::select! {
                granted = &mut floor => {
                    return granted.map(|permit| Held::new(seat, permit)).map_err(|refused| refused.to_string());
                }
                _ = clock.tick() => if let Some(token) = token.clone() {
                    progress += 1.0;
                    let mut param = ProgressNotificationParam::new(token, progress);
                    param.message = Some("waiting for the person who uses the browser".into());
                    // A client that does not listen to progress misses nothing.
                    let _ = self.context.peer.notify_progress(param).await;
                }
            }
        }
    }

    fn acting<'b>(&self, tab: &'b Tab, held: &'b Held<'_>, shown: &'b Shown<'_>) -> Acting<'b> {
        Acting { tab, permit: held.permit(), observer: shown, deadline: within(ACT) }
    }

    fn shown(&self) -> Shown<'a> {
        Shown(self.session.seat.as_ref())
    }

    /// The answer after an act: what was run, where the page is, its outline.
    async fn after(&mut self, code: String) -> Done {
        Ok(Answer { code: Some(code), ..self.state(true).await })
    }

    /// Where things stand. An open dialog stands in place of the outline.
    async fn state(&mut self, outline: bool) -> Answer {
        let tabs = self.browser.look_at_tabs().await;
        let Ok(tab) = self.tab().await else { return Answer::default() };
        let mut answer = Answer {
            dialog: tab.dialog(),
            page: Some((tab.url(), tab.title())),
            tabs: Some((tabs, Some(tab.target().to_owned()))),
            ..Answer::default()
        };
        if outline && answer.dialog.is_none() {
            let scope = SnapshotScope::default();
            let snapshot = tab.snapshot(&scope);
            match tokio::time::timeout(PAGE, snapshot).await {
                Ok(Ok(snapshot)) => {
                    answer.page = Some((snapshot.url.clone(), snapshot.title.clone()));
                    answer.snapshot = Some(snapshot);
                }
                Ok(Err(error)) => answer.result = Some(format!("The page cannot be shown: {error}")),
                Err(_) => answer.result = Some("The page does not answer.".into()),
            }
        }
        answer
    }

    async fn failed(&mut self, error: String) -> Answer {
        Answer { error: Some(error), ..self.state(false).await }
    }

    async fn navigate(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::Navigate = args::read(arguments)?;
        let url = address(&args.url).map_err(|error| error.to_string())?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(format!("goes to {url}"));
        tab.navigate(held.permit(), &url, within(PAGE)).await.map_err(words)?;
        drop(held);
        self.after(format!("await page.goto({});", quoted(&url))).await
    }

    async fn back(&mut self, arguments: Option<JsonObject>) -> Done {
        let args::Nothing {} = args::read(arguments)?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say("goes back");
        if !tab.back(held.permit(), within(ACT)).await.map_err(words)? {
            return Err("there is no page to go back to".into());
        }
        drop(held);
        self.after("await page.goBack();".into()).await
    }

    async fn snapshot(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::TakeSnapshot = args::read(arguments)?;
        let below = args.target.as_deref().map(locator).transpose()?;
        if below.is_none() && args.depth.is_none() {
            return Ok(self.state(true).await);
        }
        let tab = self.tab().await?;
        let snapshot = tab
            .snapshot(&SnapshotScope { below, depth: args.depth, ..SnapshotScope::default() })
            .await
            .map_err(words)?;
        Ok(Answer { snapshot: Some(snapshot), ..self.state(false).await })
    }

    async fn click(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::ClickOn = args::read(arguments)?;
        let target = locator(&args.target)?;
        let click = Click {
            button: match args.button {
                None | Some(MouseButton::Left) => PointerButton::Left,
                Some(MouseButton::Middle) => PointerButton::Middle,
                Some(MouseButton::Right) => PointerButton::Right,
            },
            double: args.double_click == Some(true),
            modifiers: args.modifiers.iter().flatten().map(|modifier| format!("{modifier:?}")).collect(),
        };
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(format!("clicks {}", called(args.element.as_deref(), &args.target)));
        let shown = self.shown();
        let code = self.acting(&tab, &held, &shown).click(&target, &click).await.map_err(words)?;
        drop(held);
        let method = if click.double { "dblclick" } else { "click" };
        self.after(format!("await page.{}.{method}();", or(&code, &args.target))).await
    }

    async fn hover(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::Hover = args::read(arguments)?;
        let target = locator(&args.target)?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(format!("points at {}", called(args.element.as_deref(), &args.target)));
        let shown = self.shown();
        let code = self.acting(&tab, &held, &shown).hover(&target).await.map_err(words)?;
        drop(held);
        self.after(format!("await page.{}.hover();", or(&code, &args.target))).await
    }

    async fn type_text(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::Type = args::read(arguments)?;
        let target = locator(&args.target)?;
        let slowly = args.slowly == Some(true);
        if slowly && args.text.chars().count() > LONGEST_TYPED {
            return Err(format!(
                "the text is too long to be typed key by key ({LONGEST_TYPED} characters at most); leave out slowly"
            ));
        }
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(format!("types into {}", called(args.element.as_deref(), &args.target)));
        let shown = self.shown();
        let acting = self.acting(&tab, &held, &shown);
        let code = match slowly {
            true => acting.type_slowly(&target, &args.text).await,
            false => acting.fill(&target, &args.text).await,
        };
        let code = code.map_err(words)?;
        let mut ran = match slowly {
            true => {
                format!("await page.{}.pressSequentially({});", or(&code, &args.target), quoted(&args.text))
            }
            false => format!("await page.{}.fill({});", or(&code, &args.target), quoted(&args.text)),
        };
        if args.submit == Some(true) {
            let enter: Stroke =
                "Enter".parse().map_err(|error: crate::browser::KeyError| error.to_string())?;
            acting.press(&enter).await.map_err(words)?;
            ran.push_str(&format!("\nawait page.{}.press('Enter');", or(&code, &args.target)));
        }
        drop(held);
        self.after(ran).await
    }

    async fn press_key(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::PressKey = args::read(arguments)?;
        let stroke: Stroke = args.key.parse().map_err(|error: crate::browser::KeyError| error.to_string())?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(format!("presses {}", args.key));
        let shown = self.shown();
        self.acting(&tab, &held, &shown).press(&stroke).await.map_err(words)?;
        drop(held);
        self.after(format!("await page.keyboard.press({});", quoted(&args.key))).await
    }

    async fn select_option(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::SelectOption = args::read(arguments)?;
        let target = locator(&args.target)?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(format!("chooses in {}", called(args.element.as_deref(), &args.target)));
        let shown = self.shown();
        let code = self.acting(&tab, &held, &shown).select(&target, &args.values).await.map_err(words)?;
        drop(held);
        let values: Vec<_> = args.values.iter().map(|value| quoted(value)).collect();
        self.after(format!("await page.{}.selectOption([{}]);", or(&code, &args.target), values.join(", ")))
            .await
    }

    async fn fill_form(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::FillForm = args::read(arguments)?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        let shown = self.shown();
        let mut ran = Vec::new();
        for field in &args.fields {
            let target = locator(&field.target)?;
            self.session.say(format!("fills in {}", field.name));
            let acting = self.acting(&tab, &held, &shown);
            let done = match field.kind {
                FieldKind::Textbox | FieldKind::Slider => acting.fill(&target, &field.value).await,
                FieldKind::Combobox => acting.select(&target, std::slice::from_ref(&field.value)).await,
                FieldKind::Checkbox | FieldKind::Radio => match field.value.as_str() {
                    "true" => acting.set_checked(&target, true).await,
                    "false" => acting.set_checked(&target, false).await,
                    other => {
                        return Err(format!(
                            "{}: a box takes \"true\" or \"false\", not {other:?}",
                            field.name
                        ));
                    }
                },
            };
            let code = done.map_err(|error| format!("{}: {error}", field.name))?;
            let what = match field.kind {
                FieldKind::Textbox | FieldKind::Slider => format!("fill({})", quoted(&field.value)),
                FieldKind::Combobox => format!("selectOption({})", quoted(&field.value)),
                FieldKind::Checkbox | FieldKind::Radio => format!("setChecked({})", field.value),
            };
            ran.push(format!("await page.{}.{what};", or(&code, &field.target)));
        }
        drop(held);
        self.after(ran.join("\n")).await
    }

    async fn screenshot(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::TakeScreenshot = args::read(arguments)?;
        let element = args.target.as_deref().map(locator).transpose()?;
        let full_page = args.full_page == Some(true);
        if element.is_some() && full_page {
            return Err("fullPage cannot be used with an element".into());
        }
        let (format, mime) = match args.kind {
            None | Some(ImageKind::Png) => (Picture::Png, "image/png"),
            Some(ImageKind::Jpeg) => (Picture::Jpeg, "image/jpeg"),
        };
        let tab = self.tab().await?;
        let shot = Shot { format, full_page, element, ..Shot::default() };
        let taken = tokio::time::timeout(PAGE, self.browser.screenshot(&tab, &shot)).await;
        let bytes = taken.map_err(|_| "the picture was not taken in time")?.map_err(words)?;
        // A picture that had to shrink comes as JPEG whatever was asked for.
        let mime = if bytes.starts_with(&[0xff, 0xd8]) { "image/jpeg" } else { mime };
        let what = match (&args.target, full_page) {
            (Some(target), _) => target.clone(),
            (None, true) => "full page".into(),
            (None, false) => "viewport".into(),
        };
        let data = base64::engine::general_purpose::STANDARD.encode(bytes);
        let result = Some(format!("Took the {what} screenshot"));
        Ok(Answer { result, image: Some((data, mime)), ..Answer::default() })
    }

    async fn tabs(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::Tabs = args::read(arguments)?;
        let tabs = self.browser.look_at_tabs().await;
        let at = |index: usize| {
            let found = tabs.get(index).and_then(|info| self.browser.tab(&info.target));
            found.ok_or_else(|| format!("there is no tab {index}; there are {}", tabs.len()))
        };
        match args.action {
            TabAction::List => {}
            TabAction::New => {
                let url = args.url.as_deref().unwrap_or("about:blank");
                let url = address(url).map_err(|error| error.to_string())?;
                let held = self.floor().await?;
                self.session.say("opens a tab");
                let target = self.browser.open_tab(held.permit(), "about:blank").await.map_err(words)?;
                let tab = self.browser.tab(&target).ok_or("the tab was closed at once")?;
                *self.current = Some(Attending::start(Arc::clone(&tab)).await);
                if url != "about:blank" {
                    tab.navigate(held.permit(), &url, within(PAGE)).await.map_err(words)?;
                }
            }
            TabAction::Select => {
                let tab = at(args.index.ok_or("select needs an index")?)?;
                let held = self.floor().await?;
                self.session.say("changes the tab");
                self.browser.select_tab(held.permit(), &tab).await.map_err(words)?;
                *self.current = Some(Attending::start(tab).await);
            }
            TabAction::Close => {
                let tab = match args.index {
                    Some(index) => at(index)?,
                    None => self.tab().await?,
                };
                let held = self.floor().await?;
                self.session.say("closes a tab");
                self.browser.close_tab(held.permit(), &tab).await.map_err(words)?;
            }
        }
        let tabs = self.browser.look_at_tabs().await;
        let current = self.tab().await.ok();
        let mut answer = Answer::result(list_tabs(&tabs, current.as_ref().map(|tab| tab.target())));
        if !matches!(args.action, TabAction::List) {
            let state = self.state(true).await;
            (answer.page, answer.dialog, answer.snapshot) = (state.page, state.dialog, state.snapshot);
        }
        Ok(answer)
    }

    async fn wait_for(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::WaitFor = args::read(arguments)?;
        if args.time.is_none() && args.text.is_none() && args.text_gone.is_none() {
            return Err("one of time, text or textGone is needed".into());
        }
        let tab = self.tab().await?;
        let mut waited = Vec::new();
        if let Some(seconds) = args.time {
            if !(0.0..=PAGE.as_secs_f64()).contains(&seconds) {
                return Err(format!("time is from 0 to {} seconds", PAGE.as_secs()));
            }
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            waited.push(format!("Waited for {seconds}"));
        }
        let gone = args.text_gone.as_ref().map(|text| (text, false));
        for (text, wanted) in gone.into_iter().chain(args.text.as_ref().map(|text| (text, true))) {
            let deadline = within(PAGE);
            // A change of the text has no event of its own across frames; looking costs little.
            let mut clock = tokio::time::interval(Duration::from_millis(100));
            loop {
                clock.tick().await;
                match tokio::time::timeout_at(deadline, tab.shows(text)).await {
                    Ok(Ok(shown)) if shown == wanted => break,
                    Ok(Ok(_)) if tokio::time::Instant::now() < deadline => {}
                    Ok(Err(error)) => return Err(words(error)),
                    Ok(Ok(_)) | Err(_) => {
                        let verb = if wanted { "appear" } else { "disappear" };
                        return Err(format!("{text:?} did not {verb} within {} s", PAGE.as_secs()));
                    }
                }
            }
            waited.push(format!("Waited for {text:?} {}", if wanted { "to appear" } else { "to disappear" }));
        }
        Ok(Answer { result: Some(waited.join("\n")), ..self.state(true).await })
    }

    async fn evaluate(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::Evaluate = args::read(arguments)?;
        let element = args.target.as_deref().map(locator).transpose()?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say("runs a script");
        let value = tab.evaluate(held.permit(), &args.function, element.as_ref(), within(PAGE));
        let value = value.await.map_err(words)?;
        drop(held);
        let text = serde_json::to_string_pretty(&value).map_err(|error| error.to_string())?;
        let code = match &args.target {
            Some(target) => {
                format!("await page.locator({}).evaluate({});", quoted(target), quoted(&args.function))
            }
            None => format!("await page.evaluate({});", quoted(&args.function)),
        };
        Ok(Answer { result: Some(bounded(text)), code: Some(code), ..self.state(false).await })
    }

    async fn handle_dialog(&mut self, arguments: Option<JsonObject>) -> Done {
        let args: args::HandleDialog = args::read(arguments)?;
        let tab = self.tab().await?;
        let held = self.floor().await?;
        self.session.say(if args.accept { "accepts a dialog" } else { "dismisses a dialog" });
        let shown = self.shown();
        let acting = self.acting(&tab, &held, &shown);
        acting.answer_dialog(args.accept, args.prompt_text.as_deref()).await.map_err(words)?;
        drop(held);
        Ok(self.state(true).await)
    }
}

/// The locator of what was found, else what the agent pointed with.
fn or(code: &str, target: &str) -> String {
    if code.is_empty() { format!("locator({})", quoted(target)) } else { code.to_owned() }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The most that a script's value may add to an answer.
const LONGEST_VALUE: usize = 200_000;

fn bounded(mut text: String) -> String {
    if text.len() > LONGEST_VALUE {
        let at = (0..=LONGEST_VALUE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(at);
        text.push_str("\n… the value is longer and was cut here");
    }
    text
}
