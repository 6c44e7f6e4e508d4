//! Puts the program together: what stands behind the server's doors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::settings::{Policies, Settings};
use crate::base::{Actor, ActorId, Bitrate, Redacted, Role, RoomId};
use crate::browser::BrowserSettings;
use crate::copilot::{Attached, Copilots};
use crate::policy::RuleSet;
use crate::process::{self, Groups, RoomUser, RoomUsers};
use crate::room::{House, Programs, Retention, RoomSettings, RoomSpec, Rooms, ServerReach};
use crate::rtc::{Rtc, RtcSettings};
use crate::server::{Edges, Secret, SessionFeed, SessionUpdates, Telemetry, TelemetrySource, new_token};
use crate::store::{Store, UnixSeconds};

/// How long viewers may take to say goodbye.
const PEER_GRACE: Duration = Duration::from_millis(300);
/// Below this a picture is no longer worth sending.
const MIN_BITRATE: Bitrate = Bitrate::kbps(250);

/// The parts of a running program.
pub(super) struct Assembly {
    pub(super) rooms: Arc<dyn Rooms>,
    pub(super) edges: Edges,
    /// Where WebRTC really arrives.
    pub(super) rtc_port: u16,
    /// Closes all rooms with their browsers, each step with its deadline.
    pub(super) drain: BoxFuture<'static, ()>,
}

/// Reads the counts of the lower floors when Prometheus asks.
struct Floors {
    house: Arc<House>,
    rtc: Rtc,
}

impl TelemetrySource for Floors {
    fn read(&self) -> Telemetry {
        let (counts, sent) = (self.house.counts(), *self.rtc.totals().borrow());
        Telemetry {
            frames_encoded: counts.frames,
            encode_seconds: counts.encode_time.as_secs_f64(),
            bytes_sent: sent.bytes,
            input_events: counts.inputs,
            egress: self.house.egress(),
            lines: sent.peers,
        }
    }
}

/// Brings the sessions' updates to the pages.
struct Sessions(Arc<Copilots>);

impl SessionFeed for Sessions {
    fn open<'a>(
        &'a self,
        room: &'a RoomId,
        project: Option<&'a str>,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<SessionUpdates, String>> {
        Box::pin(async move { self.0.feed(room, project, after).await.map_err(|error| error.to_string()) })
    }
}

