//! All of a store, given out and taken in.

use std::sync::Arc;

use model::batch::Batch;
use model::payload::Digest;
use store::row::{Row, RowKind};
use store::{Store, StoreError};

use crate::things::{
    COMPANY, audit_row, batch, header, play, write,
};
use super::{admit, end, go_on, ok};

pub(super) async fn a_store_is_given_out_as_it_was_at_one_instant(store: Arc<dyn Store>) {
    // More than is on its way at once, so that the store is not read to its end before the next commit.
    for number in 1..=12 {
        let mut admitted = write(&header(play(COMPANY, number)));
        let value: Arc<[u8]> = vec![number as u8; 1 << 20].into();
        admitted.values = vec![(Digest::of(&value), value)];
        ok(&store, Batch { audit: vec![audit_row(COMPANY, "play.run", "before")], ..batch([admitted]) }).await;
    }
    let mut rows = store.dump().await.expect("begins");
    for number in 13..=20 {
        let admitted = write(&header(play(COMPANY, number)));
        ok(&store, Batch { audit: vec![audit_row(COMPANY, "play.run", "after")], ..batch([admitted]) }).await;
    }
    go_on(&store, &header(play(COMPANY, 1)), end).await;
    let mut seen = Vec::new();
    while let Some(page) = rows.next().await.expect("reads") {
        seen.extend(page);
    }
    assert_eq!(seen[0], Row::Counters { feed: 12, audit: 12 });
    let count = |kind: RowKind| seen.iter().filter(|row| row.kind() == kind).count();
    let counts = [RowKind::Plays, RowKind::Chunks, RowKind::Values, RowKind::Audit].map(count);
    assert_eq!(counts, [12, 12, 12, 12], "what came later is not in it");
    assert!(seen.contains(&Row::Play(Box::new(header(play(COMPANY, 1))))), "nor is what became of a play");
    assert!(seen.windows(2).all(|pair| pair[0].kind() <= pair[1].kind()), "kinds come in their order");
}

pub(super) async fn a_store_that_holds_something_is_not_filled(store: Arc<dyn Store>) {
    admit(&store, play(COMPANY, 1), |_| {}).await;
    assert!(matches!(store.fill().await.map(drop), Err(StoreError::NotEmpty(_))));
    // It goes on as if nobody had asked.
    admit(&store, play(COMPANY, 2), |_| {}).await;
}
