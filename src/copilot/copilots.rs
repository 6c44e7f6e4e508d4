//! All rooms' agents: one for each room and project, opened when somebody
//! first asks for it, each with its clerk. Owns which projects a room has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::acp::Acp;
use super::clerk::{Asked, Clerk, OWN};
use super::facilities::{Project, Projects};
use super::feed;
use super::model::{Content, Id};
use super::opencode::{OpenCode, Setup};
use super::port::{Agent, Page, PortError};
use crate::base::{Actor, RoomId};
use crate::policy::Answer;
use crate::policy::Named;
use crate::room::{House, Room as _, RoomError};
use crate::store::Store;

/// The first project of every room.
const MAIN: &str = "main";
/// Each project has a process of its own, of half a gigabyte.
const MOST_PROJECTS: usize = 16;

/// One agent, and what of it waits for people.
pub(super) struct Member {
    pub(super) agent: Arc<dyn Agent>,
    /// What people write to it names places.
    pub(super) named: Named,
    asked: Arc<Asked>,
    /// Ends its process and its clerk.
    stop: CancellationToken,
}

/// All rooms' agents.
pub struct Copilots {
    setup: Setup,
    /// Below these, people may add projects.
    roots: Vec<PathBuf>,
    house: Arc<House>,
    store: Store,
    /// Never held across an await.
    members: Mutex<HashMap<(RoomId, Id), Arc<Member>>>,
    /// A change of projects at a time.
    changing: tokio::sync::Mutex<()>,
    pub(super) stop: CancellationToken,
    tasks: TaskTracker,
}

