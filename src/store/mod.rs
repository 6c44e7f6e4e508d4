//! What outlives a restart, in SQLite.
