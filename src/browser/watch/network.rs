//! The requests of a tab: a bounded list, and which of them are unanswered.
//! Pure: events come in, facts go out.

use std::collections::{HashMap, VecDeque};

use serde::Deserialize;

use super::request::{Hop, LONGEST_URL, Request, RequestMark, RequestState};
use super::shortened;
use crate::browser::CdpEvent;

const MOST: usize = 1000;
const MOST_BYTES: usize = 4 << 20;
const LONGEST_HEADERS: usize = 32 << 10;
const LONGEST_BODY: usize = 64 << 10;
/// Headers that came before their request.
const MOST_EARLY: usize = 64;

/// What was heard about one response's head apart from the response itself.
#[derive(Default)]
struct Early {
    key: String,
    request: Option<Vec<(String, String)>>,
    response: Option<(u16, Vec<(String, String)>)>,
    routed: bool,
}

/// The requests of one tab.
#[derive(Default)]
pub(super) struct Network {
    requests: VecDeque<Request>,
    last: u64,
    bytes: usize,
    /// The first request of the document that is in the tab.
    first: u64,
    /// The page's main frame.
    main: String,
    /// The last request for a document in the main frame.
    document: Option<(u64, String)>,
    early: VecDeque<Early>,
    /// Requests by Chromium's id, which is the same in all sessions: the head
    /// of a frame's document comes by its parent, the rest by its own process.
    open: HashMap<String, u64>,
}

type Headers = HashMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    url: String,
    status: u16,
    #[serde(default)]
    status_text: String,
    headers: Headers,
    #[serde(default)]
    mime_type: String,
    #[serde(rename = "remoteIPAddress")]
    remote_address: Option<String>,
    remote_port: Option<u32>,
    #[serde(default)]
    from_disk_cache: bool,
    #[serde(default)]
    from_prefetch_cache: bool,
    #[serde(default)]
    from_service_worker: bool,
    #[serde(default)]
    protocol: String,
    timing: Option<Timing>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timing {
    /// Seconds on the browser's clock; what follows is milliseconds after it.
    request_time: f64,
    receive_headers_end: f64,
}

impl Network {
    pub fn set_main(&mut self, frame: &str) {
        frame.clone_into(&mut self.main);
    }

    pub fn list(&self, all: bool) -> Vec<Request> {
        self.requests.iter().filter(|request| all || request.number >= self.first).cloned().collect()
    }

    pub fn get(&self, number: u64) -> Option<Request> {
        self.at(number).map(|at| self.requests[at].clone())
    }

    pub fn clear(&mut self) {
        // What is on its way stays: it is waited for.
        self.requests.retain(Request::is_awaited);
        self.bytes = self.requests.iter().map(Request::size).sum();
    }

    pub fn mark(&self) -> RequestMark {
        RequestMark(self.last)
    }

    pub fn unanswered(&self, since: RequestMark) -> usize {
        let late = self.requests.iter().rev().take_while(|request| request.number > since.0);
        late.filter(|request| request.is_awaited()).count()
    }

    fn at(&self, number: u64) -> Option<usize> {
        self.requests.binary_search_by_key(&number, |request| request.number).ok()
    }

    fn find(&mut self, session: &str, id: &str) -> Option<&mut Request> {
        let number = *self.open.get(id)?;
        let at = self.at(number)?;
        let request = self.requests.get_mut(at)?;
        if request.session != session {
            session.clone_into(&mut request.session);
        }
        Some(request)
    }

    /// A request whose raw head has come, which may be after its end.
    fn of_head(&mut self, session: &str, id: &str) -> Option<&mut Request> {
        if self.open.contains_key(id) {
            return self.find(session, id);
        }
        self.requests.iter_mut().rev().find(|request| request.id == id)
    }

    /// A request that a route has dealt with.
    pub fn on_routed(&mut self, session: &str, id: &str) {
        match self.find(session, id) {
            Some(request) => request.routed = true,
            // It is held before the page tells of it.
            None => self.early(id.to_owned()).routed = true,
        }
    }

