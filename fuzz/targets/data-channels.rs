//! Input and echoes on the data channels. What was read is written as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem::rtc::{Channel, Echo, Message};

fuzz_target!(|bytes: &[u8]| {
    for channel in [Channel::Moves, Channel::Acts] {
        if let Ok(message) = Message::decode(channel, bytes) {
            let (again, coded) = message.encode();
            assert_eq!(again, channel);
            assert_eq!(Message::decode(channel, &coded).as_ref(), Ok(&message));
        }
    }
    let _ = Echo::decode(bytes);
});
