//! What people do in the browser, taken down as Playwright code.
//!
//! Owns one CDP client for the length of a recording; so Chromium itself takes
//! the listeners' way out of all pages when it ends. Whose hand an input came
//! from is not seen in a page: whoever starts the recording says by a moment
//! in time whether a person acted then. Secrets stay in the pages.

mod steps;
mod taker;

pub use steps::RecordedStep;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::steps::Steps;
use self::taker::Taker;
use super::fault::ActError;
use super::launch::Browser;
use super::tabs::Tab;

/// How long pages may take to begin to listen.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether a person acted at this moment, in milliseconds since 1970.
pub type ByPerson = Arc<dyn Fn(f64) -> bool + Send + Sync>;

/// A recording that runs. Dropping it ends it.
pub struct Recording {
    steps: Arc<Mutex<Steps>>,
    url: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// What was recorded.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recorded {
    /// Where `page` was as it began.
    pub start_url: String,
    pub steps: Vec<RecordedStep>,
    /// It was too much: what came later is not in it.
    pub cut: bool,
    /// The browser ended before the recording did.
    pub broken: bool,
}

impl Recorded {
    /// The code of all steps.
    pub fn code(&self) -> String {
        let mut lines = vec![format!("// page is at {}", self.start_url.replace(['\n', '\r'], " "))];
        lines.extend(self.steps.iter().map(|step| step.code.clone()));
        lines.join("\n")
    }
}

impl Recording {
    /// Listens in all tabs of the window in which this one is, and in those
    /// that come. `page` in the code is this tab.
    pub async fn start(browser: &Browser, first: &Tab, by_person: ByPerson) -> Result<Self, ActError> {
        first.ready().await?;
        let steps = Arc::new(Mutex::new(Steps::default()));
        let stop = CancellationToken::new();
        let (listening, mut ready) = watch::channel(0);
        let taker =
            Taker::start(browser, first, by_person, Arc::clone(&steps), listening, stop.clone()).await?;
        let wanted = taker.tabs_at_start();
        let url = first.url();
        let task = tokio::spawn(taker.run());
        // A page that hangs begins to listen when it is itself again.
        let _ = tokio::time::timeout(PATIENCE, ready.wait_for(|ready| *ready >= wanted)).await;
        Ok(Self { steps, url, stop, task })
    }

    /// Ends it; gives what was recorded.
    pub async fn stop(mut self) -> Recorded {
        let broken = self.task.is_finished();
        self.stop.cancel();
        // What was told before the end is taken down before the task ends.
        let _ = tokio::time::timeout(PATIENCE, &mut self.task).await;
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        Recorded { start_url: self.url.clone(), steps: steps.list().to_vec(), cut: steps.full, broken }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
