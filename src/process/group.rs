//! Limits on what a room's programs take together, kept by the kernel's
//! control groups: version 2 where the server may use it, else version 1.
//!
//! Owns the groups that it makes and removes them. Where there are none to be
//! had, [`Groups::check`] says why.
//!
//! <https://docs.kernel.org/admin-guide/cgroup-v2.html>

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::Processes;

/// Where the kernel shows its groups.
const ROOT: &str = "/sys/fs/cgroup";
/// Where version 2 has the processes that are in no room.
const OURSELVES: &str = "tandem-server";
/// The weight of a group that says nothing, in both versions' own measure.
const USUAL_WEIGHT: (u64, u64) = (100, 1024);

/// What the programs of one room may take together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(optional_fields)]
pub struct Limits {
    /// Memory in MiB, from 256. What takes more is ended by the kernel and started anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u32>,
    /// The share of the processors when there are not enough of them, 1 to
    /// 10000; whoever says nothing has 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u32>,
    /// Processes and threads, from 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
}

/// What the programs of one room take now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub memory_bytes: u64,
    pub processes: u64,
    /// Processor time since the group was made, in microseconds.
    pub cpu_us: u64,
}

impl Limits {
    /// What is not said here is taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory_mb: self.memory_mb.or(other.memory_mb),
            cpu_weight: self.cpu_weight.or(other.cpu_weight),
            processes: self.processes.or(other.processes),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Says in one sentence what cannot be.
    pub fn check(&self) -> Result<(), String> {
        if self.memory_mb.is_some_and(|mb| mb < 256) {
            return Err("memory_mb is 256 or more: a browser does not start with less".into());
        }
        if self.cpu_weight.is_some_and(|weight| !(1..=10_000).contains(&weight)) {
            return Err("cpu_weight is between 1 and 10000; 100 is usual".into());
        }
        if self.processes.is_some_and(|most| most < 200) {
            return Err("processes is 200 or more: a browser has that many threads".into());
        }
        Ok(())
    }
}

/// The place below which this server makes its groups. It is looked for when
/// the first is made: in version 2 that moves the server into one of its own.
#[derive(Debug)]
pub struct Groups {
    name: String,
    place: OnceLock<Result<Kind, String>>,
}

#[derive(Debug)]
enum Kind {
    /// One tree.
    Two { base: PathBuf },
    /// A tree for each resource.
    One { memory: Option<PathBuf>, cpu: Option<PathBuf>, pids: Option<PathBuf>, cpuacct: Option<PathBuf> },
}

/// The programs of one room, with their limits if it has any. Dropping it
/// removes what the kernel keeps of it, once its programs have ended.
#[derive(Debug, Default)]
pub struct Group {
    /// None where there are no limits to be kept.
    dirs: Vec<PathBuf>,
    /// Whoever writes `0` here is in the group.
    doors: Vec<File>,
    two: bool,
    /// What was started in it and has not been found to have ended. Held for a look only.
    programs: Mutex<Vec<i32>>,
}

impl Groups {
    /// `name` tells this server's groups from others'.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), place: OnceLock::new() }
    }

    /// Says why this server has no groups, if it has none.
    pub fn check(&self) -> Result<(), String> {
        self.place().map(drop).map_err(Clone::clone)
    }

    fn place(&self) -> Result<&Kind, &String> {
        let find = || {
            let own = std::fs::read_to_string("/proc/self/cgroup")
                .map_err(|error| format!("/proc/self/cgroup cannot be read: {error}"))?;
            below(Path::new(ROOT), &own)
        };
        self.place.get_or_init(find).as_ref()
    }

    /// Makes a group and sets its limits. What an earlier run left is used again.
    pub fn make(&self, room: &str, limits: &Limits) -> Result<Group, String> {
        let place = self.place().map_err(Clone::clone)?;
        let name = format!("tandem-{}-{room}", self.name);
        let mut dirs = Vec::new();
        let two = match place {
            Kind::Two { base } => {
                dirs.push(base.join(&name));
                true
            }
            Kind::One { memory, cpu, pids, cpuacct } => {
                for base in [memory, cpu, pids, cpuacct].into_iter().flatten() {
                    let dir = base.join(&name);
                    if !dirs.contains(&dir) {
                        dirs.push(dir);
                    }
                }
                false
            }
        };
        let mut group = Group { dirs: Vec::new(), doors: Vec::new(), two, programs: Mutex::default() };
        for dir in dirs {
            match std::fs::create_dir(&dir) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(format!("{} cannot be made: {error}", dir.display())),
            }
            group.dirs.push(dir.clone());
            let door = OpenOptions::new().write(true).open(dir.join("cgroup.procs"));
            group.doors.push(door.map_err(|error| format!("{} cannot be entered: {error}", dir.display()))?);
        }
        group.limit(limits)?;
        Ok(group)
    }
}