/// Starts the rooms. Whatever fails here fails before the server listens, and
/// leaves nothing behind.
pub(super) async fn assemble(
    settings: &Settings,
    store: &Store,
    port: u16,
    opencode_password: Option<&str>,
    shutdown: &CancellationToken,
) -> Result<Assembly, Failure> {
    let user = RoomUser::resolve(&settings.room_user)?;
    let programs = Programs {
        chromium: present(&settings.chromium, "chromium")?,
        xvfb: present(&settings.xvfb, "xvfb")?,
        window_manager: present(&settings.window_manager, "openbox")?,
        bubblewrap: match settings.policies {
            Policies::Mounted => Some(present(&settings.bwrap, "bubblewrap")?),
            Policies::Installed => {
                BrowserSettings::check_installed_policies()?;
                None
            }
        },
    };
    let run_dir = settings.data_dir.join("run");
    clear_run_dir(&run_dir)?;

    let mut rtc_settings = RtcSettings::new(settings.rtc_listen);
    rtc_settings.public_addresses = settings.rtc_public_address.clone();
    // The pacer sends at the rate that a line is known to carry. A picture's
    // mean rate is far below that of the moment in which it changes, so lines
    // are probed for more than the mean.
    rtc_settings.start_rate = settings.max_bitrate.scale(3.0);
    rtc_settings.full_rate = settings.max_bitrate.scale(10.0);
    let rtc = Rtc::start(rtc_settings).await?;
    let rtc_port = rtc.local().0.port();

    let attached = attached(settings, opencode_password)?;
    let server_rules = settings.rules_file.as_deref().map(rules).transpose()?;
    let room_settings = RoomSettings {
        data_dir: settings.data_dir.clone(),
        run_dir: run_dir.clone(),
        users: Arc::new(RoomUsers::open(
            user.clone(),
            settings.room_uids,
            settings.data_dir.join("room-users.json"),
        )?),
        programs,
        frame_rate: settings.frame_rate,
        max_bitrate: settings.max_bitrate,
        min_bitrate: MIN_BITRATE.min(settings.max_bitrate),
        settle: settings.settle,
        mode: settings.floor_mode,
        default_effect: settings.default_effect,
        approve_by_elicitation: settings.approve_by_elicitation,
        server_rules,
        private_from: settings.private_from,
        turn_idle: settings.turn_idle,
        audit: Retention { age: settings.audit_age, bytes: settings.audit_bytes },
        start_url: settings.start_url.clone(),
        max_rooms: settings.max_rooms,
        sleep: settings.room_sleep,
        limits: settings.room_limits,
        groups: Arc::new(Groups::new(&own_name(&settings.data_dir))),
        reach: ServerReach { lists: settings.egress.clone(), own: own_names(settings, port, rtc_port) },
    };
    let main = RoomSpec::new(RoomId::main(), settings.room_size);
    let house = House::open(room_settings, main, rtc.clone(), store.clone()).await?;

    let copilots = {
        let setup = copilot_setup(settings, store, port, user, &run_dir, attached);
        let roots = settings.opencode_roots.clone();
        Copilots::new(setup, roots, Arc::clone(&house), store.clone(), shutdown.child_token())
    };
    let edges = Edges {
        copilot: Some(crate::copilot::router(Arc::clone(&copilots))),
        sessions: Some(Arc::new(Sessions(Arc::clone(&copilots)))),
        agents: Some(crate::agents::router(Arc::clone(&house), shutdown.clone())),
        tools_document: edges_document(),
        telemetry: Some(Arc::new(Floors { house: Arc::clone(&house), rtc: rtc.clone() })),
    };
    let drain = {
        let house = Arc::clone(&house);
        Box::pin(async move {
            rtc.stop(PEER_GRACE).await;
            tokio::join!(copilots.stop(), house.stop());
        })
    };
    Ok(Assembly { rooms: house, edges, rtc_port, drain })
}

/// Where the service, and the OpenCode that it uses, are found from outside:
/// what no room may reach, whatever it may reach besides. What listens on this
/// machine says so itself (`process::OwnPort`).
fn own_names(settings: &Settings, port: u16, rtc_port: u16) -> Vec<(String, u16)> {
    let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
    let origins = settings.public_url.iter().chain(&settings.opencode_url);
    let outside = settings.rtc_public_address.iter();
    origins
        .map(|origin| (bare(origin.host()), origin.port()))
        .chain(outside.flat_map(|ip| [(ip.to_string(), port), (ip.to_string(), rtc_port)]))
        .collect()
}

