//! The mouse: clicks, hovering, and acting at coordinates.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Locator;
use super::act::{
    ATTACHED, Acting, CLICKABLE, Click, Found, Frame, GLIDE, HOVERABLE, Outcome, PointerButton, REACTION,
    Reply, Tries,
};
use super::client::CdpClient;
use super::fault::{ActError, Obstacle};
use super::frames::Window;
use super::keys::Stroke;
use super::memory::Memory;
use super::reaction::Done;
use crate::base::Point;
use crate::floor::OnTheWay;

/// The longest time that a button may be held down by one act.
const LONGEST_PRESS: Duration = Duration::from_secs(10);
/// The most clicks of one act.
const MOST_CLICKS: u32 = 10;

/// What must still be let go of, whatever happens to the act.
pub(super) struct Grip {
    client: CdpClient,
    session: String,
    releases: Vec<Release>,
    /// What is held is on its way until it was let go of.
    act: Option<OnTheWay>,
}

struct Release {
    /// Where; the page's own session if none is named.
    session: Option<String>,
    method: &'static str,
    params: Value,
}

impl Grip {
    pub fn new(acting: &Acting<'_>) -> Self {
        let session = acting.tab.state.borrow().session.clone();
        let act = Some(acting.permit.let_go());
        Self { client: acting.tab.client.clone(), session, releases: Vec::new(), act }
    }

    /// For what people do not notice: nobody waits until it was let go of.
    pub fn unnoticed(acting: &Acting<'_>) -> Self {
        let mut grip = Self::new(acting);
        grip.act = None;
        grip
    }

    /// `release` lets go of what goes down now.
    pub fn hold(&mut self, method: &'static str, release: Value) {
        self.releases.push(Release { session: None, method, params: release });
    }

    pub fn hold_in(&mut self, session: &str, method: &'static str, release: Value) {
        self.releases.push(Release { session: Some(session.to_owned()), method, params: release });
    }

    pub fn replace(&mut self, method: &'static str, release: Value) {
        self.releases.clear();
        self.hold(method, release);
    }

    /// The last thing was let go of.
    pub fn let_go(&mut self) {
        self.releases.pop();
        if self.releases.is_empty() {
            self.act = None;
        }
    }

    /// Lets go, the last thing first.
    pub async fn release(&mut self) -> Result<Vec<Reply>, ActError> {
        let mut answers = Vec::new();
        while let Some(Release { session, method, params }) = self.releases.last() {
            let session = session.as_deref().unwrap_or(&self.session);
            let answer = self.client.post_act(Some(session), method, params, self.act.clone()).await?;
            answers.push(answer);
            self.releases.pop();
        }
        self.act = None;
        Ok(answers)
    }
}

/// An act that was given up in the middle leaves nothing pressed.
impl Drop for Grip {
    fn drop(&mut self) {
        if self.releases.is_empty() {
            return;
        }
        let (client, own) = (self.client.clone(), self.session.clone());
        let releases = std::mem::take(&mut self.releases);
        let act = self.act.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let mut answers = Vec::new();
                for Release { session, method, params } in releases.into_iter().rev() {
                    let session = session.as_deref().unwrap_or(&own);
                    answers.push(client.post(Some(session), method, &params).await);
                }
                for answer in answers.into_iter().flatten() {
                    let _ = tokio::time::timeout(REACTION, answer).await;
                }
                drop(act);
            });
        }
    }
}

/// One mouse event at a place of the page.
pub(super) fn mouse(
    kind: &str,
    (x, y): (f64, f64),
    button: Option<PointerButton>,
    count: u32,
    modifiers: u32,
) -> Value {
    let (name, bit) = match button {
        None => ("none", 0),
        Some(PointerButton::Left) => ("left", 1),
        Some(PointerButton::Right) => ("right", 2),
        Some(PointerButton::Middle) => ("middle", 4),
    };
    json!({
        "type": kind, "x": x, "y": y, "button": name, "buttons": if kind == "mouseReleased" { 0 } else { bit },
        "clickCount": count, "modifiers": modifiers,
    })
}

