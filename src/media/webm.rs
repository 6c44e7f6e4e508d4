//! WebM: one VP8 track, its chapters and its cues, written into memory as the
//! frames come. Owns the layout of the file; knows no encoder and no clock.
//!
//! The elements and their ids are those of RFC 8794 (EBML) and RFC 9559
//! (Matroska), of which WebM is a part. What is not known before the end has
//! a place of fixed size at the front, so the whole is written only once:
//!
//! ```text
//! EBML │ Segment ┬ SeekHead → Info, Tracks, Cues, Chapters
//!      │         ├ Info (with the duration), Tracks
//!      │         ├ Cluster ─ SimpleBlock …   each begins with a key frame if it can
//!      │         └ Cues, Chapters
//! ```

use crate::base::Size;

/// Blocks say their time since their cluster's in 16 bits with a sign (RFC 9559, 10.2).
const LONGEST_CLUSTER: u64 = 30_000;
/// One tick of the file's clock, in nanoseconds: a millisecond.
const TICK: u64 = 1_000_000;
const TRACK: u64 = 1;

/// The ids of the elements, with their length marks in them (RFC 9559, 5).
mod id {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const EBML_VERSION: u32 = 0x4286;
    pub const EBML_READ_VERSION: u32 = 0x42F7;
    pub const EBML_MAX_ID: u32 = 0x42F2;
    pub const EBML_MAX_SIZE: u32 = 0x42F3;
    pub const DOC_TYPE: u32 = 0x4282;
    pub const DOC_VERSION: u32 = 0x4287;
    pub const DOC_READ_VERSION: u32 = 0x4285;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const SEEK: u32 = 0x4DBB;
    pub const SEEK_ID: u32 = 0x53AB;
    pub const SEEK_POSITION: u32 = 0x53AC;
    pub const INFO: u32 = 0x1549_A966;
    pub const SCALE: u32 = 0x2A_D7B1;
    pub const DURATION: u32 = 0x4489;
    pub const MUXER: u32 = 0x4D80;
    pub const WRITER: u32 = 0x5741;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const TRACK_ENTRY: u32 = 0xAE;
    pub const TRACK_NUMBER: u32 = 0xD7;
    pub const TRACK_UID: u32 = 0x73C5;
    pub const TRACK_TYPE: u32 = 0x83;
    pub const LACING: u32 = 0x9C;
    pub const LANGUAGE: u32 = 0x22_B59C;
    pub const CODEC: u32 = 0x86;
    pub const VIDEO: u32 = 0xE0;
    pub const WIDTH: u32 = 0xB0;
    pub const HEIGHT: u32 = 0xBA;
    pub const COLOUR: u32 = 0x55B0;
    pub const MATRIX: u32 = 0x55B1;
    pub const RANGE: u32 = 0x55B9;
    pub const CLUSTER: u32 = 0x1F43_B675;
    pub const TIME: u32 = 0xE7;
    pub const SIMPLE_BLOCK: u32 = 0xA3;
    pub const CUES: u32 = 0x1C53_BB6B;
    pub const CUE_POINT: u32 = 0xBB;
    pub const CUE_TIME: u32 = 0xB3;
    pub const CUE_PLACES: u32 = 0xB7;
    pub const CUE_TRACK: u32 = 0xF7;
    pub const CUE_CLUSTER: u32 = 0xF1;
    pub const CHAPTERS: u32 = 0x1043_A770;
    pub const EDITION: u32 = 0x45B9;
    pub const CHAPTER: u32 = 0xB6;
    pub const CHAPTER_UID: u32 = 0x73C4;
    pub const CHAPTER_START: u32 = 0x91;
    pub const CHAPTER_SHOWN: u32 = 0x80;
    pub const CHAPTER_TITLE: u32 = 0x85;
    pub const CHAPTER_LANGUAGE: u32 = 0x437C;
}

/// A file that is being written.
pub struct Webm {
    out: Vec<u8>,
    /// Where the content of the segment begins; its positions count from there.
    segment: usize,
    /// Where the number of the duration and those of cues and chapters stand.
    duration: usize,
    cues_at: usize,
    chapters_at: usize,
    cluster: Option<Cluster>,
    /// The time and the place of each cluster that begins with a key frame.
    cues: Vec<(u64, u64)>,
    chapters: Vec<(u64, String)>,
}

struct Cluster {
    time: u64,
    key: bool,
    blocks: Vec<u8>,
}

