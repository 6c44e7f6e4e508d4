//! Dragging: by the mouse alone, and as the browser's own drag and drop, which
//! takes over from the mouse as soon as a page allows it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::act::{Acting, Found, Frame, GLIDE, HOVERABLE, PointerButton, Tries};
use super::fault::ActError;
use super::frames::{Place, Window};
use super::pointer::{Grip, MOUSE, mouse};
use super::reaction::{Done, Watch};
use super::{Locator, UploadFile};

/// How long the browser may take to say that a drag has begun.
const START: Duration = Duration::from_secs(1);
const DRAG: &str = "Input.dispatchDragEvent";

/// What is dropped from outside of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Files, by the paths that the browser sees.
    pub files: Vec<UploadFile>,
    /// Data by MIME type.
    pub data: Vec<(String, String)>,
}

fn drag_event(kind: &str, (x, y): (f64, f64), data: &Value) -> Value {
    json!({ "type": kind, "x": x, "y": y, "data": data })
}

impl Acting<'_> {
    /// Drags one element onto another.
    pub async fn drag(&self, from: &Locator, to: &Locator) -> Result<Done, ActError> {
        let source = self.find(&mut Tries::new(self, from), HOVERABLE, "look").await?;
        self.unguard(&source.place).await;
        let (place, at) = (source.place.clone(), source.at);
        let code = source.code.clone();
        self.show(&source)?;
        let done = self
            .drag_by_hand(&place, at, async {
                // The page may have moved when the drag began; the target is looked for now.
                let target = self.find(&mut Tries::new(self, to), HOVERABLE, "drop").await?;
                self.unguard(&target.place).await;
                Ok(target)
            })
            .await?;
        Ok(Done { code: format!("{code}.dragTo(page.{})", done.code), ..done })
    }

    /// Drags from one place of the page to another, in CSS pixels.
    pub async fn mouse_drag(&self, from: (f64, f64), to: (f64, f64)) -> Result<Done, ActError> {
        for (x, y) in [from, to] {
            if !x.is_finite() || !y.is_finite() || x.abs() > 100_000.0 || y.abs() > 100_000.0 {
                return Err(ActError::Refused(format!("there is no place {x}, {y} on a page")));
            }
        }
        self.permit.check()?;
        self.tab.ready().await?;
        self.tab.emulate_focus(true).await;
        let top = self.tab.top();
        let window: Window = self.ask(&top, "place", &Value::Null).await?;
        self.permit.check()?;
        self.observer.pointer(window.to_display(from.0, from.1), GLIDE);
        self.observer.press(window.to_display(from.0, from.1));
        let display = window.to_display(to.0, to.1);
        let place = top.clone();
        self.drag_by_hand(&top, from, async {
            let code = String::new();
            Ok(Found { place, handle: 0, at: to, display, origin: (0.0, 0.0), code, outcome: None })
        })
        .await
    }

    async fn unguard(&self, place: &Place) {
        let _ = self.ask::<Value>(place, "unguard", &json!({})).await;
    }

    /// Press, move, and what comes of it. Whatever ends this early, nothing stays pressed.
    async fn drag_by_hand(
        &self,
        place: &Place,
        from: (f64, f64),
        target: impl Future<Output = Result<Found, ActError>> + Send,
    ) -> Result<Done, ActError> {
        let mut watch = self.tab.watch().await;
        watch.begin();
        let left = Some(PointerButton::Left);
        self.ask::<Value>(place, "armDrag", &json!({})).await?;
        // Last in is first out: the button comes up before drags are the browser's own again.
        let mut catching = Grip::new(self);
        catching.hold("Input.setInterceptDrags", json!({ "enabled": false }));
        self.post("Input.setInterceptDrags", &json!({ "enabled": true })).await.map(drop)?;
        let mut grip = Grip::new(self);
        self.permit.check()?;
        let mut answers = vec![self.post(MOUSE, &mouse("mouseMoved", from, None, 0, 0)).await?];
        self.permit.check()?;
        grip.hold(MOUSE, mouse("mouseReleased", from, left, 1, 0));
        answers.push(self.post(MOUSE, &mouse("mousePressed", from, left, 1, 0)).await?);
        // A few pixels make a drag of a press.
        let near = (from.0 + 6.0, from.1 + 6.0);
        self.permit.check()?;
        answers.push(self.post(MOUSE, &mouse("mouseMoved", near, left, 0, 0)).await?);
        self.all_answered(answers).await?;
        // The browser's own drag outlives the button: it is ended with it.
        if self.drag_began(place).await?
            && watch.until(Instant::now() + START, |watch| watch.drag.is_some()).await
        {
            let data = watch.drag.clone().unwrap_or_default();
            grip.hold(DRAG, drag_event("dragCancel", near, &data));
        }
        let target = target.await?;
        let to = target.at;
        self.permit.check()?;
        self.observer.pointer(target.display, GLIDE);
        self.tab.memory.set_pointer(to);
        if watch.drag.is_none() {
            grip.replace(MOUSE, mouse("mouseReleased", to, left, 1, 0));
        }
        // Two moves: pages tell entering from moving over.
        let before = (to.0 + (from.0 - to.0).signum(), to.1);
        for at in [before, to] {
            self.permit.check()?;
            watch.catch_up();
            if let Some(data) = watch.drag.clone() {
                return self.drop_native(&mut catching, grip, watch, target, data).await;
            }
            let moved = self.post(MOUSE, &mouse("mouseMoved", at, left, 0, 0)).await?;
            self.all_answered(vec![moved]).await?;
        }
        let native = self.drag_began(place).await?;
        if native && watch.until(Instant::now() + START, |watch| watch.drag.is_some()).await {
            let data = watch.drag.clone().unwrap_or_default();
            return self.drop_native(&mut catching, grip, watch, target, data).await;
        }
        self.permit.check()?;
        let mut answers = grip.release().await?;
        answers.extend(catching.release().await?);
        self.all_answered(answers).await?;
        self.settle(target, watch, Frame::Shown).await
    }

    /// Whether the page let the browser begin a drag of its own.
    async fn drag_began(&self, place: &Place) -> Result<bool, ActError> {
        match self.ask(place, "dragStarted", &Value::Null).await {
            Err(error) if error.is_gone() => Ok(false),
            began => began,
        }
    }

    /// Carries the browser's own drag to the target and drops it there.
    async fn drop_native(
        &self,
        catching: &mut Grip,
        mut grip: Grip,
        watch: Watch,
        target: Found,
        data: Value,
    ) -> Result<Done, ActError> {
        let at = target.at;
        grip.replace(MOUSE, mouse("mouseReleased", at, Some(PointerButton::Left), 1, 0));
        grip.hold(DRAG, drag_event("dragCancel", at, &data));
        for kind in ["dragEnter", "dragOver", "dragOver"] {
            self.permit.check()?;
            let moved = self.post(DRAG, &drag_event(kind, at, &data)).await?;
            self.all_answered(vec![moved]).await?;
        }
        self.permit.check()?;
        grip.let_go();
        let mut answers = vec![self.post(DRAG, &drag_event("drop", at, &data)).await?];
        // The page has heard of the drop in place of the button; the browser hears of it too.
        answers.extend(grip.release().await?);
        answers.extend(catching.release().await?);
        self.all_answered(answers).await?;
        self.settle(target, watch, Frame::Shown).await
    }

    /// Drops files or data onto an element, as from outside of the page.
    pub async fn drop_onto(&self, locator: &Locator, dropped: &Dropped) -> Result<Done, ActError> {
        if dropped.files.is_empty() && dropped.data.is_empty() {
            return Err(ActError::Refused("nothing is to be dropped; give paths or data".into()));
        }
        let files: Vec<_> = dropped.files.iter().map(UploadFile::path).collect();
        let items: Vec<_> =
            dropped.data.iter().map(|(mime, data)| json!({ "mimeType": mime, "data": data })).collect();
        // Copy, link and move: the page chooses.
        let data = json!({ "items": items, "files": files, "dragOperationsMask": 19 });
        let mut watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), HOVERABLE, "drop").await?;
        self.unguard(&found.place).await;
        watch.begin();
        self.show(&found)?;
        let mut grip = Grip::new(self);
        grip.hold(DRAG, drag_event("dragCancel", found.at, &data));
        for kind in ["dragEnter", "dragOver", "dragOver"] {
            self.permit.check()?;
            let moved = self.post(DRAG, &drag_event(kind, found.at, &data)).await?;
            self.all_answered(vec![moved]).await?;
        }
        self.permit.check()?;
        grip.let_go();
        let done = self.post(DRAG, &drag_event("drop", found.at, &data)).await?;
        self.all_answered(vec![done]).await?;
        self.settle(found, watch, Frame::Shown).await
    }
}
