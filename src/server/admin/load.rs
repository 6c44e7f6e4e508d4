//! How busy the server is: a look every two seconds, five minutes of which are
//! kept. Owns what must be compared with what was before; what there is to
//! know is read from the kernel and from the lower floors' counts.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::model::{Machine, Sample, Takes};
use crate::base::RoomId;
use crate::room::Rooms;
use crate::server::context::Context;
use crate::server::metrics::Telemetry;

const EVERY: Duration = Duration::from_secs(2);
const KEPT: usize = 150;
/// What rooms take is looked at this often at most.
const USAGE_HOLDS: Duration = Duration::from_millis(1500);
/// Names of TURN servers are looked up this often.
const LOOK_UP: Duration = Duration::from_secs(300);

/// What was seen. Its locks are held for a copy only.
#[derive(Debug)]
pub(in crate::server) struct Load {
    started: SystemTime,
    samples: Mutex<VecDeque<Sample>>,
    usage: Mutex<Usage>,
    turn: Mutex<Vec<IpAddr>>,
}

#[derive(Debug, Default)]
struct Usage {
    at: Option<Instant>,
    /// Processor time of each room until then, in microseconds.
    cpu: HashMap<RoomId, u64>,
    takes: HashMap<RoomId, Takes>,
}

/// Counts of the machine and of us, which only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    /// Of all processors, idle ones included.
    all: u64,
    idle: u64,
    ours: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            started: SystemTime::now(),
            samples: Mutex::default(),
            usage: Mutex::default(),
            turn: Mutex::default(),
        }
    }
}

impl Load {
    pub(super) fn started(&self) -> u64 {
        milliseconds(self.started)
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        lock(&self.samples).iter().copied().collect()
    }

    /// Whether packets for this address go to a TURN server of ours.
    pub(super) fn is_turn(&self, address: IpAddr) -> bool {
        lock(&self.turn).contains(&address)
    }

    /// What each room's programs take now, or did a moment ago.
    pub(super) async fn usage(&self, rooms: &Arc<dyn Rooms>) -> HashMap<RoomId, Takes> {
        {
            let usage = lock(&self.usage);
            if usage.at.is_some_and(|at| at.elapsed() < USAGE_HOLDS) {
                return usage.takes.clone();
            }
        }
        let rooms = Arc::clone(rooms);
        let found = tokio::task::spawn_blocking(move || rooms.usage()).await.unwrap_or_default();
        let mut usage = lock(&self.usage);
        let now = Instant::now();
        let past = usage.at.map(|at| now.saturating_duration_since(at).as_secs_f32().max(0.001));
        let takes = found.iter().filter(|(_, found)| found.processes > 0).map(|(room, found)| {
            let before = usage.cpu.get(room).copied().unwrap_or(found.cpu_us);
            let spent = found.cpu_us.saturating_sub(before) as f32 / 1e6;
            let cpu = past.map_or(0.0, |past| spent / past);
            (room.clone(), Takes { memory_bytes: found.memory_bytes, processes: found.processes, cpu })
        });
        let takes: HashMap<_, _> = takes.collect();
        usage.takes.clone_from(&takes);
        usage.cpu = found.into_iter().map(|(room, found)| (room, found.cpu_us)).collect();
        usage.at = Some(now);
        takes
    }

    fn add(&self, sample: Sample) {
        let mut samples = lock(&self.samples);
        if samples.len() >= KEPT {
            samples.pop_front();
        }
        samples.push_back(sample);
    }
}

/// Looks until the server stops.
pub(in crate::server) async fn watch(context: &Context, shutdown: CancellationToken) {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut before = (Instant::now(), ticks(), counts(context));
    let mut looked_up: Option<Instant> = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = beat.tick() => {}
        }
        if looked_up.is_none_or(|at| at.elapsed() > LOOK_UP) {
            looked_up = Some(Instant::now());
            let context = context.clone();
            context.tasks.clone().spawn(async move { look_up(&context).await });
        }
        let now = (Instant::now(), ticks(), counts(context));
        let past = now.0.saturating_duration_since(before.0).as_secs_f32();
        // The first beat comes at once and tells nothing yet.
        if past > 0.1 {
            context.load.add(sample(past, (before.1, before.2), (now.1, now.2)));
            before = now;
        }
    }
}

