//! From one encoded frame to RTP payloads: once a rung, not once a viewer.
//! Every viewer's packets share these bytes. Knows no sockets and no peers.

use std::sync::Arc;
use std::time::Instant;

use crate::base::{Codec, EncodedFrame, InputStamp, RoomId, Rung};

/// The largest RTP payload. With the RTP header, its extensions, RTX and the
/// SRTP tag a packet stays below 1,200 bytes, which every path carries.
pub const MAX_PAYLOAD: usize = 1150;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// A frame cut into payloads.
#[derive(Debug)]
pub struct Packets {
    pub room: RoomId,
    pub rung: Rung,
    pub serial: u64,
    pub key: bool,
    pub payloads: Vec<Arc<[u8]>>,
    pub captured_at: Instant,
    pub encoded_at: Instant,
    pub echoes: Vec<InputStamp>,
}

impl Packets {
    pub fn new(frame: EncodedFrame) -> Self {
        let payloads = match frame.rung.codec {
            Codec::H264 => h264(&frame.data),
            Codec::Vp8 => vp8(&frame.data),
        };
        Self {
            payloads,
            room: frame.room,
            rung: frame.rung,
            serial: frame.serial,
            key: frame.key,
            captured_at: frame.moment.captured_at,
            encoded_at: frame.encoded_at,
            echoes: frame.moment.echoes,
        }
    }
}

/// RFC 6184, packetization mode 1. Parameter sets and other small units before
/// the picture travel together; slices travel alone or in even fragments.
fn h264(access_unit: &[u8]) -> Vec<Arc<[u8]>> {
    let mut payloads = Vec::with_capacity(access_unit.len() / MAX_PAYLOAD + 2);
    let mut small: Vec<&[u8]> = Vec::new();
    for unit in NalUnits::new(access_unit) {
        match unit[0] & 0x1f {
            // Delimiters and filler say nothing that RTP does not say itself.
            9 | 12 => {}
            1..=5 => {
                aggregate(&mut small, &mut payloads);
                fragment(unit, &mut payloads);
            }
            _ => small.push(unit),
        }
    }
    aggregate(&mut small, &mut payloads);
    payloads
}

/// Sends what has gathered: in one STAP-A if there are several and they fit.
fn aggregate(small: &mut Vec<&[u8]>, payloads: &mut Vec<Arc<[u8]>>) {
    let together: usize = 1 + small.iter().map(|unit| 2 + unit.len()).sum::<usize>();
    if small.len() > 1 && together <= MAX_PAYLOAD {
        let importance = small.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
        let mut payload = Vec::with_capacity(together);
        payload.push(importance | STAP_A);
        for unit in small.iter() {
            // Fits: the whole payload is below 64 KiB.
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend_from_slice(unit);
        }
        payloads.push(payload.into());
    } else {
        for unit in small.iter() {
            fragment(unit, payloads);
        }
    }
    small.clear();
}

fn fragment(unit: &[u8], payloads: &mut Vec<Arc<[u8]>>) {
    if unit.len() <= MAX_PAYLOAD {
        payloads.push(unit.into());
        return;
    }
    let (indicator, kind) = (unit[0] & 0x60 | FU_A, unit[0] & 0x1f);
    let parts = even_parts(&unit[1..], MAX_PAYLOAD - 2);
    let last = parts.len() - 1;
    for (index, part) in parts.enumerate() {
        let start = if index == 0 { 0x80 } else { 0 };
        let end = if index == last { 0x40 } else { 0 };
        let mut payload = Vec::with_capacity(2 + part.len());
        payload.extend([indicator, start | end | kind]);
        payload.extend_from_slice(part);
        payloads.push(payload.into());
    }
}

/// RFC 7741 with the one-byte descriptor: no picture ids, so that a viewer
/// orders frames by sequence number alone and may change rungs at a key frame.
fn vp8(frame: &[u8]) -> Vec<Arc<[u8]>> {
    let mut first = 0x10;
    even_parts(frame, MAX_PAYLOAD - 1)
        .map(|part| {
            let mut payload = Vec::with_capacity(1 + part.len());
            payload.push(std::mem::take(&mut first));
            payload.extend_from_slice(part);
            payload.into()
        })
        .collect()
}

/// As few parts as possible, all of one size but the last: what the kernel
/// can send with one call.
fn even_parts(bytes: &[u8], max: usize) -> std::slice::Chunks<'_, u8> {
    let count = bytes.len().div_ceil(max).max(1);
    bytes.chunks(bytes.len().div_ceil(count).max(1))
}

