//! How a room's Chromium is started: its flags, its locked settings, and
//! bubblewrap around it so that the locks are this Chromium's alone.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::BrowserError;
use crate::base::{Privacy, Size};
use crate::process::{self, Group, Network, RoomUser};

/// The locked settings, as the managed policy of Chromium.
const POLICIES: &str = include_str!("../../xvfb/policies/tandem.json");
/// Where Chromium, as Debian builds it, looks for managed policies.
const POLICY_ROOT: &str = "/etc/chromium";
/// Below this much shared memory Chromium must keep its buffers elsewhere.
const ENOUGH_SHARED_MEMORY: u64 = 512 << 20;

/// Everything that a Chromium needs to be started.
#[derive(Clone, Debug)]
pub struct BrowserSettings {
    /// A path, or a name to be found in `PATH`.
    pub executable: PathBuf,
    /// bubblewrap, which puts the managed policies in place.
    pub bubblewrap: PathBuf,
    pub user: RoomUser,
    /// What must not be seen of it, and when.
    pub privacy: Privacy,
    /// The limits of its processes.
    pub group: Option<Arc<Group>>,
    /// The sweep's mark: the run directory of this server.
    pub mark: PathBuf,
    /// For the policy file and the log. Chromium must be able to read it.
    pub run_dir: PathBuf,
    pub profile_dir: PathBuf,
    pub download_dir: PathBuf,
    /// `DISPLAY` and `XAUTHORITY`.
    pub env: Vec<(OsString, OsString)>,
    pub size: Size,
    /// Opened when there is nothing to restore.
    pub start_url: String,
    /// Its one way to the world. Without it, it sees what the machine sees.
    pub gate: Option<GateWay>,
    /// Whether its own pages (`chrome:`, `view-source:`, …) are open to people here.
    pub browser_pages: bool,
    /// The language of its pages and of itself, as `de` or `pt-BR`.
    pub locale: Option<String>,
    /// By its name in the tz database, as `Europe/Berlin`.
    pub time_zone: Option<String>,
    /// Whether the managed policies are put in place. Off only for a
    /// machine whose administrator has policies of their own.
    pub policies: bool,
    /// The tabs to bring back, in order.
    pub restore: Vec<RestoredTab>,
    /// Switches of the room's administrator, after ours.
    pub extra_args: Vec<String>,
}

/// How a Chromium gets to the gate through which all its connections go.
#[derive(Clone, Debug)]
pub struct GateWay {
    /// Where the gate speaks SOCKS5, on the loopback that Chromium sees.
    pub port: u16,
    /// The network in which there is nothing but the gate; without it Chromium
    /// is only told to go nowhere else.
    pub network: Option<Arc<Network>>,
}

/// A tab as it was before Chromium went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredTab {
    pub url: String,
    /// It was in front.
    pub front: bool,
}

/// What a room may have open after a restart.
const MOST_RESTORED: usize = 100;

impl BrowserSettings {
    /// The tabs that can be brought back: pages of the web, at most a hundred.
    pub(super) fn restorable(&self) -> Vec<RestoredTab> {
        let kept = self.restore.iter().filter(|tab| is_restorable(&tab.url));
        kept.take(MOST_RESTORED).cloned().collect()
    }

    /// The program and its arguments.
    pub(super) fn command(&self, policy: Option<&Path>, first_url: &str) -> (PathBuf, Vec<OsString>) {
        let chromium = real_executable(&self.executable);
        let mut args = self.flags();
        args.extend(self.extra_args.iter().map(OsString::from));
        args.push(first_url.into());
        let Some(policy) = policy else { return (chromium, args) };
        let mut wrapped: Vec<OsString> =
            ["--dev-bind", "/", "/", "--tmpfs", POLICY_ROOT, "--ro-bind"].map(OsString::from).into();
        wrapped.push(policy.into());
        wrapped.push(Path::new(POLICY_ROOT).join("policies/managed/tandem.json").into());
        wrapped.extend(["--die-with-parent", "--"].map(OsString::from));
        wrapped.push(chromium.into());
        wrapped.extend(args);
        (self.bubblewrap.clone(), wrapped)
    }

