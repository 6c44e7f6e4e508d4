//! One agent's session: its seat in the room and the tabs that it works in.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, OwnedSemaphorePermit};

use super::port::Seat;
use super::shelf::Shelf;
use super::video::Video;
use crate::base::{Before, Point, RoomId, ToolGroups};
use crate::browser::{
    ActError, Attending, Browser, Callout, CalloutStyle, Observer, Outline, Profiling, Tab, Trace,
};
use crate::floor::FloorPermit;
use crate::room::RoomEvent;

/// An agent's console, routes and emulation last in so many tabs; beyond it
/// those of the tab that it used longest ago end.
const MOST_ATTENDED: usize = 8;

pub(super) struct Session {
    pub seat: Arc<dyn Seat>,
    pub room: RoomId,
    pub groups: ToolGroups,
    pub shelf: Arc<Shelf>,
    /// Held for the length of a call: a session's calls come one after the other.
    pub work: Arc<Mutex<Work>>,
    /// What the agent said last; gone with its next act.
    said: std::sync::Mutex<String>,
    /// What it does besides all acts, such as recording. Shown when it says nothing else.
    besides: std::sync::Mutex<String>,
    /// What people read of it now.
    doing: std::sync::Mutex<String>,
    /// The session's place among all; given back with it.
    _place: OwnedSemaphorePermit,
}

/// What an agent has before it.
#[derive(Default)]
pub(super) struct Work {
    /// The tabs that it has worked in, the current one last.
    attended: Vec<Attending>,
    /// What it was shown of each tab, by the browser's name for it.
    shown: HashMap<String, Outline>,
    /// Where its last answer said that it is: the tab, its address and title.
    page: Option<(String, String, String)>,
    /// The last fact of the journal that it was told, and of which browser.
    told: (u64, std::sync::Weak<Browser>),
    /// Its isolated contexts, by the names that it gave them, and in which browser they are.
    contexts: HashMap<String, String>,
    isolating: std::sync::Weak<Browser>,
    /// How often people had handed the browser back when it looked last.
    hand_backs: Option<u32>,
    pub trace: Option<(Trace, Before)>,
    pub profile: Option<Profiling>,
    pub recording: Option<super::tools::PeopleRecorded>,
    pub paused: Option<super::tools::Program>,
    pub video: Option<Video>,
    /// How its acts are drawn on the page, if they are.
    pub callouts: Option<Arc<CalloutStyle>>,
}

/// The floor, given back however the act ends.
pub(super) struct Held {
    seat: Arc<dyn Seat>,
    permit: Option<FloorPermit>,
}

/// Tells the room what people are to see.
pub(super) struct Shown {
    pub session: Arc<Session>,
    pub callouts: Option<Arc<CalloutStyle>>,
}

impl Work {
    /// The tab that it chose, if that is still open in this browser.
    pub fn current(&mut self, browser: &Browser) -> Option<&Attending> {
        let open = |tab: &Arc<Tab>| {
            tab.is_open() && browser.tab(tab.target()).is_some_and(|known| Arc::ptr_eq(&known, tab))
        };
        let current = self.attended.last().map(|attending| attending.tab().target().to_owned());
        self.attended.retain(|attending| open(attending.tab()));
        let same = self.attended.last().filter(|now| current.as_deref() == Some(now.tab().target()));
        self.shown.retain(|target, _| browser.tab(target).is_some());
        same
    }

    /// From now on it works in this tab.
    pub async fn choose(&mut self, tab: Arc<Tab>) -> &Attending {
        let at = self.attended.iter().position(|attending| Arc::ptr_eq(attending.tab(), &tab));
        let attending = match at {
            Some(at) => self.attended.remove(at),
            None => Attending::start(tab).await,
        };
        if self.attended.len() >= MOST_ATTENDED {
            self.attended.remove(0);
        }
        self.attended.push(attending);
        &self.attended[self.attended.len() - 1]
    }

    /// All its tabs lose the pointer that is drawn on them; its acts are not drawn any more.
    pub async fn end_callouts(&mut self) {
        self.callouts = None;
        for attending in &self.attended {
            attending.tab().hide_pointer().await;
        }
    }

    /// What it was shown of a tab is this now; gives what it was before.
    pub fn show(&mut self, tab: &Tab, outline: Outline) -> Option<Outline> {
        self.shown.insert(tab.target().to_owned(), outline)
    }

