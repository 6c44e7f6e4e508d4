//! `tandem doctor`: what this machine lacks, and how to mend it, in under two
//! seconds. It tries things rather than guessing from versions.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde::Serialize;

use super::args::{Flags, print};
use super::certificate::{self, Certificate};
use super::failure::Failure;
use super::settings::{Policies, Settings};
use crate::browser::BrowserSettings;
use crate::process::machine::{self, Namespaces, Space};
use crate::process::{Network, RoomUser};
use crate::server::Origin;

/// One program that does not answer must not hold up the rest.
const LONGEST_TRY: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do; nothing when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), mend: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), mend: Some(mend.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fail, found: found.into(), mend: Some(mend.into()) }
    }
}

/// Looks at everything at once. Code 1 if something is missing.
pub(super) async fn run(flags: Flags, json: bool) -> Result<ExitCode, Failure> {
    let (settings, _) = flags.settle()?;
    let user = RoomUser::resolve(&settings.room_user);
    let switch = user.as_ref().ok().and_then(RoomUser::switch);
    let (chromium, xvfb, manager, bwrap, namespaces, networks, sandbox, fonts) = tokio::join!(
        program(
            "chromium",
            &settings.chromium,
            &["--version"],
            "apt-get install chromium, or set --chromium"
        ),
        program("xvfb", &settings.xvfb, &["-version"], "apt-get install xvfb, or set --xvfb"),
        program(
            "window manager",
            &settings.window_manager,
            &["--version"],
            "apt-get install openbox, or set --window-manager"
        ),
        program("bwrap", &settings.bwrap, &["--version"], "apt-get install bubblewrap, or set --bwrap"),
        namespaces(user.as_ref().ok()),
        networks(),
        policies(&settings, switch),
        fonts(),
    );
    let mut findings = vec![
        chromium,
        xvfb,
        manager,
        bwrap,
        room_user(&settings, user.err()),
        namespaces,
        networks,
        sandbox,
        fonts,
    ];
    // Where the policies are installed, nothing is left for bubblewrap to do.
    if settings.policies == Policies::Installed {
        findings.retain(|finding| finding.check != "bwrap");
    }
    findings.push(shared_memory());
    findings.push(codecs());
    findings.push(port("port of the page", "--listen", settings.listen, false));
    findings.push(port("port of WebRTC", "--rtc-listen", settings.rtc_listen, true));
    findings.push(data_dir(&settings.data_dir));
    findings.push(disk(&settings.data_dir));

    for origin in settings.public_url.iter().filter(|origin| origin.is_secure()) {
        findings.push(certificate(origin).await);
    }

    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    if json {
        print(&(serde_json::to_string_pretty(&findings)? + "\n"))?;
    } else {
        print(&report(&findings))?;
    }
    Ok(ExitCode::from(u8::from(failed)))
}

fn report(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        };
        out.push_str(&format!("{verdict}  {:<18}{}\n", finding.check, finding.found));
        if let Some(mend) = &finding.mend {
            out.push_str(&format!("      {:<18}{mend}\n", "→"));
        }
    }
    out
}

/// Where a program is, as the shell would find it.
fn find(program: &Path) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.components().count() > 1 {
        return Some(program.to_owned()).filter(runs);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(runs)
}

async fn program(check: &'static str, program: &Path, args: &[&str], mend: &str) -> Finding {
    let Some(path) = find(program) else {
        return Finding::fail(check, format!("{} is not installed", program.display()), mend);
    };
    let mut command = tokio::process::Command::new(&path);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(LONGEST_TRY, command.output()).await {
        Ok(Ok(output)) => {
            // Some tell it on stderr, and Xvfb tells only how it is used.
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let version = text.lines().take(5).map(str::trim).find(|line| has_version(line));
            let version = version.unwrap_or("it tells no version").to_owned();
            Finding::ok(check, format!("{} ({version})", path.display()))
        }
        Ok(Err(error)) => Finding::fail(check, format!("{} does not start: {error}", path.display()), mend),
        Err(_) => Finding::warn(
            check,
            format!("{} did not tell its version in time", path.display()),
            "try again when the machine is less busy",
        ),
    }
}

