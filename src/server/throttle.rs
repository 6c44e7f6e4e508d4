//! Counts wrong tokens by address. A pure machine: time comes in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
/// Wrong tokens an address may show in a window.
const LIMIT: u32 = 20;
/// Addresses that are remembered. When more come, the oldest windows go first.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    wrong: HashMap<IpAddr, (Instant, u32)>,
}

impl Throttle {
    /// One more wrong token. Says how long to wait if there were too many.
    ///
    /// Right tokens are never held up: at 256 bits no guess succeeds anyway, and
    /// an agent with an old token must not lock out the person beside it. The
    /// limit keeps a guesser from being answered in detail.
    pub(super) fn handle_wrong(&mut self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        if self.wrong.len() >= REMEMBERED && !self.wrong.contains_key(&address) {
            self.wrong.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            if self.wrong.len() >= REMEMBERED
                && let Some(oldest) =
                    self.wrong.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| *key)
            {
                self.wrong.remove(&oldest);
            }
        }
        let (since, count) = self.wrong.entry(address).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count > LIMIT { Err(WINDOW.saturating_sub(now.duration_since(*since))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twenty_first_wrong_token_in_a_minute_is_too_many() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let address = IpAddr::from([127, 0, 0, 1]);
        for _ in 0..20 {
            assert!(throttle.handle_wrong(address, start).is_ok());
        }
        assert_eq!(
            throttle.handle_wrong(address, start + Duration::from_secs(20)),
            Err(Duration::from_secs(40))
        );
        assert!(throttle.handle_wrong(IpAddr::from([127, 0, 0, 2]), start).is_ok());
        assert!(throttle.handle_wrong(address, start + WINDOW).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for number in 0..10_000u32 {
            let _ = throttle.handle_wrong(IpAddr::from(number.to_be_bytes()), start);
        }
        assert!(throttle.wrong.len() <= REMEMBERED);
    }
}
