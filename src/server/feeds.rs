//! The sessions that one page is told of: a stream for each project that it
//! has open. A page that is too slow is told to read anew by the stream itself.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::Stream as _;
use serde_json::value::RawValue;

use super::context::{SessionFeed, SessionUpdates};
use crate::base::RoomId;

/// Projects that one page has open at once.
const MOST: usize = 16;
/// The agent's own task answers at once, unless it is stopping.
const LONGEST_OPENING: Duration = Duration::from_secs(5);
/// A larger update, such as one with pictures, is read over HTTP.
const LARGEST_UPDATE: usize = 1 << 20;
/// The word to read anew.
const ANEW: &str = r#"{"type":"snapshot"}"#;
/// The project that is meant when none is named.
const FIRST: &str = "main";

#[derive(Default)]
pub(super) struct Feeds {
    open: Vec<(String, SessionUpdates)>,
    /// The next one to be looked at, so that a busy one does not silence the others.
    next: usize,
}

impl Feeds {
    /// Opens the feed of a project anew, or closes it.
    pub(super) async fn turn(
        &mut self,
        from: Option<&Arc<dyn SessionFeed>>,
        room: &RoomId,
        on: bool,
        project: Option<&str>,
        after: Option<&str>,
    ) -> Result<(), String> {
        let name = project.unwrap_or(FIRST);
        self.open.retain(|(open, _)| open != name);
        if !on {
            return Ok(());
        }
        let from = from.ok_or("this server was started without an agent to talk to")?;
        if self.open.len() >= MOST {
            return Err(format!("a page is told of at most {MOST} projects; close one"));
        }
        let opened = tokio::time::timeout(LONGEST_OPENING, from.open(room, project, after)).await;
        let updates = opened.map_err(|_| "the agent does not answer; try again")??;
        self.open.push((name.to_owned(), updates));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The next update as a message of the wire. The last one of a feed that
    /// ends, with its agent or project, is the word to read anew: what the
    /// page then finds says how things are. It has no id to come back with.
    pub(super) async fn next(&mut self) -> String {
        std::future::poll_fn(|context| {
            for _ in 0..self.open.len() {
                let at = self.next % self.open.len();
                self.next = at + 1;
                let (project, updates) = &mut self.open[at];
                match Pin::new(updates).poll_next(context) {
                    Poll::Ready(Some((id, json))) => return Poll::Ready(message(project, &id, &json)),
                    Poll::Ready(None) => {
                        let (project, _) = self.open.swap_remove(at);
                        return Poll::Ready(message(&project, "", ANEW));
                    }
                    Poll::Pending => {}
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The same as the wire's `session_update`, without reading the update.
fn message(project: &str, id: &str, json: &str) -> String {
    #[derive(serde::Serialize)]
    struct Told<'a> {
        r#type: &'a str,
        project: &'a str,
        id: &'a str,
        update: &'a RawValue,
    }
    let told = |json: &str| {
        let update = serde_json::from_str(json)?;
        serde_json::to_string(&Told { r#type: "session_update", project, id, update })
    };
    let small = Some(json).filter(|json| json.len() <= LARGEST_UPDATE);
    // What cannot be told this way is read over HTTP.
    small.and_then(|json| told(json).ok()).unwrap_or_else(|| told(ANEW).expect("two texts and an object"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::wire::ServerMessage;
    use futures_util::future::BoxFuture;
    use futures_util::{StreamExt as _, stream};

    struct Two;

    impl SessionFeed for Two {
        fn open<'a>(
            &'a self,
            _: &'a RoomId,
            project: Option<&'a str>,
            after: Option<&'a str>,
        ) -> BoxFuture<'a, Result<SessionUpdates, String>> {
            let json: Arc<str> = serde_json::json!({ "type": "hello", "of": project }).to_string().into();
            let after = after.unwrap_or("r.0").to_owned();
            Box::pin(async move { Ok(stream::iter([(after, json)]).chain(stream::pending()).boxed()) })
        }
    }

    #[tokio::test]
    async fn a_page_is_told_of_each_project_once_in_the_form_of_the_wire() {
        let from: Arc<dyn SessionFeed> = Arc::new(Two);
        let (mut feeds, room) = (Feeds::default(), RoomId::main());
        for (project, after) in [(None, None), (Some("b"), Some("r.7")), (Some("b"), Some("r.8"))] {
            feeds.turn(Some(&from), &room, true, project, after).await.expect("opens");
        }
        let mut told = vec![];
        for _ in 0..2 {
            let text = feeds.next().await;
            let ServerMessage::SessionUpdate { project, id, update } =
                serde_json::from_str(&text).expect("the wire's form")
            else {
                panic!("{text}");
            };
            assert_eq!(update["type"], "hello");
            told.push((project, id));
        }
        told.sort();
        assert_eq!(told, [("b".to_owned(), "r.8".to_owned()), ("main".to_owned(), "r.0".to_owned())]);
        feeds.turn(Some(&from), &room, false, None, None).await.expect("closes");
        assert_eq!(feeds.open.len(), 1);
        let refused = feeds.turn(None, &room, true, None, None).await;
        assert!(refused.is_err_and(|why| why.contains("without an agent")));
        for project in 0..MOST {
            let opened = feeds.turn(Some(&from), &room, true, Some(&project.to_string()), None).await;
            assert_eq!(opened.is_ok(), project < MOST - 1);
        }
        let large = "x".repeat(LARGEST_UPDATE + 1);
        assert!(message("a", "r.1", "{ no json").contains(r#""id":"r.1","update":{"type":"snapshot"}"#));
        assert!(message("a", "r.1", &large).contains("snapshot"));
    }

    struct Ending;

    impl SessionFeed for Ending {
        fn open<'a>(
            &'a self,
            _: &'a RoomId,
            _: Option<&'a str>,
            _: Option<&'a str>,
        ) -> BoxFuture<'a, Result<SessionUpdates, String>> {
            let one = ("r.1".to_owned(), Arc::from(r#"{"type":"hello"}"#));
            Box::pin(async move { Ok(stream::iter([one]).boxed()) })
        }
    }

    #[tokio::test]
    async fn a_feed_that_ends_tells_its_page_to_read_anew() {
        let from: Arc<dyn SessionFeed> = Arc::new(Ending);
        let mut feeds = Feeds::default();
        feeds.turn(Some(&from), &RoomId::main(), true, Some("b"), None).await.expect("opens");
        assert!(feeds.next().await.contains("hello"));
        let text = feeds.next().await;
        let ServerMessage::SessionUpdate { project, id, update } =
            serde_json::from_str(&text).expect("the wire's form")
        else {
            panic!("{text}");
        };
        assert_eq!((project.as_str(), id.as_str(), &update["type"]), ("b", "", &"snapshot".into()));
        assert!(feeds.is_empty());
    }
}
