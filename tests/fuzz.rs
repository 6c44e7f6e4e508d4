//! Every reader of bytes from outside is given odd ones: a corpus that lies in
//! `tests/fuzz`, bent and joined by chance. Claims that none panics and none
//! takes longer than its input is worth.
//!
//! `FUZZ_SECONDS=600 cargo test --features bench --test fuzz` goes on for ten
//! minutes for each reader; `FUZZ_SEED` repeats a run. An input that fails is
//! written into the corpus, from where it is tried first ever after.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tandem::base::Privacy;
use tandem::browser::{GuestOptions, Locator};
use tandem::egress::socks;
use tandem::policy::RuleSet;
use tandem::policy::egress::{Pattern, Upstream};
use tandem::rtc::{Channel, Echo, Message};
use tandem::server::wire::ClientMessage;

/// What one input may take at most, in a build without optimisation on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);
const LARGEST: usize = 64 << 10;
/// Words that readers know, to be put in.
const WORDS: [&str; 24] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\u0000",
    "\\ud800",
    "\r\n",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=rtpmap:96 H264/90000",
    "a=ice-ufrag:",
    "sessionId",
    "params",
    "method",
    "**",
    "*.",
    "internal:role=button",
    "\u{202e}",
];

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    /// One of the corpus, bent a few times.
    fn bent(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(9) {
                0 if !bytes.is_empty() => {
                    let at = at % bytes.len();
                    bytes[at] ^= 1 << self.below(8);
                }
                1 if !bytes.is_empty() => {
                    let at = at % bytes.len();
                    bytes[at] = self.below(256) as u8;
                }
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + self.below(16)).min(bytes.len()))),
                4 => {
                    let word = WORDS[self.below(WORDS.len())].bytes();
                    bytes.splice(at..at, word);
                }
                5 => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len() + 1);
                    bytes.splice(at.., other[from..].iter().copied());
                }
                6 => {
                    let end = (at + self.below(32)).min(bytes.len());
                    let again = bytes[at..end].repeat(1 + self.below(40));
                    bytes.splice(at..at, again);
                }
                7 => bytes.splice(at..at, std::iter::repeat_n(b'[', self.below(3000))).for_each(drop),
                _ => bytes.insert(at, self.below(256) as u8),
            }
        }
        bytes.truncate(LARGEST);
        bytes
    }
}

fn seconds() -> u64 {
    std::env::var("FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(4)
}

/// Gives a reader its corpus as it is, then bent.
fn fuzz(reader: &str, read: impl Fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(reader);
    let mut corpus: Vec<Vec<u8>> = fs::read_dir(&dir)
        .expect("a corpus")
        .map(|entry| fs::read(entry.expect("entry").path()).expect("read"))
        .collect();
    assert!(corpus.len() >= 3, "the corpus of {reader} is too small to say anything");
    corpus.sort();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = std::env::var("FUZZ_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(now.as_nanos() as u64 | 1);
    println!("{reader}: FUZZ_SEED={seed}");
    let attempt = |bytes: &[u8]| {
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| read(bytes)));
        if ended.is_err() || begun.elapsed() > LONGEST {
            let sum =
                bytes.iter().fold(seed, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
            let kept = dir.join(format!("failed-{sum:016x}"));
            fs::write(&kept, bytes).expect("kept");
            panic!("{reader} failed on {} after {:?}", kept.display(), begun.elapsed());
        }
    };
    corpus.iter().for_each(|bytes| attempt(bytes));
    let (mut chance, until, mut count) =
        (Chance(seed), Instant::now() + Duration::from_secs(seconds()), 0u64);
    while Instant::now() < until {
        attempt(&chance.bent(&corpus));
        count += 1;
    }
    println!("{reader}: {count} inputs");
    assert!(count > 50, "{count} inputs in {} s say nothing", seconds());
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn signalling() {
    fuzz("signalling", |bytes| {
        if let Ok(ClientMessage::Offer { sdp }) = serde_json::from_slice::<ClientMessage>(bytes) {
            tandem::rtc::reads_offer(&sdp);
        }
        tandem::rtc::reads_offer(&text(bytes));
    });
}

#[test]
fn data_channels() {
    fuzz("data-channels", |bytes| {
        for channel in [Channel::Moves, Channel::Acts] {
            if let Ok(message) = Message::decode(channel, bytes) {
                let (again, coded) = message.encode();
                assert_eq!(again, channel);
                assert_eq!(
                    Message::decode(channel, &coded).as_ref(),
                    Ok(&message),
                    "what was read is written as it was"
                );
            }
        }
        let _ = Echo::decode(bytes);
    });
}

#[test]
fn cdp() {
    fuzz("cdp", |bytes| {
        let options = GuestOptions {
            target: None,
            download_dir: "/data/downloads".into(),
            private_dir: "/data".into(),
            rules: None,
            privacy: Privacy::default(),
        };
        tandem::browser::feed(bytes, options);
    });
}

#[test]
fn arguments_of_tools() {
    fuzz("arguments", |bytes| {
        if let Ok(arguments) = serde_json::from_slice(bytes) {
            tandem::agents::read_arguments(&arguments);
        }
        let _ = text(bytes).parse::<Locator>();
        let _ = tandem::browser::address(&text(bytes));
    });
}

#[test]
fn egress() {
    fuzz("egress", |bytes| {
        let _ = socks::greeting(bytes);
        if let Ok(Some((_, _, used))) = socks::request(bytes) {
            assert!(used <= bytes.len());
        }
        let _ = text(bytes).parse::<Pattern>();
        let _ = text(bytes).parse::<Upstream>();
    });
}

#[test]
fn rules() {
    fuzz("rules", |bytes| {
        if let Ok(rules) = RuleSet::parse(&text(bytes)) {
            let printed = rules.print();
            assert_eq!(RuleSet::parse(&printed).expect("what was printed is read").print(), printed);
        }
    });
}
