//! A store that takes longer to read than the server remembers.

use std::sync::Arc;

use model::payload::Digest;
use mongodb::bson::doc;
use store::{Store as _, StoreError};

use crate::stage::{Stage, batch, commit, header, play};

/// Plays that are committed while a dump waits, in the first try; more in each that follows.
const COMMITS: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_has_forgotten_is_told_with_what_to_do() {
    let stage = Stage::new().await;
    let (store, admin) = (stage.store().await, stage.raw().await.database("admin"));
    let short = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 1 };
    admin.run_command(short).await.expect("is set");
    for number in 1..=12 {
        // More than is on its way at once: the dump waits.
        let value: Arc<[u8]> = vec![number as u8; 1 << 20].into();
        let mut large = batch(&header(play(number), None));
        large.plays[0].values = vec![(Digest::of(&value), value)];
        store.commit(large).await.expect("commits");
    }
    let mut next = 100;
    for tries in 1..10 {
        let mut rows = store.dump().await.expect("begins");
        for number in next..next + tries * COMMITS {
            commit(&store, &header(play(number), None)).await.expect("commits");
        }
        next += tries * COMMITS;
        let told = loop {
            match rows.next().await {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if let Some(StoreError::Failed(message)) = told {
            assert!(message.contains("minSnapshotHistoryWindowInSeconds"), "{message}");
            return;
        }
    }
    panic!("the server remembers for ever");
}
