//! Whether the addresses that people open have a certificate yet. It is the
//! proxy's; but a certificate that is not there is a page that does not open,
//! and nobody else here would say why.

use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use tokio::net::TcpStream;

use super::settings::Settings;
use crate::server::Origin;

const LONGEST_TRY: Duration = Duration::from_millis(1500);
/// A proxy that starts with us may take this long to get a certificate.
const FIRST_LOOK: Duration = Duration::from_secs(60);

/// What stands at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Certificate {
    Good,
    /// There is one, but browsers will not take it without being told to.
    Untrusted(String),
    /// Nothing speaks TLS there.
    Missing(String),
    /// From here it cannot be told: many networks do not lead back in.
    Unreachable(String),
}

impl Certificate {
    /// One line for a log, or nothing where all is well.
    pub(super) fn told(&self, origin: &Origin) -> Option<String> {
        match self {
            Self::Good => None,
            Self::Untrusted(why) => Some(format!(
                "{origin} has a certificate that browsers do not trust by themselves ({why}); for a public name the \
                 proxy gets one once DNS leads here and ports 80 and 443 are open"
            )),
            Self::Missing(why) => Some(format!(
                "{origin} has no certificate yet ({why}); see the proxy's log: DNS must lead here and ports 80 and \
                 443 must be open"
            )),
            Self::Unreachable(why) => Some(format!(
                "{origin} cannot be reached from this machine ({why}), so its certificate was not looked at; that may \
                 be well where the network does not lead back in"
            )),
        }
    }
}

/// Looks at an address as a browser would.
pub(super) async fn look(origin: &Origin) -> Certificate {
    match tokio::time::timeout(LONGEST_TRY, try_it(origin)).await {
        Ok(found) => found,
        Err(_) => Certificate::Unreachable("no answer in time".into()),
    }
}

async fn try_it(origin: &Origin) -> Certificate {
    let name = origin.host().trim_matches(['[', ']']);
    let stream = match TcpStream::connect((name, origin.port())).await {
        Ok(stream) => stream,
        Err(error) => return Certificate::Unreachable(error.to_string()),
    };
    let ssl = SslConnector::builder(SslMethod::tls_client()).and_then(|mut builder| {
        // What is wrong is asked for afterwards, which tells more than a broken handshake.
        builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
        builder.build().configure()?.into_ssl(name)
    });
    let stream = ssl.and_then(|ssl| tokio_openssl::SslStream::new(ssl, stream));
    let mut stream = match stream {
        Ok(stream) => Box::pin(stream),
        Err(error) => return Certificate::Unreachable(error.to_string()),
    };
    if let Err(error) = stream.as_mut().connect().await {
        let why = error.to_string();
        let why = why.rsplit(':').next().unwrap_or(&why).trim().to_owned();
        return Certificate::Missing(why);
    }
    match stream.ssl().verify_result() {
        X509VerifyResult::OK => Certificate::Good,
        wrong => Certificate::Untrusted(wrong.error_string().to_owned()),
    }
}

/// Says once in the log what is wrong with the addresses, a minute after the start.
pub(super) async fn watch(settings: Settings) {
    tokio::time::sleep(FIRST_LOOK).await;
    for origin in settings.public_url.iter().filter(|origin| origin.is_secure()) {
        let found = look(origin).await;
        match (&found, found.told(origin)) {
            (Certificate::Unreachable(_), Some(told)) => tracing::info!("{told}"),
            (_, Some(told)) => tracing::warn!("{told}"),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test]
    async fn a_port_without_tls_and_one_without_anybody_are_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let origin: Origin = format!("https://localhost:{port}").parse().expect("an origin");
        let plain: Origin = format!("https://127.0.0.1:{port}").parse().expect("an origin");
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a visitor");
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        let found = look(&plain).await;
        assert!(matches!(found, Certificate::Missing(_)), "{found:?}");
        assert!(found.told(&plain).is_some_and(|told| told.contains("no certificate yet")));
        served.await.expect("served");
        assert!(matches!(look(&origin).await, Certificate::Unreachable(_)));
    }
}
