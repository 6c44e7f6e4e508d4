//! What a decision costs with a thousand rules of many kinds.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::table::{Goal, Row, percentile};
use crate::base::{Actor, ActorId, Role};
use crate::policy::{Action, Class, Effect, RuleSet, Rules};

const RULES: usize = 1000;
/// Decisions for each action.
const ROUNDS: usize = 2000;

/// A thousand rules, half of the server and half of the room, and actions of
/// a browser, of CDP and of a shell: each decision timed by itself.
pub(super) fn decisions() -> anyhow::Result<Vec<Row>> {
    let rules: Vec<Value> = (0..RULES).map(rule).collect();
    let (server, room) = rules.split_at(RULES / 2);
    let read = |rules: &[Value]| RuleSet::parse(&json!(rules).to_string()).context("the rules");
    let rules = Rules::new(Effect::Ask, &read(server)?, &read(room)?);
    let actions = actions()?;
    let (mut times, mut considered) = (Vec::with_capacity(ROUNDS * actions.len()), Vec::new());
    let mut slowest: f64 = 0.0;
    for action in &actions {
        let mut own = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let decision = black_box(rules.decide(black_box(action)));
            own.push(start.elapsed().as_secs_f64() * 1e6);
            considered.push(f64::from(decision.considered));
        }
        slowest = slowest.max(percentile(&mut own, 0.5));
        times.append(&mut own);
    }
    Ok(vec![Row::new(
        "a decision with 1,000 rules",
        "µs",
        Goal::AtMost(5.0),
        vec![
            ("p50", percentile(&mut times, 0.5)),
            ("p99", percentile(&mut times, 0.99)),
            ("p50 of the slowest kind", slowest),
            ("rules looked at", percentile(&mut considered, 0.5)),
        ],
    )])
}

/// Of twenty rules: seven about sites, three about an agent at a site, three
/// about elements, two about texts, two about CDP, two about commands, one
/// about names.
fn rule(n: usize) -> Value {
    let mut rule = match n % 20 {
        0..4 => json!({ "effect": "deny", "where": format!("https://*.site{n}.example") }),
        4..7 => {
            json!({ "effect": "allow", "what": "browser_*", "where": format!("https://site{n}.example") })
        }
        7..10 => json!({
            "effect": "allow", "who": { "id": "bench" }, "what": "browser_click", "classes": ["input"],
            "where": format!("https://shop{n}.example:443"),
        }),
        10..13 => json!({
            "effect": "ask", "classes": ["submit"],
            "matching": { "target": { "role": "button", "name": format!("Order {n}*") } },
        }),
        13..15 => {
            json!({ "effect": "deny", "classes": "input", "matching": { "text": format!("*word{n}*") } })
        }
        15..17 => json!({ "effect": "ask", "what": [format!("Page.set{n}*"), format!("Storage.get{n}")] }),
        17..19 => json!({
            "effect": "allow", "what": "bash", "matching": { "arguments": { "command": format!("make {n} *") } },
        }),
        _ => json!({ "effect": "deny", "who": { "kind": "agent", "name": format!("guest-{n}-*") } }),
    };
    rule["name"] = json!(format!("rule {n}"));
    rule
}

fn actions() -> anyhow::Result<Vec<Action>> {
    let actor =
        Actor { id: ActorId::new("bench")?, name: "bench".to_owned(), role: Role::Agent, colour: None };
    let new = |tool: &str| Action::new(actor.clone(), tool);
    Ok(vec![
        new("browser_click")
            .classes([Class::INPUT])
            .at("https://shop27.example/cart")
            .on("button", "Add to cart"),
        new("browser_click")
            .classes([Class::INPUT, Class::SUBMIT])
            .at("https://shop27.example/cart")
            .on("button", "Order now"),
        new("browser_type")
            .classes([Class::INPUT])
            .at("https://www.example.org")
            .on("textbox", "Søk")
            .typing("a sentence of the usual length, typed into a field"),
        new("browser_navigate")
            .classes([Class::NAVIGATE])
            .at("https://a.b.example.org")
            .at("https://www.site40.example/path?query"),
        new("browser_snapshot").classes([Class::READ]).at("https://www.example.org"),
        new("Input.insertText").classes([Class::INPUT]).at("https://www.example.org").typing("hello"),
        new("Page.captureScreenshot").classes([Class::READ]).at("https://www.example.org"),
        new("bash").classes([Class::EXECUTE]).arguments(json!({ "command": "make 17 test && make 18 lint" })),
    ])
}