impl Group {
    /// The descriptors through which a child gets in.
    pub(super) fn doors(&self) -> impl Iterator<Item = RawFd> {
        self.doors.iter().map(|door| door.as_raw_fd())
    }

    /// A program was started in it.
    pub(super) fn add(&self, pid: i32) {
        self.programs.lock().unwrap_or_else(PoisonError::into_inner).push(pid);
    }

    /// Sets the limits anew.
    pub fn limit(&self, limits: &Limits) -> Result<(), String> {
        let number =
            |value: Option<u64>, none: &str| value.map_or(none.to_owned(), |value| value.to_string());
        let bytes = limits.memory_mb.map(|mb| u64::from(mb) << 20);
        let weight = u64::from(limits.cpu_weight.unwrap_or(100));
        let pids = number(limits.processes.map(u64::from), "max");
        let (files, asked): (&[(&str, String)], _) = match self.two {
            true => (
                &[
                    ("memory.max", number(bytes, "max")),
                    ("cpu.weight", weight.to_string()),
                    ("pids.max", pids),
                ],
                limits,
            ),
            false => (
                &[
                    ("memory.limit_in_bytes", number(bytes, "-1")),
                    ("cpu.shares", (weight * USUAL_WEIGHT.1 / USUAL_WEIGHT.0).max(2).to_string()),
                    ("pids.max", pids),
                ],
                limits,
            ),
        };
        let wanted = [asked.memory_mb.is_some(), asked.cpu_weight.is_some(), asked.processes.is_some()];
        for ((file, value), wanted) in files.iter().zip(wanted) {
            let Some(dir) = self.dirs.iter().find(|dir| dir.join(file).exists()) else {
                if wanted {
                    return Err(format!("this system's control groups have no {file}"));
                }
                continue;
            };
            let path = dir.join(file);
            let set = OpenOptions::new()
                .write(true)
                .open(&path)
                .and_then(|mut file| file.write_all(value.as_bytes()));
            if let (Err(error), true) = (set, wanted) {
                return Err(format!("{} does not take {value}: {error}", path.display()));
            }
        }
        Ok(())
    }

    /// What the programs take now, as far as the kernel tells. Where no control
    /// group counts, `processes` has it.
    pub fn usage(&self, processes: &Processes) -> Usage {
        if self.dirs.is_empty() {
            let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
            programs.retain(|pid| processes.is_ours(*pid));
            return processes.usage(&programs);
        }
        let read = |file: &str| {
            let text = self.dirs.iter().find_map(|dir| std::fs::read_to_string(dir.join(file)).ok())?;
            Some(text)
        };
        let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
        let cpu_us = match self.two {
            true => read("cpu.stat").and_then(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
                line.trim().parse().ok()
            }),
            false => number("cpuacct.usage").map(|ns| ns / 1000),
        };
        Usage {
            memory_bytes: number(if self.two { "memory.current" } else { "memory.usage_in_bytes" })
                .unwrap_or_default(),
            processes: number("pids.current").unwrap_or_default(),
            cpu_us: cpu_us.unwrap_or_default(),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for dir in &self.dirs {
            // Not empty yet when a program is still ending; the next run uses it again.
            if let Err(error) = std::fs::remove_dir(dir) {
                tracing::debug!(dir = %dir.display(), %error, "a control group stays");
            }
        }
    }
}

fn below(root: &Path, own: &str) -> Result<Kind, String> {
    match root.join("cgroup.controllers").exists() {
        true => version_two(root, own),
        false => version_one(root, own),
    }
}

