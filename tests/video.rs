//! Videos that agents record: what is in the file, as a real browser plays it.

#[allow(dead_code, reason = "other tests need more of it")]
mod house;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};

use house::{Agent, House};

const PAGE: &str = r#"<!doctype html><title>Stage</title>
<style>html { background: rgb(200, 0, 0) } html.blue { background: rgb(0, 0, 200) }
#box { position: fixed; left: 40px; top: 40px; width: 100px; height: 60px; background: #fff }</style>
<button onclick="document.documentElement.classList.add('blue')" style="position: fixed; left: 300px; top: 200px">Turn blue</button>
<div id="box"></div>
<script>window.move = () => { let n = 0; const step = () => { box.style.left = (n = (n + 7) % 400) + 'px'; requestAnimationFrame(step) }; step() }</script>"#;

/// A site with the stage, and with a film to be played.
struct Site {
    at: String,
    film: Arc<Mutex<Vec<u8>>>,
}

impl Site {
    async fn open() -> Self {
        let film = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&film);
        let app = axum::Router::new()
            .route("/", get(|| async { Html(PAGE) }))
            .route("/next", get(|| async { Html(PAGE) }))
            .route("/player", get(|| async { Html("<!doctype html><title>Player</title><video></video>") }))
            .route("/film", get(move || async move { shown.lock().expect("lock").clone() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let at = format!("http://127.0.0.1:{}", listener.local_addr().expect("address").port());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { at, film }
    }

    fn put(&self, film: Vec<u8>) {
        *self.film.lock().expect("lock") = film;
    }
}

async fn fetch(house: &House, token: &str, name: &str) -> Vec<u8> {
    let (status, head, body) = house.ask("GET", &format!("/api/rooms/main/files/{name}"), token, b"").await;
    assert!(
        status == 200 && head.to_ascii_lowercase().contains("content-type: video/webm"),
        "{status} {head}"
    );
    body
}

/// What the film shows, as the browser plays it: at each of these moments, in
/// parts of its duration, the colour at a place in parts of its sides.
async fn play(agent: &mut Agent<'_>, site: &Site, looks: &[(f64, f64, f64)]) -> Value {
    agent.go(&format!("{}/player", site.at)).await;
    let function = format!(
        r#"async () => {{
            const video = document.querySelector('video');
            const wait = (name) => new Promise((done, fail) => {{
                video.addEventListener(name, done, {{ once: true }});
                video.addEventListener('error', () => fail(new Error(video.error.message)), {{ once: true }});
            }});
            const data = await (await fetch('/film')).blob();
            const loaded = wait('loadeddata');
            video.src = URL.createObjectURL(new Blob([data], {{ type: 'video/webm' }}));
            await loaded;
            const canvas = document.createElement('canvas');
            const {{ videoWidth: width, videoHeight: height, duration }} = video;
            Object.assign(canvas, {{ width, height }});
            const pen = canvas.getContext('2d', {{ willReadFrequently: true }});
            const [colours, times] = [[], []];
            for (const [t, x, y] of {looks}) {{
                // A seek is done before its picture is: what is drawn is asked of the picture itself.
                const sought = wait('seeked');
                const presented = new Promise((done) => video.requestVideoFrameCallback((_, frame) => done(frame)));
                video.currentTime = t * duration;
                await sought;
                times.push((await presented).mediaTime);
                pen.drawImage(video, 0, 0);
                colours.push([...pen.getImageData(Math.floor(x * (width - 1)), Math.floor(y * (height - 1)), 1, 1).data].slice(0, 3));
            }}
            return {{ width, height, duration, colours, times }};
        }}"#,
        looks = json!(looks)
    );
    agent.run(&function).await
}

#[track_caller]
fn is_colour(played: &Value, look: usize, wanted: [u64; 3]) {
    let colour = &played["colours"][look];
    let near = |n: usize| colour[n].as_u64().is_some_and(|have| have.abs_diff(wanted[n]) <= 12);
    assert!((0..3).all(near), "{colour} is not {wanted:?}: {played}");
}

const RED: [u64; 3] = [200, 0, 0];
const BLUE: [u64; 3] = [0, 0, 200];

