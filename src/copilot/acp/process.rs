//! The agent's process: finding its program, starting it as the room's user,
//! the first words on the line, and telling why that did not go.

use std::os::fd::OwnedFd;
use std::time::Duration;

use agent_client_protocol_schema::ProtocolVersion;
use agent_client_protocol_schema::v1::{
    AgentCapabilities, HttpHeader, Implementation, InitializeRequest, McpServer, McpServerHttp,
};
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::net::unix::pipe;

use super::content::cut;
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
    pub servers: Vec<McpServer>,
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
    fn read(told: &AgentCapabilities) -> Self {
        Self {
            load: told.load_session,
            list: told.session_capabilities.list.is_some(),
            delete: told.session_capabilities.delete.is_some(),
            http: told.mcp_capabilities.http,
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
    let client = Implementation::new("tandem", env!("CARGO_PKG_VERSION")).title("Tandem".to_owned());
    // It may neither read nor write files through us, nor open a terminal.
    let hello = InitializeRequest::new(ProtocolVersion::V1).client_info(client);
    let welcome = match line.ask(hello, LONGEST_START).await {
        Ok(welcome) => welcome,
        Err(error) => {
            child.terminate(GRACE).await;
            return Err(format!("The agent did not start: {error}{}", last_words(&logs.join("acp.log"))));
        }
    };
    if welcome.protocol_version != ProtocolVersion::V1 {
        child.terminate(GRACE).await;
        return Err("the agent speaks another version of the Agent Client Protocol than 1; install one \
                    that speaks version 1, or name another by --acp-command"
            .into());
    }
    let can = Abilities::read(&welcome.agent_capabilities);
    let (servers, actor, notice) = match can.http {
        true => lend_tools(setup, room).await,
        false => (vec![], None, Some("it takes no MCP server over HTTP".to_owned())),
    };
    let notice = notice.map(|why| format!("it cannot use the room's browser: {why}"));
    let info = welcome.agent_info.map(|info| format!("{} {}", cut(&info.name, 60), cut(&info.version, 60)));
    let version = info.unwrap_or_default().trim().to_owned();
    let running = Running { line, run, servers, can, directory: directory.display().to_string() };
    Ok(Started { child, told, running, version, notice, actor })
}

/// The way to our tools, or why there is none.
async fn lend_tools(setup: &Setup, room: &RoomId) -> (Vec<McpServer>, Option<Actor>, Option<String>) {
    match (setup.mint)(room.clone(), setup.name.clone()).await {
        Err(why) => (vec![], None, Some(why)),
        Ok((token, actor)) => {
            let url = format!("{}/rooms/{room}/mcp", setup.origin);
            let login = HttpHeader::new("Authorization", format!("Bearer {}", token.reveal()));
            let servers = vec![McpServer::Http(McpServerHttp::new("tandem", url).headers(vec![login]))];
            (servers, Some(actor), None)
        }
    }
}
