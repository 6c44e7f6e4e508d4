//! What Prometheus is told. Counters of the lower floors are read when
//! somebody asks, so that counting costs them nothing more than an addition.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::base::ActorKind;
use crate::egress::Counts;
use crate::room::{Phase, Rooms};

/// What the lower floors have counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Telemetry {
    pub frames_encoded: u64,
    /// Time spent in encoders, in seconds.
    pub encode_seconds: f64,
    /// Media and data sent to viewers.
    pub bytes_sent: u64,
    pub input_events: u64,
    /// What the rooms' gates let out and refused.
    pub egress: Counts,
    /// Connections that carry a picture.
    pub lines: usize,
}

/// Where those counts are read.
pub trait TelemetrySource: Send + Sync + 'static {
    fn read(&self) -> Telemetry;
}

/// The server's own counts, and the registry that shows all.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    pub(super) auth_failures: Counter,
    pub(super) sockets: Gauge,
    photon_ms: Histogram,
}

#[derive(Debug)]
struct Floors {
    rooms: RoomsHandle,
    source: Option<SourceHandle>,
}

struct RoomsHandle(Arc<dyn Rooms>);
struct SourceHandle(Arc<dyn TelemetrySource>);

impl Metrics {
    pub(super) fn new(rooms: Arc<dyn Rooms>, source: Option<Arc<dyn TelemetrySource>>) -> Self {
        let mut registry = Registry::with_prefix("tandem");
        let auth_failures = Counter::default();
        registry.register("auth_failures", "Requests with a wrong token", auth_failures.clone());
        let sockets: Gauge = Gauge::default();
        registry.register("sockets", "Open signalling connections", sockets.clone());
        let photon_ms = Histogram::new([
            4.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 35.0, 45.0, 60.0, 80.0, 120.0, 250.0, 500.0, 1000.0,
        ]);
        registry.register_with_unit(
            "input_to_photon",
            "From an input in a viewer's page to the first shown frame with its effect, as viewers report it",
            Unit::Other("milliseconds".into()),
            photon_ms.clone(),
        );
        registry.register_collector(Box::new(Floors {
            rooms: RoomsHandle(rooms),
            source: source.map(SourceHandle),
        }));
        Self { registry, auth_failures, sockets, photon_ms }
    }

    pub(super) fn photon(&self, milliseconds: f32) {
        self.photon_ms.observe(f64::from(milliseconds));
    }

    pub(super) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Collector for Floors {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let views = self.rooms.0.list();
        let present =
            |kind| views.iter().flat_map(|view| &view.present).filter(|who| who.kind == kind).count();
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for (name, help, value) in [
            ("viewers", "People present in rooms", count(present(ActorKind::Person))),
            ("agents", "Agents present in rooms", count(present(ActorKind::Agent))),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let mut rooms = encoder.encode_descriptor("rooms", "Rooms by phase", None, MetricType::Gauge)?;
        for phase in ["starting", "live", "sleeping", "stopped", "restarting", "failed", "stopping"] {
            let gauge =
                ConstGauge::new(count(views.iter().filter(|view| name(&view.phase) == phase).count()));
            gauge.encode(rooms.encode_family(&[("phase", phase)])?)?;
        }
        self.encode_usage(&mut encoder)?;
        let Some(source) = &self.source else { return Ok(()) };
        let counted = source.0.read();
        for (name, help, value) in [
            ("frames_encoded", "Frames encoded", counted.frames_encoded),
            ("input_events", "Input events taken from viewers", counted.input_events),
        ] {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        encode_egress(&mut encoder, &counted.egress)?;
        let sent = ConstCounter::new(counted.bytes_sent);
        sent.encode(encoder.encode_descriptor(
            "sent",
            "Sent to viewers",
            Some(&Unit::Bytes),
            sent.metric_type(),
        )?)?;
        let spent = ConstCounter::new(counted.encode_seconds);
        let descriptor = encoder.encode_descriptor(
            "encode",
            "Time spent encoding",
            Some(&Unit::Seconds),
            spent.metric_type(),
        )?;
        spent.encode(descriptor)
    }
}

impl Floors {
    fn encode_usage(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let usage = self.rooms.0.usage();
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let mut memory = encoder.encode_descriptor(
            "room_memory",
            "What a room's programs hold",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        for (room, usage) in &usage {
            ConstGauge::new(number(usage.memory_bytes))
                .encode(memory.encode_family(&[("room", room.as_str())])?)?;
        }
        let mut processes = encoder.encode_descriptor(
            "room_processes",
            "A room's processes and threads",
            None,
            MetricType::Gauge,
        )?;
        for (room, usage) in &usage {
            ConstGauge::new(number(usage.processes))
                .encode(processes.encode_family(&[("room", room.as_str())])?)?;
        }
        let mut cpu = encoder.encode_descriptor(
            "room_cpu",
            "Processor time of a room's programs",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        for (room, usage) in &usage {
            ConstCounter::new(usage.cpu_us as f64 / 1e6)
                .encode(cpu.encode_family(&[("room", room.as_str())])?)?;
        }
        Ok(())
    }
}

fn encode_egress(encoder: &mut DescriptorEncoder<'_>, counted: &Counts) -> Result<(), std::fmt::Error> {
    let open = ConstGauge::new(i64::try_from(counted.open).unwrap_or(i64::MAX));
    let text = "Connections of the rooms' browsers to the world";
    open.encode(encoder.encode_descriptor("egress_open", text, None, open.metric_type())?)?;
    let text = "Connections that the rooms' gates made, refused or could not make";
    let mut ends = encoder.encode_descriptor("egress_connections", text, None, MetricType::Counter)?;
    for (outcome, value) in [
        ("made", counted.made),
        ("closed", counted.closed),
        ("denied", counted.denied),
        ("own", counted.own),
        ("busy", counted.busy),
        ("failed", counted.failed),
    ] {
        ConstCounter::new(value).encode(ends.encode_family(&[("outcome", outcome)])?)?;
    }
    let text = "What passed through the rooms' gates";
    let mut bytes = encoder.encode_descriptor("egress", text, Some(&Unit::Bytes), MetricType::Counter)?;
    for (direction, value) in [("out", counted.bytes_out), ("in", counted.bytes_in)] {
        ConstCounter::new(value).encode(bytes.encode_family(&[("direction", direction)])?)?;
    }
    Ok(())
}

fn name(phase: &Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Live => "live",
        Phase::Sleeping => "sleeping",
        Phase::Stopped => "stopped",
        Phase::Restarting { .. } => "restarting",
        Phase::Failed { .. } => "failed",
        Phase::Stopping => "stopping",
    }
}

impl std::fmt::Debug for RoomsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rooms")
    }
}

impl std::fmt::Debug for SourceHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("telemetry")
    }
}
