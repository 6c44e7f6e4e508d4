//! The display as a whole, on a real X server, with real windows on it.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, Receiver, UnboundedReceiver, UnboundedSender, unbounded_channel};
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeGCAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, EventMask, Gcontext, KeyButMask,
    PropMode, Rectangle, Window, WindowClass,
};
use x11rb::wrapper::ConnectionExt as _;

use super::link::{Bell, Door, Link, LinkError};
use super::*;
use crate::base::{
    Actor, ActorId, Button, FrameMoment, FrameSink, Input, InputStamp, Modifiers, PeerId, Point, Rect, Role,
    Size, StampedInput,
};
use crate::floor::{Floor, FloorPermit, Grant, Touch};
use crate::process::RoomUser;

const PATIENCE: Duration = Duration::from_secs(20);
const NONE: Modifiers =
    Modifiers { shift: false, control: false, alt: false, meta: false, caps_lock: false, num_lock: false };

/// Keeps the whole picture and tells of every commit.
struct Sink {
    picture: Arc<Mutex<(Option<Size>, Vec<u8>)>>,
    commits: UnboundedSender<(FrameMoment, Vec<Rect>)>,
    rects: Vec<Rect>,
}

impl FrameSink for Sink {
    fn resize(&mut self, size: Size) {
        *self.picture.lock().expect("lock") = (Some(size), vec![0x55; size.area() as usize * 4]);
    }

    fn patch(&mut self, rect: Rect, pixels: &[u8], stride: usize) {
        let mut picture = self.picture.lock().expect("lock");
        let width = picture.0.expect("a size comes first").width() as usize;
        let row = rect.width as usize * 4;
        for y in 0..rect.height as usize {
            let to = ((rect.y as usize + y) * width + rect.x as usize) * 4;
            picture.1[to..to + row].copy_from_slice(&pixels[y * stride..y * stride + row]);
        }
        self.rects.push(rect);
    }

    fn commit(&mut self, moment: FrameMoment) {
        let _ = self.commits.send((moment, std::mem::take(&mut self.rects)));
    }
}

struct Stage {
    display: Display,
    picture: Arc<Mutex<(Option<Size>, Vec<u8>)>>,
    commits: UnboundedReceiver<(FrameMoment, Vec<Rect>)>,
    events: Receiver<DisplayEvent>,
    permit: FloorPermit,
    dir: tempfile::TempDir,
}

fn settings(dir: &Path) -> DisplaySettings {
    let user = RoomUser::resolve("nobody").expect("nobody");
    user.own(dir).expect("own");
    DisplaySettings {
        size: Size::new(800, 600).expect("size"),
        max_size: Size::new(1920, 1200).expect("size"),
        ..DisplaySettings::new(dir.to_owned(), user, dir.to_owned())
    }
}

async fn stage() -> Stage {
    let dir = tempfile::tempdir().expect("dir");
    let (commits, committed) = unbounded_channel();
    let picture = Arc::new(Mutex::new((None, Vec::new())));
    let sink = Sink { picture: Arc::clone(&picture), commits, rects: Vec::new() };
    let (sender, events) = mpsc::channel(64);
    let display = Display::start(settings(dir.path()), Box::new(sink), sender).await.expect("starts");
    let ada = Actor {
        id: ActorId::new("ada").expect("id"),
        name: "Ada".into(),
        role: Role::Controller,
        colour: None,
    };
    let permit = Floor::new(Duration::ZERO).handle_person(Instant::now(), &ada, Touch::Move).expect("may");
    Stage { display, picture, commits: committed, events, permit, dir }
}

impl Stage {
    async fn commit(&mut self) -> (FrameMoment, Vec<Rect>) {
        let commit = tokio::time::timeout(PATIENCE, self.commits.recv()).await;
        let commit = commit.expect("a picture in time").expect("capture lives");
        self.display.taken();
        commit
    }

    /// Commits until this pixel has this colour.
    async fn until_pixel(&mut self, x: usize, y: usize, colour: u32) -> FrameMoment {
        loop {
            let (moment, _) = self.commit().await;
            if self.pixel(x, y) == colour {
                return moment;
            }
        }
    }

