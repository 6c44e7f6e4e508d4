//! What a page keeps in memory and what its scripts spend time on: a heap
//! snapshot and a CPU profile, in DevTools' formats, with a summary of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::broadcast;

use super::CdpError;
use super::client::{CdpClient, CdpEvent};
use super::fault::ActError;
use super::frames::read;
use super::mux::{MuxError, Rules};
use super::tabs::Tab;
use super::watch::shortened;

/// A larger heap is not read: it would cost several times its size here.
const LARGEST: usize = 192 << 20;
const PATIENCE: Duration = Duration::from_secs(120);
const MOST: usize = 20;

/// Objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeapGroup {
    /// A constructor's name, or a kind in brackets.
    pub name: String,
    pub count: u64,
    /// Bytes of the objects themselves, without what they hold.
    pub self_size: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeapSummary {
    pub total_size: u64,
    pub objects: u64,
    /// The largest groups.
    pub largest: Vec<HeapGroup>,
}

/// A snapshot as `.heapsnapshot` holds it.
pub struct HeapSnapshot {
    pub json: Vec<u8>,
    pub summary: HeapSummary,
}

/// Where scripts spent time, from most to least.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HotFunction {
    pub function: String,
    pub url: String,
    pub line: u64,
    /// Milliseconds in itself, without what it called.
    pub self_ms: f64,
}

/// A profile as `.cpuprofile` holds it.
pub struct CpuProfile {
    pub json: Vec<u8>,
    pub hottest: Vec<HotFunction>,
}

/// A profile that is being taken. Dropping it ends it.
pub struct Profiling {
    client: CdpClient,
    session: String,
}

/// A client of its own on the page; what it began ends with it.
async fn attach(tab: &Tab) -> Result<(CdpClient, String, broadcast::Receiver<Arc<CdpEvent>>), ActError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Attached {
        session_id: String,
    }
    let state = tab.ready().await?;
    let rules = Rules { owner: true, ..Rules::default() };
    let client = CdpClient::attach(&tab.mux, rules).await.map_err(CdpError::from)?;
    let heard = client.events();
    let params = json!({ "targetId": state.page, "flatten": true });
    let attached = client.send(None, "Target.attachToTarget", &params).await?;
    let attached: Attached = read("Target.attachToTarget", attached.get())?;
    Ok((client, attached.session_id, heard))
}

