//! People and agents with code between them, through the tools' doors with a
//! real room: what people do comes out as code, and code of an agent's runs in
//! the room, apart from everything else.

use serde_json::json;
use tandem::base::{Button, Input, Modifiers, Point};
use tandem::bench::viewer::Viewer;

#[allow(dead_code, reason = "other tests use the rest")]
mod house;
use house::{Agent, House};

/// A person's hands.
struct Hand {
    viewer: Viewer,
    count: u32,
}

const RETURN: u32 = 0xff0d;
const TAB: u32 = 0xff09;
const DOWN: u32 = 0xff54;
const CONTROL: u32 = 0xffe3;

impl Hand {
    async fn of(house: &House) -> Self {
        Self { viewer: house.person().await, count: 0 }
    }

    async fn give(&mut self, input: Input) {
        self.count += 1;
        self.viewer.input(self.count, self.count, input).await.expect("sent");
    }

    async fn click(&mut self, at: Point) {
        self.give(Input::Move(at)).await;
        for down in [true, false] {
            self.give(Input::Button { at, button: Button::Left, down }).await;
        }
    }

    async fn key(&mut self, keysym: u32, control: bool) {
        let key = |keysym, down, control| {
            let modifiers = Modifiers { control, ..Modifiers::default() };
            Input::Key { keysym, code: 0, down, modifiers }
        };
        if control {
            self.give(key(CONTROL, true, true)).await;
        }
        for down in [true, false] {
            self.give(key(keysym, down, control)).await;
        }
        if control {
            self.give(key(CONTROL, false, false)).await;
        }
    }

    async fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.key(u32::from(c), false).await;
        }
    }
}

/// Where the middle of an element is on the display.
async fn place(agent: &mut Agent<'_>, element: &str) -> Point {
    let at = agent
        .run(&format!(
            "() => {{ const box = document.querySelector({element:?}).getBoundingClientRect();
                return [screenX + (outerWidth - innerWidth) / 2 + box.x + box.width / 2,
                    screenY + outerHeight - innerHeight + box.y + box.height / 2]; }}"
        ))
        .await;
    let side = |n: usize| at[n].as_f64().expect("a number").round() as i32;
    Point { x: side(0), y: side(1) }
}