    fn pixel(&self, x: usize, y: usize) -> u32 {
        let picture = self.picture.lock().expect("lock");
        let at = (y * picture.0.expect("size").width() as usize + x) * 4;
        match picture.1.get(at..at + 3) {
            Some(pixel) => u32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0]),
            // The picture has not grown yet.
            None => u32::MAX,
        }
    }

    /// True when no picture comes in this time.
    async fn is_still(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.commits.recv()).await.is_err()
    }

    async fn event<T>(&mut self, wanted: impl Fn(DisplayEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(self.events.recv().await.expect("the display lives")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the event in time")
    }

    fn inject(&self, input: Input) {
        self.display.inject(&self.permit, StampedInput { input, stamp: None }).expect("taken");
    }

    fn key(&self, keysym: u32, down: bool, modifiers: Modifiers) {
        self.inject(Input::Key { keysym, code: 0, down, modifiers });
    }
}

/// What a window on the display saw.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Focus,
    Key { keysym: u32, down: bool },
    Button { number: u8, down: bool, x: i16, y: i16 },
    Moved(i16, i16),
    Size(u16, u16),
}

/// A program on the display: a window that reads its keys as toolkits do and answers pings.
struct Program {
    window: Window,
    gc: Gcontext,
    link: Link,
    seen: UnboundedReceiver<Seen>,
    stop: Bell,
}

impl Program {
    fn start(door: &Door) -> Self {
        let link = door.open().expect("opens");
        let gc = link.conn.generate_id().expect("id");
        let (post, seen) = unbounded_channel();
        let stop = Bell::new().expect("bell");
        let (inner, bell) = (door.open().expect("opens"), stop.clone());
        let (created, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let own = inner.conn.generate_id().expect("id");
            created.send(own).expect("waited for");
            if let Err(error) = serve_window(&inner, own, &bell, &post) {
                eprintln!("the test's window: {error}");
            }
        });
        let window = ready.recv().expect("id");
        link.conn.create_gc(gc, link.root, &CreateGCAux::new()).expect("sent").check().expect("gc");
        Self { window, gc, link, seen, stop }
    }

    async fn focused(door: &Door) -> Self {
        let mut program = Self::start(door);
        program.until(|seen| (*seen == Seen::Focus).then_some(())).await;
        program
    }

    async fn next(&mut self) -> Seen {
        tokio::time::timeout(PATIENCE, self.seen.recv()).await.expect("in time").expect("window lives")
    }

    async fn until<T>(&mut self, wanted: impl Fn(&Seen) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(&self.next().await) {
                return found;
            }
        }
    }

    /// The keysyms that went down and up, as many as asked for.
    async fn keys(&mut self, count: usize) -> Vec<(u32, bool)> {
        let mut keys = Vec::new();
        while keys.len() < count {
            if let Seen::Key { keysym, down } = self.next().await {
                keys.push((keysym, down));
            }
        }
        keys
    }

    fn fill(&self, colour: u32, x: i16, y: i16, width: u16, height: u16) {
        let conn = &self.link.conn;
        conn.change_gc(self.gc, &ChangeGCAux::new().foreground(colour)).expect("sent");
        let rect = [Rectangle { x, y, width, height }];
        conn.poly_fill_rectangle(self.window, self.gc, &rect).expect("sent").check().expect("filled");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.link.conn.destroy_window(self.window);
        let _ = self.link.conn.flush();
        self.stop.ring();
    }
}

