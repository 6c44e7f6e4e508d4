//! The picture that stands for a room which is not to be seen: a key frame of
//! plain black, for whichever codec a viewer has.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::MediaError;
use super::encoder::{EncodeRequest, EncoderSettings, open};
use super::picture::{ChangeMap, Picture};
use crate::base::{Bitrate, Codec, EncodedFrame, FrameMoment, RoomId, Rung, Size, Tier};

/// The quantiser of a picture without anything in it.
const COARSE: u8 = 40;

/// A key frame without anything of the room in it.
pub fn veil(room: RoomId, codec: Codec, size: Size) -> Result<EncodedFrame, MediaError> {
    let mut encoder = open(codec, EncoderSettings { size, frame_rate: 30, threads: 1 })?;
    let target = Bitrate::kbps(500);
    let changes = ChangeMap::full(size);
    let request = EncodeRequest { key: true, qp: COARSE, target, changes: &changes, at: Duration::ZERO };
    let data = Bytes::copy_from_slice(encoder.encode(&Picture::new(size), &request)?.data);
    let now = Instant::now();
    let moment = FrameMoment { serial: 0, damaged_at: now, captured_at: now, echoes: vec![] };
    let rung = Rung { codec, tier: Tier::Full };
    Ok(EncodedFrame { room, rung, serial: 0, key: true, data, size, moment, encoded_at: now, target })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codecs;

    #[test]
    fn a_veil_is_a_small_key_frame_in_every_codec() {
        for codec in codecs() {
            let veil = veil(RoomId::main(), *codec, Size::DEFAULT).expect("encodes");
            assert!(veil.key && !veil.data.is_empty() && veil.data.len() < 20_000, "{codec:?}");
        }
    }
}
