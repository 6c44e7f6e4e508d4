//! Answers an offer: sets str0m up for one viewer, with the one codec that was
//! chosen, as an ICE-lite agent that already knows all its addresses.

use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::config::DtlsCert;
use str0m::crypto::CryptoProvider;
use str0m::format::{Codec as Str0mCodec, FormatParams};
use str0m::media::{Frequency, Mid, Pt};
use str0m::net::TcpType;
use str0m::rtp::Extension;
use str0m::{Candidate, IceCreds, RtcConfig};

use super::offer::{self, Format, Offer};
use super::{RtcError, Shared, interfaces};
use crate::base::Codec;

/// Packets kept for resending: a second of a fast stream.
pub(super) const RESEND_PACKETS: usize = 1024;

/// What is the same for all peers and costs something to make.
pub(super) struct Identity {
    provider: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Identity {
    pub fn new() -> Option<Self> {
        let provider = str0m::crypto::from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate()?;
        Some(Self { provider: Arc::new(provider), certificate })
    }
}

/// A viewer's str0m instance, and what is to be told and remembered.
pub(super) struct Answered {
    pub rtc: str0m::Rtc,
    pub ufrag: String,
    pub answer: String,
    pub payload_type: Pt,
}

pub(super) fn answer(sdp: &str, offer: &Offer, shared: &Shared, now: Instant) -> Result<Answered, RtcError> {
    let malformed = |error: &dyn std::fmt::Display| RtcError::OfferMalformed { reason: error.to_string() };
    let settings = &shared.settings;
    let credentials = IceCreds::new();
    let ufrag = credentials.ufrag.clone();
    let start_rate = str0m::bwe::Bitrate::bps(settings.start_rate.as_bps());
    let mut config = RtcConfig::new()
        .set_crypto_provider(shared.identity.provider.clone())
        .set_dtls_cert(shared.identity.certificate.clone())
        .set_local_ice_credentials(credentials)
        .set_ice_lite(true)
        .set_rtp_mode(true)
        .enable_bwe(Some(start_rate))
        .set_stats_interval(Some(Duration::from_secs(1)))
        .set_send_buffer_video(RESEND_PACKETS)
        .clear_codecs()
        .clear_extension_map()
        .set_extension(1, Extension::TransportSequenceNumber)
        .set_extension(2, Extension::PlayoutDelay)
        .set_extension(3, Extension::RtpMid);
    add_format(&mut config, offer.format);
    let mut rtc = config.build(now);
    rtc.bwe().set_desired_bitrate(str0m::bwe::Bitrate::bps(settings.full_rate.as_bps()));
    for candidate in candidates(shared) {
        rtc.add_local_candidate(candidate);
    }
    let parsed = str0m::change::SdpOffer::from_sdp_string(sdp).map_err(|error| malformed(&error))?;
    let answer = rtc.sdp_api().accept_offer(parsed).map_err(|error| malformed(&error))?;
    let mid: Mid = offer.mid.as_str().into();
    let payload_type = rtc
        .codec_config()
        .params()
        .iter()
        .find(|params| params.spec().codec == name(offer.format.codec))
        .map(|params| params.pt());
    let sends = rtc.direct_api().stream_tx_by_mid(mid, None).is_some();
    match payload_type {
        Some(payload_type) if sends => Ok(Answered {
            rtc,
            ufrag,
            answer: offer::announce(&answer.to_sdp_string(), &settings.public_addresses),
            payload_type,
        }),
        _ => Err(malformed(&"its video line can not be answered")),
    }
}

fn add_format(config: &mut RtcConfig, format: Format) {
    let parameters = match format.codec {
        Codec::Vp8 => FormatParams::default(),
        Codec::H264 => FormatParams {
            level_asymmetry_allowed: Some(true),
            packetization_mode: Some(1),
            profile_level_id: Some(format.profile_level),
            ..FormatParams::default()
        },
    };
    let rtx = format.rtx.map(Pt::from);
    config.codec_config().add_config(
        format.payload_type.into(),
        rtx,
        name(format.codec),
        Frequency::NINETY_KHZ,
        None,
        parameters,
    );
}

fn name(codec: Codec) -> Str0mCodec {
    match codec {
        Codec::H264 => Str0mCodec::H264,
        Codec::Vp8 => Str0mCodec::Vp8,
    }
}

fn candidates(shared: &Shared) -> Vec<Candidate> {
    let (udp, tcp) = shared.local;
    let udp = interfaces::reachable(udp).into_iter().map(|address| Candidate::host(address, "udp"));
    let tcp = interfaces::reachable(tcp)
        .into_iter()
        .map(|address| Candidate::builder().tcp().host(address).tcptype(TcpType::Passive).build());
    udp.chain(tcp).filter_map(Result::ok).collect()
}
