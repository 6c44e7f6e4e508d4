//! Approvals end to end: who is asked, who answers first, and who hears of it.

use serde_json::{Value, json};

#[allow(dead_code, reason = "other tests use the rest")]
mod house;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "floor/raw.rs"]
mod raw;

use house::asking::SHOP;
use house::{ADMIN, House};
use raw::Raw;

/// A room that asks before anything named "Pay" is clicked, with a page that has such a thing.
async fn shop(args: &[&str]) -> House {
    let house = House::open_with(args).await;
    let mut agent = house.agent(ADMIN);
    agent.go(&house.page()).await;
    agent.run(SHOP).await;
    let ask = json!({ "rules": [{ "name": "look-first", "effect": "ask",
        "matching": { "target": { "name": "Pay*" } } }] });
    assert_eq!(house.put_rules("/api/rules", &ask).await.0, 200);
    house
}

fn pay() -> Value {
    json!({ "name": "browser_click", "arguments": { "target": "#pay", "element": "the pay button" } })
}

async fn paid(house: &House) -> Value {
    house.agent(ADMIN).run("() => paid.value").await
}

const ELICITS: &str = "elicitation/create";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_elicits_is_asked_too_and_the_first_answer_counts() {
    let house = shop(&["--approve-by-elicitation"]).await;
    let token = house.token_of("agent", "Atlas");
    let mut mcp = house.mcp_that(&token, json!({ "elicitation": {} })).await;
    let asks = |message: &Value| message["method"] == ELICITS;
    let accept = |answer: &str| json!({ "action": "accept", "content": { "answer": answer } });

    // Its user says yes: it is done, and nobody is asked any more.
    let (call, mut stream) = mcp.begin("tools/call", pay()).await;
    let asked = mcp.until(&mut stream, asks).await;
    let words = asked["params"]["message"].as_str().unwrap_or_default();
    assert!(
        words.contains("Atlas") && words.contains("\"Pay now\"") && words.contains("the pay button"),
        "{words}"
    );
    assert_eq!(asked["params"]["requestedSchema"]["properties"]["answer"]["enum"], json!(["yes", "no"]));
    assert_eq!(house.asked("").await["name"], "Atlas", "the people in the room are asked too");
    mcp.reply(&asked["id"], accept("yes")).await;
    let done = mcp.until(&mut stream, |message| message["id"] == call).await;
    assert!(done["result"]["isError"] != true, "{done}");
    assert_eq!((paid(&house).await, house.approvals().await.len()), (json!("1"), 0));

    // It declines: that is a no, with whose it was.
    let (call, mut stream) = mcp.begin("tools/call", pay()).await;
    let asked = mcp.until(&mut stream, asks).await;
    mcp.reply(&asked["id"], json!({ "action": "decline" })).await;
    let refused = mcp.until(&mut stream, |message| message["id"] == call).await;
    assert!(refused.to_string().contains("the user of Atlas said no"), "{refused}");
    assert_eq!(paid(&house).await, "1");

    // It is dismissed, then answered by a person in the room; a late answer at the client changes nothing.
    let mut listening = mcp.listen().await;
    for (dismissed, answer, count) in [
        (true, json!({ "answer": "once" }), "2"),
        (false, json!({ "answer": "deny", "message": "not today" }), "2"),
    ] {
        let (call, mut stream) = mcp.begin("tools/call", pay()).await;
        let asked = mcp.until(&mut stream, asks).await;
        if dismissed {
            mcp.reply(&asked["id"], json!({ "action": "cancel" })).await;
        }
        let open = house.asked("").await;
        assert_eq!(house.answer(ADMIN, &open, &answer).await.0, 204);
        let ended = mcp.until(&mut stream, |message| message["id"] == call).await;
        assert_eq!(ended["result"]["isError"] == true, !dismissed, "{ended}");
        if !dismissed {
            assert!(ended.to_string().contains("Admin said no: not today"), "{ended}");
            let taken_back = |message: &Value| {
                message["method"] == "notifications/cancelled"
                    && message["params"]["requestId"] == asked["id"]
            };
            mcp.until(&mut listening, taken_back).await;
            mcp.reply(&asked["id"], accept("yes")).await;
        }
        assert_eq!(paid(&house).await, count);
    }

    // What is written down says whose client that was, and that it was an agent's.
    let (_, _, lines) = house.json("GET", "/api/rooms/main/audit?kind=approval", ADMIN, b"").await;
    let lines = lines["lines"].as_array().expect("lines");
    let answered = |line: &&Value| {
        line["line"]["what"] == "answered" && line["line"]["who"]["name"] == "the user of Atlas"
    };
    let answered: Vec<_> = lines.iter().filter(answered).collect();
    assert_eq!(answered.len(), 2, "{lines:?}");
    assert!(answered.iter().all(|line| line["line"]["who"]["role"] == "agent"), "{answered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_later_protocol_is_asked_by_the_calls_result_and_calls_again() {
    let house = shop(&["--approve-by-elicitation"]).await;
    let mut mcp = house.mcp(&house.token_of("agent", "Atlas")).await;
    let elicits = json!({ "elicitation": { "form": {} } });
    let click = json!({ "arguments": pay()["arguments"] });
    let again = |asked: &Value, result: Value| {
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        let request = &asked["result"]["inputRequests"]["approval"];
        assert!(request["method"] == ELICITS && request.to_string().contains("Pay now"), "{asked}");
        json!({ "arguments": pay()["arguments"], "requestState": asked["result"]["requestState"],
            "inputResponses": { "approval": result } })
    };
    let yes = json!({ "action": "accept", "content": { "answer": "yes" } });

    let asked = mcp.ask_once("browser_click", click.clone(), &elicits).await;
    assert_eq!(house.asked("").await["name"], "Atlas", "the people in the room are asked too");
    assert_eq!(paid(&house).await, "0");
    // The answer is for this call alone, and for whoever made it.
    let mut other = again(&asked, yes.clone());
    other["arguments"]["target"] = "#other".into();
    let refused = mcp.ask_once("browser_click", other, &elicits).await;
    assert!(refused.to_string().contains("requestState"), "{refused}");
    let mut stranger = house.mcp(&house.token_of("agent", "Bob")).await;
    let refused = stranger.ask_once("browser_click", again(&asked, yes.clone()), &elicits).await;
    assert!(refused.to_string().contains("requestState"), "{refused}");
    let done = mcp.ask_once("browser_click", again(&asked, yes.clone()), &elicits).await;
    assert!(done["result"]["resultType"] == "complete" && done["result"]["isError"] != true, "{done}");
    assert_eq!(paid(&house).await, "1");
    let twice = mcp.ask_once("browser_click", again(&asked, yes.clone()), &elicits).await;
    assert!(twice.to_string().contains("requestState"), "{twice}");

    // A person in the room is first: the act is done with their yes, and the client hears of it when it calls.
    let asked = mcp.ask_once("browser_click", click.clone(), &elicits).await;
    assert_eq!(house.answer(ADMIN, &house.asked("").await, &json!({ "answer": "once" })).await.0, 204);
    house.agent(ADMIN).until("() => paid.value", "2".into()).await;
    let no = json!({ "action": "decline" });
    let done = mcp.ask_once("browser_click", again(&asked, no.clone()), &elicits).await;
    assert!(done["result"]["isError"] != true, "{done}");
    assert_eq!(paid(&house).await, "2");

    // A no, and a dismissal, after which the people in the room have the word.
    let asked = mcp.ask_once("browser_click", click.clone(), &elicits).await;
    let refused = mcp.ask_once("browser_click", again(&asked, no), &elicits).await;
    assert!(refused.to_string().contains("the user of Atlas said no"), "{refused}");
    let asked = mcp.ask_once("browser_click", click, &elicits).await;
    let dismissed = again(&asked, json!({ "action": "cancel" }));
    let (refused, ()) = tokio::join!(mcp.ask_once("browser_click", dismissed, &elicits), async {
        let no = json!({ "answer": "deny", "message": "not today" });
        assert_eq!(house.answer(ADMIN, &house.asked("").await, &no).await.0, 204);
    });
    assert!(refused.to_string().contains("Admin said no: not today"), "{refused}");
    assert_eq!(paid(&house).await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn unless_the_server_says_so_no_client_is_asked() {
    let house = shop(&[]).await;
    let elicits = json!({ "elicitation": {} });
    let mut mcp = house.mcp_that(&house.token_of("agent", "Atlas"), elicits.clone()).await;
    let (call, mut stream) = mcp.begin("tools/call", pay()).await;
    let no = json!({ "answer": "deny" });
    assert_eq!(house.answer(ADMIN, &house.asked("").await, &no).await.0, 204);
    let first = mcp.until(&mut stream, |message| message["id"] == call || message["method"] == ELICITS).await;
    assert_eq!(first["id"], call, "{first}");
    let click = json!({ "arguments": pay()["arguments"] });
    let (refused, ()) = tokio::join!(mcp.ask_once("browser_click", click, &elicits), async {
        assert_eq!(house.answer(ADMIN, &house.asked("").await, &no).await.0, 204);
    });
    assert!(
        refused["result"]["isError"] == true && refused.to_string().contains("Admin said no"),
        "{refused}"
    );
    assert_eq!(paid(&house).await, "0");
}

/// What waits for a yes, as somebody may read it.
async fn readable(house: &House, token: &str, path: &str) -> (u16, Value) {
    let (status, _, body) = house.json("GET", path, token, b"").await;
    (status, body)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_is_read_by_those_who_may_answer_and_by_the_agent_that_asks() {
    let house = shop(&[]).await;
    let (atlas, bob) = (house.token_of("agent", "Atlas"), house.token_of("agent", "Bob"));
    let (anna, viewer) = (house.token_of("controller", "Anna"), house.token_of("viewer", "Vi"));
    let elsewhere = house.token_for_room("controller", "elsewhere");
    let mut watching = house.person_socket_of(&viewer).await;
    let mut agent = house.agent(&atlas);
    let (refused, asked) = tokio::join!(agent.call("browser_click", pay()["arguments"].clone()), async {
        let asked = house.asked("").await;
        let picture = format!("/api/approvals/{}/picture", asked["id"].as_str().expect("an id"));
        for (token, status, many, seen) in
            [(&anna, 200, 1, 200), (&atlas, 200, 1, 200), (&bob, 200, 0, 404), (&elsewhere, 200, 0, 404)]
        {
            let (got, list) = readable(&house, token, "/api/approvals").await;
            assert_eq!((got, list.as_array().map(Vec::len)), (status, Some(many)), "{list}");
            assert_eq!(house.ask("GET", &picture, token, b"").await.0, seen);
        }
        let (status, why) = readable(&house, &viewer, "/api/approvals").await;
        assert!(status == 403 && why.to_string().contains("controller"), "{why}");
        assert_eq!(house.ask("GET", &picture, &viewer, b"").await.0, 403);
        // The room's view has no more than that, over HTTP and on the WebSocket.
        for (token, many) in [(&anna, 1), (&atlas, 1), (&bob, 0), (&viewer, 0)] {
            let (_, room) = readable(&house, token, "/api/rooms/main").await;
            assert_eq!(room["approvals"].as_array().map(Vec::len), Some(many), "{room}");
            let (_, rooms) = readable(&house, token, "/api/rooms").await;
            assert_eq!(rooms[0]["approvals"].as_array().map(Vec::len), Some(many), "{rooms}");
            let mut page = house.page_of(token).await;
            page.send(json!({ "type": "ping", "t": 1 })).await;
            let told = page.all_until(|message| message["type"] == "pong").await;
            assert!(told.contains("browser_click") == (many == 1), "{told}");
        }
        // Neither an agent nor a viewer answers, its own question neither.
        for token in [&atlas, &bob, &viewer, &elsewhere] {
            let (status, why) = house.answer(token, &asked, &json!({ "answer": "once" })).await;
            assert!(status == 403 || status == 404, "{why}");
        }
        assert_eq!(
            house.answer(&anna, &asked, &json!({ "answer": "deny", "message": "secret word" })).await.0,
            204
        );
        asked
    });
    assert!(refused.text.contains("Anna said no: secret word"), "{refused}");
    watching.send(json!({ "type": "ping", "t": 1 })).await;
    let told = watching.all_until(|message| message["type"] == "pong").await;
    let id = asked["id"].as_str().expect("an id");
    assert!(!told.contains(id) && !told.contains("secret word"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_who_vanishes_leaves_the_question_to_the_others() {
    let house = shop(&[]).await;
    let (anna, bob) = (house.token_of("controller", "Anna"), house.token_of("controller", "Bob"));
    let mut page = house.page_of(&anna).await;
    let mut other = house.person_socket_of(&bob).await;
    let mut agent = house.agent(ADMIN);
    let (done, asked) = tokio::join!(agent.call("browser_click", pay()["arguments"].clone()), async {
        let has_card = |message: &Value| message["room"]["approvals"][0]["id"].is_string();
        let shown = page.until(has_card).await["room"]["approvals"][0].clone();
        drop(page);
        let names = |message: &Value| message["room"]["present"].to_string();
        let left = other.until(|message| message["type"] == "view" && !names(message).contains("Anna")).await;
        assert_eq!(left["room"]["approvals"][0]["id"], shown["id"], "it is asked on");
        other.send(json!({ "type": "approve", "id": shown["id"], "answer": { "answer": "once" } })).await;
        let settled = other.until(|message| message["event"]["kind"] == "settled").await;
        assert_eq!(settled["event"]["how"]["answered"]["name"], "Bob", "{settled}");
        shown
    });
    assert_eq!(done.status, 200, "{done}");
    assert_eq!(paid(&house).await, "1");
    // Back again, hers is too late, and says whose was first.
    let (status, why) = house.answer(&anna, &asked, &json!({ "answer": "deny" })).await;
    assert!(status == 409 && why.to_string().contains("Bob has answered already"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_questions_is_bounded_and_said_and_the_first_ones_still_count() {
    const OPEN: usize = 8;
    let house = shop(&[]).await;
    let ask = json!({ "rules": [{ "name": "typing", "effect": "ask", "what": "Input.insertText" }] });
    assert_eq!(house.put_rules("/api/rooms/main/rules", &ask).await.0, 200);
    let token = house.token_of("agent", "Atlas");
    let waiting =
        |many: usize| move |room: &Value| room["approvals"].as_array().is_some_and(|all| all.len() == many);
    let mut clients = Vec::new();
    for _ in 0..OPEN {
        let mut raw = Raw::open(&house, &token, "/").await;
        let typed = raw.post("Input.insertText", json!({ "text": "x" })).await;
        clients.push((raw, typed));
        // Each has a connection of its own: only so is the first one the first.
        house.until(waiting(clients.len())).await;
    }
    let mut more = Raw::open(&house, &token, "/").await;
    let refused = more.ask("Input.insertText", json!({ "text": "x" })).await.expect_err("too many");
    assert!(refused.contains("8 approvals of yours wait already"), "{refused}");
    house.until(waiting(OPEN)).await;
    // Another agent is not kept from asking by it.
    let mut other = Raw::open(&house, &house.token_of("agent", "Bob"), "/").await;
    let typed = other.post("Input.insertText", json!({ "text": "x" })).await;
    house.until(waiting(OPEN + 1)).await;
    let bobs = house.approvals().await.into_iter().find(|one| one["name"] == "Bob").expect("asked");
    assert_eq!(house.answer(ADMIN, &bobs, &json!({ "answer": "once" })).await.0, 204);
    other.answer(typed).await.expect("typed");
    // The first of the flood is answered like any other; what is left ends with its clients.
    let first = house.approvals().await.into_iter().find(|one| one["name"] == "Atlas").expect("asked");
    assert_eq!(house.answer(ADMIN, &first, &json!({ "answer": "deny", "message": "slowly" })).await.0, 204);
    let (mut raw, typed) = clients.remove(0);
    assert!(raw.answer(typed).await.expect_err("denied").contains("slowly"));
    drop((clients, raw, more));
    house.until(waiting(0)).await;
}
