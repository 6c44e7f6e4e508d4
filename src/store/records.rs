//! The records of the rooms, as rows: lines are only added at the end, and
//! taken away only from the beginning. What a line says is not known here.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::{Map, Value};

use super::StoreError;
use super::chain::{LineHash, Link, canonical};
use crate::base::RoomId;

/// So many of the oldest lines are removed in one transaction.
const AT_ONCE: u32 = 500;

/// A line to be added, without its number.
#[derive(Clone, Debug)]
pub struct NewLine {
    /// Milliseconds since 1970.
    pub at: i64,
    pub line: Map<String, Value>,
}

/// A line as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLine {
    pub seq: u64,
    pub at: i64,
    /// Canonical JSON, with `seq` and `at` in it.
    pub line: String,
    pub hash: LineHash,
}

/// How far the record of a room goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordEnds {
    /// The last line that was removed; number 0 and zeros when none was.
    pub anchor: Link,
    pub last: Link,
    /// The last line before the room was made that has this name now.
    pub began: u64,
    /// The length of all lines that are there.
    pub bytes: u64,
}

/// Which lines to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordPart {
    /// From the first one after this number, forwards.
    After(u64),
    /// From the last one before this number, backwards.
    Before(u64),
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn ends(connection: &Connection, room: &RoomId) -> rusqlite::Result<Option<RecordEnds>> {
    let sql = "SELECT anchor_seq, anchor, last_seq, last, began, bytes FROM record_ends WHERE room = ?1";
    let mut query = connection.prepare_cached(sql)?;
    let found = query.query_row([room.as_str()], |row| {
        Ok(RecordEnds {
            anchor: Link { seq: whole(row.get(0)?), hash: LineHash(row.get(1)?) },
            last: Link { seq: whole(row.get(2)?), hash: LineHash(row.get(3)?) },
            began: whole(row.get(4)?),
            bytes: whole(row.get(5)?),
        })
    });
    found.optional()
}

fn put_ends(connection: &Connection, room: &RoomId, ends: &RecordEnds) -> rusqlite::Result<()> {
    let sql = "INSERT INTO record_ends (room, anchor_seq, anchor, last_seq, last, began, bytes)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
               ON CONFLICT (room) DO UPDATE
               SET anchor_seq = ?2, anchor = ?3, last_seq = ?4, last = ?5, began = ?6, bytes = ?7";
    connection.prepare_cached(sql)?.execute(params![
        room.as_str(),
        stored(ends.anchor.seq),
        ends.anchor.hash.0,
        stored(ends.last.seq),
        ends.last.hash.0,
        stored(ends.began),
        stored(ends.bytes),
    ])?;
    Ok(())
}

const NAME_CALL: &str =
    "INSERT OR IGNORE INTO record_calls (room, session, call, seq) VALUES (?1, ?2, ?3, ?4)";

/// Adds lines at the end, all or none, and says where the record ends then.
pub(super) fn append(
    connection: &mut Connection,
    room: &RoomId,
    lines: Vec<NewLine>,
) -> Result<Link, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut ends = ends(&transaction, room)?.unwrap_or_default();
    {
        let sql = "INSERT INTO records (room, seq, at, line, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut insert = transaction.prepare_cached(sql)?;
        // A call's own line is the first: its end comes later.
        let mut name = transaction.prepare_cached(NAME_CALL)?;
        for NewLine { at, mut line } in lines {
            let seq = ends.last.seq + 1;
            if let Some((session, call)) = call_of(&line) {
                name.execute(params![room.as_str(), session, call, stored(seq)])?;
            }
            line.insert("seq".to_owned(), seq.into());
            line.insert("at".to_owned(), at.into());
            let text = canonical(&Value::Object(line));
            let hash = ends.last.hash.then(&text);
            insert.execute(params![room.as_str(), stored(seq), at, text, hash.0])?;
            ends.last = Link { seq, hash };
            ends.bytes += text.len() as u64;
        }
    }
    put_ends(&transaction, room, &ends)?;
    transaction.commit()?;
    Ok(ends.last)
}

