//! Reads an SDP offer before str0m does: refuses what cannot work with a
//! reason that helps, chooses the codec, and adds our public addresses to the
//! answer. Text in, text out.

use std::net::IpAddr;

use super::RtcError;
use crate::base::Codec;

/// The largest offer; a browser's has 3 to 8 KiB.
const MAX_OFFER: usize = 64 * 1024;
/// More lines than this in an offer are an attack, not media.
const MAX_MEDIA: usize = 16;

/// What matters of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The name of the video line.
    pub mid: String,
    pub format: Format,
}

/// A codec as the offer numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx: Option<u8>,
    /// H.264 only: profile and level, the level raised to what a room may need.
    pub profile_level: u32,
}

/// One `m=` line with what follows it.
struct Section<'a> {
    line: &'a str,
    attributes: Vec<&'a str>,
}

impl Offer {
    /// Takes an offer apart. `codecs` are those that can be encoded, best first.
    pub fn read(sdp: &str, codecs: &[Codec]) -> Result<Self, RtcError> {
        if sdp.len() > MAX_OFFER {
            return Err(RtcError::OfferTooLarge { bytes: sdp.len() });
        }
        if !sdp.starts_with("v=0") {
            return Err(RtcError::OfferMalformed { reason: "it does not begin with v=0".into() });
        }
        let (session, sections) = sections(sdp)?;
        let video: Vec<&Section> =
            sections.iter().filter(|section| section.line.starts_with("m=video")).collect();
        let first = video.first().ok_or(RtcError::NoVideo)?;
        // Port 0 means "not this line", unless it travels with another one.
        let active = |section: &&&Section| {
            section.line.split_ascii_whitespace().nth(1) != Some("0")
                || section.attributes.contains(&"bundle-only")
        };
        let receiving = video
            .iter()
            .filter(active)
            .find(|section| matches!(direction(section, &session), "recvonly" | "sendrecv"))
            .ok_or_else(|| RtcError::NotReceiving { direction: direction(first, &session).to_owned() })?;
        let mid = value(receiving, "mid")
            .ok_or_else(|| RtcError::OfferMalformed { reason: "its video line has no a=mid".into() })?;
        if mid.is_empty() || mid.len() > 16 {
            return Err(RtcError::OfferMalformed { reason: "its a=mid is not of 1 to 16 characters".into() });
        }
        let format = codecs
            .iter()
            .find_map(|codec| format(receiving, *codec))
            .ok_or_else(|| RtcError::NoCodec { offered: offered(receiving) })?;
        Ok(Self { mid: mid.to_owned(), format })
    }
}

/// Adds every public address behind which `local` is reached as a further
/// host candidate, beside each candidate that is there.
pub fn announce(answer: &str, public: &[IpAddr]) -> String {
    if public.is_empty() {
        return answer.to_owned();
    }
    let mut text = String::with_capacity(answer.len() + 256);
    // Several local interfaces announce one public address once per line kind.
    let mut announced: Vec<String> = Vec::new();
    for line in answer.split_inclusive('\n') {
        text.push_str(line);
        if line.starts_with("m=") {
            announced.clear();
        }
        let Some(candidate) = line.trim_end().strip_prefix("a=candidate:") else { continue };
        let fields: Vec<&str> = candidate.split(' ').collect();
        let [_, component, protocol, priority, _, port, rest @ ..] = fields.as_slice() else { continue };
        for (index, address) in public.iter().enumerate() {
            let key = format!("{protocol} {address} {port}");
            if announced.contains(&key) {
                continue;
            }
            // A little below the direct address: who can reach that, should.
            let priority =
                priority.parse::<u32>().unwrap_or(0).saturating_sub(256 * (1 + index as u32)).max(1);
            let rest = rest.join(" ");
            text.push_str(&format!(
                "a=candidate:public{index}{protocol} {component} {protocol} {priority} {address} {port} {rest}\r\n"
            ));
            announced.push(key);
        }
    }
    text
}

