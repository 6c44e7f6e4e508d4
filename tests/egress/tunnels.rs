//! The gate by itself, spoken to as a browser does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tandem::egress::{Gate, MOST_TUNNELS, Serving};
use tandem::process::{OwnPort, raise_open_files};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::gate::{Names, gate, judge};

/// Puts a gate on a port of this machine.
fn stand(gate: &Gate) -> (SocketAddr, Serving) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    (address, gate.serve(listener).expect("stands"))
}

/// Something that sends back what it gets, and counts who came.
async fn echo(ip: &str, port: u16) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip, port)).await.expect("bind");
    let (address, count) = (listener.local_addr().expect("address"), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    (address, count)
}

/// Asks for a tunnel; the code of the answer, or nothing when there was none.
async fn ask(at: SocketAddr, host: &str, port: u16) -> Option<(TcpStream, u8)> {
    let mut stream = TcpStream::connect(at).await.ok()?;
    let name = [&[5, 1, 0, 3, host.len() as u8], host.as_bytes(), &port.to_be_bytes()].concat();
    stream.write_all(&[&[5, 1, 0], name.as_slice()].concat()).await.ok()?;
    let mut answer = [0u8; 12];
    stream.read_exact(&mut answer).await.ok()?;
    Some((stream, answer[3]))
}

/// Whether what is said comes back.
async fn echoes(stream: &mut TcpStream) -> bool {
    let mut answer = [0u8; 5];
    stream.write_all(b"hello").await.is_ok()
        && stream.read_exact(&mut answer).await.is_ok()
        && answer == *b"hello"
}

#[tokio::test]
async fn what_is_permitted_passes_and_the_rest_is_told_why() {
    let (site, _) = echo("127.0.0.2", 0).await;
    let gate = gate(&["127.0.0.2"], Names::default().give("a.example", &[&["127.0.0.2"]]), None);
    let (at, _serving) = stand(&gate);
    for host in ["127.0.0.2", "a.example", "A.Example.", "0x7f.2", "::ffff:127.0.0.2"] {
        let (mut stream, code) = ask(at, host, site.port()).await.expect("an answer");
        assert!(code == 0 && echoes(&mut stream).await, "{host}");
    }
    let before = SystemTime::UNIX_EPOCH;
    for (host, why) in [
        ("127.0.0.1", "loopback"),
        ("localhost", "loopback"),
        ("10.0.0.5", "--egress-allow 10.0.0.5"),
        ("169.254.169.254", "metadata"),
        ("::1", "loopback"),
    ] {
        let (_, code) = ask(at, host, 443).await.expect("an answer");
        assert_eq!(code, 2, "{host}");
        let said = gate.why(host, Some(443), before).expect("a reason");
        assert!(said.contains(why), "{said}");
    }
    let (_, code) = ask(at, "nowhere.example", 443).await.expect("an answer");
    assert_eq!(code, 4);
    let said = gate.why("nowhere.example", None, before).expect("a reason");
    assert!(said.contains("cannot be resolved"), "{said}");
    let counts = gate.counts();
    assert_eq!((counts.made, counts.closed, counts.failed), (5, 5, 1));
    assert!(counts.bytes_out >= 25 && counts.bytes_in >= 25);
}

#[tokio::test]
async fn a_page_by_plain_http_says_why_and_a_script_gets_nothing() {
    let gate = gate(&[], Names::default(), None);
    let (at, _serving) = stand(&gate);
    let get = |headers: &'static str| async move {
        let (mut stream, _) = ask(at, "10.0.0.5", 80).await.expect("an answer");
        stream
            .write_all(format!("GET / HTTP/1.1\r\nHost: 10.0.0.5\r\n{headers}\r\n").as_bytes())
            .await
            .expect("writes");
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).expect("text")
    };
    let page = get("Upgrade-Insecure-Requests: 1\r\n").await;
    assert!(page.starts_with("HTTP/1.1 403 ") && page.contains("--egress-allow 10.0.0.5"), "{page}");
    assert_eq!(get("").await, "");
}

