//! The life of a room's parts, as a machine without a clock: what has died,
//! when it is tried again, and what viewers are told meanwhile.
//!
//! ```text
//!            started                 ended
//!  Starting ─────────▶ Live ───────────────────▶ Restarting
//!     │                 ▲                           │  │
//!     │ failed          └────── started ────────────┘  │ too many tries
//!     ▼                                                ▼
//!  Restarting                                        Failed ── every minute ──▶ tries again
//! ```
//!
//! At rest, nothing lives and nothing is started; awake, it begins anew. What
//! fell asleep wakes when somebody comes, if there is memory for it; what was
//! stopped does not.
//!
//! The window manager is a part of its own: the picture stays live without it.

use std::time::{Duration, Instant};

use super::Phase;

/// What can die by itself. The browser cannot live without the display.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Display,
    WindowManager,
    Browser,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Start(Part),
    /// See whether there is memory by now: [`Lifecycle::handle_wake`] or
    /// [`Lifecycle::handle_no_memory`], or asleep again when nobody waits for it.
    Wake,
}

/// Why nothing lives.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rest {
    /// Nobody was here.
    Asleep,
    /// Somebody is, but there was no memory for it. It is tried again then.
    NoMemory { reason: String, again: Instant },
    /// Whoever administers the server wants it so.
    Stopped,
}

/// After this many tries in a row the room is called failed.
const PATIENCE: u32 = 6;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often it is seen whether there is memory to wake.
const FOR_MEMORY: Duration = Duration::from_secs(5);
/// Whoever lived this long is healthy again.
const HEALTHY: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To be started at this time, if what it stands on is up.
    Due(Instant),
    Starting,
    Up(Instant),
}

#[derive(Clone, Debug)]
struct Life {
    state: State,
    /// Tries in a row that did not last.
    failures: u32,
    reason: Option<String>,
}

/// The lives of all parts of one room.
#[derive(Debug)]
pub struct Lifecycle {
    display: Life,
    window_manager: Life,
    browser: Life,
    /// It was live once: from then on a start is a restart.
    was_live: bool,
    rest: Option<Rest>,
    stopping: bool,
}

impl Life {
    fn new(now: Instant) -> Self {
        Self { state: State::Due(now), failures: 0, reason: None }
    }

    fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    fn fail(&mut self, now: Instant, reason: String) {
        if let State::Up(since) = self.state
            && now.saturating_duration_since(since) >= HEALTHY
        {
            self.failures = 0;
        }
        self.failures += 1;
        self.state = State::Due(now + pause(self.failures));
        self.reason = Some(reason);
    }
}

/// The first try comes at once, then after 0.25 s, 0.5 s, 1 s, …, at most a minute.
fn pause(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        n if n > PATIENCE => LONGEST_PAUSE,
        n => Duration::from_millis(250 << (n - 2)),
    }
}

impl Lifecycle {
    pub fn new(now: Instant) -> Self {
        let life = Life::new(now);
        Self {
            display: life.clone(),
            window_manager: Life { state: State::Starting, ..life.clone() },
            browser: life,
            was_live: false,
            rest: None,
            stopping: false,
        }
    }

    // Getters.

    /// What viewers and agents are told.
    pub fn phase(&self) -> Phase {
        if self.stopping {
            return Phase::Stopping;
        }
        match &self.rest {
            Some(Rest::Asleep) => return Phase::Sleeping,
            Some(Rest::NoMemory { reason, .. }) => return Phase::Failed { reason: reason.clone() },
            Some(Rest::Stopped) => return Phase::Stopped,
            None => {}
        }
        let Some(down) = [&self.display, &self.browser].into_iter().find(|life| !life.is_up()) else {
            return Phase::Live;
        };
        match &down.reason {
            Some(reason) if down.failures > PATIENCE => Phase::Failed { reason: reason.clone() },
            Some(reason) => Phase::Restarting { reason: reason.clone() },
            None if self.was_live => Phase::Restarting { reason: "The browser is starting again".into() },
            None => Phase::Starting,
        }
    }

    /// Whether it would wake now if somebody came.
    pub fn is_asleep(&self) -> bool {
        matches!(self.rest, Some(Rest::Asleep | Rest::NoMemory { .. })) && !self.stopping
    }

    // Handlers.

