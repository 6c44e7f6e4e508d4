//! The one table of settings. From it come the flags, the names in the
//! environment, the keys of the file, the example file and the defaults.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::settings::{LogFormat, Policies, Settings};
use super::values::{ice_server, limit, list, number, one, optional, parse, path, root, set, text};
use crate::base::{Bitrate, Role, Size, ToolGroups};
use crate::floor::Mode;
use crate::policy::Effect;
use crate::policy::egress::EgressLists;
use crate::server::{BasePath, Origin, Proxies, Turn};

/// How a value is written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Switch,
    /// Several texts; in a flag or the environment separated by commas.
    List,
}

/// One setting.
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) default: &'static str,
    /// What the default is when it depends on the machine.
    pub(super) default_shown: Option<&'static str>,
    pub(super) help: &'static str,
    pub(super) apply: fn(&mut Settings, &[String]) -> Result<(), String>,
}

impl Setting {
    pub(super) fn env(&self) -> String {
        format!("TANDEM_{}", self.key.to_ascii_uppercase())
    }

    pub(super) fn flag(&self) -> &'static str {
        static FLAGS: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
            TABLE.iter().map(|setting| (setting.key, setting.key.replace('_', "-"))).collect()
        });
        FLAGS.get(self.key).map_or(self.key, String::as_str)
    }
}

macro_rules! setting {
    ($key:ident, $kind:ident, $default:expr, $help:expr, $apply:expr) => {
        Setting {
            key: stringify!($key),
            kind: Kind::$kind,
            default: $default,
            default_shown: None,
            help: $help,
            apply: $apply,
        }
    };
}

