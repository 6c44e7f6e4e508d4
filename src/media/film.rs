//! A film of still pictures: JPEGs come at any time, a VP8 WebM comes out.
//! Owns its thread, which decodes, fits, encodes and writes; its queue is one
//! picture, the newest. Where the pictures come from it does not know.
//!
//! The frame rate is what changes: a picture like the one before it costs
//! nothing, and the last one lasts until the end.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use image::RgbImage;
use image::imageops::FilterType;

use super::MediaError;
use super::encoder::{self, EncodeRequest, EncoderSettings, VideoEncoder};
use super::picture::{BLOCK, ChangeMap, Picture};
use super::webm::Webm;
use crate::base::{Bitrate, Codec, Rect, Size};

/// Whoever seeks finds a key frame this close, if the picture changed at all.
const KEY_EVERY: Duration = Duration::from_secs(5);
/// Quantisers in H.264's scale: text stays sharp with the finest.
const FINEST: u8 = 22;
const COARSEST: u8 = 46;
/// Frames may take so much more than their share of the time: pages mostly stand still.
const BUSY: f64 = 4.0;
const LEAST_RATE: f64 = 300e3;
const MOST_RATE: f64 = 6e6;
/// The share of a second of the rate that may be ahead before frames get coarser.
const AHEAD: f64 = 1.0;
/// No picture from outside has longer sides.
const LONGEST_SIDE: u32 = 4096;
const MOST_CHAPTERS: usize = 500;

/// What a film is to be, and when it ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct FilmSettings {
    pub size: Size,
    /// The most frames a second.
    pub frame_rate: u32,
    pub most_bytes: usize,
    pub longest: Duration,
}

/// A film that is being made. Dropping it throws it away.
pub struct Filming {
    shared: Arc<Shared>,
    /// Taken by whoever finishes it.
    thread: Mutex<Option<JoinHandle<Result<Film, MediaError>>>>,
}

/// A film that is done.
#[derive(Clone, Debug)]
pub struct Film {
    /// WebM.
    pub bytes: Vec<u8>,
    pub length: Duration,
    pub frames: u64,
    /// It ended before it was ended.
    pub limit: Option<FilmLimit>,
}

