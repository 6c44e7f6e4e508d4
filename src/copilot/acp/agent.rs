//! The handle to one room's agent over the Agent Client Protocol: the port's
//! calls as its requests.

use std::sync::Arc;

use agent_client_protocol_schema::v1::{
    BlobResourceContents, CancelNotification, ContentBlock, DeleteSessionRequest, EmbeddedResource,
    EmbeddedResourceResource, ErrorCode, ImageContent, NewSessionRequest, PermissionOptionKind, ResourceLink,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::content::settings;
use super::inner::{Inner, LONGEST_ANSWER, REJECT, now, outcome, told};
use super::line::LineError;
use super::protocol::Opened;
use super::state::Kind;
use crate::base::{Actor, RoomId};
use crate::copilot::facilities::{Can, Choices};
use crate::copilot::model::{AgentState, FileView, Gone, Id, Session};
use crate::copilot::opencode::Setup;
use crate::copilot::place::{file_url, homeless};
use crate::copilot::port::{Agent, Attachment, Page, Pending, PortError, Prompt, Updates, Yes};

/// One room's agent. It is started when it is first asked for.
pub(in crate::copilot) struct Acp {
    inner: Arc<Inner>,
}

impl Acp {
    pub(in crate::copilot) fn open(
        setup: Setup,
        room: RoomId,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let inner = Inner::new(setup, room, stop.child_token(), tasks.clone());
        Self { inner: Arc::new(inner) }
    }
}

impl Drop for Acp {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

impl Agent for Acp {
    fn state(&self) -> AgentState {
        self.inner.status.borrow().clone()
    }

    fn can(&self) -> Can {
        Can { commands: true, models: self.inner.state().0.has_choices(), ..Can::default() }
    }

    fn actor(&self) -> watch::Receiver<Option<Actor>> {
        self.inner.actor.subscribe()
    }

    fn create(&self, title: Option<String>) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            let running = self.inner.ready().await?;
            let request = NewSessionRequest::new(&running.directory).mcp_servers(running.servers.clone());
            let made = running.line.ask(request, LONGEST_ANSWER).await.map_err(|error| match error {
                LineError::Refused { code, message } if code == i32::from(ErrorCode::AuthRequired) => {
                    PortError::Refused(format!(
                        "the agent wants a login: {message}. Log in with its own program as the room's user"
                    ))
                }
                error => told(error),
            })?;
            let Opened { answer, models } = made;
            let id = Id::new(&answer.session_id.0);
            let options = answer.config_options.unwrap_or_default();
            let set = settings(&options, answer.modes.as_ref(), models.as_ref());
            let id = id.ok_or_else(|| PortError::Broken("its name for the session cannot be used".into()))?;
            self.inner.change(|state| {
                let mut updates = state.handle_session(now(), &id, title, running.run);
                updates.extend(state.handle_settings(&id, set, true));
                ((), updates)
            });
            self.inner.state().0.session(&id).ok_or(PortError::Unknown("session"))
        })
    }

    fn list(&self, search: Option<String>, limit: usize) -> BoxFuture<'_, Result<Vec<Session>, PortError>> {
        Box::pin(async move {
            self.inner.list_theirs().await?;
            let search = search.map(|search| search.to_lowercase());
            let fits = |session: &Session| {
                search.as_ref().is_none_or(|search| session.title.to_lowercase().contains(search))
            };
            Ok(self.inner.state().0.sessions().into_iter().filter(fits).take(limit).collect())
        })
    }

    fn resume(&self, session: Id) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            self.inner.find(&session).await?;
            self.inner.state().0.session(&session).ok_or(PortError::Unknown("session"))
        })
    }

    fn rename(&self, session: Id, title: String) -> BoxFuture<'_, Result<Session, PortError>> {
        Box::pin(async move {
            self.inner.change(|state| ((), state.handle_title(&session, &title)));
            self.inner.state().0.session(&session).ok_or(PortError::Unknown("session"))
        })
    }

    fn delete(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            self.inner.find(&session).await?;
            let running = self.inner.ready().await?;
            if !running.can.delete {
                return Err(PortError::Unsupported("delete sessions"));
            }
            let request = DeleteSessionRequest::new(session.to_string());
            running.line.ask(request, LONGEST_ANSWER).await.map_err(told)?;
            self.inner.change(|state| ((), state.handle_gone(&session)));
            Ok(())
        })
    }

    fn messages(
        &self,
        session: Id,
        before: Option<String>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, PortError>> {
        Box::pin(async move {
            self.inner.find(&session).await?;
            if self.inner.state().0.is_elsewhere(&session) == Some(true) {
                self.inner.open_session(&session).await?;
            }
            let guard = self.inner.state();
            let page = guard.0.page(&session, before.as_deref(), limit);
            let (messages, before) = page.ok_or(PortError::Unknown("session or place in it"))?;
            Ok(Page { messages, todos: guard.0.todos(&session), before, at: guard.1.place() })
        })
    }

    fn prompt(&self, session: Id, prompt: Prompt) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let running = self.inner.open_session(&session).await?;
            let busy = || {
                PortError::Refused("the agent is still at work here; wait for it, or stop it first".into())
            };
            if self.inner.state().0.works(&session) && !prompt.quiet {
                return Err(busy());
            }
            if !tokio::fs::metadata(&running.directory).await.is_ok_and(|found| found.is_dir()) {
                return Err(homeless(&running.directory));
            }
            let (mut blocks, mut files) = (vec![], vec![]);
            for file in &prompt.files {
                let (block, view) = attached(file, &running.directory).await?;
                blocks.push(block);
                files.push(view);
            }
            for (kind, value) in [(Kind::Model, &prompt.model), (Kind::Mode, &prompt.agent)] {
                if let Some(value) = value {
                    self.inner.switch(&running, &session, kind, value).await?;
                }
            }
            let said = self.inner.change(|state| {
                if state.works(&session) && !prompt.quiet {
                    return (None, vec![]);
                }
                let (said, updates) =
                    state.handle_prompt(now(), &session, &prompt.text, prompt.quiet, prompt.origin, files);
                (Some(said), updates)
            });
            let said = said.ok_or_else(busy)?;
            if !said.is_empty() {
                let all = said.into_iter().map(ContentBlock::from).chain(blocks).collect();
                self.inner.tasks.spawn(Arc::clone(&self.inner).say(running, session, all));
            }
            Ok(())
        })
    }

    fn cancel(&self, session: Id) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let running = self.inner.open_session(&session).await?;
            running.line.tell(CancelNotification::new(session.to_string())).await.map_err(told)?;
            // What it asked is answered with the same word, as the protocol wants it.
            let waits: Vec<_> = {
                let guard = self.inner.state();
                let theirs = guard.0.permissions().into_iter().filter(|one| one.session == session);
                theirs.map(|one| one.id).collect()
            };
            for id in waits {
                let gone = self.inner.change(|state| {
                    let updates = state.handle_answer(&id, Gone::Ended);
                    (updates.is_some(), updates.unwrap_or_default())
                });
                let back = self.inner.asked().remove(&id);
                if let (true, Some((line, request, _))) = (gone, back) {
                    line.answer(&request, outcome(&[], &[])).await.map_err(told)?;
                }
            }
            Ok(())
        })
    }

    fn pending(&self) -> BoxFuture<'_, Result<Pending, PortError>> {
        Box::pin(
            async move { Ok(Pending { permissions: self.inner.state().0.permissions(), questions: vec![] }) },
        )
    }

    fn answer_permission(
        &self,
        session: Id,
        permission: Id,
        yes: Yes,
        message: Option<String>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            let waits = self.inner.change(|state| {
                let updates = state.handle_answer(&permission, Gone::Answered);
                if let (true, Some(message)) = (updates.is_some(), message) {
                    // The protocol's answer has no place for words.
                    state.handle_context(
                        &session,
                        format!("To what you asked for, the answer was no: {message}"),
                    );
                }
                (updates.is_some(), updates.unwrap_or_default())
            });
            let back = self.inner.asked().remove(&permission);
            let Some((line, request, options)) = back.filter(|_| waits) else {
                return Err(PortError::Expired(
                    "this permission no longer waits: somebody answered it, or the turn was stopped".into(),
                ));
            };
            let kinds: &[_] = match yes {
                Yes::Once => &[PermissionOptionKind::AllowOnce],
                Yes::Always => &[PermissionOptionKind::AllowAlways, PermissionOptionKind::AllowOnce],
                Yes::Reject => &REJECT,
            };
            line.answer(&request, outcome(&options, kinds)).await.map_err(told)
        })
    }

    fn answer_question(
        &self,
        _: Id,
        _: Id,
        _: Option<Vec<Vec<String>>>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async { Err(PortError::Expired("this question no longer waits".into())) })
    }

    fn note_record(&self, session: Id, call: String, line: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.inner.change(|state| ((), state.handle_line(&session, &call, line))) })
    }

    fn recall_records(&self, session: Id, lines: Vec<(String, u64)>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.inner.change(|state| {
                for (call, line) in lines {
                    state.handle_line(&session, &call, line);
                }
                ((), vec![])
            });
        })
    }

    fn choices(&self) -> BoxFuture<'_, Result<Choices, PortError>> {
        Box::pin(async move {
            self.inner.ready().await?;
            Ok(self.inner.state().0.choices())
        })
    }

    fn command(
        &self,
        session: Id,
        name: String,
        arguments: String,
        files: Vec<Attachment>,
    ) -> BoxFuture<'_, Result<(), PortError>> {
        Box::pin(async move {
            if !self.inner.state().0.commands().iter().any(|command| command.name == name) {
                return Err(PortError::Unknown("command"));
            }
            let text = format!("/{name} {arguments}").trim_end().to_owned();
            self.prompt(session, Prompt { text, files, ..Prompt::default() }).await
        })
    }

    fn updates(&self, after: Option<(String, u64)>) -> BoxFuture<'_, Result<Updates, PortError>> {
        Box::pin(async move { Ok(self.inner.state().1.updates(after)) })
    }
}

/// A file of a prompt, as the agent gets it and as people see it.
async fn attached(file: &Attachment, directory: &str) -> Result<(ContentBlock, FileView), PortError> {
    let Attachment { name, mime, data, path } = file;
    let view = |url: String| FileView { name: name.clone(), mime: mime.clone(), url };
    if let Some(path) = path {
        let url = file_url(std::path::Path::new(directory), path).await?;
        let link = ResourceLink::new(name, &url).mime_type(mime.clone());
        return Ok((ContentBlock::ResourceLink(link), view(url)));
    }
    let data = data.as_deref().unwrap_or_default();
    let block = match mime.starts_with("image/") {
        true => ContentBlock::Image(ImageContent::new(data, mime)),
        false => {
            let blob = BlobResourceContents::new(data, format!("file:///{name}")).mime_type(mime.clone());
            let blob = EmbeddedResourceResource::BlobResourceContents(blob);
            ContentBlock::Resource(EmbeddedResource::new(blob))
        }
    };
    Ok((block, view(format!("data:{mime};base64,{data}"))))
}
