//! Each room's own user of the operating system, where Tandem runs as root:
//! a number from a range that nobody else has, with no name and no rights. It
//! is written down, so that a room has the same one after a restart and finds
//! its files its own. Without root, or where the range is not to be had, all
//! rooms share the one user.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{ProcessError, RoomUser, create_anew};

/// Numbers of users, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidRange {
    pub first: u32,
    pub last: u32,
}

/// Who each room's programs run as.
#[derive(Debug)]
pub struct RoomUsers {
    shared: RoomUser,
    range: Option<UidRange>,
    file: PathBuf,
    given: Mutex<BTreeMap<String, u32>>,
    /// Rooms whose directories are theirs since this start.
    handed: Mutex<BTreeSet<String>>,
}

impl std::str::FromStr for UidRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "is two numbers of users that nobody has, such as 720000-729999, or off".to_owned();
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first = first.trim().parse().map_err(|_| wrong())?;
        let last = last.trim().parse().map_err(|_| wrong())?;
        // Below are the users of the machine, at the very end those that stand for none.
        if first < 1000 || last < first || last >= u32::MAX - 1 || (first..=last).contains(&65534) {
            return Err(wrong());
        }
        Ok(Self { first, last })
    }
}

impl UidRange {
    /// Whether this process may switch to these numbers; in a container it may have fewer.
    fn is_mapped(self, uid_map: &str) -> bool {
        uid_map.lines().any(|line| {
            let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
            let (Some(inside), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next())
            else {
                return false;
            };
            inside <= self.first.into() && u64::from(self.last) < inside + count
        })
    }
}

impl RoomUsers {
    /// `file` keeps which room has which number.
    pub fn open(shared: RoomUser, range: Option<UidRange>, file: PathBuf) -> Result<Self, ProcessError> {
        let range = range.filter(|_| shared.switch().is_some());
        let uid_map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let range = match range {
            Some(range) if !range.is_mapped(&uid_map) => {
                tracing::warn!(
                    "users {}-{} are not to be had here, so all rooms run as one user: set room_uids to a range of \
                     /proc/self/uid_map, or to off",
                    range.first,
                    range.last
                );
                None
            }
            range => range,
        };
        let given = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| ProcessError::Users { path: file.clone(), reason: error.to_string() })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(ProcessError::Users { path: file, reason: error.to_string() }),
        };
        Ok(Self { shared, range, file, given: Mutex::new(given), handed: Mutex::default() })
    }

    /// The one user for what belongs to no room.
    pub fn shared(&self) -> &RoomUser {
        &self.shared
    }

    /// Whether each room has its own.
    pub fn are_apart(&self) -> bool {
        self.range.is_some()
    }

    /// This room's user. Its directories, with what lies in them, are theirs
    /// from now on, where they were the shared user's or another room's.
    pub fn of(&self, room: &str, dirs: &[PathBuf]) -> Result<RoomUser, ProcessError> {
        let Some(range) = self.range else { return Ok(self.shared.clone()) };
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let known = given.get(room).copied().filter(|uid| (range.first..=range.last).contains(uid));
        let uid = match known {
            Some(uid) => uid,
            None => {
                let uid = (range.first..=range.last)
                    .find(|uid| given.values().all(|taken| taken != uid))
                    .ok_or(ProcessError::NoUserLeft { first: range.first, last: range.last })?;
                given.insert(room.to_owned(), uid);
                self.keep(&given)?;
                uid
            }
        };
        drop(given);
        let user = self.shared.numbered(uid);
        let theirs = |owner| owner == self.shared.uid() || (range.first..=range.last).contains(&owner);
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        if !handed.contains(room) {
            for dir in dirs {
                hand_over(dir, &user, theirs)?;
            }
            handed.insert(room.to_owned());
        }
        Ok(user)
    }

    fn keep(&self, given: &BTreeMap<String, u32>) -> Result<(), ProcessError> {
        let failed = |error: std::io::Error| ProcessError::Users {
            path: self.file.clone(),
            reason: error.to_string(),
        };
        let new = self.file.with_extension("new");
        let mut file = create_anew(&new, 0o600).map_err(failed)?;
        file.write_all(&serde_json::to_vec(given).unwrap_or_default()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&new, &self.file).map_err(failed)
    }
}

/// Gives a directory and what lies in it to a user, as far as it belongs to
/// one of those. Links are given, not followed.
fn hand_over(dir: &Path, user: &RoomUser, of: impl Fn(u32) -> bool + Copy) -> Result<(), ProcessError> {
    match std::fs::symlink_metadata(dir) {
        Ok(about) if about.is_dir() && of(about.uid()) && about.uid() != user.uid() => user.own(dir)?,
        _ => {}
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(ProcessError::Users { path: dir.to_owned(), reason: error.to_string() });
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        // What has this owner already has it all the way down.
        if about.uid() == user.uid() {
            continue;
        }
        if of(about.uid()) {
            user.own(&path)?;
        }
        if about.is_dir() {
            hand_over(&path, user, of)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_numbers_that_nobody_has() {
        assert_eq!("720000-729999".parse(), Ok(UidRange { first: 720_000, last: 729_999 }));
        for wrong in ["", "5", "0-10", "2000-1000", "60000-70000", "1-a", "1000-4294967295"] {
            assert!(wrong.parse::<UidRange>().is_err(), "{wrong}");
        }
        let range = UidRange { first: 720_000, last: 729_999 };
        assert!(range.is_mapped("         0          0 4294967295\n"));
        assert!(!range.is_mapped("         0     100000      65536\n"));
    }

    #[test]
    fn each_room_has_its_own_user_also_after_a_restart_and_its_files_are_its() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("dir");
        let (rooms, file) = (dir.path().join("rooms"), dir.path().join("users.json"));
        let shared = RoomUser::resolve("nobody").expect("nobody");
        let old = rooms.join("a/profile");
        shared.private_dir(&old).expect("made");
        std::fs::write(old.join("kept"), "x").expect("written");
        shared.own(&old.join("kept")).expect("owned");
        std::os::unix::fs::symlink("/etc/passwd", old.join("link")).expect("linked");
        shared.own(&old.join("link")).expect("owned");
        let range = Some(UidRange { first: 720_000, last: 720_001 });
        let users = RoomUsers::open(shared.clone(), range, file.clone()).expect("opens");
        let a = users.of("a", &[old.clone(), rooms.join("a/downloads")]).expect("a user");
        let b = users.of("b", &[]).expect("a user");
        assert_ne!(a.uid(), b.uid());
        assert!(matches!(users.of("c", &[]), Err(ProcessError::NoUserLeft { .. })));
        for path in [old.clone(), old.join("kept"), old.join("link")] {
            assert_eq!(std::fs::symlink_metadata(path).expect("there").uid(), a.uid());
        }
        assert_eq!(std::fs::metadata("/etc/passwd").expect("there").uid(), 0);
        let again = RoomUsers::open(shared.clone(), range, file.clone()).expect("opens");
        assert_eq!(again.of("b", &[]).expect("a user").uid(), b.uid());
        let together = RoomUsers::open(shared.clone(), None, file).expect("opens");
        assert_eq!(together.of("b", &[]).expect("a user"), shared);
    }
}
