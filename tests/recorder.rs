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

    async fn drag(&mut self, from: Point, to: Point) {
        self.give(Input::Move(from)).await;
        self.give(Input::Button { at: from, button: Button::Left, down: true }).await;
        for step in 1..=16 {
            let between = |a: i32, b: i32| a + (b - a) * step.min(12) / 12 + step % 2;
            self.give(Input::Move(Point { x: between(from.x, to.x), y: between(from.y, to.y) })).await;
            // A hand that moves so fast that no frame sees it drags nothing.
            tokio::time::sleep(std::time::Duration::from_millis(80)).await;
        }
        self.give(Input::Button { at: to, button: Button::Left, down: false }).await;
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
    for element in ["#press", "#name", "#password", "#agree", "#drag", "#bin", "iframe"] {
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
    let corner = Point { x: spots[6].x - 250, y: spots[6].y - 150 };
    let inside = |n: usize| in_frame[n].as_f64().expect("a number") as i32 + 2;
    let in_frame = Point { x: corner.x + inside(0), y: corner.y + inside(1) };

    agent.ok("browser_start_recording", json!({})).await;
    let refused = agent.refused("browser_start_recording", json!({})).await;
    assert!(refused.text.contains("browser_stop_recording"), "{refused}");

    hand.click(spots[0]).await;
    agent.until("() => out.value", json!("click 1 0 false")).await;
    hand.click(spots[1]).await;
    agent.until("() => document.activeElement.id", json!("name")).await;
    hand.write("ada l").await;
    hand.key(RETURN, false).await;
    hand.click(spots[2]).await;
    agent.until("() => document.activeElement.id", json!("password")).await;
    hand.write("hunter2").await;
    hand.click(spots[3]).await;
    agent.until("() => agree.checked", json!(true)).await;
    hand.key(TAB, false).await;
    agent.until("() => document.activeElement.id", json!("colour")).await;
    hand.key(DOWN, false).await;
    agent.until("() => colour.value", json!("g")).await;
    // An agent's own acts.
    agent.ok("browser_click", json!({ "target": "#redraw" })).await;
    agent.ok("browser_type", json!({ "target": "#name", "text": "by an agent" })).await;
    hand.click(in_frame).await;
    hand.drag(spots[4], spots[5]).await;
    agent.until("() => out.value", json!("dropped cargo")).await;
    // The address bar, a tab by hand, and its end.
    hand.key(u32::from('l'), true).await;
    hand.write(&house.at("/other")).await;
    hand.key(RETURN, false).await;
    agent.until("() => document.title", json!("Other")).await;
    hand.key(u32::from('t'), true).await;
    house.until(|view| view["page"]["url"].as_str().is_some_and(|url| !url.contains("/other"))).await;
    hand.key(u32::from('w'), true).await;
    house.until(|view| view["page"]["url"].as_str().is_some_and(|url| url.contains("/other"))).await;

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
        "await page.getByText('Drag me').dragTo(page.getByText('Bin'));",
        &goto,
        "const page1 = await page.context().newPage();",
        "await page1.close();",
    ];
    assert_eq!(code, wanted, "{stopped}");
    assert!(!stopped.body.to_string().contains("hunter2") && stopped.text.contains("```js"), "{stopped}");
    let refused = agent.refused("browser_stop_recording", json!({})).await;
    assert!(refused.text.contains("browser_start_recording"), "{refused}");
}
