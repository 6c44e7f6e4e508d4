//! What a browser sends to begin its stream: messages of the room's socket and
//! the session description in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::server::wire::ClientMessage;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ClientMessage::Offer { sdp }) = serde_json::from_slice(bytes) {
        tandem::rtc::reads_offer(&sdp);
    }
    tandem::rtc::reads_offer(&String::from_utf8_lossy(bytes));
});
