//! H.264 by x264: constrained baseline, Annex B, no delay, infinite group of
//! pictures. Owns the library's handle; refuses to decide about rates.
//!
//! x264's own rate control counts frames, not time, so a pause would not refill
//! its buffer; and whatever holds a size makes it look at a small copy of the
//! whole picture first, which is a third of the time of a scrolling frame. Here
//! `rate` decides the quantiser of each frame, and x264 has none of that.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr::{NonNull, null_mut};

use x264_sys as sys;

use super::MediaError;
use super::encoder::{EncodeRequest, EncoderSettings, Packet, VideoEncoder};
use super::picture::Picture;
use crate::base::{Codec, Size};

/// Levels of H.264: its number, macroblocks a second, macroblocks a frame.
const LEVELS: [(c_int, u64, u64); 7] = [
    (31, 108_000, 3_600),
    (32, 216_000, 5_120),
    (40, 245_760, 8_192),
    (42, 522_240, 8_704),
    (50, 589_824, 22_080),
    (51, 983_040, 36_864),
    (52, 2_073_600, 36_864),
];

/// An open encoder.
pub struct X264 {
    handle: NonNull<sys::x264_t>,
    settings: EncoderSettings,
    param: Box<sys::x264_param_t>,
    /// x264's view of the changes: one flag a block.
    info: Vec<u8>,
    #[cfg(test)]
    recon: Vec<u8>,
}

// SAFETY: x264 keeps no thread-local state; a handle may be used from any one
// thread at a time, and `X264` hands it out to nobody.
unsafe impl Send for X264 {}

impl X264 {
    pub fn open(settings: EncoderSettings) -> Result<Self, MediaError> {
        let failed = || MediaError::Open { codec: Codec::H264, size: settings.size };
        let mut param = Box::new(MaybeUninit::<sys::x264_param_t>::uninit());
        // SAFETY: the function fills the whole struct; both names are C strings.
        let preset = unsafe {
            sys::x264_param_default_preset(param.as_mut_ptr(), c"ultrafast".as_ptr(), c"zerolatency".as_ptr())
        };
        if preset < 0 {
            return Err(failed());
        }
        // SAFETY: x264_param_default_preset has initialised it.
        let mut param = unsafe { param.assume_init() };
        configure(&mut param, settings);
        // SAFETY: `param` is initialised, the profile's name is a C string.
        if unsafe { sys::x264_param_apply_profile(&mut *param, c"baseline".as_ptr()) } < 0 {
            return Err(failed());
        }
        // SAFETY: `param` is initialised; x264 copies it.
        let handle = NonNull::new(unsafe { sys::x264_encoder_open(&mut *param) }).ok_or_else(failed)?;
        Ok(Self {
            handle,
            settings,
            param,
            info: Vec::new(),
            #[cfg(test)]
            recon: Vec::new(),
        })
    }

    /// Sets what is not said with each picture.
    fn tune(&mut self, request: &EncodeRequest<'_>) -> Result<(), MediaError> {
        // Lone coefficients are what a sharpening frame is for.
        let decimate = c_int::from(request.qp > 16);
        if self.param.analyse.b_dct_decimate == decimate {
            return Ok(());
        }
        self.param.analyse.b_dct_decimate = decimate;
        // SAFETY: the handle is open, `param` was filled by x264 and changed only
        // in a field that may change while encoding.
        let result = unsafe { sys::x264_encoder_reconfig(self.handle.as_ptr(), &mut *self.param) };
        if result < 0 { Err(MediaError::Encode { codec: Codec::H264, code: result }) } else { Ok(()) }
    }
}

impl VideoEncoder for X264 {
    fn size(&self) -> Size {
        self.settings.size
    }

    #[cfg(test)]
    fn recon(&self) -> &[u8] {
        &self.recon
    }

