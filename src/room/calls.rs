//! Which line of the record belongs to which call of a conversation. An agent
//! that people talk to names its calls; what reaches our tools has no such
//! name. The two are joined by who calls what with which arguments, in order.
//!
//! Owns the matching, for those actors only that somebody follows. Refuses to
//! keep arguments: they may be secrets, so only a digest is held, in memory.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, oneshot};

use crate::base::ActorId;
use crate::policy::SessionCall;

/// Of each kind, so many wait for their other half; the oldest are forgotten first.
const MOST: usize = 256;
/// Actors that are followed; each start of an agent makes a new one.
const MOST_FOLLOWED: usize = 256;

/// A call may reach our tools before the word of it does, by about so much.
const SOON: Duration = Duration::from_millis(300);

/// The calls of one room.
#[derive(Default)]
pub struct CallBook {
    book: Mutex<Book>,
    /// Something was announced.
    news: Notify,
}

#[derive(Default)]
struct Book {
    followed: HashSet<ActorId>,
    announced: VecDeque<Announced>,
    written: VecDeque<(Key, u64)>,
}

/// Who calls what with which arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);

struct Announced {
    key: Key,
    call: SessionCall,
    /// Said to the record already; its number is still to come.
    claimed: bool,
    seq: oneshot::Sender<u64>,
}

impl Key {
    pub fn new(actor: &ActorId, tool: &str, arguments: &Value) -> Self {
        let mut digest = Sha256::new();
        for part in [actor.as_str(), tool] {
            digest.update(part.as_bytes());
            digest.update([0]);
        }
        add(&mut digest, arguments);
        Self(digest.finalize().into())
    }
}

/// The same for the same value, whatever the order of its keys.
fn add(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by_key(|(key, _)| key.as_str());
            digest.update(b"{");
            for (key, value) in keys {
                digest.update(Value::from(key.as_str()).to_string().as_bytes());
                add(digest, value);
            }
            digest.update(b"}");
        }
        Value::Array(values) => {
            digest.update(b"[");
            values.iter().for_each(|value| add(digest, value));
            digest.update(b"]");
        }
        plain => digest.update(format!("{plain},").as_bytes()),
    }
}

impl CallBook {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on this actor's calls are those of conversations.
    pub fn follow(&self, actor: &ActorId) {
        let mut book = self.book();
        if book.followed.len() >= MOST_FOLLOWED {
            book.followed.clear();
        }
        book.followed.insert(actor.clone());
    }

    pub fn follows(&self, actor: &ActorId) -> bool {
        self.book().followed.contains(actor)
    }

    /// A conversation has such a call. Gives the number of its line, once there is one.
    pub fn announce(&self, key: Key, call: SessionCall) -> oneshot::Receiver<u64> {
        let (seq, told) = oneshot::channel();
        let mut book = self.book();
        if let Some(at) = book.written.iter().position(|(written, _)| *written == key)
            && let Some((_, number)) = book.written.remove(at)
        {
            let _ = seq.send(number);
            return told;
        }
        if book.announced.len() >= MOST {
            book.announced.pop_front();
        }
        book.announced.push_back(Announced { key, call, claimed: false, seq });
        drop(book);
        self.news.notify_waiters();
        told
    }

    /// The same as [`Self::claim`], for a call whose announcement may be on its way.
    pub async fn claim_soon(&self, key: &Key) -> Option<SessionCall> {
        let found = async {
            loop {
                // Before the look, so that nothing is missed between the two.
                let mut news = std::pin::pin!(self.news.notified());
                news.as_mut().enable();
                if let Some(call) = self.claim(key) {
                    return call;
                }
                news.await;
            }
        };
        tokio::time::timeout(SOON, found).await.ok()
    }

    /// A line is about to be written. Whose call it is, if that is known by now.
    pub fn claim(&self, key: &Key) -> Option<SessionCall> {
        let mut book = self.book();
        let found = book.announced.iter_mut().find(|one| !one.claimed && one.key == *key)?;
        found.claimed = true;
        Some(found.call.clone())
    }

    /// The line that begins a call has this number; `claimed` is what [`Self::claim`] said of it.
    pub fn written(&self, key: Key, claimed: Option<&SessionCall>, seq: u64) {
        let mut book = self.book();
        let fits = |one: &Announced| one.key == key && claimed.is_none_or(|call| one.call == *call);
        if let Some(at) = book.announced.iter().position(fits)
            && let Some(one) = book.announced.remove(at)
        {
            // Who announced it may have gone.
            let _ = one.seq.send(seq);
            return;
        }
        if book.written.len() >= MOST {
            book.written.pop_front();
        }
        book.written.push_back((key, seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(name: &str) -> SessionCall {
        SessionCall { session: "s".into(), root: "s".into(), call: Some(name.into()), project: "main".into() }
    }

    #[test]
    fn a_line_finds_its_call_whichever_comes_first() {
        let book = CallBook::default();
        let actor = ActorId::new("a").expect("an id");
        let key = |x: i32| Key::new(&actor, "browser_click", &json!({ "a": { "x": x, "y": 2 }, "b": [1] }));
        assert_eq!(key(1), Key::new(&actor, "browser_click", &json!({ "b": [1], "a": { "y": 2, "x": 1 } })));
        assert_ne!(key(1), key(2));
        // Two calls alike are told apart by their order.
        let (mut first, mut second) = (book.announce(key(1), call("1")), book.announce(key(1), call("2")));
        let claimed = [book.claim(&key(1)), book.claim(&key(1)), book.claim(&key(1))];
        assert_eq!(claimed, [Some(call("1")), Some(call("2")), None]);
        book.written(key(1), claimed[1].as_ref(), 8);
        book.written(key(1), claimed[0].as_ref(), 7);
        assert_eq!((first.try_recv(), second.try_recv()), (Ok(7), Ok(8)));
        // A line that comes before its call is told of.
        assert_eq!(book.claim(&key(2)), None);
        book.written(key(2), None, 9);
        assert_eq!(book.announce(key(2), call("3")).try_recv(), Ok(9));
        assert!(book.announce(key(2), call("4")).try_recv().is_err());
    }

    #[test]
    fn the_book_is_bounded() {
        let book = CallBook::default();
        let actor = ActorId::new("a").expect("an id");
        for x in 0..2 * MOST {
            book.written(Key::new(&actor, "t", &json!(x)), None, 1);
            drop(book.announce(Key::new(&actor, "u", &json!(x)), call("c")));
        }
        let held = book.book();
        assert!(held.written.len() == MOST && held.announced.len() == MOST);
    }
}
