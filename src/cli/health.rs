//! `tandem health`: asks a server on this machine whether it can work, for
//! whoever watches it; the container's health check is this.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::args::{Flags, print};
use super::failure::Failure;

const LONGEST: Duration = Duration::from_secs(4);
const LARGEST: u64 = 64 * 1024;

/// Prints one line; code 0 when all is well, 1 when not.
pub(super) async fn run(flags: Flags) -> Result<ExitCode, Failure> {
    let (settings, _) = flags.settle()?;
    let ip = match settings.listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(ip, settings.listen.port());
    let (line, good) = match tokio::time::timeout(LONGEST, ask(address)).await {
        Ok(Ok((status, body))) => (told(status, &body), status == 200),
        Ok(Err(error)) => (format!("nothing answers at {address}: {error}"), false),
        Err(_) => (format!("no answer from {address} within {} seconds", LONGEST.as_secs()), false),
    };
    print(&format!("{line}\n"))?;
    Ok(ExitCode::from(u8::from(!good)))
}

async fn ask(address: SocketAddr) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /api/ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("it does not speak HTTP"))?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok((status, body))
}

/// "ready", or what is wrong.
fn told(status: u16, body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let wrong: Vec<String> = body["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| check["ok"] == false)
        .map(|check| {
            let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", text("check"), text("why"))
        })
        .collect();
    match (status, wrong.is_empty()) {
        (200, _) => "ready".to_owned(),
        (_, false) => format!("not ready: {}", wrong.join("; ")),
        (status, true) => format!("not ready: it answers with status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_is_wrong() {
        assert_eq!(told(200, "{}"), "ready");
        let body =
            r#"{"checks":[{"check":"disk","ok":false,"why":"0 MB are free"},{"check":"rooms","ok":true}]}"#;
        assert_eq!(told(503, body), "not ready: disk: 0 MB are free");
        assert_eq!(told(421, "x"), "not ready: it answers with status 421");
    }
}
