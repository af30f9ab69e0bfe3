//! Servers that go away, that go quiet, and that are none.

use std::time::Duration;

use model::limits::MAILBOX_MAIL_BYTES;
use sdk::component::Backend as _;
use sdk::intake::{Intake as _, Verdict};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::stage::{SOON, Stage, component, end, imap, json, next, settle, subject};

#[tokio::test]
async fn a_server_that_goes_away_is_noticed_at_once() {
    let mut stage = Stage::new();
    let mut inbox = stage.open("{}").await;
    let (ended, ()) = tokio::join!(end(&mut inbox), async { stage.server.kill() });
    assert_eq!(ended.code, "MAILBOX_BROKEN");
    assert_eq!(end(&mut inbox).await, ended, "it stays over");
    let opened = timeout(SOON, stage.imap.open(&stage.component, &json("{}"), 1)).await.expect("in time");
    assert_eq!(opened.err().expect("nobody is there").code, "COMPONENT_UNREACHABLE");
    stage.server.restart();
    stage.deliver("after");
    let mut inbox = stage.open("{}").await;
    let came = next(&mut inbox).await;
    assert_eq!(subject(&came), "after");
    settle(&mut inbox, &came, Verdict::Done).await;
}

#[tokio::test]
async fn a_server_that_goes_quiet_is_noticed_when_it_owes_an_answer() {
    let stage = Stage::new();
    let imap = imap(None).with_silence(Duration::from_secs(2));
    let source = json(r#"{"pollSeconds":1}"#);
    stage.deliver("first");
    let mut waits = imap.open(&stage.component, &source, 1).await.expect("opens");
    let first = next(&mut waits).await;
    let mut settles = imap.open(&stage.component, &json("{}"), 1).await.expect("opens");
    let again = next(&mut settles).await;
    stage.server.pause();
    // Nothing is closed: only that nobody answers tells of it.
    assert_eq!(end(&mut waits).await.code, "MAILBOX_TIMEOUT");
    let settled = timeout(SOON, settles.settle(again.ticket, Verdict::Done)).await.expect("in time");
    assert_eq!(settled.expect_err("nobody answers").code, "MAILBOX_TIMEOUT");
    let opened = timeout(SOON, imap.open(&stage.component, &source, 1)).await.expect("in time");
    assert_eq!(opened.err().expect("nobody answers").code, "COMPONENT_UNREACHABLE");
    stage.server.resume();
    let mut inbox = stage.open("{}").await;
    let last = next(&mut inbox).await;
    assert_eq!((subject(&last), &last.key), ("first", &first.key));
}

/// A server of one connection that says this after each line that it hears, whatever it is: `%` stands for its tag.
/// What it hears is told.
async fn says(script: Vec<Vec<u8>>) -> (u16, UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let port = listener.local_addr().expect("an address").port();
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("somebody comes");
        let (heard, mut say) = stream.into_split();
        let mut heard = BufReader::new(heard).lines();
        let mut tag = String::new();
        for part in script {
            let text =
                part.iter().flat_map(|byte| if *byte == b'%' { tag.as_bytes() } else { std::slice::from_ref(byte) });
            let text: Vec<u8> = text.copied().collect();
            // Whoever is told too much hangs up.
            if say.write_all(&text).await.is_err() {
                return;
            }
            let Ok(Some(line)) = heard.next_line().await else { return };
            tag = line.split(' ').next().unwrap_or_default().to_owned();
            let _ = tell.send(line);
        }
    });
    (port, told)
}

