//! The way to a running server for the commands that stand between it and a
//! program on this machine: its address, the token, HTTP and TLS.

use std::pin::Pin;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use openssl::ssl::{SslConnector, SslMethod};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::failure::Failure;
use crate::base::{Redacted, RoomId};

/// Where the server is and what opens it.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// The server's address, such as https://tandem.example.org
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "TANDEM_SERVER")]
    server: String,
    /// The room
    #[arg(long, default_value = "main", env = "TANDEM_ROOM")]
    pub(super) room: RoomId,
    /// A token with the role admin, controller or agent
    #[arg(long, env = "TANDEM_TOKEN", hide_env_values = true)]
    token: String,
}

/// A server that has not been asked yet.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    secure: bool,
    /// Host and port, as in the Host header.
    host: String,
    /// What comes before our own paths, without a slash at the end.
    prefix: String,
    token: Redacted<String>,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}
pub(super) type Connection = Pin<Box<dyn Stream>>;

impl Reach {
    pub(super) fn remote(&self) -> Result<Remote, Failure> {
        let wrong =
            || Failure::new(format!("--server {} is no address; write it as http://host:port", self.server));
        let (secure, rest) = match self.server.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong()),
        };
        let (host, prefix) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let prefix = prefix.trim_end_matches('/');
        let plain = |c: u8| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c);
        let path = |c: u8| c.is_ascii_alphanumeric() || b".-_~/%".contains(&c);
        if host.is_empty() || !host.bytes().all(plain) || !prefix.bytes().all(path) {
            return Err(wrong());
        }
        if self.token.is_empty() || !self.token.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(Failure::new(
                "--token is no token; make one with 'tandem token create --role agent'",
            ));
        }
        Ok(Remote {
            secure,
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            token: Redacted::new(self.token.clone()),
        })
    }
}

impl Remote {
    #[cfg(test)]
    pub(super) fn to(host: &str, secure: bool) -> Self {
        Self { secure, host: host.to_owned(), prefix: String::new(), token: Redacted::new("x".to_owned()) }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// One of our paths as the server has it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(super) fn authorization(&self) -> std::io::Result<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.token.reveal()))
            .map_err(std::io::Error::other)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// A new connection, with TLS when the address says so. Its certificate is checked.
    pub(super) async fn connect(&self) -> std::io::Result<Connection> {
        let bare = self.host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
        let name = bare.map_or(self.host.as_str(), |(name, _)| name);
        let address = match (bare, self.secure) {
            (Some(_), _) => self.host.clone(),
            (None, true) => format!("{name}:443"),
            (None, false) => format!("{name}:80"),
        };
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        if !self.secure {
            return Ok(Box::pin(stream));
        }
        let connector =
            SslConnector::builder(SslMethod::tls_client()).map_err(std::io::Error::other)?.build();
        let tls = connector.configure().and_then(|tls| tls.into_ssl(name.trim_matches(['[', ']'])));
        let tls = tls.map_err(std::io::Error::other)?;
        let mut stream = Box::pin(tokio_openssl::SslStream::new(tls, stream).map_err(std::io::Error::other)?);
        stream.as_mut().connect().await.map_err(std::io::Error::other)?;
        Ok(stream)
    }

    /// One request on a connection of its own. `request` has a path of ours and no host.
    pub(super) async fn send(&self, request: Request<Bytes>) -> std::io::Result<Response<Incoming>> {
        let stream = TokioIo::new(self.connect().await?);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(stream).await.map_err(std::io::Error::other)?;
        // Ends with its one answer, or when nobody wants that any more.
        tokio::spawn(connection);
        let (mut parts, body) = request.into_parts();
        parts.uri = self
            .path(parts.uri.path_and_query().map_or("/", |path| path.as_str()))
            .parse()
            .map_err(std::io::Error::other)?;
        parts.headers.insert(HOST, HeaderValue::from_str(&self.host).map_err(std::io::Error::other)?);
        parts.headers.insert(AUTHORIZATION, self.authorization()?);
        let request = Request::from_parts(parts, http_body_util::Full::new(body));
        sender.send_request(request).await.map_err(std::io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(server: &str, token: &str) -> Result<Remote, Failure> {
        Reach { server: server.into(), room: RoomId::main(), token: token.into() }.remote()
    }

    #[test]
    fn an_address_may_have_a_port_a_path_and_tls_and_nothing_else() {
        let remote = reach("https://tandem.example/below/", "tdm_x").expect("an address");
        assert!(remote.secure);
        assert_eq!((remote.host(), remote.path("/mcp").as_str()), ("tandem.example", "/below/mcp"));
        let remote = reach("http://127.0.0.1:8080", "tdm_x").expect("an address");
        assert_eq!((remote.host(), remote.path("/mcp").as_str()), ("127.0.0.1:8080", "/mcp"));
        for wrong in ["127.0.0.1:8080", "http://", "ftp://a", "http://a\r\nX: y", "http://a/?b", "http://u@h"]
        {
            assert!(reach(wrong, "tdm_x").is_err(), "{wrong}");
        }
        assert!(reach("http://a", "").is_err() && reach("http://a", "x\ny").is_err());
        assert!(!format!("{remote:?}").contains("tdm_x"));
    }
}