/// The same at each start on this data, and no other server's.
fn own_name(data_dir: &Path) -> String {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// What the OpenAPI document has of what is behind the server's doors.
pub fn edges_document() -> serde_json::Value {
    let mut items = crate::agents::openapi_paths();
    if let (Some(items), Some(more)) = (items.as_object_mut(), crate::copilot::openapi_paths().as_object()) {
        items.extend(more.clone());
    }
    items
}

/// What each room's agent is started with.
fn copilot_setup(
    settings: &Settings,
    store: &Store,
    port: u16,
    user: RoomUser,
    run_dir: &Path,
    attached: Option<Attached>,
) -> crate::copilot::Setup {
    let store = store.clone();
    let mint: crate::copilot::Mint = Arc::new(move |room, name| {
        let store = store.clone();
        Box::pin(async move { mint(&store, room, &name).await.map_err(|error| error.to_string()) })
    });
    let ip = match settings.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let value = |name: &String| std::env::var_os(name).map(|value| (name.into(), value));
    crate::copilot::Setup {
        name: "OpenCode".into(),
        acp: settings.acp_command.clone(),
        attached,
        place: None,
        program: settings.opencode.clone(),
        // As ourselves it finds its user's own configuration and keys.
        home: user.switch().is_none().then(|| std::env::var_os("HOME").map(PathBuf::from)).flatten(),
        user,
        data_dir: settings.data_dir.clone(),
        run_dir: run_dir.to_owned(),
        directory: settings.opencode_dir.clone(),
        env: settings.opencode_env.iter().filter_map(value).collect(),
        origin: format!("http://{}", SocketAddr::new(ip, port)),
        mint,
    }
}

/// The OpenCode that runs already, if one is named.
fn attached(settings: &Settings, password: Option<&str>) -> Result<Option<Attached>, Failure> {
    let Some(url) = &settings.opencode_url else { return Ok(None) };
    if settings.opencode_dir.is_none() {
        return Err(Failure::new("--opencode-url needs --opencode-dir, the directory there to work in"));
    }
    let host = url.host().trim_matches(['[', ']']).to_owned();
    let near = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if !url.is_secure() && !near && !settings.allow_plain_http {
        return Err(Failure::new(format!(
            "--opencode-url {url} would carry the password in the clear; use https://, or accept that by \
             --allow-plain-http"
        )));
    }
    let password = match (password.filter(|text| !text.is_empty()), &settings.opencode_password_file) {
        (Some(password), _) => password.to_owned(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .map_err(|error| Failure::new(format!("--opencode-password-file {}: {error}", path.display())))?
            .trim()
            .to_owned(),
        (None, None) => {
            return Err(Failure::new(
                "--opencode-url needs a password: without one any page on that machine commands it. Start it \
                 with OPENCODE_SERVER_PASSWORD and give the same by TANDEM_OPENCODE_PASSWORD or \
                 --opencode-password-file",
            ));
        }
    };
    Ok(Some(Attached {
        host,
        port: url.port(),
        tls: url.is_secure(),
        user: settings.opencode_user.clone(),
        password: Redacted::new(password),
    }))
}

/// A token for the agent that people talk to in a room. Those of its
/// predecessors, whose processes have ended, open nothing any more.
async fn mint(store: &Store, room: RoomId, name: &str) -> Result<(Redacted<String>, Actor), Failure> {
    let now = UnixSeconds::now();
    for old in store.tokens(Some(room.clone())).await? {
        if old.name == name && old.role == Role::Agent && old.is_good(now) {
            store.revoke_token(old.id, now).await?;
        }
    }
    let secret = Secret::random()?;
    let token = new_token(&secret, Role::Agent, Some(room), Some(name), None).map_err(Failure::new)?;
    let id = ActorId::new(&token.id.to_string()).map_err(|error| Failure::new(error.to_string()))?;
    let actor = Actor { id, name: token.name.clone(), role: Role::Agent, colour: None };
    store.add_token(token).await?;
    Ok((Redacted::new(secret.reveal().to_owned()), actor))
}

/// The rules in a file; broken ones are told with line and reason.
fn rules(path: &Path) -> Result<RuleSet, Failure> {
    let told = |why: &dyn std::fmt::Display| Failure::new(format!("the rules in {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    RuleSet::parse(&text).map_err(|broken| told(&broken))
}

/// A program that rooms need, or the line that says how to get it.
fn present(program: &Path, package: &str) -> Result<PathBuf, Failure> {
    let found = if program.components().count() > 1 {
        program.is_file().then(|| program.to_owned())
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
    };
    found.ok_or_else(|| {
        Failure::new(format!(
            "{} is not there; install it with: apt-get install {package} (or see 'tandem doctor')",
            program.display()
        ))
    })
}

/// What an earlier run left behind is ended and removed; the data directory's
/// lock, which we hold, says that no other server uses it.
fn clear_run_dir(run_dir: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot use {}: {error}; choose another --data-dir", run_dir.display()))
    };
    let ended = process::sweep(run_dir);
    if ended > 0 {
        tracing::warn!(processes = ended, "ended what an earlier run had left");
    }
    if let Ok(rooms) = std::fs::read_dir(run_dir) {
        for room in rooms.flatten() {
            crate::display::clear_stale(&room.path().join("display"));
        }
        std::fs::remove_dir_all(run_dir).map_err(failed)?;
    }
    // The rooms' user passes through it to its own directories below.
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(run_dir).map_err(failed)
}
