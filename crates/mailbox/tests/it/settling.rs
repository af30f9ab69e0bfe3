//! What becomes of mails, and what is seen of it in the mailbox.

use std::time::Duration;

use peers::ImapServer;
use sdk::intake::{Ticket, Verdict};

use crate::stage::{Stage, next, settle, subject};

const AFTER: [&str; 4] = [r#""seen""#, r#""keyword""#, r#""delete""#, r#"{"move":"Done"}"#];

#[tokio::test]
async fn what_is_done_lies_where_it_should_and_does_not_come_again() {
    // One can do all, the other cannot take away a single mail: it stays, and counts as deleted.
    for (is_able, deleted) in [(true, &[][..]), (false, &["T"])] {
        let places: [(&[&str], usize); 4] = [(&["S"], 0), (&["a"], 0), (deleted, 0), (deleted, 1)];
        for (after, (inbox_has, done_has)) in AFTER.into_iter().zip(places) {
            let stage = Stage::of(if is_able { ImapServer::start() } else { ImapServer::able_to("IMAP4rev1") });
            stage.server.make("Done");
            let source = format!(r#"{{"after":{after},"pollSeconds":1}}"#);
            stage.deliver("first");
            let mut inbox = stage.open(&source).await;
            let first = next(&mut inbox).await;
            assert_eq!(subject(&first), "first");
            settle(&mut inbox, &first, Verdict::Done).await;
            let done = stage.server.lying("Done");
            assert_eq!(
                (stage.flags(), done.len()),
                (inbox_has.iter().map(ToString::to_string).collect(), done_has),
                "{after}"
            );
            assert!(done.iter().all(|mail| mail.text.starts_with(b"Subject: first")));
            // It comes again neither here nor to whoever opens the folder anew.
            stage.deliver("second");
            assert_eq!(subject(&next(&mut inbox).await), "second", "{after}");
            drop(inbox);
            let second = next(&mut stage.open(&source).await).await;
            assert_eq!(subject(&second), "second", "{after}");
            assert_ne!(first.key, second.key);
        }
    }
}

#[tokio::test]
async fn what_can_never_be_taken_is_flagged_and_does_not_come_again() {
    for after in AFTER {
        let stage = Stage::new();
        stage.server.make("Done");
        let source = format!(r#"{{"after":{after}}}"#);
        stage.deliver("dead");
        let mut inbox = stage.open(&source).await;
        let dead = next(&mut inbox).await;
        settle(&mut inbox, &dead, Verdict::Dead("it is of no use".into())).await;
        let flags = stage.flags();
        assert!(flags.len() == 1 && flags[0].contains('F'), "{after}: {flags:?}");
        stage.deliver("next");
        assert_eq!(subject(&next(&mut inbox).await), "next", "{after}");
        drop(inbox);
        assert_eq!(subject(&next(&mut stage.open(&source).await).await), "next", "{after}");
    }
}

#[tokio::test]
async fn what_is_to_come_again_comes_later_under_its_key_and_holds_up_no_other() {
    let stage = Stage::new();
    stage.deliver("first");
    stage.deliver("second");
    let mut inbox = stage.open_for("{}", 1).await;
    let first = next(&mut inbox).await;
    let before = tokio::time::Instant::now();
    let delay = Duration::from_millis(400);
    settle(&mut inbox, &first, Verdict::Again(delay)).await;
    let second = next(&mut inbox).await;
    assert_eq!(subject(&second), "second");
    settle(&mut inbox, &second, Verdict::Done).await;
    let again = next(&mut inbox).await;
    assert_eq!((subject(&again), &again.key), ("first", &first.key));
    assert!(before.elapsed() >= delay);
    // It does not come before its time because there is something new.
    settle(&mut inbox, &again, Verdict::Again(Duration::from_secs(3600))).await;
    stage.deliver("third");
    assert_eq!(subject(&next(&mut inbox).await), "third");
    assert_eq!(stage.flags(), ["", "S", ""]);
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let stage = Stage::new();
    stage.deliver("first");
    let mut inbox = stage.open("{}").await;
    let first = next(&mut inbox).await;
    settle(&mut inbox, &first, Verdict::Done).await;
    for ticket in [first.ticket, Ticket(77), Ticket(u64::MAX)] {
        inbox.settle(ticket, Verdict::Done).await.expect_err("nothing is out by that ticket");
    }
    // That was no reason to end.
    stage.deliver("second");
    assert_eq!(subject(&next(&mut inbox).await), "second");
}

#[tokio::test]
async fn what_was_not_settled_comes_again_under_its_key() {
    let mut stage = Stage::new();
    stage.deliver("first");
    let mut inbox = stage.open("{}").await;
    let first = next(&mut inbox).await;
    drop(inbox);
    let mut inbox = stage.open("{}").await;
    let again = next(&mut inbox).await;
    assert_eq!((subject(&again), &again.key), ("first", &first.key));
    stage.server.restart();
    inbox.settle(again.ticket, Verdict::Done).await.expect_err("nobody was told");
    let mut inbox = stage.open("{}").await;
    let again = next(&mut inbox).await;
    assert_eq!((subject(&again), &again.key), ("first", &first.key));
    settle(&mut inbox, &again, Verdict::Done).await;
    // Where the server numbers its mails anew, what it calls the same is another one.
    stage.deliver("second");
    let second = next(&mut inbox).await;
    stage.server.kill();
    stage.server.renumber(77);
    stage.server.restart();
    let mut inbox = stage.open("{}").await;
    let renumbered = next(&mut inbox).await;
    assert_eq!(subject(&renumbered), "second");
    assert!(second.key.is_some() && renumbered.key != second.key);
    assert_eq!(renumbered.about.get("uidValidity").and_then(|number| number.as_i64()), Some(77));
}
