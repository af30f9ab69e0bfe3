//! What a component and a channel say, and how the connection is tested.

use std::time::Duration;

use mailbox::Imap;
use model::Value;
use sdk::component::{Backend as _, Component};
use sdk::intake::Intake as _;

use crate::stage::{Stage, component, imap, json};

fn refused(imap: &Imap, component: &Component) -> String {
    imap.check(component).expect_err("is refused").to_string()
}

#[test]
fn settings_are_refused_with_the_field() {
    let (imap, good) = (imap(None), component("mail.test", 993, "implicit"));
    imap.check(&good).expect("is fine");
    assert!(imap.is_exclusive(&good));
    for (config, told) in [
        (r#"{"user":"x"}"#, "host"),
        (r#"{"host":"x"}"#, "user"),
        (r#"{"host":"","user":"x"}"#, "host"),
        (r#"{"host":"x\ny","user":"x"}"#, "host"),
        (r#"{"host":"x","user":"x\r\nA LOGOUT"}"#, "config.user"),
        (r#"{"host":"x","user":"x","port":0}"#, "port"),
        (r#"{"host":"x","user":"x","port":"143"}"#, "port"),
        (r#"{"host":"x","user":"x","tls":"maybe"}"#, "tls"),
        (r#"{"host":"x","user":"x","folder":"INBOX"}"#, "folder"),
    ] {
        let said = refused(&imap, &Component { config: json(config), ..good.clone() });
        assert!(said.starts_with("COMPONENT_INVALID") && said.contains(told), "{config}: {said}");
    }
    for secret in
        [r#"{}"#, r#"{"password":""}"#, r#"{"password":"a\nhush"}"#, r#"{"password":["hush"]}"#, r#"{"token":"hush"}"#]
    {
        let said = refused(&imap, &Component { secret: json(secret), ..good.clone() });
        assert!(said.contains("password") && !said.contains("hush"), "{secret}: {said}");
    }
}

#[test]
fn sources_are_refused_with_the_field() {
    let (imap, component) = (imap(None), component("mail.test", 993, "implicit"));
    for source in [
        r#"{}"#,
        r#"{"folder":"Entwürfe","after":"seen","pollSeconds":1}"#,
        r#"{"after":"keyword"}"#,
        r#"{"after":"delete"}"#,
        r#"{"after":{"move":"Done"},"pollSeconds":1500}"#,
    ] {
        imap.check_source(&component, &json(source)).unwrap_or_else(|failure| panic!("{source}: {failure}"));
    }
    for (source, told) in [
        (r#"[]"#, "source"),
        (r#"{"folder":""}"#, "source.folder"),
        (r#"{"folder":"a\r\nb"}"#, "source.folder"),
        (r#"{"folder":7}"#, "folder"),
        (r#"{"after":"burn"}"#, "after"),
        (r#"{"after":{"move":""}}"#, "source.after.move"),
        (r#"{"after":{"move":"inbox"}}"#, "source.after.move"),
        (r#"{"after":{"copy":"Done"}}"#, "after"),
        (r#"{"pollSeconds":0}"#, "source.pollSeconds"),
        (r#"{"pollSeconds":1501}"#, "source.pollSeconds"),
        (r#"{"queue":"x"}"#, "queue"),
    ] {
        let said = imap.check_source(&component, &json(source)).expect_err(source).to_string();
        assert!(said.starts_with("SOURCE_INVALID") && said.contains(told), "{source}: {said}");
    }
}

#[tokio::test]
async fn the_connection_is_tested_encrypted_in_each_way_and_in_the_open() {
    let stage = Stage::new();
    let imap = imap(Some(stage.server.ca()));
    let (open, encrypted) = (stage.server.port(), stage.server.implicit());
    for (host, port, tls) in
        [("127.0.0.1", open, "off"), ("localhost", open, "starttls"), ("localhost", encrypted, "implicit")]
    {
        let tested = imap.test(&component(host, port, tls)).await;
        tested.unwrap_or_else(|failure| panic!("{tls}: {failure}"));
    }
    // The certificate is that of localhost, and only those who were told so trust it.
    for (imap, host) in [(&imap, "127.0.0.1"), (&stage.imap, "localhost")] {
        for (port, tls) in [(open, "starttls"), (encrypted, "implicit")] {
            let failure = imap.test(&component(host, port, tls)).await.expect_err("is refused");
            assert_eq!(failure.code, "COMPONENT_UNREACHABLE");
            assert!(failure.message.contains("certificate"), "{tls}: {failure}");
        }
    }
    // Each waits for the other to begin.
    let imap = imap.with_silence(Duration::from_secs(1));
    let failure = imap.test(&component("localhost", encrypted, "off")).await.expect_err("no greeting in the open");
    assert_eq!(failure.code, "COMPONENT_UNREACHABLE", "{failure}");
    let failure = imap.test(&component("localhost", open, "implicit")).await.expect_err("a greeting in the open");
    assert_eq!(failure.code, "COMPONENT_UNREACHABLE", "{failure}");
}

#[tokio::test]
async fn who_may_not_come_in_is_told_why_and_no_password() {
    let stage = Stage::new();
    let wrong = Component { secret: Value::map([("password", "wr0ng-one")]), ..stage.component.clone() };
    let failure = stage.imap.test(&wrong).await.expect_err("is refused");
    assert!(failure.code == "COMPONENT_UNREACHABLE" && failure.message.contains("Authentication"), "{failure}");
    assert!(!failure.message.contains("wr0ng"), "{failure}");
    let opened = stage.imap.open(&wrong, &json("{}"), 1).await;
    assert!(opened.err().is_some_and(|failure| failure.message.contains("Authentication")));
    let untrusted = Component { trusted: false, ..stage.component.clone() };
    assert_eq!(stage.imap.test(&untrusted).await.expect_err("is refused").code, "COMPONENT_EGRESS");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let stage = Stage::new();
    for source in [r#"{"folder":"None"}"#, r#"{"after":{"move":"None"}}"#] {
        let failure = stage.refuses(source).await;
        assert!(failure.code == "MAILBOX_REFUSED" && failure.message.contains("None"), "{source}: {failure}");
    }
}