/// A group with limits has no processes of its own, so we move into one beside the rooms'.
fn version_two(root: &Path, own: &str) -> Result<Kind, String> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let mut base = root.join(path.trim_start_matches('/'));
    if base.file_name().is_some_and(|name| name == OURSELVES) {
        base.pop();
    }
    let has = std::fs::read_to_string(base.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| has.split_whitespace().any(|one| one == name);
    let wanted: Vec<String> = ["memory", "cpu", "pids"]
        .into_iter()
        .filter(|name| has(name))
        .map(|name| format!("+{name}"))
        .collect();
    if wanted.is_empty() {
        return Err("this server's control group was given neither memory nor cpu nor pids; \
                    delegate them to it (systemd: Delegate=yes)"
            .into());
    }
    let write = |path: PathBuf, text: &str| {
        let done =
            OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        done.map_err(|error| format!("{} cannot be written: {error}", path.display()))
    };
    let ours = base.join(OURSELVES);
    // The kernel's own root may have both.
    if base != root || base.join("cgroup.type").exists() {
        match std::fs::create_dir(&ours) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(format!("{} cannot be made: {error}", ours.display()));
            }
            _ => write(ours.join("cgroup.procs"), "0")?,
        }
    }
    write(base.join("cgroup.subtree_control"), &wanted.join(" "))?;
    Ok(Kind::Two { base })
}

fn version_one(root: &Path, own: &str) -> Result<Kind, String> {
    let find = |name: &str| {
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (names, path) = (parts.next()?, parts.next()?);
            names.split(',').any(|one| one == name).then_some(path)
        })?;
        // In a container the path may be the host's, which is not seen here.
        let tree = root.join(name);
        let within = tree.join(path.trim_start_matches('/'));
        [within, tree].into_iter().find(|dir| is_writable(dir))
    };
    let (memory, cpu, pids, cpuacct) = (find("memory"), find("cpu"), find("pids"), find("cpuacct"));
    if memory.is_none() && cpu.is_none() && pids.is_none() {
        return Err(format!("there are no control groups below {} that this server may use", root.display()));
    }
    Ok(Kind::One { memory, cpu, pids, cpuacct })
}

fn is_writable(dir: &Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_room_does_not_say_the_server_says() {
        let room = Limits { memory_mb: Some(512), ..Limits::default() };
        let server = Limits { memory_mb: Some(2048), cpu_weight: Some(50), processes: None };
        let both = Limits { memory_mb: Some(512), cpu_weight: Some(50), processes: None };
        assert_eq!(room.or(server), both);
        assert_eq!(both.check(), Ok(()));
        for bad in [
            Limits { memory_mb: Some(100), ..Limits::default() },
            Limits { cpu_weight: Some(0), ..Limits::default() },
            Limits { processes: Some(10), ..Limits::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn version_two_moves_us_aside_and_writes_the_limits() {
        let root = tempfile::tempdir().expect("dir");
        let own = root.path().join("box");
        std::fs::create_dir_all(&own).expect("dir");
        std::fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").expect("file");
        std::fs::write(own.join("cgroup.controllers"), "cpu memory pids\n").expect("file");
        std::fs::write(own.join("cgroup.subtree_control"), "").expect("file");
        let ours = own.join(OURSELVES);
        std::fs::create_dir(&ours).expect("dir");
        std::fs::write(ours.join("cgroup.procs"), "").expect("file");
        let place = below(root.path(), "0::/box\n").expect("there are groups");
        let groups = Groups { name: "x".into(), place: Ok(place).into() };
        assert_eq!(std::fs::read_to_string(ours.join("cgroup.procs")).expect("file"), "0");
        let enabled = std::fs::read_to_string(own.join("cgroup.subtree_control")).expect("file");
        assert_eq!(enabled, "+memory +cpu +pids");
        let dir = own.join("tandem-x-one");
        std::fs::create_dir(&dir).expect("dir");
        for file in ["cgroup.procs", "memory.max", "cpu.weight", "pids.max"] {
            std::fs::write(dir.join(file), "").expect("file");
        }
        let limits = Limits { memory_mb: Some(512), cpu_weight: Some(20), processes: None };
        let group = groups.make("one", &limits).expect("a group");
        let read = |file: &str| std::fs::read_to_string(dir.join(file)).expect("file");
        assert_eq!(
            (read("memory.max"), read("cpu.weight"), read("pids.max")),
            ("536870912".into(), "20".into(), "max".into())
        );
        drop(group);
    }

    #[test]
    fn without_groups_it_says_so() {
        let root = tempfile::tempdir().expect("dir");
        let error = below(root.path(), "1:name=systemd:/\n").expect_err("nothing is there");
        assert!(error.contains("no control groups"), "{error}");
        std::fs::write(root.path().join("cgroup.controllers"), "").expect("file");
        let error = below(root.path(), "0::/\n").expect_err("nothing is given");
        assert!(error.contains("Delegate"), "{error}");
    }
}