impl Copilots {
    /// Nothing is started before somebody asks for it.
    pub fn new(
        setup: Setup,
        roots: Vec<PathBuf>,
        house: Arc<House>,
        store: Store,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            setup,
            roots,
            house,
            store,
            members: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            stop,
            tasks: TaskTracker::new(),
        })
    }

    fn members(&self) -> MutexGuard<'_, HashMap<(RoomId, Id), Arc<Member>>> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        // An agent ends with its room.
        members.retain(|(room, _), _| self.house.handle(room).is_some());
        members
    }

    /// The agent of a room and one of its projects, the first unless one is named.
    pub(super) async fn of(&self, room: &RoomId, project: Option<Id>) -> Result<Arc<Member>, PortError> {
        let id = project.unwrap_or_else(main);
        if let Some(member) = self.members().get(&(room.clone(), id.clone())) {
            return Ok(Arc::clone(member));
        }
        let project = self.projects(room).await?.into_iter().find(|project| project.id == id);
        let project = project.ok_or(PortError::Unknown("project"))?;
        let handle = self.house.handle(room).ok_or(PortError::Unknown("room"))?;
        let named = handle.named().clone();
        let mut members = self.members();
        let open = || {
            let mut setup = self.setup.clone();
            if id.as_str() != MAIN {
                setup.directory = Some(PathBuf::from(&project.dir));
                setup.name = Actor::clean_name(&format!("{} in {}", setup.name, project.name));
                setup.place = Some(id.to_string());
            }
            let stop = self.stop.child_token();
            let agent: Arc<dyn Agent> = match setup.acp.is_empty() {
                true => Arc::new(OpenCode::open(setup, room.clone(), stop.clone(), &self.tasks)),
                false => Arc::new(Acp::open(setup, room.clone(), stop.clone(), &self.tasks)),
            };
            let asked = Arc::new(Asked::default());
            let clerk =
                Clerk::new(Arc::clone(&agent), handle, self.store.clone(), id.clone(), Arc::clone(&asked));
            self.tasks.spawn(clerk.run(stop.clone()));
            Arc::new(Member { agent, named, asked, stop })
        };
        Ok(Arc::clone(members.entry((room.clone(), id.clone())).or_insert_with(open)))
    }

    /// Answers a permission through the room's queue, where it waits with all
    /// other approvals. `None` says that it does not wait there.
    pub(super) async fn answer(
        &self,
        room: &RoomId,
        member: &Member,
        by: Actor,
        permission: &Id,
        answer: Answer,
    ) -> Option<Result<(), RoomError>> {
        let approval = member.asked.get(permission)?;
        let room = self.house.handle(room)?;
        Some(room.approve(by, approval, answer).await)
    }

    /// The updates of a room's agent, after the one with this id or from now:
    /// ids and JSON, as the stream of events has them.
    pub async fn feed(
        &self,
        room: &RoomId,
        project: Option<&str>,
        after: Option<&str>,
    ) -> Result<BoxStream<'static, (String, Arc<str>)>, PortError> {
        let project = project.map(|text| Id::new(text).ok_or(PortError::Unknown("project"))).transpose()?;
        let member = self.of(room, project).await?;
        Ok(feed::told(member.agent.updates(after.map(feed::place)).await?).boxed())
    }

    /// A page of a transcript, in which calls of our own tools say where they
    /// stand in the room's record, also those of before the last start.
    pub(super) async fn page(
        &self,
        room: &RoomId,
        member: &Member,
        session: Id,
        before: Option<String>,
        limit: usize,
    ) -> Result<Page, PortError> {
        let mut page = member.agent.messages(session.clone(), before, limit).await?;
        let mut unknown: Vec<_> = page
            .messages
            .iter_mut()
            .flat_map(|message| &mut message.parts)
            .filter_map(|part| match &mut part.content {
                Content::Tool(tool) if tool.record.is_none() && tool.name.starts_with(OWN) => Some(tool),
                _ => None,
            })
            .collect();
        if unknown.is_empty() {
            return Ok(page);
        }
        let calls = unknown.iter().map(|tool| tool.call.clone()).collect();
        match self.store.lines_of_calls(room.clone(), session.to_string(), calls).await {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                for tool in &mut unknown {
                    tool.record = lines.iter().find(|(call, _)| *call == tool.call).map(|(_, line)| *line);
                }
                member.agent.recall_records(session, lines).await;
            }
            Err(error) => tracing::warn!(%room, %error, "the record does not say where calls stand in it"),
        }
        Ok(page)
    }

    // --- Projects ----------------------------------------------------------

    fn key(room: &RoomId) -> String {
        format!("sessions/{room}/projects")
    }

    async fn added(&self, room: &RoomId) -> Result<Vec<Project>, PortError> {
        let broken = |error: &dyn std::fmt::Display| {
            PortError::Broken(format!("its projects cannot be read: {error}"))
        };
        let text = self.store.setting(Self::key(room)).await.map_err(|error| broken(&error))?;
        let Some(text) = text else { return Ok(vec![]) };
        serde_json::from_str(&text).map_err(|error| broken(&error))
    }

    async fn keep(&self, room: &RoomId, projects: &[Project]) -> Result<(), PortError> {
        let broken = |error: &dyn std::fmt::Display| {
            PortError::Broken(format!("its projects cannot be kept: {error}"))
        };
        let text = serde_json::to_string(projects).map_err(|error| broken(&error))?;
        self.store.put_setting(Self::key(room), text).await.map_err(|error| broken(&error))
    }

    async fn projects(&self, room: &RoomId) -> Result<Vec<Project>, PortError> {
        let dir = self.setup.main_directory(room);
        let mut projects = vec![Project { id: main(), name: name_of(&dir), dir: dir.display().to_string() }];
        // A root that was taken away since takes its projects with it.
        let added = self.added(room).await?.into_iter();
        projects.extend(added.filter(|project| self.below_a_root(Path::new(&project.dir))));
        Ok(projects)
    }

    fn below_a_root(&self, dir: &Path) -> bool {
        self.roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| dir.starts_with(root))
    }

    pub(super) async fn list_projects(&self, room: &RoomId) -> Result<Projects, PortError> {
        let roots = self.roots.iter().map(|root| root.display().to_string()).collect();
        Ok(Projects { projects: self.projects(room).await?, roots })
    }

    pub(super) async fn add_project(&self, room: &RoomId, dir: &str) -> Result<Project, PortError> {
        let told: String = dir.chars().take(200).collect();
        let path = Path::new(dir);
        if !path.is_absolute() {
            return Err(PortError::Refused(format!("{told:?} is no absolute path")));
        }
        let Some(real) = path.canonicalize().ok().filter(|real| self.below_a_root(real)) else {
            // Of what is elsewhere nobody learns whether it is there.
            let roots: Vec<_> = self.roots.iter().map(|root| root.display().to_string()).collect();
            return Err(PortError::Refused(match roots.is_empty() {
                true => "no directory can be added: name those that may be by --opencode-roots".into(),
                false => format!("{told:?} is no directory below {}", roots.join(", ")),
            }));
        };
        if !real.is_dir() {
            return Err(PortError::Refused(format!("{told:?} is no directory")));
        }
        let dir =
            real.to_str().ok_or_else(|| PortError::Refused("the path is not in UTF-8".into()))?.to_owned();
        let _change = self.changing.lock().await;
        let all = self.projects(room).await?;
        if let Some(known) = all.iter().find(|project| project.dir == dir) {
            return Ok(known.clone());
        }
        if all.len() >= MOST_PROJECTS {
            return Err(PortError::Refused(format!(
                "a room has at most {MOST_PROJECTS} projects; remove one"
            )));
        }
        let mut random = [0; 6];
        let failed = |error| PortError::Broken(format!("the system gives no random numbers: {error}"));
        getrandom::fill(&mut random).map_err(failed)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = Id::new(&id).ok_or(PortError::Unknown("project"))?;
        let project = Project { id, name: name_of(&real), dir };
        let mut added = self.added(room).await?;
        added.push(project.clone());
        self.keep(room, &added).await?;
        Ok(project)
    }

    /// Its agent is stopped; its files and sessions stay where they are.
    pub(super) async fn remove_project(&self, room: &RoomId, project: &Id) -> Result<(), PortError> {
        if project.as_str() == MAIN {
            return Err(PortError::Refused("the first project is a setting of the server".into()));
        }
        let _change = self.changing.lock().await;
        let mut added = self.added(room).await?;
        let before = added.len();
        added.retain(|one| one.id != *project);
        if added.len() == before {
            return Err(PortError::Unknown("project"));
        }
        self.keep(room, &added).await?;
        let member = self.members().remove(&(room.clone(), project.clone()));
        if let Some(member) = member {
            member.stop.cancel();
        }
        Ok(())
    }

    /// Ends all agents' processes.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn main() -> Id {
    Id::new(MAIN).expect("four letters are an id")
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned())
}
