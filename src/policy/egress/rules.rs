//! The lists of a server and a room together, and what they say of one connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use super::address::{Kind, faces, kind};
use super::pattern::Pattern;

/// Each connection is held against all entries of a list.
pub const MOST_ENTRIES: usize = 1000;
/// The longest name that the DNS knows, with the dot at its end.
const LONGEST_NAME: usize = 254;

/// What people wrote: entries such as `10.0.0.0/8`, `10.0.0.5:8443`, `example.com`, `*.example.com:443`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EgressLists {
    /// Addresses that are open though they are not of the open internet, and
    /// names that `*` in `deny` leaves open.
    #[schema(value_type = Vec<String>)]
    #[ts(type = "string[]")]
    pub allow: Vec<Pattern>,
    /// What is closed; `*` for everything that `allow` does not name.
    #[schema(value_type = Vec<String>)]
    #[ts(type = "string[]")]
    pub deny: Vec<Pattern>,
}

impl EgressLists {
    /// Says in one sentence what cannot be.
    pub fn check(&self) -> Result<(), String> {
        if self.allow.len() > MOST_ENTRIES || self.deny.len() > MOST_ENTRIES {
            return Err(format!("a list has at most {MOST_ENTRIES} entries"));
        }
        match self.allow.iter().any(Pattern::is_everything) {
            true => Err("'*' in allow says nothing; 0.0.0.0/0 and ::/0 open every address".into()),
            false => Ok(()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

/// Where somebody wants to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Address(IpAddr),
    /// ASCII, small, without a dot at its end.
    Name(String),
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host cannot be read; it is neither an address nor a name")]
pub struct HostError;

impl Host {
    /// Reads a host as Chromium would: `0x7f.1`, `2130706433` and `127.1.` are 127.0.0.1.
    pub fn read(text: &str) -> Result<Self, HostError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        if text.len() > LONGEST_NAME {
            return Err(HostError);
        }
        match url::Host::parse(text).map_err(|_| HostError)? {
            url::Host::Ipv4(address) => Ok(Self::Address(address.into())),
            url::Host::Ipv6(address) => Ok(Self::Address(IpAddr::V6(address).to_canonical())),
            url::Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(&name);
                match name.split('.').any(|label| label.is_empty() || label.len() > 63) {
                    true => Err(HostError),
                    false => Ok(Self::Name(name.to_owned())),
                }
            }
        }
    }

    /// The addresses that a name has without anybody being asked.
    pub fn known(&self) -> Option<Vec<IpAddr>> {
        match self {
            Self::Address(address) => Some(vec![*address]),
            Self::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
                Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
            }
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A connection that is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub host: Host,
    pub port: u16,
    pub why: Why,
}

/// What spoke against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is Tandem, or what Tandem started.
    Own,
    /// An entry of a deny list.
    Denied(Pattern),
    /// `*` in a deny list, and nothing in an allow list.
    NotListed,
    /// An address that is not of the open internet.
    Closed { address: IpAddr, kind: Kind },
}

impl Why {
    /// A word for counts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Denied(_) | Self::NotListed => "denied",
            Self::Closed { .. } => "closed",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        match host {
            Host::Address(IpAddr::V6(six)) => write!(f, "the room's gate refused [{six}]:{port}: ")?,
            host => write!(f, "the room's gate refused {host}:{port}: ")?,
        }
        match &self.why {
            Why::Own => f.write_str("it belongs to Tandem itself, which no page may reach"),
            Why::Denied(entry) => write!(f, "'{entry}' is in a deny list of this room or server"),
            Why::NotListed => write!(f, "only what is in an allow list is open here; add {host}"),
            Why::Closed { address, kind } => {
                let it = if *host == Host::Address(*address) { "it" } else { &address.to_string() };
                write!(f, "{it} is {kind}; allow it with --egress-allow {address} or for this room alone")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// All lists that count for a room.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
    /// `*` is among what is denied.
    only_listed: bool,
    /// Where this service is found from outside.
    own: Vec<(String, u16)>,
}

impl Judge {
    /// `own`: the names and ports under which the service itself is reached.
    pub fn new(server: &EgressLists, room: &EgressLists, own: &[(String, u16)]) -> Self {
        let both = |one: &[Pattern], other: &[Pattern]| one.iter().chain(other).cloned().collect::<Vec<_>>();
        let (allow, mut deny) = (both(&server.allow, &room.allow), both(&server.deny, &room.deny));
        let only_listed = deny.iter().any(Pattern::is_everything);
        deny.retain(|entry| !entry.is_everything());
        Self { allow, deny, only_listed, own: own.to_vec() }
    }

    /// What can be said before anybody was asked for the name's addresses.
    /// `last`: nobody will be, since a proxy resolves it.
    pub fn host(&self, host: &Host, port: u16, last: bool) -> Result<(), Refusal> {
        let refuse = |why| Err(Refusal { host: host.clone(), port, why });
        let Host::Name(name) = host else { return Ok(()) };
        if self.own.iter().any(|(own, at)| own == name && *at == port) {
            return refuse(Why::Own);
        }
        if let Some(entry) = self.deny.iter().find(|entry| entry.has_name(name, port)) {
            return refuse(Why::Denied(entry.clone()));
        }
        let may_be =
            self.names(name, port) || !last && self.allow.iter().any(|entry| entry.is_range_for(port));
        if self.only_listed && !may_be { refuse(Why::NotListed) } else { Ok(()) }
    }

    /// Whether this address may be connected to for this host; in the form in
    /// which it is then to be connected to. `own`: the service listens there.
    pub fn address(&self, host: &Host, address: IpAddr, port: u16, own: bool) -> Result<IpAddr, Refusal> {
        self.host(host, port, false)?;
        let refuse = |why| Err(Refusal { host: host.clone(), port, why });
        let (one, packed) = faces(address);
        let named = |list: &[Pattern], face: IpAddr| list.iter().find(|e| e.has_address(face, port)).cloned();
        let is_own_name = self.own.iter().any(|(own, at)| *at == port && own.parse() == Ok(one));
        if own || is_own_name {
            return refuse(Why::Own);
        }
        let name = matches!(host, Host::Name(name) if self.names(name, port));
        let mut listed = name;
        for face in [Some(one), packed].into_iter().flatten() {
            if let Some(entry) = named(&self.deny, face) {
                return refuse(Why::Denied(entry));
            }
            let allowed = named(&self.allow, face).is_some();
            listed |= allowed;
            if let (false, Some(kind)) = (allowed, kind(face)) {
                return refuse(Why::Closed { address: face, kind });
            }
        }
        if self.only_listed && !listed { refuse(Why::NotListed) } else { Ok(one) }
    }

    fn names(&self, name: &str, port: u16) -> bool {
        self.allow.iter().any(|entry| entry.has_name(name, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(allow: &[&str], deny: &[&str]) -> EgressLists {
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse().expect("an entry")).collect();
        EgressLists { allow: read(allow), deny: read(deny) }
    }

    fn judge(allow: &[&str], deny: &[&str]) -> Judge {
        Judge::new(&lists(allow, deny), &EgressLists::default(), &[("tandem.example".into(), 443)])
    }

    /// What becomes of a host that has this address.
    fn goes(judge: &Judge, host: &str, address: &str, port: u16) -> bool {
        let host = Host::read(host).expect("a host");
        judge.address(&host, address.parse().expect("an address"), port, false).is_ok()
    }

    #[test]
    fn odd_spellings_of_a_host_are_what_they_mean() {
        for text in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "[::ffff:127.0.0.1]",
            "::ffff:7f00:1",
            "127.0.1",
            "１２７.0.0.1",
        ] {
            assert_eq!(Host::read(text), Ok(Host::Address(Ipv4Addr::LOCALHOST.into())), "{text}");
        }
        assert_eq!(Host::read("Example.COM."), Ok(Host::Name("example.com".into())));
        for text in ["localhost", "LOCALHOST.", "a.b.localhost", "loCalhost"] {
            assert!(Host::read(text).expect("a host").known().is_some(), "{text}");
        }
        assert_eq!(Host::read("localhost.example").expect("a host").known(), None);
        for text in [
            "",
            ".",
            "..",
            "a..b",
            "a b",
            "a/b",
            "a\0b",
            "[::1",
            "256.256.256.256",
            "1.2.3.4.5",
            "a@b",
            "%00",
        ] {
            assert_eq!(Host::read(text), Err(HostError), "{text:?}");
        }
        assert_eq!(Host::read(&"a.".repeat(200)), Err(HostError));
    }

    #[test]
    fn the_open_web_is_open_and_nothing_else() {
        let judge = judge(&[], &[]);
        assert!(goes(&judge, "example.com", "93.184.215.14", 80));
        assert!(goes(&judge, "8.8.8.8", "8.8.8.8", 443));
        for address in ["127.0.0.1", "10.0.0.5", "::1", "fd00::1", "169.254.169.254", "64:ff9b::a00:5"] {
            assert!(!goes(&judge, "example.com", address, 80), "{address}");
            assert!(!goes(&judge, address, address, 80), "{address}");
        }
    }

    #[test]
    fn an_allowed_range_is_open_and_its_neighbours_are_not() {
        let judge = judge(&["127.0.0.0/8", "10.0.0.5:8443"], &[]);
        assert!(goes(&judge, "localhost", "127.0.0.1", 3000));
        assert!(!goes(&judge, "localhost", "::1", 3000));
        assert!(goes(&judge, "10.0.0.5", "10.0.0.5", 8443) && !goes(&judge, "10.0.0.5", "10.0.0.5", 8080));
        assert!(goes(&judge, "x.example", "::ffff:127.0.0.1", 1));
        assert!(goes(&judge, "x.example", "64:ff9b::127.0.0.1", 1));
    }

    #[test]
    fn a_packed_address_is_judged_beside_its_wrapping() {
        assert!(!goes(&judge(&["2002::/16"], &[]), "a.b", "2002:a00:5::1", 1));
        assert!(goes(&judge(&["2002::/16", "10.0.0.0/8"], &[]), "a.b", "2002:a00:5::1", 1));
        assert!(!goes(&judge(&["10.0.0.0/8"], &[]), "a.b", "2002:a00:5::1", 1));
        assert!(!goes(&judge(&[], &["8.8.8.8"]), "a.b", "64:ff9b::8.8.8.8", 1));
    }

    #[test]
    fn an_allowed_name_opens_no_address() {
        let judge = judge(&["*.corp.example"], &[]);
        assert!(!goes(&judge, "a.corp.example", "10.0.0.5", 443));
        assert!(goes(&judge, "a.corp.example", "8.8.8.8", 443));
    }

    #[test]
    fn what_is_denied_stays_so_whatever_is_allowed() {
        let judge = judge(
            &["bad.example", "0.0.0.0/0"],
            &["bad.example", "*.evil.example", "9.9.9.0/24", "8.8.8.8:53"],
        );
        assert!(!goes(&judge, "bad.example", "8.8.4.4", 80));
        assert!(
            !goes(&judge, "a.evil.example", "8.8.4.4", 80) && goes(&judge, "evil.example", "8.8.4.4", 80)
        );
        assert!(!goes(&judge, "good.example", "9.9.9.9", 80));
        assert!(!goes(&judge, "8.8.8.8", "8.8.8.8", 53) && goes(&judge, "8.8.8.8", "8.8.8.8", 80));
    }

    #[test]
    fn a_star_in_deny_leaves_open_what_is_allowed_by_name_or_range() {
        let judge = judge(&["*.example.com", "good.example:443", "10.0.0.0/8"], &["*", "no.example.com"]);
        assert!(goes(&judge, "a.example.com", "8.8.8.8", 80));
        assert!(!goes(&judge, "a.example.com", "127.0.0.1", 80));
        assert!(goes(&judge, "good.example", "8.8.8.8", 443) && !goes(&judge, "good.example", "8.8.8.8", 80));
        assert!(!goes(&judge, "no.example.com", "8.8.8.8", 80));
        assert!(!goes(&judge, "other.example", "8.8.8.8", 80) && !goes(&judge, "8.8.8.8", "8.8.8.8", 80));
        assert!(goes(&judge, "other.example", "10.1.1.1", 80));
        let host = Host::read("other.example").expect("a host");
        assert!(judge.host(&host, 80, false).is_ok() && judge.host(&host, 80, true).is_err());
    }

    #[test]
    fn the_services_own_is_closed_whatever_is_allowed() {
        let judge = judge(&["0.0.0.0/0", "::/0", "tandem.example"], &[]);
        let at = |own| {
            judge.address(&Host::Address(Ipv4Addr::LOCALHOST.into()), Ipv4Addr::LOCALHOST.into(), 80, own)
        };
        assert!(at(false).is_ok());
        assert_eq!(at(true).map_err(|refusal| refusal.why), Err(Why::Own));
        assert!(
            !goes(&judge, "TANDEM.example.", "8.8.8.8", 443) && goes(&judge, "tandem.example", "8.8.8.8", 80)
        );
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let judge = judge(&[], &[]);
        let said = |host: &str, address: &str| {
            let host = Host::read(host).expect("a host");
            judge
                .address(&host, address.parse().expect("an address"), 80, false)
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(
            said("10.0.0.5", "10.0.0.5"),
            "the room's gate refused 10.0.0.5:80: it is a private address; allow it with --egress-allow 10.0.0.5 or \
             for this room alone"
        );
        assert!(said("a.example", "fd00::1").contains("a.example:80: fd00::1 is a private address"));
    }

    #[test]
    fn lists_are_checked() {
        assert!(lists(&["*"], &[]).check().is_err_and(|said| said.contains("0.0.0.0/0")));
        let many =
            EgressLists { deny: vec!["a.b".parse().expect("an entry"); MOST_ENTRIES + 1], ..lists(&[], &[]) };
        assert!(many.check().is_err());
        assert!(serde_json::from_str::<EgressLists>(r#"{"allow":["10.0.0.0/99"]}"#).is_err());
        assert!(serde_json::from_str::<EgressLists>(r#"{"alow":[]}"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn without_lists_only_the_open_internet_is_reached(bits: u128, six: bool) {
            let address = if six { IpAddr::V6(bits.into()) } else { IpAddr::V4((bits as u32).into()) };
            let host = Host::Name("a.example".into());
            let (one, packed) = faces(address);
            let open = kind(one).is_none() && packed.is_none_or(|packed| kind(packed).is_none());
            let judged = Judge::default().address(&host, address, 80, false);
            proptest::prop_assert_eq!(judged.is_ok(), open);
            if let Ok(at) = judged {
                proptest::prop_assert_eq!(at, address.to_canonical());
            }
        }

        #[test]
        fn reading_a_host_never_panics(text in "\\PC{0,40}") {
            let _ = Host::read(&text);
        }

        #[test]
        fn denying_more_never_opens_anything(bits: u32, net: u32, size in 0u8..=32, port: u16) {
            let (address, judge) = (IpAddr::from(Ipv4Addr::from(bits)), Judge::default());
            let net = Ipv4Addr::from(if size == 0 { 0 } else { net >> (32 - size) << (32 - size) });
            let deny = lists(&[], &[&format!("{net}/{size}")]);
            let stricter = Judge::new(&deny, &EgressLists::default(), &[]);
            let host = Host::Address(address);
            if stricter.address(&host, address, port, false).is_ok() {
                proptest::prop_assert!(judge.address(&host, address, port, false).is_ok());
            }
        }
    }
}
