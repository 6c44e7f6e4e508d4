//! A tab of a Chromium behind a gate, and the right to act in it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tandem::browser::{ActError, Attending, Browser, GateWay, Tab};
use tandem::floor::{Floor, FloorPermit};
use tokio::sync::mpsc;

use crate::desk::{Desk, permit};

pub struct Hand {
    _browser: Arc<Browser>,
    pub tab: Arc<Tab>,
    _attending: Attending,
    pub permit: FloorPermit,
}

impl Hand {
    pub async fn new(desk: &Desk, gate: &GateWay) -> Self {
        let (events, mut heard) = mpsc::channel(64);
        tokio::spawn(async move { while heard.recv().await.is_some() {} });
        let browser = Browser::start(desk.settings(gate, "about:blank"), events).await;
        let browser = Arc::new(browser.unwrap_or_else(|error| panic!("{error:?}")));
        let tab = browser.front_tab().await.expect("a tab");
        let attending = Attending::start(Arc::clone(&tab)).await;
        let permit = permit(&mut Floor::new(Duration::from_millis(100)));
        Self { _browser: browser, tab, _attending: attending, permit }
    }

    pub async fn go(&self, url: &str) -> Result<(), ActError> {
        self.tab.navigate(&self.permit, url, within(60)).await
    }

    pub async fn js(&self, source: &str, seconds: u64) -> Value {
        self.tab.evaluate(&self.permit, source, None, within(seconds)).await.expect("runs")
    }
}

fn within(seconds: u64) -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(seconds)
}