pub(super) const MOUSE: &str = "Input.dispatchMouseEvent";

impl Acting<'_> {
    /// Clicks an element. A dialog, a new tab or a file chooser that it opens ends it well.
    pub async fn click(&self, locator: &Locator, click: &Click) -> Result<Done, ActError> {
        let mut chooser = self.catch_choosers().await?;
        let done = self.click_until_hit(locator, click).await;
        chooser.release().await?;
        done
    }

    async fn click_until_hit(&self, locator: &Locator, click: &Click) -> Result<Done, ActError> {
        let mut tries = Tries::new(self, locator);
        let mut watch = self.tab.watch().await;
        loop {
            let found = self.find(&mut tries, CLICKABLE, "click").await?;
            watch.begin();
            if let Err(error) = self.click_at(&found, click).await {
                let _ = self.ask::<Outcome>(&found.place, "unguard", &json!({})).await;
                return Err(error);
            }
            match self.reacted(&found.place, Frame::Shown).await? {
                // The event went elsewhere and was stopped there; nothing has happened yet.
                Some(elsewhere) if elsewhere != "hit" => {
                    tries.failed(Obstacle::Covered, format!("{elsewhere} took the click"));
                }
                _ => return self.finish(&found.place, watch, found.code).await,
            }
            tries.wait().await?;
        }
    }

    async fn click_at(&self, found: &Found, click: &Click) -> Result<(), ActError> {
        let mut grip = Grip::new(self);
        let mut answers = Vec::new();
        let mut bits = 0;
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        for name in &click.modifiers {
            let stroke: Stroke = name.parse().map_err(|error| ActError::Refused(format!("{error}")))?;
            let key = stroke.key;
            bits |= key.bit();
            grip.hold("Input.dispatchKeyEvent", key.event(false, bits & !key.bit()));
            answers.push(self.post("Input.dispatchKeyEvent", &key.event(true, bits)).await?);
        }
        // The page hears of the move before the press; nobody has to wait in between.
        self.tab.memory.set_pointer(found.at);
        answers.push(self.post(MOUSE, &mouse("mouseMoved", found.at, None, 0, bits)).await?);
        for count in 1..=if click.double { 2 } else { 1 } {
            self.permit.check()?;
            self.observer.press(found.display);
            grip.hold(MOUSE, mouse("mouseReleased", found.at, Some(click.button), count, bits));
            answers.push(
                self.post(MOUSE, &mouse("mousePressed", found.at, Some(click.button), count, bits)).await?,
            );
            // What is down comes up, whoever has the floor by now.
            let release = mouse("mouseReleased", found.at, Some(click.button), count, bits);
            answers.push(self.post_release(MOUSE, &release).await?);
            grip.let_go();
        }
        answers.extend(grip.release().await?);
        self.all_answered(answers).await
    }

    /// Moves the pointer over an element.
    pub async fn hover(&self, locator: &Locator) -> Result<Done, ActError> {
        let watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), HOVERABLE, "hover").await?;
        self.permit.check()?;
        self.observer.pointer(found.display, GLIDE);
        self.tab.memory.set_pointer(found.at);
        let moved = self.post(MOUSE, &mouse("mouseMoved", found.at, None, 0, 0)).await?;
        self.all_answered(vec![moved]).await?;
        self.settle(found, watch, Frame::Shown).await
    }

    /// Touches an element with one finger.
    pub async fn tap(&self, locator: &Locator) -> Result<Done, ActError> {
        let mut watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), CLICKABLE, "click").await?;
        watch.begin();
        self.show(&found)?;
        let (x, y) = found.at;
        let touch = |kind: &str, points: Value| json!({ "type": kind, "touchPoints": points });
        let mut grip = Grip::new(self);
        grip.hold("Input.dispatchTouchEvent", touch("touchEnd", json!([])));
        let start = touch("touchStart", json!([{ "x": x, "y": y }]));
        let mut answers = vec![self.post("Input.dispatchTouchEvent", &start).await?];
        answers.extend(grip.release().await?);
        self.all_answered(answers).await?;
        self.settle(found, watch, Frame::Shown).await
    }

    /// Clicks a box only if it is not already as wanted, and makes sure that it then is.
    pub async fn set_checked(&self, locator: &Locator, wanted: bool) -> Result<Done, ActError> {
        let mut done = None;
        for clicked in [false, true] {
            let found = self.find(&mut Tries::new(self, locator), ATTACHED, "check").await?;
            let argument = json!({ "handle": found.handle });
            let state: Outcome = self.ask(&found.place, "checked", &argument).await?;
            state.check()?;
            if state.checked == Some(wanted) {
                return Ok(done.unwrap_or(Done { code: found.code, ..Done::default() }));
            }
            if state.radio && !wanted {
                return Err(ActError::Refused(
                    "a radio button cannot be unchecked; check another one of its group".into(),
                ));
            }
            if !clicked {
                done = Some(self.click(locator, &Click::default()).await?);
                if done
                    .as_ref()
                    .is_some_and(|done| done.dialog.is_some() || done.closed || done.went_to.is_some())
                {
                    break;
                }
            }
        }
        done.filter(|done| done.dialog.is_some() || done.closed || done.went_to.is_some())
            .ok_or_else(|| ActError::Refused("clicking it did not change its state".into()))
    }

    /// Moves the mouse to a place of the page, in CSS pixels.
    pub async fn mouse_move(&self, at: (f64, f64)) -> Result<Done, ActError> {
        self.at_place(at, async {
            let button = self.tab.memory.pressed().first().copied();
            self.permit.check()?;
            let moved = self.post(MOUSE, &mouse("mouseMoved", at, button, 0, 0)).await?;
            self.all_answered(vec![moved]).await
        })
        .await
    }

    /// Presses a button where the mouse is. It stays down until `mouse_up`, or
    /// until somebody else has the floor: see `Tab::let_go`.
    pub async fn mouse_down(&self, button: PointerButton) -> Result<Done, ActError> {
        let at = self.tab.memory.pointer();
        self.at_place(at, async {
            self.permit.check()?;
            self.tab.memory.press(button);
            self.let_go_when_preempted();
            let down = self.post(MOUSE, &mouse("mousePressed", at, Some(button), 1, 0)).await?;
            self.all_answered(vec![down]).await
        })
        .await
    }

    pub async fn mouse_up(&self, button: PointerButton) -> Result<Done, ActError> {
        let at = self.tab.memory.pointer();
        self.at_place(at, async {
            self.tab.memory.release(button);
            if self.tab.memory.pressed().is_empty() {
                self.tab.memory.set_hand(None);
            }
            let up = self.post_release(MOUSE, &mouse("mouseReleased", at, Some(button), 1, 0)).await?;
            self.all_answered(vec![up]).await
        })
        .await
    }

    /// The button outlives the call, and so its permit: what preempts the
    /// permit finds the button up.
    fn let_go_when_preempted(&self) {
        let (preempted, act) = (self.permit.preempted(), self.permit.let_go());
        let (memory, client) = (Arc::downgrade(&self.tab.memory), self.tab.client.clone());
        let session = self.tab.state.borrow().session.clone();
        let task = tokio::spawn(async move {
            preempted.await;
            if let Some(memory) = memory.upgrade() {
                let_go(&memory, &client, &session).await;
            }
            drop(act);
        });
        self.tab.memory.set_hand(Some(task.abort_handle()));
    }

    pub async fn mouse_click(
        &self,
        at: (f64, f64),
        button: PointerButton,
        clicks: u32,
        delay: Duration,
    ) -> Result<Done, ActError> {
        if !(1..=MOST_CLICKS).contains(&clicks) || delay > LONGEST_PRESS {
            return Err(ActError::Refused(format!(
                "1 to {MOST_CLICKS} clicks of at most {} s each are made at once",
                LONGEST_PRESS.as_secs()
            )));
        }
        self.at_place(at, async {
            self.permit.check()?;
            let mut answers = vec![self.post(MOUSE, &mouse("mouseMoved", at, None, 0, 0)).await?];
            for count in 1..=clicks {
                self.permit.check()?;
                let mut grip = Grip::new(self);
                grip.hold(MOUSE, mouse("mouseReleased", at, Some(button), count, 0));
                answers.push(self.post(MOUSE, &mouse("mousePressed", at, Some(button), count, 0)).await?);
                if !delay.is_zero() {
                    // The button is asked to be held; that is no wait for anything else.
                    let _ = tokio::time::timeout(delay, self.permit.preempted()).await;
                }
                answers.extend(grip.release().await?);
            }
            self.all_answered(answers).await
        })
        .await
    }

    /// Turns the wheel where the mouse is.
    pub async fn mouse_wheel(&self, delta_x: f64, delta_y: f64) -> Result<Done, ActError> {
        let at = self.tab.memory.pointer();
        self.at_place(at, async {
            let (x, y) = at;
            self.permit.check()?;
            let wheel = json!({ "type": "mouseWheel", "x": x, "y": y, "deltaX": delta_x, "deltaY": delta_y });
            let turned = self.post(MOUSE, &wheel).await?;
            self.all_answered(vec![turned]).await
        })
        .await
    }

    /// What is the same for every act at coordinates.
    async fn at_place(
        &self,
        at: (f64, f64),
        act: impl Future<Output = Result<(), ActError>> + Send,
    ) -> Result<Done, ActError> {
        if !at.0.is_finite() || !at.1.is_finite() || at.0.abs() > 100_000.0 || at.1.abs() > 100_000.0 {
            return Err(ActError::Refused(format!("there is no place {}, {} on a page", at.0, at.1)));
        }
        let mut chooser = self.catch_choosers().await?;
        let done = self.act_at(at, act).await;
        chooser.release().await?;
        if matches!(done, Err(ActError::Preempted(_))) {
            self.tab.let_go().await;
        }
        done
    }

    async fn act_at(
        &self,
        at: (f64, f64),
        act: impl Future<Output = Result<(), ActError>> + Send,
    ) -> Result<Done, ActError> {
        self.permit.check()?;
        self.tab.ready().await?;
        self.tab.emulate_focus(true).await;
        self.call_out(Some(at), None).await?;
        let mut watch = self.tab.watch().await;
        let top = self.tab.top();
        let window: Window = self.ask(&top, "place", &Value::Null).await?;
        let display: Point = window.to_display(at.0, at.1);
        watch.begin();
        self.permit.check()?;
        self.observer.pointer(display, GLIDE);
        self.tab.memory.set_pointer(at);
        act.await?;
        self.reacted(&top, Frame::Shown).await?;
        self.finish(&top, watch, String::new()).await
    }
}

impl super::Tab {
    /// Lets go of every button that `mouse_down` left pressed. For whoever
    /// learns that an agent has lost the floor.
    pub async fn let_go(&self) {
        let session = self.state.borrow().session.clone();
        let_go(&self.memory, &self.client, &session).await;
    }
}

async fn let_go(memory: &Memory, client: &CdpClient, session: &str) {
    let at = memory.pointer();
    for button in memory.pressed() {
        if memory.release(button) {
            let up = mouse("mouseReleased", at, Some(button), 1, 0);
            if let Ok(answer) = client.post(Some(session), MOUSE, &up).await {
                let _ = tokio::time::timeout(REACTION, answer).await;
            }
        }
    }
}