    /// The document of the main frame was replaced: what the last one asked
    /// for is not coming any more.
    pub fn on_document(&mut self, session: &str) {
        let (first, loader) = match &self.document {
            Some((number, loader)) => (*number, loader.clone()),
            None => (self.last + 1, String::new()),
        };
        self.first = first;
        for request in self.requests.iter_mut().filter(|request| request.session == session) {
            let open = matches!(request.state, RequestState::Sent | RequestState::Answered);
            if open && request.number < first && request.loader != loader {
                request.state = RequestState::Abandoned;
            }
        }
    }

    /// A frame's process has gone, and its requests with it.
    pub fn on_session_gone(&mut self, session: &str) {
        for request in self.requests.iter_mut().filter(|request| request.session == session) {
            if matches!(request.state, RequestState::Sent | RequestState::Answered) {
                request.state = RequestState::Abandoned;
            }
        }
        let requests = &self.requests;
        self.open.retain(|_, number| {
            let at = requests.binary_search_by_key(number, |request| request.number);
            at.is_ok_and(|at| requests[at].session != session)
        });
    }

    /// Nothing was heard for a while: what was open may have ended.
    pub fn on_gap(&mut self) {
        for request in &mut self.requests {
            if matches!(request.state, RequestState::Sent | RequestState::Answered) {
                request.state = RequestState::Abandoned;
            }
        }
        self.open.clear();
        self.early.clear();
    }