fn sections(sdp: &str) -> Result<(Section<'_>, Vec<Section<'_>>), RtcError> {
    let mut session = Section { line: "", attributes: Vec::new() };
    let mut sections: Vec<Section> = Vec::new();
    for line in sdp.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if line.as_bytes().get(1) != Some(&b'=') {
            let start: String = line.chars().take(20).collect();
            return Err(RtcError::OfferMalformed {
                reason: format!("the line '{}' is not SDP", start.escape_debug()),
            });
        }
        if line.starts_with("m=") {
            if sections.len() == MAX_MEDIA {
                return Err(RtcError::OfferMalformed {
                    reason: format!("it has more than {MAX_MEDIA} media lines"),
                });
            }
            sections.push(Section { line, attributes: Vec::new() });
        } else if let Some(attribute) = line.strip_prefix("a=") {
            sections.last_mut().unwrap_or(&mut session).attributes.push(attribute);
        }
    }
    Ok((session, sections))
}

fn direction<'a>(section: &Section<'a>, session: &Section<'a>) -> &'a str {
    let of = |section: &Section<'a>| {
        section
            .attributes
            .iter()
            .copied()
            .find(|attribute| matches!(*attribute, "recvonly" | "sendrecv" | "sendonly" | "inactive"))
    };
    of(section).or_else(|| of(session)).unwrap_or("sendrecv")
}

fn value<'a>(section: &Section<'a>, name: &str) -> Option<&'a str> {
    section.attributes.iter().find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix(':'))
}

/// The payload types that the line lists, each with its `a=rtpmap` name.
fn maps<'a>(section: &Section<'a>) -> Vec<(u8, &'a str)> {
    section
        .attributes
        .iter()
        .filter_map(|attribute| {
            let (payload_type, name) = attribute.strip_prefix("rtpmap:")?.split_once(' ')?;
            Some((payload_type.parse().ok().filter(|number| *number < 128)?, name))
        })
        .collect()
}

fn parameter<'a>(section: &Section<'a>, payload_type: u8, name: &str) -> Option<&'a str> {
    section.attributes.iter().find_map(|attribute| {
        let (number, parameters) = attribute.strip_prefix("fmtp:")?.split_once(' ')?;
        if number.parse() != Ok(payload_type) {
            return None;
        }
        parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix(name)?.strip_prefix('='))
    })
}

fn format(section: &Section, codec: Codec) -> Option<Format> {
    let maps = maps(section);
    let rtx = |payload_type: u8| {
        maps.iter().find_map(|(number, name)| {
            let is_rtx = name.eq_ignore_ascii_case("rtx/90000");
            let apt = parameter(section, *number, "apt")?.parse::<u8>().ok()?;
            (is_rtx && apt == payload_type).then_some(*number)
        })
    };
    let found = |(payload_type, profile_level): (u8, u32)| Format {
        codec,
        payload_type,
        rtx: rtx(payload_type),
        profile_level,
    };
    let named = |wanted: &'static str| {
        maps.iter().filter(move |(_, name)| name.eq_ignore_ascii_case(wanted)).map(|(number, _)| *number)
    };
    match codec {
        Codec::Vp8 => named("VP8/90000").next().map(|number| found((number, 0))),
        Codec::H264 => {
            let usable = named("H264/90000")
                .filter(|number| parameter(section, *number, "packetization-mode") == Some("1"));
            usable
                .filter_map(|number| {
                    Some((number, profile(parameter(section, number, "profile-level-id")?)?))
                })
                // Constrained baseline is what we encode; whoever decodes baseline decodes it too.
                .min_by_key(|(_, (rank, _))| *rank)
                .map(|(number, (_, profile_level))| found((number, profile_level)))
        }
    }
}

