//! Files given to a page: set on an input, or as the answer to a file chooser.

use serde_json::json;

use super::act::{ATTACHED, Acting, Frame, Outcome, Tries};
use super::fault::ActError;
use super::pointer::Grip;
use super::reaction::Done;
use super::{Locator, UploadFile};

impl Acting<'_> {
    /// For as long as this is held, a file chooser opens for the agent, not on the display.
    pub(super) async fn catch_choosers(&self) -> Result<Grip, ActError> {
        let mut grip = Grip::unnoticed(self);
        for session in self.tab.frame_sessions() {
            grip.hold_in(&session, "Page.setInterceptFileChooserDialog", json!({ "enabled": false }));
            let on = json!({ "enabled": true });
            self.tab.client.post(Some(&session), "Page.setInterceptFileChooserDialog", &on).await?;
        }
        Ok(grip)
    }

    /// Sets the files of a file input, which need not be visible.
    pub async fn upload(&self, locator: &Locator, files: &[UploadFile]) -> Result<Done, ActError> {
        let mut watch = self.tab.watch().await;
        let found = self.find(&mut Tries::new(self, locator), ATTACHED, "file").await?;
        let argument = json!({ "handle": found.handle });
        let input: Outcome = self.ask(&found.place, "fileInput", &argument).await?;
        input.check()?;
        if files.len() > 1 && !input.multiple {
            return Err(ActError::Refused("this input takes one file only".into()));
        }
        let object = self.tab.held(&found.place, found.handle).await?;
        let (node, _) = self.tab.node(&found.place, &object).await?;
        watch.begin();
        self.permit.check()?;
        self.tab.set_files(&found.place, node, files).await?;
        self.settle(found, watch, Frame::Shown).await
    }

    /// Answers the file chooser that an act opened; without files it is closed.
    pub async fn answer_chooser(&self, files: &[UploadFile]) -> Result<Done, ActError> {
        let mut watch = self.tab.watch().await;
        watch.begin();
        self.tab.answer_chooser(self.permit, files).await?;
        let top = self.tab.top();
        self.reacted(&top, Frame::Shown).await?;
        self.finish(&top, watch, String::new()).await
    }
}
