//! The tables, as steps from one version to the next. A step that was
//! released is never changed; a new one is added.

use rusqlite::Connection;

const STEPS: &[&str] = &[
    "
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
        role TEXT NOT NULL,
        room TEXT,
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER
    ) STRICT;
    CREATE TABLE rooms (
        id TEXT PRIMARY KEY,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        start_url TEXT,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE settings (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE tokens ADD COLUMN tools TEXT;
",
    "
    ALTER TABLE rooms ADD COLUMN mode TEXT;
",
    "
    CREATE TABLE records (
        room TEXT NOT NULL,
        seq INTEGER NOT NULL CHECK (seq > 0),
        at INTEGER NOT NULL,
        line TEXT NOT NULL,
        hash BLOB NOT NULL CHECK (length(hash) = 32),
        PRIMARY KEY (room, seq)
    ) STRICT;
    CREATE TABLE record_ends (
        room TEXT PRIMARY KEY,
        anchor_seq INTEGER NOT NULL,
        anchor BLOB NOT NULL CHECK (length(anchor) = 32),
        last_seq INTEGER NOT NULL,
        last BLOB NOT NULL CHECK (length(last) = 32),
        began INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER records_are_not_changed BEFORE UPDATE ON records
    BEGIN SELECT RAISE(ABORT, 'a record is only added to'); END;
    CREATE TRIGGER records_are_removed_from_the_beginning BEFORE DELETE ON records
    WHEN OLD.seq > (SELECT anchor_seq FROM record_ends WHERE room = OLD.room)
    BEGIN SELECT RAISE(ABORT, 'a record is only added to'); END;
",
    "
    ALTER TABLE rooms ADD COLUMN options TEXT;
",
    "
    CREATE TABLE record_calls (
        room TEXT NOT NULL,
        session TEXT NOT NULL,
        call TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (room, session, call)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX record_calls_by_line ON record_calls (room, seq);
    INSERT OR IGNORE INTO record_calls (room, session, call, seq)
        SELECT room, session, call, seq FROM (
            SELECT room, seq, line ->> '$.kind' AS kind, line ->> '$.details.session' AS session,
                line ->> '$.details.call' AS call
            FROM records WHERE json_valid(line)
        ) WHERE kind IN ('act', 'look') AND session IS NOT NULL AND call IS NOT NULL ORDER BY room, seq;
",
    "
    ALTER TABLE tokens ADD COLUMN colour TEXT;
    ALTER TABLE tokens ADD COLUMN modes TEXT;
    ALTER TABLE tokens ADD COLUMN origin TEXT;
    ALTER TABLE tokens ADD COLUMN person TEXT;
    ALTER TABLE tokens ADD COLUMN single_use INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE tokens ADD COLUMN claimed BLOB CHECK (claimed IS NULL OR length(claimed) = 32);
    CREATE INDEX tokens_by_origin ON tokens (origin) WHERE origin IS NOT NULL;
",
    "
    CREATE TABLE secrets (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        origins TEXT NOT NULL,
        room TEXT,
        made_at INTEGER NOT NULL,
        made_by TEXT NOT NULL,
        used_at INTEGER,
        sealed BLOB NOT NULL
    ) STRICT;
",
];

/// The version that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).expect("a handful of steps")
}

/// The version that the file has.
pub(super) fn found(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the file to the known version, in one transaction: whoever else has
/// it open sees the old tables or the new ones.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let from = usize::try_from(found(&transaction)?).unwrap_or(0);
    for step in STEPS.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()
}
