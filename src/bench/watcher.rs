//! A real browser that watches a room, headless: what a person would see,
//! measured inside the page.

use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use chromiumoxide::browser::{Browser, BrowserConfig};
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchMouseEventParams, DispatchMouseEventType, MouseButton,
};
use chromiumoxide::page::Page;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;

/// Runs before the page's own scripts: notes the first shown picture, the
/// time from each press to the first picture that looks different, and counts
/// the pictures shown.
const PROBE: &str = include_str!("pages/probe.js");

/// A viewer's browser.
pub(super) struct Watcher {
    browser: Browser,
    page: Page,
    handler: JoinHandle<()>,
    profile: std::path::PathBuf,
}

/// What the viewer shows: rows of RGBA.
pub(super) struct Shown {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

impl Watcher {
    /// Starts the browser, with the probe ready in every page.
    pub async fn start(profile: std::path::PathBuf) -> anyhow::Result<Self> {
        let mut config = BrowserConfig::builder()
            .chrome_executable("/usr/bin/chromium")
            .new_headless_mode()
            .user_data_dir(&profile)
            .viewport(None)
            .window_size(1400, 900)
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg("--disable-background-networking")
            .arg("--disable-component-update");
        if rustix::process::geteuid().is_root() {
            // The viewer's browser, not the room's: it opens nothing but our own page.
            config = config.no_sandbox();
        }
        let config = config.build().map_err(|error| anyhow!(error))?;
        let (browser, mut events) =
            Browser::launch(config).await.context("cannot start the viewer's browser")?;
        let handler = tokio::spawn(async move { while events.next().await.is_some() {} });
        let page = browser.new_page("about:blank").await?;
        page.evaluate_on_new_document(PROBE).await?;
        Ok(Self { browser, page, handler, profile })
    }

    /// Opens the room's page; answers the time to the first picture, in milliseconds.
    pub async fn open(&self, url: &str) -> anyhow::Result<f64> {
        self.page.goto(url).await?;
        self.ask("probe.first").await.context("no picture came")
    }

    /// Presses at a place of the page, `count` times; the times from the press
    /// until the first picture with its effect is visible, and until it is
    /// handed over to be composed, in milliseconds.
    pub async fn click_to_photon(&self, count: usize) -> anyhow::Result<Vec<(f64, f64)>> {
        let at: [f64; 2] = self.ask("probe.place(0.8, 0.8)").await?;
        let mut times = Vec::with_capacity(count);
        for turn in 0..count {
            self.ask::<bool>("probe.arm()").await?;
            self.mouse(DispatchMouseEventType::MousePressed, at).await?;
            self.mouse(DispatchMouseEventType::MouseReleased, at).await?;
            times.push(self.ask("probe.photon").await?);
            // Off the beat of every frame clock.
            tokio::time::sleep(Duration::from_millis(230 + (turn as u64 * 37) % 190)).await;
        }
        Ok(times)
    }

    /// Scrolls the shared page a little, waits, and takes the shown picture.
    pub async fn picture_after(&self, still: Duration) -> anyhow::Result<Shown> {
        let at: [f64; 2] = self.ask("probe.place(0.8, 0.8)").await?;
        let wheel = DispatchMouseEventParams::builder()
            .r#type(DispatchMouseEventType::MouseWheel)
            .x(at[0])
            .y(at[1])
            .delta_x(0.0)
            .delta_y(120.0)
            .build()
            .map_err(|error| anyhow!(error))?;
        self.page.execute(wheel).await?;
        // The scroll itself is animated; stillness begins when the pictures end.
        self.ask::<bool>("probe.still(200)").await?;
        tokio::time::sleep(still.saturating_sub(Duration::from_millis(200))).await;
        let (width, height, base64): (u32, u32, String) = self.ask("probe.picture()").await?;
        let rgba = base64::engine::general_purpose::STANDARD.decode(base64)?;
        ensure!(rgba.len() as u64 == u64::from(width) * u64::from(height) * 4, "a picture of another size");
        Ok(Shown { width, height, rgba })
    }

    /// Pictures shown a second, over some seconds.
    pub async fn shown_rate(&self, over: Duration) -> anyhow::Result<f64> {
        let before: f64 = self.ask("Promise.resolve(probe.shown)").await?;
        tokio::time::sleep(over).await;
        let after: f64 = self.ask("Promise.resolve(probe.shown)").await?;
        Ok((after - before) / over.as_secs_f64())
    }

    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.browser.close().await?;
        self.browser.wait().await?;
        self.handler.abort();
        let _ = std::fs::remove_dir_all(&self.profile);
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(&self, promise: &str) -> anyhow::Result<T> {
        let answer = tokio::time::timeout(Duration::from_secs(20), self.page.evaluate(promise));
        Ok(answer.await.with_context(|| format!("no answer to {promise}"))??.into_value()?)
    }

    async fn mouse(&self, kind: DispatchMouseEventType, at: [f64; 2]) -> anyhow::Result<()> {
        let event = DispatchMouseEventParams::builder()
            .r#type(kind)
            .x(at[0])
            .y(at[1])
            .button(MouseButton::Left)
            .click_count(1)
            .build()
            .map_err(|error| anyhow!(error))?;
        self.page.execute(event).await?;
        Ok(())
    }
}
