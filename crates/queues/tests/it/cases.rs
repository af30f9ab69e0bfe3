//! What every provider does with messages.

use std::collections::BTreeSet;
use std::time::Duration;

use sdk::intake::{Content, Ticket, Verdict};
use tokio::time::Instant;

use crate::peer::{Given, IDLE, PATIENCE, Stage, body, next, nothing_within};
use crate::relay::Relay;

/// Long enough for a message that is there to come.
const A_WHILE: Duration = Duration::from_millis(2_500);

pub(crate) async fn hands_out_what_was_published_in_order(stage: Stage) {
    let source = stage.make();
    let json = [("content-type", "application/json"), ("X-Of", "ada")];
    stage.peer.publish(
        &stage.name,
        &[
            Given { id: "one", headers: &json, body: br#"{"order":7}"# },
            Given { id: "two", headers: &[], body: "grüße".as_bytes() },
            Given { id: "three", headers: &[], body: &[0xff, 0, 0xfe] },
        ],
    );
    let mut inbox = stage.open(&source, 16).await;
    let mut keys = BTreeSet::new();
    for (index, (media, said)) in
        [("application/json", br#"{"order":7}"#.as_slice()), ("", "grüße".as_bytes()), ("", &[0xff, 0, 0xfe])]
            .into_iter()
            .enumerate()
    {
        let message = next(&mut inbox).await;
        let Content::Raw { media: found, bytes } = &message.content else { panic!("it was taken apart") };
        assert_eq!((found.as_str(), &**bytes), (media, said), "{message:?}");
        let of = message.headers.get("x-of").map(String::as_str);
        assert_eq!(of, (index == 0).then_some("ada"), "{message:?}");
        assert!(message.about.as_map().is_some(), "{message:?}");
        keys.insert(message.key.expect("a key"));
        inbox.settle(message.ticket, Verdict::Done).await.expect("settles");
    }
    assert_eq!(keys.len(), 3, "{keys:?}");
    // One that comes while somebody waits comes at once.
    let (came, ()) = tokio::join!(next(&mut inbox), async { stage.publish(&["late"]) });
    assert_eq!(body(&came), "late");
}

pub(crate) async fn done_does_not_come_again(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one", "two"]);
    let mut inbox = stage.open(&source, 1).await;
    let one = next(&mut inbox).await;
    inbox.settle(one.ticket, Verdict::Done).await.expect("settles");
    let two = next(&mut inbox).await;
    inbox.settle(two.ticket, Verdict::Done).await.expect("settles");
    drop(inbox);
    let mut inbox = stage.open(&source, 16).await;
    stage.publish(&["three"]);
    assert_eq!(body(&next(&mut inbox).await), "three");
    assert!(nothing_within(&mut inbox, A_WHILE).await, "comes again");
}

pub(crate) async fn what_was_dropped_comes_again(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one", "two", "three"]);
    let mut inbox = stage.open(&source, 2).await;
    let done = next(&mut inbox).await;
    let left = next(&mut inbox).await;
    inbox.settle(done.ticket, Verdict::Done).await.expect("settles");
    drop(inbox);
    let mut inbox = stage.open(&source, 16).await;
    let mut found = Vec::new();
    for _ in 0..2 {
        let message = next(&mut inbox).await;
        found.push((body(&message), message.key));
    }
    found.sort();
    assert_eq!(found[1], ("two".to_owned(), left.key), "{found:?}");
    assert_eq!(found[0].0, "three");
    assert!(nothing_within(&mut inbox, A_WHILE).await, "comes twice");
}

pub(crate) async fn what_lay_on_a_lost_connection_comes_again(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let relay = Relay::to(stage.peer.port()).await;
    let mut lost = stage.open_at(&stage.at(relay.port), &source, 4).await;
    let first = next(&mut lost).await;
    let mut other = stage.open(&source, 4).await;
    relay.cut();
    let error = tokio::time::timeout(PATIENCE, lost.next()).await.expect("in time").expect_err("is noticed");
    assert_eq!(error.code, "QUEUE_BROKEN", "{error}");
    assert!(lost.settle(first.ticket, Verdict::Done).await.is_err(), "nobody was told");
    let again = next(&mut other).await;
    assert_eq!((body(&again), again.key), ("one".to_owned(), first.key));
}

pub(crate) async fn again_comes_back_and_not_too_early(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let mut inbox = stage.open(&source, 4).await;
    let first = next(&mut inbox).await;
    let wait = Duration::from_millis(700);
    let began = Instant::now();
    inbox.settle(first.ticket, Verdict::Again(wait)).await.expect("settles");
    let second = next(&mut inbox).await;
    assert!(began.elapsed() >= wait, "after {:?}", began.elapsed());
    assert_eq!((body(&second), &second.key), ("one".to_owned(), &first.key));
    inbox.settle(second.ticket, Verdict::Again(Duration::ZERO)).await.expect("settles");
    let third = next(&mut inbox).await;
    assert_eq!(third.key, first.key);
    inbox.settle(third.ticket, Verdict::Done).await.expect("settles");
    assert!(nothing_within(&mut inbox, A_WHILE).await, "comes again");
}

pub(crate) async fn dead_lies_where_people_find_it(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one", "two"]);
    let mut inbox = stage.open(&source, 4).await;
    let dead = next(&mut inbox).await;
    inbox.settle(dead.ticket, Verdict::Dead("no flow takes it\r\n+PWN".into())).await.expect("settles");
    let two = next(&mut inbox).await;
    assert_eq!(body(&two), "two");
    inbox.settle(two.ticket, Verdict::Done).await.expect("settles");
    assert!(nothing_within(&mut inbox, A_WHILE).await, "comes again");
    drop(inbox);
    let found = stage.peer.dead(&stage.name);
    match stage.peer.provider() {
        "nats" => {
            assert!(found.contains(r#""num_ack_pending":0"#) && found.contains(r#""num_pending":0"#), "{found}");
        }
        "redis" => assert!(found.contains("no flow takes it") && found.contains("body,one"), "{found}"),
        _ => assert!(found.contains(r#""payload":"one""#), "{found}"),
    }
    let mut inbox = stage.open(&source, 4).await;
    assert!(nothing_within(&mut inbox, A_WHILE).await, "comes again");
}

pub(crate) async fn no_more_than_at_once_are_unsettled(stage: Stage) {
    let source = stage.make();
    stage.publish(&["1", "2", "3", "4", "5"]);
    let mut inbox = stage.open(&source, 2).await;
    let (one, two) = (next(&mut inbox).await, next(&mut inbox).await);
    assert!(nothing_within(&mut inbox, A_WHILE).await, "a third one");
    inbox.settle(two.ticket, Verdict::Done).await.expect("settles");
    let three = next(&mut inbox).await;
    assert_eq!((body(&one), body(&two), body(&three)), ("1".into(), "2".into(), "3".into()));
    assert!(nothing_within(&mut inbox, Duration::from_millis(300)).await, "a third one");
    inbox.settle(one.ticket, Verdict::Done).await.expect("settles");
    assert_eq!(body(&next(&mut inbox).await), "4");
}

pub(crate) async fn waiting_may_be_given_up(stage: Stage) {
    let source = stage.make();
    let mut inbox = stage.open(&source, 16).await;
    let (peer, name) = (stage.peer.clone(), stage.name.clone());
    // Five at a time, whenever somebody has just given up.
    let (more, wanted) = std::sync::mpsc::sync_channel(1);
    let publishing = tokio::task::spawn_blocking(move || {
        for five in 0..200 {
            let () = wanted.recv().expect("more are wanted");
            for body in (five * 5..five * 5 + 5).map(|number: u32| number.to_string()) {
                peer.publish(&name, &[Given { id: &body, headers: &[], body: body.as_bytes() }]);
            }
        }
    });
    let (mut found, mut given_up) = (Vec::new(), 0);
    let began = Instant::now();
    while found.len() < 1_000 {
        assert!(began.elapsed() < PATIENCE, "{} came", found.len());
        // Now after a look, now after some time.
        let patience = Duration::from_millis(given_up % 3);
        tokio::select! {
            () = tokio::time::sleep(patience) => {
                given_up += 1;
                // Where it is full, or all are published, there is nothing to say.
                let _ = more.try_send(());
            }
            message = inbox.next() => {
                let message = message.expect("a message");
                found.push(body(&message).parse::<u32>().expect("a number"));
                inbox.settle(message.ticket, Verdict::Done).await.expect("settles");
            }
        }
    }
    publishing.await.expect("publishes");
    assert!(given_up >= 200, "{given_up}");
    assert_eq!(found, (0..1_000).collect::<Vec<_>>());
}

pub(crate) async fn two_share_what_comes(stage: Stage) {
    let source = stage.make();
    let (mut left, mut right) = (stage.open(&source, 8).await, stage.open(&source, 8).await);
    let all: BTreeSet<String> = (0..200).map(|number| number.to_string()).collect();
    let bodies: Vec<&str> = all.iter().map(String::as_str).collect();
    stage.publish(&bodies);
    let (mut found, mut of_left) = (Vec::new(), 0);
    while found.len() < all.len() {
        let (inbox, message) = tokio::select! {
            message = left.next() => { of_left += 1; (&mut left, message) }
            message = right.next() => (&mut right, message),
            () = tokio::time::sleep(PATIENCE) => panic!("{} came", found.len()),
        };
        let message = message.expect("a message");
        inbox.settle(message.ticket, Verdict::Done).await.expect("settles");
        found.push(body(&message));
    }
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), all);
    assert!((1..200).contains(&of_left), "{of_left} went to one");
    let (none_left, none_right) = tokio::join!(nothing_within(&mut left, A_WHILE), nothing_within(&mut right, A_WHILE));
    assert!(none_left && none_right, "some came twice");
}

pub(crate) async fn what_is_worked_on_stays(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let mut inbox = stage.open(&source, 4).await;
    let mut other = stage.open(&source, 4).await;
    let (slow, other) = tokio::select! {
        message = next(&mut inbox) => (message, &mut other),
        message = next(&mut other) => (message, &mut inbox),
    };
    let long = Duration::from_secs(4 * IDLE);
    assert!(nothing_within(other, long).await, "{:?} came to another though it is worked on", slow.key);
}

pub(crate) async fn what_is_settled_is_settled_once(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let mut inbox = stage.open(&source, 4).await;
    // One that was never given out, and one that was settled already.
    inbox.settle(Ticket(77), Verdict::Done).await.expect("nothing to do");
    let one = next(&mut inbox).await;
    inbox.settle(one.ticket, Verdict::Done).await.expect("settles");
    inbox.settle(one.ticket, Verdict::Again(Duration::ZERO)).await.expect("nothing to do");
    assert!(nothing_within(&mut inbox, A_WHILE).await, "comes again");
}
