//! The pipeline as a whole, with made-up pages: by hand with made-up time where
//! quality and rate count, with its threads where ends must meet.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::ptr::null;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use vpx_sys as sys;

use super::encoder::{EncodeRequest, Packet, VideoEncoder};
use super::pages::{Page, display_psnr, luma_psnr};
use super::picture::Picture;
use super::slot::{PictureSink, Slot};
use super::worker::{Start, driven::Driven};
use super::{MediaError, MediaSettings, Pipeline, RungTarget, codecs};
use crate::base::{
    Bitrate, Codec, EncodedFrame, EncodedSink, FrameMoment, FrameSink, InputStamp, PeerId, Rect, RoomId,
    Rung, Size, Tier,
};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Frames {
    all: Mutex<Vec<EncodedFrame>>,
    came: Condvar,
}

impl EncodedSink for Frames {
    fn deliver(&self, frame: EncodedFrame) {
        self.all.lock().unwrap().push(frame);
        self.came.notify_all();
    }
}

impl Frames {
    fn drain(&self) -> Vec<EncodedFrame> {
        std::mem::take(&mut self.all.lock().unwrap())
    }

    /// Waits until the frames so far are as wanted.
    fn until(&self, wanted: impl Fn(&[EncodedFrame]) -> bool) -> Vec<EncodedFrame> {
        let all = self.all.lock().unwrap();
        let (all, timeout) = self.came.wait_timeout_while(all, PATIENCE, |all| !wanted(all)).unwrap();
        assert!(!timeout.timed_out(), "the frames never came; {} did", all.len());
        all.clone()
    }
}

struct Decoder(Box<sys::vpx_codec_ctx_t>);

impl Decoder {
    fn new() -> Self {
        // SAFETY: a context may be zero; libvpx fills it, and it stays in its box.
        unsafe {
            let mut context: Box<sys::vpx_codec_ctx_t> = Box::new(std::mem::zeroed());
            let version = sys::VPX_DECODER_ABI_VERSION as c_int;
            let opened =
                sys::vpx_codec_dec_init_ver(&mut *context, sys::vpx_codec_vp8_dx(), null(), 0, version);
            assert!(opened == sys::VPX_CODEC_OK);
            Self(context)
        }
    }

    /// Decodes a frame: its luma and the stride of that.
    fn decode(&mut self, data: &[u8]) -> (Vec<u8>, usize) {
        // SAFETY: the context is open; the image's planes have `d_h` rows and stay until the next call.
        unsafe {
            let result = sys::vpx_codec_decode(
                &mut *self.0,
                data.as_ptr(),
                data.len() as u32,
                std::ptr::null_mut(),
                0,
            );
            assert!(result == sys::VPX_CODEC_OK, "the frame does not decode");
            let mut iterator = null();
            let image = sys::vpx_codec_get_frame(&mut *self.0, &mut iterator).as_ref().expect("a picture");
            let stride = image.stride[0] as usize;
            (std::slice::from_raw_parts(image.planes[0], stride * image.d_h as usize).to_vec(), stride)
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the context is open and never used again.
        unsafe { sys::vpx_codec_destroy(&mut *self.0) };
    }
}

fn full(codec: Codec) -> Rung {
    Rung { codec, tier: Tier::Full }
}

fn settings() -> MediaSettings {
    MediaSettings {
        room: RoomId::main(),
        frame_rate: 60,
        max_bitrate: Bitrate::kbps(4000),
        min_bitrate: Bitrate::kbps(150),
        threads: 1,
    }
}

fn moment(serial: u64, at: Instant, echoes: Vec<InputStamp>) -> FrameMoment {
    FrameMoment { serial, damaged_at: at, captured_at: at, echoes }
}

/// One rung without its thread, with a page in front of it.
struct Bench {
    now: Instant,
    serial: u64,
    page: Page,
    sink: PictureSink,
    worker: Driven,
    frames: Arc<Frames>,
    decoder: Decoder,
    codec: Codec,
    shown: (Vec<u8>, usize),
}

impl Bench {
    fn new(codec: Codec, kbps: u64) -> Self {
        let slot = Arc::new(Slot::default());
        let frames = Arc::new(Frames::default());
        slot.lock().add_lane(full(codec), 1, Bitrate::kbps(kbps));
        let mut sink = PictureSink::new(slot.clone());
        sink.resize(Size::DEFAULT);
        let worker = Driven::new(Start {
            id: 1,
            rung: full(codec),
            settings: Arc::new(settings()),
            slot,
            open: Arc::new(super::encoder::open),
            out: frames.clone(),
            taken: Arc::new(|| {}),
            stats: Arc::default(),
            serial: 1,
        });
        Self {
            now: Instant::now(),
            serial: 0,
            page: Page::tall(),
            sink,
            worker,
            frames,
            decoder: Decoder::new(),
            codec,
            shown: Default::default(),
        }
    }

