//! What a replica hears of the others.

use std::time::Duration;

use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use store::{Signal, Store as _};
use tokio::sync::mpsc::Receiver;

use crate::stage::{COMPANY, FLOW, Stage};

/// What is heard next, within a minute.
async fn heard(signals: &mut Receiver<Signal>) -> Signal {
    let heard = tokio::time::timeout(Duration::from_secs(60), signals.recv()).await;
    heard.expect("in time").expect("the stream goes on")
}

#[tokio::test]
async fn what_others_change_of_flows_and_of_access_is_heard_and_new_access_is_not() {
    let stage = Stage::new().await;
    let (here, there) = (stage.store().await, stage.store().await);
    let mut signals = here.watch().await.expect("replicas share it");
    assert_eq!(heard(&mut signals).await, Signal::Unknown, "whatever was before");
    let write = async |kind, id: &str, removes: bool| {
        let key = DocKey::new(COMPANY, kind, id);
        let write = if removes {
            DocWrite::remove(key, Expect::Anything)
        } else {
            DocWrite::put(key, Expect::Anything, "something")
        };
        there.commit(Batch { docs: vec![write], ..Batch::default() }).await.expect("commits");
    };
    for kind in [DocKind::ApiKey, DocKind::Session, DocKind::User] {
        write(kind, "one", false).await;
        write(kind, "one", true).await;
        assert_eq!(heard(&mut signals).await, Signal::Access, "{kind} is gone");
    }
    // Were the beginnings told, they would be heard before this.
    write(DocKind::Flow, &FLOW.to_string(), false).await;
    assert_eq!(heard(&mut signals).await, Signal::Flow(COMPANY, FLOW));
    for kind in [DocKind::Calendar, DocKind::Channel, DocKind::Schedule] {
        write(kind, "one", false).await;
        assert_eq!(heard(&mut signals).await, Signal::WayIn, "{kind} is new");
    }
    write(DocKind::User, "two", false).await;
    write(DocKind::User, "two", false).await;
    assert_eq!(heard(&mut signals).await, Signal::Access, "a user has changed");
}