/// Waits until the click has arrived in the frame of another origin.
/// Waits until the page holds nothing that was typed in private.
async fn until_unsealed(agent: &mut Agent<'_>) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while agent.call("browser_evaluate", json!({ "function": "() => 1" })).await.code() == "private" {
        let why = agent.call("browser_evaluate", json!({ "function": "() => 1" })).await;
        assert!(std::time::Instant::now() < deadline, "the page stays sealed: {why}");
        // The page's doings have no event here.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn until_in_frame(agent: &mut Agent<'_>) {
    let script = json!({ "target": "locator('iframe').contentFrame().locator('#out')", "function":
        "async (out) => { while (!out.value) await new Promise(requestAnimationFrame); return out.value; }" });
    let told = agent.ok("browser_evaluate", script).await;
    assert_eq!(told.structured()["result"], "click 1 0 false", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_does_comes_out_as_code_and_what_an_agent_does_is_not_in_it() {
    let house = House::open().await;
    let mut agent = house.agent(&house.token("agent", Some("all")));
    let mut hand = Hand::of(&house).await;
    agent.go(&house.page()).await;
    // A frame of another origin, in a process of its own.
    let inner = house.page().replace("127.0.0.1", "localhost");
    agent
        .run(&format!(
            "() => new Promise((done) => {{ const frame = document.createElement('iframe');
                frame.title = 'Inner'; frame.src = {inner:?}; frame.onload = () => done();
                frame.style = 'position: absolute; left: 500px; top: 260px; width: 500px; height: 300px';
                document.body.append(frame); }})"
        ))
        .await;
    let mut spots = Vec::new();
    for element in ["#press", "#name", "#password", "#agree", "iframe"] {
        spots.push(place(&mut agent, element).await);
    }
    let in_frame = agent
        .ok(
            "browser_evaluate",
            json!({ "target": "locator('iframe').contentFrame().locator('#press')",
                "function": "(el) => { const box = el.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }" }),
        )
        .await;
    let in_frame = in_frame.structured()["result"].clone();
    let corner = Point { x: spots[4].x - 250, y: spots[4].y - 150 };
    let inside = |n: usize| in_frame[n].as_f64().expect("a number") as i32 + 2;
    let in_frame = Point { x: corner.x + inside(0), y: corner.y + inside(1) };

    let mut watcher = house.person_socket().await;
    let (told, _) = tokio::join!(
        watcher.until(|message| message["event"]["text"] == "records what people do"),
        agent.ok("browser_start_recording", json!({})),
    );
    assert_eq!(told["event"]["kind"], "doing");
    let refused = agent.refused("browser_start_recording", json!({})).await;
    assert!(refused.text.contains("browser_stop_recording"), "{refused}");

    agent.run("() => { password.onblur = () => { password.value = ''; } }").await;
    hand.click(spots[0]).await;
    agent.until("() => out.value", json!("click 1 0 false")).await;
    hand.click(spots[1]).await;
    agent.until("() => document.activeElement.id", json!("name")).await;
    hand.write("ada l").await;
    hand.key(RETURN, false).await;
    hand.click(spots[2]).await;
    // A password is private by itself; agents look again once the page has it no longer.
    house.until(|view| view["private"].is_object()).await;
    hand.write("hunter2").await;
    hand.click(spots[3]).await;
    until_unsealed(&mut agent).await;
    agent.until("() => agree.checked", json!(true)).await;
    hand.key(TAB, false).await;
    agent.until("() => document.activeElement.id", json!("colour")).await;
    hand.key(DOWN, false).await;
    agent.until("() => colour.value", json!("g")).await;
    // An agent's own acts.
    agent.ok("browser_click", json!({ "target": "#redraw" })).await;
    agent.ok("browser_type", json!({ "target": "#name", "text": "by an agent" })).await;
    hand.click(in_frame).await;
    until_in_frame(&mut agent).await;
    // The address bar, a tab by hand, and its end.
    hand.key(u32::from('l'), true).await;
    // When the browser's own bar has the focus nobody tells.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    hand.write(&house.at("/other")).await;
    hand.key(RETURN, false).await;
    agent.until("() => document.title", json!("Other")).await;
    house.until(|view| view["page"]["url"].as_str().is_some_and(|url| url.contains("/other"))).await;
    hand.key(u32::from('t'), true).await;
    house.until(|view| view["page"]["url"].as_str().is_some_and(|url| !url.contains("/other"))).await;
    hand.key(u32::from('w'), true).await;
    // The other tab is in front before the closed one is gone.
    agent.until_tabs(1).await;

    let stopped = agent.ok("browser_stop_recording", json!({})).await;
    let code: Vec<_> = stopped.structured()["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .map(|step| step["code"].as_str().expect("code").to_owned())
        .collect();
    let goto = format!("await page.goto(\"{}\");", house.at("/other"));
    let wanted = [
        "await page.getByRole('button', { name: 'Press' }).click();",
        "await page.getByRole('textbox', { name: 'Name' }).click();",
        "await page.getByRole('textbox', { name: 'Name' }).fill(\"ada l\");",
        "await page.getByRole('textbox', { name: 'Name' }).press(\"Enter\");",
        "await page.getByRole('textbox', { name: 'Password' }).click();",
        "await page.getByRole('textbox', { name: 'Password' }).fill(process.env.SECRET);",
        "await page.getByRole('checkbox', { name: 'Agree' }).check();",
        "await page.getByRole('checkbox', { name: 'Agree' }).press(\"Tab\");",
        "await page.getByRole('combobox', { name: 'Colour' }).selectOption(\"g\");",
        "await page.locator('iframe[title=\"Inner\"]').contentFrame().getByRole('button', { name: 'Press' }).click();",
        &goto,
        "const page1 = await page.context().newPage();",
        "await page1.close();",
    ];
    assert_eq!(code, wanted, "{stopped}");
    assert!(!stopped.body.to_string().contains("hunter2") && stopped.text.contains("```js"), "{stopped}");
    let refused = agent.refused("browser_stop_recording", json!({})).await;
    assert!(refused.text.contains("browser_start_recording"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_of_an_agent_does_what_its_tools_do_and_nothing_else() {
    let house = House::open().await;
    let mut agent = house.agent(&house.token("agent", Some("all")));
    agent.go(&house.page()).await;
    let run = |code: &str| json!({ "code": code });
    let ran = agent
        .ok(
            "browser_run_code_unsafe",
            run("async (page) => {
                console.log('began at', page.url());
                await page.getByRole('button', { name: /press/i }).click({ modifiers: ['Shift'] });
                const first = await page.locator('#out').textContent();
                await page.getByLabel('Name').fill('Ada');
                await page.locator('#name').press('Enter');
                await page.getByLabel('Agree').check();
                await page.getByLabel('Colour').selectOption('Green');
                await page.keyboard.press('Escape');
                const fruit = page.getByRole('list').locator('li');
                const names = [];
                for (const one of await fruit.all()) names.push(await one.innerText());
                page.once('dialog', (dialog) => dialog.accept(dialog.message() + ' Eve'));
                await page.locator('#ask').click();
                await page.waitForFunction((wanted) => document.querySelector('#out').value.endsWith(wanted), 'Eve');
                return {
                    first, names, said: await page.locator('#out').innerText(),
                    title: await page.title(), twins: await page.locator('.twin').count(),
                    filtered: await fruit.filter({ hasText: 'Pear' }).textContent(),
                    checked: await page.getByLabel('Agree').isChecked(), hidden: await page.locator('#none').isHidden(),
                    off: await page.getByText('Off').isDisabled(), value: await page.inputValue('#name'),
                    box: (await page.locator('#spot').boundingBox()).width,
                    sum: await page.evaluate(({ a, b }) => a + b, { a: 1, b: 2 }),
                    texts: await fruit.evaluateAll((all, end) => all.map((one) => one.textContent + end), '!'),
                    type: await page.locator('#password').getAttribute('type'),
                };
            }"),
        )
        .await;
    assert_eq!(
        ran.structured()["result"],
        json!({
            "first": "click 1 0 true", "names": ["Apple", "Pear"], "said": "said Your name? Eve",
            "title": "Tools", "twins": 2, "filtered": "Pear", "checked": true, "hidden": true, "off": true,
            "value": "Ada", "box": 200, "sum": 3, "texts": ["Apple!", "Pear!"], "type": "password",
        }),
        "{ran}"
    );
    assert!(ran.text.contains("began at http"), "{ran}");

    let popped = agent
        .ok(
            "browser_run_code_unsafe",
            run("async (page) => {
                const coming = page.waitForEvent('popup');
                await page.evaluate(() => { open('/other') });
                const other = await coming;
                await other.waitForLoadState();
                await other.waitForURL('**/other');
                const heading = await other.getByRole('heading').textContent();
                await other.close();
                await page.goto(page.url().replace(/\\/$/, '') + '/other');
                await page.goBack();
                await page.screenshot({ path: 'seen.png' });
                return [heading, await page.title(), page.context().pages().length];
            }"),
        )
        .await;
    assert_eq!(popped.structured()["result"], json!(["Other", "Tools", 2]), "{popped}");
    assert_eq!(popped.body["content"][1]["mimeType"], "image/png");

    // What is wrong is told with its line; what is not there with what is.
    for (code, words) in [
        ("async (page) => {\n  await page.locator('.twin').click();\n}", "strict mode violation"),
        ("async (page) => {\n\n  await page.locator('#none').click({ timeout: 300 });\n}", "at line 3"),
        ("async (page) => page.frobnicate()", "there are: "),
        ("async (page) => page.route('**', () => {})", "page.route is not supported here"),
        ("async (page) => {", "SyntaxError"),
        ("1 + 1", "code is a function"),
        ("async () => { throw new Error('oh') }", "oh"),
        ("async (page) => page.goto('file:///etc/passwd')", "file"),
    ] {
        let refused = agent.refused("browser_run_code_unsafe", run(code)).await;
        assert!(refused.text.contains(words), "{code}: {words:?} is not in {refused}");
    }

    // No network, no storage, none of the server's own.
    let alone = format!(
        "async () => {{
            const attempt = async (what) => {{ try {{ await what(); return 'done' }} catch {{ return 'refused' }} }};
            return [
                await attempt(() => fetch('{0}', {{ mode: 'no-cors' }})),
                await attempt(() => new Promise((done, fail) => {{ const s = new WebSocket('{1}'); s.onopen = done; s.onerror = fail; }})),
                await attempt(() => localStorage.length), typeof process, typeof require,
            ];
        }}",
        house.at("/api/item"),
        house.at("/").replace("http", "ws")
    );
    let alone = agent.ok("browser_run_code_unsafe", run(&alone)).await;
    assert_eq!(
        alone.structured()["result"],
        json!(["refused", "refused", "refused", "undefined", "undefined"]),
        "{alone}"
    );

    // Only who may.
    let mut other = house.agent(&house.token("agent", None));
    let refused = other.refused("browser_run_code_unsafe", run("async () => 1")).await;
    assert!(refused.text.contains("devtools"), "{refused}");
    let path = "/api/rooms/main/files/go.js";
    house.ask("PUT", path, house::ADMIN, b"async (page) => await page.title()").await;
    let filed = agent.ok("browser_run_code_unsafe", json!({ "filename": "go.js" })).await;
    assert_eq!(filed.structured()["result"], "Tools", "{filed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn code_pauses_goes_on_by_steps_and_a_loop_in_it_harms_nobody() {
    let house = House::open().await;
    let mut agent = house.agent(&house.token("agent", Some("all")));
    agent.go(&house.page()).await;
    let refused = agent.refused("browser_resume", json!({})).await;
    assert!(refused.text.contains("nothing is paused"), "{refused}");
    let code = "async (page) => {
  await page.locator('#press').click();
  await page.pause();
  await page.locator('#name').fill('one');
  await page.locator('#name').fill('two');
  await page.locator('#name').fill('three');
  await page.locator('#name').fill('four');
  return await page.inputValue('#name');
}";
    let paused = agent.ok("browser_run_code_unsafe", json!({ "code": code })).await;
    assert!(paused.structured()["paused"]["line"] == 3 && paused.text.contains("### Snapshot"), "{paused}");
    // The page is anybody's meanwhile.
    assert_eq!(agent.out().await, "click 1 0 false");
    let stepped = agent.ok("browser_resume", json!({ "step": true })).await;
    assert_eq!(stepped.structured()["paused"]["line"], 4, "{stepped}");
    assert_eq!(agent.run("() => name_.value").await, "");
    let stepped = agent.ok("browser_resume", json!({ "step": true })).await;
    assert_eq!(stepped.structured()["paused"]["line"], 5, "{stepped}");
    assert_eq!(agent.run("() => name_.value").await, "one");
    let stepped = agent.ok("browser_resume", json!({ "location": "snippet.js:7" })).await;
    assert_eq!(stepped.structured()["paused"]["line"], 7, "{stepped}");
    assert_eq!(agent.run("() => name_.value").await, "three");
    let ended = agent.ok("browser_resume", json!({})).await;
    assert_eq!(ended.structured()["result"], "four", "{ended}");

    // One that calls without waiting is ended, and the next one runs as if nothing had been.
    let flood = json!({ "code": "async (page) => { for (;;) page.title(); }" });
    let refused = agent.refused("browser_run_code_unsafe", flood).await;
    assert!(refused.text.contains("await each call"), "{refused}");
    let after = agent.ok("browser_run_code_unsafe", json!({ "code": "async (page) => page.title()" })).await;
    assert_eq!(after.structured()["result"], "Tools", "{after}");

    // A loop: the room goes on, and hanging up ends it.
    let looping = "async (page) => { await page.evaluate(() => { out.value = 'looping' }); while (true); }";
    let mut other = house.agent(&house.token("agent", None));
    tokio::select! {
        ended = agent.call("browser_run_code_unsafe", json!({ "code": looping })) => panic!("{ended}"),
        () = async {
            other.until("() => out.value", json!("looping")).await;
            for turn in 0..3 {
                other.ok("browser_type", json!({ "target": "#name", "text": format!("{turn}") })).await;
            }
        } => {}
    }
    assert_eq!(agent.run("() => name_.value").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_marks_the_page_and_the_agent_gets_picture_words_and_elements() {
    let house = House::open().await;
    let mut agent = house.agent(&house.token("agent", Some("all")));
    agent.go(&house.page()).await;
    let press = place(&mut agent, "#press").await;
    let mut person = house.person_socket().await;
    let marking = async {
        let id = person.until_help().await;
        person.send(json!({ "type": "help", "id": id, "answer": { "kind": "accept" } })).await;
        let far = json!([{ "shape": "box", "points": [[0, 0], [1_000_000, 0]], "text": "" }]);
        person.send(json!({ "type": "help", "id": id, "answer": { "kind": "done", "marks": far } })).await;
        person.until(|message| message["type"] == "error").await;
        let marks = json!([
            { "shape": "box", "points": [[press.x - 15, press.y - 8], [press.x + 15, press.y + 8]], "text": "make it green" },
            { "shape": "line", "points": [[600, 300], [640, 340], [700, 310]] },
        ]);
        let done = json!({ "kind": "done", "note": "two things", "marks": marks });
        person.send(json!({ "type": "help", "id": id, "answer": done })).await;
    };
    let (marked, ()) = tokio::join!(agent.ok("browser_annotate", json!({})), marking);
    let told = marked.structured();
    let first = &told["annotations"][0];
    assert_eq!(
        (&first["text"], &first["element"]["name"]),
        (&json!("make it green"), &json!("Press")),
        "{marked}"
    );
    assert!((first["box"]["width"].as_f64().expect("a width") - 30.0).abs() < 2.0, "{marked}");
    assert_eq!(
        (&told["note"], told["annotations"].as_array().map(Vec::len)),
        (&json!("two things"), Some(2))
    );
    assert!(
        marked.text.contains("### Snapshot") && marked.text.contains("over button \"Press\""),
        "{marked}"
    );
    assert_eq!(marked.body["content"][1]["mimeType"], "image/png", "{marked}");
    // The ref that it was given works.
    let reference = first["element"]["ref"].as_str().expect("a ref").to_owned();
    agent.ok("browser_click", json!({ "target": reference })).await;
    assert_eq!(agent.out().await, "click 1 0 false");

    let declining = async {
        let id = person.until_help().await;
        person
            .send(json!({ "type": "help", "id": id, "answer": { "kind": "decline", "note": "later" } }))
            .await;
    };
    let (declined, ()) =
        tokio::join!(agent.ok("browser_annotate", json!({ "reason": "What next?" })), declining);
    assert!(declined.structured()["outcome"] == "declined" && declined.text.contains("later"), "{declined}");
}
