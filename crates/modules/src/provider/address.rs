//! Kinds of IP addresses: which are public, which are inside somewhere, which are never reached.
//!
//! Only facts about addresses; what is allowed is decided by [`super::EgressPolicy`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Somewhere on the internet.
    Public,
    /// Inside, or of no use outside; the text says what it is.
    Inside(&'static str),
    /// Where machines hand out their credentials, and their direct neighbours.
    Never(&'static str),
}

const METADATA: &str = "an address of a metadata service";
const LINK_LOCAL: &str = "a link-local address";

/// Address, length of the prefix, what it is. The first that matches counts.
const V4: &[([u8; 4], u32, Kind)] = &[
    ([168, 63, 129, 16], 32, Kind::Never(METADATA)),
    ([100, 100, 100, 200], 32, Kind::Never(METADATA)),
    ([192, 0, 0, 192], 32, Kind::Never(METADATA)),
    ([169, 254, 0, 0], 16, Kind::Never(LINK_LOCAL)),
    ([0, 0, 0, 0], 8, Kind::Inside("an unspecified address")),
    ([10, 0, 0, 0], 8, Kind::Inside("a private address")),
    ([100, 64, 0, 0], 10, Kind::Inside("a shared address of a provider")),
    ([127, 0, 0, 0], 8, Kind::Inside("a loopback address")),
    ([172, 16, 0, 0], 12, Kind::Inside("a private address")),
    ([192, 0, 0, 0], 24, Kind::Inside("a reserved address")),
    ([192, 0, 2, 0], 24, Kind::Inside("an address for documentation")),
    ([192, 88, 99, 0], 24, Kind::Inside("a relay address")),
    ([192, 168, 0, 0], 16, Kind::Inside("a private address")),
    ([198, 18, 0, 0], 15, Kind::Inside("an address for benchmarks")),
    ([198, 51, 100, 0], 24, Kind::Inside("an address for documentation")),
    ([203, 0, 113, 0], 24, Kind::Inside("an address for documentation")),
    ([224, 0, 0, 0], 4, Kind::Inside("a multicast address")),
    ([240, 0, 0, 0], 4, Kind::Inside("a reserved address")),
];

const V6: &[([u16; 8], u32, Kind)] = &[
    ([0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254], 128, Kind::Never(METADATA)),
    ([0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254], 128, Kind::Never(METADATA)),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, Kind::Never(LINK_LOCAL)),
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, Kind::Inside("an unspecified address")),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, Kind::Inside("a loopback address")),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, Kind::Inside("a private address")),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, Kind::Inside("a reserved address")),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, Kind::Inside("a reserved address")),
    ([0x2001, 0x0db8, 0, 0, 0, 0, 0, 0], 32, Kind::Inside("an address for documentation")),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, Kind::Inside("an address for documentation")),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, Kind::Inside("a reserved address")),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, Kind::Inside("a unique local address")),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, Kind::Inside("a site-local address")),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, Kind::Inside("a multicast address")),
];

/// The address, and the IPv4 address that it stands for where it wraps one.
pub(super) fn unwrapped(address: IpAddr) -> (IpAddr, Option<IpAddr>) {
    let inner = match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => wrapped(v6).map(IpAddr::V4),
    };
    (address, inner)
}

fn wrapped(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let at = |high: u16, low: u16| Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        // The unspecified address and loopback wrap nothing.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped, compatible, translated.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => at(high, low),
        // NAT64, the well-known prefix and the local one.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => at(high, low),
        // 6to4.
        [0x2002, high, low, ..] => at(high, low),
        // Teredo: the client's address, inverted.
        [0x2001, 0, _, _, _, _, high, low] => at(!high, !low),
        // ISATAP, under any prefix.
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => at(high, low),
        _ => None,
    }
}

/// What an address is; what it wraps counts as well, and the worse of both.
pub(super) fn kind(address: IpAddr) -> Kind {
    let (address, inner) = unwrapped(address);
    let outer = of_one(address);
    inner.map_or(outer, |inner| outer.max(of_one(inner)))
}

fn of_one(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => first(V4.iter().map(|(net, length, kind)| {
            ((v4.to_bits() ^ Ipv4Addr::from(*net).to_bits()).leading_zeros() >= *length).then_some(*kind)
        })),
        IpAddr::V6(v6) => first(V6.iter().map(|(net, length, kind)| {
            ((v6.to_bits() ^ Ipv6Addr::from(*net).to_bits()).leading_zeros() >= *length).then_some(*kind)
        })),
    }
}

fn first(mut kinds: impl Iterator<Item = Option<Kind>>) -> Kind {
    kinds.find_map(|kind| kind).unwrap_or(Kind::Public)
}

/// Whether a network holds an address, or what the address wraps.
pub(super) fn holds(net: &IpNet, address: IpAddr) -> bool {
    let (address, inner) = unwrapped(address);
    net.contains(&address) || inner.is_some_and(|inner| net.contains(&inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Kind {
        kind(text.parse().unwrap_or_else(|_| panic!("{text} is no address")))
    }

    #[test]
    fn what_is_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:0808:0808::1",
        ] {
            assert_eq!(of(text), Kind::Public, "{text}");
        }
    }

    #[test]
    fn what_is_inside() {
        for text in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff:ffff::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "3fff::1",
            "5f00::1",
            "64:ff9b:1::8.8.8.8",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "::ffff:127.0.0.1",
            "::ffff:10.1.2.3",
            "::127.0.0.1",
            "::0.0.0.2",
            "::ffff:0:192.168.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:0001::",
            "2002:c0a8:0101::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
        ] {
            assert!(matches!(of(text), Kind::Inside(_)), "{text}: {:?}", of(text));
        }
    }

    #[test]
    fn what_is_never_reached() {
        for text in [
            "169.254.0.0",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.255.255",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "::ffff:a9fe:a9fe",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "2606:4700::5efe:169.254.169.254",
            "fc00::5efe:169.254.169.254",
        ] {
            assert!(matches!(of(text), Kind::Never(_)), "{text}: {:?}", of(text));
        }
    }
}