    fn show(&mut self, top: u32, rect: Rect) {
        let (pixels, stride) = self.page.part(top, rect);
        self.sink.patch(rect, pixels, stride);
        self.serial += 1;
        self.sink.commit(moment(self.serial, self.now, Vec::new()));
    }

    /// Lets made-up time pass; gives the frames of that time.
    fn pass(&mut self, time: Duration) -> Vec<EncodedFrame> {
        let frames = self.encode(time);
        self.decode(&frames);
        frames
    }

    fn decode(&mut self, frames: &[EncodedFrame]) {
        if self.codec == Codec::Vp8 {
            for frame in frames {
                self.shown = self.decoder.decode(&frame.data);
            }
        }
    }

    fn encode(&mut self, time: Duration) -> Vec<EncodedFrame> {
        let end = self.now + time;
        while let Some(next) = self.worker.run(self.now).filter(|next| *next <= end) {
            self.now = next;
        }
        self.now = end;
        self.frames.drain()
    }

    /// As `psnr`, against the pixels of the display.
    fn display_psnr(&self, top: u32) -> f64 {
        let (pixels, stride) = self.page.part(top, Size::DEFAULT.rect());
        #[cfg(feature = "x264")]
        if self.codec == Codec::H264 {
            return display_psnr(pixels, stride, Size::DEFAULT, self.worker.recon(), 1280);
        }
        display_psnr(pixels, stride, Size::DEFAULT, &self.shown.0, self.shown.1)
    }

    /// The picture as it came from the conversion, against the pixels of the display.
    fn conversion_psnr(&self, top: u32) -> f64 {
        let (pixels, stride) = self.page.part(top, Size::DEFAULT.rect());
        let picture = self.worker.picture();
        display_psnr(pixels, stride, Size::DEFAULT, picture.plane(0), picture.stride(0))
    }

    fn psnr(&self) -> f64 {
        #[cfg(feature = "x264")]
        if self.codec == Codec::H264 {
            return luma_psnr(self.worker.picture(), self.worker.recon(), 1280);
        }
        luma_psnr(self.worker.picture(), &self.shown.0, self.shown.1)
    }
}

fn bytes(frames: &[EncodedFrame]) -> usize {
    frames.iter().map(|frame| frame.data.len()).sum()
}

#[test]
fn still_text_is_sharp_within_a_second_and_then_nothing_is_sent() {
    for codec in codecs() {
        for page in [Page::tall(), Page::article()] {
            let mut bench = Bench::new(*codec, 4000);
            bench.page = page;
            bench.show(0, Size::DEFAULT.rect());
            let first = bench.pass(Duration::from_millis(1));
            assert!(first.len() == 1 && first[0].key);
            let blurred = bench.psnr();
            let rest = bench.pass(Duration::from_millis(999));
            let (sharp, display) = (bench.psnr(), bench.display_psnr(0));
            let sizes: Vec<_> = rest.iter().map(|frame| frame.data.len()).collect();
            println!(
                "{codec:?}: key {} B {blurred:.1} dB, then {sizes:?} B to {sharp:.1} dB, against the display {display:.1} dB of {:.1}",
                bytes(&first),
                bench.conversion_psnr(0)
            );
            assert!(display >= 50.0, "{codec:?}: {display:.1} dB");
            bench.pass(Duration::from_secs(4));
            assert!(bench.display_psnr(0) >= 50.0);
            assert_eq!(bench.pass(Duration::from_secs(60)).len(), 0, "{codec:?}");
        }
    }
}

/// The CPU time of this thread, in milliseconds.
fn cpu_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec, which the call fills.
    assert!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } == 0);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