/// How well a profile fits, and what to answer: the profile of the offer with
/// level 5.2, which any size of a room stays below. The level of an answer says
/// what we could take; a viewer's level does not bind us, since decoders cope.
fn profile(profile_level_id: &str) -> Option<(u8, u32)> {
    let id = u32::from_str_radix(profile_level_id, 16).ok()?;
    let constrained = id & 0x00_4000 != 0;
    let rank = match id >> 16 {
        0x42 if constrained => 0,
        0x42 => 1,
        _ => return None,
    };
    Some((rank, id & 0xff_ff00 | 0x34))
}

fn offered(section: &Section) -> String {
    let mut names: Vec<&str> =
        maps(section).into_iter().map(|(_, name)| name.split('/').next().unwrap_or(name)).collect();
    names
        .retain(|name| !["rtx", "red", "ulpfec", "flexfec-03"].contains(&name.to_ascii_lowercase().as_str()));
    names.dedup();
    let listed: String = names.join(", ").chars().filter(|c| !c.is_control()).take(200).collect();
    if listed.is_empty() { "none".into() } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 109 114\r\na=mid:0\r\na=recvonly\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
        a=rtpmap:103 H264/90000\r\na=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f\r\n\
        a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\n\
        a=rtpmap:107 H264/90000\r\na=fmtp:107 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f\r\n\
        a=rtpmap:109 H264/90000\r\na=fmtp:109 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
        a=rtpmap:114 rtx/90000\r\na=fmtp:114 apt=109\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n";

    fn read(sdp: &str) -> Result<Offer, RtcError> {
        Offer::read(sdp, &[Codec::H264, Codec::Vp8])
    }

    #[test]
    fn the_best_codec_that_the_offer_has_is_taken() {
        let offer = read(CHROME).expect("a good offer");
        assert_eq!(offer.mid, "0");
        let Format { codec, payload_type, rtx, profile_level } = offer.format;
        assert_eq!((codec, payload_type, rtx, profile_level), (Codec::H264, 109, Some(114), 0x42e034));
        let vp8 = Offer::read(CHROME, &[Codec::Vp8, Codec::H264]).expect("a good offer").format;
        assert_eq!((vp8.codec, vp8.payload_type, vp8.rtx), (Codec::Vp8, 96, Some(97)));
        let without = CHROME.replace("packetization-mode=1", "packetization-mode=0");
        assert_eq!(read(&without).expect("VP8 is left").format.codec, Codec::Vp8);
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_reason() {
        let said = |sdp: &str| read(sdp).expect_err("refused").to_string();
        assert!(said("hello").contains("v=0"));
        assert!(said("v=0\r\nhello").contains("'hello' is not SDP"));
        assert!(said(&format!("v=0\r\n{}", "a=x\r\n".repeat(20_000))).contains("64 KiB"));
        assert!(said("v=0\r\nm=audio 9 X 0\r\n").contains("video"));
        assert!(said(&CHROME.replace("recvonly", "sendonly")).contains("sendonly"));
        assert!(said(&CHROME.replace("VP8", "AV1").replace("H264", "VP9")).contains("AV1, VP9"));
        assert!(said(&CHROME.replace("a=mid:0\r\n", "")).contains("a=mid"));
        assert!(said(&format!("v=0\r\n{}", "m=video 9 X 96\r\n".repeat(17))).contains("16 media lines"));
    }

    #[test]
    fn public_addresses_are_announced_beside_the_local_ones() {
        let answer = "v=0\r\nm=video 9 X 96\r\na=candidate:1 1 udp 2130706175 10.0.0.2 8081 typ host\r\n\
            a=candidate:2 1 udp 2130706175 10.0.0.3 8081 typ host\r\n\
            a=candidate:3 1 tcp 1518280447 10.0.0.2 8081 typ host tcptype passive\r\na=end-of-candidates\r\n";
        let public = ["203.0.113.7".parse().expect("an address")];
        let text = announce(answer, &public);
        assert_eq!(text.matches("203.0.113.7").count(), 2);
        assert!(text.contains("203.0.113.7 8081 typ host tcptype passive"));
        assert_eq!(announce(answer, &[]), answer);
    }
}
