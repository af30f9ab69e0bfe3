//! Tables for the policy: what each set of rules lets through.

use super::*;

fn policy(allow: &str, deny: &str) -> EgressPolicy {
    EgressPolicy::new(allow.split(','), deny.split(',')).unwrap_or_else(|error| panic!("{error}"))
}

fn reaches(policy: &EgressPolicy, name: &str, address: &str, port: u16) -> bool {
    let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("{address}"));
    let named = if name.is_empty() { Ok(Named::Ordinary) } else { policy.judge_name(name, port) };
    named.and_then(|named| policy.judge_address(address, port, named)).is_ok()
}

#[test]
fn rules_open_and_close() {
    // Allowed, denied, name, address, port, whether it is reached.
    let table: &[(&str, &str, &str, &str, u16, bool)] = &[
        ("", "", "example.com", "93.184.216.34", 443, true),
        ("", "", "example.com", "10.0.0.1", 443, false),
        ("", "", "localhost", "127.0.0.1", 80, false),
        ("", "", "", "::1", 80, false),
        ("", "", "", "::ffff:127.0.0.1", 80, false),
        // Networks.
        ("127.0.0.0/8", "", "localhost", "127.0.0.1", 80, true),
        ("127.0.0.0/8", "", "", "::ffff:127.0.0.1", 80, true),
        ("127.0.0.0/8", "", "", "64:ff9b::127.0.0.1", 80, true),
        ("127.0.0.0/8", "", "", "::1", 80, false),
        ("127.0.0.1", "", "", "127.0.0.2", 80, false),
        ("127.0.0.1:8080", "", "", "127.0.0.1", 8080, true),
        ("127.0.0.1:8080", "", "", "127.0.0.1", 8081, false),
        ("10.0.0.0/8:443", "", "a.example", "10.9.9.9", 443, true),
        ("10.0.0.0/8:443", "", "a.example", "10.9.9.9", 80, false),
        ("[fd12::/16]:443", "", "", "fd12::7", 443, true),
        ("[fd12::/16]:443", "", "", "fd12::7", 80, false),
        ("fd12::/16", "", "", "fd13::7", 80, false),
        ("[::1]", "", "", "::1", 80, true),
        ("0.0.0.0/0,::/0", "", "x", "10.0.0.1", 80, true),
        // Names.
        ("erp.example.com", "", "erp.example.com", "10.0.0.1", 80, true),
        ("erp.example.com", "", "ERP.Example.com.", "10.0.0.1", 80, true),
        ("erp.example.com", "", "x.erp.example.com", "10.0.0.1", 80, false),
        ("erp.example.com:443", "", "erp.example.com", "10.0.0.1", 80, false),
        ("*.example.com", "", "a.b.example.com", "10.0.0.1", 80, true),
        ("*.example.com", "", "example.com", "10.0.0.1", 80, false),
        ("*.example.com", "", "notexample.com", "10.0.0.1", 80, false),
        ("*", "", "anything", "10.0.0.1", 80, true),
        // Deny beats allow.
        ("10.0.0.0/8", "10.0.0.1", "", "10.0.0.1", 80, false),
        ("10.0.0.0/8", "10.0.0.1", "", "10.0.0.2", 80, true),
        ("10.0.0.0/8", "10.0.0.1", "", "::ffff:10.0.0.1", 80, false),
        ("erp.example.com", "10.0.0.0/8", "erp.example.com", "10.0.0.1", 80, false),
        ("10.0.0.0/8", "*.example.com", "a.example.com", "10.0.0.1", 80, false),
        ("a.example.com", "*.example.com", "a.example.com", "93.184.216.34", 80, false),
        ("", "example.com", "example.com", "93.184.216.34", 80, false),
        ("", "example.com:80", "example.com", "93.184.216.34", 443, true),
        ("", "93.184.216.0/24", "example.com", "93.184.216.34", 443, false),
        ("", "*:25", "mail.example.com", "93.184.216.34", 25, false),
        ("", "*:25", "", "93.184.216.34", 25, false),
        ("", "*:25", "mail.example.com", "93.184.216.34", 587, true),
        // Never.
        ("*,0.0.0.0/0,169.254.0.0/16", "", "", "169.254.169.254", 80, false),
        ("169.254.169.254", "", "x", "::ffff:169.254.169.254", 80, false),
        ("fe80::/10", "", "", "fe80::1", 80, false),
        ("fd00::/8", "", "", "fd00:ec2::254", 80, false),
        ("fd00::/8", "", "", "fd00:ec2::253", 80, true),
        ("metadata.google.internal", "", "metadata.google.internal", "93.184.216.34", 80, false),
        ("*", "", "Metadata.Google.Internal.", "93.184.216.34", 80, false),
    ];
    for (allow, deny, name, address, port, reached) in table {
        let policy = policy(allow, deny);
        assert_eq!(
            reaches(&policy, name, address, *port),
            *reached,
            "allow {allow}, deny {deny}: {name} {address} {port}"
        );
    }
}

#[test]
fn a_rule_that_is_none_is_told() {
    for (rule, told) in [
        ("https://example.com", "without http://"),
        ("10.0.0.0/33", "is no network"),
        ("10.1.2.3/8", "10.0.0.0/8 is the network"),
        ("example.com:0", "must be a port"),
        ("example.com:99999", "must be a port"),
        ("example.com:http", "must be a port"),
        ("[::1", "not closed"),
        ("[::1]8", "only a colon"),
        ("a.*.com", "a * may only"),
        ("*example.com", "a * may only"),
        ("*.", "neither an address"),
        ("a b", "neither an address"),
        ("1.2.3", "four numbers"),
        ("::ffff:10.0.0.0/104", "write the IPv4"),
        ("::ffff:10.0.0.1", "write the IPv4"),
    ] {
        let error = EgressPolicy::new([], [rule]).expect_err(rule).to_string();
        assert!(error.contains(told) && error.starts_with(&format!("\"{rule}\"")), "{rule}: {error}");
    }
    assert_eq!(EgressPolicy::new(["", " "], []), Ok(EgressPolicy::default()));
}

#[test]
fn a_refusal_says_what_to_do() {
    let told = |address: &str| {
        let address = address.parse().expect("an address");
        EgressPolicy::default().judge_address(address, 80, Named::Ordinary).expect_err("refused").to_string()
    };
    assert_eq!(told("127.0.0.1"), "127.0.0.1 is a loopback address; egress.allow can open it");
    assert_eq!(told("169.254.169.254"), "169.254.169.254 is a link-local address, which is never reached");
}
