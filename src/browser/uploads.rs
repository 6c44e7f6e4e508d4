//! Files that agents upload: laid where Chromium's user can read them, in a
//! folder of their own, bounded; and the file chooser that asks for them.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};
use serde::Deserialize;
use serde_json::json;

use super::downloads::file_name;
use super::fault::ActError;
use super::frames::read;
use super::launch::Browser;
use super::tabs::{Chooser, Tab};
use crate::floor::FloorPermit;
use crate::process::RoomUser;

const MOST: usize = 100;
const MOST_BYTES: u64 = 256 << 20;
const LARGEST: usize = 64 << 20;

/// A file that a page may be given: one that was laid here or downloaded
/// here. An agent cannot name any other file of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadFile {
    path: PathBuf,
}

impl UploadFile {
    pub(super) fn here(path: PathBuf) -> Self {
        Self { path }
    }

    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where uploads lie until the browser ends.
pub(super) struct Uploads {
    dir: PathBuf,
    user: RoomUser,
    staged: Mutex<Staged>,
}

#[derive(Default)]
struct Staged {
    files: VecDeque<(PathBuf, u64)>,
    last: u64,
}

impl Uploads {
    /// What an earlier browser left is removed first.
    pub fn new(run_dir: &Path, user: &RoomUser) -> Self {
        let dir = run_dir.join("uploads");
        let _ = std::fs::remove_dir_all(&dir);
        Self { dir, user: user.clone(), staged: Mutex::default() }
    }

    fn stage(&self, name: &str, bytes: &[u8]) -> std::io::Result<PathBuf> {
        let mut staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let total = |staged: &Staged| staged.files.iter().map(|(_, size)| size).sum::<u64>();
        while staged.files.len() >= MOST || total(&staged) + bytes.len() as u64 > MOST_BYTES {
            let Some((path, _)) = staged.files.pop_front() else { break };
            let _ = std::fs::remove_file(&path);
            let _ = path.parent().map(std::fs::remove_dir);
        }
        staged.last += 1;
        let other = |error: crate::process::ProcessError| std::io::Error::other(error.to_string());
        self.user.private_dir(&self.dir).map_err(other)?;
        // The page sees the name, so it must not be changed to be unlike the others.
        let folder = self.dir.join(staged.last.to_string());
        self.user.private_dir(&folder).map_err(other)?;
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits();
        let dir = std::fs::OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(&folder)?;
        if dir.metadata()?.uid() != self.user.uid() {
            return Err(std::io::Error::other("its folder belongs to somebody else"));
        }
        // By descriptor: whoever lays a link in the way makes this fail, not write elsewhere.
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir.as_fd(), name, flags, Mode::from_raw_mode(0o600))?;
        let mut file = std::fs::File::from(file);
        if let Err(error) = file.write_all(bytes) {
            let _ = rustix::fs::unlinkat(dir.as_fd(), name, AtFlags::empty());
            return Err(error);
        }
        if let Some((uid, gid)) = self.user.switch() {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
        }
        let path = folder.join(name);
        staged.files.push_back((path.clone(), bytes.len() as u64));
        Ok(path)
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Browser {
    /// Lays bytes down as a file that pages can be given. When there are a
    /// hundred files or 256 MiB, the oldest go.
    pub fn stage_upload(&self, name: &str, bytes: &[u8]) -> Result<UploadFile, ActError> {
        if bytes.len() > LARGEST {
            let text = format!("a file to upload may have {} MiB at most", LARGEST >> 20);
            return Err(ActError::Refused(text));
        }
        let name = file_name(name);
        let path = self.uploads.stage(&name, bytes).map_err(|error| {
            ActError::Refused(format!("the file {name} cannot be laid down for the browser: {error}"))
        })?;
        Ok(UploadFile { path })
    }
}

impl Tab {
    /// The file chooser that waits for an agent.
    pub fn chooser(&self) -> Option<Chooser> {
        let answered = self.answered_chooser.load(std::sync::atomic::Ordering::Acquire);
        self.state.borrow().chooser.clone().filter(|chooser| chooser.number > answered)
    }

    /// The sessions that speak for its frames.
    pub(super) fn frame_sessions(&self) -> BTreeSet<String> {
        let state = self.state.borrow();
        let all = state.frames.values().map(|frame| &frame.session).chain([&state.session]);
        all.filter(|session| !session.is_empty()).cloned().collect()
    }

    /// Gives the open file chooser its files; with none, it is cancelled.
    pub async fn answer_chooser(&self, permit: &FloorPermit, files: &[UploadFile]) -> Result<(), ActError> {
        #[derive(Deserialize)]
        struct Resolved {
            object: Object,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Object {
            object_id: String,
        }
        self.ready().await?;
        let Some(chooser) = self.chooser() else {
            return Err(ActError::NoChooser);
        };
        if files.len() > 1 && !chooser.multiple {
            return Err(ActError::Refused("this file chooser takes one file only".into()));
        }
        permit.check()?;
        let place =
            super::frames::Place { id: chooser.frame.clone(), session: chooser.session.clone(), number: 0 };
        if files.is_empty() {
            // Chromium has closed it for the page already; what a page hears of it is this event.
            let params = json!({ "backendNodeId": chooser.node });
            let resolved = self.client.send(Some(&place.session), "DOM.resolveNode", &params);
            let resolved: Resolved = read("DOM.resolveNode", self.guarded(resolved).await?.get())?;
            let params = json!({
                "objectId": resolved.object.object_id,
                "functionDeclaration": "function() { this.dispatchEvent(new Event('cancel', { bubbles: true })); }",
            });
            self.run(&place, "Runtime.callFunctionOn", &params).await?;
        } else {
            self.set_files(&place, chooser.node, files).await?;
        }
        self.answered_chooser.fetch_max(chooser.number, std::sync::atomic::Ordering::AcqRel);
        Ok(())
    }

    /// Sets the files of a file field, given by its backend node id.
    pub(super) async fn set_files(
        &self,
        place: &super::frames::Place,
        node: i64,
        files: &[UploadFile],
    ) -> Result<(), ActError> {
        let paths: Vec<_> = files.iter().map(|file| file.path().to_string_lossy().into_owned()).collect();
        let params = json!({ "backendNodeId": node, "files": paths });
        let set = self.client.send(Some(&place.session), "DOM.setFileInputFiles", &params);
        self.guarded(set).await?;
        Ok(())
    }
}