    fn encode(&mut self, picture: &Picture, request: &EncodeRequest<'_>) -> Result<Packet<'_>, MediaError> {
        debug_assert_eq!(picture.size(), self.settings.size);
        self.tune(request)?;
        self.info.clear();
        self.info.extend(
            request
                .changes
                .marks()
                .iter()
                .map(|changed| if *changed { 0 } else { sys::X264_MBINFO_CONSTANT as u8 }),
        );
        let mut input = MaybeUninit::<sys::x264_picture_t>::uninit();
        // SAFETY: x264_picture_init fills the whole struct.
        let mut input = unsafe {
            sys::x264_picture_init(input.as_mut_ptr());
            input.assume_init()
        };
        input.i_type = if request.key { sys::X264_TYPE_IDR } else { sys::X264_TYPE_AUTO } as c_int;
        input.i_qpplus1 = c_int::from(request.qp) + 1;
        input.i_pts = request.at.as_micros() as i64;
        input.img.i_csp = sys::X264_CSP_I420 as c_int;
        input.img.i_plane = 3;
        for index in 0..3 {
            input.img.plane[index] = picture.plane(index).as_ptr().cast_mut();
            input.img.i_stride[index] = picture.stride(index) as c_int;
        }
        input.prop.mb_info = self.info.as_mut_ptr();

        let mut nals = null_mut();
        let mut count = 0;
        let mut output = MaybeUninit::<sys::x264_picture_t>::uninit();
        // SAFETY: the handle is open. The planes have the size the encoder was
        // opened with, and x264 only reads them, before it returns. `info` has a
        // flag for each macroblock and lives as long as `self`; without lookahead
        // and frame threads x264 uses it only within this call.
        let bytes = unsafe {
            sys::x264_encoder_encode(
                self.handle.as_ptr(),
                &mut nals,
                &mut count,
                &mut input,
                output.as_mut_ptr(),
            )
        };
        if bytes <= 0 || count <= 0 || nals.is_null() {
            return Err(MediaError::Encode { codec: Codec::H264, code: bytes });
        }
        // SAFETY: x264 returned a frame, so it has filled `output`.
        let output = unsafe { output.assume_init() };
        #[cfg(test)]
        self.keep_recon(&output);
        // SAFETY: the payloads of all NAL units lie one after the other, `bytes`
        // in total, and stay until the next call, which needs `&mut self`.
        let data = unsafe { std::slice::from_raw_parts((*nals).p_payload, bytes as usize) };
        Ok(Packet { data, key: output.b_keyframe != 0 })
    }
}

impl Drop for X264 {
    fn drop(&mut self) {
        // SAFETY: the handle is open and never used again.
        unsafe { sys::x264_encoder_close(self.handle.as_ptr()) }
    }
}

fn configure(param: &mut sys::x264_param_t, settings: EncoderSettings) {
    let EncoderSettings { size, frame_rate, threads, .. } = settings;
    param.i_width = size.width() as c_int;
    param.i_height = size.height() as c_int;
    param.i_csp = sys::X264_CSP_I420 as c_int;
    param.i_log_level = sys::X264_LOG_NONE;
    param.i_level_idc = level(size, frame_rate);
    param.i_threads = threads.max(1) as c_int;
    param.b_sliced_threads = c_int::from(threads > 1);

    param.i_fps_num = frame_rate.max(1);
    param.i_fps_den = 1;
    param.i_timebase_num = 1;
    param.i_timebase_den = 1_000_000;
    // The size of each frame is decided outside, so x264 need not know the time.
    param.b_vfr_input = 0;

    param.i_keyint_max = sys::X264_KEYINT_MAX_INFINITE as c_int;
    param.i_scenecut_threshold = 0;
    param.b_repeat_headers = 1;
    param.b_annexb = 1;

    // BT.601 (smpte170m) in limited range; the primaries and the curve are sRGB's.
    param.vui.b_fullrange = 0;
    param.vui.i_colorprim = 1;
    param.vui.i_transfer = 13;
    param.vui.i_colmatrix = 6;

    param.analyse.b_mb_info = 1;
    param.analyse.i_me_method = sys::X264_ME_HEX as c_int;
    param.analyse.i_me_range = 16;
    param.analyse.b_psy = 0;

    // A constant quantiser; each picture brings its own. x264 holds those between
    // what it would give to frames of type I and B: 26 - 16 and 26 + 25.
    param.rc.i_rc_method = sys::X264_RC_CQP as c_int;
    param.rc.i_qp_constant = 26;
    param.rc.f_ip_factor = (16.0f32 / 6.0).exp2();
    param.rc.f_pb_factor = (25.0f32 / 6.0).exp2();
    #[cfg(test)]
    {
        param.b_full_recon = 1;
    }
}

/// The lowest level that holds this size at this rate.
fn level(size: Size, frame_rate: u32) -> c_int {
    let blocks = u64::from(size.width().div_ceil(16)) * u64::from(size.height().div_ceil(16));
    let a_second = blocks * u64::from(frame_rate.max(1));
    LEVELS
        .iter()
        .find(|(_, rate, frame)| a_second <= *rate && blocks <= *frame)
        .map_or(62, |(level, _, _)| *level)
}

#[cfg(test)]
impl X264 {
    /// Keeps the luma that a decoder would show, for tests.
    fn keep_recon(&mut self, output: &sys::x264_picture_t) {
        let (width, height) = (self.settings.size.width() as usize, self.settings.size.height() as usize);
        self.recon.clear();
        for row in 0..height {
            // SAFETY: the reconstructed luma plane has `height` rows of at least
            // `width` samples, `i_stride` apart, until the next call.
            let line = unsafe {
                std::slice::from_raw_parts(
                    output.img.plane[0].offset(row as isize * output.img.i_stride[0] as isize),
                    width,
                )
            };
            self.recon.extend_from_slice(line);
        }
    }
}
