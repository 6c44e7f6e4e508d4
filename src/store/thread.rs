//! The handle to the store, and the thread behind it.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::chain::Link;
use super::database::Database;
use super::directory::{self, ServerLock};
use super::records::{NewLine, RecordEnds, RecordPart, RecordedLine};
use super::rows::{PageHash, StoredRoom, StoredToken, TokenHash, TokenId, UnixSeconds};
use super::secrets::{self, StoredSecret};
use super::vault::SecretError;
use crate::base::{Redacted, RoomId};
use crate::policy::SecretName;

type Job = Box<dyn FnOnce(&mut Database) + Send>;

/// The store. Cheap to clone; the thread ends and the file is closed when the
/// last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    /// Where the key of the secrets is.
    secrets_key: Arc<Path>,
}

impl Store {
    /// Opens the store of a server: makes the directory and the file when they
    /// are missing, and keeps any second server away while it is open.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let file = directory::prepare(directory)?;
        let lock = directory::lock(directory)?;
        Self::start(Database::open(&file)?, Some(lock), directory)
    }

    /// Opens the store beside a server that may be running on it.
    pub fn open_beside(directory: &Path) -> Result<Self, StoreError> {
        let file = directory::existing(directory)?;
        Self::start(Database::open(&file)?, None, directory)
    }

    /// The same, with the key of the secrets in this file.
    pub fn with_secrets_key(self, path: &Path) -> Self {
        Self { secrets_key: path.into(), ..self }
    }

    fn start(mut database: Database, lock: Option<ServerLock>, directory: &Path) -> Result<Self, StoreError> {
        // 64 questions may wait; who asks one more waits for a place.
        let (jobs, mut queue) = mpsc::channel::<Job>(64);
        let thread = std::thread::Builder::new().name("tandem-store".into());
        thread
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut database);
                }
                // The file is closed before the next server may open it.
                drop(database);
                drop(lock);
            })
            .map_err(|_| StoreError::Stopped)?;
        Ok(Self { jobs, secrets_key: directory.join("secrets.key").into() })
    }

    /// Ends when all that was asked before has been done.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(|_| Ok(())).await
    }

    /// A number that changes when another process has written.
    pub async fn foreign_changes(&self) -> Result<i64, StoreError> {
        self.ask(|database| database.foreign_changes()).await
    }

    pub async fn add_token(&self, token: StoredToken) -> Result<(), StoreError> {
        self.ask(move |database| database.add_token(&token)).await
    }

    /// All tokens ever made, or those limited to one room.
    pub async fn tokens(&self, room: Option<RoomId>) -> Result<Vec<StoredToken>, StoreError> {
        self.ask(move |database| database.tokens(room.as_ref())).await
    }

    pub async fn token(&self, id: TokenId) -> Result<Option<StoredToken>, StoreError> {
        self.ask(move |database| database.token(&id)).await
    }

    pub async fn token_by_hash(&self, hash: TokenHash) -> Result<Option<StoredToken>, StoreError> {
        self.ask(move |database| database.token_by_hash(hash)).await
    }

    /// Makes a token that is good for one page this page's; true when it was
    /// nobody's or this page's before.
    pub async fn claim_token(&self, id: TokenId, page: PageHash) -> Result<bool, StoreError> {
        self.ask(move |database| database.claim_token(&id, page)).await
    }

    /// True while any token that is good names this site.
    pub async fn has_origin(&self, origin: String, now: UnixSeconds) -> Result<bool, StoreError> {
        self.ask(move |database| database.has_origin(&origin, now)).await
    }

    /// True when there was such a token that was not revoked before.
    pub async fn revoke_token(&self, id: TokenId, now: UnixSeconds) -> Result<bool, StoreError> {
        self.ask(move |database| database.revoke_token(&id, now)).await
    }

    /// Revokes all tokens limited to this room; says how many there were.
    pub async fn revoke_tokens_of(&self, room: RoomId, now: UnixSeconds) -> Result<usize, StoreError> {
        self.ask(move |database| database.revoke_tokens_of(&room, now)).await
    }

    /// Keeps a room; an older one of this name is replaced.
    pub async fn put_room(&self, room: StoredRoom) -> Result<(), StoreError> {
        self.ask(move |database| database.put_room(&room)).await
    }

    pub async fn rooms(&self) -> Result<Vec<StoredRoom>, StoreError> {
        self.ask(|database| database.rooms()).await
    }

    /// True when there was one.
    pub async fn remove_room(&self, id: RoomId) -> Result<bool, StoreError> {
        self.ask(move |database| database.remove_room(&id)).await
    }

    pub async fn setting(&self, key: impl Into<String>) -> Result<Option<String>, StoreError> {
        let key = key.into();
        self.ask(move |database| database.setting(&key)).await
    }

    pub async fn put_setting(&self, key: impl Into<String>, value: String) -> Result<(), StoreError> {
        let key = key.into();
        self.ask(move |database| database.put_setting(&key, &value)).await
    }

    /// All secrets, without their values.
    pub async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        self.ask(|database| secrets::all(database.for_secrets())).await
    }

    /// Whether the secrets that are kept can be used.
    pub async fn check_secrets(&self) -> Result<(), SecretError> {
        let key = Arc::clone(&self.secrets_key);
        self.ask(move |database| Ok(secrets::check(database.for_secrets(), &key))).await?
    }

    /// Keeps a secret; one of this name is replaced. True when there was none.
    pub async fn put_secret(
        &self,
        secret: StoredSecret,
        value: Redacted<String>,
    ) -> Result<bool, SecretError> {
        let key = Arc::clone(&self.secrets_key);
        let put = move |database: &mut Database| {
            Ok(secrets::put(database.for_secrets(), &key, &secret, value.reveal()))
        };
        self.ask(put).await?
    }

    /// True when there was one.
    pub async fn remove_secret(&self, name: SecretName) -> Result<bool, StoreError> {
        self.ask(move |database| secrets::remove(database.for_secrets(), &name)).await
    }

    /// A secret with its value.
    pub async fn open_secret(
        &self,
        name: SecretName,
    ) -> Result<Option<(StoredSecret, Redacted<String>)>, SecretError> {
        let key = Arc::clone(&self.secrets_key);
        self.ask(move |database| Ok(secrets::open(database.for_secrets(), &key, &name))).await?
    }

    pub async fn note_secret_use(&self, name: SecretName, at: UnixSeconds) -> Result<(), StoreError> {
        self.ask(move |database| secrets::used(database.for_secrets(), &name, at)).await
    }

    /// Adds lines to a room's record, all or none, in one transaction. Gives the
    /// last of them: the numbers are consecutive.
    pub async fn append_record(&self, room: RoomId, lines: Vec<NewLine>) -> Result<Link, StoreError> {
        self.ask(move |database| database.append_record(&room, lines)).await
    }

    /// A room of this name is made now; its record so far is that of another.
    pub async fn begin_record(&self, room: RoomId) -> Result<(), StoreError> {
        self.ask(move |database| database.begin_record(&room)).await
    }

    /// Some lines of a record. Who wants many asks often, so that others have their turn.
    pub async fn read_record(
        &self,
        room: RoomId,
        part: RecordPart,
        limit: u32,
    ) -> Result<Vec<RecordedLine>, StoreError> {
        self.ask(move |database| database.read_record(&room, part, limit)).await
    }

    /// A line of a record turns out to be this call's of a conversation.
    pub async fn name_call(
        &self,
        room: RoomId,
        session: String,
        call: String,
        line: u64,
    ) -> Result<(), StoreError> {
        self.ask(move |database| database.name_call(&room, &session, &call, line)).await
    }

    /// The lines of a record in which these calls of a conversation stand, where there are any.
    pub async fn lines_of_calls(
        &self,
        room: RoomId,
        session: String,
        calls: Vec<String>,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        self.ask(move |database| database.lines_of_calls(&room, &session, calls)).await
    }

    /// How far a record goes; nothing if there never was one.
    pub async fn record_ends(&self, room: RoomId) -> Result<Option<RecordEnds>, StoreError> {
        self.ask(move |database| database.record_ends(&room)).await
    }

    /// Removes some of the oldest lines: those from before this time (milliseconds
    /// since 1970), and those that make the record longer than `most` bytes. True
    /// when there may be more to remove.
    pub async fn trim_record(&self, room: RoomId, before: i64, most: u64) -> Result<bool, StoreError> {
        self.ask(move |database| database.trim_record(&room, before, most)).await
    }

    /// For tests: does something to the file that only SQLite can do.
    #[cfg(test)]
    pub async fn tamper<T: Send + 'static>(
        &self,
        with: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.ask(move |database| Ok(with(database.connection())?)).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            // Nobody may wait any longer; what was asked is done all the same.
            let _ = reply.send(question(database));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Role, Size};
    use crate::floor::Mode;

    fn a_token(number: u8, room: Option<&str>) -> StoredToken {
        StoredToken {
            id: TokenId::from_bytes([number; 6]),
            hash: TokenHash([number; 32]),
            role: Role::Viewer,
            room: room.map(|room| RoomId::new(room).expect("valid")),
            name: "Ada".into(),
            created_at: UnixSeconds(1),
            expires_at: None,
            revoked_at: None,
            tools: None,
            colour: None,
            modes: None,
            origin: None,
            person: None,
            single_use: false,
            claimed: None,
        }
    }

    #[tokio::test]
    async fn rows_outlive_the_store_and_a_revoked_token_stays_revoked() {
        let dir = tempfile::tempdir().expect("dir");
        let data = dir.path().join("made/when/missing");
        let room = StoredRoom {
            id: RoomId::main(),
            size: Size::DEFAULT,
            start_url: None,
            created_at: UnixSeconds(7),
            mode: Some(Mode::Turns),
            options: Some("{}".into()),
        };
        {
            let store = Store::open(&data).expect("opens");
            store.add_token(a_token(1, None)).await.expect("added");
            store.add_token(a_token(2, Some("main"))).await.expect("added");
            store.put_room(room.clone()).await.expect("kept");
            store.put_setting("greeting", "hello".into()).await.expect("kept");
            assert!(store.revoke_token(TokenId::from_bytes([1; 6]), UnixSeconds(9)).await.expect("revoked"));
            assert!(!store.revoke_token(TokenId::from_bytes([1; 6]), UnixSeconds(9)).await.expect("asked"));
            store.flush().await.expect("flushed");
        }
        let store = reopen(&data);
        let first = store.token_by_hash(TokenHash([1; 32])).await.expect("asked").expect("there");
        assert_eq!(first.revoked_at, Some(UnixSeconds(9)));
        assert_eq!(store.tokens(Some(RoomId::main())).await.expect("asked"), [a_token(2, Some("main"))]);
        assert_eq!(store.rooms().await.expect("asked"), [room]);
        assert_eq!(store.setting("greeting").await.expect("asked").as_deref(), Some("hello"));
        assert!(store.remove_room(RoomId::main()).await.expect("asked"));
        assert_eq!(store.revoke_tokens_of(RoomId::main(), UnixSeconds(9)).await.expect("asked"), 1);
    }

    #[tokio::test]
    async fn a_token_for_one_page_is_its_first_pages_alone_and_a_site_is_known_while_a_token_names_it() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("opens");
        let site = "https://dash.example".to_owned();
        let mut token = a_token(1, Some("main"));
        token.origin = Some(site.clone());
        token.modes = Some(vec![Mode::Turns, Mode::HandsOff]);
        token.colour = Some("#0f766e".parse().expect("a colour"));
        token.person = Some(TokenId::from_bytes([7; 6]));
        token.single_use = true;
        token.expires_at = Some(UnixSeconds(100));
        store.add_token(token.clone()).await.expect("added");
        assert_eq!(store.token(token.id.clone()).await.expect("asked"), Some(token.clone()));
        let claim = |page: u8| store.claim_token(token.id.clone(), PageHash([page; 32]));
        assert!(claim(1).await.expect("asked"), "nobody's before");
        assert!(claim(1).await.expect("asked"), "its own");
        assert!(!claim(2).await.expect("asked"), "another's");
        let known = |now| store.has_origin(site.clone(), UnixSeconds(now));
        assert!(known(99).await.expect("asked"));
        assert!(!known(100).await.expect("asked"), "it has run out");
        assert!(!store.has_origin("https://other.example".into(), UnixSeconds(1)).await.expect("asked"));
        // A day later the next one takes it away with it.
        let mut next = a_token(2, Some("main"));
        next.created_at = UnixSeconds(100 + 24 * 3600 + 1);
        store.add_token(next).await.expect("added");
        assert_eq!(store.token(token.id.clone()).await.expect("asked"), None);
    }

    /// The old thread lets go of the lock a moment after its last handle went.
    fn reopen(data: &Path) -> Store {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            match Store::open(data) {
                Ok(store) => return store,
                Err(StoreError::Busy { .. }) if std::time::Instant::now() < deadline => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_second_server_is_kept_away_but_a_command_is_let_in_and_its_change_is_seen() {
        let dir = tempfile::tempdir().expect("dir");
        let server = Store::open(dir.path()).expect("opens");
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Busy { .. })));
        let before = server.foreign_changes().await.expect("asked");
        let command = Store::open_beside(dir.path()).expect("opens beside");
        command.add_token(a_token(3, None)).await.expect("added");
        assert_ne!(server.foreign_changes().await.expect("asked"), before);
        assert!(server.token(TokenId::from_bytes([3; 6])).await.expect("asked").is_some());
    }

    #[test]
    fn what_is_not_ours_is_refused_with_its_reason() {
        let dir = tempfile::tempdir().expect("dir");
        assert!(matches!(Store::open_beside(dir.path()), Err(StoreError::Absent { .. })));
        std::fs::write(dir.path().join("tandem.db"), "this is no database, not at all".repeat(99))
            .expect("written");
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Corrupt { .. })));

        let newer = tempfile::tempdir().expect("dir");
        let file = newer.path().join("tandem.db");
        let connection = rusqlite::Connection::open(&file).expect("opens");
        connection.pragma_update(None, "user_version", 99).expect("set");
        assert!(matches!(Store::open(newer.path()), Err(StoreError::Newer { found: 99, .. })));

        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").expect("written");
        assert!(matches!(Store::open(&plain.join("below")), Err(StoreError::Directory { .. })));
    }

    #[test]
    fn the_database_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("dir");
        let _store = Store::open(dir.path()).expect("opens");
        for entry in std::fs::read_dir(dir.path()).expect("read").flatten() {
            let mode = entry.metadata().expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?} is {mode:o}", entry.path());
        }
    }

    #[tokio::test]
    async fn a_calls_line_is_found_by_its_session_and_name_and_goes_with_the_line() {
        let dir = tempfile::tempdir().expect("dir");
        let store = Store::open(dir.path()).expect("opens");
        let line = |at: i64, kind: &str, call: &str| NewLine {
            at,
            line: serde_json::json!({ "kind": kind, "details": { "session": "s", "call": call } })
                .as_object()
                .cloned()
                .expect("an object"),
        };
        let lines =
            vec![line(1, "approval", "a"), line(2, "act", "a"), line(3, "act", "a"), line(4, "look", "b")];
        store.append_record(RoomId::main(), lines).await.expect("added");
        let find = |session: &str| {
            let calls = ["a", "b", "c"].map(str::to_owned).to_vec();
            store.lines_of_calls(RoomId::main(), session.to_owned(), calls)
        };
        assert_eq!(find("s").await.expect("asked"), [("a".to_owned(), 2), ("b".to_owned(), 4)]);
        assert_eq!(find("other").await.expect("asked"), []);
        // One that is known later only; what is known already stays.
        for (call, seq) in [("c", 3), ("a", 3)] {
            store.name_call(RoomId::main(), "s".into(), call.into(), seq).await.expect("named");
        }
        assert_eq!(find("s").await.expect("asked")[2], ("c".to_owned(), 3));
        assert_eq!(find("s").await.expect("asked")[0], ("a".to_owned(), 2));
        while store.trim_record(RoomId::main(), 4, u64::MAX).await.expect("trimmed") {}
        assert_eq!(find("s").await.expect("asked"), [("b".to_owned(), 4)]);
    }
}
