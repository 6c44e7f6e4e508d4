//! Pages of a transcript that are read while it grows: with the updates after
//! its `at`, each becomes what everybody sees in the end.

use std::collections::BTreeMap;

use super::*;

/// What a reader holds who got one page, and updates from then on.
struct Holder {
    at: (String, u64),
    messages: BTreeMap<String, (Value, BTreeMap<String, Value>)>,
}

fn place(id: &str) -> (String, u64) {
    let (run, number) = id.rsplit_once('.').expect("run and number");
    (run.to_owned(), number.parse().expect("a number"))
}

fn name(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

impl Holder {
    fn new(page: &Value) -> Self {
        let mut messages = BTreeMap::new();
        for message in page["messages"].as_array().expect("messages") {
            let parts = message["parts"].as_array().expect("parts");
            let parts = parts.iter().map(|part| (name(&part["id"]), part.clone())).collect();
            messages.insert(name(&message["id"]), (message.clone(), parts));
        }
        Self { at: place(page["at"].as_str().expect("a place")), messages }
    }

    /// As a page of the web client does it: what is in it already is passed over.
    fn take(&mut self, id: &str, session: &str, update: &Value) {
        let (run, number) = place(id);
        assert_eq!(run, self.at.0);
        if number <= self.at.1 || update["session"] != session {
            return;
        }
        let part = |update: &Value| (name(&update["message"]), update["part"].clone());
        match update["type"].as_str().expect("a kind") {
            "message" => {
                let head = update["message"].clone();
                let held = self.messages.entry(name(&head["id"])).or_default();
                held.0 = head;
            }
            "part" => {
                let (message, part) = part(update);
                let held = self.messages.get_mut(&message).expect("its message came before");
                held.1.insert(name(&part["id"]), part);
            }
            "piece" => {
                let (message, part) = part(update);
                let held = self.messages.get_mut(&message).expect("its message");
                let held = held.1.get_mut(&name(&part)).expect("its part");
                let text = format!("{}{}", held["text"].as_str().expect("text"), name(&update["text"]));
                held["text"] = text.into();
            }
            "message_gone" => drop(self.messages.remove(&name(&update["message"]))),
            "part_gone" => {
                let (message, part) = part(update);
                self.messages.get_mut(&message).expect("its message").1.remove(&name(&part));
            }
            _ => {}
        }
    }

    fn seen(self) -> Value {
        let whole = |(head, parts): (Value, BTreeMap<String, Value>)| {
            let mut message = head;
            message["parts"] = parts.into_values().collect();
            message
        };
        self.messages.into_values().map(whole).collect()
    }
}

async fn page(house: &House, session: &str, more: &str) -> Value {
    let (status, page) = ask(house, "GET", &format!("/{session}/messages{more}"), Value::Null).await;
    assert_eq!(status, 200, "{page}");
    page
}

/// Reads pages for as long as a turn goes on, and returns how many were right.
async fn read_through(house: &House, text: &str) -> usize {
    let mut reader = Reader::open(house, None).await;
    let session = begin(house).await;
    prompt(house, &session, "say before").await;
    reader.until_turned(&session).await;
    prompt(house, &session, text).await;
    let listening = async {
        let mut told = vec![];
        let mut works = false;
        loop {
            let update = reader.next().await;
            let of_session = update["type"] == "session" && update["session"]["id"] == json!(session);
            let busy = update["session"]["state"] == "busy";
            let ended = of_session && works && !busy;
            works |= of_session && busy;
            told.push((reader.last.clone(), update));
            if ended {
                return told;
            }
        }
    };
    let mut pages = vec![];
    let reading = async {
        loop {
            pages.push(page(house, &session, "").await);
        }
    };
    let told = tokio::select! {
        told = tokio::time::timeout(PATIENCE, listening) => told.expect("it ends"),
        () = reading => unreachable!("it reads without end"),
    };
    let last = page(house, &session, "").await;
    let count = pages.len();
    let mut states = std::collections::BTreeSet::new();
    for read in pages {
        let mut holder = Holder::new(&read);
        states.insert(holder.at.1);
        for (id, update) in &told {
            holder.take(id, &session, update);
        }
        assert_eq!(holder.seen(), last["messages"], "read at {}", read["at"]);
    }
    assert!(count > 12 && states.len() > 8, "{count} pages, {} moments", states.len());
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_read_at_any_moment_of_a_stream_says_exactly_which_updates_are_in_it() {
    let (house, _model, _project) = house().await;
    let count = read_through(&house, "slow 700 6").await;
    println!("opencode: {count} pages");
}
