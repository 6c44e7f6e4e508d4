//! VP8 by libvpx, in its realtime mode for screens. Owns the library's context;
//! refuses to decide about rates: the quantiser is pinned for each frame.

use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};
use std::time::Duration;

use vpx_sys as sys;

use super::MediaError;
use super::encoder::{EncodeRequest, EncoderSettings, Packet, VideoEncoder};
use super::picture::Picture;
use crate::base::{Codec, Size};

/// The fixed speed of libvpx's realtime mode: negative means "do not adapt to the CPU".
/// From -5 on its motion search takes a few steps only, and loses a page that
/// scrolls by more than some pixels: frames several times as large.
const SPEED: c_int = -4;

/// libvpx's public quantiser, 0 to 63, by H.264's, 0 to 51, in steps of equal coarseness.
const QUANTISER: [u8; 52] = quantisers();

/// An open encoder.
pub struct Vp8 {
    /// Boxed, because libvpx keeps pointers to it.
    context: Box<sys::vpx_codec_ctx_t>,
    config: Box<sys::vpx_codec_enc_cfg_t>,
    settings: EncoderSettings,
    active: Vec<u8>,
    last_pts: i64,
}

// SAFETY: a libvpx context may be used from any one thread at a time, and `Vp8`
// hands it out to nobody.
unsafe impl Send for Vp8 {}

impl Vp8 {
    pub fn open(settings: EncoderSettings) -> Result<Self, MediaError> {
        let failed = || MediaError::Open { codec: Codec::Vp8, size: settings.size };
        let mut config = Box::new(MaybeUninit::<sys::vpx_codec_enc_cfg_t>::uninit());
        // SAFETY: the function fills the struct or says that it did not.
        let filled =
            unsafe { sys::vpx_codec_enc_config_default(sys::vpx_codec_vp8_cx(), config.as_mut_ptr(), 0) };
        if filled != sys::VPX_CODEC_OK {
            return Err(failed());
        }
        // SAFETY: libvpx has just filled it.
        let mut config = unsafe { config.assume_init() };
        configure(&mut config, settings);
        let mut context = Box::new(MaybeUninit::<sys::vpx_codec_ctx_t>::zeroed());
        // SAFETY: the context is zeroed memory of the right size, the configuration is
        // filled; both stay where they are, being boxed.
        let opened = unsafe {
            sys::vpx_codec_enc_init_ver(
                context.as_mut_ptr(),
                sys::vpx_codec_vp8_cx(),
                &*config,
                0,
                sys::VPX_ENCODER_ABI_VERSION as c_int,
            )
        };
        if opened != sys::VPX_CODEC_OK {
            return Err(failed());
        }
        // SAFETY: libvpx has initialised it.
        let context = unsafe { context.assume_init() };
        let mut this = Self { context, config, settings, active: Vec::new(), last_pts: -1 };
        use sys::vp8e_enc_control_id as control;
        this.control(control::VP8E_SET_CPUUSED, SPEED)?;
        this.control(control::VP8E_SET_STATIC_THRESHOLD, 0)?;
        this.control(control::VP8E_SET_NOISE_SENSITIVITY, 0)?;
        this.control(control::VP8E_SET_SCREEN_CONTENT_MODE, 1)?;
        let partitions = if settings.threads > 1 { 2 } else { 0 };
        this.control(control::VP8E_SET_TOKEN_PARTITIONS, partitions)?;
        Ok(this)
    }

    fn control(&mut self, id: sys::vp8e_enc_control_id, value: c_int) -> Result<(), MediaError> {
        // SAFETY: the context is open and each control used here takes one int.
        check(unsafe { sys::vpx_codec_control_(&mut *self.context, id as c_int, value) })
    }

    /// Sets the quantiser of the next frame.
    fn tune(&mut self, request: &EncodeRequest<'_>) -> Result<(), MediaError> {
        let quantiser = c_uint::from(QUANTISER[usize::from(request.qp.min(51))]);
        let rate = request.target.as_kbps().clamp(1, 1_000_000) as c_uint;
        if self.config.rc_min_quantizer == quantiser && self.config.rc_target_bitrate == rate {
            return Ok(());
        }
        self.config.rc_min_quantizer = quantiser;
        self.config.rc_max_quantizer = quantiser;
        self.config.rc_target_bitrate = rate;
        // SAFETY: the context is open and the configuration is libvpx's own with
        // fields changed that may change while encoding.
        check(unsafe { sys::vpx_codec_enc_config_set(&mut *self.context, &*self.config) })
    }

    /// Tells libvpx which blocks to look at; for a key frame it must look at all.
    fn set_active(&mut self, request: &EncodeRequest<'_>) -> Result<(), MediaError> {
        self.active.clear();
        self.active.extend(request.changes.marks().iter().map(|changed| u8::from(*changed || request.key)));
        let mut map = sys::vpx_active_map_t {
            active_map: self.active.as_mut_ptr(),
            rows: request.changes.rows() as c_uint,
            cols: request.changes.columns() as c_uint,
        };
        // SAFETY: the context is open; libvpx copies the map, which has a byte for
        // each of rows x cols blocks, within the call.
        check(unsafe {
            sys::vpx_codec_control_(
                &mut *self.context,
                sys::vp8e_enc_control_id::VP8E_SET_ACTIVEMAP as c_int,
                &raw mut map,
            )
        })
    }
}

