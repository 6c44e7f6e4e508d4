//! What agents get through `/mcp`: how soon a tool answers, how many bytes of
//! text a task costs, and whether twenty of them get along. Beside it, on the
//! same pages and in turns, Playwright MCP as shipped, when one is given.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::mcp::Agent;
use super::service::Service;
use super::table::{Goal, Row, percentile};

/// Calls of each tool.
const ROUNDS: usize = 40;
/// So many of them does the slower one make, for its median only.
const THEIR_ROUNDS: usize = 12;
/// Agents at once, and the rounds of each.
const AGENTS: usize = 20;
const TURNS: usize = 8;

/// What is measured of a tool: its name, the row's, and the goal of its median.
const TOOLS: [(&str, &str, f64); 6] = [
    ("browser_click", "agent: click", 40.0),
    ("browser_type", "agent: type", 15.0),
    ("browser_press_key", "agent: press a key", 15.0),
    ("browser_navigate", "agent: navigate", 80.0),
    ("browser_evaluate", "agent: evaluate", 15.0),
    ("browser_fill_form", "agent: fill a form of three", 120.0),
];

/// A page with something to do on it, and what must hold when it was done.
struct Task {
    page: &'static str,
    large: bool,
    steps: fn() -> Vec<(&'static str, Value)>,
    done: &'static str,
}

const TASKS: [Task; 5] = [
    Task {
        page: "agent",
        large: false,
        steps: || {
            vec![
                ("browser_click", json!({ "target": "#count" })),
                ("browser_type", json!({ "target": "#note", "text": "Milk" })),
                ("browser_click", json!({ "target": "#add" })),
                ("browser_type", json!({ "target": "#note", "text": "Bread" })),
                ("browser_press_key", json!({ "key": "Tab" })),
                ("browser_click", json!({ "target": "#add" })),
            ]
        },
        done: "() => document.querySelectorAll('#notes li').length === 2",
    },
    Task {
        page: "form",
        large: false,
        steps: || {
            vec![
                ("browser_type", json!({ "target": "#name", "text": "Ada Lovelace" })),
                ("browser_type", json!({ "target": "#mail", "text": "ada@example.com" })),
                ("browser_select_option", json!({ "target": "#country", "values": ["France"] })),
                ("browser_click", json!({ "target": "#terms" })),
                ("browser_click", json!({ "target": "#form button:not([type])" })),
            ]
        },
        done: "() => document.getElementById('out').textContent === 'Welcome, Ada Lovelace'",
    },
    Task {
        page: "table",
        large: true,
        steps: || {
            vec![
                ("browser_type", json!({ "target": "#filter", "text": "Hopper" })),
                ("browser_click", json!({ "target": "#rows tr:nth-child(5) input" })),
                (
                    "browser_click",
                    json!({ "target": "#rows tr:nth-child(3) td:last-child button:last-child" }),
                ),
            ]
        },
        done: "() => document.getElementById('rows').children.length === 499",
    },
    Task {
        page: "mail",
        large: true,
        steps: || {
            vec![
                ("browser_click", json!({ "target": "#list > div:nth-child(3) [aria-label=Archive]" })),
                ("browser_type", json!({ "target": "input[aria-label='Search mail']", "text": "compiler" })),
                ("browser_click", json!({ "target": "#list > div:nth-child(5) [aria-label=Archive]" })),
            ]
        },
        done: "() => document.getElementById('list').children.length === 118",
    },
    Task {
        page: "shop",
        large: true,
        steps: || {
            vec![
                ("browser_click", json!({ "target": ".card:nth-child(2) .add" })),
                ("browser_type", json!({ "target": "input[aria-label='Search products']", "text": "model" })),
                ("browser_click", json!({ "target": ".card:nth-child(4) .add" })),
            ]
        },
        done: "() => document.getElementById('cart').textContent === 'Cart (2)'",
    },
];

/// How an agent comes to see what its act made of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sees {
    /// It takes a whole snapshot, unless the answer holds one.
    Whole,
    /// Changes will do; without them it takes a snapshot.
    Changes,
}

