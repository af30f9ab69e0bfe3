//! What plays wait for, and the events that they wait for.

use std::sync::Arc;

use model::batch::{Batch, Event, Wait, WaitKind};
use model::doc::DocKind;
use model::ids::{EventId, Id, LayerId};
use model::play::{PlayHeader, PlayKey, PlayState};
use model::record::MessageBody;
use model::time::Timestamp;
use model::value::Value;
use store::{DocQuery, Store, WaitQuery};

use crate::things::{
    COMPANY, OTHER, batch, header, next, play, write,
};
use super::ok;

pub(super) fn wait(play: PlayKey, kind: WaitKind, key: &str, number: u64) -> Wait {
    Wait {
        play,
        kind,
        key: key.into(),
        layer: LayerId(Id::from_parts(3, number)),
        since: Timestamp(100 - number as i64),
    }
}

pub(super) async fn waits(store: &Arc<dyn Store>, kind: WaitKind) -> Vec<Wait> {
    let query = WaitQuery { company: COMPANY, kind, play: None, skip: 0, limit: 100 };
    store.waits(&query).await.expect("reads")
}

async fn waiting(store: &Arc<dyn Store>, key: PlayKey, waits: Vec<Wait>) -> PlayHeader {
    let mut write = write(&header(key));
    write.header.owner = None;
    write.header.state = PlayState::Wait;
    write.waits = waits;
    let header = write.header.clone();
    ok(store, batch([write])).await;
    header
}

pub(super) async fn what_is_awaited_is_found(store: Arc<dyn Store>) {
    let (one, two) = (play(COMPANY, 1), play(COMPANY, 2));
    let first = wait(one, WaitKind::Approval, "", 5);
    let second = wait(two, WaitKind::Approval, "", 4);
    let parked = waiting(&store, one, vec![first.clone(), wait(one, WaitKind::Event, "paid", 3)]).await;
    waiting(&store, two, vec![second.clone()]).await;
    waiting(&store, play(OTHER, 3), vec![wait(play(OTHER, 3), WaitKind::Approval, "", 2)]).await;
    assert_eq!(waits(&store, WaitKind::Approval).await, [first.clone(), second.clone()], "in the order of since");
    assert_eq!(waits(&store, WaitKind::InDoubt).await, []);
    let of_two = WaitQuery { company: COMPANY, kind: WaitKind::Approval, play: Some(two.play), skip: 0, limit: 9 };
    assert_eq!(store.waits(&of_two).await.expect("reads"), std::slice::from_ref(&second));
    let mut decided = write(&next(&parked, |_| {}));
    decided.waited = vec![(WaitKind::Approval, String::new(), first.layer)];
    ok(&store, batch([decided])).await;
    assert_eq!(waits(&store, WaitKind::Approval).await, [second]);
    assert_eq!(waits(&store, WaitKind::Event).await.len(), 1);
}

fn event(key: &str, number: u64) -> Event {
    Event {
        id: EventId(Id::from_parts(6, number)),
        company: COMPANY,
        key: key.into(),
        data: Value::from(number),
        at: Timestamp(60),
        expires_at: Timestamp(1_000),
    }
}

pub(super) async fn an_event_reaches_all_who_wait(store: Arc<dyn Store>) {
    let (one, two, three) = (play(COMPANY, 1), play(COMPANY, 2), play(COMPANY, 3));
    waiting(&store, one, vec![wait(one, WaitKind::Event, "paid", 1)]).await;
    waiting(&store, two, vec![wait(two, WaitKind::Event, "paid", 1), wait(two, WaitKind::Event, "paid", 2)]).await;
    waiting(&store, three, vec![wait(three, WaitKind::Event, "sent", 1)]).await;
    let posted = ok(&store, Batch { events: vec![event("paid", 1)], ..Batch::default() }).await;
    assert!(posted.woken.iter().all(|(key, _)| *key == one || *key == two));
    for (key, messages) in [(one, 1), (two, 1), (three, 0)] {
        assert_eq!(store.load(key).await.expect("reads").expect("is there").messages.len(), messages);
    }
    let body = store.load(one).await.expect("reads").expect("is there").messages.remove(0).body;
    assert_eq!(body, MessageBody::Event { key: "paid".into(), data: Value::from(1) });
    let mut due = store.due(Timestamp(60), 10).await.expect("reads");
    due.sort();
    assert_eq!(due, [one, two]);
    assert_eq!(waits(&store, WaitKind::Event).await.len(), 1, "whoever was reached waits no more");
}

pub(super) async fn an_event_is_kept_where_nobody_waits(store: Arc<dyn Store>) {
    ok(&store, Batch { events: vec![event("paid", 1), event("paid/2", 2)], ..Batch::default() }).await;
    let query = DocQuery { prefix: Event::doc_prefix("paid"), ..DocQuery::all(COMPANY, DocKind::Event, 10) };
    let kept = store.docs(&query).await.expect("reads");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].read::<Value>().expect("JSON"), Value::from(1));
    assert_eq!(kept[0].expires_at, Some(Timestamp(1_000)));
}
