//! What the gate has turned away or could not reach, the latest of it, for
//! people and agents who ask why. The time comes in as an argument.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use ts_rs::TS;
use utoipa::ToSchema;

/// So many different ones are remembered; the oldest goes.
const MOST: usize = 100;
/// The same again within this time is counted, and not told anew.
const SAME: Duration = Duration::from_secs(60);
/// So many are told in that time; a page can ask for a thousand names a second.
const TOLD: usize = 30;

/// A connection that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, TS, ToSchema)]
pub struct Turned {
    /// When it was last tried, in milliseconds since 1970.
    pub at_ms: u64,
    pub host: String,
    pub port: u16,
    /// `closed` (an address that is not of the open internet), `denied` (by a
    /// list), `own` (the service's), `busy` (too many tunnels) or `failed`.
    pub kind: &'static str,
    pub reason: String,
    pub times: u64,
}

#[derive(Debug, Default)]
pub(super) struct Seen {
    latest: VecDeque<(SystemTime, Turned)>,
    told: VecDeque<SystemTime>,
}

impl Seen {
    /// Takes one in, and says whether it is worth a line in the record.
    pub fn add(
        &mut self,
        now: SystemTime,
        host: String,
        port: u16,
        kind: &'static str,
        reason: String,
    ) -> bool {
        let at_ms = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let known = self.latest.iter().position(|(_, turned)| {
            turned.host == host && turned.port == port && turned.kind == kind && turned.reason == reason
        });
        let mut turned = Turned { at_ms, host, port, kind, reason, times: 1 };
        let within = |since: &SystemTime| now.duration_since(*since).is_ok_and(|age| age < SAME);
        let mut since = now;
        if let Some((told, before)) = known.and_then(|at| self.latest.remove(at)) {
            turned.times += before.times;
            if within(&told) {
                since = told;
            }
        }
        let again = since != now;
        if self.latest.len() >= MOST {
            self.latest.pop_front();
        }
        self.latest.push_back((since, turned));
        while self.told.front().is_some_and(|told| !within(told)) {
            self.told.pop_front();
        }
        let tell = !again && self.told.len() < TOLD;
        if tell {
            self.told.push_back(now);
        }
        tell
    }

    /// The latest first.
    pub fn latest(&self) -> Vec<Turned> {
        self.latest.iter().rev().map(|(_, turned)| turned.clone()).collect()
    }

    /// The latest for this host, if it was after this time.
    pub fn why(&self, host: &str, port: Option<u16>, after: SystemTime) -> Option<&Turned> {
        let after = after.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        let fits = |turned: &&Turned| {
            turned.host == host && port.is_none_or(|port| turned.port == port) && turned.at_ms >= after
        };
        self.latest.iter().rev().map(|(_, turned)| turned).find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_is_counted_and_a_flood_is_bounded() {
        let (mut seen, start) = (Seen::default(), SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
        let mut add = |name: &str, after: u64| {
            let now = start + Duration::from_secs(after);
            (seen.add(now, name.into(), 80, "closed", "why".into()), seen.latest())
        };
        assert!(add("a", 0).0);
        let (told, latest) = add("a", 1);
        assert!(!told && latest.len() == 1 && latest[0].times == 2);
        assert!(add("a", 61).0, "after a minute it is told again");
        let told = (0..500).filter(|number| add(&format!("b{number}"), 62).0).count();
        assert_eq!(told, TOLD - 1);
        let (_, latest) = add("c", 63);
        assert_eq!((latest.len(), latest[0].host.as_str()), (MOST, "c"));
    }
}