/// Scrolls for three seconds at 60 pictures a second, then rests for one.
fn scroll(codec: Codec, name: &str, page: Page, step: u32) {
    let mut bench = Bench::new(codec, 4000);
    bench.page = page;
    bench.show(0, Size::DEFAULT.rect());
    bench.pass(Duration::from_secs(3));
    let last = bench.page.height - Size::DEFAULT.height();
    let (mut sizes, mut top, mut down, mut cpu) = (Vec::new(), 0, true, 0.0);
    for _ in 0..180 {
        if (down && top + step > last) || (!down && top < step) {
            down = !down;
        }
        top = if down { top + step } else { top - step };
        bench.show(top, Size::DEFAULT.rect());
        let began = cpu_ms();
        let frames = bench.encode(Duration::from_micros(16_667));
        cpu += cpu_ms() - began;
        bench.decode(&frames);
        sizes.extend(frames.iter().map(|frame| frame.data.len()));
    }
    let (count, kbps) = (sizes.len(), sizes.iter().sum::<usize>() * 8 / 3000);
    let (moving, largest) = (bench.psnr(), sizes.iter().max().copied().unwrap_or_default());
    bench.pass(Duration::from_secs(1));
    let still = bench.psnr();
    println!(
        "{codec:?}: {name} by {step}: {count} frames, {kbps} kb/s, largest {largest} B, {moving:.1} dB, then {still:.1} dB, {:.2} ms of CPU each",
        cpu / 180.0
    );
    assert!(count >= 175, "{codec:?} {name}: {count} frames");
    assert!(kbps <= 3760, "{codec:?} {name}: {kbps} kb/s");
    assert!(moving >= 31.0, "{codec:?} {name}: {moving:.1} dB");
    // VP8's steps are coarser at the fine end; a page that is still for longer passes 50 dB.
    assert!(still >= if codec == Codec::H264 { 50.0 } else { 49.0 }, "{codec:?} {name}: {still:.1} dB");
}

#[test]
fn scrolling_text_holds_the_rate_and_becomes_sharp_at_its_end() {
    for codec in codecs() {
        scroll(*codec, "article", Page::article(), 3);
        scroll(*codec, "article", Page::article(), 24);
        scroll(*codec, "dense text", Page::tall(), 3);
        scroll(*codec, "dense text", Page::tall(), 24);
    }
}

