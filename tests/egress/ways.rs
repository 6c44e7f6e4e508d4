//! Pages that try to get where they may not, in every way that a page has.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get};
use tandem::process::OwnPort;

use crate::desk::Desk;
use crate::gate::{Names, Stand};
use crate::hand::Hand;
use crate::machine::{ADDRESSES, Log, Machine};

type To = Query<HashMap<String, String>>;

fn redirect(Query(query): To) -> Response {
    let code = query.get("code").and_then(|code| code.parse::<u16>().ok()).unwrap_or(302);
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::FOUND);
    (code, [(header::LOCATION, query["to"].clone())]).into_response()
}

/// The page that wants elsewhere, on a port of loopback.
async fn site() -> u16 {
    let worker = |Query(query): To| async move {
        let text = format!(
            "oninstall = (e) => e.waitUntil(fetch('{}', {{ mode: 'no-cors' }}).catch(() => {{}}));",
            query["to"]
        );
        (
            [
                (header::CONTENT_TYPE, "text/javascript"),
                (header::HeaderName::from_static("service-worker-allowed"), "/"),
            ],
            text,
        )
    };
    let csp = |Query(query): To| async move {
        let policy = format!("img-src 'none'; report-uri {0}", query["to"]);
        ([(header::CONTENT_SECURITY_POLICY, policy)], Html("<img src=/x>"))
    };
    let refresh = |Query(query): To| async move {
        ([(header::REFRESH, format!("0;url={}", query["to"]))], Html("wait"))
    };
    let xml = |Query(query): To| async move {
        let to = &query["to"];
        let text = format!(
            "<?xml version='1.0'?><?xml-stylesheet type='text/xsl' href='{to}'?><!DOCTYPE a SYSTEM '{to}'><a/>"
        );
        ([(header::CONTENT_TYPE, "text/xml")], text)
    };
    let app = axum::Router::new()
        .route("/", get(|| async { Html(include_str!("../pages/ways.html")) }))
        .route("/to", any(|query: To| async { redirect(query) }))
        .route("/sw.js", get(worker))
        .route("/csp", get(csp))
        .route("/refresh", get(refresh))
        .route("/xml", get(xml));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

type Came = Arc<Mutex<BTreeSet<String>>>;

/// A site that is allowed, and notes by which ways it was reached.
async fn witness() -> (u16, Came) {
    let came = Came::default();
    let note = |State(came): State<Came>, request: axum::extract::Request| async move {
        came.lock().expect("lock").insert(request.uri().path().trim_matches('/').to_owned());
        ([("access-control-allow-origin", "*")], "")
    };
    let app = axum::Router::new().fallback(note).with_state(Arc::clone(&came));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (port, came)
}

fn as_host(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

async fn all(hand: &Hand, base: &str) -> u64 {
    hand.js(&format!("() => all('{base}')"), 90).await.as_u64().unwrap_or_default()
}

/// There is one second machine.
static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// All that a page tries, against this gate. `by_flags`: the namespace is not beneath it.
async fn tries(by_flags: bool) {
    let _one = MACHINE.lock().await;
    let log = Log::default();
    // As Tandem itself: its HTTP and its WebRTC, on a machine where loopback's site alone is open.
    let own = log.listen("127.0.0.1", 0);
    let six = log.listen("::1", 0);
    let _claims = [OwnPort::claim(own), OwnPort::claim(six)];
    let closed = log.listen("127.0.0.1", 0);
    log.listen("127.0.0.7", closed);
    let machine = Machine::open(&log, closed);
    machine.is_there(&log, closed);
    let (site, (witness, came)) = (site().await, witness().await);

    let names = Names::default()
        .give("inner.example", &[&["10.66.0.2"]])
        .give("mapped.example", &[&["::ffff:10.66.0.2"]])
        .give("six.example", &[&["fd66::2"]])
        .give("both.example", &[&["10.66.0.2", "127.0.0.1"]])
        .give("rebind.example", &[&["127.0.0.1"], &["10.66.0.2"]])
        .give("loop.example", &[&["127.0.0.1"]]);
    let allow = [
        format!("127.0.0.1:{site}"),
        format!("127.0.0.1:{witness}"),
        // Allowed, and yet the service's own.
        format!("127.0.0.1:{own}"),
        format!("[::1]:{six}"),
    ];
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    let stand = if by_flags { Stand::open_by_flags(&allow, names) } else { Stand::open(&allow, names) };
    let desk = Desk::new().await;
    let hand = Hand::new(&desk, &stand.way).await;
    hand.go(&format!("http://localhost:{site}/")).await.expect("the page");

    // The ways are ways: they lead to where it is allowed.
    let count = all(&hand, &format!("http://127.0.0.1:{witness}")).await;
    assert!(count >= 60, "{count} ways");
    let reached = came.lock().expect("lock").clone();
    assert!(reached.len() >= 40, "only {} ways lead anywhere: {reached:?}", reached.len());

    // The service's own, and the second machine, by every way.
    for base in [
        format!("http://127.0.0.1:{own}"),
        format!("http://[::1]:{six}"),
        format!("http://10.66.0.2:{closed}"),
        format!("http://inner.example:{closed}"),
    ] {
        hand.go(&format!("http://localhost:{site}/")).await.expect("the page");
        all(&hand, &base).await;
        assert_eq!(log.all(), Vec::<String>::new(), "{base}");
    }

    // Every spelling of an address, by some ways each.
    let mut spelled: Vec<String> = [
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.1.",
        "0",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "127.0.0.7",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::a42:2]",
        "[2002:a42:2::]",
        "[2001:0:0:0:0:0:f5bd:fffd]",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "0xa420002",
        "10.66.2",
        "012.66.0.2",
        "inner.example",
        "mapped.example",
        "six.example",
        "both.example",
        "rebind.example",
        "loop.example",
    ]
    .map(|host| format!("http://{host}:{closed}"))
    .into();
    spelled.extend(ADDRESSES.map(|address| format!("http://{}:{closed}", as_host(address))));
    hand.go(&format!("http://localhost:{site}/")).await.expect("the page");
    let list = serde_json::to_string(&spelled).expect("json");
    let tried = hand.js(&format!("() => some({list})"), 90).await;
    assert_eq!(tried, spelled.len());
    // Going there oneself is no way either.
    for base in &spelled {
        let _ = hand.go(&format!("{base}/")).await;
    }
    assert_eq!(log.all(), Vec::<String>::new());
    assert!(stand.gate.counts().own > 0 && stand.gate.counts().closed > 40, "{:?}", stand.gate.counts());

    // It may still be online.
    hand.go(&format!("http://localhost:{site}/")).await.expect("the page");
    assert_eq!(hand.js("() => navigator.onLine", 10).await, true);

    // The gate goes: nothing is reached, nor what was allowed. It comes back with its place.
    came.lock().expect("lock").clear();
    // The network stays while the gate goes.
    let way = stand.way.clone();
    drop(stand);
    assert!(hand.go(&format!("http://127.0.0.1:{witness}/after")).await.is_err());
    assert!(came.lock().expect("lock").is_empty());
    drop((way, machine));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_way_of_a_page_leads_to_the_service_or_the_house_network() {
    tries(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_where_no_network_namespace_can_be_made() {
    tries(true).await;
}
