//! The table of actionability, each row with its failing twin, and the acts
//! that are more than a click.

use std::time::{Duration, Instant};

use tandem::browser::{
    ActError, Acting, Click, Done, Dropped, Obstacle, Picture, PointerButton, Scale, Shot, Stroke,
};
use tandem::floor::{Floor, Touch};

use super::{Desk, Hand, at, median, permit, person};

fn stopped_by(result: Result<Done, ActError>) -> Obstacle {
    match result {
        Err(ActError::NotActionable { obstacle, .. }) => obstacle,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_acted_on_is_and_its_twin_says_why_not() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/able", desk.site)).await;
    let soon = || hand.acting(600);
    let click = Click::default();

    // Visible, enabled, stable, receives events: click, double click, tap, check.
    for good in
        ["#seen", "#on", "#still", "#free", "#inside", "#contents >> button", "#deep", "#low", "#clobbered"]
    {
        let done = hand.click(good).await.unwrap_or_else(|error| panic!("{good}: {error}"));
        let out = hand.js("out.value").await;
        assert!(out.as_str().is_some_and(|out| out.starts_with("click ")), "{good} {out} {}", done.code);
    }
    for (bad, obstacle) in [
        ("#unseen", Obstacle::Invisible),
        ("#late", Obstacle::Invisible),
        ("#off", Obstacle::Disabled),
        ("#aria-off", Obstacle::Disabled),
        ("#moves", Obstacle::Moving),
        ("#under", Obstacle::Covered),
        ("#away", Obstacle::Outside),
        ("#nothing", Obstacle::NoMatch),
    ] {
        let result = soon().click(&at(bad), &click).await;
        let stopped = matches!(&result, Err(ActError::NotActionable { obstacle: by, .. }) if *by == obstacle);
        assert!(stopped, "{bad}: {result:?}");
    }
    let error = soon().click(&at("#under"), &click).await.expect_err("covered").to_string();
    assert!(
        error.contains("id=\"lid\"") && error.contains("Call log:") && error.contains("Try: close"),
        "{error}"
    );
    assert!(matches!(hand.click("button").await, Err(ActError::Ambiguous { count, .. }) if count > 10));

    // Hover and drop need no enabled; fill does, and editable; select its option.
    hand.acting(2000).hover(&at("#plain")).await.expect("hovers");
    assert_eq!(hand.js("out.value").await, "entered plain");
    assert_eq!(stopped_by(soon().hover(&at("#moves")).await), Obstacle::Moving);
    hand.acting(2000).fill(&at("#writes"), "text").await.expect("fills");
    assert_eq!(stopped_by(soon().fill(&at("#reads"), "x").await), Obstacle::ReadOnly);
    assert_eq!(stopped_by(soon().fill(&at("#field-off"), "x").await), Obstacle::Disabled);
    let error = soon().fill(&at("#plain"), "x").await.expect_err("no field").to_string();
    assert!(error.contains("is not a text field"), "{error}");
    hand.acting(2000).select(&at("#options"), &["One".into()]).await.expect("selects");
    assert_eq!(stopped_by(soon().select(&at("#options"), &["Two".into()]).await), Obstacle::Disabled);
    assert_eq!(stopped_by(soon().select(&at("#options"), &["Three".into()]).await), Obstacle::NoOption);
    hand.acting(2000).select(&at("#several"), &["A1".into(), "A2".into()]).await.expect("selects two");
    assert_eq!(hand.js("[...several.selectedOptions].length").await, 2);
    assert_eq!(stopped_by(soon().select(&at("#several"), &["B1".into()]).await), Obstacle::Disabled);
    hand.acting(2000).select_text(&at("#plain")).await.expect("selects text");
    assert_eq!(hand.js("String(getSelection())").await, "Plain text");
    assert_eq!(stopped_by(soon().select_text(&at("#late")).await), Obstacle::Invisible);
    hand.acting(2000).scroll_into_view(&at("#low")).await.expect("scrolls");
    assert_eq!(stopped_by(soon().scroll_into_view(&at("#moves")).await), Obstacle::Moving);
    hand.acting(2000).focus(&at("#reads")).await.expect("attached is enough");
    assert_eq!(stopped_by(soon().focus(&at("#nothing")).await), Obstacle::NoMatch);

    // A label is its control, a word in a button the button.
    hand.acting(2000).set_checked(&at("#label"), true).await.expect("checks by its label");
    assert_eq!(hand.js("control.checked").await, true);
    hand.click("#label > span").await.expect("clicks the label");
    assert_eq!(hand.js("control.checked").await, false);
    let done = hand.click("#bold").await.expect("clicks the word");
    assert_eq!(done.code, "getByRole('button', { name: 'A word in a button' })");
    hand.acting(2000).tap(&at("#seen")).await.expect("taps");

    // What appears in time is waited for; what takes the event away is noticed.
    hand.js("appear(300)").await;
    hand.click("#late").await.expect("it appears");
    hand.click("#thief").await.expect("at the second try");
    assert_eq!(hand.js("out.value").await, "click thief");

    // Every field in its own way.
    for (target, value, read) in [
        ("#date", "2026-11-21", "date.value"),
        ("#color", "#00FF7F", "color.value.toUpperCase()"),
        ("#range", "7", "range.value"),
        ("#number", "-3.5", "number.value"),
        ("#area", "one\ntwo", "area.value"),
        ("#edit", "نص 漢字 👩‍👧 é", "edit.innerText.trim()"),
        ("#writes", "", "writes.value"),
    ] {
        hand.acting(2000).fill(&at(target), value).await.unwrap_or_else(|error| panic!("{target}: {error}"));
        assert_eq!(hand.js(read).await, value, "{target}");
    }
    for (target, value, why) in
        [("#date", "tomorrow", "2026-01-31"), ("#range", "99", "0 to 10"), ("#number", "x", "not a number")]
    {
        let error = soon().fill(&at(target), value).await.expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
    hand.acting(4000).press_sequentially(&at("#writes"), "aß漢👍🏽🇩🇪\u{5e9}").await.expect("types");
    assert_eq!(hand.js("writes.value").await, "aß漢👍🏽🇩🇪\u{5e9}");

    // What an act opens ends it well and is told.
    let done = hand.click("#asks").await.expect("asks");
    assert_eq!(done.dialog.as_ref().map(|dialog| dialog.kind.as_str()), Some("prompt"));
    assert!(matches!(hand.click("#on").await, Err(ActError::Dialog(_))));
    hand.acting(2000).answer_dialog(true, Some("Ada")).await.expect("answers");
    assert_eq!(hand.js("asks.title").await, "Ada");
    hand.click("#fetches").await.expect("fetches");
    assert_eq!(hand.js("out.value").await, "answered", "the click returned when the answer was there");
    for opens in ["#opens", "#blank"] {
        let started = Instant::now();
        let done = hand.click(opens).await.expect("opens");
        println!("{opens} took {:?}", started.elapsed());
        assert_eq!(done.opened.len(), 1, "{opens} {done:?}");
        let tabs = browser.look_at_tabs().await;
        let new = tabs.iter().find(|tab| tab.target != hand.tab.target()).expect("a new tab");
        let new = browser.tab(&new.target).expect("known");
        let page = done.opened[0].page.clone();
        tokio::time::timeout(Duration::from_secs(5), async {
            while new.page() != page {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the tab shows the page that was told");
        browser.close_tab(&hand.permit, &new).await.expect("closes");
    }

    // A page that hangs is not waited for longer than was asked for.
    hand.js("() => void setTimeout(() => { const end = Date.now() + 3000; while (Date.now() < end); }, 0)")
        .await;
    let started = Instant::now();
    let obstacle = stopped_by(hand.acting(300).click(&at("#on"), &click).await);
    assert!(obstacle == Obstacle::Busy && started.elapsed() < Duration::from_millis(2500), "{obstacle:?}");
    hand.click("#on").await.expect("it has come back");

    // Files, on an input and for a chooser.
    let file = browser.stage_upload("note.txt", b"hello").expect("staged");
    hand.acting(2000).upload(&at("#file"), std::slice::from_ref(&file)).await.expect("uploads");
    assert_eq!(hand.js("out.value").await, "file note.txt");
    let done = hand.click("#choose").await.expect("opens a chooser");
    assert!(done.chooser.is_some_and(|chooser| chooser.multiple) && hand.tab.chooser().is_some());
    hand.acting(2000).answer_chooser(std::slice::from_ref(&file)).await.expect("answers");
    assert_eq!(hand.js("out.value").await, "hidden note.txt");
    assert!(matches!(hand.acting(500).answer_chooser(&[]).await, Err(ActError::NoChooser)));
    let error = hand.acting(500).upload(&at("#on"), &[file]).await.expect_err("no input").to_string();
    assert!(error.contains("is not a file input"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn drags_end_where_they_should_and_leave_nothing_pressed() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/drag", desk.site)).await;
    let log = async || hand.js("log.join(' ')").await.as_str().expect("text").to_owned();

    let done = hand.acting(3000).drag(&at("#hand"), &at("#goal")).await.expect("drags by hand");
    assert_eq!(hand.js("out.value").await, "by hand", "{}", log().await);
    assert!(done.code.contains(".dragTo(page."), "{}", done.code);
    hand.acting(3000).drag(&at("#native"), &at("#bin")).await.expect("drags");
    let wait = "() => new Promise((done) => { const look = () => log.includes('drop') && log.includes('end') ? done(out.value) : setTimeout(look, 10); look(); })";
    assert_eq!(hand.js(wait).await, "true cargo ", "{}", log().await);
    // The pointer is free afterwards.
    hand.js("log.length = 0").await;
    hand.click("#hand").await.expect("clicks");
    assert_eq!(log().await, "down up:hand");

    let file = browser.stage_upload("drop.txt", b"12345").expect("staged");
    let dropped = Dropped { files: vec![file], data: vec![] };
    hand.acting(3000).drop_onto(&at("#bin"), &dropped).await.expect("drops a file");
    assert_eq!(hand.js("out.value").await, "true  drop.txt:5");
    let dropped = Dropped { files: vec![], data: vec![("text/plain".into(), "words".into())] };
    hand.acting(3000).drop_onto(&at("#bin"), &dropped).await.expect("drops text");
    assert_eq!(hand.js("out.value").await, "true words ");

    // By coordinates.
    let place = |id: &str| {
        format!(
            "(() => {{ const b = {id}.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }})()"
        )
    };
    let point = async |id: &str| -> (f64, f64) {
        serde_json::from_value(hand.js(&place(id)).await).expect("a point")
    };
    let (from, to) = (point("hand").await, point("goal").await);
    hand.js("(out.value = '', log.length = 0)").await;
    hand.acting(2000).mouse_move(from).await.expect("moves");
    hand.acting(2000).mouse_down(PointerButton::Left).await.expect("presses");
    hand.acting(2000).mouse_move(to).await.expect("moves");
    hand.acting(2000).mouse_up(PointerButton::Left).await.expect("releases");
    assert_eq!(hand.js("out.value").await, "by hand", "{}", log().await);
    hand.js("(out.value = '', log.length = 0)").await;
    hand.acting(2000).mouse_drag(from, to).await.expect("drags");
    assert_eq!(hand.js("out.value").await, "by hand", "{}", log().await);
    hand.acting(2000)
        .mouse_click(to, PointerButton::Left, 2, Duration::from_millis(5))
        .await
        .expect("clicks");
    hand.acting(2000).mouse_wheel(0.0, 100.0).await.expect("turns");
    assert!(hand.acting(500).mouse_move((f64::NAN, 0.0)).await.is_err());

    // A person who takes over in the middle of a drag finds nothing pressed.
    hand.js("log.length = 0").await;
    let mut floor = Floor::new(Duration::from_millis(100));
    let mine = permit(&mut floor);
    let acting = Acting { permit: &mine, ..hand.acting(5000) };
    // The target never comes, so the drag hangs with the button down.
    let (from, to) = (at("#hand"), at("#nowhere"));
    let drag = acting.drag(&from, &to);
    let takeover = async {
        while !log().await.contains("down") {}
        let _ = floor.handle_person(Instant::now(), &person(), Touch::Press(1)).expect("may");
    };
    let (dragged, ()) = tokio::join!(drag, takeover);
    assert!(matches!(dragged, Err(ActError::Preempted(_))), "{dragged:?}");
    let up = "() => new Promise((done) => { const look = () => log.some((one) => one.startsWith('up')) ? done(true) : setTimeout(look, 10); look(); })";
    assert_eq!(hand.js(up).await, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_in_the_format_scale_and_size_that_is_asked_for() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/find", desk.site)).await;
    let webp = Shot { format: Picture::Webp, ..Shot::default() };
    let webp = hand.browser.screenshot(&hand.tab, &webp).await.expect("a picture");
    assert_eq!((&webp[..4], &webp[8..12]), (&b"RIFF"[..], &b"WEBP"[..]));
    let element = at("frameLocator('#frame').getByRole('button')");
    let framed = Shot { element: Some(element), scale: Scale::Css, ..Shot::default() };
    let framed = hand.browser.screenshot(&hand.tab, &framed).await.expect("a picture");
    let framed = image::load_from_memory(&framed).expect("a PNG");
    assert!(
        (50..200).contains(&framed.width()) && framed.height() < 60,
        "{}x{}",
        framed.width(),
        framed.height()
    );
    let small = Shot { longest: Some(300), ..Shot::default() };
    let small = hand.browser.screenshot(&hand.tab, &small).await.expect("a picture");
    assert!(image::load_from_memory(&small).expect("a PNG").width() <= 301);
    match hand.browser.pdf(&hand.tab).await {
        Ok(pdf) => {
            println!("a PDF of {} bytes", pdf.len());
            assert!(pdf.starts_with(b"%PDF"));
        }
        Err(error) => assert!(error.to_string().contains("does not print"), "{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_fast_acts_are() {
    let desk = Desk::new().await;
    let (browser, _events) = desk.browser().await;
    let hand = Hand::new(&browser, &format!("{}/able", desk.site)).await;
    let mut times: [Vec<Duration>; 6] = Default::default();
    let key: Stroke = "a".parse().expect("a key");
    for _ in 0..25 {
        let started = Instant::now();
        hand.js("1").await;
        times[0].push(started.elapsed());
        let started = Instant::now();
        hand.click("#on").await.expect("clicks");
        times[1].push(started.elapsed());
        let started = Instant::now();
        hand.acting(2000).fill(&at("#writes"), "some text").await.expect("fills");
        times[2].push(started.elapsed());
        let started = Instant::now();
        hand.acting(2000).press(&key).await.expect("presses");
        times[3].push(started.elapsed());
        let started = Instant::now();
        hand.outline().await;
        times[4].push(started.elapsed());
        let started = Instant::now();
        hand.go(&format!("{}/able", desk.site)).await;
        times[5].push(started.elapsed());
    }
    for (name, times) in ["evaluate", "click", "fill", "key", "snapshot", "navigate"].into_iter().zip(times) {
        println!("{name}: {:?}", median(times));
    }
}
