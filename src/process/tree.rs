//! What programs and all that they started take, read from `/proc`: for rooms
//! that no control group counts.
//!
//! Owns one look at all processes. What it cannot read has ended meanwhile.
//! <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>

use std::collections::HashMap;

use super::Usage;

/// All processes of this machine at one moment.
#[derive(Debug, Default)]
pub struct Processes {
    children: HashMap<i32, Vec<i32>>,
    lines: HashMap<i32, Line>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Line {
    parent: i32,
    /// With that of ended children that were waited for.
    ticks: u64,
    threads: u64,
    resident: u64,
    shared: u64,
}

impl Processes {
    /// Looks at all that there are: some milliseconds, so not on a thread that others wait for.
    pub fn look() -> Self {
        let mut found = Self::default();
        let Ok(entries) = std::fs::read_dir("/proc") else { return found };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        for pid in pids {
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
            let Some(line) = read("stat").zip(read("statm")).and_then(|(stat, statm)| line(&stat, &statm))
            else {
                continue;
            };
            found.children.entry(line.parent).or_default().push(pid);
            found.lines.insert(pid, line);
        }
        found
    }

    /// Whether `pid` is a child of ours, so that its number means what it meant.
    pub(super) fn is_ours(&self, pid: i32) -> bool {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        self.lines.get(&pid).is_some_and(|line| line.parent == own)
    }

    /// What these and all below them take. Memory that they share counts once:
    /// nearly all of it is the same program's.
    pub(super) fn usage(&self, roots: &[i32]) -> Usage {
        let page = rustix::param::page_size() as u64;
        let tick_us = 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        let (mut usage, mut shared) = (Usage::default(), 0);
        let mut left = roots.to_vec();
        while let Some(pid) = left.pop() {
            let Some(line) = self.lines.get(&pid) else { continue };
            usage.processes += line.threads;
            usage.cpu_us += line.ticks * tick_us;
            usage.memory_bytes += line.resident.saturating_sub(line.shared) * page;
            shared = shared.max(line.shared * page);
            left.extend(self.children.get(&pid).into_iter().flatten());
        }
        usage.memory_bytes += shared;
        usage
    }
}

fn line(stat: &str, statm: &str) -> Option<Line> {
    // The name may have spaces and brackets in it; after the last one come numbers.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let mut pages = statm.split_ascii_whitespace().skip(1).map(|field| field.parse::<u64>().ok());
    Some(Line {
        parent: fields.get(1)?.parse().ok()?,
        // utime, stime, cutime and cstime.
        ticks: (11..15).map_while(number).sum(),
        threads: number(17)?,
        resident: pages.next()??,
        shared: pages.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_program_calls_itself() {
        let stat = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 5 0 99 4096 10";
        let read = line(stat, "500 300 120 1 0 50 0").expect("a line");
        assert_eq!(read, Line { parent: 7, ticks: 124, threads: 5, resident: 300, shared: 120 });
        assert_eq!(line("42 (x", "1 2 3"), None);
        assert_eq!(line("42 (x) S 7", "1 2 3"), None);
    }

    #[test]
    fn what_is_below_a_program_counts_with_it_and_shared_memory_once() {
        let mut all = Processes::default();
        for (pid, parent) in [(10, 1), (11, 10), (12, 11), (20, 1)] {
            all.children.entry(parent).or_default().push(pid);
            all.lines.insert(pid, Line { parent, ticks: 1, threads: 2, resident: 30, shared: 10 });
        }
        let page = rustix::param::page_size() as u64;
        let usage = all.usage(&[10]);
        assert_eq!((usage.processes, usage.memory_bytes), (6, (3 * 20 + 10) * page));
        assert_eq!(all.usage(&[99]), Usage::default());
    }

    #[test]
    fn it_sees_ourselves() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let usage = Processes::look().usage(&[own]);
        assert!(usage.processes > 0 && usage.memory_bytes > 1 << 20, "{usage:?}");
    }
}
