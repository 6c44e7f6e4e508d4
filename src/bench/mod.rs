//! `tandem bench`: measures a real room on this machine, with a native viewer and a real browser.

pub mod viewer;