#[tokio::test]
async fn of_several_addresses_only_the_permitted_are_tried() {
    let (site, _) = echo("127.0.0.2", 0).await;
    let (inner, came) = echo("127.0.0.3", site.port()).await;
    let names = Names::default().give("both.example", &[&["127.0.0.3", "127.0.0.2"]]);
    let gate = gate(&["127.0.0.2"], names, None);
    let (at, _serving) = stand(&gate);
    let (mut stream, code) = ask(at, "both.example", inner.port()).await.expect("an answer");
    assert!(code == 0 && echoes(&mut stream).await);
    assert_eq!(came.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_address_gains_nothing() {
    let (site, _) = echo("127.0.0.2", 0).await;
    let (_, came) = echo("127.0.0.3", site.port()).await;
    let names = Names::default().give("rebind.example", &[&["127.0.0.2"], &["127.0.0.3"]]);
    let gate = gate(&["127.0.0.2"], names, None);
    let (at, _serving) = stand(&gate);
    let mut good = 0;
    for _ in 0..20 {
        let (mut stream, code) = ask(at, "rebind.example", site.port()).await.expect("an answer");
        if code == 0 {
            assert!(echoes(&mut stream).await);
            good += 1;
        }
    }
    assert!(good > 0);
    assert_eq!(came.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_services_own_ports_are_closed_though_loopback_is_allowed() {
    let (own, came) = echo("127.0.0.1", 0).await;
    let (other, _) = echo("127.0.0.1", 0).await;
    let gate = gate(&["0.0.0.0/0", "::/0"], Names::default(), None);
    let (at, _serving) = stand(&gate);
    let _claim = OwnPort::claim(own.port());
    for host in ["127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1"] {
        // The test's own page would be told in words; a script is let go with nothing.
        if let Some((mut stream, 0)) = ask(at, host, own.port()).await {
            assert!(!echoes(&mut stream).await, "{host}");
        }
        assert!(
            gate.why(host, Some(own.port()), SystemTime::UNIX_EPOCH)
                .is_some_and(|why| why.contains("Tandem itself"))
        );
    }
    assert_eq!(came.load(Ordering::Relaxed), 0);
    let (mut stream, _) = ask(at, "127.0.0.1", other.port()).await.expect("an answer");
    assert!(echoes(&mut stream).await);
}

#[tokio::test]
async fn new_rules_count_at_once_also_for_what_is_open() {
    let (site, _) = echo("127.0.0.2", 0).await;
    let (kept, _) = echo("127.0.0.4", 0).await;
    let gate = gate(&["127.0.0.0/8"], Names::default(), None);
    let (at, _serving) = stand(&gate);
    let (mut first, _) = ask(at, "127.0.0.2", site.port()).await.expect("an answer");
    let (mut second, _) = ask(at, "127.0.0.4", kept.port()).await.expect("an answer");
    assert!(echoes(&mut first).await && echoes(&mut second).await);
    gate.replace(judge(&["127.0.0.0/8"], &["127.0.0.2"]));
    let mut rest = [0u8; 1];
    let ended = tokio::time::timeout(Duration::from_secs(10), first.read(&mut rest)).await.expect("ends");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert!(echoes(&mut second).await);
}

#[tokio::test]
async fn a_thousand_connections_of_each_room_are_carried_and_one_more_is_refused() {
    // As a server does at its start, where a program may have 1,024 descriptors.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(1024), ..limit }).expect("lowers");
    let (before, now) = raise_open_files().expect("raises");
    // Each has two ends with us as well, the browser's and the site's.
    assert!(before == 1024 && now > 2 * 4 * MOST_TUNNELS as u64, "{before} {now}");
    let (site, _) = echo("127.0.0.2", 0).await;
    let rooms = [(); 2].map(|()| gate(&["127.0.0.2"], Names::default(), None));
    let stands = rooms.each_ref().map(stand);
    let mut open = Vec::new();
    for (gate, (at, _)) in rooms.iter().zip(&stands) {
        for _ in 0..MOST_TUNNELS {
            let (stream, code) = ask(*at, "127.0.0.2", site.port()).await.expect("an answer");
            assert_eq!(code, 0);
            open.push(stream);
        }
        assert_eq!(gate.counts().open, MOST_TUNNELS as u64);
        assert!(ask(*at, "127.0.0.2", site.port()).await.is_none());
        assert_eq!(gate.counts().busy, 1);
    }
    for stream in &mut open {
        assert!(echoes(stream).await);
    }
    drop(open);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    for (gate, (at, _)) in rooms.iter().zip(&stands) {
        while gate.counts().open > 0 {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", gate.counts());
            tokio::task::yield_now().await;
        }
        let (mut stream, _) = ask(*at, "127.0.0.2", site.port()).await.expect("an answer");
        assert!(echoes(&mut stream).await);
    }
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_of_ten_gigabytes_passes_in_bounded_memory() {
    const BODY: u64 = 10 << 30;
    let listener = TcpListener::bind("127.0.0.2:0").await.expect("bind");
    let site = listener.local_addr().expect("address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("comes");
        let (part, mut left) = (vec![7u8; 1 << 20], BODY);
        while left > 0 && stream.write_all(&part).await.is_ok() {
            left -= part.len() as u64;
        }
    });
    let gate = gate(&["127.0.0.2"], Names::default(), None);
    let (at, _serving) = stand(&gate);
    let (mut stream, _) = ask(at, "127.0.0.2", site.port()).await.expect("an answer");
    let (before, mut most, mut got) = (resident(), 0, 0u64);
    let mut part = vec![0u8; 1 << 20];
    loop {
        let length = stream.read(&mut part).await.expect("reads");
        if length == 0 {
            break;
        }
        if got >> 28 != (got + length as u64) >> 28 {
            most = most.max(resident());
        }
        got += length as u64;
    }
    assert_eq!(got, BODY);
    assert!(most.saturating_sub(before) < 64 << 20, "{} MB more", (most - before) >> 20);
    assert_eq!(gate.counts().bytes_in, BODY);
}

#[tokio::test]
async fn without_the_gate_nothing_passes_and_it_can_stand_again() {
    let (site, _) = echo("127.0.0.2", 0).await;
    let gate = gate(&["127.0.0.2"], Names::default(), None);
    let (at, serving) = stand(&gate);
    let (mut stream, _) = ask(at, "127.0.0.2", site.port()).await.expect("an answer");
    assert!(echoes(&mut stream).await);
    drop(serving);
    let mut rest = [0u8; 1];
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut rest)).await.expect("ends");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert!(ask(at, "127.0.0.2", site.port()).await.is_none());
    let (at, _serving) = stand(&gate);
    let (mut stream, _) = ask(at, "127.0.0.2", site.port()).await.expect("an answer");
    assert!(echoes(&mut stream).await);
}

/// A proxy that notes what it is asked for and then echoes.
async fn proxy(
    socks: bool,
    say: &'static [u8],
) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let (heard, hears) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0u8; 4096];
                if socks {
                    let _ = stream.read(&mut bytes).await;
                    let _ = stream.write_all(&[5, 2]).await;
                    let length = stream.read(&mut bytes).await.unwrap_or(0);
                    let _ = heard.send(bytes[..length].to_vec());
                    let _ = stream.write_all(&[1, 0]).await;
                }
                let length = stream.read(&mut bytes).await.unwrap_or(0);
                let _ = heard.send(bytes[..length].to_vec());
                let _ = stream.write_all(say).await;
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    (address, hears)
}

