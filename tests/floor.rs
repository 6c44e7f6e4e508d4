//! Floor control with a real room, real hands and real agents: whoever has the
//! floor has it alone, whatever door the others come through.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tandem::base::{Button, Input, Modifiers, Point};
use tandem::bench::viewer::Viewer;

#[allow(dead_code, reason = "other tests need more of it")]
mod house;
#[path = "floor/raw.rs"]
mod raw;

use house::{ADMIN, House};
use raw::Raw;

const TRIALS: usize = 200;
const TEXT: &str = "the quick brown fox jumps over the lazy dog and then does it all over again";

/// A small generator whose seed is printed, so that a failure can be had again.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let seed = std::env::var("FLOOR_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(now.as_nanos() as u64 | 1);
        println!("FLOOR_SEED={seed}");
        Self(seed)
    }

    /// A number below this one.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

async fn button(person: &Viewer, at: Point, down: bool) {
    person.input(0, 0, Input::Button { at, button: Button::Left, down }).await.expect("sent");
}

async fn type_digits(person: &Viewer, digits: &str) {
    for digit in digits.bytes() {
        for down in [true, false] {
            let key = Input::Key { keysym: digit.into(), code: 0, down, modifiers: Modifiers::default() };
            person.input(0, 0, key).await.expect("sent");
        }
    }
}

/// Clicks until the window has the keyboard, which the window manager gives it in its own time.
async fn warm_up(person: &Viewer, eye: &mut Raw, at: Point) {
    for _ in 0..50 {
        button(person, at, true).await;
        button(person, at, false).await;
        eye.until("document.activeElement.id", "theirs").await;
        type_digits(person, "0").await;
        if eye.look("theirs.value").await != "" {
            return;
        }
    }
    panic!("the window does not get the keyboard");
}

/// A room with the page of these tests, and an eye on it.
async fn at_page(args: &[&str]) -> (House, Raw) {
    let house = House::open_with(args).await;
    house.agent(ADMIN).go(&house.at("/floor")).await;
    let eye = Raw::open(&house, ADMIN, "/floor").await;
    (house, eye)
}

/// What an agent is told of its text.
#[derive(Debug)]
enum Told {
    All,
    /// So many characters.
    Some(usize),
    Nothing,
}

fn told(is_error: bool, text: &str) -> Told {
    if !is_error {
        return Told::All;
    }
    match text.split(" characters were typed").next().and_then(|before| before.rsplit(' ').nth(2)) {
        Some(count) if text.contains(" characters were typed") => Told::Some(count.parse().expect("a count")),
        _ => Told::Nothing,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_one_character_goes_astray_while_a_person_and_an_agent_type() {
    let mut chance = Chance::new();
    let (house, mut eye) = at_page(&["--settle-ms", "60"]).await;
    let person = house.person().await;
    let (theirs, _) = eye.place("theirs").await;
    let (_, mine) = eye.place("mine").await;
    let mut agent = house.agent(ADMIN);
    let mut mcp = house.mcp(ADMIN).await;
    let mut raw = Raw::open(&house, ADMIN, "/floor").await;
    warm_up(&person, &mut eye, theirs).await;
    let clear = "() => { theirs.value = ''; mine.focus() }";
    agent.run(clear).await;
    let (mut typed, mut interrupted) = (String::new(), [0; 3]);
    for trial in 0..TRIALS {
        let door = trial % 3;
        let slowly = chance.below(2) == 0;
        let pause = Duration::from_micros(chance.below(180_000));
        let digits: String = (0..4).map(|_| char::from(b'0' + chance.below(10) as u8)).collect();
        let before = eye.text("mine.value").await;
        let arguments = json!({ "target": "#mine", "text": TEXT, "slowly": slowly });
        let acting = async {
            match door {
                0 => {
                    let reply = agent.call("browser_type", arguments).await;
                    (told(reply.body["isError"] == true, &reply.text), reply.text)
                }
                1 => {
                    let call = json!({ "name": "browser_type", "arguments": arguments });
                    let answer = mcp.ask("tools/call", call).await;
                    let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
                    (told(answer["result"]["isError"] == true, &text), text)
                }
                _ => type_raw(&mut raw, mine, slowly).await,
            }
        };
        let using = async {
            // The moment is the chance of this trial.
            tokio::time::sleep(pause).await;
            // Below the text, never twice at the same place: that would select a word.
            let at = Point { x: theirs.x - 120 + 40 * (trial as i32 % 7), y: theirs.y + 250 };
            button(&person, at, true).await;
            // Chromium may let keys overtake a press; nobody types before they see the caret.
            // The button stays down so long: the floor is the person's until then.
            eye.until("document.activeElement.id", "theirs").await;
            type_digits(&person, &digits).await;
            typed.push_str(&digits);
            eye.until("theirs.value", typed.as_str()).await;
            button(&person, at, false).await;
        };
        let ((told, words), ()) = tokio::join!(acting, using);
        let now = eye.text("mine.value").await;
        let kept = if slowly || door == 2 { before.as_str() } else { "" };
        let expected = match told {
            Told::All => format!("{kept}{TEXT}"),
            Told::Some(count) => format!("{before}{}", &TEXT[..count]),
            Told::Nothing => before.clone(),
        };
        interrupted[door] += usize::from(!matches!(told, Told::All));
        assert_eq!(now, expected, "trial {trial}, door {door}, slowly {slowly}, {pause:?}: {words}");
        let elsewhere = eye.text("theirs.value").await;
        assert_eq!(elsewhere, typed, "trial {trial}, door {door}, slowly {slowly}, {pause:?}: {words}");
        if now.len() > 4000 {
            agent.ok("browser_type", json!({ "target": "#mine", "text": "" })).await;
        }
    }
    println!("interrupted over HTTP, MCP and CDP: {interrupted:?} of {TRIALS}");
    assert!(interrupted.iter().all(|count| *count >= 5), "the trials hardly met: {interrupted:?}");
}

/// Clicks into the field and types: key by key, each awaited, or all sent at once.
async fn type_raw(raw: &mut Raw, at: (f64, f64), slowly: bool) -> (Told, String) {
    if let Err(why) = raw.click(at).await {
        return (Told::Nothing, why);
    }
    // The caret goes behind what is there.
    for kind in ["rawKeyDown", "keyUp"] {
        let end =
            json!({ "type": kind, "key": "End", "code": "End", "windowsVirtualKeyCode": 35, "modifiers": 2 });
        if let Err(why) = raw.ask("Input.dispatchKeyEvent", end).await {
            return (Told::Nothing, why);
        }
    }
    let letters: Vec<String> = TEXT.chars().map(String::from).collect();
    let mut ids = Vec::new();
    let mut done = 0;
    for letter in &letters {
        let (method, params) = match letter.as_str() {
            " " => ("Input.insertText", json!({ "text": " " })),
            letter => ("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": letter, "text": letter })),
        };
        let id = raw.post(method, params).await;
        if slowly {
            if let Err(why) = raw.answer(id).await {
                return (Told::Some(done), why);
            }
            done += 1;
        } else {
            ids.push(id);
        }
    }
    let mut refused = None;
    for id in ids {
        match (raw.answer(id).await, &refused) {
            (Ok(_), None) => done += 1,
            (Ok(_), Some(why)) => panic!("a key went on after one was refused: {why}"),
            (Err(why), _) => refused = Some(why),
        }
    }
    match refused {
        None => (Told::All, String::new()),
        Some(why) => (Told::Some(done), why),
    }
}

fn _unused(_: Value) {}
