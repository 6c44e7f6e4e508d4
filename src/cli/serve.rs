//! `tandem serve`: everything that can be refused is refused before anything
//! is started; then the parts start from the bottom up and stop from the top down.

use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::args::{Flags, print};
use super::assemble::{Assembly, assemble};
use super::certificate;
use super::failure::Failure;
use super::logging;
use super::secret;
use super::settings::Settings;
use super::turn;
use crate::process::machine::{self, Namespaces};
use crate::process::{OwnPort, RoomUser, raise_open_files};
use crate::server::{self, Context, Deployment, RunTokens, Secret, ServerOptions};
use crate::store::Store;

/// How long the rooms may take to end. With the two seconds that requests
/// and pages are given before, it stays under five from the signal to the end.
const LONGEST_DRAIN: Duration = Duration::from_millis(2800);

pub(super) async fn serve(flags: Flags) -> Result<ExitCode, Failure> {
    let (settings, env) = flags.settle()?;
    refuse_plain_http(&settings)?;
    let chosen = admin_token(&settings, env.get("TANDEM_ADMIN_TOKEN").map(String::as_str))?;
    let turn = turn::server(&settings, env.get("TANDEM_TURN_SECRET").map(String::as_str))?;
    logging::start(&settings)?;
    no_core_dumps();
    more_files();
    let tokens = RunTokens::new(chosen)?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| busy("--listen", settings.listen, &error))?;
    let port = listener.local_addr()?.port();
    let _own = OwnPort::claim(port);
    let store = secret::with_key(Store::open(&settings.data_dir)?, &settings);
    if let Err(error) = store.check_secrets().await {
        tracing::warn!(%error, "agents cannot use secrets; all else goes on");
    }
    let shutdown = CancellationToken::new();
    // From here on a signal ends what was begun in order.
    stop_on_signals(shutdown.clone())?;

    let started = tokio::select! {
        started = assemble(&settings, &store, port, env.get("TANDEM_OPENCODE_PASSWORD").map(String::as_str), &shutdown) => Some(started?),
        () = shutdown.cancelled() => None,
    };
    let Some(Assembly { rooms, edges, rtc_port, drain }) = started else { return Ok(ExitCode::SUCCESS) };
    let options = ServerOptions {
        port,
        loopback: settings.listen.ip().is_loopback(),
        public_urls: settings.public_url.clone(),
        allowed_origins: settings.allowed_origins.clone(),
        ice_servers: settings.ice_servers.clone(),
        tools: settings.agent_tools,
        deployment: Deployment {
            base: settings.base_path.clone(),
            proxies: settings.trusted_proxies.clone(),
            turn,
            data_dir: settings.data_dir.clone(),
            rtc_port,
            public_addresses: settings.rtc_public_address.clone(),
        },
    };
    let context = Context::new(rooms, store.clone(), &tokens, options, edges, shutdown.clone());
    let mut at = settings.clone();
    at.listen.set_port(port);
    announce(&address(&at), &tokens)?;

    let looks = tokio::spawn({
        let settings = settings.clone();
        async move {
            warn_of_machine(&settings).await;
            certificate::watch(settings).await;
        }
    });
    server::serve(listener, context).await;
    looks.abort();
    let drained = async {
        drain.await;
        store.flush().await
    };
    match tokio::time::timeout(LONGEST_DRAIN, drained).await {
        Ok(Ok(())) => tracing::info!("stopped"),
        Ok(Err(error)) => tracing::warn!(%error, "stopped, but the store was not flushed"),
        Err(_) => tracing::warn!("stopped before everything had ended by itself"),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is in memory, tokens and people's passwords among it, goes into no
/// file; what is started from here inherits that.
fn no_core_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(%error, "core dumps stay on");
    }
}

/// Each connection of a room's browser takes two descriptors here, and many
/// machines give a program 1,024.
fn more_files() {
    match raise_open_files() {
        Ok((before, now)) => tracing::debug!(before, now, "the limit on open files"),
        Err(error) => tracing::warn!(%error, "the limit on open files stays as it was"),
    }
}

/// What rooms cannot do without and this machine lacks: one line each, before
/// somebody wonders why no browser comes up.
async fn warn_of_machine(settings: &Settings) {
    let user = RoomUser::resolve(&settings.room_user).ok();
    if let Namespaces::Refused(error) = machine::namespaces(user.as_ref()).await {
        tracing::error!(
            "user namespaces are refused ({error}), so Chromium's sandbox and with it the browser cannot start: {}",
            machine::NAMESPACES_REMEDY
        );
    }
    if let Ok(space) = machine::space(std::path::Path::new("/dev/shm"))
        && space.free_mb < machine::SCARCE_SHARED_MB
    {
        tracing::warn!(
            free_mb = space.free_mb,
            "/dev/shm is small, pages with large pictures will crash: make it larger, in a container --shm-size=1g"
        );
    }
}

