//! Pictures in, encoded frames out.
