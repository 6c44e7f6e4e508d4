//! Chromium: its process, the CDP multiplexer, tabs, locators, actions, snapshots.
