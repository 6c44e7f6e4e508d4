//! Bytes through a tunnel, in both directions, unread.

use std::io;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::counts::count;

/// A direction begins with little and gets more while it is full.
const FIRST_BUFFER: usize = 8 << 10;
const LARGEST_BUFFER: usize = 64 << 10;
/// A tunnel of which one end has said that it will send no more may be silent
/// for this long. One that neither has left may be silent for ever: whether
/// its peers live is asked by their kernels.
pub(super) const HALF_CLOSED: Duration = Duration::from_secs(60);

pub(super) type Reader = Box<dyn AsyncRead + Send + Unpin>;
pub(super) type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Copies until both directions have ended. An end in one direction is passed
/// on, and the other goes on.
pub(super) async fn pump(
    near: (Reader, Writer),
    far: (Reader, Writer),
    out: &AtomicU64,
    back: &AtomicU64,
    half_closed: Duration,
) {
    let ((near_read, near_write), (far_read, far_write)) = (near, far);
    let (out_seen, back_seen) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut going_out = std::pin::pin!(one_way(near_read, far_write, [out, &out_seen]));
    let mut coming_back = std::pin::pin!(one_way(far_read, near_write, [back, &back_seen]));
    let (clean, rest): (io::Result<()>, _) = tokio::select! {
        ended = &mut going_out => (ended, true),
        ended = &mut coming_back => (ended, false),
    };
    if clean.is_err() {
        return;
    }
    loop {
        let seen = if rest { &back_seen } else { &out_seen };
        let before = seen.load(std::sync::atomic::Ordering::Relaxed);
        let ended = match rest {
            true => timeout(half_closed, &mut coming_back).await.is_ok(),
            false => timeout(half_closed, &mut going_out).await.is_ok(),
        };
        if ended || seen.load(std::sync::atomic::Ordering::Relaxed) == before {
            return;
        }
    }
}

async fn one_way(mut from: Reader, mut to: Writer, counters: [&AtomicU64; 2]) -> io::Result<()> {
    let mut buffer = vec![0; FIRST_BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        // TLS to an upstream keeps what it was given until it is told to send.
        to.flush().await?;
        for counter in counters {
            count(counter, length as u64);
        }
        if length == buffer.len() && length < LARGEST_BUFFER {
            buffer.resize(length * 2, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(stream: tokio::io::DuplexStream) -> (Reader, Writer) {
        let (read, write) = tokio::io::split(stream);
        (Box::new(read), Box::new(write))
    }

    #[tokio::test]
    async fn an_end_in_one_direction_leaves_the_other() {
        let ((mut browser, near), (far, mut site)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let (out, back) = (AtomicU64::new(0), AtomicU64::new(0));
        let long = vec![7u8; 1 << 20];
        let browsing = async {
            browser.write_all(b"question").await.expect("writes");
            browser.shutdown().await.expect("ends");
            let mut answer = Vec::new();
            browser.read_to_end(&mut answer).await.expect("reads");
            assert_eq!(answer, long);
        };
        let answering = async {
            let mut text = String::new();
            site.read_to_string(&mut text).await.expect("reads to the end");
            assert_eq!(text, "question");
            site.write_all(&long).await.expect("writes");
            site.shutdown().await.expect("ends");
        };
        tokio::join!(pump(halves(near), halves(far), &out, &back, HALF_CLOSED), browsing, answering);
        assert_eq!((out.into_inner(), back.into_inner()), (8, 1 << 20));
    }

    #[tokio::test]
    async fn a_tunnel_that_one_end_left_and_the_other_forgot_ends() {
        let ((mut browser, near), (far, _site)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        browser.shutdown().await.expect("ends");
        let (out, back) = (AtomicU64::new(0), AtomicU64::new(0));
        pump(halves(near), halves(far), &out, &back, Duration::from_millis(5)).await;
    }
}
