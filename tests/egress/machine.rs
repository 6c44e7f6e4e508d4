//! Places that no page may reach, each with a log of who came: ports of this
//! machine, and a second machine in a network namespace, with private, shared
//! and link-local addresses.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Who came, and to which address.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("lock").clone()
    }

    fn add(&self, line: String) {
        self.0.lock().expect("lock").push(line);
    }

    /// Listens by TCP and UDP, and notes everybody. The port, if none was asked for.
    pub fn listen(&self, ip: &str, port: u16) -> u16 {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind((ip, port)).expect("bind");
            let at = tcp.local_addr().expect("address");
            match UdpSocket::bind(at) {
                Ok(udp) => break (tcp, udp),
                Err(error) => assert_eq!(port, 0, "{error}"),
            }
        };
        let at = tcp.local_addr().expect("address");
        let (log, also) = (self.clone(), self.clone());
        // Both threads end with the process.
        std::thread::spawn(move || {
            while let Ok((stream, from)) = tcp.accept() {
                log.add(format!("tcp {at} from {from}"));
                drop(stream);
            }
        });
        std::thread::spawn(move || {
            let mut bytes = [0u8; 2048];
            while let Ok((length, from)) = udp.recv_from(&mut bytes) {
                also.add(format!("udp {at} from {from}: {length} bytes"));
            }
        });
        at.port()
    }
}

/// A machine beside this one. Dropping it takes it away.
pub struct Machine {
    name: String,
}

/// The addresses that it has.
pub const ADDRESSES: [&str; 5] = ["10.66.0.2", "192.168.66.2", "100.66.0.2", "169.254.169.254", "fd66::2"];

impl Machine {
    /// Makes it; needs root. Each of its addresses listens on this port.
    pub fn open(log: &Log, port: u16) -> Self {
        let machine = Self { name: format!("tandem-egress-{}", std::process::id()) };
        let name = &machine.name;
        let ip = |args: &str| {
            let done = Command::new("ip").args(args.split(' ')).output().expect("ip");
            assert!(done.status.success(), "ip {args}: {}", String::from_utf8_lossy(&done.stderr));
        };
        ip(&format!("netns add {name}"));
        ip(&format!("link add egress-a type veth peer name egress-b netns {name}"));
        for near in ["10.66.0.1/24", "192.168.66.1/24", "100.66.0.1/24", "fd66::1/64"] {
            ip(&format!("addr add {near} dev egress-a{}", if near.contains(':') { " nodad" } else { "" }));
        }
        ip("link set egress-a up");
        ip("route replace 169.254.169.254/32 dev egress-a");
        ip(&format!("-n {name} link set lo up"));
        for far in ADDRESSES {
            let (bits, nodad) = match far {
                "fd66::2" => ("/64", " nodad"),
                "169.254.169.254" => ("/32", ""),
                _ => ("/24", ""),
            };
            ip(&format!("-n {name} addr add {far}{bits} dev egress-b{nodad}"));
        }
        ip(&format!("-n {name} link set egress-b up"));
        let (log, name) = (log.clone(), name.clone());
        // A thread may live in a network of its own; its sockets stay there.
        std::thread::spawn(move || {
            let space = std::fs::File::open(format!("/run/netns/{name}")).expect("the namespace");
            // SAFETY: the descriptor is open, and only this thread changes its network.
            let moved = unsafe { libc::setns(std::os::fd::AsRawFd::as_raw_fd(&space), libc::CLONE_NEWNET) };
            assert_eq!(moved, 0, "{}", std::io::Error::last_os_error());
            for address in ADDRESSES {
                log.listen(address, port);
            }
        })
        .join()
        .expect("listens");
        machine
    }

    /// That its listeners are reached from here, without a gate.
    pub fn is_there(&self, log: &Log, port: u16) {
        for address in ADDRESSES {
            let at = SocketAddr::new(address.parse::<IpAddr>().expect("an address"), port);
            let patience = std::time::Duration::from_secs(5);
            std::net::TcpStream::connect_timeout(&at, patience)
                .unwrap_or_else(|error| panic!("{at}: {error}"));
            while !log.all().iter().any(|line| line.contains(&format!("tcp {at} "))) {
                std::thread::yield_now();
            }
        }
        log.0.lock().expect("lock").clear();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The other end of the pair goes with it.
        let _ = Command::new("ip").args(["link", "del", "egress-a"]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}
