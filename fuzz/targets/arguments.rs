//! The arguments of the agents' tools, and what they are made of: addresses and
//! ways to find an element.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::browser::{Locator, address};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(arguments) = serde_json::from_slice(bytes) {
        tandem::agents::read_arguments(&arguments);
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = text.parse::<Locator>();
    let _ = address(&text);
});