#[test]
fn another_page_right_after_the_sharpening_goes_out_at_once_and_is_not_huge() {
    for codec in codecs() {
        for (name, page) in [("dense text", Page::tall()), ("article", Page::article())] {
            let mut bench = Bench::new(*codec, 4000);
            bench.page = page;
            bench.show(0, Size::DEFAULT.rect());
            // The sharpening has just ended: the frame after its last one is the other page.
            let mut quiet = Duration::ZERO;
            while quiet < Duration::from_millis(300) {
                let frames = bench.pass(Duration::from_millis(50));
                quiet = if frames.is_empty() { quiet + Duration::from_millis(50) } else { Duration::ZERO };
            }
            bench.show(1403, Size::DEFAULT.rect());
            let other = bench.pass(Duration::ZERO);
            let size = bytes(&other);
            println!("{codec:?}: another page of {name}: {size} B, {:.1} dB", bench.psnr());
            assert_eq!(other.len(), 1, "{codec:?}: the other page waited");
            assert_eq!(other[0].moment.serial, bench.serial);
            assert!(size <= 150_000, "{codec:?}: {size} B");
            // In the midst of the sharpening, too, at every moment of it.
            for wait in [130u64, 250, 400, 700] {
                bench.pass(Duration::from_secs(4));
                bench.show(0, Size::DEFAULT.rect());
                let first = bench.pass(Duration::from_millis(wait));
                assert!(!first.is_empty());
                bench.show(1403, Size::DEFAULT.rect());
                let other = bench.pass(Duration::ZERO);
                println!("{codec:?}: {wait} ms after: {} B, {:.1} dB", bytes(&other), bench.psnr());
                assert_eq!(other.len(), 1, "{codec:?}: the other page waited, {wait} ms after the first");
            }
            // All pixels in one colour.
            bench.page.blacken();
            bench.show(0, Size::DEFAULT.rect());
            bench.pass(Duration::from_millis(100));
            bench.show(0, Rect { x: 400, y: 300, width: 200, height: 40 });
            assert_eq!(bench.pass(Duration::ZERO).len(), 1, "{codec:?}: a button waited for the line");
            bench.show(0, Size::DEFAULT.rect());
            let flip = bench.pass(Duration::from_millis(150));
            assert!(!flip.is_empty() && bytes(&flip) <= 20_000, "{codec:?}: {} B", bytes(&flip));
        }
    }
}

#[test]
fn typing_is_cheap_and_leaves_the_rest_of_the_page_sharp() {
    for codec in codecs() {
        let mut bench = Bench::new(*codec, 4000);
        bench.show(0, Size::DEFAULT.rect());
        bench.pass(Duration::from_secs(6));
        let before = bench.psnr();
        let (mut sent, mut cpu) = (0, 0.0);
        for letter in 0..40u32 {
            let rect = Rect { x: 80 + letter * 10, y: 300, width: 10, height: 20 };
            bench.page.glyph(rect.x, rect.y, letter % 50, 1);
            bench.show(0, rect);
            let began = cpu_ms();
            let frames = bench.encode(Duration::from_millis(100));
            cpu += cpu_ms() - began;
            bench.decode(&frames);
            sent += bytes(&frames);
            assert!(bench.psnr() > before - 4.0, "{codec:?}: {:.1} dB of {before:.1}", bench.psnr());
        }
        println!("{codec:?}: typing {} B a letter, {:.2} ms of CPU each", sent / 40, cpu / 40.0);
        assert!(sent / 40 < 4000, "{codec:?}: {} B a letter", sent / 40);
    }
}

#[test]
fn a_slow_line_is_painted_over_in_small_steps() {
    let codec = codecs()[0];
    let mut bench = Bench::new(codec, 400);
    bench.show(0, Size::DEFAULT.rect());
    let first = bytes(&bench.pass(Duration::from_millis(1)));
    let mut largest = 0;
    for _ in 0..300 {
        let frames = bench.pass(Duration::from_millis(100));
        largest = frames.iter().map(|frame| frame.data.len()).fold(largest, usize::max);
    }
    println!("{codec:?} at 400 kb/s: first {first} B, then at most {largest} B, {:.1} dB", bench.psnr());
    if codec == Codec::H264 {
        // A dense page at its coarsest; from then on what the line carries in about half a second.
        assert!(first <= 45_000, "{first} B");
        assert!(largest <= 30_000, "{largest} B");
        assert!(bench.psnr() >= 50.0, "{:.1} dB", bench.psnr());
    }
}

/// A pipeline with its threads, and what comes out of it.
fn live() -> (Pipeline, PictureSink, Arc<Frames>, Arc<AtomicUsize>) {
    let (frames, taken) = (Arc::new(Frames::default()), Arc::new(AtomicUsize::new(0)));
    let count = taken.clone();
    let pipeline = Pipeline::new(
        settings(),
        frames.clone(),
        Arc::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        }),
    );
    let sink = pipeline.sink();
    (pipeline, sink, frames, taken)
}