    pub fn on_event(&mut self, session: &str, event: &CdpEvent) -> Option<()> {
        match event.method.as_str() {
            "Network.requestWillBeSent" => self.on_request(session, event),
            "Network.requestWillBeSentExtraInfo" => self.on_request_extra(session, event),
            "Network.responseReceived" => self.on_response(session, event),
            "Network.responseReceivedExtraInfo" => self.on_response_extra(session, event),
            "Network.requestServedFromCache" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Served {
                    request_id: String,
                }
                let served: Served = event.params()?;
                self.find(session, &served.request_id)?.from_cache = true;
                Some(())
            }
            "Network.dataReceived" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Data {
                    request_id: String,
                    data_length: u64,
                }
                let data: Data = event.params()?;
                self.find(session, &data.request_id)?.decoded_bytes += data.data_length;
                Some(())
            }
            "Network.loadingFinished" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Finished {
                    request_id: String,
                    timestamp: f64,
                    encoded_data_length: f64,
                }
                let finished: Finished = event.params()?;
                let request = self.find(session, &finished.request_id)?;
                request.state = RequestState::Finished;
                request.encoded_bytes = finished.encoded_data_length.max(0.0) as u64;
                request.ended_after = Some((finished.timestamp - request.clock) * 1000.0);
                self.open.remove(&finished.request_id);
                Some(())
            }
            "Network.loadingFailed" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Failed {
                    request_id: String,
                    timestamp: f64,
                    error_text: String,
                    blocked_reason: Option<String>,
                }
                let failed: Failed = event.params()?;
                let request = self.find(session, &failed.request_id)?;
                request.state = RequestState::Failed(shortened(&failed.error_text, 200));
                request.blocked = failed.blocked_reason;
                request.ended_after = Some((failed.timestamp - request.clock) * 1000.0);
                self.open.remove(&failed.request_id);
                Some(())
            }
            "Network.webSocketCreated" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Created {
                    request_id: String,
                    url: String,
                }
                let created: Created = event.params()?;
                let request = Request::new(session, &created.request_id, "GET", &created.url, "websocket");
                self.add(request);
                Some(())
            }
            "Network.webSocketHandshakeResponseReceived" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Shaken {
                    request_id: String,
                    response: Handshake,
                }
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Handshake {
                    status: u16,
                    status_text: String,
                    headers: Headers,
                }
                let shaken: Shaken = event.params()?;
                let request = self.find(session, &shaken.request_id)?;
                request.status = Some(shaken.response.status);
                request.status_text = shaken.response.status_text;
                request.response_headers = headers(shaken.response.headers);
                request.state = RequestState::Answered;
                Some(())
            }
            "Network.webSocketClosed" => {
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Closed {
                    request_id: String,
                }
                let closed: Closed = event.params()?;
                self.find(session, &closed.request_id)?.state = RequestState::Finished;
                self.open.remove(&closed.request_id);
                Some(())
            }
            _ => None,
        }
    }

    fn on_request(&mut self, session: &str, event: &CdpEvent) -> Option<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct WillBeSent {
            request_id: String,
            #[serde(default)]
            loader_id: String,
            request: Sent,
            timestamp: f64,
            wall_time: f64,
            redirect_response: Option<Response>,
            #[serde(rename = "type", default)]
            kind: String,
            #[serde(default)]
            frame_id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sent {
            url: String,
            method: String,
            headers: Headers,
            post_data: Option<String>,
            #[serde(default)]
            has_post_data: bool,
        }
        let sent: WillBeSent = event.params()?;
        let before = sent.redirect_response.and_then(|response| {
            let request = self.find(session, &sent.request_id)?;
            let mut redirects = std::mem::take(&mut request.redirects);
            if redirects.len() < 20 {
                redirects.push(Hop { url: shortened(&response.url, LONGEST_URL), status: response.status });
            }
            Some((redirects, request.number))
        });
        let kind = sent.kind.to_ascii_lowercase();
        let mut request =
            Request::new(session, &sent.request_id, &sent.request.method, &sent.request.url, &kind);
        request.started = sent.wall_time * 1000.0;
        request.clock = sent.timestamp;
        request.loader = sent.loader_id;
        request.frame = sent.frame_id;
        request.request_headers = headers(sent.request.headers);
        request.posted = sent.request.post_data.filter(|body| body.len() <= LONGEST_BODY);
        request.has_body = sent.request.has_post_data;
        let is_document = kind == "document" && request.frame == self.main && !self.main.is_empty();
        let loader = request.loader.clone();
        let number = match before {
            Some((redirects, number)) => {
                let at = self.at(number)?;
                let old = &mut self.requests[at];
                request.redirects = redirects;
                request.number = number;
                (request.started, request.clock) = (old.started, old.clock);
                self.bytes = (self.bytes + request.size()).saturating_sub(old.size());
                *old = request;
                number
            }
            None => self.add(request),
        };
        if is_document {
            self.document = Some((number, loader));
        }
        let key = sent.request_id;
        if let Some(at) = self.early.iter().position(|early| early.key == key)
            && let Some(early) = self.early.remove(at)
        {
            let request = self.find(session, &key)?;
            request.routed |= early.routed;
            if let Some(list) = early.request {
                request.request_headers = list;
            }
            if let Some((status, list)) = early.response {
                (request.status, request.response_headers) = (Some(status), list);
            }
        }
        Some(())
    }

    fn add(&mut self, mut request: Request) -> u64 {
        self.last += 1;
        request.number = self.last;
        self.open.insert(request.id.clone(), self.last);
        self.bytes += request.size();
        self.requests.push_back(request);
        while self.requests.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.size());
            if self.open.get(&oldest.id) == Some(&oldest.number) {
                self.open.remove(&oldest.id);
            }
        }
        self.last
    }

    fn on_response(&mut self, session: &str, event: &CdpEvent) -> Option<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Received {
            request_id: String,
            timestamp: f64,
            #[serde(rename = "type")]
            kind: String,
            response: Response,
        }
        let Received { request_id, timestamp, kind, response } = event.params()?;
        let request = self.find(session, &request_id)?;
        let before = request.size();
        request.kind = kind.to_ascii_lowercase();
        // The raw headers may have come before; they say more.
        if request.status != Some(response.status) || request.response_headers.is_empty() {
            request.response_headers = headers(response.headers);
        }
        request.status = Some(response.status);
        request.status_text = shortened(&response.status_text, 200);
        request.mime_type = shortened(&response.mime_type, 200);
        request.protocol = shortened(&response.protocol, 50);
        request.from_cache |= response.from_disk_cache || response.from_prefetch_cache;
        request.from_service_worker = response.from_service_worker;
        if let Some(address) = response.remote_address.filter(|address| !address.is_empty()) {
            request.remote_address = format!("{address}:{}", response.remote_port.unwrap_or_default());
        }
        // The event itself is of the time when the renderer heard of it.
        let heads = response.timing.filter(|timing| timing.receive_headers_end > 0.0);
        let answered =
            heads.map_or(timestamp, |timing| timing.request_time + timing.receive_headers_end / 1000.0);
        request.answered_after = Some(((answered - request.clock) * 1000.0).max(0.0));
        if request.state == RequestState::Sent {
            request.state = RequestState::Answered;
        }
        let after = request.size();
        self.bytes = (self.bytes + after).saturating_sub(before);
        Some(())
    }

    fn on_request_extra(&mut self, session: &str, event: &CdpEvent) -> Option<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Extra {
            request_id: String,
            headers: Headers,
        }
        let extra: Extra = event.params()?;
        let list = headers(extra.headers);
        match self.of_head(session, &extra.request_id) {
            Some(request) => {
                let before = request.size();
                request.request_headers = list;
                let after = request.size();
                self.bytes = (self.bytes + after).saturating_sub(before);
            }
            None => self.early(extra.request_id).request = Some(list),
        }
        Some(())
    }

    fn on_response_extra(&mut self, session: &str, event: &CdpEvent) -> Option<()> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Extra {
            request_id: String,
            headers: Headers,
            status_code: u16,
        }
        let extra: Extra = event.params()?;
        let list = headers(extra.headers);
        match self.of_head(session, &extra.request_id) {
            // Of a hop that is over, nothing is kept but its address.
            Some(request) if request.status.is_none_or(|status| status == extra.status_code) => {
                let before = request.size();
                request.status = Some(extra.status_code);
                request.response_headers = list;
                let after = request.size();
                self.bytes = (self.bytes + after).saturating_sub(before);
            }
            Some(_) => {}
            None => self.early(extra.request_id).response = Some((extra.status_code, list)),
        }
        Some(())
    }

    fn early(&mut self, key: String) -> &mut Early {
        let at = match self.early.iter().position(|early| early.key == key) {
            Some(at) => at,
            None => {
                if self.early.len() >= MOST_EARLY {
                    self.early.pop_front();
                }
                self.early.push_back(Early { key, ..Early::default() });
                self.early.len() - 1
            }
        };
        &mut self.early[at]
    }
}

