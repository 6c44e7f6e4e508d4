//! Two rooms on one server: what runs in one has no way to the other. Asked of
//! the system itself, by programs that run as a room's user does.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

#[allow(dead_code, reason = "other tests need more of it")]
mod house;

use house::{ADMIN, House};

/// A process of a room.
#[derive(Debug)]
struct Process {
    id: u32,
    uid: u32,
    command: String,
}

/// The processes below this directory's server.
fn processes(mark: &Path) -> Vec<Process> {
    let mark = mark.to_str().expect("text").as_bytes().to_vec();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("proc").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |what: &str| fs::read(entry.path().join(what)).unwrap_or_default();
        let (command, environment) = (read("cmdline"), read("environ"));
        let ours = |text: &[u8]| text.windows(mark.len()).any(|part| part == mark);
        let about = fs::metadata(entry.path());
        if let Ok(about) = about
            && (ours(&command) || ours(&environment))
            && about.uid() != 0
        {
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(Process { id, uid: about.uid(), command });
        }
    }
    found
}

/// Runs a line of shell as this user; whether it succeeded, and what it wrote.
fn run_as(uid: u32, line: &str) -> (bool, String) {
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".into()];
    let output = Command::new("setpriv").args(&ids).args(["sh", "-c", line]).output().expect("setpriv runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut at = 0;
    while let Some(next) = found.get(at).cloned() {
        at += 1;
        if let Ok(entries) = fs::read_dir(&next) {
            found.extend(entries.flatten().map(|entry| entry.path()).filter(|path| !path.is_symlink()));
        }
        if found.len() > 3000 {
            break;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_in_one_room_has_no_way_to_the_other() {
    if !rustix::process::geteuid().is_root() {
        println!(
            "rooms have users of their own only where Tandem is started by root; this is not shown here"
        );
        return;
    }
    let house = House::open().await;
    let (made, _, body) = house.ask_json("POST", "/api/rooms", ADMIN, br#"{"id":"other"}"#).await;
    assert_eq!(made, 201, "{}", String::from_utf8_lossy(&body));
    house.until_room("other", |view| view["phase"]["state"] == "live").await;
    let rooms = house.data_dir().join("rooms");
    let owner = |path: PathBuf| fs::metadata(path).expect("there").uid();
    let (one, two) = (owner(rooms.join("main/profile")), owner(rooms.join("other/profile")));
    assert_ne!(one, two);
    assert!(one >= 720_000 && two >= 720_000, "{one} {two}");
    assert_eq!(owner(rooms.join("other/downloads")), two);

    // Every process of a room runs as that room's user.
    let all = processes(house.data_dir());
    let theirs: Vec<&Process> = all.iter().filter(|process| process.uid == two).collect();
    for name in ["Xvfb", "openbox", "chromium"] {
        assert!(theirs.iter().any(|process| process.command.contains(name)), "no {name} in {all:?}");
    }
    let strangers = all.iter().filter(|process| ![one, two].contains(&process.uid)).collect::<Vec<_>>();
    assert!(strangers.is_empty(), "{strangers:?}");

    // What the first room's user may do with its own it may not do with the other's.
    let browser = |uid: u32| {
        let found = all
            .iter()
            .find(|process| process.uid == uid && process.command.contains("--remote-debugging-pipe"));
        found.unwrap_or_else(|| panic!("no browser of {uid}")).id
    };
    for (what, line) in [
        ("environment", "cat /proc/PID/environ >/dev/null"),
        ("memory map", "cat /proc/PID/maps | grep -q ."),
        (
            "memory",
            "dd if=/proc/PID/mem of=/dev/null bs=1 count=1 skip=$((0x$(head -c 12 /proc/PID/maps))) 2>/dev/null",
        ),
        ("open files", "ls /proc/PID/fd >/dev/null"),
        ("debugging pipe", "test -e /proc/PID/fd/3"),
        ("root directory", "ls /proc/PID/root/ >/dev/null"),
        ("working directory", "ls /proc/PID/cwd/ >/dev/null"),
        ("life", "kill -0 PID"),
    ] {
        let of = |uid: u32| line.replace("PID", &browser(uid).to_string());
        // Chromium's own sandbox keeps some of it from the room's user as well.
        let own = run_as(one, &of(one)).0;
        assert!(
            own || !["life", "environment"].contains(&what),
            "{what}: the test asks in a way that never works"
        );
        assert!(!run_as(one, &of(two)).0, "{what}: {}", run_as(one, &of(two)).1);
    }
    // Files: profile with its cookies, downloads, what the run keeps.
    for dir in [rooms.join("other"), house.data_dir().join("run/other")] {
        let reachable: Vec<_> = below(&dir)
            .into_iter()
            .filter(|path| path.is_file() || path.ends_with("profile") || path.ends_with("downloads"))
            .filter(|path| run_as(one, &format!("test -r '{0}' -o -w '{0}'", path.display())).0)
            .collect();
        assert!(reachable.is_empty(), "{reachable:?}");
    }
    assert!(run_as(one, &format!("ls '{}'", rooms.join("main/profile").display())).0, "its own it may read");
    for file in ["tandem.db", "room-users.json"] {
        let path = house.data_dir().join(file);
        assert!(path.exists() && !run_as(one, &format!("test -r '{}'", path.display())).0, "{file}");
    }
    // The display, and with it the clipboard, the pictures and the keys.
    let display = |room: &str| {
        let number = fs::read_to_string(house.data_dir().join("run").join(room).join("display/display"));
        number.expect("a display").trim().to_owned()
    };
    let authority = |room: &str| {
        let found = below(&house.data_dir().join("run").join(room).join("display"));
        found
            .into_iter()
            .find(|path| path.to_string_lossy().to_lowercase().contains("auth"))
            .expect("a cookie")
    };
    let ask = |number: &str, cookie: &Path| {
        format!("DISPLAY=:{number} XAUTHORITY='{}' timeout 10 xdpyinfo >/dev/null", cookie.display())
    };
    let (mine, other) = (display("main"), display("other"));
    assert!(
        run_as(one, &ask(&mine, &authority("main"))).0,
        "{}",
        run_as(one, &ask(&mine, &authority("main"))).1
    );
    for cookie in [authority("main"), authority("other"), PathBuf::from("/dev/null")] {
        assert!(!run_as(one, &ask(&other, &cookie)).0, "display of the other by {}", cookie.display());
    }
    // Shared memory and sockets with names.
    for path in below(Path::new("/dev/shm")).into_iter().filter(|path| path.is_file()) {
        if fs::metadata(&path).is_ok_and(|about| about.uid() == two) {
            assert!(!run_as(one, &format!("test -r '{}'", path.display())).0, "{}", path.display());
        }
    }
    // Both go on as before.
    let (status, _, _) = house
        .ask_json(
            "POST",
            "/api/rooms/other/tools/browser_navigate",
            ADMIN,
            json!({ "url": house.page() }).to_string().as_bytes(),
        )
        .await;
    assert_eq!(status, 200);
    house.agent(ADMIN).go(&house.page()).await;
    // None of them leaves a picture of its memory behind.
    let limits = fs::read_to_string(format!("/proc/{}/limits", browser(two))).expect("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_finds_its_files_again_after_a_restart_and_after_the_users_are_parted() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house = House::open_with(&["--room-uids", "off"]).await;
    house.agent(ADMIN).go(&house.page()).await;
    let profile = house.data_dir().join("rooms/main/profile");
    let before = fs::metadata(&profile).expect("there").uid();
    assert!(before < 720_000);
    let house = house.restarted(&[]).await;
    let after = fs::metadata(house.data_dir().join("rooms/main/profile")).expect("there").uid();
    assert!(after >= 720_000, "{after}");
    house.agent(ADMIN).go(&house.page()).await;
    let house = house.restarted(&[]).await;
    let again = fs::metadata(house.data_dir().join("rooms/main/profile")).expect("there").uid();
    assert_eq!(again, after);
    house.agent(ADMIN).go(&house.page()).await;
}
