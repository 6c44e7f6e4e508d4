//! The panel beside the picture, in a real browser: what it weighs, how soon
//! an update is seen, and how ten thousand messages scroll. The measuring is
//! done by a script of the client's, run by node; this finds what that needs,
//! says what is missing, and gives it a room with the real OpenCode and a
//! scripted model.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::service::Service;
use super::table::{Goal, Row};

/// All of one run of the script; OpenCode's first start alone may take a minute.
const LONGEST: Duration = Duration::from_secs(300);
const SCRIPT: &str = "dev/bench-panel.mjs";
const MODEL: &str = "tests/copilot/model.mjs";

const WEIGHT: (&str, &str, Goal) = ("panel: first load, compressed", "kB", Goal::AtMost(250.0));
const TOLD: (&str, &str, Goal) = ("panel: update sent to pixels", "ms", Goal::AtMost(30.0));
const WHOLE: (&str, &str, Goal) =
    ("panel: event to pixels, with the real OpenCode", "ms", Goal::AtMost(30.0));
const SCROLL: (&str, &str, Goal) =
    ("panel: frames while 10,000 messages scroll, in time", "%", Goal::AtLeast(95.0));

/// What the script prints of a made-up room.
#[derive(Deserialize)]
struct Numbers {
    first_load_gzip_bytes: Weights,
    event_to_pixels: Times,
    ten_thousand: Scrolled,
}

#[derive(Deserialize)]
struct Weights {
    with_panel: f64,
    without_panel: f64,
}

#[derive(Deserialize)]
struct Times {
    p50_ms: f64,
    p95_ms: f64,
}

#[derive(Deserialize)]
struct Scrolled {
    within_17_ms: f64,
    frame_p50_ms: f64,
    frame_p95_ms: f64,
    frame_p99_ms: f64,
}

/// What the script prints of a real room.
#[derive(Deserialize)]
struct Real {
    through_opencode: Through,
}

#[derive(Deserialize)]
struct Through {
    p50_ms: f64,
    p95_ms: f64,
    /// From the model's own write of the word on, with what OpenCode takes.
    from_model_p50_ms: f64,
    from_model_p95_ms: f64,
}

/// `client` is the folder of the web client in Tandem's source.
pub(super) async fn measure(client: &Path, page: &str) -> anyhow::Result<Vec<Row>> {
    let client = whole(client).await?;
    let printed = run(&client, None).await?;
    let Numbers { first_load_gzip_bytes: weights, event_to_pixels: told, ten_thousand: scrolled } =
        serde_json::from_str(&printed).with_context(|| format!("{SCRIPT} printed {printed}"))?;
    let whole = match through_opencode(&client, page).await {
        Ok(times) => row(
            WHOLE,
            vec![
                ("p50", times.p50_ms),
                ("p95", times.p95_ms),
                ("from the model on p50", times.from_model_p50_ms),
                ("p95", times.from_model_p95_ms),
            ],
        ),
        Err(error) => {
            eprintln!("{}: {error:#}", WHOLE.0);
            let (name, unit, goal) = WHOLE;
            Row::unmeasured(name, unit, goal, vec![])
        }
    };
    Ok(vec![
        row(
            WEIGHT,
            vec![("", weights.with_panel / 1000.0), ("without the panel", weights.without_panel / 1000.0)],
        ),
        row(TOLD, vec![("p50", told.p50_ms), ("p95", told.p95_ms)]),
        whole,
        row(
            SCROLL,
            vec![
                ("within 17.5 ms", scrolled.within_17_ms * 100.0),
                ("ms p50", scrolled.frame_p50_ms),
                ("ms p95", scrolled.frame_p95_ms),
                ("ms p99", scrolled.frame_p99_ms),
            ],
        ),
    ])
}

/// The same rows where it could not be measured.
pub(super) fn unmeasured() -> Vec<Row> {
    [WEIGHT, TOLD, WHOLE, SCROLL]
        .map(|(name, unit, goal)| Row::unmeasured(name, unit, goal, vec![]))
        .into_iter()
        .collect()
}