    /// Whether the machine's own policies are ours, as in the container's image.
    /// Without them a room would open files and settings to whoever is in it.
    pub fn check_installed_policies() -> Result<(), BrowserError> {
        let path = Path::new(POLICY_ROOT).join("policies/managed/tandem.json");
        let found = std::fs::read(&path).unwrap_or_default();
        let read = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).ok();
        match read(&found).is_some_and(|found| Some(found) == read(POLICIES.as_bytes())) {
            true => Ok(()),
            false => Err(BrowserError::NoPolicies { path }),
        }
    }

    pub(super) fn real_executable(&self) -> PathBuf {
        real_executable(&self.executable)
    }

    fn flags(&self) -> Vec<OsString> {
        let mut flags: Vec<OsString> = [
            "--remote-debugging-pipe",
            "--no-first-run",
            "--no-default-browser-check",
            "--password-store=basic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-sync",
            "--disable-breakpad",
            "--disable-quic",
            "--disable-pings",
            "--hide-crash-restore-bubble",
            "--force-device-scale-factor=1",
            "--media-router=0",
            // Pages in hidden tabs and covered windows are still worked on by agents.
            "--disable-backgrounding-occluded-windows",
            // CDP clients wait for a load that a page out of this cache never has.
            "--disable-back-forward-cache",
            "--disable-renderer-backgrounding",
            // There is no GPU; without this Chromium tries one and falls back slowly.
            "--disable-gpu",
            "--window-position=0,0",
            "--start-maximized",
            "--disable-features=Translate,MediaRouter,OptimizationHints,GlobalMediaControls",
        ]
        .map(OsString::from)
        .into();
        flags.push(format!("--window-size={},{}", self.size.width(), self.size.height()).into());
        let mut profile = OsString::from("--user-data-dir=");
        profile.push(&self.profile_dir);
        flags.push(profile);
        if let Some(locale) = &self.locale {
            flags.push(format!("--lang={locale}").into());
        }
        if let Some(gate) = &self.gate {
            flags.extend(gate.flags().map(OsString::from));
        }
        if shared_memory().is_some_and(|bytes| bytes < ENOUGH_SHARED_MEMORY) {
            flags.push("--disable-dev-shm-usage".into());
        }
        flags
    }

    /// The display, and what the room says of language and time.
    pub(super) fn environment(&self) -> Vec<(OsString, OsString)> {
        let language = self.locale.iter().map(|locale| ("LANGUAGE", locale.replace('-', "_")));
        let zone = self.time_zone.iter().map(|zone| ("TZ", zone.clone()));
        let more = language.chain(zone).map(|(name, value)| (name.into(), value.into()));
        self.env.iter().cloned().chain(more).collect()
    }

    /// Writes the policy file, readable by the room's user.
    pub(super) fn write_policies(&self) -> Result<Option<PathBuf>, BrowserError> {
        if !self.policies {
            return Ok(None);
        }
        let path = self.run_dir.join("chromium-policies.json");
        let failed = |source| BrowserError::Write { path: path.clone(), source };
        let mut policies: serde_json::Value =
            serde_json::from_str(POLICIES).map_err(|error| failed(error.into()))?;
        policies["DownloadDirectory"] = self.download_dir.to_string_lossy().into();
        if let Some(locale) = &self.locale {
            policies["ForcedLanguages"] = serde_json::json!([locale]);
        }
        if let (true, Some(closed)) = (self.browser_pages, policies["URLBlocklist"].as_array_mut()) {
            // Files of the machine stay closed to everybody.
            closed.retain(|entry| entry.as_str().is_some_and(|entry| entry.starts_with("file")));
        }
        if let Some(gate) = &self.gate {
            policies["ProxySettings"] = serde_json::json!({
                "ProxyMode": "fixed_servers",
                "ProxyServer": gate.address(),
                "ProxyBypassList": NO_BYPASS,
            });
        }
        let mut file = process::create_anew(&path, 0o600).map_err(failed)?;
        file.write_all(policies.to_string().as_bytes()).map_err(failed)?;
        if let Some((uid, gid)) = self.user.switch() {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(failed)?;
        }
        Ok(Some(path))
    }

    /// A Chromium that was killed leaves its lock in the profile; a living one cannot be there,
    /// since the sweep ran before.
    pub(super) fn clear_profile_lock(&self) -> Result<(), BrowserError> {
        for name in ["SingletonLock", "SingletonCookie", "SingletonSocket"] {
            let path = self.profile_dir.join(name);
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(BrowserError::Write { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Chromium would go to loopback by itself; this takes that away.
const NO_BYPASS: &str = "<-loopback>";

impl GateWay {
    fn address(&self) -> String {
        format!("socks5://127.0.0.1:{}", self.port)
    }

    /// Everything by the gate, names and loopback too, and nothing by UDP.
    fn flags(&self) -> [String; 5] {
        [
            format!("--proxy-server={}", self.address()),
            format!("--proxy-bypass-list={NO_BYPASS}"),
            // Names are the gate's to resolve; what would ask for one by itself finds none.
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1".into(),
            "--dns-prefetch-disable".into(),
            "--force-webrtc-ip-handling-policy=disable_non_proxied_udp".into(),
        ]
    }
}

/// A page of the web, or an empty one. Nothing that could be taken for a switch.
fn is_restorable(url: &str) -> bool {
    url == "about:blank" || url.starts_with("http://") || url.starts_with("https://")
}

/// Debian's `/usr/bin/chromium` is a script that adds the machine's own
/// switches and extensions; the program itself stands beside it.
fn real_executable(executable: &Path) -> PathBuf {
    let debian = Path::new("/usr/lib/chromium/chromium");
    let wrapper = [Path::new("chromium"), Path::new("/usr/bin/chromium")].contains(&executable);
    if wrapper && debian.is_file() { debian.to_owned() } else { executable.to_owned() }
}

fn shared_memory() -> Option<u64> {
    let stat = rustix::fs::statvfs("/dev/shm").ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_the_web_come_back() {
        for good in ["http://a/", "https://a/", "about:blank"] {
            assert!(is_restorable(good), "{good}");
        }
        for bad in ["--no-sandbox", "file:///etc/passwd", "chrome://settings", "javascript:1", ""] {
            assert!(!is_restorable(bad), "{bad}");
        }
    }

    #[test]
    fn the_policies_are_one_json_object_and_leave_the_pipe_open() {
        let policies: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(POLICIES).expect("an object");
        assert_ne!(policies.get("RemoteDebuggingAllowed"), Some(&false.into()));
        // 2 also shuts the debugging pipe.
        assert_ne!(policies.get("DeveloperToolsAvailability"), Some(&2.into()));
        assert!(policies["URLBlocklist"].as_array().is_some_and(|list| list.contains(&"file://*".into())));
    }
}