impl VideoEncoder for Vp8 {
    fn size(&self) -> Size {
        self.settings.size
    }

    fn encode(&mut self, picture: &Picture, request: &EncodeRequest<'_>) -> Result<Packet<'_>, MediaError> {
        debug_assert_eq!(picture.size(), self.settings.size);
        self.tune(request)?;
        self.set_active(request)?;
        let image = wrap(picture);
        let pts = millis(request.at).max(self.last_pts + 1);
        self.last_pts = pts;
        let flags = if request.key { i64::from(sys::VPX_EFLAG_FORCE_KF) } else { 0 };
        // SAFETY: the context is open; the image's planes have the size it was opened
        // with, live through the call and are only read.
        check(unsafe {
            sys::vpx_codec_encode(
                &mut *self.context,
                &image,
                pts,
                u64::from(1000 / self.settings.frame_rate.max(1)).max(1),
                flags,
                u64::from(sys::VPX_DL_REALTIME),
            )
        })?;
        let mut iterator = null();
        loop {
            // SAFETY: the context is open; the packet stays until the next call of
            // encode, which needs `&mut self`.
            let packet = unsafe { sys::vpx_codec_get_cx_data(&mut *self.context, &mut iterator).as_ref() };
            let Some(packet) = packet else {
                return Err(MediaError::Encode { codec: Codec::Vp8, code: 0 });
            };
            if packet.kind != sys::vpx_codec_cx_pkt_kind::VPX_CODEC_CX_FRAME_PKT {
                continue;
            }
            // SAFETY: a packet of this kind holds a frame, whose buffer has `sz` bytes.
            let (frame, data) = unsafe {
                let frame = packet.data.frame;
                (frame, std::slice::from_raw_parts(frame.buf.cast::<u8>(), frame.sz))
            };
            return Ok(Packet { data, key: frame.flags & 1 != 0 });
        }
    }
}

impl Drop for Vp8 {
    fn drop(&mut self) {
        // SAFETY: the context is open and never used again.
        unsafe { sys::vpx_codec_destroy(&mut *self.context) };
    }
}

fn configure(config: &mut sys::vpx_codec_enc_cfg_t, settings: EncoderSettings) {
    config.g_w = settings.size.width();
    config.g_h = settings.size.height();
    config.g_threads = settings.threads.max(1);
    config.g_timebase = sys::vpx_rational { num: 1, den: 1000 };
    config.g_error_resilient = 0;
    config.g_lag_in_frames = 0;
    config.rc_end_usage = sys::vpx_rc_mode::VPX_CBR;
    config.rc_dropframe_thresh = 0;
    config.rc_resize_allowed = 0;
    config.rc_undershoot_pct = 100;
    config.rc_overshoot_pct = 100;
    config.rc_buf_sz = 1000;
    config.rc_buf_initial_sz = 500;
    config.rc_buf_optimal_sz = 600;
    config.kf_mode = sys::vpx_kf_mode::VPX_KF_DISABLED;
    config.kf_min_dist = 0;
    config.kf_max_dist = 0;
}

/// The picture as libvpx wants to see it, without a copy.
fn wrap(picture: &Picture) -> sys::vpx_image_t {
    let size = picture.size();
    // SAFETY: all of the struct's fields may be zero: numbers, null pointers and
    // enums that have a zero.
    let mut image: sys::vpx_image_t = unsafe { MaybeUninit::zeroed().assume_init() };
    image.fmt = sys::vpx_img_fmt::VPX_IMG_FMT_I420;
    (image.w, image.h) = (size.width(), size.height());
    (image.d_w, image.d_h) = (size.width(), size.height());
    image.bit_depth = 8;
    (image.x_chroma_shift, image.y_chroma_shift) = (1, 1);
    image.bps = 12;
    for index in 0..3 {
        image.planes[index] = picture.plane(index).as_ptr().cast_mut();
        image.stride[index] = picture.stride(index) as c_int;
    }
    image.user_priv = null_mut();
    image
}

fn check(result: sys::vpx_codec_err_t) -> Result<(), MediaError> {
    match result {
        sys::VPX_CODEC_OK => Ok(()),
        other => Err(MediaError::Encode { codec: Codec::Vp8, code: other as c_int }),
    }
}

fn millis(at: Duration) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX - 1)
}

/// VP8's steps run evenly to about twice their start, then grow; a line in the
/// middle, steeper at the end, follows H.264's doubling well enough.
const fn quantisers() -> [u8; 52] {
    let mut table = [0; 52];
    let mut qp = 0;
    while qp < 52 {
        let value = if qp < 12 { 0 } else { (qp - 12) * 63 / 36 };
        table[qp] = if value > 63 { 63 } else { value as u8 };
        qp += 1;
    }
    table
}
