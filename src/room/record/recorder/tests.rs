//! The queue, the chain and the reading of a record, also when the store fails
//! and when somebody changes the file.

use std::path::Path;

use futures_util::{StreamExt, TryStreamExt};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::base::{Actor, ActorId, Role};
use crate::room::record::{Line, Search, Signed};
use crate::store::LineHash;

const KEEP: Retention = Retention { age: Duration::from_secs(90 * 86_400), bytes: 100_000_000 };

fn open(dir: &Path, retention: Retention) -> (Store, Recorder) {
    let store = Store::open(dir).expect("opens");
    let recorder = Recorder::open(store.clone(), RoomId::main(), retention);
    (store, recorder)
}

fn ada() -> Actor {
    Actor { id: ActorId::new("ada").expect("id"), name: "Ada".into(), role: Role::Agent, colour: None }
}

fn act(number: usize) -> Entry {
    Entry::new(RecordKind::Act, "browser_click").by(&ada()).details(json!({ "n": number }))
}

async fn all(recorder: &Recorder) -> Vec<Signed> {
    let search = Search { oldest_first: true, limit: Some(500), ..Search::default() };
    recorder.record().search(&search, 0).await.expect("read").lines
}

#[tokio::test]
async fn lines_stand_in_the_order_in_which_they_came_and_the_chain_verifies() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, recorder) = open(dir.path(), KEEP);
    for number in 0..10 {
        recorder.note(act(number * 2));
        let seq = recorder.write(act(number * 2 + 1)).await.expect("written");
        assert_eq!(seq as usize, number * 2 + 2);
    }
    let lines = all(&recorder).await;
    let numbers: Vec<_> = lines.iter().map(|line| line.line.details["n"].as_u64().expect("n")).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    let verified = recorder.record().verify().await.expect("read");
    assert!(verified.ok && verified.lines == 20 && verified.last.seq == 20, "{verified:?}");
    assert_eq!(verified.last.hash, lines[19].hash);
}

#[tokio::test]
async fn an_act_ends_once_and_one_that_is_dropped_was_cancelled() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, recorder) = open(dir.path(), KEEP);
    let first = recorder.begin(act(1)).await.expect("begun");
    first.end(Outcome::Refused, "no");
    drop(recorder.begin(act(2)).await.expect("begun"));
    recorder.close().await;
    let lines = all(&recorder).await;
    let told: Vec<_> = lines.iter().map(|line| (line.line.outcome, line.line.of)).collect();
    let begun = (Outcome::Begun, None);
    assert_eq!(told, [begun, (Outcome::Refused, Some(1)), begun, (Outcome::Cancelled, Some(3))]);
    assert_eq!(recorder.write(act(3)).await, Err(RecordError::Closed));
}

#[tokio::test]
async fn a_record_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, recorder) = open(dir.path(), KEEP);
    recorder.write(act(1)).await.expect("written");
    recorder.close().await;
    let again = Recorder::open(store, RoomId::main(), KEEP);
    assert_eq!(again.write(act(2)).await.expect("written"), 2);
    assert!(again.record().verify().await.expect("read").ok);
}

#[tokio::test]
async fn with_a_full_disk_acts_are_refused_and_come_back_and_no_fact_is_lost() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, recorder) = open(dir.path(), KEEP);
    recorder.write(act(0)).await.expect("written");
    let full = |connection: &mut rusqlite::Connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    };
    store.tamper(full).await.expect("limited");
    let mut written = 1;
    let refused = loop {
        match recorder.write(act(written)).await {
            Ok(_) => written += 1,
            Err(refused) => break refused,
        }
    };
    assert!(refused.to_string().contains("full"), "{refused}");
    for number in 0..50 {
        recorder.note(act(1000 + number));
    }
    assert!(recorder.write(act(written)).await.is_err());
    let healed = |connection: &mut rusqlite::Connection| {
        connection.pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(()))
    };
    store.tamper(healed).await.expect("healed");
    // What was tried a moment before may still fail in front of it.
    let comes_back = async {
        loop {
            if let Ok(seq) = recorder.write(act(written)).await {
                return seq;
            }
        }
    };
    let seq = tokio::time::timeout(Duration::from_secs(60), comes_back).await.expect("it comes back");
    assert_eq!(seq as usize, written + 51, "all facts stand before it");
    assert!(recorder.record().verify().await.expect("read").ok);
}

