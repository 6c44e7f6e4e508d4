//! What an address is for, and which others it stands for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address that is not of the open internet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Loopback,
    /// `0.0.0.0/8` and `::`: this machine, this network.
    Unspecified,
    LinkLocal,
    /// Where a cloud tells a machine its secrets.
    Metadata,
    Private,
    /// Between a provider and its customers, `100.64.0.0/10`.
    Shared,
    UniqueLocal,
    SiteLocal,
    Multicast,
    Broadcast,
    Benchmarking,
    Documentation,
    /// A tunnel or a translation that nobody offers any more: 6to4, Teredo, IPv4-compatible.
    Transition,
    /// A network's own translation to IPv4, `64:ff9b:1::/48`.
    LocalTranslation,
    Reserved,
}

impl Kind {
    /// As it stands in a sentence: "10.0.0.5 is a private address".
    fn words(self) -> &'static str {
        match self {
            Self::Loopback => "a loopback address, of the server itself",
            Self::Unspecified => "an address of the server itself",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a metadata address, where clouds keep a machine's secrets",
            Self::Private => "a private address",
            Self::Shared => "an address shared with a provider",
            Self::UniqueLocal => "a private address (unique local)",
            Self::SiteLocal => "a private address (site-local)",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
            Self::Benchmarking => "an address for benchmarks",
            Self::Documentation => "an address for documentation",
            Self::Transition => "an address of an obsolete transition to IPv6",
            Self::LocalTranslation => "an address of a local translation to IPv4",
            Self::Reserved => "a reserved address",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

const METADATA_4: [Ipv4Addr; 6] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Alibaba, Oracle, and Azure's, which lies in the open internet.
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

const METADATA_6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

/// What an address is for; nothing when it is one of the open internet. It is
/// to be asked of every one of an address's [`faces`].
pub fn kind(address: IpAddr) -> Option<Kind> {
    match address {
        IpAddr::V4(address) => kind_4(address),
        IpAddr::V6(address) => kind_6(address),
    }
}

fn kind_4(address: Ipv4Addr) -> Option<Kind> {
    if METADATA_4.contains(&address) {
        return Some(Kind::Metadata);
    }
    Some(match address.octets() {
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [100, 64..=127, ..] => Kind::Shared,
        [169, 254, ..] => Kind::LinkLocal,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        [192, 0, 0, _] => Kind::Reserved,
        [192, 88, 99, _] => Kind::Transition,
        [198, 18..=19, ..] => Kind::Benchmarking,
        [224..=239, ..] => Kind::Multicast,
        [255, 255, 255, 255] => Kind::Broadcast,
        [240..=255, ..] => Kind::Reserved,
        _ => return None,
    })
}

fn kind_6(address: Ipv6Addr) -> Option<Kind> {
    if METADATA_6.contains(&address) {
        return Some(Kind::Metadata);
    }
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        // The well-known translation is as open as the IPv4 address in it, its other face.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => return None,
        [0x64, 0xff9b, 1, ..] => Kind::LocalTranslation,
        [0, 0, 0, 0, 0, 0, _, _] | [0x2002, ..] | [0x2001, 0, ..] => Kind::Transition,
        [0xfc00..=0xfdff, ..] => Kind::UniqueLocal,
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        [0xfec0..=0xfeff, ..] => Kind::SiteLocal,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Documentation,
        [0x2001, 2, 0, ..] => Kind::Benchmarking,
        [0x2001, 0..=0x1ff, ..] => Kind::Reserved,
        // What was ever given out lies in here.
        [0x2000..=0x3fff, ..] => return None,
        _ => Kind::Reserved,
    })
}

/// The addresses that one address stands for: itself, in its simplest form,
/// and an IPv4 address that is packed in it. All must be permitted.
pub fn faces(address: IpAddr) -> (IpAddr, Option<IpAddr>) {
    let IpAddr::V6(six) = address.to_canonical() else { return (address.to_canonical(), None) };
    let bytes = six.octets();
    let at = |start: usize, turn: u8| {
        let four = [bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]];
        Some(IpAddr::from(four.map(|byte| byte ^ turn)))
    };
    let packed = match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => at(12, 0),
        // 6to4; Teredo, which turns all bits of it over.
        [0x2002, ..] => at(2, 0),
        [0x2001, 0, ..] => at(12, 0xff),
        // ISATAP, below any prefix.
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => at(12, 0),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, _, _] => at(12, 0),
        _ => None,
    };
    (IpAddr::V6(six), packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shut(text: &str) -> bool {
        let (one, other) = faces(text.parse().expect("an address"));
        kind(one).is_some() || other.and_then(kind).is_some()
    }

    #[test]
    fn everything_that_is_not_the_open_internet_is_known() {
        for text in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.5",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.5",
            "::ffff:0:127.0.0.1",
            "::8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.5",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::8.8.8.8",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "2001::1",
            "2001:0:808:808::f7f7:f7f7",
            "2001:db8::1",
            "3fff::1",
            "2001:2::1",
            "2001:10::1",
            "100::1",
            "5f00::1",
            "4000::1",
            "2606::5efe:10.0.0.5",
            "2606::200:5efe:192.168.1.1",
        ] {
            assert!(shut(text), "{text}");
        }
    }

    #[test]
    fn the_open_internet_is_open() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "100.63.255.255",
            "100.128.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "168.63.129.15",
            "192.0.1.1",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:4860:4860::8888",
            "2400::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "3ffe::1",
        ] {
            assert!(!shut(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_ipv6_dress_opens_a_closed_ipv4_address(bits: u32) {
            let four = Ipv4Addr::from(bits);
            let [a, b, c, d] = four.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for six in [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0x5efe, high, low),
            ] {
                let (one, other) = faces(six.into());
                let open = kind(one).is_none() && other.is_none_or(|other| kind(other).is_none());
                proptest::prop_assert_eq!(open, kind(four.into()).is_none(), "{} {}", four, six);
            }
            for six in [
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 1, 2, 0, 0, !high, !low),
                Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            ] {
                proptest::prop_assert!(kind(six.into()).is_some());
                if bits > 1 {
                    proptest::prop_assert_eq!(faces(six.into()).1, Some(four.into()));
                }
            }
        }
    }
}
