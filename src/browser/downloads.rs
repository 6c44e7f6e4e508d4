//! What is downloaded, by people or agents: a bounded list, and the files.
//! They lie in a folder of the room's user; nothing else is read from there.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{broadcast, watch};

use super::client::{CdpClient, CdpError, CdpEvent};
use super::fault::ActError;
use super::journal::{Fact, Journal};
use super::launch::Browser;
use super::tabs::Tabs;
use super::uploads::UploadFile;
use super::watch::shortened;
use crate::floor::FloorPermit;

const MOST: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DownloadState {
    InProgress,
    Completed,
    Canceled,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Download {
    /// Its number in this browser, from one.
    pub number: u64,
    /// Its name as the site suggests it, without what no file name has.
    pub file: String,
    pub url: String,
    /// The tab it came from, by the browser's name for it.
    pub tab: Option<String>,
    pub state: DownloadState,
    pub received: u64,
    /// Unknown when the server does not tell.
    pub total: Option<u64>,
    /// Milliseconds since 1970.
    pub started: u64,
    /// Where the file is once it is complete; of use to this machine only.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    #[serde(skip)]
    guid: String,
}

#[derive(Default)]
pub(super) struct List {
    downloads: VecDeque<Download>,
    last: u64,
}

/// The downloads of one browser.
#[derive(Clone)]
pub(super) struct Downloads {
    list: Arc<watch::Sender<List>>,
    folder: PathBuf,
    owner: u32,
}

impl Downloads {
    /// Asks Chromium to tell of downloads. They go where its settings say, as a person expects.
    pub async fn start(
        client: &CdpClient,
        folder: &Path,
        owner: u32,
        tabs: Tabs,
        journal: Journal,
    ) -> Result<Self, CdpError> {
        let heard = client.events();
        listen(client, None).await?;
        let downloads =
            Self { list: Arc::new(watch::channel(List::default()).0), folder: folder.to_owned(), owner };
        tokio::spawn(run(heard, Arc::clone(&downloads.list), tabs, journal));
        Ok(downloads)
    }

    fn get(&self, number: u64) -> Option<Download> {
        self.list.borrow().downloads.iter().find(|one| one.number == number).cloned()
    }

    fn complete(&self, number: u64) -> Result<Download, ActError> {
        let refused = |text: &str| Err(ActError::Refused(format!("download {number} {text}")));
        match self.get(number) {
            None => refused("is not in the list; list the downloads to see the numbers"),
            Some(download) => match download.state {
                DownloadState::Completed => Ok(download),
                DownloadState::InProgress => refused("is not complete yet"),
                DownloadState::Canceled => refused("was cancelled"),
            },
        }
    }

    /// Opens a file, which must be a plain one of the room's user in the room's folder.
    fn open(&self, download: &Download) -> std::io::Result<(File, PathBuf)> {
        let wrong = |text: &str| std::io::Error::new(std::io::ErrorKind::InvalidInput, text.to_owned());
        let path = download.path.clone().unwrap_or_else(|| self.folder.join(&download.file));
        let name = path.file_name().ok_or_else(|| wrong("it has no name"))?.to_owned();
        if path.parent().map(Path::canonicalize).transpose()? != Some(self.folder.canonicalize()?) {
            return Err(wrong("it is not in the folder for downloads"));
        }
        let path = self.folder.join(name);
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(&path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.uid() != self.owner {
            return Err(wrong("it is no plain file of the room's user"));
        }
        Ok((file, path))
    }
}

/// With the settings' own folder: that keeps Chromium's names, which never overwrite a file.
pub(super) async fn listen(client: &CdpClient, context: Option<&str>) -> Result<(), CdpError> {
    let mut params = json!({ "behavior": "default", "eventsEnabled": true });
    if let Some(context) = context {
        params["browserContextId"] = context.into();
    }
    client.send(None, "Browser.setDownloadBehavior", &params).await.map(drop)
}

async fn run(
    mut heard: broadcast::Receiver<Arc<CdpEvent>>,
    list: Arc<watch::Sender<List>>,
    tabs: Tabs,
    journal: Journal,
) {
    loop {
        match heard.recv().await {
            Ok(event) => match event.method.as_str() {
                "Browser.downloadWillBegin" => {
                    let of = |frame: &str| {
                        let tabs = tabs.borrow();
                        let tab = tabs.iter().find(|(_, tab)| tab.state.borrow().frames.contains_key(frame));
                        tab.map(|(info, _)| info.target.clone())
                    };
                    list.send_if_modified(|list| list.on_begin(&event, of, &journal).is_some());
                }
                "Browser.downloadProgress" => {
                    list.send_if_modified(|list| list.on_progress(&event, &journal).is_some());
                }
                _ => {}
            },
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

impl List {
    fn on_begin(
        &mut self,
        event: &CdpEvent,
        tab_of: impl Fn(&str) -> Option<String>,
        journal: &Journal,
    ) -> Option<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Begun {
            frame_id: String,
            guid: String,
            url: String,
            suggested_filename: String,
        }
        let begun: Begun = event.params()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last += 1;
        let download = Download {
            number: self.last,
            file: file_name(&begun.suggested_filename),
            url: shortened(&begun.url, 2000),
            tab: tab_of(&begun.frame_id),
            state: DownloadState::InProgress,
            received: 0,
            total: None,
            started: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            path: None,
            guid: begun.guid,
        };
        let fact = Fact::DownloadStarted { number: download.number, file: download.file.clone() };
        journal.add(download.tab.as_deref(), fact);
        self.downloads.push_back(download);
        if self.downloads.len() > MOST {
            // Its file stays; only the line goes.
            let at =
                self.downloads.iter().position(|one| one.state != DownloadState::InProgress).unwrap_or(0);
            self.downloads.remove(at);
        }
        Some(())
    }

    fn on_progress(&mut self, event: &CdpEvent, journal: &Journal) -> Option<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Progress {
            guid: String,
            total_bytes: f64,
            received_bytes: f64,
            state: String,
            file_path: Option<PathBuf>,
        }
        let progress: Progress = event.params()?;
        let download = self.downloads.iter_mut().find(|one| one.guid == progress.guid)?;
        download.received = progress.received_bytes.max(0.0) as u64;
        download.total = (progress.total_bytes > 0.0).then_some(progress.total_bytes as u64);
        let state = match progress.state.as_str() {
            "completed" => DownloadState::Completed,
            "canceled" => DownloadState::Canceled,
            _ => DownloadState::InProgress,
        };
        if let Some(path) = progress.file_path.filter(|path| !path.as_os_str().is_empty()) {
            download.path = Some(path);
        }
        if state != download.state {
            download.state = state;
            let fact = Fact::DownloadEnded {
                number: download.number,
                file: download.file.clone(),
                state: progress.state,
            };
            journal.add(download.tab.as_deref(), fact);
        }
        Some(())
    }
}

/// A name that can stand in a header and in a folder.
pub(super) fn file_name(suggested: &str) -> String {
    let last = suggested.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control() && !"\"<>|:*?".contains(*c)).collect();
    let clean = clean.trim().trim_start_matches('.');
    let (start, _) = super::watch::cut(clean, 200);
    if start.is_empty() { "download".to_owned() } else { start.to_owned() }
}

impl Browser {
    /// What was downloaded, oldest first, two hundred at most.
    pub fn downloads(&self) -> Vec<Download> {
        self.downloads.list.borrow().downloads.iter().cloned().collect()
    }

    /// Changes whenever a download begins, goes on or ends.
    pub fn downloads_changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut list = self.downloads.list.subscribe();
        async move {
            let _ = list.changed().await;
        }
    }

    /// Opens the file of a complete download, for the server to send on.
    pub fn open_download(&self, number: u64) -> Result<(Download, File), ActError> {
        let download = self.downloads.complete(number)?;
        let (file, _) = self.downloads.open(&download).map_err(|error| unreadable(number, &error))?;
        Ok((download, file))
    }

    /// The bytes of a complete download, if it has no more than `most`.
    pub fn read_download(&self, number: u64, most: u64) -> Result<(Download, Vec<u8>), ActError> {
        let (download, file) = self.open_download(number)?;
        let mut bytes = Vec::new();
        let mut file = file.take(most.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(|error| unreadable(number, &error))?;
        if bytes.len() as u64 > most {
            let text = format!("download {number} has more than {most} bytes; fetch the file over HTTP");
            return Err(ActError::Refused(text));
        }
        Ok((download, bytes))
    }

    /// A complete download, to be uploaded somewhere else.
    pub fn downloaded_file(&self, number: u64) -> Result<UploadFile, ActError> {
        let download = self.downloads.complete(number)?;
        let (_, path) = self.downloads.open(&download).map_err(|error| unreadable(number, &error))?;
        Ok(UploadFile::here(path))
    }

    pub async fn cancel_download(&self, permit: &FloorPermit, number: u64) -> Result<(), ActError> {
        let Some(download) = self.downloads.get(number) else {
            return Err(ActError::Refused(format!("there is no download {number}")));
        };
        if download.state != DownloadState::InProgress {
            return Err(ActError::Refused(format!("download {number} has ended already")));
        }
        permit.check()?;
        let params = json!({ "guid": download.guid });
        self.cdp_client().send(None, "Browser.cancelDownload", &params).await?;
        Ok(())
    }
}

fn unreadable(number: u64, error: &std::io::Error) -> ActError {
    ActError::Refused(format!("the file of download {number} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_name_is_no_path_and_breaks_no_header() {
        for (suggested, wanted) in [
            ("a b.txt", "a b.txt"),
            ("../../etc/passwd", "passwd"),
            ("c:\\x\\y.doc", "y.doc"),
            ("..", "download"),
            (".hidden", "hidden"),
            ("a\r\nb\".txt", "ab.txt"),
            ("", "download"),
        ] {
            assert_eq!(file_name(suggested), wanted, "{suggested:?}");
        }
        assert!(file_name(&"é".repeat(500)).len() <= 200);
    }

    #[test]
    fn the_list_is_bounded_and_keeps_what_is_under_way() {
        let (mut list, journal) = (List::default(), Journal::default());
        for number in 0..MOST + 50 {
            let guid = number.to_string();
            let begun = json!({ "frameId": "F", "guid": guid, "url": "http://a/", "suggestedFilename": "f" });
            list.on_begin(&CdpEvent::made("", &begun), |_| None, &journal).expect("read");
            if number > 0 {
                let done = json!({ "guid": guid, "totalBytes": 5, "receivedBytes": 5, "state": "completed" });
                list.on_progress(&CdpEvent::made("", &done), &journal).expect("known");
            }
        }
        assert!(list.downloads.len() <= MOST);
        assert_eq!(list.downloads[0].number, 1, "the one that is under way");
        assert_eq!(list.downloads[1].total, Some(5));
    }
}
