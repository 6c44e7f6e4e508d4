//! Counts wrong tokens, by address and by the token that was shown. A pure
//! machine: time comes in.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::store::TokenHash;

const WINDOW: Duration = Duration::from_secs(60);
/// Wrong tokens an address may show in a window.
const LIMIT: u32 = 20;
/// How often one wrong token may be shown in a window, from wherever.
const LIMIT_OF_TOKEN: u32 = 60;
/// What is remembered of either. When more come, the oldest windows go first.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: Windows<IpAddr>,
    tokens: Windows<[u8; 32]>,
}

#[derive(Debug)]
struct Windows<K>(HashMap<K, (Instant, u32)>);

impl<K> Default for Windows<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl Throttle {
    /// One more wrong token. Says how long to wait if there were too many.
    ///
    /// Right tokens are never held up: at 256 bits no guess succeeds anyway, and
    /// an agent with an old token must not lock out the person beside it. The
    /// limit keeps a guesser from being answered in detail, and an old token that
    /// went round from keeping the server busy.
    pub(super) fn handle_wrong(
        &mut self,
        address: IpAddr,
        token: Option<&TokenHash>,
        now: Instant,
    ) -> Result<(), Duration> {
        let by_address = self.addresses.count(network(address), LIMIT, now);
        let by_token = token.map_or(Ok(()), |token| self.tokens.count(token.0, LIMIT_OF_TOKEN, now));
        by_address.and(by_token)
    }
}

/// Whoever has one IPv6 address has all of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

impl<K: Eq + Hash + Copy> Windows<K> {
    fn count(&mut self, key: K, limit: u32, now: Instant) -> Result<(), Duration> {
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            self.0.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            if self.0.len() >= REMEMBERED
                && let Some(oldest) = self.0.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| *key)
            {
                self.0.remove(&oldest);
            }
        }
        let (since, count) = self.0.entry(key).or_insert((now, 0));
        if now.duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count > limit { Err(WINDOW.saturating_sub(now.duration_since(*since))) } else { Ok(()) }
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
            assert!(throttle.handle_wrong(address, None, start).is_ok());
        }
        assert_eq!(
            throttle.handle_wrong(address, None, start + Duration::from_secs(20)),
            Err(Duration::from_secs(40))
        );
        assert!(throttle.handle_wrong(IpAddr::from([127, 0, 0, 2]), None, start).is_ok());
        assert!(throttle.handle_wrong(address, None, start + WINDOW).is_ok());
    }

    #[test]
    fn one_wrong_token_from_everywhere_is_too_many() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let show = |throttle: &mut Throttle, number: u32, token: u8| {
            throttle.handle_wrong(IpAddr::from(number.to_be_bytes()), Some(&TokenHash([token; 32])), start)
        };
        for number in 0..60 {
            assert!(show(&mut throttle, number, 1).is_ok());
        }
        assert_eq!(show(&mut throttle, 60, 1), Err(WINDOW));
        assert!(show(&mut throttle, 60, 2).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        let address = |low: u64| IpAddr::from(((0x2001_0db8_u128) << 96 | u128::from(low)).to_be_bytes());
        for low in 0..20 {
            assert!(throttle.handle_wrong(address(low), None, start).is_ok());
        }
        assert!(throttle.handle_wrong(address(99), None, start).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut throttle, start) = (Throttle::default(), Instant::now());
        for number in 0..10_000u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&number.to_be_bytes());
            let address = IpAddr::from(number.to_be_bytes());
            let _ = throttle.handle_wrong(address, Some(&TokenHash(hash)), start);
        }
        assert!(throttle.addresses.0.len() <= REMEMBERED && throttle.tokens.0.len() <= REMEMBERED);
    }
}