/// True for a line with digits on both sides of a dot.
fn has_version(line: &str) -> bool {
    let digit = |c: &u8| c.is_ascii_digit();
    line.as_bytes().windows(3).any(|three| digit(&three[0]) && three[1] == b'.' && digit(&three[2]))
}

/// Really makes the namespaces that Chromium's sandbox needs, as the rooms' user.
async fn namespaces(user: Option<&RoomUser>) -> Finding {
    let check = "user namespaces";
    match machine::namespaces(user).await {
        Namespaces::Allowed => Finding::ok(check, "an unprivileged user can make them"),
        Namespaces::Refused(error) => {
            Finding::fail(check, format!("refused: {error}"), machine::NAMESPACES_REMEDY)
        }
        Namespaces::Unknown => {
            Finding::warn(check, "the try took too long", "try again when the machine is less busy")
        }
    }
}

/// Beneath the gate that filters what a room reaches: a network with nothing else in it.
async fn networks() -> Finding {
    let check = "room networks";
    match tokio::task::spawn_blocking(Network::make).await {
        Ok(Ok(_)) => Finding::ok(check, "each browser gets one in which there is only its gate"),
        Ok(Err(error)) => Finding::warn(
            check,
            format!(
                "no network namespace can be made ({error}), so browsers are held to the gate by their settings alone"
            ),
            "allow network namespaces: in a container docker/seccomp.json, and as root CAP_SYS_ADMIN",
        ),
        Err(_) => Finding::warn(check, "the try failed", "try again"),
    }
}

/// Managed policies reach a browser by a mount of its own, which bubblewrap makes.
async fn policies(settings: &Settings, switch: Option<(u32, u32)>) -> Finding {
    let check = "policies";
    if settings.policies == Policies::Installed {
        return match BrowserSettings::check_installed_policies() {
            Ok(()) => Finding::ok(check, "are installed for the whole machine"),
            Err(error) => Finding::fail(check, error.to_string(), "copy it there, or set --policies mounted"),
        };
    }
    let bwrap = &settings.bwrap;
    let Some(path) = find(bwrap) else {
        return Finding::fail(
            check,
            "no bwrap to mount them with",
            "apt-get install bubblewrap, or set --bwrap",
        );
    };
    let mut command = tokio::process::Command::new(path);
    command.args([
        "--dev-bind",
        "/",
        "/",
        "--tmpfs",
        "/etc",
        "--dir",
        "/etc/chromium/policies/managed",
        "--",
        "/bin/true",
    ]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    // SAFETY: as in `namespaces`.
    unsafe {
        command.pre_exec(move || machine::become_user(switch));
    }
    match tokio::time::timeout(LONGEST_TRY, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Finding::ok(check, "can be mounted for each browser alone")
        }
        Ok(Ok(output)) => {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why.lines().next().unwrap_or("no reason told").to_owned();
            Finding::fail(check, format!("bwrap failed: {why}"), "allow user namespaces, as above")
        }
        Ok(Err(error)) => {
            Finding::fail(check, format!("bwrap does not start: {error}"), "apt-get install bubblewrap")
        }
        Err(_) => Finding::warn(check, "the try took too long", "try again when the machine is less busy"),
    }
}

async fn fonts() -> Finding {
    let (check, mend) =
        ("fonts", "apt-get install fonts-dejavu-core fonts-liberation fonts-noto-color-emoji");
    let mut command = tokio::process::Command::new("fc-list");
    command.arg("--format=%{family[0]}\n").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let families = match tokio::time::timeout(LONGEST_TRY, command.output()).await {
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>().len()
        }
        // No fontconfig tool: any folder with fonts in it will do.
        _ => std::fs::read_dir("/usr/share/fonts").map(|entries| entries.flatten().count()).unwrap_or(0),
    };
    match families {
        0 => Finding::fail(check, "none", mend),
        1 => Finding::warn(check, "one family", mend),
        count => Finding::ok(check, format!("{count} families")),
    }
}