fn wanted(rungs: &[Rung]) -> BTreeMap<Rung, RungTarget> {
    rungs.iter().map(|rung| (*rung, RungTarget { bitrate: Bitrate::kbps(2000) })).collect()
}

fn put(sink: &mut PictureSink, size: Size, level: u8, serial: u64, echoes: Vec<InputStamp>) {
    let pixels = vec![level; size.area() as usize * 4];
    sink.patch(size.rect(), &pixels, size.width() as usize * 4);
    sink.commit(moment(serial, Instant::now(), echoes));
}

#[test]
fn without_a_rung_nothing_is_encoded_and_with_one_the_latest_picture_is() {
    let (pipeline, mut sink, frames, taken) = live();
    let size = Size::new(320, 240).unwrap();
    sink.resize(size);
    put(&mut sink, size, 10, 1, Vec::new());
    put(&mut sink, size, 20, 2, Vec::new());
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    assert!(frames.drain().is_empty());
    pipeline.set_rungs(&wanted(&codecs().iter().map(|codec| full(*codec)).collect::<Vec<_>>()));
    let got =
        frames.until(|all| codecs().iter().all(|codec| all.iter().any(|frame| frame.rung.codec == *codec)));
    for frame in got.iter().filter(|frame| frame.serial == 1) {
        assert!(frame.key && frame.moment.serial == 2 && frame.size == size);
    }
    assert_eq!(taken.load(Ordering::SeqCst), 1);
}

#[test]
fn a_resize_begins_with_a_key_frame_of_the_new_size_and_serials_have_no_gap() {
    for codec in codecs() {
        let (pipeline, mut sink, frames, _) = live();
        let sizes =
            [Size::new(320, 240).unwrap(), Size::new(642, 482).unwrap(), Size::new(320, 240).unwrap()];
        pipeline.set_rungs(&wanted(&[full(*codec)]));
        for (index, size) in sizes.into_iter().enumerate() {
            sink.resize(size);
            let serial = index as u64 + 1;
            put(&mut sink, size, 40 * serial as u8, serial, Vec::new());
            frames.until(|all| all.iter().any(|frame| frame.moment.serial == serial));
        }
        // A rung that stops and starts goes on counting, with a key frame.
        pipeline.set_rungs(&BTreeMap::new());
        let before = frames.until(|_| true).len();
        pipeline.set_rungs(&wanted(&[full(*codec)]));
        let got = frames.until(|all| all.len() > before);
        assert!(got[before].key);
        for (index, frame) in got.iter().enumerate() {
            assert_eq!(frame.serial, index as u64 + 1);
        }
        for pair in got.windows(2) {
            assert!(pair[0].size == pair[1].size || pair[1].key);
        }
        if *codec == Codec::H264 {
            assert!(got[0].data.starts_with(&[0, 0, 0, 1]), "no Annex B");
            let sps = got[0].data.windows(4).position(|bytes| bytes == [0, 0, 1, 0x67]).expect("an SPS");
            assert_eq!(got[0].data[sps + 4..sps + 6], [0x42, 0xC0], "not constrained baseline");
        }
    }
}

