//! Reading a record: search, export, verification. All of it goes by parts, so
//! that a long record keeps neither the store nor the memory busy.

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::entry::{Line, Outcome, RecordKind, Signed};
use crate::base::RoomId;
use crate::store::{Link, RecordEnds, RecordPart, RecordedLine, Store, StoreError};

/// So many lines an answer has at most.
pub const MOST_LINES: u32 = 500;
const USUAL_LINES: u32 = 100;
/// So many are read at once.
const PART: u32 = 500;
/// After so many that did not fit, the answer says where to go on.
const LONGEST_LOOK: usize = 20_000;

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Search {
    /// An actor's id or name.
    pub who: Option<String>,
    pub kind: Option<RecordKind>,
    pub outcome: Option<Outcome>,
    /// Somewhere in the line, whatever its case.
    pub text: Option<String>,
    /// From this moment on, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Until this moment.
    pub to: Option<i64>,
    /// Only lines after this number: what is new.
    pub after: Option<u64>,
    /// Where the answer before said to go on.
    pub cursor: Option<u64>,
    /// At most so many lines, 1 to 500; 100 if left out.
    pub limit: Option<u32>,
    /// The oldest first; the newest if left out.
    #[serde(default)]
    pub oldest_first: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Found {
    pub lines: Vec<Signed>,
    /// Where to go on; nothing at the end.
    pub cursor: Option<u64>,
    /// The number of the last line there is now.
    pub last: u64,
}

/// Whether a record is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Verified {
    pub ok: bool,
    /// How many lines fit.
    pub lines: u64,
    /// The last line that was removed, with its hash: from there on it was checked.
    pub anchor: Place,
    /// The last line that fits. Kept elsewhere, it shows later that the end was not cut off.
    pub last: Place,
    /// The first line that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenLine>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    pub seq: u64,
    pub hash: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BrokenLine {
    pub seq: u64,
    pub why: String,
}

/// A room's record, also of a room that is no more.
#[derive(Clone)]
pub struct Record {
    store: Store,
    room: RoomId,
}

impl From<Link> for Place {
    fn from(link: Link) -> Self {
        Self { seq: link.seq, hash: link.hash.to_string() }
    }
}

impl Search {
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self.limit.is_some_and(|limit| !(1..=MOST_LINES).contains(&limit)) {
            return Err(format!("limit is 1 to {MOST_LINES}"));
        }
        if self.text.as_ref().is_some_and(|text| text.chars().count() > 200) {
            return Err("text has at most 200 characters".to_owned());
        }
        Ok(())
    }

    fn fits(&self, line: &Line, words: &str) -> bool {
        let by = |who: &str| {
            line.who
                .as_ref()
                .is_some_and(|by| by.id.as_str() == who || by.name.to_lowercase() == who.to_lowercase())
        };
        self.who.as_deref().is_none_or(by)
            && self.kind.is_none_or(|kind| kind == line.kind)
            && self.outcome.is_none_or(|outcome| outcome == line.outcome)
            && self.from.is_none_or(|from| line.at >= from)
            && self.to.is_none_or(|to| line.at <= to)
            && (words.is_empty() || says(line, words))
    }
}

/// Whether the words stand in one of the line's texts. They are in lower case.
fn says(line: &Line, words: &str) -> bool {
    fn within(value: &Value, words: &str) -> bool {
        match value {
            Value::String(text) => text.to_lowercase().contains(words),
            Value::Number(number) => number.to_string().contains(words),
            Value::Array(values) => values.iter().any(|value| within(value, words)),
            Value::Object(map) => map.values().any(|value| within(value, words)),
            Value::Null | Value::Bool(_) => false,
        }
    }
    let who = line.who.as_ref().map(|who| who.name.as_str());
    let texts = [Some(line.what.as_str()), line.reason.as_deref(), line.page.as_deref(), who];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(words))
        || line.details.values().any(|value| within(value, words))
}

impl Record {
    pub fn new(store: Store, room: RoomId) -> Self {
        Self { store, room }
    }

    /// How far it goes; nothing if there never was one.
    pub async fn ends(&self) -> Result<Option<RecordEnds>, StoreError> {
        self.store.record_ends(self.room.clone()).await
    }

    async fn part(&self, part: RecordPart) -> Result<Vec<RecordedLine>, StoreError> {
        self.store.read_record(self.room.clone(), part, PART).await
    }

