//! A gate for a browser that a test starts by itself, with a network of its own.

#![allow(dead_code, reason = "not every test uses all of it")]

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tandem::browser::GateWay;
use tandem::egress::{Gate, GateSettings, Resolve, Serving, Turned};
use tandem::policy::egress::{EgressLists, Judge, Upstream};
use tandem::process::Network;

/// A gate that stands.
pub struct Stand {
    pub gate: Gate,
    pub way: GateWay,
    _serving: Serving,
}

/// Names that a test gives. Each question takes the next answer, and the last one stays.
#[derive(Default)]
pub struct Names(Mutex<HashMap<String, Vec<Vec<IpAddr>>>>);

impl Names {
    pub fn give(self, name: &str, answers: &[&[&str]]) -> Self {
        let read = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().expect("an address")).collect();
        self.0.lock().expect("lock").insert(name.into(), answers.iter().map(read).collect());
        self
    }
}

impl Resolve for Names {
    fn resolve(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut names = self.0.lock().expect("lock");
        let found = names.get_mut(&name).map(|answers| match answers.len() {
            0 | 1 => answers.first().cloned().unwrap_or_default(),
            _ => answers.remove(0),
        });
        Box::pin(async move { found.ok_or_else(|| io::ErrorKind::NotFound.into()) })
    }
}

pub fn lists(allow: &[&str], deny: &[&str]) -> EgressLists {
    let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an entry")).collect();
    EgressLists { allow: read(allow), deny: read(deny) }
}

pub fn judge(allow: &[&str], deny: &[&str]) -> Judge {
    Judge::new(&lists(allow, deny), &EgressLists::default(), &[])
}

pub fn gate(allow: &[&str], names: Names, upstream: Option<Upstream>) -> Gate {
    Gate::new(GateSettings {
        judge: judge(allow, &[]),
        upstream,
        resolver: Arc::new(names),
        tell: Arc::new(|_: &Turned| {}),
    })
}

impl Stand {
    /// In a network where there is nothing else.
    pub fn open(allow: &[&str], names: Names) -> Self {
        let gate = gate(allow, names, None);
        let (network, listener) = Network::make().expect("a network");
        let way = GateWay { port: network.port(), network: Some(Arc::new(network)) };
        let serving = gate.serve(listener).expect("stands");
        Self { gate, way, _serving: serving }
    }

    /// With nothing beneath it but the browser's settings.
    pub fn open_by_flags(allow: &[&str], names: Names) -> Self {
        let gate = gate(allow, names, None);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let way = GateWay { port: listener.local_addr().expect("address").port(), network: None };
        let serving = gate.serve(listener).expect("stands");
        Self { gate, way, _serving: serving }
    }
}