#[test]
fn a_key_frame_comes_on_request_and_a_second_one_only_later() {
    let (pipeline, mut sink, frames, _) = live();
    let size = Size::new(320, 240).unwrap();
    let rung = full(codecs()[0]);
    sink.resize(size);
    put(&mut sink, size, 90, 1, Vec::new());
    pipeline.set_rungs(&wanted(&[rung]));
    frames.until(|all| !all.is_empty());
    for _ in 0..50 {
        pipeline.request_key_frame(rung);
    }
    let got = frames.until(|all| all.iter().filter(|frame| frame.key).count() == 2);
    // How long the second one waits is proved with made-up time in `clock`.
    assert!(got[0].key && got.len() >= 2);
    assert_eq!(pipeline.stats()[&rung].key_frames, 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_echo_is_lost_or_sent_twice_however_pictures_are_skipped(
        commits in prop::collection::vec((0..4u32, 0..40u64), 5..30)
    ) {
        let mut bench = Bench::new(codecs()[0], 4000);
        let size = Size::new(200, 200).unwrap();
        bench.sink.resize(size);
        let (mut stamp, mut sent, mut got) = (0, Vec::new(), Vec::new());
        for (echoes, wait) in commits {
            let echoes: Vec<_> = (0..echoes)
                .map(|_| {
                    stamp += 1;
                    InputStamp { peer: PeerId(1), stamp }
                })
                .collect();
            sent.extend(echoes.clone());
            bench.serial += 1;
            let pixels = vec![stamp as u8; 200 * 200 * 4];
            bench.sink.patch(size.rect(), &pixels, 800);
            bench.sink.commit(moment(bench.serial, bench.now, echoes));
            if wait > 10 {
                got.extend(bench.pass(Duration::from_millis(wait)));
            }
        }
        got.extend(bench.pass(Duration::from_secs(1)));
        let echoed: Vec<_> = got.iter().flat_map(|frame| frame.moment.echoes.clone()).collect();
        prop_assert_eq!(echoed, sent);
        for (index, frame) in got.iter().enumerate() {
            prop_assert_eq!(frame.serial, index as u64 + 1);
        }
    }
}

/// An encoder that fails or panics now and then.
struct Frail {
    encoder: Box<dyn VideoEncoder>,
    left: Arc<AtomicUsize>,
    panics: bool,
}

impl VideoEncoder for Frail {
    fn size(&self) -> Size {
        self.encoder.size()
    }

    fn encode(&mut self, picture: &Picture, request: &EncodeRequest<'_>) -> Result<Packet<'_>, MediaError> {
        let fails = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match fails {
            Ok(_) if self.panics => panic!("the test says so"),
            Ok(_) => Err(MediaError::Encode { codec: Codec::Vp8, code: -1 }),
            Err(_) => self.encoder.encode(picture, request),
        }
    }
}

#[test]
fn an_encoder_that_fails_or_panics_comes_back_by_itself_with_a_key_frame_and_the_echoes() {
    for panics in [false, true] {
        let (frames, left) = (Arc::new(Frames::default()), Arc::new(AtomicUsize::new(0)));
        let trouble = left.clone();
        let pipeline = Pipeline::with_opener(
            settings(),
            frames.clone(),
            Arc::new(|| {}),
            Arc::new(move |codec, settings| {
                let encoder = super::encoder::open(codec, settings)?;
                Ok(Box::new(Frail { encoder, left: trouble.clone(), panics }))
            }),
        );
        let (size, rung) = (Size::new(320, 240).unwrap(), full(codecs()[0]));
        let mut sink = pipeline.sink();
        sink.resize(size);
        pipeline.set_rungs(&wanted(&[rung]));
        put(&mut sink, size, 40, 1, Vec::new());
        frames.until(|all| all.iter().any(|frame| frame.moment.serial == 1));
        left.store(2, Ordering::SeqCst);
        let stamp = InputStamp { peer: PeerId(1), stamp: 7 };
        put(&mut sink, size, 90, 2, vec![stamp]);
        // Nothing else is asked of the pipeline, and no other picture comes.
        let got = frames.until(|all| all.iter().any(|frame| frame.moment.serial == 2));
        let back = got.iter().find(|frame| frame.moment.serial == 2).expect("it came");
        assert!(back.key, "panics: {panics}");
        assert_eq!(back.moment.echoes, [stamp]);
        assert_eq!(pipeline.stats()[&rung].failures, 2);
        for (index, frame) in got.iter().enumerate() {
            assert_eq!(frame.serial, index as u64 + 1);
        }
        // And it ends in good order.
        pipeline.set_rungs(&BTreeMap::new());
    }
}