/// Of which call of a conversation a line is, if it is a tool's own.
fn call_of(line: &Map<String, Value>) -> Option<(&str, &str)> {
    let kind = line.get("kind")?.as_str()?;
    let details = line.get("details").filter(|_| matches!(kind, "act" | "look"))?;
    Some((details.get("session")?.as_str()?, details.get("call")?.as_str()?))
}

/// A line that stands already turns out to be this call's. A call that has a line keeps it.
pub(super) fn name_call(
    connection: &Connection,
    room: &RoomId,
    session: &str,
    call: &str,
    seq: u64,
) -> Result<(), StoreError> {
    connection.prepare_cached(NAME_CALL)?.execute(params![room.as_str(), session, call, stored(seq)])?;
    Ok(())
}

/// The lines of these calls of a session, as far as there are any.
pub(super) fn of_calls(
    connection: &Connection,
    room: &RoomId,
    session: &str,
    calls: Vec<String>,
) -> Result<Vec<(String, u64)>, StoreError> {
    let sql = "SELECT seq FROM record_calls WHERE room = ?1 AND session = ?2 AND call = ?3";
    let mut query = connection.prepare_cached(sql)?;
    let mut found = vec![];
    for call in calls {
        let seq = query.query_row(params![room.as_str(), session, call], |row| row.get(0)).optional()?;
        found.extend(seq.map(|seq| (call, whole(seq))));
    }
    Ok(found)
}

/// A room of this name is made: what stands here already is about another.
pub(super) fn begin(connection: &mut Connection, room: &RoomId) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut ends = ends(&transaction, room)?.unwrap_or_default();
    ends.began = ends.last.seq;
    put_ends(&transaction, room, &ends)?;
    transaction.commit()?;
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    room: &RoomId,
    part: RecordPart,
    limit: u32,
) -> Result<Vec<RecordedLine>, StoreError> {
    let (sql, from) = match part {
        RecordPart::After(seq) => (
            "SELECT seq, at, line, hash FROM records WHERE room = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
            seq,
        ),
        RecordPart::Before(seq) => (
            "SELECT seq, at, line, hash FROM records WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
            seq,
        ),
    };
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map(params![room.as_str(), stored(from), limit], |row| {
        Ok(RecordedLine {
            seq: whole(row.get(0)?),
            at: row.get(1)?,
            line: row.get(2)?,
            hash: LineHash(row.get(3)?),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes some of the oldest lines: those from before this time, and those
/// that make the record longer than this. True when there may be more.
pub(super) fn trim(
    connection: &mut Connection,
    room: &RoomId,
    before: i64,
    most_bytes: u64,
) -> Result<bool, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(mut ends) = ends(&transaction, room)? else { return Ok(false) };
    let oldest = read(&transaction, room, RecordPart::After(ends.anchor.seq), AT_ONCE)?;
    let mut removed = 0;
    for line in &oldest {
        // The last line stays: without it nobody could tell how far it once went.
        if line.seq >= ends.last.seq || (line.at >= before && ends.bytes <= most_bytes) {
            break;
        }
        ends.anchor = Link { seq: line.seq, hash: line.hash };
        ends.bytes = ends.bytes.saturating_sub(line.line.len() as u64);
        removed += 1;
    }
    if removed == 0 {
        return Ok(false);
    }
    // First the anchor: the table gives up only what lies before it.
    put_ends(&transaction, room, &ends)?;
    let sql = "DELETE FROM records WHERE room = ?1 AND seq <= ?2";
    transaction.prepare_cached(sql)?.execute(params![room.as_str(), stored(ends.anchor.seq)])?;
    let sql = "DELETE FROM record_calls WHERE room = ?1 AND seq <= ?2";
    transaction.prepare_cached(sql)?.execute(params![room.as_str(), stored(ends.anchor.seq)])?;
    transaction.commit()?;
    Ok(removed == oldest.len())
}
