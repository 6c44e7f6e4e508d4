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

use house::{ADMIN, House, Person};
use raw::{Raw, mouse};

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
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while std::time::Instant::now() < deadline {
        button(person, at, true).await;
        button(person, at, false).await;
        type_digits(person, "0").await;
        if eye.look("document.activeElement.id === 'theirs' && theirs.value !== ''").await == true {
            return;
        }
        // The window manager's doings have no event here.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let what = "[document.activeElement.id, document.hasFocus(), document.visibilityState, theirs.value, state.heard.slice(-20)].join()";
    panic!("the window does not get the keyboard: {}", eye.look(what).await);
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
            let presses = eye.look("state.presses").await.as_u64().expect("a count");
            button(&person, at, true).await;
            // Chromium may let keys overtake a press; nobody types before they see the caret.
            // The button stays down so long: the floor is the person's until then.
            eye.until("state.presses", presses + 1).await;
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

/// Takes over by hand in the page, as the button does.
async fn floor(person: &mut Person, ask: Value) {
    person.send(json!({ "type": "floor", "ask": ask })).await;
}

async fn until_taken(person: &mut Person, by: Value) {
    person
        .until(|message| message["type"] == "view" && message["room"]["floor"]["takeover"]["name"] == by)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_in_the_middle_of_a_drag_leaves_no_button_down_and_no_drag_open() {
    let (house, mut eye) = at_page(&[]).await;
    let mut person = house.person_socket().await;
    let mut mcp = house.mcp(&house.token("agent", Some("all"))).await;
    let mut raw = Raw::open(&house, ADMIN, "/floor").await;
    let (_, bin) = eye.place("bin").await;
    for (source, begun) in [("plain", "state.buttons === 1"), ("cargo", "state.dragging")] {
        // By a tool: the target is not there, so that the drag hangs in the middle.
        let drag = json!({ "name": "browser_drag", "arguments": { "startTarget": format!("#{source}"), "endTarget": "#none" } });
        let taking = async {
            eye.until(begun, true).await;
            floor(&mut person, json!({ "kind": "takeover" })).await;
            until_taken(&mut person, "Admin".into()).await;
        };
        let (answer, ()) = tokio::join!(mcp.ask("tools/call", drag), taking);
        assert!(answer["result"]["structuredContent"]["error"]["code"] == "preempted", "{answer}");
        all_is_up(&mut eye, source).await;
        floor(&mut person, json!({ "kind": "hand-back" })).await;
        until_taken(&mut person, Value::Null).await;

        // By raw CDP, moved half of the way.
        let (_, from) = eye.place(source).await;
        raw.mouse("mousePressed", from, "left").await.expect("pressed");
        for step in 1..5 {
            let at = (from.0 + f64::from(step) * 20.0, from.1 + 5.0);
            raw.post("Input.dispatchMouseEvent", mouse("mouseMoved", at, "left")).await;
        }
        eye.until(begun, true).await;
        floor(&mut person, json!({ "kind": "takeover" })).await;
        until_taken(&mut person, "Admin".into()).await;
        all_is_up(&mut eye, source).await;
        let refused = raw.mouse("mouseMoved", bin, "left").await.expect_err("taken over");
        assert!(refused.contains("Admin took over"), "{refused}");
        floor(&mut person, json!({ "kind": "hand-back" })).await;
        until_taken(&mut person, Value::Null).await;
    }
    // A button that an act left down on purpose, between two calls.
    let (_, at) = eye.place("plain").await;
    for (tool, arguments) in
        [("browser_mouse_move_xy", json!({ "x": at.0, "y": at.1 })), ("browser_mouse_down", json!({}))]
    {
        let answer = mcp.ask("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        assert!(answer["result"]["isError"] != true, "{answer}");
    }
    eye.until("state.buttons", 1).await;
    floor(&mut person, json!({ "kind": "takeover" })).await;
    eye.until("state.buttons", 0).await;
    assert_eq!(eye.look("state.dropped").await, 0, "something was dropped");
}

async fn all_is_up(eye: &mut Raw, source: &str) {
    eye.until("state.buttons === 0 && !state.dragging", true).await;
    let heard = eye.text("state.heard.join()").await;
    let end = heard.rsplit(',').next().unwrap_or_default();
    assert!(end == "dragend" || end.starts_with("mouseup"), "{source}: {heard}");
    assert!(!heard.contains("drop"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_and_a_persons_press_drop_an_agents_open_composition_and_what_was_committed_stays() {
    let (house, mut eye) = at_page(&["--settle-ms", "60"]).await;
    let hand = house.person().await;
    let (theirs, _) = eye.place("theirs").await;
    let (_, mine) = eye.place("mine").await;
    warm_up(&hand, &mut eye, theirs).await;
    let mut person = house.person_socket().await;
    let mut raw = Raw::open(&house, ADMIN, "/floor").await;
    let composed = |text: &str| {
        let at = text.chars().count();
        json!({ "text": text, "selectionStart": at, "selectionEnd": at })
    };
    let before = eye.text("theirs.value").await;

    // What the input method has committed is text like any other; what is open is dropped.
    raw.click(mine).await.expect("clicked");
    raw.ask("Input.imeSetComposition", composed("kep")).await.expect("composed");
    raw.ask("Input.insertText", json!({ "text": "kept " })).await.expect("committed");
    raw.ask("Input.imeSetComposition", composed("nihon")).await.expect("composed");
    eye.until("mine.value", "kept nihon").await;
    floor(&mut person, json!({ "kind": "takeover" })).await;
    until_taken(&mut person, "Admin".into()).await;
    eye.until("mine.value", "kept ").await;
    for (method, params) in
        [("Input.imeSetComposition", composed("nihongo")), ("Input.insertText", json!({ "text": "nihongo" }))]
    {
        let refused = raw.ask(method, params).await.expect_err("taken over");
        assert!(refused.contains("Admin took over"), "{refused}");
    }
    floor(&mut person, json!({ "kind": "hand-back" })).await;
    until_taken(&mut person, Value::Null).await;
    assert_eq!(eye.text("mine.value").await, "kept ");

    // So it is with a press, and what the person types is theirs alone.
    raw.click(mine).await.expect("clicked");
    raw.ask("Input.imeSetComposition", composed("nihon")).await.expect("composed");
    eye.until("mine.value", "kept nihon").await;
    let presses = eye.look("state.presses").await.as_u64().expect("a count");
    let at = Point { y: theirs.y + 250, ..theirs };
    button(&hand, at, true).await;
    eye.until("state.presses", presses + 1).await;
    type_digits(&hand, "4711").await;
    eye.until("theirs.value", format!("{before}4711")).await;
    button(&hand, at, false).await;
    assert_eq!(eye.text("mine.value").await, "kept ");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_person_who_clicks_and_types_at_once_while_an_agent_types_no_key_is_lost_or_doubled() {
    const ROUNDS: usize = 40;
    let mut chance = Chance::new();
    let (house, mut eye) = at_page(&["--settle-ms", "300"]).await;
    let hand = house.person().await;
    let (theirs, _) = eye.place("theirs").await;
    warm_up(&hand, &mut eye, theirs).await;
    let mut agent = house.agent(ADMIN);
    agent.run("() => { theirs.value = ''; mine.focus() }").await;
    let (mut typed, mut overtook) = (0, 0);
    for round in 0..ROUNDS {
        let digits: String = (0..4).map(|_| char::from(b'0' + chance.below(10) as u8)).collect();
        let pause = Duration::from_micros(chance.below(150_000));
        agent.run("() => { theirs.value = ''; mine.value = ''; mine.focus() }").await;
        let acting = agent.call("browser_type", json!({ "target": "#mine", "text": TEXT, "slowly": true }));
        let using = async {
            // The moment is the chance of this round.
            tokio::time::sleep(pause).await;
            let at = Point { x: theirs.x - 120 + 40 * (round as i32 % 7), y: theirs.y + 250 };
            // Nothing of the page is waited for between press and keys.
            button(&hand, at, true).await;
            button(&hand, at, false).await;
            type_digits(&hand, &digits).await;
            eye.until("(theirs.value + mine.value).replace(/[^0-9]/g, '').length", 4).await;
        };
        let (reply, ()) = tokio::join!(acting, using);
        let (there, here) = (eye.text("theirs.value").await, eye.text("mine.value").await);
        let words = format!("round {round}, {pause:?}: {there:?} {here:?} {reply}");
        assert!(there.chars().all(|c| c.is_ascii_digit()), "the agent's text strayed: {words}");
        let keys = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let letters: String = here.chars().filter(|c| !c.is_ascii_digit()).collect();
        // On a busy machine Chromium may still let keys overtake the press before them.
        assert_eq!(keys(&here) + &there, digits, "{words}");
        overtook += keys(&here).len();
        typed += 4;
        let count = match told(reply.body["isError"] == true, &reply.text) {
            Told::All => TEXT.len(),
            Told::Some(count) => count,
            Told::Nothing => 0,
        };
        assert_eq!(letters, &TEXT[..count], "{words}");
    }
    println!("{overtook} of {typed} keys overtook the press before them");
}

/// The turns that the record has, the oldest first.
async fn turns(house: &House) -> Vec<String> {
    let path = "/api/rooms/main/audit?kind=floor&oldest_first=true&limit=500";
    let (_, _, found) = house.json("GET", path, ADMIN, b"").await;
    let lines = found["lines"].as_array().expect("lines").iter().map(|signed| &signed["line"]);
    let turns = lines.filter(|line| line["what"] == "turn");
    turns.map(|line| line["who"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_turns_each_of_five_agents_that_wait_gets_its_turn_before_any_gets_a_second() {
    const AGENTS: usize = 5;
    const ROUNDS: usize = 2;
    let (house, _eye) = at_page(&["--settle-ms", "50", "--turn-idle-s", "1"]).await;
    let (status, _, answer) = json_ask(&house, "PUT", "", ADMIN, r#"{"mode":"turns"}"#).await;
    assert_eq!(status, 200, "{answer}");
    let names: Vec<String> = (0..AGENTS).map(|number| format!("Agent {number}")).collect();
    let tokens: Vec<String> = names.iter().map(|name| house.token_of("agent", name)).collect();
    for round in 1..=ROUNDS {
        let all = tokens.iter().map(|token| {
            let mut agent = house.agent(token);
            async move { agent.ok("browser_hover", json!({ "target": "#plain" })).await }
        });
        futures_util::future::join_all(all).await;
        let had = turns(&house).await;
        // Whoever had the last turn of the round before may still have it; then four are new.
        let last: std::collections::BTreeSet<_> = had.iter().rev().take(AGENTS).collect();
        assert!(last.len() == AGENTS && had.len() <= AGENTS * round, "round {round}: {had:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_given_the_floor_acts_by_mcp_and_by_raw_cdp_and_the_others_wait_or_are_refused() {
    let (house, mut eye) = at_page(&["--settle-ms", "50", "--turn-idle-s", "3600"]).await;
    let (status, _, answer) = json_ask(&house, "PUT", "", ADMIN, r#"{"mode":"turns"}"#).await;
    assert_eq!(status, 200, "{answer}");
    let mut person = house.person_socket().await;
    let (x, y) = (house.token_of("agent", "Xeno"), house.token_of("agent", "Yara"));
    let mut mcp = house.mcp(&x).await;
    let mut raw = Raw::open(&house, &y, "/floor").await;
    let (_, mine) = eye.place("mine").await;
    let (_, _, room) = house.json("GET", "/api/rooms/main", ADMIN, b"").await;
    let id = |name: &str| {
        let present = room["present"].as_array().expect("people").iter();
        present.clone().find(|one| one["name"] == name).map(|one| one["id"].clone()).expect("present")
    };
    let give = |to: Value| json!({ "to": to }).to_string();
    let type_by =
        |text: &str| json!({ "name": "browser_type", "arguments": { "target": "#mine", "text": text } });

    // A person has the turn: both wait. Given to one, that one acts and the other goes on waiting.
    floor(&mut person, json!({ "kind": "request" })).await;
    person.until(|message| message["room"]["floor"]["turn"]["name"] == "Admin").await;
    let (call, mut answer) = mcp.begin("tools/call", type_by("by MCP")).await;
    house.until(|room| room["waiting"] == json!(["Xeno"])).await;
    let pressed = raw.post("Input.dispatchMouseEvent", mouse("mousePressed", mine, "left")).await;
    house.until(|room| room["waiting"].as_array().is_some_and(|all| all.len() == 2)).await;
    let (status, _, given) = json_ask(&house, "POST", "/give", ADMIN, &give(id("Xeno"))).await;
    assert!(status == 200 && given["turn"]["name"] == "Xeno", "{given}");
    let done = mcp.until(&mut answer, |message| message["id"] == call).await;
    assert!(done["result"]["isError"] != true, "{done}");
    eye.until("mine.value", "by MCP").await;
    assert_eq!(eye.look("state.buttons").await, 0, "the other has not acted");

    // An agent gives nothing away, neither does somebody else; an admin does, to the one by raw CDP.
    let anna = house.token_of("controller", "Anna");
    for token in [&x, &y, &anna] {
        let (status, _, why) = json_ask(&house, "POST", "/give", token, &give(id("Yara"))).await;
        assert_eq!(status, 403, "{why}");
    }
    let (status, _, given) = json_ask(&house, "POST", "/give", ADMIN, &give(id("Yara"))).await;
    assert!(status == 200 && given["turn"]["name"] == "Yara", "{given}");
    raw.answer(pressed).await.expect("it has the floor");
    raw.mouse("mouseReleased", mine, "left").await.expect("released");
    raw.ask("Input.insertText", json!({ "text": ", by CDP" })).await.expect("typed");
    eye.until("mine.value", "by MCP, by CDP").await;

    // Now the one by MCP waits, and a takeover refuses both at once.
    let (call, mut answer) = mcp.begin("tools/call", type_by("stray")).await;
    house.until(|room| room["waiting"] == json!(["Xeno"])).await;
    floor(&mut person, json!({ "kind": "takeover" })).await;
    until_taken(&mut person, "Admin".into()).await;
    let refused = mcp.until(&mut answer, |message| message["id"] == call).await;
    assert!(refused.to_string().contains("Admin took over"), "{refused}");
    let why = raw.ask("Input.insertText", json!({ "text": "stray" })).await.expect_err("taken over");
    assert!(why.contains("Admin took over"), "{why}");
    // Given on from a takeover, it is handed back, and the turn is theirs.
    let (status, _, given) = json_ask(&house, "POST", "/give", ADMIN, &give(id("Xeno"))).await;
    assert!(status == 200 && given["turn"]["name"] == "Xeno" && given["takeover"].is_null(), "{given}");
    let done = mcp.ask("tools/call", type_by("at last")).await;
    assert!(done["result"]["isError"] != true, "{done}");
    eye.until("mine.value", "at last").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_refuses_agents_at_every_door_and_the_hand_back_tells_them_what_happened() {
    let (house, mut eye) = at_page(&["--settle-ms", "100"]).await;
    let (viewer, _seat) = house.person_of(ADMIN).await;
    let (theirs, _) = eye.place("theirs").await;
    let (password, _) = eye.place("password").await;
    warm_up(&viewer, &mut eye, theirs).await;
    let mut person = house.person_socket().await;
    let mut agent = house.agent(ADMIN);
    let mut mcp = house.mcp(ADMIN).await;
    let mut raw = Raw::open(&house, ADMIN, "/floor").await;
    let old = agent.ok("browser_snapshot", json!({})).await.reference("\"Mine\"");
    agent.ok("what_changed", json!({})).await;

    // One who waits is let go with the takeover, and so is one who comes.
    floor(&mut person, json!({ "kind": "takeover" })).await;
    until_taken(&mut person, "Admin".into()).await;
    let refused = agent.refused("browser_type", json!({ "target": "#mine", "text": "x" })).await;
    assert!(refused.code() == "floor" && refused.text.contains("Admin took over"), "{refused}");
    let call = json!({ "name": "browser_press_key", "arguments": { "key": "x" } });
    let answer = mcp.ask("tools/call", call).await;
    assert!(answer.to_string().contains("Admin took over"), "{answer}");
    let why = raw.ask("Input.insertText", json!({ "text": "x" })).await.expect_err("taken over");
    assert!(why.contains("Admin took over") && why.contains("hand-back"), "{why}");
    agent.ok("browser_snapshot", json!({})).await;

    // The person works; an agent that waits for them is told at once when they are done.
    let token = house.token("agent", None);
    let mut waiter = house.agent(&token);
    let waiting = waiter.ok("wait_for_user", json!({ "timeout": 30 }));
    let working = async {
        button(&viewer, Point { y: theirs.y + 250, ..theirs }, true).await;
        button(&viewer, Point { y: theirs.y + 250, ..theirs }, false).await;
        eye.until("document.activeElement.id", "theirs").await;
        type_digits(&viewer, "31").await;
        eye.until("theirs.value.endsWith('31')", true).await;
        button(&viewer, password, true).await;
        button(&viewer, password, false).await;
        // A password is private by itself: nobody looks until the hand-back.
        person.until(|message| message["room"]["private"].is_object()).await;
        type_digits(&viewer, "471").await;
        // The echo of the last one says that all were taken before the hand-back.
        for (stamp, down) in [(7, true), (8, false)] {
            let key = Input::Key { keysym: u32::from(b'1'), code: 0, down, modifiers: Modifiers::default() };
            viewer.input(stamp, stamp, key).await.expect("sent");
        }
        viewer.echo(Duration::from_secs(30)).await.expect("taken");
        floor(&mut person, json!({ "kind": "hand-back", "note": "logged in, please continue" })).await;
        until_taken(&mut person, Value::Null).await;
        std::time::Instant::now()
    };
    let (waited, handed_back) = tokio::join!(async { (waiting.await, std::time::Instant::now()) }, working);
    assert!(waited.0.text.contains("is still again"), "{}", waited.0);
    house.until(|view| view["private"].is_null()).await;
    eye.until("state.sent", true).await;
    let late = waited.1.saturating_duration_since(handed_back);
    assert!(late < Duration::from_secs(2), "told {late:?} after the hand-back");

    let stale = agent.refused("browser_click", json!({ "target": old })).await;
    assert!(stale.code() == "stale_ref" && stale.text.contains("logged in, please continue"), "{stale}");
    let changed = agent.ok("what_changed", json!({})).await;
    for words in [
        "Admin took over",
        "handed back",
        "logged in, please continue",
        "\"Theirs\": \"",
        "\"Password\", whose value is secret",
    ] {
        assert!(changed.text.contains(words), "{words:?} is not in {changed}");
    }
    assert!(!changed.text.contains("4711") && !changed.body.to_string().contains("4711"), "{changed}");
    let fresh = agent.ok("browser_snapshot", json!({})).await.reference("\"Mine\"");
    agent.ok("browser_click", json!({ "target": fresh })).await;

    // Help is a takeover, and done a hand-back.
    let helping = async {
        let id = person.until_help().await;
        person.send(json!({ "type": "help", "id": id, "answer": { "kind": "accept" } })).await;
        until_taken(&mut person, "Admin".into()).await;
        let why = raw.click((5.0, 5.0)).await.expect_err("a person helps");
        assert!(why.contains("Admin took over"), "{why}");
        person.send(json!({ "type": "help", "id": id, "answer": { "kind": "done", "note": "done" } })).await;
        until_taken(&mut person, Value::Null).await;
    };
    let asking = agent.ok("request_help", json!({ "reason": "Please log in", "timeout": 20 }));
    let (asked, ()) = tokio::join!(asking, helping);
    assert_eq!(asked.structured()["outcome"], "done", "{asked}");
    raw.click((5.0, 5.0)).await.expect("handed back");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_watch_and_hands_off_and_turns_each_door_says_what_to_do() {
    let (house, mut eye) = at_page(&["--settle-ms", "50", "--turn-idle-s", "1"]).await;
    let (viewer, _seat) = house.person_of(ADMIN).await;
    let (plain, _) = eye.place("plain").await;
    let (x, y) = (house.token("agent", None), house.token("agent", None));
    let (mut one, mut two) = (house.agent(&x), house.agent(&y));
    let mut raw = Raw::open(&house, ADMIN, "/floor").await;
    let mode = async |mode: &str| {
        let body = json!({ "mode": mode }).to_string();
        let (status, _, answer) = json_ask(&house, "PUT", "", ADMIN, &body).await;
        assert!(status == 200 && answer["mode"] == mode, "{answer}");
    };

    mode("hands-off").await;
    let refused = one.refused("browser_click", json!({ "target": "#plain" })).await;
    assert!(
        refused.code() == "floor" && refused.text.contains("ask a person to change the mode"),
        "{refused}"
    );
    let why = raw.click((5.0, 5.0)).await.expect_err("hands off");
    assert!(why.contains("ask a person to change the mode"), "{why}");
    button(&viewer, plain, true).await;
    eye.until("state.buttons", 1).await;

    // The button that the person holds comes up with the change, and their next press does nothing.
    mode("watch").await;
    eye.until("state.buttons", 0).await;
    let heard = eye.text("state.heard.join()").await;
    button(&viewer, plain, true).await;
    button(&viewer, plain, false).await;
    one.ok("browser_hover", json!({ "target": "#plain" })).await;
    assert_eq!(eye.text("state.heard.join()").await, heard, "a person who only looks pressed");

    // In turns one agent goes on while another waits, which is served when the first is idle; each in order.
    mode("turns").await;
    for _ in 0..2 {
        one.ok("browser_hover", json!({ "target": "#bin" })).await;
        two.ok("browser_hover", json!({ "target": "#plain" })).await;
    }
    // A person asks an agent and has the turn at once; idle, it is the agent's again.
    let (status, _, answer) = json_ask(&house, "POST", "/request", ADMIN, "").await;
    assert!(status == 200 && answer["turn"]["name"] == "Admin", "{answer}");
    let began = std::time::Instant::now();
    one.ok("browser_hover", json!({ "target": "#bin" })).await;
    assert!(
        began.elapsed() > Duration::from_millis(500),
        "the turn was not the person's: {:?}",
        began.elapsed()
    );
}

/// Status, head and JSON of the floor's contract.
async fn json_ask(house: &House, method: &str, path: &str, token: &str, body: &str) -> (u16, String, Value) {
    let path = format!("/api/rooms/main/floor{path}");
    let (status, head, answer) = house.ask_json(method, &path, token, body.as_bytes()).await;
    let answer = serde_json::from_slice(&answer)
        .unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&answer)));
    (status, head, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_one_has_the_floor_and_what_the_other_does_ends() {
    let (house, mut eye) = at_page(&["--settle-ms", "50"]).await;
    let (ann, bob) = (house.token_of("controller", "Ann"), house.token_of("controller", "Bob"));
    let (theirs, _) = eye.place("theirs").await;
    let (plain, _) = eye.place("plain").await;
    let (hand, _seat) = house.person_of(&bob).await;
    warm_up(&hand, &mut eye, theirs).await;
    let mut a = house.person_socket_of(&ann).await;
    let mut b = house.person_socket_of(&bob).await;

    // Bob drags and composes; Ann takes over: his button comes up, and nothing of his is typed after.
    button(&hand, plain, true).await;
    eye.until("state.buttons", 1).await;
    floor(&mut a, json!({ "kind": "takeover" })).await;
    until_taken(&mut a, "Ann".into()).await;
    eye.until("state.buttons", 0).await;
    let before = eye.text("theirs.value").await;
    hand.input(0, 0, Input::Text("né".into())).await.expect("sent");
    type_digits(&hand, "55").await;
    button(&hand, plain, true).await;
    // Bob is told by whom, by the same connection; what he sent before has been judged by then.
    floor(&mut b, json!({ "kind": "takeover" })).await;
    let told = b.until(|message| message["type"] == "error").await;
    assert!(
        told["code"] == "forbidden"
            && told["message"].as_str().is_some_and(|why| why.contains("Ann took over")),
        "{told}"
    );
    floor(&mut a, json!({ "kind": "hand-back" })).await;
    until_taken(&mut a, Value::Null).await;
    assert_eq!((eye.text("theirs.value").await, eye.look("state.buttons").await), (before, json!(0)));

    // Both at once: one has it, the other is told by whom.
    for _ in 0..10 {
        tokio::join!(
            floor(&mut a, json!({ "kind": "takeover" })),
            floor(&mut b, json!({ "kind": "takeover" }))
        );
        let told = a
            .until(|message| {
                message["type"] == "error" || message["room"]["floor"]["takeover"]["name"] == "Ann"
            })
            .await;
        let (winner, told) = match told["type"] == "error" {
            true => (&mut b, told),
            false => (&mut a, b.until(|message| message["type"] == "error").await),
        };
        assert!(told["message"].as_str().is_some_and(|why| why.contains("took over")), "{told}");
        floor(winner, json!({ "kind": "hand-back" })).await;
        until_taken(&mut a, Value::Null).await;
        until_taken(&mut b, Value::Null).await;
    }

    // Ann's connection drops and she comes back: it is still hers. (That it ends after 30 s is the
    // state machine's test, with made-up time.)
    floor(&mut a, json!({ "kind": "takeover" })).await;
    until_taken(&mut b, "Ann".into()).await;
    drop(a);
    b.until(|message| {
        message["type"] == "view"
            && message["room"]["present"]
                .as_array()
                .is_some_and(|all| all.iter().all(|one| one["name"] != "Ann"))
    })
    .await;
    let mut a = house.person_socket_of(&ann).await;
    floor(&mut b, json!({ "kind": "takeover" })).await;
    let told = b.until(|message| message["type"] == "error").await;
    assert!(told["message"].as_str().is_some_and(|why| why.contains("Ann took over")), "{told}");
    floor(&mut a, json!({ "kind": "hand-back" })).await;
    until_taken(&mut a, Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_to_the_floors_contract_is_refused_with_a_reason() {
    let house = House::open().await;
    let (viewer, agent) = (house.token("viewer", None), house.token("agent", None));
    let other = house.token_for_room("controller", "elsewhere");
    for (method, path, token, body, status, words) in [
        ("PUT", "", ADMIN, r#"{"mode":"chaos"}"#, 400, "hands-off"),
        ("PUT", "", ADMIN, "{", 400, "the body is not right"),
        ("PUT", "", ADMIN, r#"{"mode":"watch","more":1}"#, 400, "more"),
        ("PUT", "", &viewer, r#"{"mode":"watch"}"#, 403, "viewer may only watch"),
        ("PUT", "", &agent, r#"{"mode":"watch"}"#, 403, "request_help"),
        ("PUT", "", &other, r#"{"mode":"watch"}"#, 403, ""),
        ("GET", "", &other, "", 403, ""),
        ("GET", "", "wrong", "", 401, ""),
        ("POST", "/takeover", &viewer, "", 403, "controller"),
        ("POST", "/takeover", &agent, "", 403, "request_help"),
        ("POST", "/takeover", &other, "", 403, ""),
        ("POST", "/handback", ADMIN, r#"{"note":"x"}"#, 403, "nobody has the floor"),
        ("POST", "/handback", ADMIN, r#"{"note":5}"#, 400, "expected a string"),
        ("POST", "/give", ADMIN, r#"{"to":"nobody-here"}"#, 403, "nobody of that name"),
        ("POST", "/give", ADMIN, r#"{}"#, 400, "to"),
        ("POST", "/request", &viewer, "", 403, "controller"),
    ] {
        let (got, head, answer) = json_ask(&house, method, path, token, body).await;
        assert_eq!(got, status, "{method} {path} {body}: {head} {answer}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(
            !message.is_empty() && message.contains(words),
            "{method} {path} {body}: {words:?} not in {answer}"
        );
    }
    // What is said and cannot be taken is refused, not lost.
    for (path, body, kind, status, words) in [
        ("/handback", r#"{"note":"x"}"#, "", 415, "Content-Type: application/json"),
        (
            "/handback",
            r#"{"note":"x"}"#,
            "Content-Type: text/plain\r\n",
            415,
            "Content-Type: application/json",
        ),
        ("/handback", r#"{"nota":"x"}"#, "Content-Type: application/json\r\n", 400, "nota"),
        ("/takeover", r#"{"note":"x"}"#, "Content-Type: application/json\r\n", 400, "note"),
        ("/takeover", "please", "", 415, "Content-Type: application/json"),
        ("/request", r#"{"note":"x"}"#, "Content-Type: application/json\r\n", 400, "note"),
        ("/give", r#"{"to":"x"}"#, "", 415, "Content-Type: application/json"),
    ] {
        let path = format!("/api/rooms/main/floor{path}");
        let (got, _, answer) = house.ask_with("POST", &path, ADMIN, kind, body.as_bytes()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(got == status && answer.contains(words), "{path} {body} {kind:?}: {got} {answer}");
    }
    // Nothing, with or without a kind, is nothing.
    for kind in ["", "Content-Type: application/json\r\n"] {
        let path = "/api/rooms/main/floor/takeover";
        let (status, _, answer) = house.ask_with("POST", path, ADMIN, kind, b"").await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }
    let note = json!({ "note": "logged in" }).to_string();
    let (status, _, answer) = json_ask(&house, "POST", "/handback", ADMIN, &note).await;
    assert!(status == 200 && answer["takeover"].is_null(), "{answer}");
    let (status, _, answer) = json_ask(&house, "GET", "", &viewer, "").await;
    assert!(status == 200 && answer["mode"] == "together" && answer["takeover"].is_null(), "{answer}");
}
