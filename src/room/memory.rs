//! Whether this machine has the memory for one more room that is awake.

/// A display and a browser with one page.
const LEAST: u64 = 512 << 20;

/// Says in one sentence why there is no room for it.
pub(super) fn check() -> Result<(), String> {
    match left().filter(|free| *free < LEAST) {
        None => Ok(()),
        Some(free) => Err(format!(
            "this server has {} MB of memory left, and a room needs {}; remove a room or let one fall asleep",
            free >> 20,
            LEAST >> 20
        )),
    }
}

/// The memory that programs may still take, in bytes, as far as the kernel tells.
fn left() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb << 10)
}