fn room_user(settings: &Settings, error: Option<crate::process::ProcessError>) -> Finding {
    let check = "room user";
    match error {
        Some(error) => {
            let name = &settings.room_user;
            Finding::fail(
                check,
                error.to_string(),
                format!("useradd --system --create-home {name}, or set --room-user"),
            )
        }
        None if rustix::process::geteuid().is_root() => {
            Finding::ok(check, format!("browsers run as {}", settings.room_user))
        }
        None => Finding::ok(check, "browsers run as you"),
    }
}

fn shared_memory() -> Finding {
    let check = "shared memory";
    match machine::space(Path::new("/dev/shm")) {
        Ok(Space { free_mb, all_mb }) => {
            let told = format!("/dev/shm has {free_mb} of {all_mb} MB free");
            let mend = "mount -o remount,size=1g /dev/shm; in a container --shm-size=1g";
            match free_mb {
                ..machine::LEAST_SHARED_MB => Finding::fail(check, told, mend),
                machine::LEAST_SHARED_MB..machine::SCARCE_SHARED_MB => Finding::warn(check, told, mend),
                _ => Finding::ok(check, told),
            }
        }
        Err(error) => Finding::fail(check, format!("no /dev/shm: {error}"), "mount -t tmpfs tmpfs /dev/shm"),
    }
}

fn disk(path: &Path) -> Finding {
    let check = "disk";
    match machine::space(path) {
        Ok(Space { free_mb, all_mb }) => {
            let told = format!("{free_mb} of {all_mb} MB free for {}", path.display());
            let mend = "make room on that disk, or choose another with --data-dir";
            match free_mb {
                ..machine::LEAST_DISK_MB => Finding::fail(check, told, mend),
                machine::LEAST_DISK_MB..machine::SCARCE_DISK_MB => Finding::warn(check, told, mend),
                _ => Finding::ok(check, told),
            }
        }
        Err(error) => Finding::fail(check, format!("{}: {error}", path.display()), "check --data-dir"),
    }
}

async fn certificate(origin: &Origin) -> Finding {
    let check = "certificate";
    let found = certificate::look(origin).await;
    match (&found, found.told(origin)) {
        (_, None) => Finding::ok(check, format!("{origin} has one that browsers trust")),
        (Certificate::Missing(_), Some(told)) => {
            Finding::fail(check, told, "see the log of the proxy in front; it gets the certificate")
        }
        (_, Some(told)) => Finding::warn(check, told, "open it in a browser and look"),
    }
}

fn codecs() -> Finding {
    if cfg!(feature = "x264") {
        Finding::ok("codecs", "H.264 (x264), VP8 (libvpx)")
    } else {
        Finding::warn("codecs", "VP8 (libvpx) only", "build with the feature x264 for H.264")
    }
}

fn port(check: &'static str, flag: &str, address: SocketAddr, udp_too: bool) -> Finding {
    let tcp = std::net::TcpListener::bind(address).map(drop);
    let bound =
        tcp.and_then(|()| if udp_too { std::net::UdpSocket::bind(address).map(drop) } else { Ok(()) });
    match bound {
        Ok(()) => Finding::ok(check, format!("{address} is free")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::fail(
            check,
            format!("{address} is in use, by a running Tandem or another program"),
            format!("stop that program or choose another address with {flag}"),
        ),
        Err(error) => {
            Finding::fail(check, format!("{address}: {error}"), format!("choose another address with {flag}"))
        }
    }
}

/// Writes a file into the data directory, or where it would be made.
fn data_dir(path: &Path) -> Finding {
    let check = "data directory";
    let nearest = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let probe = nearest.join(format!(".tandem-doctor-{}", std::process::id()));
    let written = std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) if nearest == path => Finding::ok(check, format!("{} can be written", path.display())),
        Ok(()) => Finding::ok(check, format!("{} will be made", path.display())),
        Err(error) => Finding::fail(
            check,
            format!("{}: {error}", path.display()),
            "give this user the right to write there, or choose another with --data-dir",
        ),
    }
}
