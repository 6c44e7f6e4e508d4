//! Files that tools make and take: a room's shelf, in memory, bounded. What
//! lies there is fetched and laid down over HTTP, by whoever may use the tools.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::base::RoomId;

/// Files of one room; when there is one more, the oldest goes.
const MOST: usize = 64;
/// Bytes of all rooms together; beyond it the oldest of the room go.
const MOST_BYTES: usize = 256 << 20;
const LONGEST_NAME: usize = 120;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filed {
    pub name: String,
    pub mime: String,
    pub bytes: Bytes,
}

#[derive(Default)]
pub(super) struct Shelf {
    /// By room, oldest first.
    rooms: Mutex<HashMap<RoomId, Vec<Filed>>>,
}

impl Shelf {
    /// Lays a file down; one of the same name is replaced. Why not, if it cannot be.
    pub fn put(
        &self,
        room: &RoomId,
        name: &str,
        mime: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<String, String> {
        let (name, bytes) = (plain(name)?, bytes.into());
        if bytes.len() > MOST_BYTES / 2 {
            return Err(format!("the file has more than {} MiB", MOST_BYTES >> 21));
        }
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let used: usize = rooms.values().flatten().map(|file| file.bytes.len()).sum();
        let files = rooms.entry(room.clone()).or_default();
        let before: usize = files.iter().map(|file| file.bytes.len()).sum();
        let elsewhere = used - before;
        files.retain(|file| file.name != name);
        let total = |files: &Vec<Filed>| files.iter().map(|file| file.bytes.len()).sum::<usize>();
        while !files.is_empty()
            && (files.len() >= MOST || elsewhere + total(files) + bytes.len() > MOST_BYTES)
        {
            files.remove(0);
        }
        if elsewhere + bytes.len() > MOST_BYTES {
            return Err("the files of other rooms leave no place; try again later".into());
        }
        files.push(Filed { name: name.clone(), mime: mime.to_owned(), bytes });
        Ok(name)
    }

    pub fn get(&self, room: &RoomId, name: &str) -> Option<Filed> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.get(room)?.iter().find(|file| file.name == name).cloned()
    }

    pub fn list(&self, room: &RoomId) -> Vec<Filed> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.get(room).cloned().unwrap_or_default()
    }
}

/// A name without a way to anywhere. Of a path, its last part.
pub(super) fn plain(name: &str) -> Result<String, String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')');
    let name: String = last.chars().map(|c| if fits(c) { c } else { '_' }).take(LONGEST_NAME).collect();
    match name.trim_matches(['.', ' ']) {
        "" => Err("the file needs a name".into()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_and_the_oldest_files_go_first() {
        let (shelf, room) = (Shelf::default(), RoomId::main());
        assert_eq!(shelf.put(&room, "../../etc/pass\nwd", "text/plain", "x"), Ok("pass_wd".into()));
        assert!(shelf.put(&room, "..", "text/plain", "x").is_err() && shelf.put(&room, "", "", "x").is_err());
        for n in 0..MOST {
            shelf.put(&room, &format!("{n}.txt"), "text/plain", "x").expect("laid down");
        }
        assert!(shelf.get(&room, "pass_wd").is_none() && shelf.get(&room, "0.txt").is_some());
        assert_eq!(shelf.list(&room).len(), MOST);
        assert!(shelf.get(&RoomId::new("other").expect("id"), "0.txt").is_none());
    }

    #[test]
    fn all_rooms_together_have_a_bound() {
        let shelf = Shelf::default();
        let room = |name: &str| RoomId::new(name).expect("id");
        let half = Bytes::from(vec![0; MOST_BYTES / 2]);
        assert!(shelf.put(&room("a"), "1", "x", half.clone()).is_ok());
        assert!(shelf.put(&room("b"), "1", "x", half.clone()).is_ok());
        assert!(shelf.put(&room("c"), "1", "x", "one more").is_err());
        assert!(shelf.put(&room("a"), "2", "x", half).is_ok(), "a room's own oldest goes");
        assert!(shelf.get(&room("a"), "1").is_none() && shelf.get(&room("b"), "1").is_some());
    }
}