#[tokio::test]
async fn when_too_many_facts_wait_acts_are_refused_until_they_are_written_and_what_is_lost_is_counted() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, recorder) = open(dir.path(), KEEP);
    let fail = "CREATE TRIGGER fails BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'out of order'); END";
    store.tamper(move |connection| connection.execute_batch(fail)).await.expect("broken");
    assert!(recorder.write(act(0)).await.is_err());
    for number in 0..MOST_WAITING + 7 {
        recorder.note(act(number));
    }
    let refused = recorder.write(act(0)).await.expect_err("full");
    assert!(matches!(refused, RecordError::Full { .. }), "{refused}");
    assert!(refused.to_string().contains("out of order") && recorder.takes().is_err());
    store.tamper(|connection| connection.execute_batch("DROP TRIGGER fails")).await.expect("mended");
    let lines = loop {
        let ends = recorder.record().ends().await.expect("read").unwrap_or_default();
        if ends.last.seq > MOST_WAITING as u64 {
            break ends.last.seq;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(lines, MOST_WAITING as u64 + 1);
    let last =
        recorder.record().search(&Search { limit: Some(1), ..Search::default() }, 0).await.expect("read");
    assert_eq!(
        (last.lines[0].line.kind, &last.lines[0].line.details["facts"]),
        (RecordKind::Record, &json!(7))
    );
    recorder.write(act(0)).await.expect("it comes back");
}

#[tokio::test]
async fn retention_takes_the_oldest_by_age_and_size_and_the_rest_verifies() {
    let dir = tempfile::tempdir().expect("dir");
    let (store, recorder) = open(dir.path(), KEEP);
    for number in 0..1300 {
        recorder.note(act(number));
    }
    recorder.write(act(1300)).await.expect("written");
    let ends = recorder.record().ends().await.expect("read").expect("there");
    let half = ends.bytes / 2;
    while store.trim_record(RoomId::main(), 0, half).await.expect("trimmed") {}
    let shorter = recorder.record().ends().await.expect("read").expect("there");
    assert!(shorter.bytes <= half && shorter.bytes > half - 1000 && shorter.anchor.seq > 500, "{shorter:?}");
    let verified = recorder.record().verify().await.expect("read");
    assert!(verified.ok && verified.anchor.seq == shorter.anchor.seq, "{verified:?}");
    while store.trim_record(RoomId::main(), i64::MAX, u64::MAX).await.expect("trimmed") {}
    let verified = recorder.record().verify().await.expect("read");
    assert!(verified.ok && verified.lines == 1, "the last line stays: {verified:?}");
}

#[tokio::test]
async fn a_search_finds_what_fits_page_by_page() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, recorder) = open(dir.path(), KEEP);
    for number in 0..1000 {
        let entry = if number % 10 == 0 {
            act(number).outcome(Outcome::Failed).because("Größe")
        } else {
            act(number)
        };
        recorder.note(entry);
    }
    recorder
        .write(Entry::new(RecordKind::Join, "entered").by(&ada()).page("https://a.example/x?q"))
        .await
        .expect("ok");
    let record = recorder.record();
    let mut search = Search {
        outcome: Some(Outcome::Failed),
        text: Some("GRÖSSE".into()),
        limit: Some(30),
        ..Search::default()
    };
    assert_eq!(
        record.search(&search, 0).await.expect("read").lines.len(),
        0,
        "ß has no single capital letter"
    );
    search.text = Some("GRÖß".into());
    let (mut found, mut pages) = (vec![], 0);
    loop {
        let part = record.search(&search, 0).await.expect("read");
        found.extend(part.lines.into_iter().map(|line| line.line.seq));
        pages += 1;
        search.cursor = part.cursor;
        if search.cursor.is_none() {
            break;
        }
    }
    assert!(found.len() == 100 && found.is_sorted_by(|a, b| a > b) && pages >= 4, "{pages} {found:?}");
    let joins = Search { kind: Some(RecordKind::Join), who: Some("ada".into()), ..Search::default() };
    let joined = record.search(&joins, 0).await.expect("read");
    assert_eq!(joined.lines[0].line.page.as_deref(), Some("https://a.example/x"));
    let new = Search { after: Some(1000), ..Search::default() };
    assert_eq!(record.search(&new, 0).await.expect("read").lines.len(), 1);
    assert_eq!(record.search(&Search::default(), 1001).await.expect("read").lines.len(), 0);
}

#[tokio::test]
async fn anyone_can_verify_an_export() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, recorder) = open(dir.path(), KEEP);
    for number in 0..700 {
        recorder.note(act(number).because("\"é\" \u{1f600}"));
    }
    recorder.write(act(700)).await.expect("written");
    for since in [0, 650] {
        let parts = recorder.record().export(since).await.expect("read");
        let text: Vec<_> = parts.map_ok(|part| part.to_vec()).try_collect().await.expect("read");
        let text = String::from_utf8(text.concat()).expect("text");
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
        let head = lines.next().expect("a head");
        let hex = head["anchor"]["hash"].as_str().expect("a hash").to_owned();
        let bytes: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect("hex")).collect();
        let mut hash = LineHash(bytes.try_into().expect("32 bytes"));
        let mut count = since;
        for line in lines {
            hash = hash.then(&crate::store::canonical(&line["line"]));
            count += 1;
            assert_eq!(
                (line["hash"].as_str(), line["line"]["seq"].as_u64()),
                (Some(&*hash.to_string()), Some(count))
            );
        }
        assert_eq!(count, 701);
    }
}

