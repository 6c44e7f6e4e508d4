//! Updates as a stream for one reader, over whatever door: each with the id to
//! come back with, and the word to read anew where something was missed.

use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::broadcast::error::RecvError;

use super::port::{Numbered, Updates};

/// The run and number in a reader's last id. One that is none means that it must read anew.
pub(super) fn place(last: &str) -> (String, u64) {
    match last.rsplit_once('.') {
        Some((run, id)) => (run.to_owned(), id.parse().unwrap_or(u64::MAX)),
        None => (String::new(), u64::MAX),
    }
}

/// Ids and updates, the latter as JSON. First what was missed, or `hello` when nothing was.
pub(super) fn told(updates: Updates) -> impl Stream<Item = (String, Arc<str>)> + Send {
    let Updates { run, missed, last, live } = updates;
    let run: Arc<str> = run.into();
    let snapshot: Arc<str> = r#"{"type":"snapshot"}"#.into();
    let first = match missed {
        // Where one is, so that coming back works before anything has happened.
        Some(missed) if missed.is_empty() => vec![Numbered { id: last, json: r#"{"type":"hello"}"#.into() }],
        Some(missed) => missed,
        None => vec![Numbered { id: last, json: Arc::clone(&snapshot) }],
    };
    let rest = stream::unfold((live, last), move |(mut live, mut at)| {
        let snapshot = Arc::clone(&snapshot);
        async move {
            match live.recv().await {
                Ok(one) => {
                    at = one.id;
                    Some((one, (live, at)))
                }
                // Too slow: what it missed is more than waits for one reader.
                Err(RecvError::Lagged(missed)) => {
                    at += missed;
                    Some((Numbered { id: at, json: snapshot }, (live, at)))
                }
                Err(RecvError::Closed) => None,
            }
        }
    });
    stream::iter(first).chain(rest).map(move |one| (format!("{run}.{}", one.id), one.json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast;

    #[tokio::test]
    async fn a_reader_who_is_too_slow_is_told_to_take_a_snapshot() {
        let (sender, live) = broadcast::channel(2);
        for id in 1..=5 {
            sender.send(Numbered { id, json: "{}".into() }).expect("a reader");
        }
        drop(sender);
        let updates = Updates { run: "r".into(), missed: Some(vec![]), last: 0, live };
        let told: Vec<_> = told(updates).collect().await;
        let told: Vec<_> = told.iter().map(|(id, json)| (id.as_str(), &**json)).collect();
        let wanted =
            [("r.0", r#"{"type":"hello"}"#), ("r.3", r#"{"type":"snapshot"}"#), ("r.4", "{}"), ("r.5", "{}")];
        assert_eq!(told, wanted);
    }

    #[test]
    fn an_id_that_is_none_means_to_read_anew() {
        assert_eq!(place("run.7"), ("run".into(), 7));
        assert_eq!(place("run.x").1, u64::MAX);
        assert_eq!(place("").1, u64::MAX);
    }
}