/// Where browsers find this server.
pub(super) fn address(settings: &Settings) -> String {
    if let Some(public) = settings.public_url.first() {
        return format!("{public}{}", settings.base_path);
    }
    let (ip, port, base) = (settings.listen.ip(), settings.listen.port(), &settings.base_path);
    match ip {
        _ if ip.is_unspecified() => format!("http://127.0.0.1:{port}{base}"),
        std::net::IpAddr::V6(ip) => format!("http://[{ip}]:{port}{base}"),
        std::net::IpAddr::V4(ip) => format!("http://{ip}:{port}{base}"),
    }
}

/// The lines that the user waits for.
fn announce(address: &str, tokens: &RunTokens) -> Result<(), Failure> {
    let (admin, agent) = (tokens.admin.reveal(), tokens.agent.reveal());
    print(&format!(
        "Tandem is ready: {address}/rooms/main?token={admin}\n\
         For an agent, until the next start: {address}/mcp with the header Authorization: Bearer {agent}\n\
         To look after it: {address}/admin?token={admin}\n"
    ))?;
    Ok(())
}

/// Tokens and pictures do not leave the machine in the clear unless somebody said so.
fn refuse_plain_http(settings: &Settings) -> Result<(), Failure> {
    let behind_tls = settings.public_url.iter().any(server::Origin::is_secure);
    if settings.listen.ip().is_loopback() || settings.allow_plain_http || behind_tls {
        return Ok(());
    }
    Err(Failure::new(format!(
        "--listen {} is reachable from other machines without TLS; put a proxy with TLS in front and name it by \
         --public-url https://…, or accept that tokens can be read on the way by --allow-plain-http",
        settings.listen
    )))
}

fn admin_token(settings: &Settings, env: Option<&str>) -> Result<Option<Secret>, Failure> {
    if let Some(text) = env.filter(|text| !text.is_empty()) {
        return Secret::chosen(text)
            .map(Some)
            .map_err(|error| Failure::new(format!("TANDEM_ADMIN_TOKEN: {error}")));
    }
    let Some(path) = &settings.admin_token_file else { return Ok(None) };
    let wrong = |why: String| Failure::new(format!("--admin-token-file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Secret::chosen(text.trim()).map(Some).map_err(|error| wrong(error.to_string()))
}

fn busy(flag: &str, address: std::net::SocketAddr, error: &std::io::Error) -> Failure {
    let remedy = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another program uses it; stop it or choose another port",
        std::io::ErrorKind::PermissionDenied => "this user may not; choose a port above 1023",
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address; choose another",
        _ => "choose another",
    };
    Failure::new(format!("cannot listen on {address}: {error}; {remedy} with {flag}"))
}

/// The first signal drains; a second one ends the process as signals do.
fn stop_on_signals(shutdown: CancellationToken) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        shutdown.cancel();
        let code = tokio::select! {
            _ = terminate.recv() => 143,
            _ = interrupt.recv() => 130,
        };
        std::process::exit(code);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Source;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let flags = pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        Source { flags, root: true, ..Source::default() }.settle().unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    #[test]
    fn beyond_loopback_needs_tls_or_a_word() {
        let may = |pairs: &[_]| refuse_plain_http(&settings(pairs)).is_ok();
        assert!(may(&[]));
        assert!(!may(&[("listen", "0.0.0.0:8080")]));
        assert!(!may(&[("listen", "0.0.0.0:8080"), ("public_url", "http://a.example")]));
        assert!(may(&[("listen", "0.0.0.0:8080"), ("public_url", "https://a.example")]));
        assert!(may(&[("listen", "[::]:8080"), ("allow_plain_http", "true")]));
    }

    #[test]
    fn the_address_is_one_that_a_browser_can_open() {
        assert_eq!(address(&settings(&[])), "http://127.0.0.1:8080");
        assert_eq!(address(&settings(&[("listen", "[::1]:9")])), "http://[::1]:9");
        assert_eq!(address(&settings(&[("listen", "0.0.0.0:9")])), "http://127.0.0.1:9");
        assert_eq!(address(&settings(&[("public_url", "https://a.example/")])), "https://a.example");
        let below = [("public_url", "https://a.example"), ("base_path", "/tandem/")];
        assert_eq!(address(&settings(&below)), "https://a.example/tandem");
    }
}
