//! What an automation client sends at the CDP door, and what Chromium answers:
//! the multiplexer between them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::base::Privacy;
use tandem::browser::{GuestOptions, feed};

fuzz_target!(|bytes: &[u8]| {
    let options = GuestOptions {
        target: None,
        download_dir: "/data/downloads".into(),
        private_dir: "/data".into(),
        rules: None,
        privacy: Privacy::default(),
    };
    feed(bytes, options);
});