    pub fn handle_started(&mut self, now: Instant, part: Part) {
        self.life(part).state = State::Up(now);
        if part == Part::Display {
            // A display comes with a window manager of its own.
            self.window_manager.state = State::Up(now);
        }
        self.was_live |= self.display.is_up() && self.browser.is_up();
    }

    /// A part died, or its start failed. `reason` is one sentence for people.
    pub fn handle_ended(&mut self, now: Instant, part: Part, reason: String) {
        if part == Part::Display {
            // What stood on it falls with it and is not to blame.
            for life in [&mut self.browser, &mut self.window_manager] {
                life.state = State::Due(now);
                life.reason = Some(reason.clone());
            }
        }
        self.life(part).fail(now, reason);
    }

    /// Everything has been ended, for nobody is here.
    pub fn handle_slept(&mut self, now: Instant) {
        *self = Self { rest: Some(Rest::Asleep), stopping: self.stopping, ..Self::new(now) };
    }

    /// Everything has been ended and is to stay so.
    pub fn handle_shut(&mut self, now: Instant) {
        *self = Self { rest: Some(Rest::Stopped), stopping: self.stopping, ..Self::new(now) };
    }

    /// What was stopped may be woken again.
    pub fn handle_opened(&mut self) {
        if self.rest == Some(Rest::Stopped) {
            self.rest = Some(Rest::Asleep);
        }
    }

    /// It was to wake and there is no memory for it. `reason` is one sentence for people.
    pub fn handle_no_memory(&mut self, now: Instant, reason: String) {
        if self.is_asleep() {
            self.rest = Some(Rest::NoMemory { reason, again: now + FOR_MEMORY });
        }
    }

    /// Somebody is here, and there is memory.
    pub fn handle_wake(&mut self, now: Instant) {
        if self.is_asleep() {
            *self = Self { stopping: self.stopping, ..Self::new(now) };
        }
    }

    pub fn handle_stop(&mut self) {
        self.stopping = true;
    }

    // Pollers.

