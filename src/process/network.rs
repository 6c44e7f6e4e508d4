//! A network namespace in which nothing is but loopback and one listening
//! socket, whose other end is ours. A program that runs in it reaches that
//! socket and nothing else, whatever it does: there is no route, no other
//! interface that leads anywhere, and no abstract socket of the machine's.
//!
//! It is made by a child that shares nothing with us but a socket pair, opens
//! the listening socket inside and hands it out. Root makes the namespace as it
//! is; anybody else within a user namespace of its own, in which the numbers
//! of user and group stay what they are.

use std::io::{Error, Result};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A network of its own, for programs to be started in.
#[derive(Debug)]
pub struct Network {
    net: OwnedFd,
    /// The user namespace that it belongs to, if that is not ours.
    user: Option<OwnedFd>,
    port: u16,
}

/// Connections that wait to be accepted; more are tried again by their kernel.
const BACKLOG: libc::c_int = 1024;
/// The port on which the gate listens inside. Nothing else is there.
const PORT: u16 = 1080;
/// The two ends of a cable that leads nowhere; the number and the address of the
/// first, without which Chromium does not count it.
const ONLINE: &[u8] = b"online\0";
const OFFLINE: &[u8] = b"offline\0";
const INDEX: u32 = 10;
const ADDRESS: [u8; 4] = [192, 0, 2, 1];

impl Network {
    /// Makes a network, and the socket that listens on its loopback. It blocks
    /// for the moment that a fork takes.
    pub fn make() -> Result<(Self, TcpListener)> {
        let own_user = !rustix::process::geteuid().is_root();
        let (ours, theirs) = pair()?;
        let maps = own_user.then(|| {
            let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
            (format!("{0} {0} 1", uid.as_raw()).into_bytes(), format!("{0} {0} 1", gid.as_raw()).into_bytes())
        });
        let online = dead_end();
        // SAFETY: the child makes system calls alone, on what was prepared
        // above, allocates nothing, takes no lock, and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        match child {
            -1 => return Err(Error::last_os_error()),
            0 => {
                let maps = maps.as_ref().map(|(uid, gid)| (uid.as_slice(), gid.as_slice()));
                let code = match inside(theirs.as_raw_fd(), maps, &online) {
                    Ok(()) => 0,
                    Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
                };
                // SAFETY: it ends this process and nothing of ours.
                unsafe { libc::_exit(code) }
            }
            _ => {}
        }
        drop(theirs);
        let fds = receive(ours.as_raw_fd());
        let mut status = 0;
        // SAFETY: `child` is ours, not waited for elsewhere; `status` is live.
        while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
            let error = Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) != 0 {
            return Err(Error::from_raw_os_error(libc::WEXITSTATUS(status)));
        }
        let mut fds = fds?.into_iter();
        let (Some(listener), Some(net)) = (fds.next(), fds.next()) else {
            return Err(Error::other("the child that made the network handed nothing out"));
        };
        Ok((Self { net, user: fds.next(), port: PORT }, TcpListener::from(listener)))
    }

    /// Where the socket listens, on the loopback inside.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The descriptors by which a child gets in, in their order.
    pub(super) fn doors(&self) -> [Option<(RawFd, libc::c_int)>; 2] {
        [
            self.user.as_ref().map(|user| (user.as_raw_fd(), libc::CLONE_NEWUSER)),
            Some((self.net.as_raw_fd(), libc::CLONE_NEWNET)),
        ]
    }
}

fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut fds = [-1; 2];
    // SAFETY: the array is live and has the two places that are filled.
    unsafe {
        check(libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC,
            0,
            fds.as_mut_ptr(),
        ))?;
        Ok((OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])))
    }
}

fn check(code: libc::c_int) -> Result<libc::c_int> {
    if code == -1 { Err(Error::last_os_error()) } else { Ok(code) }
}

/// Runs in the child: makes the namespaces, the socket, and hands them out.
/// Only system calls, nothing that allocates.
fn inside(out: RawFd, maps: Option<(&[u8], &[u8])>, online: &[Vec<u8>]) -> Result<()> {
    // SAFETY: each call takes integers or pointers to live memory and is
    // async-signal-safe on Linux. Descriptors are closed by the end of the process.
    unsafe {
        match maps {
            None => check(libc::unshare(libc::CLONE_NEWNET))?,
            Some(_) => check(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET))?,
        };
        if let Some((uid, gid)) = maps {
            write(c"/proc/self/setgroups", b"deny")?;
            write(c"/proc/self/uid_map", uid)?;
            write(c"/proc/self/gid_map", gid)?;
        }
        loopback_up()?;
        // A page asks whether it is online; without this it would be told that it is not.
        for message in online {
            let _ = ask_kernel(message);
        }
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let listener = check(libc::socket(libc::AF_INET, kind, 0))?;
        let address = libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: PORT.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_be_bytes([127, 0, 0, 1]).to_be() },
            sin_zero: [0; 8],
        };
        let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        check(libc::bind(listener, (&raw const address).cast(), size))?;
        check(libc::listen(listener, BACKLOG))?;
        let net = check(libc::open(c"/proc/self/ns/net".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
        match maps {
            None => send(out, &[listener, net]),
            Some(_) => {
                let user =
                    check(libc::open(c"/proc/self/ns/user".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC))?;
                send(out, &[listener, net, user])
            }
        }
    }
}

