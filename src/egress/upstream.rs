//! Asking an upstream proxy for a tunnel. It is told the name as it is; what
//! it says is read to the end of its answer and not a byte further.

use std::pin::Pin;

use base64::Engine as _;
use openssl::ssl::{SslConnector, SslMethod};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::pump::{Reader, Writer};
use crate::policy::egress::{Host, Upstream, UpstreamKind};

/// The longest head of an answer to `CONNECT`.
const LONGEST_HEAD: usize = 16 << 10;

/// What an upstream proxy did wrong, or why it refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("its certificate or TLS: {0}")]
    Tls(String),
    #[error("it wants another name or password")]
    Account,
    #[error("it refused with {0}")]
    Refused(String),
    #[error("what it said is no answer of such a proxy")]
    Nonsense,
}

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

/// Makes a tunnel through a connection to the proxy.
pub(super) async fn tunnel(
    stream: TcpStream,
    proxy: &Upstream,
    host: &Host,
    port: u16,
) -> Result<(Reader, Writer), Fault> {
    let mut stream: Box<dyn Both> = match proxy.kind {
        UpstreamKind::Https => Box::new(within_tls(stream, &proxy.host).await?),
        UpstreamKind::Http | UpstreamKind::Socks5 => Box::new(stream),
    };
    match proxy.kind {
        UpstreamKind::Socks5 => socks(&mut stream, proxy, host, port).await?,
        UpstreamKind::Http | UpstreamKind::Https => connect(&mut stream, proxy, host, port).await?,
    }
    let (read, write) = tokio::io::split(stream);
    Ok((Box::new(read), Box::new(write)))
}

async fn within_tls(stream: TcpStream, host: &str) -> Result<tokio_openssl::SslStream<TcpStream>, Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::Tls(error.to_string());
    let connector = SslConnector::builder(SslMethod::tls_client()).map_err(|error| failed(&error))?.build();
    let ssl = connector.configure().and_then(|configured| configured.into_ssl(host));
    let ssl = ssl.map_err(|error| failed(&error))?;
    let mut stream = tokio_openssl::SslStream::new(ssl, stream).map_err(|error| failed(&error))?;
    Pin::new(&mut stream).connect().await.map_err(|error| failed(&error))?;
    Ok(stream)
}

async fn connect(stream: &mut Box<dyn Both>, proxy: &Upstream, host: &Host, port: u16) -> Result<(), Fault> {
    let to = match host {
        Host::Address(std::net::IpAddr::V6(six)) => format!("[{six}]:{port}"),
        host => format!("{host}:{port}"),
    };
    let account = proxy.account.as_ref().map(|(user, password)| {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.reveal()));
        format!("Proxy-Authorization: Basic {both}\r\n")
    });
    let head = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{}\r\n", account.unwrap_or_default());
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // One at a time: what comes after belongs to the site.
        match stream.read_u8().await {
            Ok(byte) if head.len() < LONGEST_HEAD => head.push(byte),
            _ => return Err(Fault::Nonsense),
        }
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
    match status.as_bytes() {
        [b'2', _, _] => Ok(()),
        b"407" => Err(Fault::Account),
        [b'1'..=b'5', _, _] if status.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Fault::Refused(format!("status {status}")))
        }
        _ => Err(Fault::Nonsense),
    }
}

async fn socks(stream: &mut Box<dyn Both>, proxy: &Upstream, host: &Host, port: u16) -> Result<(), Fault> {
    let method = if proxy.account.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await?;
    stream.flush().await?;
    let mut answer = [0u8; 2];
    stream.read_exact(&mut answer).await?;
    match (answer, &proxy.account) {
        ([5, 0], None) => {}
        ([5, 2], Some((user, password))) => {
            let mut words = vec![1];
            for word in [user, password.reveal()] {
                words.push(u8::try_from(word.len()).map_err(|_| Fault::Account)?);
                words.extend(word.as_bytes());
            }
            stream.write_all(&words).await?;
            stream.flush().await?;
            stream.read_exact(&mut answer).await?;
            if answer[1] != 0 {
                return Err(Fault::Account);
            }
        }
        ([5, 0xff], _) => return Err(Fault::Account),
        _ => return Err(Fault::Nonsense),
    }
    let mut request = vec![5, 1, 0];
    match host {
        Host::Address(std::net::IpAddr::V4(four)) => {
            request.push(1);
            request.extend(four.octets());
        }
        Host::Address(std::net::IpAddr::V6(six)) => {
            request.push(4);
            request.extend(six.octets());
        }
        Host::Name(name) => {
            request.push(3);
            request.push(u8::try_from(name.len()).map_err(|_| Fault::Nonsense)?);
            request.extend(name.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;
    stream.flush().await?;
    let mut head = [0u8; 4];
    stream.read_exact(&mut head).await?;
    if head[0] != 5 {
        return Err(Fault::Nonsense);
    }
    if head[1] != 0 {
        return Err(Fault::Refused(format!("code {}", head[1])));
    }
    let rest = match head[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(Fault::Nonsense),
    };
    let mut bound = vec![0; rest + 2];
    stream.read_exact(&mut bound).await?;
    Ok(())
}