pub(super) const TABLE: &[Setting] = &[
    setting!(
        listen,
        Text,
        "127.0.0.1:8080",
        "Where the page, the API and MCP are served: address and port.",
        |s, v| set(&mut s.listen, v)
    ),
    setting!(
        rtc_listen,
        Text,
        "127.0.0.1:8081",
        "Where WebRTC arrives, by UDP and TCP: address and port.",
        |s, v| set(&mut s.rtc_listen, v)
    ),
    setting!(
        rtc_public_address,
        List,
        "",
        "Addresses under which viewers reach the WebRTC port from outside, behind NAT.",
        |s, v| list(&mut s.rtc_public_address, v, parse::<IpAddr>)
    ),
    setting!(
        public_url,
        List,
        "",
        "Addresses of this server as browsers see it through a proxy, such as https://tandem.example.org.",
        |s, v| list(&mut s.public_url, v, parse::<Origin>)
    ),
    setting!(
        base_path,
        Text,
        "",
        "The path below which a proxy shows this server, such as /tandem. The proxy may leave it on or take it off.",
        |s, v| set(&mut s.base_path, v)
    ),
    setting!(
        trusted_proxies,
        List,
        "",
        "Whose X-Forwarded-For is believed, so that limits count people and not the proxy: addresses, ranges such as 10.0.0.0/8, or private.",
        |s, v| {
            let texts: Vec<&str> = v.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
            s.trusted_proxies = Proxies::parse(&texts).map_err(|error| error.to_string())?;
            Ok(())
        }
    ),
    setting!(
        allow_plain_http,
        Switch,
        "false",
        "Serve beyond loopback without TLS. Tokens and pictures are then readable on the way.",
        |s, v| set(&mut s.allow_plain_http, v)
    ),
    setting!(allowed_origins, List, "", "Other sites that may call the API.", |s, v| list(
        &mut s.allowed_origins,
        v,
        parse::<Origin>
    )),
    Setting {
        default_shown: Some("/var/lib/tandem as root, else ~/.local/share/tandem"),
        ..setting!(data_dir, Text, "", "Where tokens, rooms and browser profiles are kept.", |s, v| optional(
            v,
            |path| s.data_dir = path
        ))
    },
    setting!(
        admin_token_file,
        Text,
        "",
        "A file with the admin token. TANDEM_ADMIN_TOKEN sets the token itself; without both one is made at each start.",
        |s, v| optional(v, |path| s.admin_token_file = Some(path))
    ),
    setting!(
        room_user,
        Text,
        "tandem",
        "The unprivileged user that browsers run as when Tandem is started by root.",
        |s, v| text(&mut s.room_user, v)
    ),
    setting!(
        room_uids,
        Text,
        "720000-729999",
        "When Tandem is started by root: the numbers of users that nobody has, of which each room gets one of its own. off for one user for all rooms, the one of room_user.",
        |s, v| {
            s.room_uids = match one(v)? {
                "off" => None,
                range => Some(range.parse()?),
            };
            Ok(())
        }
    ),
    setting!(chromium, Text, "chromium", "The browser: a path, or a name to be found in PATH.", |s, v| path(
        &mut s.chromium,
        v
    )),
    setting!(xvfb, Text, "Xvfb", "The X server.", |s, v| path(&mut s.xvfb, v)),
    setting!(window_manager, Text, "openbox", "The window manager.", |s, v| path(&mut s.window_manager, v)),
    setting!(bwrap, Text, "bwrap", "bubblewrap, which gives each browser its own policies.", |s, v| path(
        &mut s.bwrap,
        v
    )),
    setting!(
        policies,
        Text,
        "mounted",
        "How the browsers' managed policies reach them: mounted (by bwrap, for each browser alone) or installed (they are in /etc/chromium already, as in the container's image).",
        |s, v| {
            s.policies = match one(v)? {
                "mounted" => Policies::Mounted,
                "installed" => Policies::Installed,
                other => return Err(format!("'{other}' is neither mounted nor installed")),
            };
            Ok(())
        }
    ),
    setting!(
        egress_allow,
        List,
        "",
        "What the rooms' browsers reach beside the open internet: addresses and ranges such as 10.0.0.0/8 or 10.0.0.5:8443. Names such as *.example.com are what * in egress_deny leaves open.",
        |s, v| {
            list(&mut s.egress.allow, v, parse)?;
            s.egress.check()
        }
    ),
    setting!(
        egress_deny,
        List,
        "",
        "What they do not reach: addresses, ranges, names such as example.com, *.example.com or example.com:8443; * for everything that egress_allow does not name.",
        |s, v| {
            list(&mut s.egress.deny, v, parse)?;
            s.egress.check()
        }
    ),
    setting!(start_url, Text, "about:blank", "The first page of a room.", |s, v| text(&mut s.start_url, v)),
    setting!(room_size, Text, "1280x720", "The size of a room that asks for none, in pixels.", |s, v| set::<
        Size,
    >(
        &mut s.room_size,
        v
    )),
    setting!(max_rooms, Number, "8", "How many rooms there may be, 1 to 100.", |s, v| number(
        &mut s.max_rooms,
        v,
        1,
        100
    )),
    setting!(
        room_sleep_s,
        Number,
        "600",
        "After how long without a viewer, an agent or an open question a room falls asleep, in seconds; 0 for never.",
        |s, v| {
            let mut seconds = 0u64;
            number(&mut seconds, v, 0, 31_536_000)?;
            s.room_sleep = Duration::from_secs(seconds);
            Ok(())
        }
    ),
    setting!(
        room_memory_mb,
        Number,
        "0",
        "The memory that a room's programs may take together, in MiB from 256, by control groups; 0 for no limit.",
        |s, v| limit(&mut s.room_limits.memory_mb, v, 256, 1_048_576)
    ),
    setting!(
        room_cpu_weight,
        Number,
        "0",
        "A room's share of the processors when they are busy, 1 to 10000 where 100 is usual; 0 to say nothing.",
        |s, v| limit(&mut s.room_limits.cpu_weight, v, 1, 10_000)
    ),
    setting!(
        room_processes,
        Number,
        "0",
        "Processes and threads that a room may have, from 200; 0 for no limit.",
        |s, v| limit(&mut s.room_limits.processes, v, 200, 1_000_000)
    ),
    setting!(frame_rate, Number, "60", "Most frames a second, 1 to 120.", |s, v| number(
        &mut s.frame_rate,
        v,
        1,
        120
    )),
    setting!(
        max_bitrate_kbps,
        Number,
        "4000",
        "Most kilobits a second to one viewer, 100 to 100000.",
        |s, v| {
            let mut kbps = 0u64;
            number(&mut kbps, v, 100, 100_000)?;
            s.max_bitrate = Bitrate::kbps(kbps);
            Ok(())
        }
    ),
    setting!(
        settle_ms,
        Number,
        "1500",
        "How long a person must be still before an agent goes on, in milliseconds, 0 to 60000.",
        |s, v| {
            let mut ms = 0u64;
            number(&mut ms, v, 0, 60_000)?;
            s.settle = Duration::from_millis(ms);
            Ok(())
        }
    ),
    setting!(
        floor_mode,
        Text,
        "together",
        "Who may act in a new room: together, turns, watch (agents act, people look) or hands-off (people act, agents look).",
        |s, v| set(&mut s.floor_mode, v)
    ),
    setting!(
        private_from,
        Text,
        "controller",
        "The lowest role that sees the picture while somebody else is in a private moment: viewer, controller or admin.",
        |s, v| {
            set(&mut s.private_from, v)?;
            match s.private_from {
                Role::Agent => {
                    Err("agents never see a private moment; choose viewer, controller or admin".into())
                }
                _ => Ok(()),
            }
        }
    ),
    setting!(
        turn_idle_s,
        Number,
        "60",
        "In the mode turns: how long a turn may stay unused, in seconds, 1 to 86400.",
        |s, v| {
            let mut seconds = 0u64;
            number(&mut seconds, v, 1, 86_400)?;
            s.turn_idle = Duration::from_secs(seconds);
            Ok(())
        }
    ),
    setting!(
        default_effect,
        Text,
        "allow",
        "What becomes of an agent's act that no rule is about: allow, ask (a person must say yes) or deny.",
        |s, v| set(&mut s.default_effect, v)
    ),
    setting!(
        approve_by_elicitation,
        Switch,
        "false",
        "Ask for approvals at the agent's own MCP client too. Whoever drives that client, a program also, can then say yes to what its agent asks.",
        |s, v| set(&mut s.approve_by_elicitation, v)
    ),
    setting!(audit_days, Number, "90", "How long a room's record is kept, in days, 1 to 3650.", |s, v| {
        let mut days = 0u64;
        number(&mut days, v, 1, 3650)?;
        s.audit_age = Duration::from_secs(days * 86_400);
        Ok(())
    }),
    setting!(
        audit_mb,
        Number,
        "100",
        "How long a room's record grows before its oldest lines go, in megabytes, 1 to 100000.",
        |s, v| {
            let mut megabytes = 0u64;
            number(&mut megabytes, v, 1, 100_000)?;
            s.audit_bytes = megabytes * 1_000_000;
            Ok(())
        }
    ),
    Setting {
        default_shown: Some("secrets.key in the data directory"),
        ..setting!(
            secrets_key_file,
            Text,
            "",
            "The file with the key that seals agents' secrets: 64 hexadecimal digits that others cannot read. Made when the first secret is set.",
            |s, v| optional(v, |path| s.secrets_key_file = Some(path))
        )
    },
    setting!(
        rules_file,
        Text,
        "",
        "A file with the rules of all rooms, read at each start. Without it those count that were put over HTTP.",
        |s, v| optional(v, |path| s.rules_file = Some(path))
    ),
    setting!(
        agent_tools,
        List,
        "core,vision,pdf,testing",
        "Groups of agents' tools that a token opens unless it was made with others: core, vision, pdf, testing, network, storage, devtools, all.",
        |s, v| {
            let mut groups = vec![];
            list(&mut groups, v, parse::<ToolGroups>)?;
            s.agent_tools = groups.into_iter().flat_map(|groups| groups.iter().collect::<Vec<_>>()).collect();
            Ok(())
        }
    ),
    setting!(
        opencode,
        Text,
        "opencode",
        "OpenCode 1.18, the agent that people talk to in a room: a path, or a name to be found in PATH.",
        |s, v| path(&mut s.opencode, v)
    ),
    setting!(
        opencode_dir,
        Text,
        "",
        "Where OpenCode works, with its opencode.json; without it a directory of each room's own.",
        |s, v| optional(v, |path| s.opencode_dir = Some(path))
    ),
    setting!(
        opencode_env,
        List,
        "ANTHROPIC_API_KEY,OPENAI_API_KEY,GEMINI_API_KEY,OPENROUTER_API_KEY",
        "Names of variables of the environment that OpenCode gets: the keys of models' providers.",
        |s, v| list(&mut s.opencode_env, v, parse::<String>)
    ),
    setting!(
        opencode_roots,
        List,
        "",
        "Directories below which people may add projects for OpenCode to work in; without them only the first is there.",
        |s, v| list(&mut s.opencode_roots, v, root)
    ),
    setting!(
        opencode_url,
        Text,
        "",
        "An OpenCode 1.18 that runs already, such as http://127.0.0.1:4096, in place of processes of Tandem's own. Needs opencode_dir, a directory there.",
        |s, v| match one(v)? {
            "" => Ok(()),
            value => {
                s.opencode_url = Some(parse(value)?);
                Ok(())
            }
        }
    ),
    setting!(opencode_user, Text, "opencode", "The user name for opencode_url.", |s, v| text(
        &mut s.opencode_user,
        v
    )),
    setting!(
        opencode_password_file,
        Text,
        "",
        "A file with the password for opencode_url. TANDEM_OPENCODE_PASSWORD sets the password itself.",
        |s, v| optional(v, |path| s.opencode_password_file = Some(path))
    ),
    setting!(
        acp_command,
        Text,
        "",
        "Another agent in OpenCode's place: a command that speaks the Agent Client Protocol, its words with spaces between, such as: npx -y @zed-industries/claude-code-acp",
        |s, v| {
            s.acp_command = one(v)?.split_whitespace().map(str::to_owned).collect();
            Ok(())
        }
    ),
    setting!(
        ice_servers,
        List,
        "",
        "STUN and TURN servers for viewers: stun:host:port, or turn:USER:SECRET@host:port.",
        |s, v| list(&mut s.ice_servers, v, ice_server)
    ),
    setting!(
        turn_url,
        List,
        "",
        "TURN servers that share a secret with this one, such as turn:turn.example.org:3478?transport=udp. Viewers get credentials that hold for twelve hours.",
        |s, v| list(&mut s.turn_url, v, |text| Turn::url(text).map_err(|error| error.to_string()))
    ),
    setting!(
        turn_secret_file,
        Text,
        "",
        "A file with the secret that turn_url's servers know; made with a random one when it is not there. TANDEM_TURN_SECRET sets the secret itself.",
        |s, v| optional(v, |path| s.turn_secret_file = Some(path))
    ),
    setting!(
        log,
        Text,
        "info",
        "What is logged: error, warn, info, debug or trace, or a filter such as tandem=debug,info.",
        |s, v| {
            let filter = one(v)?;
            tracing_subscriber::EnvFilter::try_new(filter)
                .map_err(|error| format!("'{filter}' is no filter: {error}"))?;
            s.log = filter.to_owned();
            Ok(())
        }
    ),
    setting!(log_format, Text, "text", "How log lines look: text or json.", |s, v| {
        s.log_format = match one(v)? {
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            other => return Err(format!("'{other}' is no format; use text or json")),
        };
        Ok(())
    }),
];