#[tokio::test]
async fn an_upstream_gets_names_as_they_are_and_never_a_private_address() {
    let (http, mut heard) = proxy(false, b"HTTP/1.1 200 Fine\r\n\r\n").await;
    let upstream = format!("http://ada:s%3Acret@{http}").parse().expect("a proxy");
    let gate_of_http = gate(&[], Names::default(), Some(upstream));
    let (at, _serving) = stand(&gate_of_http);
    let (mut stream, code) = ask(at, "inside.corp.example", 443).await.expect("an answer");
    assert!(code == 0 && echoes(&mut stream).await);
    let said = String::from_utf8(heard.recv().await.expect("heard")).expect("text");
    assert!(said.starts_with("CONNECT inside.corp.example:443 HTTP/1.1\r\n"), "{said}");
    assert!(said.contains("Proxy-Authorization: Basic YWRhOnM6Y3JldA==\r\n"), "{said}");
    for host in ["10.0.0.5", "localhost", "a.localhost", "127.1", "::1", "169.254.169.254"] {
        assert_eq!(ask(at, host, 443).await.expect("an answer").1, 2, "{host}");
    }
    assert!(heard.try_recv().is_err());

    let (socks, mut heard) = proxy(true, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    let upstream = format!("socks5://ada:secret@{socks}").parse().expect("a proxy");
    let gate_of_socks = gate(&[], Names::default(), Some(upstream));
    let (at, _serving) = stand(&gate_of_socks);
    let (mut stream, code) = ask(at, "inside.corp.example", 80).await.expect("an answer");
    assert!(code == 0 && echoes(&mut stream).await);
    assert_eq!(heard.recv().await.expect("heard"), b"\x01\x03ada\x06secret");
    assert_eq!(heard.recv().await.expect("heard"), b"\x05\x01\x00\x03\x13inside.corp.example\x00\x50");
}

#[tokio::test]
async fn an_upstream_that_dies_or_refuses_closes_the_way_and_is_named_without_its_password() {
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        listener.local_addr().expect("address")
    };
    let (locked, _heard) = proxy(false, b"HTTP/1.1 407 No\r\n\r\n").await;
    let (strange, _heard) = proxy(false, b"SSH-2.0-OpenSSH\r\n\r\n").await;
    for (proxy, why) in [
        (dead, "cannot be reached"),
        (locked, "another name or password"),
        (strange, "no answer of such a proxy"),
    ] {
        let upstream = format!("http://ada:topsecret@{proxy}").parse().expect("a proxy");
        let gate = gate(&[], Names::default().give("a.example", &[&["127.0.0.1"]]), Some(upstream));
        let (at, _serving) = stand(&gate);
        assert_eq!(ask(at, "a.example", 80).await.expect("an answer").1, 1);
        let said = gate.why("a.example", None, SystemTime::UNIX_EPOCH).expect("a reason");
        assert!(
            said.contains(why) && said.contains(&proxy.to_string()) && !said.contains("topsecret"),
            "{said}"
        );
        assert_eq!(gate.counts().made, 0);
    }
}