impl Webm {
    pub fn new(size: Size) -> Self {
        let mut out = Vec::new();
        master(&mut out, id::EBML, |head| {
            number(head, id::EBML_VERSION, 1);
            number(head, id::EBML_READ_VERSION, 1);
            number(head, id::EBML_MAX_ID, 4);
            number(head, id::EBML_MAX_SIZE, 8);
            text(head, id::DOC_TYPE, "webm");
            number(head, id::DOC_VERSION, 4);
            number(head, id::DOC_READ_VERSION, 2);
        });
        put_id(&mut out, id::SEGMENT);
        out.extend(long_size(0));
        let segment = out.len();

        // Positions of eight bytes each: all that is written here has its final length.
        let mut info = Vec::new();
        master(&mut info, id::INFO, |info| {
            number(info, id::SCALE, TICK);
            text(info, id::MUXER, "Tandem");
            text(info, id::WRITER, concat!("Tandem ", env!("CARGO_PKG_VERSION")));
            // Last, so that its eight bytes are found from the end.
            binary(info, id::DURATION, &0f64.to_be_bytes());
        });
        let mut tracks = Vec::new();
        master(&mut tracks, id::TRACKS, |tracks| track(tracks, size));

        let seek_head = |places: [(u32, u64); 4]| {
            let mut head = Vec::new();
            master(&mut head, id::SEEK_HEAD, |head| {
                for (target, place) in places {
                    master(head, id::SEEK, |seek| {
                        let mut name = Vec::new();
                        put_id(&mut name, target);
                        binary(seek, id::SEEK_ID, &name);
                        binary(seek, id::SEEK_POSITION, &place.to_be_bytes());
                    });
                }
            });
            head
        };
        let places = [(id::INFO, 0), (id::TRACKS, 0), (id::CUES, 0), (id::CHAPTERS, 0)];
        let head = seek_head(places).len() as u64;
        let after = head + info.len() as u64;
        out.extend(seek_head([(id::INFO, head), (id::TRACKS, after), (id::CUES, 0), (id::CHAPTERS, 0)]));
        // The last entry is as long as the one before; each ends with its position.
        let chapters_at = out.len() - 8;
        let one = 3 + 7 + 11;
        let cues_at = chapters_at - one;
        out.extend(info);
        let duration = out.len() - 8;
        out.extend(tracks);
        Self {
            out,
            segment,
            duration,
            cues_at,
            chapters_at,
            cluster: None,
            cues: Vec::new(),
            chapters: Vec::new(),
        }
    }

    /// How many bytes it has so far.
    pub fn len(&self) -> usize {
        self.out.len() + self.cluster.as_ref().map_or(0, |cluster| cluster.blocks.len())
    }

    /// Adds a frame that is shown from `at`, in milliseconds, on. Times never go back.
    pub fn frame(&mut self, at: u64, key: bool, data: &[u8]) {
        let full =
            self.cluster.as_ref().is_none_or(|cluster| at.saturating_sub(cluster.time) > LONGEST_CLUSTER);
        if key || full {
            self.end_cluster();
        }
        let cluster = self.cluster.get_or_insert_with(|| Cluster { time: at, key, blocks: Vec::new() });
        let since = i16::try_from(at.saturating_sub(cluster.time)).unwrap_or(i16::MAX);
        put_id(&mut cluster.blocks, id::SIMPLE_BLOCK);
        put_size(&mut cluster.blocks, data.len() as u64 + 4);
        // The track's number is a variable-length one too.
        put_size(&mut cluster.blocks, TRACK);
        cluster.blocks.extend(since.to_be_bytes());
        cluster.blocks.push(if key { 0x80 } else { 0 });
        cluster.blocks.extend_from_slice(data);
    }

    /// From `at`, in milliseconds, on begins what is called so.
    pub fn chapter(&mut self, at: u64, title: &str) {
        self.chapters.push((at, title.to_owned()));
    }

    fn end_cluster(&mut self) {
        let Some(Cluster { time, key, blocks }) = self.cluster.take() else { return };
        if key {
            self.cues.push((time, (self.out.len() - self.segment) as u64));
        }
        let mut head = Vec::new();
        number(&mut head, id::TIME, time);
        put_id(&mut self.out, id::CLUSTER);
        put_size(&mut self.out, (head.len() + blocks.len()) as u64);
        self.out.extend(head);
        self.out.extend(blocks);
    }