impl Settings {
    /// A value for every field, to be overwritten by the table's defaults.
    pub(super) fn blank(data_dir: PathBuf) -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: nowhere,
            rtc_listen: nowhere,
            rtc_public_address: vec![],
            public_url: vec![],
            base_path: BasePath::default(),
            trusted_proxies: Proxies::default(),
            allow_plain_http: false,
            allowed_origins: vec![],
            data_dir,
            admin_token_file: None,
            room_user: String::new(),
            room_uids: None,
            chromium: PathBuf::new(),
            xvfb: PathBuf::new(),
            window_manager: PathBuf::new(),
            bwrap: PathBuf::new(),
            start_url: String::new(),
            room_size: Size::DEFAULT,
            max_rooms: 0,
            frame_rate: 0,
            max_bitrate: Bitrate::default(),
            settle: Duration::ZERO,
            floor_mode: Mode::default(),
            default_effect: Effect::Allow,
            approve_by_elicitation: false,
            rules_file: None,
            secrets_key_file: None,
            private_from: Role::Controller,
            turn_idle: Duration::ZERO,
            room_sleep: Duration::ZERO,
            room_limits: crate::process::Limits::default(),
            audit_age: Duration::ZERO,
            audit_bytes: 0,
            agent_tools: ToolGroups::default(),
            opencode: PathBuf::new(),
            opencode_dir: None,
            opencode_env: vec![],
            opencode_roots: vec![],
            acp_command: vec![],
            opencode_url: None,
            opencode_user: String::new(),
            opencode_password_file: None,
            ice_servers: vec![],
            turn_url: vec![],
            turn_secret_file: None,
            policies: Policies::Mounted,
            egress: EgressLists::default(),
            log: String::new(),
            log_format: LogFormat::Text,
        }
    }
}
