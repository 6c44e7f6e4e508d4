//! The program under measurement: `tandem serve` in a process of its own, so
//! that what it costs is not mixed with what measuring costs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::process::{Child, Command};

/// A running server with its own data directory and ports, ended when dropped.
pub(super) struct Service {
    child: Child,
    pid: u32,
    pub started: Instant,
    pub address: String,
    pub token: String,
    dir: PathBuf,
}

/// CPU time used so far.
#[derive(Clone, Copy)]
pub(super) struct Cpu {
    at: Instant,
    used: Duration,
}

impl Service {
    /// Starts the server; its room opens `page`. Returns when it answers.
    pub async fn start(page: &str) -> anyhow::Result<Self> {
        Self::start_with(page, &[]).await
    }

    /// The same with further arguments.
    pub async fn start_with(page: &str, more: &[&OsStr]) -> anyhow::Result<Self> {
        let mut random = [0; 12];
        getrandom::fill(&mut random).context("no random numbers")?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let dir = std::env::temp_dir().join(format!("tandem-bench-{}", &token[..8]));
        std::fs::create_dir_all(&dir)?;
        let (http, rtc) = (free_port()?, free_port()?);
        let log = std::fs::File::create(dir.join("log"))?;
        let started = Instant::now();
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{http}"), "--rtc-listen", &format!("127.0.0.1:{rtc}")])
            .args(["--start-url", page])
            // Its pages are on this machine.
            .args(["--egress-allow", "127.0.0.0/8"])
            .arg("--data-dir")
            .arg(&dir)
            .args(more)
            .env("TANDEM_ADMIN_TOKEN", &token)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server")?;
        let pid = child.id().context("the server ended at once")?;
        let mut service = Self { child, pid, started, address: format!("127.0.0.1:{http}"), token, dir };
        service.wait_until_up().await?;
        Ok(service)
    }

    async fn wait_until_up(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if tokio::net::TcpStream::connect(&self.address).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}: {}", self.log());
            }
            ensure!(Instant::now() < deadline, "the server does not listen: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub fn data_dir(&self) -> &Path {
        &self.dir
    }

    /// User and system time of the service alone, without its children.
    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u64 = fields.get(11).context("utime")?.parse::<u64>()?
            + fields.get(12).context("stime")?.parse::<u64>()?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Cpu { at: Instant::now(), used: Duration::from_nanos(ticks * 1_000_000_000 / per_second) })
    }

    /// Proportional set size in MB.
    pub fn memory(&self) -> anyhow::Result<f64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss")?;
        let kb: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
        Ok(kb / 1024.0)
    }

    /// The body of a page of the API.
    pub async fn get(&self, path: &str) -> anyhow::Result<String> {
        let (status, body) = self.ask("GET", path, "").await?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    /// Asks the API; the status and the body of what it answers.
    pub async fn ask(&self, method: &str, path: &str, json: &str) -> anyhow::Result<(u16, String)> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(&self.address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
            self.address,
            self.token,
            json.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        Ok((status, body.to_owned()))
    }

    /// Ends the server as an operator would and waits for it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_raw(self.pid as i32).context("pid")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        ensure!(ended.is_ok(), "the server did not stop in 10 s: {}", self.log());
        std::fs::remove_dir_all(&self.dir)?;
        Ok(())
    }
}

impl Cpu {
    /// Percent of one core since `earlier`.
    pub fn percent_since(self, earlier: Cpu) -> f64 {
        let wall = self.at.duration_since(earlier.at).as_secs_f64();
        100.0 * self.used.saturating_sub(earlier.used).as_secs_f64() / wall
    }
}

fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