    /// The whole file, which lasts so many milliseconds.
    pub fn finish(mut self, duration: u64) -> Vec<u8> {
        self.end_cluster();
        let here = |out: &Vec<u8>, segment: usize| ((out.len() - segment) as u64).to_be_bytes();
        let cues = here(&self.out, self.segment);
        let points = std::mem::take(&mut self.cues);
        master(&mut self.out, id::CUES, |cues| {
            for (time, place) in points {
                master(cues, id::CUE_POINT, |point| {
                    number(point, id::CUE_TIME, time);
                    master(point, id::CUE_PLACES, |places| {
                        number(places, id::CUE_TRACK, TRACK);
                        number(places, id::CUE_CLUSTER, place);
                    });
                });
            }
        });
        let chapters = here(&self.out, self.segment);
        let titles = std::mem::take(&mut self.chapters);
        // An edition has at least one chapter: without any it is the whole film.
        let whole = || vec![(0, "Recording".to_owned())];
        let titles = if titles.is_empty() { whole() } else { titles };
        master(&mut self.out, id::CHAPTERS, |chapters| {
            master(chapters, id::EDITION, |edition| {
                for (uid, (time, title)) in titles.iter().enumerate() {
                    master(edition, id::CHAPTER, |chapter| {
                        number(chapter, id::CHAPTER_UID, uid as u64 + 1);
                        number(chapter, id::CHAPTER_START, time * TICK);
                        master(chapter, id::CHAPTER_SHOWN, |shown| {
                            text(shown, id::CHAPTER_TITLE, title);
                            text(shown, id::CHAPTER_LANGUAGE, "und");
                        });
                    });
                }
            });
        });
        self.out[self.cues_at..][..8].copy_from_slice(&cues);
        self.out[self.chapters_at..][..8].copy_from_slice(&chapters);
        self.out[self.duration..][..8].copy_from_slice(&(duration as f64).to_be_bytes());
        let length = long_size((self.out.len() - self.segment) as u64);
        self.out[self.segment - 8..self.segment].copy_from_slice(&length);
        self.out
    }
}

fn track(tracks: &mut Vec<u8>, size: Size) {
    master(tracks, id::TRACK_ENTRY, |track| {
        number(track, id::TRACK_NUMBER, TRACK);
        number(track, id::TRACK_UID, TRACK);
        number(track, id::TRACK_TYPE, 1);
        number(track, id::LACING, 0);
        text(track, id::LANGUAGE, "und");
        text(track, id::CODEC, "V_VP8");
        master(track, id::VIDEO, |video| {
            number(video, id::WIDTH, size.width().into());
            number(video, id::HEIGHT, size.height().into());
            master(video, id::COLOUR, |colour| {
                // BT.601 in limited range: what `Picture` holds.
                number(colour, id::MATRIX, 6);
                number(colour, id::RANGE, 1);
            });
        });
    });
}

fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[id.leading_zeros() as usize / 8..]);
}

/// A size in as few bytes as it takes: the first one bit tells how many
/// (RFC 8794, 4). All ones would mean that the size is unknown.
fn put_size(out: &mut Vec<u8>, size: u64) {
    let length = (1..8).find(|length| size < (1 << (7 * length)) - 1).unwrap_or(8);
    let marked = size | 1 << (7 * length);
    out.extend_from_slice(&marked.to_be_bytes()[8 - length..]);
}

/// A size in eight bytes, whatever it is.
fn long_size(size: u64) -> [u8; 8] {
    (size | 1 << 56).to_be_bytes()
}