    /// The next thing to do, each once.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if self.stopping {
            return None;
        }
        match &mut self.rest {
            None => {}
            Some(Rest::NoMemory { again, .. }) if *again <= now => {
                *again = now + FOR_MEMORY;
                return Some(Action::Wake);
            }
            Some(_) => return None,
        }
        let display_up = self.display.is_up();
        for part in [Part::Display, Part::WindowManager, Part::Browser] {
            let stands = part == Part::Display || display_up;
            let life = self.life(part);
            if let State::Due(at) = life.state
                && stands
                && at <= now
            {
                life.state = State::Starting;
                return Some(Action::Start(part));
            }
        }
        None
    }

    /// When `poll_action` may have something new.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.rest {
            _ if self.stopping => return None,
            None => {}
            Some(Rest::NoMemory { again, .. }) => return Some(*again),
            Some(_) => return None,
        }
        let waiting = [&self.display, &self.window_manager, &self.browser];
        let due = waiting.into_iter().enumerate().filter_map(|(at, life)| match life.state {
            State::Due(when) if at == 0 || self.display.is_up() => Some(when),
            _ => None,
        });
        due.min()
    }

    fn life(&mut self, part: Part) -> &mut Life {
        match part {
            Part::Display => &mut self.display,
            Part::WindowManager => &mut self.window_manager,
            Part::Browser => &mut self.browser,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn up(now: Instant) -> Lifecycle {
        let mut life = Lifecycle::new(now);
        for part in [Part::Display, Part::Browser] {
            assert_eq!(life.poll_action(now), Some(Action::Start(part)));
            life.handle_started(now, part);
        }
        assert_eq!((life.phase(), life.poll_action(now)), (Phase::Live, None));
        life
    }

    #[test]
    fn what_was_stopped_wakes_for_nobody_until_it_is_started() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_shut(now);
        life.handle_wake(now);
        assert_eq!((life.phase(), life.is_asleep()), (Phase::Stopped, false));
        assert_eq!((life.poll_action(now), life.poll_timeout()), (None, None));
        life.handle_opened();
        assert_eq!(life.phase(), Phase::Sleeping);
        life.handle_wake(now);
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::Display)));
        life.handle_opened();
        assert_eq!(life.phase(), Phase::Starting, "what was not stopped goes on");
    }

    #[test]
    fn without_memory_it_says_so_and_tries_again_until_nobody_waits() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_no_memory(now, "awake, so nothing to wake".into());
        assert_eq!(life.phase(), Phase::Live);
        life.handle_slept(now);
        life.handle_no_memory(now, "full".into());
        assert_eq!(life.phase(), Phase::Failed { reason: "full".into() });
        assert_eq!((life.poll_action(now), life.poll_timeout()), (None, Some(now + FOR_MEMORY)));
        let later = now + FOR_MEMORY;
        assert_eq!(life.poll_action(later), Some(Action::Wake));
        assert_eq!(life.poll_action(later), None, "once, not in a loop");
        life.handle_slept(later);
        assert_eq!((life.phase(), life.poll_timeout()), (Phase::Sleeping, None));
    }

    #[test]
    fn the_display_comes_up_before_the_browser() {
        let now = Instant::now();
        let mut life = Lifecycle::new(now);
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::Display)));
        assert_eq!((life.poll_action(now), life.phase()), (None, Phase::Starting));
        life.handle_started(now, Part::Display);
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::Browser)));
    }

    #[test]
    fn a_dead_browser_is_started_again_at_once_and_viewers_are_told_why() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_ended(now, Part::Browser, "it died".into());
        assert_eq!(life.phase(), Phase::Restarting { reason: "it died".into() });
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::Browser)));
        life.handle_started(now, Part::Browser);
        assert_eq!(life.phase(), Phase::Live);
    }

    #[test]
    fn a_dead_display_takes_the_browser_with_it_and_both_come_back() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_ended(now, Part::Display, "the display died".into());
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::Display)));
        assert_eq!(life.poll_action(now), None);
        life.handle_started(now, Part::Display);
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::Browser)));
    }

    #[test]
    fn a_dead_window_manager_does_not_stop_the_picture() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_ended(now, Part::WindowManager, "gone".into());
        assert_eq!(life.phase(), Phase::Live);
        assert_eq!(life.poll_action(now), Some(Action::Start(Part::WindowManager)));
    }

    #[test]
    fn tries_slow_down_and_at_last_the_room_is_called_failed() {
        let mut now = Instant::now();
        let mut life = up(now);
        let mut pauses = vec![];
        for _ in 0..9 {
            life.handle_ended(now, Part::Browser, "no".into());
            let due = life.poll_timeout().expect("a next try");
            pauses.push(due - now);
            now = due;
            assert_eq!(life.poll_action(now), Some(Action::Start(Part::Browser)));
        }
        assert!(pauses.is_sorted() && pauses[0].is_zero());
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert_eq!(life.phase(), Phase::Failed { reason: "no".into() });
    }

    #[test]
    fn a_sleeping_room_starts_nothing_until_it_is_woken_and_then_everything() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_slept(now);
        assert_eq!((life.phase(), life.poll_action(now), life.poll_timeout()), (Phase::Sleeping, None, None));
        life.handle_wake(now);
        assert_eq!(
            (life.phase(), life.poll_action(now)),
            (Phase::Starting, Some(Action::Start(Part::Display)))
        );
        life.handle_wake(now);
        assert_eq!(life.poll_action(now), None, "it is awake already");
    }

    #[test]
    fn a_stopping_room_starts_nothing() {
        let now = Instant::now();
        let mut life = up(now);
        life.handle_stop();
        life.handle_ended(now, Part::Browser, "stopped".into());
        assert_eq!((life.poll_action(now), life.poll_timeout()), (None, None));
    }

    proptest! {
        #[test]
        fn whatever_dies_in_whatever_order_the_room_comes_back(deaths in prop::collection::vec((0..3usize, 0..40_000u64), 1..40)) {
            let mut now = Instant::now();
            let mut life = up(now);
            for (which, wait) in deaths {
                now += Duration::from_millis(wait);
                let part = [Part::Display, Part::WindowManager, Part::Browser][which];
                life.handle_ended(now, part, "died".into());
                for _ in 0..6 {
                    while let Some(Action::Start(part)) = life.poll_action(now) {
                        life.handle_started(now, part);
                    }
                    if let Some(due) = life.poll_timeout() {
                        now = now.max(due);
                    }
                }
                prop_assert_eq!(life.phase(), Phase::Live);
            }
        }
    }
}