    /// The lines after `since` that fit.
    pub async fn search(&self, search: &Search, since: u64) -> Result<Found, StoreError> {
        let since = since.max(search.after.unwrap_or(0));
        let words = search.text.as_deref().unwrap_or_default().to_lowercase();
        let limit = search.limit.unwrap_or(USUAL_LINES).min(MOST_LINES) as usize;
        let last = self.ends().await?.unwrap_or_default().last.seq;
        let mut found = Found { lines: Vec::new(), cursor: None, last };
        let mut at = match search.oldest_first {
            true => search.cursor.unwrap_or(since).max(since),
            false => search.cursor.unwrap_or(u64::MAX),
        };
        let mut looked = 0;
        loop {
            let part = self.part(match search.oldest_first {
                true => RecordPart::After(at),
                false => RecordPart::Before(at),
            });
            let part = part.await?;
            for stored in &part {
                if stored.seq <= since {
                    return Ok(found);
                }
                if found.lines.len() >= limit || looked >= LONGEST_LOOK {
                    found.cursor = Some(at);
                    return Ok(found);
                }
                (at, looked) = (stored.seq, looked + 1);
                // What somebody put there who is not us is for `verify` to tell.
                let Ok(line) = serde_json::from_str::<Line>(&stored.line) else { continue };
                if search.fits(&line, &words) {
                    found.lines.push(Signed { hash: stored.hash.to_string(), line });
                }
            }
            if part.len() < PART as usize {
                return Ok(found);
            }
        }
    }

    /// All lines after `since`, a line of JSON each; before them one with the
    /// anchor, from which their hashes go on.
    pub async fn export(
        self,
        since: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static, StoreError> {
        let ends = self.ends().await?.unwrap_or_default();
        let anchor = match since > ends.anchor.seq {
            true => {
                let before =
                    self.store.read_record(self.room.clone(), RecordPart::Before(since + 1), 1).await?;
                before.first().map_or(ends.anchor, |line| Link { seq: line.seq, hash: line.hash })
            }
            false => ends.anchor,
        };
        let head = serde_json::json!({ "anchor": Place::from(anchor), "room": self.room });
        let state = (self, Some(Bytes::from(format!("{head}\n"))), anchor.seq, ends.last.seq);
        Ok(stream::try_unfold(state, |(record, head, at, end)| async move {
            if let Some(head) = head {
                return Ok(Some((head, (record, None, at, end))));
            }
            let part = if at < end { record.part(RecordPart::After(at)).await? } else { Vec::new() };
            let Some(last) = part.last().map(|line| line.seq) else { return Ok(None) };
            let mut text = String::with_capacity(part.iter().map(|line| line.line.len() + 90).sum());
            for RecordedLine { line, hash, .. } in &part {
                // The line itself stands there as it was hashed.
                text.push_str(&format!("{{\"hash\":\"{hash}\",\"line\":{line}}}\n"));
            }
            Ok(Some((Bytes::from(text), (record, None, last, end))))
        }))
    }

    /// Checks every line from the anchor on.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        let mut ends = self.ends().await?.unwrap_or_default();
        let mut link = ends.anchor;
        let broken = loop {
            if link.seq >= ends.last.seq {
                break (link != ends.last)
                    .then(|| (ends.last.seq, "the record ends with another line".to_owned()));
            }
            let part = self.part(RecordPart::After(link.seq)).await?;
            if part.is_empty() {
                break Some((link.seq + 1, "it is missing".to_owned()));
            }
            let failed = part.iter().find_map(|line| link.check(line).err());
            let Some(failed) = failed else {
                // Lines that came meanwhile are checked up to where the record ends now.
                if link.seq > ends.last.seq {
                    ends.last = self.ends().await?.unwrap_or_default().last;
                    if link.seq > ends.last.seq {
                        break Some((ends.last.seq + 1, "it stands after the end of the record".to_owned()));
                    }
                }
                tokio::task::yield_now().await;
                continue;
            };
            let now = self.ends().await?.unwrap_or_default();
            if now.anchor.seq <= link.seq {
                break Some((failed.seq, failed.why.to_owned()));
            }
            // The oldest were removed while they were read.
            (ends, link) = (now, now.anchor);
        };
        Ok(Verified {
            ok: broken.is_none(),
            lines: link.seq.saturating_sub(ends.anchor.seq),
            anchor: ends.anchor.into(),
            last: link.into(),
            broken: broken.map(|(seq, why)| BrokenLine { seq, why }),
        })
    }
}