fn binary(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    put_id(out, id);
    put_size(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn number(out: &mut Vec<u8>, id: u32, value: u64) {
    let skipped = (value.leading_zeros() as usize / 8).min(7);
    binary(out, id, &value.to_be_bytes()[skipped..]);
}

fn text(out: &mut Vec<u8>, id: u32, text: &str) {
    binary(out, id, text.as_bytes());
}

fn master(out: &mut Vec<u8>, id: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    fill(&mut content);
    binary(out, id, &content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASTERS: [u32; 15] = [
        id::EBML,
        id::SEGMENT,
        id::SEEK_HEAD,
        id::SEEK,
        id::INFO,
        id::TRACKS,
        id::TRACK_ENTRY,
        id::VIDEO,
        id::CLUSTER,
        id::CUES,
        id::CUE_POINT,
        id::CUE_PLACES,
        id::CHAPTERS,
        id::EDITION,
        id::CHAPTER,
    ];

    /// An element as a reader that knows only RFC 8794 finds it.
    #[derive(Clone, Debug)]
    struct Element {
        id: u32,
        at: usize,
        content: Vec<u8>,
        inner: Vec<Element>,
    }

    fn read_size(data: &[u8]) -> (u64, usize) {
        let length = data[0].leading_zeros() as usize + 1;
        let mut value = u64::from(data[0]) & ((1 << (8 - length)) - 1);
        for byte in &data[1..length] {
            value = value << 8 | u64::from(*byte);
        }
        (value, length)
    }

    fn read(data: &[u8], mut at: usize) -> Vec<Element> {
        let (mut found, end) = (Vec::new(), data.len());
        while at < end {
            let wide = data[at].leading_zeros() as usize + 1;
            let id = data[at..at + wide].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
            let (size, length) = read_size(&data[at + wide..]);
            let from = at + wide + length;
            let to = from + size as usize;
            assert!(to <= end, "{id:x} at {at} ends at {to}, behind {end}");
            let inner = if MASTERS.contains(&id) { read(&data[..to], from) } else { Vec::new() };
            found.push(Element { id, at, content: data[from..to].to_vec(), inner });
            at = to;
        }
        found
    }

    impl Element {
        fn all(&self, id: u32) -> Vec<&Element> {
            self.inner.iter().filter(|inner| inner.id == id).collect()
        }
        fn one(&self, id: u32) -> &Element {
            let all = self.all(id);
            assert_eq!(all.len(), 1, "{id:x} in {:x}", self.id);
            all[0]
        }
        fn value(&self) -> u64 {
            self.content.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
        }
    }

    fn film(frames: &[(u64, bool, Vec<u8>)], chapters: &[(u64, String)], duration: u64) -> Element {
        let mut webm = Webm::new(Size::new(640, 360).expect("size"));
        for (at, key, data) in frames {
            webm.frame(*at, *key, data);
        }
        for (at, title) in chapters {
            webm.chapter(*at, title);
        }
        let file = webm.finish(duration);
        let top = read(&file, 0);
        assert_eq!(top.iter().map(|one| one.id).collect::<Vec<_>>(), [id::EBML, id::SEGMENT]);
        assert_eq!(top[0].one(id::DOC_TYPE).content, b"webm");
        top[1].clone()
    }

    proptest! {
        #[test]
        fn a_size_is_read_back_in_as_few_bytes_as_it_takes(size in 0..1u64 << 50) {
            let mut out = Vec::new();
            put_size(&mut out, size);
            prop_assert_eq!(read_size(&out), (size, out.len()));
            prop_assert!(out.len() == 1 || size >= (1 << (7 * (out.len() - 1))) - 1);
        }

        #[test]
        fn what_is_written_is_read_and_every_position_leads_where_it_says(
            steps in prop::collection::vec((0..70_000u64, any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 1..40),
            titles in prop::collection::vec((0..100_000u64, "\\PC{0,40}"), 0..5),
        ) {
            let mut at = 0;
            let mut frames = vec![(0, true, vec![1, 2, 3])];
            for (step, key, data) in steps {
                at += step;
                frames.push((at, key, data));
            }
            let segment = film(&frames, &titles, at + 40);
            // The frames, in order, with their times.
            let mut seen = Vec::new();
            for cluster in segment.all(id::CLUSTER) {
                let time = cluster.one(id::TIME).value();
                for block in cluster.all(id::SIMPLE_BLOCK) {
                    let since = i16::from_be_bytes([block.content[1], block.content[2]]);
                    prop_assert!(block.content[0] == 0x81 && since >= 0);
                    seen.push((time + since as u64, block.content[3] & 0x80 != 0, block.content[4..].to_vec()));
                }
            }
            prop_assert_eq!(&seen, &frames);
            // Positions count from the segment's content, which the first child begins.
            let base = segment.inner[0].at;
            for seek in segment.one(id::SEEK_HEAD).all(id::SEEK) {
                let wanted = seek.one(id::SEEK_ID).value() as u32;
                let place = base + seek.one(id::SEEK_POSITION).value() as usize;
                prop_assert_eq!(segment.one(wanted).at, place);
            }
            let cues = segment.one(id::CUES).all(id::CUE_POINT);
            prop_assert_eq!(cues.len(), frames.iter().filter(|(_, key, _)| *key).count());
            for cue in cues {
                let place = base + cue.one(id::CUE_PLACES).one(id::CUE_CLUSTER).value() as usize;
                let cluster = segment.all(id::CLUSTER).into_iter().find(|cluster| cluster.at == place);
                let cluster = cluster.expect("a cluster there");
                prop_assert_eq!(cluster.one(id::TIME).value(), cue.one(id::CUE_TIME).value());
            }
            let duration = &segment.one(id::INFO).one(id::DURATION).content;
            prop_assert_eq!(f64::from_be_bytes(duration[..].try_into().expect("eight")), (at + 40) as f64);
            let chapters = segment.one(id::CHAPTERS).one(id::EDITION).all(id::CHAPTER);
            prop_assert_eq!(chapters.len(), titles.len().max(1));
            for (chapter, (time, title)) in chapters.iter().zip(&titles) {
                prop_assert_eq!(chapter.one(id::CHAPTER_START).value(), time * TICK);
                prop_assert!(chapter.one(id::CHAPTER_SHOWN).content.windows(title.len().max(1))
                    .any(|part| part == title.as_bytes()) || title.is_empty());
            }
        }
    }

    #[test]
    fn the_track_says_its_codec_and_size() {
        let segment = film(&[(0, true, vec![9])], &[], 1);
        let track = segment.one(id::TRACKS).one(id::TRACK_ENTRY);
        assert_eq!(track.one(id::CODEC).content, b"V_VP8");
        let video = track.one(id::VIDEO);
        assert_eq!((video.one(id::WIDTH).value(), video.one(id::HEIGHT).value()), (640, 360));
    }
}
