//! Files given to a page: set on an input, or as the answer to a file chooser.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Locator;
use super::act::{ATTACHED, Acting, Frame, Outcome, Tries};
use super::fault::ActError;
use super::pointer::Grip;
use super::reaction::{Chooser, Done};
use super::tabs::Tab;

/// The most files of one upload.
const MOST_FILES: usize = 100;

/// The paths as texts, if the browser can be told of them.
pub(super) fn check_files(files: &[PathBuf]) -> Result<Vec<&str>, ActError> {
    if files.len() > MOST_FILES {
        return Err(ActError::Refused(format!("at most {MOST_FILES} files are given at once")));
    }
    let known = |path: &PathBuf| -> Result<(), ActError> {
        match std::fs::metadata(path) {
            Ok(found) if found.is_file() => Ok(()),
            Ok(_) => Err(ActError::Refused(format!("{} is no file", path.display()))),
            Err(error) => Err(ActError::Refused(format!("{} cannot be read: {error}", path.display()))),
        }
    };
    let text = |path: &Path| path.to_str().is_some_and(|_| path.is_absolute());
    if let Some(bad) = files.iter().find(|path| !text(path)) {
        return Err(ActError::Refused(format!("{} is no absolute path in UTF-8", bad.display())));
    }
    files.iter().try_for_each(known)?;
    Ok(files.iter().filter_map(|path| path.to_str()).collect())
}

impl Tab {
    /// The file chooser that an act opened and that waits for files.
    pub fn chooser(&self) -> Option<Chooser> {
        self.memory.chooser()
    }
}

impl Acting<'_> {
    /// For as long as this is held, a file chooser opens for the agent, not on the display.
    pub(super) async fn catch_choosers(&self) -> Result<Grip, ActError> {
        let mut grip = Grip::new(self);
        grip.hold("Page.setInterceptFileChooserDialog", json!({ "enabled": false }));
        self.post("Page.setInterceptFileChooserDialog", &json!({ "enabled": true })).await?;
        Ok(grip)
    }

    /// Sets the files of a file input, which need not be visible.
    pub async fn upload(&self, locator: &Locator, files: &[PathBuf]) -> Result<Done, ActError> {
        let paths = check_files(files)?;
        let mut watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), ATTACHED, "file").await?;
        let argument = json!({ "handle": found.handle });
        let input: Outcome = self.ask(&found.place, "fileInput", &argument).await?;
        input.check()?;
        if paths.len() > 1 && !input.multiple {
            return Err(ActError::Refused("this input takes one file only".into()));
        }
        let object = self.tab.held(&found.place, found.handle).await?;
        watch.begin();
        self.permit.check()?;
        let params = json!({ "files": paths, "objectId": object });
        let set = self.tab.client.send(Some(&found.place.session), "DOM.setFileInputFiles", &params);
        self.tab.guarded(set).await?;
        self.settle(found, watch, Frame::Shown).await
    }

    /// Answers the file chooser that an act opened; without files it is closed.
    pub async fn answer_chooser(&self, files: &[PathBuf]) -> Result<Done, ActError> {
        let paths = check_files(files)?;
        let chooser = self.tab.memory.chooser().ok_or(ActError::NoChooser)?;
        if paths.len() > 1 && !chooser.multiple {
            return Err(ActError::Refused("this file chooser takes one file only".into()));
        }
        self.tab.ready().await?;
        let mut watch = self.tab.watch().await;
        watch.begin();
        self.permit.check()?;
        self.tab.memory.set_chooser(None);
        if !paths.is_empty() {
            let params = json!({ "files": paths, "backendNodeId": chooser.node });
            let set = self.tab.client.send(Some(&chooser.session), "DOM.setFileInputFiles", &params);
            self.tab.guarded(set).await?;
        }
        let top = self.tab.top();
        self.reacted(&top, Frame::Shown).await?;
        self.finish(&top, watch, String::new()).await
    }
}