    /// It is told where it is; false when that is where it was.
    pub fn arrive(&mut self, tab: &Tab, url: &str, title: &str) -> bool {
        let now = (tab.target().to_owned(), url.to_owned(), title.to_owned());
        let moved = self.page.as_ref() != Some(&now);
        self.page = Some(now);
        moved
    }

    /// The isolated context that it calls so; a new one if it has none.
    pub async fn context(
        &mut self,
        browser: &Arc<Browser>,
        name: &str,
        permit: &FloorPermit,
    ) -> Result<String, ActError> {
        self.isolating = Arc::downgrade(browser);
        let open = browser.contexts().await?;
        self.contexts.retain(|_, context| open.contains(context));
        if let Some(context) = self.contexts.get(name) {
            return Ok(context.clone());
        }
        let context = browser.new_context(permit).await?;
        self.contexts.insert(name.to_owned(), context.clone());
        Ok(context)
    }

    /// The last fact that it knows of this browser: it comes without any news.
    pub fn told(&mut self, browser: &Arc<Browser>) -> u64 {
        if !std::ptr::eq(self.told.1.as_ptr(), Arc::as_ptr(browser)) {
            self.told = (browser.journal().last(), Arc::downgrade(browser));
        }
        self.told.0
    }

    /// Whether people have had the browser for themselves since it looked
    /// last. If so, what it knows of the pages is forgotten.
    pub fn is_outdated(&mut self, hand_backs: u32) -> bool {
        let outdated = *self.hand_backs.get_or_insert(hand_backs) != hand_backs;
        if outdated {
            self.shown.clear();
        }
        outdated
    }

    /// It has looked, at this count of hand-backs.
    pub fn looked(&mut self, hand_backs: u32) {
        self.hand_backs = Some(hand_backs);
    }

    pub fn tell(&mut self, last: u64) {
        self.told.0 = last;
    }
}

impl Drop for Work {
    /// Its isolated contexts end with it.
    fn drop(&mut self) {
        let contexts: Vec<String> = self.contexts.drain().map(|(_, context)| context).collect();
        let (Some(browser), Ok(runtime)) = (self.isolating.upgrade(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        runtime.spawn(async move {
            for context in contexts {
                // One that has ended already needs no end.
                let _ = browser.end_context(&context).await;
            }
        });
    }
}

impl Session {
    pub fn new(
        seat: Arc<dyn Seat>,
        room: RoomId,
        groups: ToolGroups,
        shelf: Arc<Shelf>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            seat,
            room,
            groups,
            shelf,
            work: Arc::default(),
            said: Default::default(),
            besides: Default::default(),
            doing: Default::default(),
            _place: place,
        }
    }

    /// The agent's own words, shown also between its acts.
    pub fn keep_saying(&self, text: &str) {
        text.clone_into(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What people are told of it for as long as it says nothing else.
    pub fn tell_besides(&self, text: &str) {
        text.clone_into(&mut self.besides.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The call is over: people see the agent's own words again, if it said any.
    pub fn done(&self) {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let besides = || self.besides.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.say(if said.is_empty() { besides() } else { said });
    }

    /// A word for people about what is done.
    pub fn say(&self, text: impl Into<String>) {
        let text: String = text.into();
        let text: String = text.chars().filter(|c| !c.is_control()).take(120).collect();
        text.clone_into(&mut self.doing.lock().unwrap_or_else(PoisonError::into_inner));
        self.seat.show(RoomEvent::Doing { actor: self.seat.actor().id.clone(), text });
    }
}

impl Held {
    pub fn new(seat: Arc<dyn Seat>, permit: FloorPermit) -> Self {
        Self { seat, permit: Some(permit) }
    }

    pub fn permit(&self) -> &FloorPermit {
        self.permit.as_ref().expect("it is taken out only by the drop")
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.seat.done(permit);
        }
    }
}

impl Observer for Shown {
    fn pointer(&self, to: Point, glide: std::time::Duration) {
        let ms = u32::try_from(glide.as_millis()).unwrap_or(u32::MAX);
        let seat = &self.session.seat;
        seat.show(RoomEvent::Pointer { actor: seat.actor().id.clone(), x: to.x, y: to.y, ms });
    }

    fn press(&self, at: Point) {
        let seat = &self.session.seat;
        seat.show(RoomEvent::Press { actor: seat.actor().id.clone(), x: at.x, y: at.y });
    }

    fn callout(&self) -> Option<Callout> {
        let style = Arc::clone(self.callouts.as_ref()?);
        let doing = self.session.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut letters = doing.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        Some(Callout { style, title: first.unwrap_or_default() + letters.as_str() })
    }
}