fn row((name, unit, goal): (&'static str, &'static str, Goal), values: Vec<(&'static str, f64)>) -> Row {
    Row::new(name, unit, goal, values)
}

/// The client's folder, with all that the script needs in it.
async fn whole(client: &Path) -> anyhow::Result<PathBuf> {
    let shown = client.display();
    ensure!(
        client.join(SCRIPT).is_file(),
        "{shown}/{SCRIPT} is not there; run this in Tandem's source, or name its client by --client"
    );
    let node = Command::new("node").arg("--version").stdin(Stdio::null()).output().await;
    let version = node.context("node is not installed; the panel is measured by it (version 20 or later)")?;
    ensure!(version.status.success(), "node --version ended with {}", version.status);
    let built = client.join("dist/index.html").is_file();
    ensure!(built, "the client is not built; run `npm run build` in {shown}");
    for package in ["@playwright/test", "opencode-ai"] {
        let found = client.join("node_modules").join(package).is_dir();
        ensure!(found, "{shown} has no package {package}; run `npm ci` there");
    }
    Ok(client.canonicalize()?)
}

/// Runs the script, in a room of its own making or in a real one; what it printed.
async fn run(client: &Path, room: Option<&str>) -> anyhow::Result<String> {
    let mut script = Command::new("node");
    script.arg(SCRIPT).current_dir(client).stdin(Stdio::null()).kill_on_drop(true);
    // Not as an argument, which everybody on this machine could read: there is a token in it.
    match room {
        Some(room) => script.env("TANDEM_BENCH_ROOM", room),
        None => script.env_remove("TANDEM_BENCH_ROOM"),
    };
    let ended = tokio::time::timeout(LONGEST, script.output()).await;
    let Ok(output) = ended else { bail!("{SCRIPT} was not done in {} s", LONGEST.as_secs()) };
    let output = output.with_context(|| format!("cannot run {SCRIPT}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{SCRIPT} ended with {}: {}", output.status, said.trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// A room with the real OpenCode in it, whose model writes down when it says what.
async fn through_opencode(client: &Path, page: &str) -> anyhow::Result<Through> {
    let source = client.parent().context("the client has no folder above it")?;
    let mut model = Model::start(&source.join(MODEL)).await?;
    let project = Project::make(model.port).context("the project's folder")?;
    let program = client.join("node_modules/.bin/opencode");
    let arguments: [&OsStr; 4] =
        ["--opencode".as_ref(), program.as_ref(), "--opencode-dir".as_ref(), project.dir.as_ref()];
    let service = Service::start_with(page, &arguments).await?;
    let room = format!("http://{}/rooms/main?token={}", service.address, service.token);
    let printed = run(client, Some(&room)).await;
    service.stop().await?;
    model.child.kill().await?;
    let printed = printed?;
    let real: Real = serde_json::from_str(&printed).with_context(|| format!("{SCRIPT} printed {printed}"))?;
    Ok(real.through_opencode)
}

/// The scripted model, ended when dropped.
struct Model {
    child: Child,
    port: u16,
}

impl Model {
    async fn start(script: &Path) -> anyhow::Result<Self> {
        let mut child = Command::new("node")
            .arg(script)
            // A number is printed in colours where somebody's settings want them.
            .env("FORCE_COLOR", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run the scripted model")?;
        let out = child.stdout.take().context("the model has no output")?;
        let line = BufReader::new(out).lines().next_line().await?;
        let line = line.with_context(|| format!("{} ended at once", script.display()))?;
        let port = line.trim().parse().with_context(|| format!("the model printed {line:?}"))?;
        Ok(Self { child, port })
    }
}

/// Where OpenCode works, removed when dropped.
struct Project {
    dir: PathBuf,
}

impl Project {
    fn make(port: u16) -> anyhow::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let mut random = [0; 4];
        getrandom::fill(&mut random).context("no random numbers")?;
        let name = format!("tandem-bench-project-{:08x}", u32::from_ne_bytes(random));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir)?;
        let project = Self { dir };
        // OpenCode may run as another user than this.
        std::fs::set_permissions(&project.dir, std::fs::Permissions::from_mode(0o777))?;
        let config = json!({
            "provider": { "scripted": {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Scripted",
                "options": { "baseURL": format!("http://127.0.0.1:{port}/v1"), "apiKey": "none" },
                "models": { "scripted": {
                    "name": "Scripted", "tool_call": true, "limit": { "context": 100_000, "output": 4000 },
                } },
            } },
            "model": "scripted/scripted",
        });
        std::fs::write(project.dir.join("opencode.json"), config.to_string())?;
        Ok(project)
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_said_with_what_to_do() {
        let none = whole(Path::new("no/such/client")).await.expect_err("nothing is there").to_string();
        assert!(none.contains("--client"), "{none}");
        let dir = std::env::temp_dir().join(format!("tandem-bench-test-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("dev")).expect("a folder");
        std::fs::write(dir.join(SCRIPT), "").expect("a file");
        let unbuilt = whole(&dir).await.expect_err("it is not built").to_string();
        std::fs::remove_dir_all(&dir).expect("it is gone");
        assert!(unbuilt.contains("npm run build") || unbuilt.contains("node is not installed"), "{unbuilt}");
    }
}