/// What ended a film by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilmLimit {
    Bytes,
    Length,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The one that waits; a newer one takes its place.
    picture: Option<(Vec<u8>, Instant)>,
    chapters: Vec<(Instant, String)>,
    end: Option<Instant>,
    /// Nobody wants it any more.
    dropped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filming {
    pub fn start(settings: FilmSettings) -> Result<Self, MediaError> {
        let open = EncoderSettings { size: settings.size, frame_rate: settings.frame_rate, threads: 1 };
        let maker = Maker::new(settings, encoder::open(Codec::Vp8, open)?);
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("film".into()).spawn(move || maker.run(&own));
        let thread = thread.map_err(|source| MediaError::Thread { source })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// A JPEG that is seen from `at` on.
    pub fn show(&self, jpeg: Vec<u8>, at: Instant) {
        let mut state = self.shared.lock();
        if state.end.is_none() {
            state.picture = Some((jpeg, at));
            self.shared.changed.notify_one();
        }
    }

    /// A chapter begins; false when there are too many, or the film has ended.
    pub fn chapter(&self, title: &str, at: Instant) -> bool {
        let mut state = self.shared.lock();
        let fits = state.chapters.len() < MOST_CHAPTERS && state.end.is_none();
        if fits {
            state.chapters.push((at, title.to_owned()));
        }
        fits
    }

    /// Nothing comes after this moment; the first one that is said holds.
    pub fn end(&self, at: Instant) {
        self.shared.lock().end.get_or_insert(at);
        self.shared.changed.notify_one();
    }

    /// The film. Waits for its thread, which may have a picture to finish.
    /// There is one: whoever asks a second time gets none.
    pub fn finish(&self) -> Result<Film, MediaError> {
        self.end(Instant::now());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lost = |_| MediaError::Panicked { codec: Codec::Vp8, what: "the film is lost".into() };
        thread.ok_or(MediaError::NoPicture)?.join().map_err(lost)?
    }
}

impl Drop for Filming {
    fn drop(&mut self) {
        self.shared.lock().dropped = true;
        self.shared.changed.notify_one();
    }
}

enum Step {
    Show(Vec<u8>, Instant),
    End(Instant),
    Dropped,
}

struct Maker {
    settings: FilmSettings,
    encoder: Box<dyn VideoEncoder>,
    webm: Webm,
    picture: Picture,
    /// The picture as BGRX, to see what changes.
    canvas: Vec<u8>,
    changes: ChangeMap,
    /// When the first picture came.
    start: Option<Instant>,
    last: Duration,
    last_key: Duration,
    /// Bytes beyond the rate's share.
    ahead: f64,
    frames: u64,
    limit: Option<FilmLimit>,
}

impl Maker {
    fn new(settings: FilmSettings, encoder: Box<dyn VideoEncoder>) -> Self {
        let size = settings.size;
        Self {
            encoder,
            webm: Webm::new(size),
            picture: Picture::new(size),
            canvas: vec![0; size.area() as usize * 4],
            changes: ChangeMap::full(size),
            start: None,
            last: Duration::ZERO,
            last_key: Duration::ZERO,
            ahead: 0.0,
            frames: 0,
            limit: None,
            settings,
        }
    }

    fn run(mut self, shared: &Shared) -> Result<Film, MediaError> {
        let end = loop {
            match self.wait(shared) {
                Step::Show(jpeg, at) => match self.show(&jpeg, at) {
                    // One picture that cannot be read is no reason to lose the others.
                    Err(MediaError::Jpeg { source }) => {
                        tracing::debug!(error = %source, "a picture of a film was skipped");
                    }
                    other => other?,
                },
                Step::End(at) => break at,
                Step::Dropped => return Err(MediaError::NoPicture),
            }
            if self.limit.is_some() {
                break self.start.map_or_else(Instant::now, |start| start + self.last);
            }
        };
        let chapters = {
            let mut state = shared.lock();
            state.end.get_or_insert(end);
            state.picture = None;
            std::mem::take(&mut state.chapters)
        };
        self.finish(end, &chapters)
    }

    /// Waits for a picture and for its turn, or for the end.
    fn wait(&mut self, shared: &Shared) -> Step {
        let gap = Duration::from_secs(1) / self.settings.frame_rate.max(1);
        let turn = self.start.map(|start| start + self.last + gap).filter(|_| self.frames > 0);
        let over = self.start.map(|start| start + self.settings.longest);
        let mut state = shared.lock();
        loop {
            let now = Instant::now();
            if state.dropped {
                return Step::Dropped;
            }
            if let Some(over) = over.filter(|over| *over <= now) {
                self.limit = Some(FilmLimit::Length);
                return Step::End(over);
            }
            let until = match (&state.picture, state.end, turn) {
                (Some(_), None, Some(turn)) if turn > now => Some(turn),
                (Some(_), ..) => {
                    if let Some((jpeg, at)) = state.picture.take() {
                        return Step::Show(jpeg, at);
                    }
                    None
                }
                (None, Some(end), _) => return Step::End(end),
                (None, None, _) => over,
            };
            state = match until {
                Some(until) => {
                    let wait = until.saturating_duration_since(now);
                    let waited = shared.changed.wait_timeout(state, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn show(&mut self, jpeg: &[u8], at: Instant) -> Result<(), MediaError> {
        let fitted = fit(decode(jpeg)?, self.settings.size);
        self.compare(&fitted);
        if self.frames > 0 && self.changes.count() == 0 {
            return Ok(());
        }
        let size = self.settings.size;
        self.picture.patch(size.rect(), &self.canvas, size.width() as usize * 4)?;
        let start = *self.start.get_or_insert(at);
        self.encode(at.saturating_duration_since(start))
    }

    /// Takes a picture over and marks where it differs from the one before.
    fn compare(&mut self, picture: &RgbImage) {
        let size = self.settings.size;
        let row = size.width() as usize * 4;
        self.changes.clear();
        if self.frames == 0 {
            self.changes.mark_all();
        }
        for y in 0..size.height() {
            let source = &picture.as_raw()[y as usize * row / 4 * 3..][..row / 4 * 3];
            let target = &mut self.canvas[y as usize * row..][..row];
            let blocks = source.chunks(BLOCK as usize * 3).zip(target.chunks_mut(BLOCK as usize * 4));
            for (index, (from, to)) in blocks.enumerate() {
                let mut differs = false;
                for (from, to) in from.chunks_exact(3).zip(to.chunks_exact_mut(4)) {
                    differs |= to[0] != from[2] || to[1] != from[1] || to[2] != from[0];
                    (to[0], to[1], to[2]) = (from[2], from[1], from[0]);
                }
                if differs {
                    self.changes.mark(Rect { x: index as u32 * BLOCK, y, width: 1, height: 1 });
                }
            }
        }
    }

    fn encode(&mut self, at: Duration) -> Result<(), MediaError> {
        // Times are whole milliseconds that grow.
        let least = self.last + Duration::from_millis(1);
        let at = if self.frames == 0 { Duration::ZERO } else { at.max(least) };
        let key = self.frames == 0 || at.saturating_sub(self.last_key) >= KEY_EVERY;
        let rate = self.rate(at);
        self.ahead = (self.ahead - rate / 8.0 * at.saturating_sub(self.last).as_secs_f64()).max(0.0);
        let strain = (self.ahead / (rate / 8.0 * AHEAD)).clamp(0.0, 1.0);
        let qp = FINEST + (strain * f64::from(COARSEST - FINEST)) as u8;
        let request =
            EncodeRequest { key, qp, target: Bitrate::bps(rate as u64), changes: &self.changes, at };
        let packet = self.encoder.encode(&self.picture, &request)?;
        self.ahead += packet.data.len() as f64;
        self.webm.frame(at.as_millis() as u64, packet.key, packet.data);
        if packet.key {
            self.last_key = at;
        }
        self.last = at;
        self.frames += 1;
        if self.webm.len() >= self.settings.most_bytes {
            self.limit = Some(FilmLimit::Bytes);
        }
        Ok(())
    }

    /// Bits a second that frames may take now, so that the bytes last for the
    /// whole time if the page moves a part of it.
    fn rate(&self, at: Duration) -> f64 {
        let left = self.settings.most_bytes.saturating_sub(self.webm.len()) as f64 * 8.0;
        let time = self.settings.longest.saturating_sub(at).as_secs_f64().max(1.0);
        (BUSY * left / time).clamp(LEAST_RATE, MOST_RATE)
    }

    fn finish(mut self, end: Instant, chapters: &[(Instant, String)]) -> Result<Film, MediaError> {
        let start = self.start.ok_or(MediaError::NoPicture)?;
        let since = |moment: Instant| moment.saturating_duration_since(start);
        // The last picture once more, so that players that go by frames show it to the end.
        let again = since(end).saturating_sub(Duration::from_millis(40));
        if self.limit.is_none() && again > self.last + Duration::from_millis(40) {
            self.changes.clear();
            self.encode(again)?;
        }
        let length = since(end).max(self.last + Duration::from_millis(40));
        for (at, title) in chapters {
            self.webm.chapter(since(*at).min(length).as_millis() as u64, title);
        }
        let bytes = self.webm.finish(length.as_millis() as u64);
        Ok(Film { bytes, length, frames: self.frames, limit: self.limit })
    }
}

fn decode(jpeg: &[u8]) -> Result<RgbImage, MediaError> {
    let mut reader = image::ImageReader::with_format(std::io::Cursor::new(jpeg), image::ImageFormat::Jpeg);
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    reader.limits(limits);
    Ok(reader.decode().map_err(|source| MediaError::Jpeg { source })?.into_rgb8())
}

/// The picture as large as fits into the size, in its middle, black around it.
fn fit(picture: RgbImage, size: Size) -> RgbImage {
    let (width, height) = (size.width(), size.height());
    if picture.dimensions() == (width, height) {
        return picture;
    }
    let (w, h) = (f64::from(picture.width().max(1)), f64::from(picture.height().max(1)));
    let scale = (f64::from(width) / w).min(f64::from(height) / h);
    let side = |side: f64, most: u32| ((side * scale).round() as u32).clamp(1, most);
    let (w, h) = (side(w, width), side(h, height));
    // A difference of a rounding is not worth a blur.
    let near = picture.width().abs_diff(w) <= 2 && picture.height().abs_diff(h) <= 2;
    let scaled = if near { picture } else { image::imageops::resize(&picture, w, h, FilterType::Triangle) };
    let mut whole = RgbImage::new(width, height);
    let left = i64::from(width) - i64::from(scaled.width());
    let top = i64::from(height) - i64::from(scaled.height());
    image::imageops::replace(&mut whole, &scaled, left.div_euclid(2), top.div_euclid(2));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> FilmSettings {
        FilmSettings {
            size: Size::new(320, 240).expect("size"),
            frame_rate: 25,
            most_bytes: 4 << 20,
            longest: Duration::from_secs(600),
        }
    }

    fn jpeg(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = RgbImage::from_pixel(width, height, image::Rgb(colour));
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90);
        picture.write_with_encoder(encoder).expect("encoded");
        bytes
    }

    fn maker(settings: FilmSettings) -> Maker {
        let open = EncoderSettings { size: settings.size, frame_rate: 25, threads: 1 };
        Maker::new(settings, encoder::open(Codec::Vp8, open).expect("opens"))
    }

    #[test]
    fn a_picture_like_the_one_before_costs_nothing_and_lasts_until_the_end() {
        let mut maker = maker(settings());
        let start = Instant::now();
        let red = jpeg(320, 240, [200, 0, 0]);
        for ms in [0, 40, 900, 3000] {
            maker.show(&red, start + Duration::from_millis(ms)).expect("shown");
        }
        assert_eq!(maker.frames, 1);
        maker.show(&jpeg(320, 240, [0, 0, 200]), start + Duration::from_secs(4)).expect("shown");
        let film = maker.finish(start + Duration::from_secs(10), &[]).expect("a film");
        assert_eq!((film.frames, film.length, film.limit), (3, Duration::from_secs(10), None));
    }

    #[test]
    fn a_picture_of_another_shape_lies_in_the_middle_of_black() {
        let whole = fit(RgbImage::from_pixel(100, 100, image::Rgb([9, 8, 7])), settings().size);
        assert_eq!(whole.dimensions(), (320, 240));
        assert_eq!((whole.get_pixel(10, 120).0, whole.get_pixel(160, 2).0), ([0; 3], [9, 8, 7]));
        let wide = fit(RgbImage::from_pixel(321, 50, image::Rgb([9, 8, 7])), settings().size);
        assert_eq!((wide.get_pixel(160, 10).0, wide.get_pixel(160, 120).0), ([0; 3], [9, 8, 7]));
    }

    #[test]
    fn what_is_no_jpeg_is_skipped_and_no_picture_is_no_film() {
        let filming = Filming::start(settings()).expect("starts");
        filming.show(b"no picture".to_vec(), Instant::now());
        assert!(matches!(filming.finish(), Err(MediaError::NoPicture)));
    }

    #[test]
    fn a_film_that_grows_too_large_or_too_long_ends_by_itself_and_is_kept() {
        let small = FilmSettings { most_bytes: 64, ..settings() };
        let filming = Filming::start(small).expect("starts");
        filming.show(jpeg(320, 240, [0, 90, 0]), Instant::now());
        let film = filming.finish().expect("a film");
        assert_eq!(film.limit, Some(FilmLimit::Bytes));
        let short = FilmSettings { longest: Duration::from_millis(30), ..settings() };
        let mut maker = maker(short);
        let before = Instant::now().checked_sub(Duration::from_secs(1)).expect("a clock that ran a second");
        maker.show(&jpeg(320, 240, [0, 90, 0]), before).expect("shown");
        let film = maker.run(&Shared::default()).expect("a film");
        assert_eq!((film.limit, film.frames), (Some(FilmLimit::Length), 1));
        assert!(film.length <= Duration::from_millis(41), "{film:?}");
    }

    #[test]
    fn a_film_that_nobody_wants_any_more_leaves_no_thread() {
        let filming = Filming::start(settings()).expect("starts");
        filming.show(jpeg(320, 240, [0, 90, 0]), Instant::now());
        let thread = filming.thread.lock().expect("lock").take().expect("a thread");
        drop(filming);
        assert!(matches!(thread.join().expect("it ends"), Err(MediaError::NoPicture)));
    }

    #[test]
    fn the_newest_picture_takes_the_place_of_one_that_waits() {
        let filming = Filming::start(FilmSettings { frame_rate: 1, ..settings() }).expect("starts");
        // Made before, which takes its time on a busy machine: they come within one frame's time.
        let pictures: Vec<_> = (0..20u8).map(|red| jpeg(320, 240, [red * 10, 0, 0])).collect();
        let start = Instant::now();
        for (picture, ms) in pictures.into_iter().zip(0..) {
            filming.show(picture, start + Duration::from_millis(ms));
        }
        let film = filming.finish().expect("a film");
        assert!(film.frames <= 3, "{}", film.frames);
    }
}
