//! What the browser asks of the gate to the network (RFC 1928), and the lists of
//! what it may reach.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::egress::socks;
use tandem::policy::egress::{Pattern, Upstream};

fuzz_target!(|bytes: &[u8]| {
    let _ = socks::greeting(bytes);
    if let Ok(Some((_, _, used))) = socks::request(bytes) {
        assert!(used <= bytes.len());
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<Pattern>();
    let _ = text.parse::<Upstream>();
});