/// Headers by name, cut where they are too long together.
fn headers(headers: Headers) -> Vec<(String, String)> {
    let mut list: Vec<_> = headers.into_iter().collect();
    list.sort_unstable();
    let mut left = LONGEST_HEADERS;
    list.into_iter()
        .map_while(|(name, value)| {
            let room = left.checked_sub(name.len())?;
            let value = shortened(&value, room);
            left = room.saturating_sub(value.len());
            Some((name, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(method: &str, params: Value) -> CdpEvent {
        CdpEvent::made(method, &params)
    }

    fn sent(id: &str, kind: &str, url: &str) -> CdpEvent {
        event(
            "Network.requestWillBeSent",
            json!({ "requestId": id, "loaderId": "L", "type": kind, "timestamp": 1.0, "wallTime": 5.0,
                "frameId": "F", "request": { "url": url, "method": "GET", "headers": { "A": "b" } } }),
        )
    }

    fn answer(id: &str, status: u16) -> CdpEvent {
        event(
            "Network.responseReceived",
            json!({ "requestId": id, "timestamp": 1.5, "type": "Fetch",
                "response": { "url": "http://a/", "status": status, "headers": { "x": "short" } } }),
        )
    }

    fn end(id: &str) -> CdpEvent {
        event(
            "Network.loadingFinished",
            json!({ "requestId": id, "timestamp": 2.0, "encodedDataLength": 7.0 }),
        )
    }

    #[test]
    fn a_request_is_unanswered_until_it_ends_and_sockets_and_streams_never_are() {
        let mut network = Network::default();
        network.on_event("S", &sent("0", "Fetch", "http://old/"));
        let mark = network.mark();
        for (id, kind) in
            [("1", "Fetch"), ("2", "Image"), ("3", "Ping"), ("4", "EventSource"), ("5", "Media")]
        {
            network.on_event("S", &sent(id, kind, "http://a/"));
        }
        assert_eq!((network.unanswered(mark), network.unanswered(RequestMark::default())), (1, 2));
        network.on_event("S", &answer("1", 200));
        assert_eq!(network.unanswered(mark), 1);
        network.on_event("S", &end("1"));
        assert_eq!(network.unanswered(mark), 0);
        let one = network.get(2).expect("there");
        assert_eq!(
            (one.state, one.encoded_bytes, one.ended_after),
            (RequestState::Finished, 7, Some(1000.0))
        );
        network.on_session_gone("S");
        assert_eq!(network.unanswered(RequestMark::default()), 0);
    }

    #[test]
    fn redirects_are_one_request_with_its_hops_and_raw_headers_win_whenever_they_come() {
        let mut network = Network::default();
        let raw = |status: u16, value: &str| {
            event(
                "Network.responseReceivedExtraInfo",
                json!({ "requestId": "1", "statusCode": status, "headers": { "set-cookie": value } }),
            )
        };
        network.on_event(
            "S",
            &event(
                "Network.requestWillBeSentExtraInfo",
                json!({ "requestId": "1", "headers": { "cookie": "c=1" } }),
            ),
        );
        network.on_event("S", &sent("1", "Document", "http://a/one"));
        assert_eq!(network.get(1).expect("there").request_headers[0].0, "cookie");
        network.on_event("S", &raw(302, "hop"));
        let mut again: Value = sent("1", "Document", "http://a/two").params().expect("json");
        again["redirectResponse"] = json!({ "url": "http://a/one", "status": 302, "headers": {} });
        network.on_event("S", &event("Network.requestWillBeSent", again));
        network.on_event("S", &raw(200, "end"));
        network.on_event("S", &answer("1", 200));
        let request = network.get(1).expect("there");
        assert_eq!(request.redirects, [Hop { url: "http://a/one".into(), status: 302 }]);
        assert_eq!((request.url.as_str(), request.response_headers[0].1.as_str()), ("http://a/two", "end"));
        assert_eq!(network.list(true).len(), 1);
        network.on_event("S", &end("1"));
        network.on_event("S", &raw(200, "after the end"));
        let request = network.get(1).expect("there");
        assert_eq!(request.response_headers[0].1, "after the end");
        assert!(network.early.is_empty());
    }

    #[test]
    fn the_list_is_bounded_by_count_and_by_bytes() {
        let mut network = Network::default();
        for number in 0..5000 {
            network.on_event("S", &sent(&number.to_string(), "Fetch", "http://a/"));
        }
        assert!(network.requests.len() <= MOST && network.open.len() <= MOST);
        let long = format!("http://a/{}", "x".repeat(20_000));
        for number in 0..2000 {
            network.on_event("S", &sent(&format!("l{number}"), "Fetch", &long));
            network.on_event(
                "S",
                &event(
                    "Network.requestWillBeSentExtraInfo",
                    json!({ "requestId": format!("unknown{number}"), "headers": { "a": "x".repeat(1000) } }),
                ),
            );
        }
        assert!(network.bytes <= MOST_BYTES && network.early.len() <= MOST_EARLY);
        let whole: usize = network.requests.iter().map(Request::size).sum();
        assert_eq!(whole, network.bytes);
    }

    #[test]
    fn a_new_document_begins_the_list_and_ends_what_the_old_one_asked_for() {
        let mut network = Network::default();
        network.set_main("F");
        network.on_event("S", &sent("1", "Document", "http://a/"));
        network.on_event("S", &sent("2", "Fetch", "http://a/poll"));
        let mut next: Value = sent("3", "Document", "http://a/next").params().expect("json");
        next["loaderId"] = "M".into();
        network.on_event("S", &event("Network.requestWillBeSent", next));
        network.on_document("S");
        assert_eq!(network.get(2).expect("there").state, RequestState::Abandoned);
        assert_eq!(network.list(false).iter().map(|one| one.number).collect::<Vec<_>>(), [3]);
        assert_eq!(network.list(true).len(), 3);
    }
}
