//! The queries. Synchronous; runs on the store's thread alone.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use super::chain::Link;
use super::records::{self, NewLine, RecordEnds, RecordPart, RecordedLine};
use super::rows::{PageHash, StoredRoom, StoredToken, TokenHash, TokenId, UnixSeconds};
use super::{StoreError, schema};
use crate::base::{ColourError, RoomId, Size, ToolGroupError};
use crate::floor::Mode;

/// How long a query waits for another process that writes.
const WAIT_FOR_WRITER_MS: u32 = 5000;

const TOKEN_COLUMNS: &str = "id, hash, role, room, name, created_at, expires_at, revoked_at, tools, \
     colour, modes, origin, person, single_use, claimed";

/// So long a token for another site is kept after its end.
const KEPT_AFTER_SECONDS: i64 = 24 * 3600;

pub(super) struct Database {
    connection: Connection,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let corrupt = |source: rusqlite::Error| match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Corrupt { path: path.to_owned(), source }
            }
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                StoreError::Directory { path: path.to_owned(), source: std::io::Error::other(source) }
            }
            _ => source.into(),
        };
        let mut connection = Connection::open(path).map_err(corrupt)?;
        // Not by `busy_timeout()`, which needs an SQLite newer than Debian 12 has.
        connection.pragma_update(None, "busy_timeout", WAIT_FOR_WRITER_MS).map_err(corrupt)?;
        let found = schema::found(&connection).map_err(corrupt)?;
        if found > schema::known() {
            return Err(StoreError::Newer { path: path.to_owned(), found, known: schema::known() });
        }
        connection.pragma_update(None, "journal_mode", "WAL").map_err(corrupt)?;
        // A power cut may cost the last commits but never the file.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(corrupt)?;
        let sound: String =
            connection.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(corrupt)?;
        if sound != "ok" {
            let source = rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(sound),
            );
            return Err(StoreError::Corrupt { path: path.to_owned(), source });
        }
        if found < schema::known() {
            schema::migrate(&mut connection).map_err(corrupt)?;
        }
        Ok(Self { connection })
    }

    /// A number that changes when another process has written.
    pub(super) fn foreign_changes(&self) -> Result<i64, StoreError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Short tokens for other sites come by the thousand: those that ran out
    /// a day ago go when a new token comes.
    pub(super) fn add_token(&self, token: &StoredToken) -> Result<(), StoreError> {
        self.connection.execute(
            "DELETE FROM tokens WHERE origin IS NOT NULL AND expires_at < ?1",
            [token.created_at.0.saturating_sub(KEPT_AFTER_SECONDS)],
        )?;
        self.connection.execute(
            "INSERT INTO tokens (id, hash, role, room, name, created_at, expires_at, revoked_at, tools,
                                 colour, modes, origin, person, single_use, claimed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            params![
                token.id.as_str(),
                token.hash.0,
                token.role.as_str(),
                token.room.as_ref().map(RoomId::as_str),
                token.name,
                token.created_at.0,
                token.expires_at.map(|at| at.0),
                token.revoked_at.map(|at| at.0),
                token.tools.map(|tools| tools.to_string()),
                token.colour.map(String::from),
                token.modes.as_ref().map(|modes| modes_text(modes)),
                token.origin,
                token.person.as_ref().map(TokenId::as_str),
                token.single_use,
                token.claimed.map(|page| page.0),
            ],
        )?;
        Ok(())
    }

    pub(super) fn tokens(&self, room: Option<&RoomId>) -> Result<Vec<StoredToken>, StoreError> {
        let mut query = self.connection.prepare_cached(&format!(
            "SELECT {TOKEN_COLUMNS} FROM tokens WHERE ?1 IS NULL OR room = ?1 ORDER BY created_at, id"
        ))?;
        let rows = query.query_map([room.map(RoomId::as_str)], |row| Ok(token(row)))?;
        rows.map(|row| row?).collect()
    }

    pub(super) fn token_by_hash(&self, hash: TokenHash) -> Result<Option<StoredToken>, StoreError> {
        let sql = format!("SELECT {TOKEN_COLUMNS} FROM tokens WHERE hash = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        query.query_row([hash.0], |row| Ok(token(row))).optional()?.transpose()
    }

    pub(super) fn token(&self, id: &TokenId) -> Result<Option<StoredToken>, StoreError> {
        let sql = format!("SELECT {TOKEN_COLUMNS} FROM tokens WHERE id = ?1");
        let mut query = self.connection.prepare_cached(&sql)?;
        query.query_row([id.as_str()], |row| Ok(token(row))).optional()?.transpose()
    }

    pub(super) fn claim_token(&self, id: &TokenId, page: PageHash) -> Result<bool, StoreError> {
        let sql = "UPDATE tokens SET claimed = ?2 WHERE id = ?1 AND (claimed IS NULL OR claimed = ?2)";
        Ok(self.connection.execute(sql, params![id.as_str(), page.0])? > 0)
    }

    pub(super) fn has_origin(&self, origin: &str, now: UnixSeconds) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM tokens WHERE origin = ?1 AND revoked_at IS NULL
                   AND (expires_at IS NULL OR expires_at > ?2) LIMIT 1";
        Ok(self.connection.prepare_cached(sql)?.exists(params![origin, now.0])?)
    }

    /// True when there was such a token that was not revoked before.
    pub(super) fn revoke_token(&self, id: &TokenId, now: UnixSeconds) -> Result<bool, StoreError> {
        let sql = "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL";
        Ok(self.connection.execute(sql, params![id.as_str(), now.0])? > 0)
    }

    pub(super) fn revoke_tokens_of(&self, room: &RoomId, now: UnixSeconds) -> Result<usize, StoreError> {
        let sql = "UPDATE tokens SET revoked_at = ?2 WHERE room = ?1 AND revoked_at IS NULL";
        Ok(self.connection.execute(sql, params![room.as_str(), now.0])?)
    }

    /// Keeps a room; an older row of this name is replaced.
    pub(super) fn put_room(&self, room: &StoredRoom) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO rooms (id, width, height, start_url, created_at, mode, options)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET width = ?2, height = ?3, start_url = ?4, mode = ?6, options = ?7",
            params![
                room.id.as_str(),
                room.size.width(),
                room.size.height(),
                room.start_url,
                room.created_at.0,
                room.mode.map(Mode::as_str),
                room.options,
            ],
        )?;
        Ok(())
    }

    pub(super) fn rooms(&self) -> Result<Vec<StoredRoom>, StoreError> {
        let sql = "SELECT id, width, height, start_url, created_at, mode, options FROM rooms ORDER BY created_at, id";
        let mut query = self.connection.prepare_cached(sql)?;
        let rows = query.query_map([], |row| Ok(stored_room(row)))?;
        rows.map(|row| row?).collect()
    }

    /// With the secrets that were for it alone: a later room of this name is another one.
    pub(super) fn remove_room(&mut self, id: &RoomId) -> Result<bool, StoreError> {
        let transaction = self.connection.transaction()?;
        transaction.execute("DELETE FROM secrets WHERE room = ?1", [id.as_str()])?;
        let removed = transaction.execute("DELETE FROM rooms WHERE id = ?1", [id.as_str()])? > 0;
        transaction.commit()?;
        Ok(removed)
    }

    pub(super) fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut query = self.connection.prepare_cached("SELECT value FROM settings WHERE key = ?1")?;
        Ok(query.query_row([key], |row| row.get(0)).optional()?)
    }

    pub(super) fn put_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES (?1, ?2)
                   ON CONFLICT (key) DO UPDATE SET value = ?2";
        self.connection.execute(sql, [key, value])?;
        Ok(())
    }

    pub(super) fn append_record(&mut self, room: &RoomId, lines: Vec<NewLine>) -> Result<Link, StoreError> {
        records::append(&mut self.connection, room, lines)
    }

    pub(super) fn begin_record(&mut self, room: &RoomId) -> Result<(), StoreError> {
        records::begin(&mut self.connection, room)
    }

    pub(super) fn read_record(
        &self,
        room: &RoomId,
        part: RecordPart,
        limit: u32,
    ) -> Result<Vec<RecordedLine>, StoreError> {
        records::read(&self.connection, room, part, limit)
    }

    pub(super) fn name_call(
        &self,
        room: &RoomId,
        session: &str,
        call: &str,
        seq: u64,
    ) -> Result<(), StoreError> {
        records::name_call(&self.connection, room, session, call, seq)
    }

    pub(super) fn lines_of_calls(
        &self,
        room: &RoomId,
        session: &str,
        calls: Vec<String>,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        records::of_calls(&self.connection, room, session, calls)
    }

    pub(super) fn record_ends(&self, room: &RoomId) -> Result<Option<RecordEnds>, StoreError> {
        Ok(records::ends(&self.connection, room)?)
    }

    pub(super) fn trim_record(&mut self, room: &RoomId, before: i64, most: u64) -> Result<bool, StoreError> {
        records::trim(&mut self.connection, room, before, most)
    }

    /// For what has a file of its own beside this one.
    pub(super) fn for_secrets(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// For tests: what only SQLite itself can do.
    #[cfg(test)]
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

fn modes_text(modes: &[Mode]) -> String {
    modes.iter().map(|mode| mode.as_str()).collect::<Vec<_>>().join(",")
}

fn token(row: &Row<'_>) -> Result<StoredToken, StoreError> {
    let key: String = row.get(0)?;
    let nonsense = |reason: String| StoreError::Row { table: "tokens", key: key.clone(), reason };
    let (role, room): (String, Option<String>) = (row.get(2)?, row.get(3)?);
    let tools: Option<String> = row.get(8)?;
    Ok(StoredToken {
        id: TokenId::new(&key).ok_or_else(|| nonsense("its id is not 12 hexadecimal digits".into()))?,
        hash: TokenHash(row.get(1)?),
        role: role.parse().map_err(nonsense)?,
        room: room.map(|room| RoomId::new(&room)).transpose().map_err(|error| nonsense(error.to_string()))?,
        name: row.get(4)?,
        created_at: UnixSeconds(row.get(5)?),
        expires_at: row.get::<_, Option<i64>>(6)?.map(UnixSeconds),
        revoked_at: row.get::<_, Option<i64>>(7)?.map(UnixSeconds),
        tools: tools
            .map(|tools| tools.parse())
            .transpose()
            .map_err(|error: ToolGroupError| nonsense(error.to_string()))?,
        colour: row
            .get::<_, Option<String>>(9)?
            .map(|colour| colour.parse())
            .transpose()
            .map_err(|error: ColourError| nonsense(error.to_string()))?,
        modes: row
            .get::<_, Option<String>>(10)?
            .map(|modes| modes.split(',').filter(|mode| !mode.is_empty()).map(str::parse).collect())
            .transpose()
            .map_err(nonsense)?,
        origin: row.get(11)?,
        person: row.get::<_, Option<String>>(12)?.and_then(|id| TokenId::new(&id)),
        single_use: row.get(13)?,
        claimed: row.get::<_, Option<[u8; 32]>>(14)?.map(PageHash),
    })
}

fn stored_room(row: &Row<'_>) -> Result<StoredRoom, StoreError> {
    let key: String = row.get(0)?;
    let nonsense = |reason: String| StoreError::Row { table: "rooms", key: key.clone(), reason };
    Ok(StoredRoom {
        id: RoomId::new(&key).map_err(|error| nonsense(error.to_string()))?,
        size: Size::new(row.get(1)?, row.get(2)?).map_err(|error| nonsense(error.to_string()))?,
        start_url: row.get(3)?,
        created_at: UnixSeconds(row.get(4)?),
        mode: row.get::<_, Option<String>>(5)?.map(|mode| mode.parse().map_err(nonsense)).transpose()?,
        options: row.get(6)?,
    })
}