fn sample(past: f32, (ticks, counts): (Ticks, Telemetry), (now, counted): (Ticks, Telemetry)) -> Sample {
    let all = now.all.saturating_sub(ticks.all).max(1) as f32;
    let busy = all - now.idle.saturating_sub(ticks.idle) as f32;
    let hertz = rustix::param::clock_ticks_per_second().max(1) as f32;
    let (total, free) = memory();
    Sample {
        at: milliseconds(SystemTime::now()),
        cpu: (busy / all).clamp(0.0, 1.0),
        server_cpu: now.ours.saturating_sub(ticks.ours) as f32 / hertz / past,
        encoding: (counted.encode_seconds - counts.encode_seconds).max(0.0) as f32 / past,
        memory_bytes: total.saturating_sub(free),
        frames: counted.frames_encoded.saturating_sub(counts.frames_encoded) as f32 / past,
        bits: counted.bytes_sent.saturating_sub(counts.bytes_sent) as f32 * 8.0 / past,
        lines: counted.lines,
    }
}

fn counts(context: &Context) -> Telemetry {
    context.telemetry.as_ref().map(|source| source.read()).unwrap_or_default()
}

pub(super) fn machine() -> Machine {
    Machine {
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_bytes: memory().0,
    }
}

/// All memory, and what of it programs may still take.
fn memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb << 10)
    };
    (number("MemTotal:").unwrap_or_default(), number("MemAvailable:").unwrap_or_default())
}

fn ticks() -> Ticks {
    let machine = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let own = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    read_ticks(&machine, &own)
}

fn read_ticks(machine: &str, own: &str) -> Ticks {
    let first = machine.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let all: Vec<u64> =
        first.split_ascii_whitespace().skip(1).take(8).map_while(|one| one.parse().ok()).collect();
    let fields = own.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    Ticks {
        all: all.iter().sum(),
        idle: all.iter().skip(3).take(2).sum(),
        ours: fields.skip(11).take(2).map_while(|one| one.parse::<u64>().ok()).sum(),
    }
}

async fn look_up(context: &Context) {
    let own = context.options.deployment.turn.iter().flat_map(|turn| turn.urls().to_vec());
    let given = context.options.ice_servers.iter().flat_map(|server| server.urls.clone());
    let mut found = Vec::new();
    for url in own.chain(given) {
        let Some(host) = turn_host(&url) else { continue };
        if let Ok(addresses) = tokio::net::lookup_host((host.as_str(), 0)).await {
            found.extend(addresses.map(|address| address.ip().to_canonical()));
        }
    }
    *lock(&context.load.turn) = found;
}

/// The host of a TURN address; of STUN nothing is relayed.
fn turn_host(url: &str) -> Option<String> {
    let rest = url.strip_prefix("turn:").or_else(|| url.strip_prefix("turns:"))?;
    let rest = rest.split('?').next().unwrap_or(rest);
    match rest.strip_prefix('[') {
        Some(literal) => literal.split_once(']').map(|(host, _)| host.to_owned()),
        None => rest.split(':').next().map(str::to_owned),
    }
}

pub(super) fn milliseconds(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A panic elsewhere leaves what is in there usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_came_since_the_look_before() {
        let before = (Ticks { all: 1000, idle: 900, ours: 50 }, Telemetry::default());
        let counted = Telemetry {
            frames_encoded: 60,
            encode_seconds: 0.5,
            bytes_sent: 250_000,
            lines: 2,
            ..Telemetry::default()
        };
        let now = (Ticks { all: 1400, idle: 1200, ours: 150 }, counted);
        let seen = sample(2.0, before, now);
        assert_eq!((seen.cpu, seen.encoding, seen.frames, seen.bits), (0.25, 0.25, 30.0, 1e6));
        let hertz = rustix::param::clock_ticks_per_second() as f32;
        assert!((seen.server_cpu - 50.0 / hertz).abs() < 1e-6);
        assert_eq!(seen.lines, 2);
        // A clock or a count that went back is nothing, not a wrapped number.
        let back = sample(2.0, now, before);
        assert_eq!((back.frames, back.bits, back.encoding, back.server_cpu), (0.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn the_kernels_lines_are_read() {
        let machine = "cpu  10 1 20 300 40 0 5 2 7 0\ncpu0 1 2 3\n";
        let own = "7 (tan dem) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 5";
        assert_eq!(read_ticks(machine, own), Ticks { all: 378, idle: 340, ours: 120 });
        assert_eq!(read_ticks("", ""), Ticks::default());
    }

    #[test]
    fn a_relay_is_known_by_the_turn_servers_host() {
        assert_eq!(turn_host("turn:turn.example:3478?transport=tcp").as_deref(), Some("turn.example"));
        assert_eq!(turn_host("turns:[2001:db8::1]:5349").as_deref(), Some("2001:db8::1"));
        assert_eq!(turn_host("stun:stun.example"), None);
    }

    #[test]
    fn no_more_is_kept_than_five_minutes() {
        let load = Load::default();
        for at in 0..400 {
            load.add(Sample { at, ..Sample::default() });
        }
        let kept = load.samples();
        assert_eq!((kept.len(), kept.first().map(|one| one.at)), (KEPT, Some(250)));
    }
}