/// What it says to whoever signs in and looks into a folder.
fn welcome(more: &[&[u8]]) -> Vec<Vec<u8>> {
    let able = b"* CAPABILITY IMAP4rev1\r\n% OK\r\n";
    let all: [&[u8]; 5] = [b"* OK hello\r\n", able, b"% OK\r\n", able, b"* OK [UIDVALIDITY 1] x\r\n% OK\r\n"];
    all.into_iter().chain(more.iter().copied()).map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn a_server_that_is_not_as_it_says_is_not_believed() {
    // A mail that is larger than it said is dealt with as such a one is.
    let mut mail = b"Subject: x\r\n\r\n".to_vec();
    mail.resize(MAILBOX_MAIL_BYTES + 1, b'x');
    let announced = format!("* 1 FETCH (UID 5 BODY[]<0> {{{}}}\r\n", mail.len());
    let mail = [announced.as_bytes(), &mail, b")\r\n% OK\r\n"].concat();
    let found = b"* SEARCH 5\r\n% OK\r\n";
    let small = b"* 1 FETCH (UID 5 RFC822.SIZE 10)\r\n% OK\r\n";
    let (port, mut told) = says(welcome(&[found, small, &mail, b"% OK\r\n"])).await;
    let mut inbox = imap(None).open(&component("127.0.0.1", port, "off"), &json("{}"), 1).await.expect("opens");
    while !timeout(SOON, told.recv())
        .await
        .expect("in time")
        .expect("it goes on")
        .contains("UID STORE 5 +FLAGS (\\Flagged \\Seen)")
    {}
    drop(inbox);
    // One that numbers all mails anew means others by the same numbers.
    let (port, _told) = says(welcome(&[b"* OK [UIDVALIDITY 2] anew\r\n* SEARCH 5\r\n% OK\r\n"])).await;
    inbox = imap(None).open(&component("127.0.0.1", port, "off"), &json("{}"), 1).await.expect("opens");
    assert!(end(&mut inbox).await.message.contains("new numbers"));
    // One that does not keep what it is told would hand out the same mail for ever.
    let mail = b"* 1 FETCH (UID 5 BODY[]<0> \"x\")\r\n% OK\r\n";
    let (port, _told) = says(welcome(&[found, small, mail, b"* 1 FETCH (UID 5 FLAGS (\\Recent))\r\n% OK\r\n"])).await;
    inbox = imap(None).open(&component("127.0.0.1", port, "off"), &json("{}"), 1).await.expect("opens");
    let came = next(&mut inbox).await;
    let settled = inbox.settle(came.ticket, Verdict::Done).await.expect_err("it is not kept");
    assert!(settled.message.contains("\\Seen"), "{settled}");
    assert_eq!(end(&mut inbox).await, settled);
}

#[tokio::test]
async fn what_is_no_mail_server_or_says_too_much_is_told() {
    let (hello, able) = (b"* OK hello\r\n".to_vec(), b"* CAPABILITY IMAP4rev1\r\n% OK\r\n".to_vec());
    let long = b"x".repeat(17 << 20);
    let signed_in = [hello.clone(), able.clone(), b"% OK\r\n".to_vec(), able.clone()];
    let then =
        |more: &[&[u8]]| signed_in.iter().cloned().chain(more.iter().map(|part| part.to_vec())).collect::<Vec<_>>();
    for (script, told) in [
        (vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()], "no IMAP"),
        (vec![b"* BYE not today\r\n".to_vec()], "not today"),
        (vec![long.clone()], "more than is taken"),
        (vec![b"* 1 FETCH (BODY[] {99999999999}\r\n".to_vec()], "larger"),
        (vec![hello.clone(), b"* CAPABILITY LOGINDISABLED\r\n% OK\r\n".to_vec()], "starttls"),
        (vec![hello.clone(), able.clone(), b"% NO imap-hush-hush is wrong\r\n".to_vec()], "*** is wrong"),
        (then(&[b"% OK no numbers\r\n"]), "no lasting numbers"),
    ] {
        let (port, _told) = says(script).await;
        let imap = imap(None).with_silence(Duration::from_secs(2));
        let tested = timeout(SOON, imap.test(&component("127.0.0.1", port, "off"))).await.expect("in time");
        let failure = tested.expect_err(told);
        assert!(failure.message.contains(told) && !failure.message.contains("hush"), "{told}: {failure}");
        assert!(failure.message.len() < 500, "{failure}");
    }
}

#[tokio::test]
async fn nothing_that_was_said_in_the_open_counts_once_it_is_encrypted() {
    for (script, told) in [
        (vec![b"* OK hello\r\n".to_vec(), b"% OK go on\r\n* CAPABILITY AUTH=PLAIN\r\n".to_vec()], "in the open"),
        (vec![b"* PREAUTH you are known\r\n".to_vec()], "no encryption"),
        (vec![b"* OK hello\r\n".to_vec(), b"% BAD what?\r\n".to_vec()], "what?"),
    ] {
        let (port, _told) = says(script).await;
        let tested = imap(None).test(&component("127.0.0.1", port, "starttls")).await;
        assert!(tested.as_ref().is_err_and(|failure| failure.message.contains(told)), "{told}: {tested:?}");
    }
}