fn write(path: &std::ffi::CStr, text: &[u8]) -> Result<()> {
    // SAFETY: path and text are live; the descriptor is closed by the end of the child.
    unsafe {
        let file = check(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        match libc::write(file, text.as_ptr().cast(), text.len()) {
            count if count == text.len() as isize => Ok(()),
            _ => Err(Error::last_os_error()),
        }
    }
}

fn loopback_up() -> Result<()> {
    // SAFETY: an `ifreq` of zeros is valid; it is live while the kernel reads and fills it.
    unsafe {
        let socket = check(libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        check(libc::ioctl(socket, libc::SIOCGIFFLAGS as _, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        check(libc::ioctl(socket, libc::SIOCSIFFLAGS as _, &raw mut request))?;
    }
    Ok(())
}

/// Messages to the kernel's routing: an interface `online` that is up, and
/// whose cable leads to another one in the same namespace, where nobody is. It
/// has an address for documentation, and no route.
fn dead_end() -> [Vec<u8>; 6] {
    let attribute = |kind: u16, data: &[u8]| {
        let mut bytes = Vec::new();
        bytes.extend((data.len() as u16 + 4).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    };
    // ifinfomsg: family, padding, type, index, flags, which flags are meant; and its name.
    let numbered = |name: &[u8], index: u32, flags: libc::c_int| {
        let (index, flags) = (index.to_ne_bytes(), (flags as u32).to_ne_bytes());
        let name = attribute(libc::IFLA_IFNAME, name);
        [&[0; 4], index.as_slice(), flags.as_slice(), flags.as_slice(), &name].concat()
    };
    let interface = |name, flags| numbered(name, 0, flags);
    let message_of = |kind: u16, body: Vec<u8>, more: libc::c_int| {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | more) as u16;
        let length = (body.len() as u32 + 16).to_ne_bytes();
        let kind = [kind.to_ne_bytes(), flags.to_ne_bytes()].concat();
        [length.as_slice(), &kind, &1u32.to_ne_bytes(), &0u32.to_ne_bytes(), &body].concat()
    };
    let message = |body, more| message_of(libc::RTM_NEWLINK, body, more);
    // IFLA_INFO_KIND, and IFLA_INFO_DATA with VETH_INFO_PEER.
    let peer = attribute(2, &attribute(1, &interface(OFFLINE, 0)));
    let pair = [attribute(1, b"veth\0"), peer].concat();
    let made = [numbered(ONLINE, INDEX, 0), attribute(libc::IFLA_LINKINFO, &pair)].concat();
    // IFLA_INET6_ADDR_GEN_MODE, none: an address that comes a second later would
    // be a change of network, and Chromium would break off what it loads.
    let none = attribute(libc::AF_INET6 as u16, &attribute(8, &[1]));
    let bare = |name| message([interface(name, 0), attribute(libc::IFLA_AF_SPEC, &none)].concat(), 0);
    let up = |name| message(interface(name, libc::IFF_UP), 0);
    let create = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
    // ifaddrmsg: family, length of the prefix, flags, scope, index; IFA_ADDRESS, IFA_LOCAL.
    let head = [&[libc::AF_INET as u8, 32, 0, 0], INDEX.to_ne_bytes().as_slice()].concat();
    let address = [head, attribute(1, &ADDRESS), attribute(2, &ADDRESS)].concat();
    let address = message_of(libc::RTM_NEWADDR, address, create);
    [message(made, create), bare(ONLINE), bare(OFFLINE), address, up(ONLINE), up(OFFLINE)]
}

/// Sends one message to the kernel's routing and waits until it is done.
fn ask_kernel(message: &[u8]) -> Result<()> {
    let mut answer = [0u8; 256];
    // SAFETY: message and answer are live for the calls that read and fill them.
    let count = unsafe {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = check(libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_ROUTE))?;
        if libc::send(socket, message.as_ptr().cast(), message.len(), 0) < 0 {
            return Err(Error::last_os_error());
        }
        libc::recv(socket, answer.as_mut_ptr().cast(), answer.len(), 0)
    };
    // A header of 16 bytes, then a number that is 0 or the error.
    match (count, answer[16..20].try_into().map(i32::from_ne_bytes)) {
        (20.., Ok(0)) => Ok(()),
        (20.., Ok(code)) => Err(Error::from_raw_os_error(-code)),
        _ => Err(Error::from_raw_os_error(libc::EIO)),
    }
}

/// Room for three descriptors in the form in which they travel.
#[repr(C, align(8))]
struct Control([u8; 64]);

/// Sends descriptors to the other end.
fn send(socket: RawFd, fds: &[RawFd]) -> Result<()> {
    let bytes = size_of_val(fds) as libc::c_uint;
    let (mut data, mut control) = ([0u8], Control([0; 64]));
    let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: a message header of zeros is valid; all that it points to is
    // live, and `control` has room for the three descriptors at most.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = libc::CMSG_SPACE(bytes) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
        std::ptr::copy_nonoverlapping(fds.as_ptr().cast(), libc::CMSG_DATA(header), bytes as usize);
        if libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) < 0 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

/// Receives descriptors; none when the other end has gone without a word.
fn receive(socket: RawFd) -> Result<Vec<OwnedFd>> {
    let (mut data, mut control) = ([0u8], Control([0; 64]));
    let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: as in `send`. Each descriptor that arrives is new and nobody else's.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut control).cast();
        message.msg_controllen = size_of::<Control>() as _;
        loop {
            if libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) >= 0 {
                break;
            }
            let error = Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if header.is_null() || (*header).cmsg_type != libc::SCM_RIGHTS {
            return Ok(vec![]);
        }
        let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
        let first: *const RawFd = libc::CMSG_DATA(header).cast();
        let fds = (0..bytes / size_of::<RawFd>()).map(|index| first.add(index).read_unaligned());
        Ok(fds.map(|fd| OwnedFd::from_raw_fd(fd)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::Command;

    use super::*;
    use crate::process::{Program, RoomUser, spawn};

    #[test]
    fn it_can_be_made_here_and_more_than_once() {
        let (one, first) = Network::make().expect("a network");
        let (other, second) = Network::make().expect("another");
        assert_eq!(one.port(), other.port());
        assert_eq!(first.local_addr().ok(), second.local_addr().ok());
    }

    #[tokio::test]
    async fn a_program_in_it_reaches_the_gate_and_nothing_else() {
        let dir = tempfile::tempdir().expect("dir");
        let user = match rustix::process::geteuid().is_root() {
            true => RoomUser::resolve("tandem").expect("the user"),
            false => RoomUser::resolve("").expect("ourselves"),
        };
        let home = dir.path().join("home");
        user.private_dir(&home).expect("a home");
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))
            .expect("mode");
        let outside = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = outside.local_addr().expect("address").port();
        let (network, gate) = Network::make().expect("a network");
        let script = format!(
            "exec 2>&1; (echo hello > /dev/tcp/127.0.0.1/{}) && echo gate; (: > /dev/tcp/127.0.0.1/{port}) && echo out; \
             (: > /dev/tcp/198.51.100.1/80) && echo far; cat /proc/net/route; id -u",
            network.port()
        );
        let log = dir.path().join("log");
        let child = spawn(Program {
            name: "test",
            program: "bash".into(),
            args: ["-c".into(), script.into()].into(),
            env: vec![],
            home,
            user,
            group: None,
            network: Some(std::sync::Arc::new(network)),
            fds: vec![],
            log: log.clone(),
            mark: dir.path().to_owned(),
        })
        .await
        .expect("starts");
        child.exited().await;
        let said = std::fs::read_to_string(&log).expect("a log");
        let lines: Vec<&str> = said.lines().collect();
        assert!(lines.contains(&"gate") && !lines.contains(&"out") && !lines.contains(&"far"), "{said}");
        assert!(said.contains("unreachable"), "{said}");
        let routes = lines.iter().filter(|line| line.starts_with("online") || line.starts_with("lo"));
        assert_eq!(routes.count(), 0, "{said}");
        gate.set_nonblocking(false).expect("blocks");
        let mut text = String::new();
        gate.accept().expect("came").0.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "hello\n");
        outside.set_nonblocking(true).expect("set");
        assert!(outside.accept().is_err(), "somebody came out");
        // And whoever is outside does not see the socket inside.
        let found = Command::new("bash").args(["-c", ": > /dev/tcp/127.0.0.1/1080"]).output().expect("runs");
        assert!(!found.status.success());
    }
}