/// Measures all of it; `pages` is the address before the pages' names.
pub(super) async fn measure(pages: &str, playwright: Option<&Path>) -> anyhow::Result<Vec<Row>> {
    let service = Service::start(&format!("{pages}/agent")).await?;
    let mut ours = Agent::of(&service).await.context("our endpoint")?;
    let mut theirs = match playwright {
        Some(cli) => {
            Some(Agent::playwright(cli, &service.data_dir().join("playwright-mcp")).await.context("theirs")?)
        }
        None => None,
    };
    let mut rows = latencies(pages, &mut ours, theirs.as_mut()).await?;
    rows.extend(bytes(pages, &mut ours, theirs.as_mut()).await?);
    drop(theirs);
    rows.extend(together(pages, &service).await?);
    drop(ours);
    service.stop().await?;
    Ok(rows)
}

fn arguments(tool: &str, pages: &str, round: usize) -> Value {
    let text = format!("text {round}");
    match tool {
        "browser_click" => json!({ "target": "#count" }),
        "browser_type" => json!({ "target": "#note", "text": text }),
        "browser_press_key" => json!({ "key": "a" }),
        "browser_navigate" => json!({ "url": format!("{pages}/agent?round={round}") }),
        "browser_evaluate" => json!({ "function": "() => document.title" }),
        _ => json!({ "fields": [
            { "name": "Note", "type": "textbox", "target": "#note", "value": text },
            { "name": "Place", "type": "textbox", "target": "#place", "value": text },
            { "name": "Keep", "type": "checkbox", "target": "#keep", "value": round.is_multiple_of(2).to_string() },
        ] }),
    }
}

async fn latencies(
    pages: &str,
    ours: &mut Agent,
    mut theirs: Option<&mut Agent>,
) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (tool, name, limit) in TOOLS {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        let url = json!({ "url": format!("{pages}/agent") });
        ours.call("browser_navigate", url.clone()).await?;
        if let Some(theirs) = theirs.as_mut() {
            theirs.call("browser_navigate", url).await?;
        }
        // The first round warms both up.
        for round in 0..=ROUNDS {
            let taken = timed(ours, tool, arguments(tool, pages, round)).await?;
            if round > 0 {
                here.push(taken);
            }
            if let Some(theirs) = theirs.as_mut().filter(|_| round <= THEIR_ROUNDS) {
                let taken = timed(theirs, tool, arguments(tool, pages, round)).await?;
                if round > 0 {
                    there.push(taken);
                }
            }
        }
        let mut values = vec![("p50", percentile(&mut here, 0.5)), ("p95", percentile(&mut here, 0.95))];
        if !there.is_empty() {
            values.push(("Playwright MCP p50", percentile(&mut there, 0.5)));
        }
        rows.push(Row::new(name, "ms", Goal::AtMost(limit), values));
    }
    Ok(rows)
}

async fn timed(agent: &mut Agent, tool: &str, arguments: Value) -> anyhow::Result<f64> {
    let start = Instant::now();
    agent.call(tool, arguments).await?;
    Ok(start.elapsed().as_secs_f64() * 1000.0)
}