/// The page's own clock: what is filmed lasts.
async fn pass(agent: &mut Agent<'_>, ms: u64) {
    agent.run(&format!("() => new Promise((done) => setTimeout(done, {ms}))")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_plays_in_a_browser_and_shows_what_the_page_showed() {
    let (house, site) = (House::open().await, Site::open().await);
    let token = house.token("agent", Some("all"));
    let mut agent = house.agent(&token);
    agent.go(&site.at).await;

    let title = "Blau & grün";
    let size = json!({ "width": 640, "height": 360 });
    agent.ok("browser_start_video", json!({ "filename": "tour.webm", "size": size, "fps": 25 })).await;
    let began = Instant::now();
    let twice = agent.refused("browser_start_video", json!({})).await;
    assert!(twice.text.contains("browser_stop_video"), "{twice}");
    pass(&mut agent, 1200).await;
    agent.ok("browser_video_chapter", json!({ "title": title, "duration": 0 })).await;
    agent.ok("browser_click", json!({ "target": "button" })).await;
    pass(&mut agent, 1200).await;
    let stopped = agent.ok("browser_stop_video", json!({})).await;
    let took = began.elapsed().as_millis() as u64;
    let told = stopped.structured().clone();
    assert!(stopped.text.contains("/api/rooms/main/files/tour.webm"), "{stopped}");
    let lasts = told["milliseconds"].as_u64().expect("ms");
    assert!(lasts >= 2400 && lasts <= took + 500, "{lasts} of {took}");
    // A page that stands still costs next to nothing.
    assert!(told["frames"].as_u64().expect("frames") < 30, "{told}");

    let film = fetch(&house, &token, "tour.webm").await;
    assert_eq!(told["bytes"], film.len());
    assert!(film.windows(title.len()).any(|part| part == title.as_bytes()));
    site.put(film);
    // The page is letterboxed into the size, so its corners may be black; its middle is not.
    let played = play(&mut agent, &site, &[(0.1, 0.8, 0.8), (0.95, 0.8, 0.8), (0.2, 0.8, 0.8)]).await;
    assert_eq!((&played["width"], &played["height"]), (&json!(640), &json!(360)), "{played}");
    let duration = played["duration"].as_f64().expect("a duration");
    assert!((duration - lasts as f64 / 1000.0).abs() < 0.1, "{duration} is not {lasts} ms");
    is_colour(&played, 0, RED);
    is_colour(&played, 1, BLUE);
    is_colour(&played, 2, RED);

    let nothing = agent.refused("browser_stop_video", json!({})).await;
    assert!(nothing.text.contains("browser_start_video"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_video_is_refused_with_what_to_do() {
    let (house, site) = (House::open().await, Site::open().await);
    let mut agent = house.agent(&house.token("agent", Some("all")));
    agent.go(&site.at).await;
    for (arguments, says) in [
        (json!({ "filename": "tour.mp4" }), ".webm"),
        (json!({ "filename": ".." }), "name"),
        (json!({ "size": { "width": 10, "height": 300 } }), "200 to 1920"),
        (json!({ "size": { "width": 1e9, "height": 300 } }), "200 to 1920"),
        (json!({ "fps": 0 }), "1 to 60"),
        (json!({ "fps": 1000 }), "1 to 60"),
    ] {
        let refused = agent.refused("browser_start_video", arguments).await;
        assert!(refused.code() == "bad_argument" && refused.text.contains(says), "{refused}");
    }
    for (tool, arguments, says) in [
        ("browser_video_chapter", json!({ "title": " " }), "title"),
        ("browser_video_chapter", json!({ "title": "x", "duration": 1e9 }), "0 to 10000"),
        ("browser_video_show_actions", json!({ "duration": -5 }), "0 to 10000"),
        ("browser_video_show_actions", json!({ "style": { "point": "} * { display: none" } }), "style.point"),
        ("browser_video_show_actions", json!({ "style": { "title": "background: url(/x)" } }), "style.title"),
    ] {
        let refused = agent.refused(tool, arguments).await;
        assert!(refused.code() == "bad_argument" && refused.text.contains(says), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_behind_others_is_recorded_until_it_is_closed_and_the_file_is_kept() {
    let (house, site) = (House::open().await, Site::open().await);
    let token = house.token("agent", Some("all"));
    let mut agent = house.agent(&token);
    agent.go(&site.at).await;
    agent.ok("browser_start_video", json!({ "filename": "behind" })).await;
    agent.run("() => { move(); document.documentElement.classList.add('blue') }").await;
    let recorded = agent.tabs().await.iter().position(|tab| tab["current"] == true).expect("a tab");
    // Another tab of the agent covers it, and it goes on.
    agent.ok("browser_tabs", json!({ "action": "new", "url": format!("{}/next", site.at) })).await;
    pass(&mut agent, 1500).await;
    agent.ok("browser_tabs", json!({ "action": "close", "index": recorded })).await;
    let stopped = agent.ok("browser_stop_video", json!({})).await;
    let frames = stopped.structured()["frames"].as_u64().expect("frames");
    assert!(frames >= 3, "{stopped}");
    site.put(fetch(&house, &token, "behind.webm").await);
    let played = play(&mut agent, &site, &[(0.9, 0.9, 0.9)]).await;
    is_colour(&played, 0, BLUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_in_an_isolated_context_is_recorded_across_pages() {
    let (house, site) = (House::open().await, Site::open().await);
    let token = house.token("agent", Some("all"));
    let mut agent = house.agent(&token);
    agent.ok("browser_tabs", json!({ "action": "new", "url": site.at, "isolatedContext": "film" })).await;
    agent.ok("browser_start_video", json!({ "filename": "apart.webm" })).await;
    pass(&mut agent, 600).await;
    // Another origin is another process.
    agent.go(&site.at.replace("127.0.0.1", "localhost")).await;
    agent.ok("browser_click", json!({ "target": "button" })).await;
    pass(&mut agent, 600).await;
    agent.ok("browser_stop_video", json!({})).await;
    site.put(fetch(&house, &token, "apart.webm").await);
    let played = play(&mut agent, &site, &[(0.1, 0.9, 0.9), (0.97, 0.9, 0.9)]).await;
    is_colour(&played, 0, RED);
    is_colour(&played, 1, BLUE);
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_are_drawn_before_they_are_done_and_nothing_of_it_is_in_the_way() {
    let (house, site) = (House::open().await, Site::open().await);
    let token = house.token("agent", Some("all"));
    let mut agent = house.agent(&token);
    agent.go(&site.at).await;
    let host = "() => document.querySelectorAll('x-tandem-overlay').length";
    agent.ok("browser_start_video", json!({ "filename": "acts.webm" })).await;
    let style = json!({
        "highlight": "background: rgb(0, 200, 0); pointer-events: auto !important; position: fixed; inset: 0; left: 0 !important; top: 0 !important; width: 100% !important; height: 100% !important",
        "point": "width: 30px; height: 30px; background: yellow",
    });
    let shown = json!({ "duration": 900, "position": "bottom", "style": style });
    agent.ok("browser_video_show_actions", shown).await;
    let began = Instant::now();
    // A box over the whole view, which asks for events, takes none.
    agent.ok("browser_click", json!({ "target": "button", "element": "Turn blue" })).await;
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    agent.until("() => document.documentElement.className", json!("blue")).await;
    assert_eq!(agent.run("() => document.querySelector('x-tandem-overlay').shadowRoot").await, Value::Null);
    let outline = agent.ok("browser_snapshot", json!({})).await;
    assert!(!outline.text.contains("clicks") && !outline.text.contains("Clicks"), "{outline}");
    // The pointer stands in the next document too.
    agent.go(&format!("{}/next", site.at)).await;
    agent.until(host, json!(1)).await;
    agent.ok("browser_video_hide_actions", json!({})).await;
    agent.until(host, json!(0)).await;
    let began = Instant::now();
    agent
        .ok("browser_video_chapter", json!({ "title": "End", "description": "of it", "duration": 400 }))
        .await;
    assert!(began.elapsed().as_millis() >= 400);
    agent.until(host, json!(0)).await;
    let stopped = agent.ok("browser_stop_video", json!({})).await;
    let lasts = stopped.structured()["milliseconds"].as_f64().expect("ms");
    site.put(fetch(&house, &token, "acts.webm").await);
    // Somewhere in the first second and a half the whole view is green.
    let looks: Vec<_> = (1..8).map(|n| (f64::from(n) * 200.0 / lasts, 0.1, 0.8)).collect();
    let played = play(&mut agent, &site, &looks).await;
    let green = |colour: &&Value| colour[1].as_u64().is_some_and(|green| green > 150);
    assert!(played["colours"].as_array().expect("colours").iter().any(|one| green(&one)), "{played}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pointer_that_a_video_asked_for_ends_with_it() {
    let (house, site) = (House::open().await, Site::open().await);
    let mut agent = house.agent(&house.token("agent", Some("all")));
    agent.go(&site.at).await;
    let host = "() => document.querySelectorAll('x-tandem-overlay').length";
    agent.ok("browser_start_video", json!({ "cursor": true })).await;
    let began = Instant::now();
    agent.ok("browser_click", json!({ "target": "button" })).await;
    assert!(began.elapsed().as_millis() >= 800, "{:?}", began.elapsed());
    agent.until(host, json!(1)).await;
    let stopped = agent.ok("browser_stop_video", json!({})).await;
    assert!(
        stopped.structured()["file"].as_str().is_some_and(|name| name.starts_with("video-")),
        "{stopped}"
    );
    agent.until(host, json!(0)).await;
    let began = Instant::now();
    agent.ok("browser_click", json!({ "target": "button" })).await;
    assert!(began.elapsed().as_millis() < 800, "{:?}", began.elapsed());
}
