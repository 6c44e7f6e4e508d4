//! What a person points at in the picture: through shadow roots and frames,
//! without a trace in the page, and what is no page said in words.

use axum::response::Html;
use axum::routing::get;

use super::*;

/// Every element that is pointed at covers a place of its own, all below each other.
const PAGE: &str = r#"<!doctype html><title>Pointing</title>
<style>body { margin: 0 } body > * { display: block; box-sizing: border-box; width: 600px; height: 60px; border: 0; padding: 0; margin: 0 }</style>
<button id=send><b>Send</b> it</button>
<div id=shadow></div>
<form><input name=password type=password value=hunter2 aria-label=Secret style="width:600px;height:60px"></form>
<p>Plain words, <i>some</i> of them.</p>
<iframe id=same src=/inner title=Same></iframe>
<iframe id=other title=Other></iframe>
<script>
  const { port } = location;
  other.src = 'http://localhost:' + port + '/outer';
  shadow.attachShadow({ mode: 'open' }).innerHTML = '<a href="/other" style="display:block;height:60px">In the shadow</a>';
  window.seen = [];
  for (const kind of ['mousedown', 'click', 'focusin', 'keydown'])
    addEventListener(kind, event => seen.push(event.type), true);
  new MutationObserver(() => seen.push('mutation')).observe(document, { subtree: true, childList: true, attributes: true });
</script>"#;
const INNER: &str = "<!doctype html><title>Inner</title><style>body{margin:0}</style>\
    <label style='display:block;height:60px'><input type=checkbox style='width:600px;height:50px;margin:0'>Agree</label>";
/// A frame of the first site inside of one of another.
const OUTER: &str = "<!doctype html><style>body{margin:0}</style><iframe style='border:0;width:600px;height:60px' id=deep></iframe>\
    <script>deep.src = 'http://127.0.0.1:' + location.port + '/inner'</script>";

async fn site() -> String {
    let app = axum::Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/inner", get(|| async { Html(INNER) }))
        .route("/outer", get(|| async { Html(OUTER) }));
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://127.0.0.1:{port}/")
}

async fn pick(house: &House, token: &str, body: Value) -> (u16, Value) {
    let body = body.to_string().into_bytes();
    let (status, _, answer) = house.ask_json("POST", "/api/rooms/main/pick", token, &body).await;
    (status, serde_json::from_slice(&answer).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_points_at_is_told_in_words_and_the_page_knows_nothing_of_it() {
    let house = House::open().await;
    let site = site().await;
    let mut agent = house.agent(ADMIN);
    agent.go(&site).await;
    agent.until("() => document.readyState", json!("complete")).await;
    let top = "() => ({ x: Math.round(screenX + (outerWidth - innerWidth * devicePixelRatio) / 2), y: Math.round(screenY + outerHeight - innerHeight * devicePixelRatio) })";
    let origin = agent.run(top).await;
    let (left, upper) = (origin["x"].as_i64().expect("x"), origin["y"].as_i64().expect("y"));
    let at = |row: i64| json!({ "x": left + 20, "y": upper + row * 60 + 30 });

    let (status, button) = pick(&house, ADMIN, at(0)).await;
    assert_eq!(status, 200, "{button}");
    assert_eq!(
        (&button["role"], &button["name"], &button["locator"], &button["text"]),
        (
            &json!("button"),
            &json!("Send it"),
            &json!("getByRole('button', { name: 'Send it' })"),
            &json!("Send it")
        ),
        "{button:#}"
    );
    assert_eq!(button["html"], r#"<button id="send"><b>Send</b> it</button>"#);
    assert_eq!(button["box"], json!({ "x": left, "y": upper, "width": 600, "height": 60 }), "{button:#}");
    assert_eq!(
        (&button["url"], &button["title"], &button["frame"]),
        (&json!(site), &json!("Pointing"), &Value::Null)
    );

    let (_, link) = pick(&house, ADMIN, at(1)).await;
    assert_eq!((&link["role"], &link["name"]), (&json!("link"), &json!("In the shadow")), "{link:#}");

    let (_, field) = pick(&house, ADMIN, at(2)).await;
    assert_eq!((&field["role"], &field["name"]), (&json!("textbox"), &json!("Secret")), "{field:#}");
    assert!(!field.to_string().contains("hunter2"), "{field:#}");

    let (_, words) = pick(&house, ADMIN, at(3)).await;
    assert_eq!(words["text"], "Plain words, some of them.", "{words:#}");

    let (_, inner) = pick(&house, ADMIN, at(4)).await;
    assert_eq!((&inner["role"], &inner["name"]), (&json!("checkbox"), &json!("Agree")), "{inner:#}");
    assert!(inner["frame"].as_str().is_some_and(|frame| frame.ends_with("/inner")), "{inner:#}");
    assert!(inner["locator"].as_str().is_some_and(|code| code.contains(".contentFrame().")), "{inner:#}");
    assert_eq!(inner["box"]["y"], json!(upper + 240), "{inner:#}");

    // Through a frame of another site into one of the first.
    let deep = async {
        loop {
            let (_, deep) = pick(&house, ADMIN, at(5)).await;
            if deep["role"] == "checkbox" {
                return deep;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let deep = tokio::time::timeout(PATIENCE, deep).await.expect("its frames come");
    let code = deep["locator"].as_str().expect("code");
    assert_eq!(code.matches("contentFrame()").count(), 2, "{code}");
    assert_eq!(deep["box"]["y"], json!(upper + 300), "{deep:#}");

    assert_eq!(agent.run("() => seen").await, json!([]), "nothing was sent and nothing changed");
    refusals(&house, &mut agent, left + 20, upper + 30).await;
}

async fn refusals(house: &House, agent: &mut house::Agent<'_>, x: i64, y: i64) {
    for role in ["viewer", "agent"] {
        let (status, told) = pick(house, &house.token(role, None), json!({ "x": x, "y": y })).await;
        assert_eq!(status, 403, "{role}: {told}");
    }
    for wrong in [
        json!({ "x": -1, "y": 5 }),
        json!({ "x": 5, "y": 99_999 }),
        json!({ "x": 1 }),
        json!({ "x": 1.5, "y": 1 }),
        json!({ "x": 1, "y": 1, "z": 1 }),
    ] {
        let (status, told) = pick(house, ADMIN, wrong.clone()).await;
        assert_eq!((status, &told["error"]["code"]), (400, &json!("bad-request")), "{wrong}: {told}");
    }
    let (status, told) = pick(house, ADMIN, json!({ "x": x, "y": 1 })).await;
    assert_eq!((status, &told["error"]["code"]), (409, &json!("no-page")), "{told}");
    assert!(
        told["error"]["message"].as_str().is_some_and(|text| text.contains("part of the browser")),
        "{told}"
    );
    agent.run("() => void setTimeout(() => alert('Stop'), 0)").await;
    let told = async {
        loop {
            let (status, told) = pick(house, ADMIN, json!({ "x": x, "y": y })).await;
            if status == 409 {
                return told;
            }
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await.expect("the dialog is told of");
    assert!(
        told["error"]["message"].as_str().is_some_and(|text| text.contains("alert") && text.contains("Stop")),
        "{told}"
    );
}