/// The units of an Annex B stream, without start codes and never empty.
struct NalUnits<'a> {
    rest: &'a [u8],
}

impl<'a> NalUnits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let rest = match start_code(bytes) {
            Some(at) => &bytes[at + 3..],
            // Without any start code it is one bare unit.
            None => bytes,
        };
        Self { rest }
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let unit = match start_code(self.rest) {
                Some(at) => {
                    let unit = &self.rest[..at];
                    self.rest = &self.rest[at + 3..];
                    unit
                }
                None => std::mem::take(&mut self.rest),
            };
            // Zeros before a start code belong to it or are padding; a unit ends with a one bit.
            let end = unit.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
        None
    }
}

/// Where the next `00 00 01` begins.
fn start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + 3 <= bytes.len() {
        match bytes[at + 2] {
            0 => at += 1,
            1 if bytes[at] == 0 && bytes[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The units that a viewer would put together again.
    fn units(payloads: &[Arc<[u8]>]) -> Vec<Vec<u8>> {
        let mut units: Vec<Vec<u8>> = Vec::new();
        for payload in payloads {
            match payload[0] & 0x1f {
                STAP_A => {
                    let mut rest = &payload[1..];
                    while let [high, low, tail @ ..] = rest {
                        let length = usize::from(u16::from_be_bytes([*high, *low]));
                        units.push(tail[..length].to_vec());
                        rest = &tail[length..];
                    }
                }
                FU_A => {
                    if payload[1] & 0x80 != 0 {
                        units.push(vec![payload[0] & 0x60 | payload[1] & 0x1f]);
                    }
                    units.last_mut().expect("a start came first").extend(&payload[2..]);
                }
                _ => units.push(payload.to_vec()),
            }
        }
        units
    }

    fn annex_b(units: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, unit) in units.iter().enumerate() {
            bytes.extend(if index == 0 { &[0, 0, 0, 1][..] } else { &[0, 0, 1][..] });
            bytes.extend(unit);
        }
        bytes
    }

    fn unit(kind: u8, length: usize) -> Vec<u8> {
        let mut unit = vec![0x60 | kind];
        unit.extend((1..length).map(|i| (i % 250) as u8 + 2));
        unit
    }

    #[test]
    fn a_key_frame_begins_with_its_parameter_sets_in_one_packet() {
        let whole = [unit(7, 24), unit(8, 5), unit(5, 9000)];
        let payloads = h264(&annex_b(&whole));
        assert_eq!(payloads[0][0] & 0x1f, STAP_A);
        assert_eq!(units(&payloads), whole);
        assert!(payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
    }

    #[test]
    fn fragments_are_even_so_that_one_call_sends_them() {
        let payloads = h264(&annex_b(&[unit(1, 8000)]));
        assert_eq!(payloads.len(), 7);
        let first = payloads[0].len();
        assert!(payloads[..6].iter().all(|payload| payload.len() == first) && payloads[6].len() <= first);
    }

    #[test]
    fn delimiters_and_empty_units_are_not_sent() {
        let bytes = [&[0, 0, 0, 1, 9, 0xf0][..], &[0, 0, 1], &[0, 0, 1, 0x61, 5, 6]].concat();
        assert_eq!(units(&h264(&bytes)), [vec![0x61, 5, 6]]);
        assert!(h264(&[]).is_empty() && h264(&[0, 0, 1]).is_empty());
    }

    #[test]
    fn a_vp8_frame_starts_once() {
        let frame: Vec<u8> = (0..3000).map(|i| i as u8).collect();
        let payloads = vp8(&frame);
        assert_eq!(payloads.iter().map(|payload| payload[0]).collect::<Vec<_>>(), [0x10, 0, 0]);
        let joined: Vec<u8> = payloads.iter().flat_map(|payload| payload[1..].to_vec()).collect();
        assert_eq!(joined, frame);
    }

    proptest! {
        #[test]
        fn any_units_survive(lengths in proptest::collection::vec((1..9u8, 2..5000usize), 1..6)) {
            let whole: Vec<_> = lengths.iter().map(|(kind, length)| unit(*kind, *length)).collect();
            let payloads = h264(&annex_b(&whole));
            prop_assert_eq!(units(&payloads), whole);
            prop_assert!(payloads.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        }

        #[test]
        fn any_bytes_are_cut_without_a_panic(bytes in proptest::collection::vec(0..3u8, 0..4000)) {
            h264(&bytes);
            vp8(&bytes);
        }
    }
}
