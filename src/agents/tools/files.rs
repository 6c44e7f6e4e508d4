//! Files: given to pages, fetched by them, made of them. An agent names files
//! of the room's shelf and of its downloads, never others of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{called, or};
use crate::agents::answer::{Answer, Done, Fault};
use crate::agents::call::{Call, Show, locator};
use crate::agents::tool::{Kind, Tool};
use crate::base::ToolGroup;
use crate::browser::{DownloadState, Dropped, UploadFile};

/// The most of one download in an answer.
const SHOWN: u64 = 50_000;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Upload {
    /// Files to upload: names of files laid down with PUT /api/rooms/{room}/files/{name} or by another tool, or of downloads. The file chooser is cancelled if both this and files are left out
    paths: Option<Vec<String>>,
    /// Files given here
    files: Option<Vec<GivenFile>>,
    /// Ref, CSS selector or locator of a file input, when no file chooser is open
    target: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GivenFile {
    /// Its name, as the page sees it
    name: String,
    /// Its content as text
    text: Option<String>,
    /// Its content as base64
    base64: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Drop {
    /// Human-readable element description, shown to people
    element: Option<String>,
    /// Ref from the page snapshot, CSS selector or locator of where to drop
    target: String,
    /// Files to drop: names of files laid down with PUT /api/rooms/{room}/files/{name} or by another tool, or of downloads
    paths: Option<Vec<String>>,
    /// Data to drop, by MIME type
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct Downloads {
    /// Answer the content of this one too, if it is short text; by its number in the list
    read: Option<u64>,
    /// Cancel this one
    cancel: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::agents) struct SavePdf {
    /// Name of the file; page.pdf if left out
    filename: Option<String>,
}

impl Tool for Upload {
    const NAME: &'static str = "browser_file_upload";
    const ABOUT: &'static str =
        "Upload files: into the file chooser that an act opened, or into a file input";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let target = self.target.as_deref().map(locator).transpose()?;
        let mut files = found(call, self.paths.iter().flatten())?;
        for file in self.files.iter().flatten() {
            let bytes = match (&file.text, &file.base64) {
                (Some(text), None) => text.clone().into_bytes(),
                (None, Some(data)) => base64::engine::general_purpose::STANDARD
                    .decode(data.trim())
                    .map_err(|error| Fault::argument(format!("{}: this is no base64: {error}", file.name)))?,
                _ => return Err(Fault::argument(format!("{}: give either text or base64", file.name))),
            };
            files.push(call.browser.stage_upload(&file.name, &bytes)?);
        }
        let names: Vec<_> = files.iter().map(UploadFile::name).collect();
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(if names.is_empty() {
            "gives no file".into()
        } else {
            format!("uploads {}", names.join(", "))
        });
        let shown = call.shown();
        let acting = call.acting(&tab, &held, &shown);
        let (done, code) = match &target {
            Some(target) => {
                let done = acting.upload(target, &files).await?;
                let element = or(&done.code, self.target.as_deref().unwrap_or_default());
                (done, format!("await page.{element}.setInputFiles({});", json!(names)))
            }
            None => (
                acting.answer_chooser(&files).await?,
                format!("await fileChooser.setFiles({});", json!(names)),
            ),
        };
        std::mem::drop(held);
        call.after(done, code).await
    }
}

impl Tool for Drop {
    const NAME: &'static str = "browser_drop";
    const ABOUT: &'static str =
        "Drop files or MIME-typed data onto an element, as if dragged from outside the page";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Acts;

    async fn run(self, call: &mut Call) -> Done {
        let target = locator(&self.target)?;
        let files = found(call, self.paths.iter().flatten())?;
        let data: Vec<_> = self.data.into_iter().flatten().collect();
        if files.is_empty() && data.is_empty() {
            return Err(Fault::argument("give paths or data to drop"));
        }
        let tab = call.tab().await?;
        let held = call.floor().await?;
        call.session.say(format!("drops something onto {}", called(self.element.as_deref(), &self.target)));
        let shown = call.shown();
        let dropped = Dropped { files, data };
        let done = call.acting(&tab, &held, &shown).drop_onto(&target, &dropped).await?;
        std::mem::drop(held);
        let code = format!("// dropped onto page.{}", or(&done.code, &self.target));
        call.after(done, code).await
    }
}

impl Tool for Downloads {
    const NAME: &'static str = "browser_downloads";
    const ABOUT: &'static str =
        "List the files that the room's browser has downloaded; read one, or cancel one";
    const GROUP: ToolGroup = ToolGroup::Core;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let browser = Arc::clone(&call.browser);
        if let Some(number) = self.cancel {
            let held = call.floor().await?;
            browser.cancel_download(held.permit(), number).await?;
        }
        if let Some(number) = self.read {
            let (download, bytes) = browser.read_download(number, 32 << 20)?;
            let size = bytes.len() as u64;
            let result = match String::from_utf8(bytes) {
                Ok(text) if size <= SHOWN => format!("{}\n{text}", download.file),
                Ok(text) => call.file(&download.file, "text/plain", text)?,
                Err(error) => call.file(&download.file, "application/octet-stream", error.into_bytes())?,
            };
            return Ok(Answer::result(result));
        }
        let downloads = browser.downloads();
        let lines: Vec<_> = downloads
            .iter()
            .map(|download| {
                let state = match download.state {
                    DownloadState::InProgress => "in progress",
                    DownloadState::Completed => "complete",
                    DownloadState::Canceled => "cancelled",
                };
                format!(
                    "{}. {} ({state}, {} bytes) from {}",
                    download.number, download.file, download.received, download.url
                )
            })
            .collect();
        let text = if lines.is_empty() { "No downloads.".to_owned() } else { lines.join("\n") };
        Ok(Answer { structured: Some(json!({ "downloads": downloads })), ..Answer::result(text) })
    }
}

impl Tool for SavePdf {
    const NAME: &'static str = "browser_pdf_save";
    const ABOUT: &'static str = "Save page as PDF";
    const GROUP: ToolGroup = ToolGroup::Pdf;
    const KIND: Kind = Kind::Looks;

    async fn run(self, call: &mut Call) -> Done {
        let tab = call.tab().await?;
        let bytes = call.browser.pdf(&tab).await?;
        let name = self.filename.as_deref().unwrap_or("page.pdf");
        let result = call.file(name, "application/pdf", bytes)?;
        Ok(Answer { result: Some(result), ..call.state(Show::Address).await })
    }
}

/// Files by their names: on the shelf, else among the downloads.
pub(super) fn found<'a>(
    call: &Call,
    names: impl Iterator<Item = &'a String>,
) -> Result<Vec<UploadFile>, Fault> {
    let mut files = Vec::new();
    for path in names {
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
        if let Some(file) = call.session.shelf.get(&call.session.room, name) {
            files.push(call.browser.stage_upload(&file.name, &file.bytes)?);
            continue;
        }
        let downloads = call.browser.downloads();
        let download = downloads.iter().rev().find(|download| download.file == name);
        let number = download.map(|download| download.number).ok_or_else(|| {
            Fault::argument(format!(
                "there is no file {name:?} here; lay it down with PUT /api/rooms/{}/files/{name}, or give it in files",
                call.session.room
            ))
        })?;
        files.push(call.browser.downloaded_file(number)?);
    }
    Ok(files)
}
