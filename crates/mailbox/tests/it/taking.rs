//! Mails that come in: each once, as its sender meant it.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Value;
use model::limits::MAILBOX_MAIL_BYTES;
use peers::ImapServer;
use sdk::intake::{Content, Verdict};
use tokio::time::timeout;

use crate::stage::{Stage, next, settle, subject, value};

#[tokio::test]
async fn what_lay_there_and_what_is_delivered_comes_once() {
    let stage = Stage::new();
    stage.deliver("before");
    // The time between two looks is longer than this test may take: the server tells.
    let mut inbox = stage.open("{}").await;
    let before = next(&mut inbox).await;
    assert_eq!(subject(&before), "before");
    let about = |name: &str| before.about.get(name).cloned().unwrap_or_default();
    assert_eq!((about("folder"), about("uid")), (Value::from("INBOX"), Value::from(1)));
    assert!(about("uidValidity").as_i64().is_some() && about("receivedAt").as_str().is_some_and(|at| at.contains('T')));
    let (came, ()) = tokio::join!(next(&mut inbox), async { stage.deliver("while it waits") });
    assert_eq!(subject(&came), "while it waits");
    assert_ne!(before.key, came.key);
    settle(&mut inbox, &before, Verdict::Done).await;
    settle(&mut inbox, &came, Verdict::Done).await;
    stage.deliver("last");
    assert_eq!(subject(&next(&mut inbox).await), "last");
}

#[tokio::test]
async fn where_the_server_tells_nothing_it_is_asked() {
    let stage = Stage::of(ImapServer::able_to("IMAP4rev1 UIDPLUS MOVE"));
    let mut inbox = stage.open(r#"{"pollSeconds":1}"#).await;
    for name in ["one", "two"] {
        let (came, ()) = tokio::join!(next(&mut inbox), async { stage.deliver(name) });
        assert_eq!(subject(&came), name);
        settle(&mut inbox, &came, Verdict::Done).await;
    }
    assert_eq!(stage.flags(), ["S", "S"]);
}

#[tokio::test]
async fn a_mail_comes_with_its_files_and_odd_letters() {
    let stage = Stage::new();
    let mail = "From: =?utf-8?q?J=C3=BCrgen?= <j@a.test>\r\nTo: ada@b.test\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\
        Message-ID: <1@a.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
        Content-Type: text/plain; charset=shift_jis\r\nContent-Transfer-Encoding: base64\r\n\r\ng26DjYFb\r\n--x\r\n\
        Content-Type: image/png\r\nContent-ID: <logo>\r\nContent-Disposition: inline; filename*=utf-8''%C3%BC.png\r\n\
        Content-Transfer-Encoding: base64\r\n\r\nAJ+Slg==\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\n\r\nx\r\n--x--\r\n";
    // Folders have odd letters too.
    stage.server.make("Entw&APw-rfe");
    stage.server.deliver("Entw&APw-rfe", mail);
    let mut inbox = stage.open(r#"{"folder":"Entwürfe"}"#).await;
    let came = next(&mut inbox).await;
    for (at, told) in [
        ("/from", r#"[{"name":"Jürgen","address":"j@a.test"}]"#),
        ("/subject", r#""Grüße""#),
        ("/messageId", r#""1@a.test""#),
        ("/text", r#""ハロー""#),
        ("/attachments/0", r#"{"name":"ü.png","contentType":"image/png","size":4,"contentId":"logo"}"#),
    ] {
        assert_eq!(value(&came).pointer(at).map(Value::to_json).as_deref(), Some(told), "{at}");
    }
    assert_eq!(came.headers["subject"], "Grüße");
    let Content::Parsed { files, .. } = &came.content else { panic!("is taken apart") };
    assert_eq!(files[0].bytes[..], [0, 159, 146, 150]);
    assert_eq!((&*files[1].content_type, &files[1].bytes[..]), ("message/rfc822", &b"Subject: inner\r\n\r\nx"[..]));
    settle(&mut inbox, &came, Verdict::Done).await;
    assert_eq!(stage.server.lying("Entw&APw-rfe")[0].flags, "S");
}

#[tokio::test]
async fn no_more_are_handed_out_than_were_asked_for() {
    let stage = Stage::new();
    ["1", "2", "3"].iter().for_each(|name| stage.deliver(name));
    let mut inbox = stage.open_for("{}", 2).await;
    let (first, second) = (next(&mut inbox).await, next(&mut inbox).await);
    // While the third waits for room, the server is listened to, and so are verdicts.
    let waits = timeout(Duration::from_millis(300), inbox.next()).await;
    assert!(waits.is_err(), "a third one came");
    settle(&mut inbox, &second, Verdict::Done).await;
    assert_eq!(subject(&next(&mut inbox).await), "3");
    settle(&mut inbox, &first, Verdict::Done).await;
    assert_eq!(stage.flags(), ["S", "S", ""]);
}

#[tokio::test]
async fn whoever_stops_waiting_again_and_again_loses_nothing() {
    let stage = Stage::new();
    let mut inbox = stage.open_for("{}", 3).await;
    let mut came = BTreeSet::new();
    for number in 0..30 {
        stage.deliver(&number.to_string());
    }
    while came.len() < 30 {
        let Ok(next) = timeout(Duration::from_micros(200), inbox.next()).await else { continue };
        let message = next.expect("comes");
        assert!(came.insert(subject(&message).to_owned()), "it came before");
        settle(&mut inbox, &message, Verdict::Done).await;
    }
    assert_eq!(stage.flags(), vec!["S"; 30]);
}

#[tokio::test]
async fn what_is_too_large_or_too_much_is_flagged_and_the_next_one_comes() {
    let stage = Stage::new();
    let line = "0123456789abcdef".repeat(4) + "\r\n";
    stage
        .server
        .deliver("INBOX", "Subject: large\r\n\r\n".to_owned() + &line.repeat(MAILBOX_MAIL_BYTES / line.len() + 1));
    let parts = "--x\r\n\r\nx\r\n".repeat(1_000);
    stage.server.deliver("INBOX", format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{parts}--x--\r\n"));
    stage.server.deliver("INBOX", "X: y\r\n".repeat(60_000) + "\r\nheaders without end\r\n");
    stage.server.deliver("INBOX", "Subject: broken\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Transfer-Encoding: base64\r\n\r\n!\u{0}\u{ff}");
    stage.deliver("last");
    let mut inbox = stage.open("{}").await;
    let broken = next(&mut inbox).await;
    assert_eq!(subject(&broken), "broken");
    assert!(value(&broken).get("text").and_then(Value::as_str).is_some_and(|text| text.starts_with('!')));
    assert_eq!(subject(&next(&mut inbox).await), "last");
    assert_eq!(stage.flags(), ["FS", "FS", "FS", "", ""]);
    drop(inbox);
    assert_eq!(subject(&next(&mut stage.open("{}").await).await), "broken");
}

#[tokio::test]
async fn the_largest_that_is_taken_comes_whole() {
    let stage = Stage::new();
    let head = "Subject: large\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a\r\n\r\n";
    let mail = head.to_owned() + &"x".repeat(MAILBOX_MAIL_BYTES - head.len());
    stage.server.deliver("INBOX", mail);
    let mut inbox = stage.open("{}").await;
    let came = next(&mut inbox).await;
    let Content::Parsed { files, .. } = &came.content else { panic!("is taken apart") };
    assert_eq!(files[0].bytes.len(), MAILBOX_MAIL_BYTES - head.len());
}