/// Bytes of text for the tasks, of which the small pages' come first.
async fn bytes(pages: &str, ours: &mut Agent, mut theirs: Option<&mut Agent>) -> anyhow::Result<Vec<Row>> {
    let (mut whole, mut changes, mut other) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    for task in &TASKS {
        let at = usize::from(task.large);
        whole[at] += cost(ours, pages, task, Sees::Whole).await?;
        changes[at] += cost(ours, pages, task, Sees::Changes).await?;
        if let Some(theirs) = theirs.as_mut() {
            other[at] += cost(theirs, pages, task, Sees::Changes).await?;
        }
    }
    let row = |name, goal, [ours, theirs]: [f64; 2]| {
        let mut values = vec![("bytes", ours)];
        if theirs == 0.0 {
            return Row::unmeasured(name, "of theirs", Goal::AtMost(goal), values);
        }
        values.insert(0, ("", ours / theirs));
        values.push(("theirs", theirs));
        Row::new(name, "of theirs", Goal::AtMost(goal), values)
    };
    Ok(vec![
        row("agent: bytes, small pages, whole snapshots", 0.7, [whole[0], other[0]]),
        row("agent: bytes, small pages, changes", 1.0 / 3.0, [changes[0], other[0]]),
        row("agent: bytes, large pages, whole snapshots", 0.7, [whole[1], other[1]]),
        row("agent: bytes, large pages, changes", 0.25, [changes[1], other[1]]),
    ])
}

/// Bytes of text until a task is done and seen to be.
async fn cost(agent: &mut Agent, pages: &str, task: &Task, sees: Sees) -> anyhow::Result<f64> {
    // From elsewhere, so that the page is a new one for the agent.
    agent.call("browser_navigate", json!({ "url": "about:blank" })).await?;
    let open = ("browser_navigate", json!({ "url": format!("{pages}/{}", task.page) }));
    let mut bytes = 0;
    for (tool, arguments) in std::iter::once(open).chain((task.steps)()) {
        let answer = agent.call(tool, arguments).await.context(task.page)?;
        bytes += answer.len();
        let whole = answer.contains("### Snapshot\n```yaml");
        if !whole && (sees == Sees::Whole || !answer.contains("### Changes\n")) {
            bytes += agent.call("browser_snapshot", json!({})).await?.len();
        }
    }
    let answer = agent.call("browser_evaluate", json!({ "function": task.done })).await?;
    let result = answer.lines().skip_while(|line| *line != "### Result").nth(1);
    ensure!(result == Some("true"), "the task on {} was not done: {answer}", task.page);
    Ok(bytes as f64)
}

/// Twenty agents, each in a tab of its own, all at once.
async fn together(pages: &str, service: &Service) -> anyhow::Result<Vec<Row>> {
    let worked = join_all((0..AGENTS).map(|number| work(pages, service, number))).await;
    let (mut clicks, mut types, mut errors) = (Vec::new(), Vec::new(), 0.0);
    for (number, worked) in worked.into_iter().enumerate() {
        match worked {
            Ok((clicked, typed)) => {
                clicks.extend(clicked);
                types.extend(typed);
            }
            Err(error) => {
                eprintln!("agent {number} of {AGENTS}: {error:#}");
                errors += 1.0;
            }
        }
    }
    let values = vec![
        ("failed", errors),
        ("click p50 ms", percentile(&mut clicks, 0.5)),
        ("p95", percentile(&mut clicks, 0.95)),
        ("type p50 ms", percentile(&mut types, 0.5)),
        ("p95", percentile(&mut types, 0.95)),
    ];
    Ok(vec![Row::new("20 agents in one room, each in its tab", "agents", Goal::AtMost(0.0), values)])
}

async fn work(pages: &str, service: &Service, number: usize) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let mut agent = Agent::of(service).await?;
    let url = format!("{pages}/agent?agent={number}");
    agent.call("browser_tabs", json!({ "action": "new", "url": url })).await?;
    let (mut clicks, mut types) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        clicks.push(timed(&mut agent, "browser_click", arguments("browser_click", pages, turn)).await?);
        types.push(timed(&mut agent, "browser_type", arguments("browser_type", pages, turn)).await?);
    }
    let done = format!(
        "() => location.search === '?agent={number}' && clicks === {TURNS} && of('note').value === 'text {}'",
        TURNS - 1
    );
    let answer = agent.call("browser_evaluate", json!({ "function": done })).await?;
    ensure!(answer.contains("### Result\ntrue"), "its work is not there: {answer}");
    Ok((clicks, types))
}