#[derive(Clone, Debug)]
enum Harm {
    Change(usize),
    Remove,
    Swap,
    Hash,
    End,
}

/// What somebody does who can write to the file, past the triggers.
fn harm(connection: &rusqlite::Connection, harm: &Harm, seq: i64, last: i64) -> rusqlite::Result<()> {
    connection.execute_batch(
        "DROP TRIGGER IF EXISTS records_are_not_changed; DROP TRIGGER IF EXISTS records_are_removed_from_the_beginning",
    )?;
    match harm {
        Harm::Change(at) => {
            let line: String =
                connection.query_row("SELECT line FROM records WHERE seq = ?1", [seq], |row| row.get(0))?;
            let mut bytes = line.into_bytes();
            let at = at % bytes.len();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let line = String::from_utf8(bytes).expect("ASCII");
            connection
                .execute("UPDATE records SET line = ?2 WHERE seq = ?1", rusqlite::params![seq, line])?;
        }
        Harm::Remove => {
            connection.execute("DELETE FROM records WHERE seq = ?1", [seq])?;
        }
        Harm::Swap => {
            let other = if seq == last { seq - 1 } else { seq + 1 };
            connection.execute("UPDATE records SET seq = 1000000 WHERE seq = ?1", [seq])?;
            connection.execute("UPDATE records SET seq = ?1 WHERE seq = ?2", [seq, other])?;
            connection.execute("UPDATE records SET seq = ?1 WHERE seq = 1000000", [other])?;
        }
        Harm::Hash => {
            connection.execute("UPDATE records SET hash = zeroblob(32) WHERE seq = ?1", [seq])?;
        }
        Harm::End => {
            connection.execute("UPDATE record_ends SET last = zeroblob(32)", [])?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_is_changed_removed_or_reordered_shows_and_is_named(
        count in 2..40u64,
        which in any::<prop::sample::Index>(),
        trimmed in any::<bool>(),
        kind in prop_oneof![
            any::<usize>().prop_map(Harm::Change), Just(Harm::Remove), Just(Harm::Swap), Just(Harm::Hash), Just(Harm::End)
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let outcome = runtime.block_on(async {
            let dir = tempfile::tempdir().expect("dir");
            let (store, recorder) = open(dir.path(), KEEP);
            for number in 0..count - 1 {
                recorder.note(act(number as usize));
            }
            recorder.write(act(0)).await.expect("written");
            if trimmed {
                let bytes = recorder.record().ends().await.expect("read").expect("there").bytes;
                store.trim_record(RoomId::main(), 0, bytes / 2).await.expect("trimmed");
            }
            let before = recorder.record().verify().await.expect("read");
            let (first, lines) = (before.anchor.seq + 1, before.lines as usize);
            let mut seq = first + which.index(lines) as u64;
            if matches!(kind, Harm::Swap) && lines == 1 {
                return (before.ok, false, None, seq);
            }
            let does = kind.clone();
            store.tamper(move |connection| harm(connection, &does, seq as i64, count as i64)).await.expect("harmed");
            let after = recorder.record().verify().await.expect("read");
            if matches!(kind, Harm::Swap) && seq == count {
                seq -= 1;
            }
            if matches!(kind, Harm::End) {
                seq = count;
            }
            (before.ok, after.ok, after.broken.map(|broken| broken.seq), seq)
        });
        let (whole, still, broken, seq) = outcome;
        prop_assert!(whole && !still);
        prop_assert!(broken.is_none_or(|broken| broken == seq), "{:?} {}", broken, seq);
    }
}

#[test]
fn a_line_is_read_as_it_was_written() {
    let line = act(1).page("https://a.example/").because("so").into_line(&RoomId::main()).line;
    let read: Line = serde_json::from_value(Value::Object(line)).expect("a line");
    assert_eq!((read.what.as_str(), read.who.map(|who| who.name)), ("browser_click", Some("Ada".to_owned())));
}

#[tokio::test]
async fn a_stream_of_acts_is_written_together() {
    let dir = tempfile::tempdir().expect("dir");
    let (_, recorder) = open(dir.path(), KEEP);
    let writes = (0..1000).map(|number| recorder.write(act(number)));
    let written: Vec<_> = futures_util::stream::iter(writes).buffered(200).collect().await;
    assert!(written.iter().enumerate().all(|(at, seq)| *seq == Ok(at as u64 + 1)));
}
