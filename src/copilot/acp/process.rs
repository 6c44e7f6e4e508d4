//! The agent's process: finding its program, starting it as the room's user,
//! the first words on the line, and telling why that did not go.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};
use tokio::net::unix::pipe;

use super::line::{Line, Told};
use crate::base::{Actor, RoomId};
use crate::copilot::opencode::Setup;
use crate::copilot::opencode::process::{find, last_words};
use crate::process::{Child, Program, spawn};

/// The first start may fetch the agent's package.
const LONGEST_START: Duration = Duration::from_secs(120);
pub(super) const GRACE: Duration = Duration::from_millis(800);

/// The process as it is now.
#[derive(Clone)]
pub(super) struct Running {
    pub line: Line,
    pub run: u64,
    /// What sessions are opened with: our tools.
    pub servers: Value,
    pub can: Abilities,
    pub directory: String,
}

/// What the agent says that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Abilities {
    pub load: bool,
    pub list: bool,
    pub delete: bool,
    /// It takes MCP servers over HTTP.
    pub http: bool,
}

impl Abilities {
    fn read(told: &Value) -> Self {
        let has =
            |pointer: &str| told.pointer(pointer).is_some_and(|value| !value.is_null() && *value != false);
        Self {
            load: told["loadSession"] == true,
            list: has("/sessionCapabilities/list"),
            delete: has("/sessionCapabilities/delete"),
            http: told.pointer("/mcpCapabilities/http") == Some(&Value::Bool(true)),
        }
    }
}

/// A process that has said hello.
pub(super) struct Started {
    pub child: Child,
    pub told: Told,
    pub running: Running,
    pub version: String,
    /// What is amiss all the same.
    pub notice: Option<String>,
    /// As whom it comes to our tools.
    pub actor: Option<Actor>,
}

/// Starts it. A refusal is in words for people.
pub(super) async fn start(setup: &Setup, room: &RoomId, run: u64) -> Result<Started, String> {
    let [name, args @ ..] = setup.acp.as_slice() else { return Err("no command is set".into()) };
    let program = find(std::path::Path::new(name)).ok_or_else(|| {
        format!("The agent's program {name} was not found; install it, or name another by --acp-command")
    })?;
    let failed = |error: &dyn std::fmt::Display| format!("The agent did not start: {error}");
    let base = setup.base(room);
    let private = |path: &std::path::Path| setup.user.private_dir(path).map_err(|error| failed(&error));
    private(&base)?;
    let home = match &setup.home {
        Some(home) => home.clone(),
        None => private(&base.join("home"))?,
    };
    let directory = setup.main_directory(room);
    if setup.directory.is_none() {
        private(&directory)?;
    } else if !directory.is_dir() {
        return Err(format!(
            "the directory {} is not there; make it, or choose another",
            directory.display()
        ));
    }
    let logs = match &setup.place {
        Some(place) => private(&base.join("projects").join(place))?,
        None => base.clone(),
    };
    let pipes = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(&error));
    let ((their_in, our_out), (our_in, their_out)): ((OwnedFd, OwnedFd), (OwnedFd, OwnedFd)) =
        (pipes()?, pipes()?);
    let mut env: Vec<(std::ffi::OsString, std::ffi::OsString)> =
        vec![("OPENCODE_DISABLE_MODELS_FETCH".into(), "1".into())];
    env.extend(setup.env.iter().cloned());
    let child = spawn(Program {
        name: "acp agent",
        program,
        args: args.iter().map(Into::into).collect(),
        env,
        home,
        user: setup.user.clone(),
        group: None,
        network: None,
        fds: vec![(their_in, 0), (their_out, 1)],
        log: logs.join("acp.log"),
        mark: setup.run_dir.clone(),
    });
    let child = child.await.map_err(|error| failed(&error))?;
    let to = pipe::Sender::from_owned_fd(our_out).map_err(|error| failed(&error))?;
    let from = pipe::Receiver::from_owned_fd(our_in).map_err(|error| failed(&error))?;
    let (line, told) = Line::open(from, to);
    let client = json!({ "name": "tandem", "title": "Tandem", "version": env!("CARGO_PKG_VERSION") });
    let able = json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
    let hello = json!({ "protocolVersion": 1, "clientCapabilities": able, "clientInfo": client });
    let welcome = match line.ask("initialize", hello, LONGEST_START).await {
        Ok(welcome) => welcome,
        Err(error) => {
            child.terminate(GRACE).await;
            return Err(format!("The agent did not start: {error}{}", last_words(&logs.join("acp.log"))));
        }
    };
    if welcome["protocolVersion"] != 1 {
        child.terminate(GRACE).await;
        return Err("the agent speaks another version of the Agent Client Protocol than 1; install one \
                    that speaks version 1, or name another by --acp-command"
            .into());
    }
    let can = Abilities::read(&welcome["agentCapabilities"]);
    let (servers, actor, notice) = match can.http {
        true => lend_tools(setup, room).await,
        false => (json!([]), None, Some("it takes no MCP server over HTTP".to_owned())),
    };
    let notice = notice.map(|why| format!("it cannot use the room's browser: {why}"));
    let info = &welcome["agentInfo"];
    let text = |value: &Value| value.as_str().unwrap_or_default().chars().take(60).collect::<String>();
    let version = format!("{} {}", text(&info["name"]), text(&info["version"])).trim().to_owned();
    let running = Running { line, run, servers, can, directory: directory.display().to_string() };
    Ok(Started { child, told, running, version, notice, actor })
}

/// The way to our tools, or why there is none.
async fn lend_tools(setup: &Setup, room: &RoomId) -> (Value, Option<Actor>, Option<String>) {
    match (setup.mint)(room.clone(), setup.name.clone()).await {
        Err(why) => (json!([]), None, Some(why)),
        Ok((token, actor)) => {
            let url = format!("{}/rooms/{room}/mcp", setup.origin);
            let login = json!({ "name": "Authorization", "value": format!("Bearer {}", token.reveal()) });
            let servers = json!([{ "type": "http", "name": "tandem", "url": url, "headers": [login] }]);
            (servers, Some(actor), None)
        }
    }
}