impl Tab {
    /// A snapshot of the page's heap. The page stands still meanwhile.
    pub async fn heap_snapshot(&self) -> Result<HeapSnapshot, ActError> {
        #[derive(Deserialize)]
        struct Chunk {
            chunk: String,
        }
        let (client, session, mut heard) = attach(self).await?;
        let params = json!({ "reportProgress": false });
        let mut taken = client.post(Some(&session), "HeapProfiler.takeHeapSnapshot", &params).await?;
        let mut json = Vec::new();
        let lost = || ActError::Refused("the heap came faster than it could be read; try again".into());
        let taking = async {
            let mut done = false;
            loop {
                let event = tokio::select! {
                    biased;
                    event = heard.recv() => event,
                    answer = &mut taken, if !done => {
                        answer.unwrap_or(Err(MuxError::Gone.into()))?;
                        done = true;
                        continue;
                    }
                    // Everything that came before the answer has been read by now.
                    () = std::future::ready(()), if done => return Ok(()),
                };
                match event {
                    Ok(event) if event.method == "HeapProfiler.addHeapSnapshotChunk" => {
                        let chunk = event.params::<Chunk>().map(|chunk| chunk.chunk).unwrap_or_default();
                        json.extend_from_slice(chunk.as_bytes());
                        if json.len() > LARGEST {
                            let text = format!("the heap snapshot has more than {} MiB", LARGEST >> 20);
                            return Err(ActError::Refused(text));
                        }
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return Err(lost()),
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(CdpError::from(MuxError::Gone).into());
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, taking).await.map_err(|_| ActError::Stuck)??;
        // A large heap takes a while to read; other tasks go on meanwhile.
        let read = tokio::task::spawn_blocking(move || {
            let summary = HeapSummary::of(&json);
            summary.map(|summary| HeapSnapshot { json, summary })
        });
        let read = read.await.map_err(|_| ActError::Stuck)?;
        read.map_err(|error| ActError::Refused(format!("the heap snapshot cannot be read: {error}")))
    }
}

impl Profiling {
    pub async fn start(tab: &Tab) -> Result<Self, ActError> {
        let (client, session, _) = attach(tab).await?;
        client.send(Some(&session), "Profiler.enable", &json!({})).await?;
        client.send(Some(&session), "Profiler.start", &json!({})).await?;
        Ok(Self { client, session })
    }

    pub async fn stop(self) -> Result<CpuProfile, ActError> {
        #[derive(Deserialize)]
        struct Stopped<'a> {
            #[serde(borrow)]
            profile: &'a RawValue,
        }
        let stopped = self.client.send(Some(&self.session), "Profiler.stop", &json!({})).await?;
        let stopped: Stopped<'_> = serde_json::from_str(stopped.get()).map_err(|_| ActError::Stuck)?;
        let json = stopped.profile.get().as_bytes().to_vec();
        let hottest = hottest(&json)
            .map_err(|error| ActError::Refused(format!("the profile cannot be read: {error}")))?;
        Ok(CpuProfile { json, hottest })
    }
}

fn hottest(json: &[u8]) -> Result<Vec<HotFunction>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Profile {
        nodes: Vec<Node>,
        #[serde(default)]
        samples: Vec<u64>,
        #[serde(default)]
        time_deltas: Vec<f64>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Node {
        id: u64,
        call_frame: CallFrame,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct CallFrame {
        function_name: String,
        url: String,
        line_number: i64,
    }
    let profile: Profile = serde_json::from_slice(json)?;
    let mut times: HashMap<u64, f64> = HashMap::new();
    // A delta is the time from the sample before to this one.
    for (sample, delta) in profile.samples.iter().zip(profile.time_deltas.iter().skip(1)) {
        *times.entry(*sample).or_default() += delta.max(0.0) / 1000.0;
    }
    let mut functions: BTreeMap<(String, String, u64), f64> = BTreeMap::new();
    for node in profile.nodes {
        let CallFrame { function_name, url, line_number } = node.call_frame;
        let name =
            if function_name.is_empty() { "(anonymous)".to_owned() } else { shortened(&function_name, 200) };
        let line = u64::try_from(line_number + 1).unwrap_or_default();
        *functions.entry((name, shortened(&url, 300), line)).or_default() +=
            times.get(&node.id).copied().unwrap_or_default();
    }
    let mut hottest: Vec<_> = functions
        .into_iter()
        .filter(|(_, ms)| *ms > 0.0)
        .map(|((function, url, line), self_ms)| HotFunction { function, url, line, self_ms })
        .collect();
    hottest.sort_by(|a, b| b.self_ms.total_cmp(&a.self_ms));
    hottest.truncate(MOST);
    Ok(hottest)
}

impl HeapSummary {
    fn of(json: &[u8]) -> Result<Self, serde_json::Error> {
        // The first of the types is the list of kinds; the others say how to read a number.
        #[derive(Deserialize)]
        struct File {
            snapshot: Head,
            nodes: Vec<u64>,
            strings: Vec<String>,
        }
        #[derive(Deserialize)]
        struct Head {
            meta: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            node_fields: Vec<String>,
            node_types: Vec<serde_json::Value>,
        }
        let file: File = serde_json::from_slice(json)?;
        let File { snapshot: Head { meta }, nodes, strings } = file;
        let field = |name: &str| meta.node_fields.iter().position(|field| field == name);
        let (Some(kind_at), Some(name_at), Some(size_at)) =
            (field("type"), field("name"), field("self_size"))
        else {
            return Err(serde::de::Error::custom("its nodes have other fields"));
        };
        let kinds: Vec<&str> = meta
            .node_types
            .first()
            .and_then(|kinds| kinds.as_array())
            .into_iter()
            .flatten()
            .filter_map(|kind| kind.as_str())
            .collect();
        let mut groups: HashMap<(usize, usize), (u64, u64)> = HashMap::new();
        let (mut total_size, mut objects) = (0, 0);
        for node in nodes.chunks_exact(meta.node_fields.len()) {
            let number = |at: usize| usize::try_from(node[at]).unwrap_or(usize::MAX);
            let kind = number(kind_at);
            let named = matches!(kinds.get(kind), Some(&"object" | &"native"));
            let group = groups.entry((kind, if named { number(name_at) } else { usize::MAX })).or_default();
            group.0 += 1;
            group.1 += node[size_at];
            total_size += node[size_at];
            objects += 1;
        }
        let mut largest: Vec<_> = groups
            .into_iter()
            .map(|((kind, name), (count, self_size))| HeapGroup {
                name: match strings.get(name) {
                    Some(name) => shortened(name, 100),
                    None => format!("({})", kinds.get(kind).unwrap_or(&"unknown")),
                },
                count,
                self_size,
            })
            .collect();
        largest.sort_by(|a, b| b.self_size.cmp(&a.self_size).then(a.name.cmp(&b.name)));
        largest.truncate(MOST);
        Ok(Self { total_size, objects, largest })
    }
}

impl std::fmt::Display for HeapSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "Heap: {} bytes in {} objects. The largest by their own size:",
            self.total_size, self.objects
        )?;
        for group in &self.largest {
            writeln!(f, "- {}: {} bytes in {}", group.name, group.self_size, group.count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_grouped_by_constructor_and_the_rest_by_kind() {
        let json = json!({
            "snapshot": { "meta": {
                "node_fields": ["type", "name", "id", "self_size", "edge_count"],
                "node_types": [["hidden", "string", "object"], "string", "number", "number", "number"],
            } },
            "nodes": [2, 1, 1, 40, 0, 2, 1, 3, 60, 0, 1, 2, 5, 30, 0],
            "edges": [], "strings": ["", "Leak", "some text"],
        });
        let summary = HeapSummary::of(json.to_string().as_bytes()).expect("read");
        assert_eq!((summary.total_size, summary.objects), (130, 3));
        assert_eq!(summary.largest[0], HeapGroup { name: "Leak".into(), count: 2, self_size: 100 });
        assert_eq!(summary.largest[1].name, "(string)");
        assert!(HeapSummary::of(b"{}").is_err());
    }

    #[test]
    fn a_functions_own_time_is_that_of_its_samples() {
        let frame = |name: &str| json!({ "functionName": name, "url": "http://a/", "lineNumber": 4 });
        let profile = json!({
            "nodes": [{ "id": 1, "callFrame": frame("(root)") }, { "id": 2, "callFrame": frame("hot") }],
            "samples": [1, 2, 2], "timeDeltas": [0, 1000, 5000, 7000],
        });
        let hottest = hottest(profile.to_string().as_bytes()).expect("read");
        assert_eq!((hottest[0].function.as_str(), hottest[0].line, hottest[0].self_ms), ("hot", 5, 12.0));
    }
}
