//! A video of an agent's tab: what the browser shows of it goes into a film.
//! Owns the recording of one session, and how many there may be at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::answer::Fault;
use crate::base::{Privacy, Size};
use crate::browser::{Cast, Screencast, Tab};
use crate::media::{Film, FilmSettings, Filming};

/// A recording ends by itself with so many bytes, or after this time.
pub(super) const MOST_BYTES: usize = 64 << 20;
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 60);
/// The sides that a video may have.
pub(super) const SMALLEST_SIDE: u32 = 200;
pub(super) const LARGEST_SIDE: u32 = 1920;
/// The longest side of a video that nobody asked a size for.
const USUAL_SIDE: f64 = 1280.0;

/// Recordings take memory and a processor's time, so there are a few at once only.
const MOST_AT_ONCE: usize = 4;
static PLACES: Semaphore = Semaphore::const_new(MOST_AT_ONCE);

/// A recording that runs, or ran until its tab was closed or it grew too large.
pub(super) struct Video {
    pub name: String,
    pub tab: String,
    pub size: Size,
    /// It draws a pointer, which ends with it.
    pub cursor: bool,
    screencast: Screencast,
    film: Arc<Filming>,
    _place: SemaphorePermit<'static>,
}

impl Video {
    pub async fn start(
        tab: &Tab,
        privacy: Privacy,
        name: String,
        size: Option<Size>,
        frame_rate: u32,
    ) -> Result<Self, Fault> {
        let place = PLACES.try_acquire().map_err(|_| {
            let text = format!("{MOST_AT_ONCE} recordings run already; stop one with browser_stop_video");
            Fault::new("refused", text)
        })?;
        let view = tab.view_size().await?;
        let size = size.unwrap_or_else(|| usual(view));
        let settings = FilmSettings { size, frame_rate, most_bytes: MOST_BYTES, longest: LONGEST };
        let film =
            Arc::new(Filming::start(settings).map_err(|error| Fault::new("no_video", error.to_string()))?);
        let sink = Arc::clone(&film);
        let most = (size.width(), size.height());
        let screencast = Screencast::start(tab, most, move |cast| match cast {
            // Of a private moment the film has no frame.
            Cast::Picture(_) if privacy.is_on() => {}
            Cast::Picture(jpeg) => sink.show(jpeg, Instant::now()),
            Cast::Gone => sink.end(Instant::now()),
        });
        let screencast = screencast.await?;
        Ok(Self { name, tab: tab.target().to_owned(), size, cursor: false, screencast, film, _place: place })
    }

    /// A chapter begins now; false when the film has ended or has too many.
    pub fn chapter(&self, title: &str) -> bool {
        self.film.chapter(title, Instant::now())
    }

    /// The film, with everything that the page has shown until now.
    pub async fn stop(self) -> Result<Film, Fault> {
        let Self { screencast, film, .. } = self;
        screencast.stop().await;
        film.end(Instant::now());
        let made = tokio::task::spawn_blocking(move || film.finish()).await;
        let lost = |text: String| Fault::new("no_video", format!("there is no video: {text}"));
        made.map_err(|_| lost("its thread failed".into()))?.map_err(|error| lost(error.to_string()))
    }
}

/// A page's own size, made smaller if it is large; both sides even.
fn usual((width, height): (u32, u32)) -> Size {
    let (w, h) = (f64::from(width.max(1)), f64::from(height.max(1)));
    let scale = (USUAL_SIDE / w.max(h)).min(1.0);
    let side = |side: f64| ((side * scale).round() as u32).clamp(SMALLEST_SIDE, LARGEST_SIDE);
    Size::new(side(w), side(h)).unwrap_or(Size::DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_has_the_size_of_the_page_within_bounds() {
        for (view, size) in [
            ((1280, 585), "1280x584"),
            ((2560, 1440), "1280x720"),
            ((1080, 1920), "720x1280"),
            ((3000, 10), "1280x200"),
            ((0, 0), "200x200"),
        ] {
            assert_eq!(usual(view).to_string(), size, "{view:?}");
        }
    }
}
