//! The tabs of a room that has no browser now: asleep, or between two runs of
//! the server. A list that cannot be read counts as none.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Profile, RoomOptions, RoomSettings};
use crate::base::RoomId;
use crate::browser::TabInfo;
use crate::process;

/// As many as a browser brings back.
const MOST: usize = 100;
/// A list that is larger was not written by us.
const LARGEST: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    title: String,
    front: bool,
}

/// Where a room's tabs are kept; nothing when they are not to be.
pub(super) fn place(settings: &RoomSettings, room: &RoomId, options: &RoomOptions) -> Option<PathBuf> {
    (options.profile == Profile::Keep).then(|| settings.room_dir(room).join("tabs.json"))
}

pub(super) fn load(path: &Path) -> Vec<TabInfo> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() > LARGEST) {
        return Vec::new();
    }
    let kept: Vec<Kept> =
        std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let tabs = kept.into_iter().take(MOST);
    tabs.map(|Kept { url, title, front }| TabInfo { target: String::new(), url, title, front }).collect()
}

pub(super) fn save(path: &Path, tabs: &[TabInfo]) {
    let kept: Vec<Kept> = tabs
        .iter()
        .take(MOST)
        .map(|tab| Kept { url: tab.url.clone(), title: tab.title.clone(), front: tab.front })
        .collect();
    let written = serde_json::to_vec(&kept).map_err(std::io::Error::from).and_then(|text| {
        use std::io::Write as _;
        let new = path.with_extension("new");
        let mut file = process::create_anew(&new, 0o600)?;
        file.write_all(&text)?;
        std::fs::rename(&new, path)
    });
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "the tabs of a room are not remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_nonsense_is_nothing() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("tabs.json");
        assert_eq!(load(&path), []);
        let tab =
            |url: &str, front| TabInfo { target: String::new(), url: url.into(), title: "T".into(), front };
        let tabs = [tab("http://a/", false), tab("http://b/", true)];
        save(&path, &tabs);
        assert_eq!(load(&path), tabs);
        std::fs::write(&path, "{").expect("write");
        assert_eq!(load(&path), []);
    }
}