fn serve_window(
    link: &Link,
    window: Window,
    bell: &Bell,
    seen: &UnboundedSender<Seen>,
) -> Result<(), LinkError> {
    let conn = &link.conn;
    let mask = EventMask::KEY_PRESS
        | EventMask::KEY_RELEASE
        | EventMask::BUTTON_PRESS
        | EventMask::BUTTON_RELEASE
        | EventMask::POINTER_MOTION
        | EventMask::FOCUS_CHANGE
        | EventMask::STRUCTURE_NOTIFY;
    let aux = CreateWindowAux::new().event_mask(mask).background_pixel(0x20_2020);
    conn.create_window(0, window, link.root, 50, 50, 300, 200, 0, WindowClass::INPUT_OUTPUT, 0, &aux)?
        .check()?;
    let protocols = conn.intern_atom(false, b"WM_PROTOCOLS")?.reply()?.atom;
    let ping = conn.intern_atom(false, b"_NET_WM_PING")?.reply()?.atom;
    conn.change_property32(PropMode::REPLACE, window, protocols, AtomEnum::ATOM, &[ping])?;
    conn.map_window(window)?;
    let read_map = || -> Result<(u8, Vec<u32>), LinkError> {
        let (first, last) = (conn.setup().min_keycode, conn.setup().max_keycode);
        let map = conn.get_keyboard_mapping(first, last - first + 1)?.reply()?;
        Ok((map.keysyms_per_keycode, map.keysyms))
    };
    let mut map = read_map()?;
    let first = conn.setup().min_keycode;
    loop {
        while let Some(event) = conn.poll_for_event()? {
            let told = match event {
                Event::MappingNotify(_) => {
                    map = read_map()?;
                    None
                }
                Event::KeyPress(key) | Event::KeyRelease(key) => {
                    let shift = usize::from(key.state.contains(KeyButMask::SHIFT));
                    let keysym = map.1[usize::from(key.detail - first) * usize::from(map.0) + shift];
                    let down = matches!(event, Event::KeyPress(_));
                    Some(Seen::Key { keysym, down })
                }
                Event::ButtonPress(button) | Event::ButtonRelease(button) => {
                    let down = matches!(event, Event::ButtonPress(_));
                    Some(Seen::Button { number: button.detail, down, x: button.root_x, y: button.root_y })
                }
                Event::MotionNotify(motion) => Some(Seen::Moved(motion.root_x, motion.root_y)),
                Event::FocusIn(_) => Some(Seen::Focus),
                Event::ConfigureNotify(configure) => Some(Seen::Size(configure.width, configure.height)),
                Event::ClientMessage(mut message) if message.data.as_data32()[0] == ping => {
                    message.window = link.root;
                    let to = EventMask::SUBSTRUCTURE_NOTIFY | EventMask::SUBSTRUCTURE_REDIRECT;
                    conn.send_event(false, link.root, to, message)?;
                    None
                }
                Event::DestroyNotify(_) => return Ok(()),
                _ => None,
            };
            if told.is_some_and(|told| seen.send(told).is_err()) {
                return Ok(());
            }
        }
        link.wait(bell, None)?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_on_the_screen_reaches_the_sink_and_stillness_costs_nothing() {
    let mut stage = stage().await;
    stage.display.watch(true);
    let (moment, rects) = stage.commit().await;
    assert_eq!((moment.serial, rects), (1, vec![Size::new(800, 600).expect("size").rect()]));
    let mut program = Program::focused(&stage.display.parts().0).await;
    program.fill(0x12_3456, 101, 103, 5, 7);
    stage.until_pixel(101, 103, 0x12_3456).await;
    assert!(stage.is_still(Duration::from_millis(400)).await, "nothing changes, yet a picture came");

    // One small change is one small patch, at once.
    let painted = Instant::now();
    program.fill(0xff_0000, 201, 203, 5, 7);
    let (moment, rects) = stage.commit().await;
    assert_eq!(rects, [Rect { x: 200, y: 202, width: 6, height: 8 }]);
    assert!(moment.captured_at - painted < Duration::from_millis(100));
    assert_eq!(stage.pixel(205, 209), 0xff_0000);

    // Nobody watches: no picture. Somebody watches again: the whole one at once.
    stage.display.watch(false);
    program.fill(0x00_ff00, 300, 300, 5, 7);
    assert!(stage.is_still(Duration::from_millis(200)).await);
    stage.display.watch(true);
    let (_, rects) = stage.commit().await;
    assert_eq!(rects, [Size::new(800, 600).expect("size").rect()]);
    assert_eq!(stage.pixel(301, 301), 0x00_ff00);
    let _ = program.seen.try_recv();

    // What was grabbed another way is the same picture.
    let picture = stage.display.grab().await.expect("grabs");
    assert!(
        picture.bgrx.chunks(4).map(|p| &p[..3]).eq(stage
            .picture
            .lock()
            .expect("lock")
            .1
            .chunks(4)
            .map(|p| &p[..3]))
    );
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_holds_and_no_picture_comes_before_the_last_was_taken() {
    let mut stage = stage().await;
    stage.display.watch(true);
    let program = Program::focused(&stage.display.parts().0).await;
    while !stage.is_still(Duration::from_millis(200)).await {
        stage.display.taken();
    }
    // The last look took a picture or timed out with all taken; now paint without pause.
    let (painting, stop) = (Arc::new(std::sync::atomic::AtomicBool::new(true)), Instant::now());
    let flag = Arc::clone(&painting);
    let painter = std::thread::spawn(move || {
        let mut colour = 0u32;
        while flag.load(std::sync::atomic::Ordering::Acquire) {
            colour = colour.wrapping_add(0x01_0101) & 0xff_ffff;
            program.fill(colour, 10, 10, 50, 50);
        }
        program
    });
    stage.display.taken();
    let mut count = 0u32;
    while stop.elapsed() < Duration::from_secs(2) {
        stage.commit().await;
        count += 1;
    }
    assert!((60..=124).contains(&count), "{count} pictures in two seconds");
    // The last commit of this loop was taken; take one more and keep it.
    let kept = tokio::time::timeout(PATIENCE, stage.commits.recv()).await.expect("in time").expect("lives");
    assert!(
        stage.is_still(Duration::from_millis(200)).await,
        "a picture came while {} was not taken",
        kept.0.serial
    );
    painting.store(false, std::sync::atomic::Ordering::Release);
    drop(painter.join().expect("paints"));
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_is_resized_live_and_the_window_follows() {
    let mut stage = stage().await;
    stage.display.watch(true);
    let mut program = Program::focused(&stage.display.parts().0).await;
    for (width, height) in [(1366, 768), (400, 300), (1920, 1200), (1002, 502)] {
        let size = Size::new(width, height).expect("size");
        stage.display.resize(size).await.expect("resizes");
        let resized = |event| matches!(event, DisplayEvent::Resized(told) if told == size).then_some(());
        stage.event(resized).await;
        let wanted = Seen::Size(width as u16, height as u16);
        program.until(|seen| (*seen == wanted).then_some(())).await;
        let (x, y) = (width as i16 - 4, height as i16 - 4);
        program.fill(0xab_cdef, x, y, 4, 4);
        stage.until_pixel(width as usize - 1, height as usize - 1, 0xab_cdef).await;
        assert_eq!(stage.picture.lock().expect("lock").0, Some(size));
    }
    let error = stage.display.resize(Size::new(1922, 600).expect("size")).await.expect_err("too large");
    assert!(matches!(error, DisplayError::TooLarge { .. }), "{error}");
    // More sizes than modes are kept.
    for step in 0..40 {
        stage.display.resize(Size::new(600 + step * 2, 400).expect("size")).await.expect("resizes");
    }
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_script_arrives_as_it_was_typed() {
    let stage = stage().await;
    let mut program = Program::focused(&stage.display.parts().0).await;
    let sym = |c: char| if (c as u32) < 0x100 { c as u32 } else { 0x0100_0000 + c as u32 };
    for character in ['a', 'ß', 'я', 'Я', '漢', '😀', '/', '?'] {
        stage.key(sym(character), true, NONE);
        stage.key(sym(character), false, NONE);
        let keys = program.keys(2).await;
        let typed: Vec<u32> =
            keys.iter().filter(|(k, down)| *down && *k != 0xffe1).map(|(keysym, _)| *keysym).collect();
        let typed = if typed.is_empty() { program.keys(2).await[0].0 } else { typed[0] };
        assert_eq!(typed, sym(character), "{character}");
        // What Shift's own release left is read away with the next key's press.
        while tokio::time::timeout(Duration::from_millis(30), program.seen.recv()).await.is_ok() {}
    }
    // Far more different characters than there are free keycodes.
    let text: String = ('\u{4e00}'..'\u{4ec8}').collect();
    stage.inject(Input::Text(text.clone()));
    let mut typed = String::new();
    while typed.chars().count() < text.chars().count() {
        if let (keysym, true) = program.keys(1).await[0] {
            typed.extend(char::from_u32(keysym - 0x0100_0000));
        }
    }
    assert_eq!(typed, text);
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_key_repeats_only_when_the_viewer_says_so() {
    let stage = stage().await;
    let mut program = Program::focused(&stage.display.parts().0).await;
    stage.key(0x61, true, NONE);
    assert_eq!(program.keys(1).await, [(0x61, true)]);
    let more = tokio::time::timeout(Duration::from_millis(1200), program.keys(1)).await;
    assert!(more.is_err(), "the X server repeats by itself");
    stage.key(0x61, true, NONE);
    stage.key(0x61, false, NONE);
    // The X server swallows a press of a key that is down, so a repeat is a release and a press.
    assert_eq!(program.keys(3).await, [(0x61, false), (0x61, true), (0x61, false)]);
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_wheel_and_moves_arrive_and_release_all_lets_go() {
    let stage = stage().await;
    let mut program = Program::focused(&stage.display.parts().0).await;
    let at = Point { x: 120, y: 130 };
    let pairs =
        [(Button::Left, 1), (Button::Middle, 2), (Button::Right, 3), (Button::Back, 8), (Button::Forward, 9)];
    for (button, number) in pairs {
        for down in [true, false] {
            stage.inject(Input::Button { at, button, down });
            let seen =
                program.until(|s| if let Seen::Button { .. } = s { Some(s.clone()) } else { None }).await;
            assert_eq!(seen, Seen::Button { number, down, x: 120, y: 130 });
        }
    }
    stage.inject(Input::Wheel { at, dx: -120, dy: 120 });
    let mut wheel = Vec::new();
    while wheel.len() < 4 {
        wheel.push(
            program.until(|s| if let Seen::Button { number, .. } = s { Some(*number) } else { None }).await,
        );
    }
    assert_eq!(wheel, [5, 5, 6, 6]);
    stage.inject(Input::Move(Point { x: i32::MAX, y: -7 }));
    let moved = program.until(|s| if let Seen::Moved(x, y) = s { Some((*x, *y)) } else { None }).await;
    assert_eq!(moved, (799, 0));

    stage.inject(Input::Button { at, button: Button::Left, down: true });
    for keysym in [0xffe1, 0x61, '漢' as u32 + 0x0100_0000] {
        stage.key(keysym, true, Modifiers { shift: true, ..NONE });
    }
    stage.display.release_all().expect("taken");
    let (conn, root) = (&program.link.conn, program.link.root);
    loop {
        let pointer = conn.query_pointer(root).expect("sent").reply().expect("pointer").mask;
        let keys = conn.query_keymap().expect("sent").reply().expect("keys").keys;
        if pointer == KeyButMask::from(0u16) && keys == [0; 32] {
            break;
        }
        let seen = tokio::time::timeout(PATIENCE, program.seen.recv()).await;
        seen.expect("something is still held").expect("window lives");
    }
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_permit_injects_nothing() {
    let stage = stage().await;
    let mut floor = Floor::new(Duration::from_secs(1));
    let bot =
        Actor { id: ActorId::new("bot").expect("id"), name: "bot".into(), role: Role::Agent, colour: None };
    let ada = Actor {
        id: ActorId::new("ada").expect("id"),
        name: "Ada".into(),
        role: Role::Controller,
        colour: None,
    };
    let Ok(Grant::Now(permit)) = floor.handle_agent(Instant::now(), &bot) else { panic!("granted") };
    let _ = floor.handle_person(Instant::now(), &ada, Touch::Momentary).expect("may");
    let input = StampedInput { input: Input::Text("late".into()), stamp: None };
    assert!(matches!(stage.display.inject(&permit, input), Err(InjectError::Preempted(_))));
    floor.handle_done(Instant::now(), permit);
    let long = StampedInput { input: Input::Text("x".repeat(99_999)), stamp: None };
    assert!(matches!(stage.display.inject(&stage.permit, long), Err(InjectError::TooLong { .. })));
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_is_echoed_with_the_first_picture_that_shows_its_effect() {
    let mut stage = stage().await;
    stage.display.watch(true);
    let mut program = Program::focused(&stage.display.parts().0).await;
    program.fill(0x11_1111, 0, 0, 1, 1);
    stage.until_pixel(0, 0, 0x11_1111).await;
    let stamp = InputStamp { peer: PeerId(7), stamp: 42 };
    let at = Point { x: 50, y: 50 };
    let input = Input::Button { at, button: Button::Left, down: true };
    stage.display.inject(&stage.permit, StampedInput { input, stamp: Some(stamp) }).expect("taken");
    program.until(|seen| matches!(seen, Seen::Button { .. }).then_some(())).await;
    program.fill(0x22_2222, 0, 0, 1, 1);
    let moment = stage.until_pixel(0, 0, 0x22_2222).await;
    assert_eq!(moment.echoes, [stamp]);
    program.fill(0x33_3333, 0, 0, 1, 1);
    assert_eq!(stage.until_pixel(0, 0, 0x33_3333).await.echoes, []);
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clipboard_goes_both_ways() {
    let mut stage = stage().await;
    let (ours, theirs) = (stage.display.parts().0, stage.display.parts().0);
    let reader = super::clipboard_probe::read(&ours);
    assert_eq!(reader.expect("reads"), None, "nobody owns it yet");
    stage.inject(Input::Clipboard("Grüße, мир 😀".into()));
    // The key behind it is seen only when the text is there.
    let mut program = Program::focused(&theirs).await;
    stage.inject(Input::Clipboard("second".into()));
    stage.key(0x76, true, NONE);
    program.keys(1).await;
    assert_eq!(super::clipboard_probe::read(&ours).expect("reads").as_deref(), Some("second"));

    for text in ["from a page: ß漢😀".to_owned(), "long ".repeat(12_000)] {
        let owner = super::clipboard_probe::Owner::start(&ours, text.clone()).expect("owns");
        let copied = stage
            .event(|event| if let DisplayEvent::Clipboard(text) = event { Some(text) } else { None })
            .await;
        assert!(copied == text, "{} bytes became {}", text.len(), copied.len());
        drop(owner);
    }
    // And back to us.
    stage.inject(Input::Clipboard("third".into()));
    stage.key(0x76, false, NONE);
    program.keys(1).await;
    assert_eq!(super::clipboard_probe::read(&ours).expect("reads").as_deref(), Some("third"));
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pointer_comes_as_a_png() {
    let mut stage = stage().await;
    let cursor =
        stage.event(|event| if let DisplayEvent::Cursor(image) = event { Some(image) } else { None }).await;
    let picture = image::load_from_memory(&cursor.png).expect("a PNG");
    assert_eq!((picture.width(), picture.height()), (cursor.width.into(), cursor.height.into()));
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_cookie_gets_in_and_no_file_stays_behind() {
    let stage = stage().await;
    let (door, _) = stage.display.parts();
    let wrong = Door { cookie: crate::base::Redacted::new([7; 16]), ..door.clone() };
    assert!(matches!(wrong.open().err(), Some(DisplayError::Refused { .. })));
    assert!(door.socket().exists());
    let dir = stage.dir.path().to_owned();
    stage.display.stop().await;
    assert!(!door.socket().exists());
    assert!(!dir.join("xauthority").exists() && !dir.join("display").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_window_manager_is_told_of_and_comes_back() {
    let mut stage = stage().await;
    let pid = stage.display.window_manager_pid().await as i32;
    let pid = rustix::process::Pid::from_raw(pid).expect("pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    let ended =
        |event| if let DisplayEvent::Ended { what, exit } = event { Some((what, exit)) } else { None };
    assert_eq!(stage.event(ended).await, ("window manager", crate::process::Exit::Signal(9)));
    stage.display.restart_window_manager().await.expect("comes back");
    let mut program = Program::start(&stage.display.parts().0);
    program.until(|seen| (*seen == Seen::Size(800, 600)).then_some(())).await;
    stage.display.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_x_server_is_told_of_and_what_it_left_is_cleared() {
    let mut stage = stage().await;
    stage.display.watch(true);
    stage.commit().await;
    let (door, pid) = stage.display.parts();
    let pid = rustix::process::Pid::from_raw(pid as i32).expect("pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    let xvfb = |event| match event {
        DisplayEvent::Ended { what: "xvfb", exit } => Some(exit),
        _ => None,
    };
    assert_eq!(stage.event(xvfb).await, crate::process::Exit::Signal(9));
    assert!(matches!(
        stage.display.resize(Size::DEFAULT).await,
        Err(DisplayError::Gone | DisplayError::Request { .. })
    ));
    assert!(door.socket().exists(), "a killed server leaves its socket");
    assert!(clear_stale(stage.dir.path()));
    assert!(!door.socket().exists());
    // All threads have ended by themselves, so this returns.
    tokio::time::timeout(PATIENCE, stage.display.stop()).await.expect("no thread hangs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_says_why() {
    let dir = tempfile::tempdir().expect("dir");
    let sink = || {
        let (commits, _) = unbounded_channel();
        Box::new(Sink { picture: Arc::default(), commits, rects: Vec::new() })
    };
    let (events, _keep) = mpsc::channel(8);
    let missing = DisplaySettings { xvfb: "/no/such/Xvfb".into(), ..settings(dir.path()) };
    let error = Display::start(missing, sink(), events.clone()).await.expect_err("missing");
    assert!(error.to_string().contains("/no/such/Xvfb"), "{error}");
    // A program that is no X server ends with a word of its own.
    let wrong = DisplaySettings { xvfb: "ls".into(), ..settings(dir.path()) };
    let error = Display::start(wrong, sink(), events).await.expect_err("no X server");
    assert!(error.to_string().contains("ls:"), "{error}");
}
