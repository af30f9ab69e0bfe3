//! The address that a request comes from. Headers are believed only where the connection itself
//! comes from a proxy that is trusted, and only what such proxies have written.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use model::limits::FORWARDED_HOPS;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client behind a connection.
///
/// Both headers are read from their right end, where the nearest proxy writes: the first address
/// that is not a trusted proxy's is the client's. A proxy that knows one header passes the other on
/// as the client wrote it, so where they disagree neither counts, and the connection's own does.
pub(crate) fn of_client(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let by_list = client(headers, &X_FORWARDED_FOR, peer, trusted, address);
    let by_standard = client(headers, &http::header::FORWARDED, peer, trusted, forwarded_for);
    match (by_list, by_standard) {
        (Some(one), Some(other)) if one != other => peer,
        (one, other) => one.or(other).unwrap_or(peer),
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// What a header says; none where it is not there.
fn client(
    headers: &HeaderMap,
    name: &HeaderName,
    peer: IpAddr,
    trusted: &[IpNet],
    read: impl Fn(&str) -> Option<IpAddr>,
) -> Option<IpAddr> {
    let mut lines = headers.get_all(name).into_iter().rev().peekable();
    lines.peek()?;
    let mut nearest = peer;
    let words = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    for word in words.take(FORWARDED_HOPS) {
        // What is no address hides whatever stands to the left of it.
        let Some(found) = read(word.trim()) else { break };
        nearest = found;
        if !is_trusted(found, trusted) {
            break;
        }
    }
    Some(nearest)
}

/// `for="[2001:db8::1]:4711";proto=https`: the address in it.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, with or without brackets and a port.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(word);
    let parsed = bare.parse().ok().or_else(|| word.parse().ok().map(|address: SocketAddr| address.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().expect("a net")).collect();
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(*name, line.parse().expect("a value"));
        }
        of_client(&headers, peer.parse().expect("an address"), &trusted).to_string()
    }

    #[test]
    fn a_header_counts_only_from_a_trusted_proxy() {
        const XFF: &str = "x-forwarded-for";
        for (peer, lines, client) in [
            ("203.0.113.9", vec![(XFF, "198.51.100.1")], "203.0.113.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec![(XFF, "198.51.100.1")], "198.51.100.1"),
            ("::ffff:10.0.0.1", vec![(XFF, "::ffff:198.51.100.1")], "198.51.100.1"),
            // The client wrote the left part; the proxy, the right one.
            ("10.0.0.1", vec![(XFF, "1.1.1.1, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", vec![(XFF, "1.1.1.1"), (XFF, "198.51.100.1, 10.0.0.2")], "198.51.100.1"),
            ("10.0.0.1", vec![(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("10.0.0.1", vec![(XFF, "1.1.1.1, unknown")], "10.0.0.1"),
            ("10.0.0.1", vec![(XFF, "1.1.1.1, unknown, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", vec![(XFF, "198.51.100.1:4711")], "198.51.100.1"),
            ("fd00::1", vec![("forwarded", "for=\"[2001:db8::1]:4711\";proto=https")], "2001:db8::1"),
            ("fd00::1", vec![("forwarded", "for=1.1.1.1, For=198.51.100.1 ; by=10.0.0.1")], "198.51.100.1"),
            ("fd00::1", vec![("forwarded", "proto=https")], "fd00::1"),
            // One of the two is the client's own.
            ("10.0.0.1", vec![(XFF, "1.1.1.1"), ("forwarded", "for=198.51.100.1")], "10.0.0.1"),
            ("10.0.0.1", vec![(XFF, "198.51.100.1"), ("forwarded", "for=198.51.100.1")], "198.51.100.1"),
        ] {
            assert_eq!(client_of(peer, &lines), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_long_list_is_read_to_an_end() {
        let long = vec!["10.0.0.7"; 100].join(",");
        assert_eq!(client_of("10.0.0.1", &[("x-forwarded-for", &format!("1.1.1.1,{long}"))]), "10.0.0.7");
    }
}
