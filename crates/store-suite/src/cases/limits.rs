//! Concurrency limits, and the queues before them.

use std::sync::Arc;

use model::limits::QUEUED_PER_KEY;
use model::play::{PlayHeader, PlayState, SlotPlace};
use model::time::Timestamp;
use store::{Conflict, LimitCount, Store};

use crate::things::{
    COMPANY, batch, flow, header, limit_key, next, play, slot, write,
};
use super::{admit, conflict, end, go_on, ok};

async fn limit(store: &Arc<dyn Store>) -> LimitCount {
    store.limit(COMPANY, limit_key(1)).await.expect("reads")
}

/// Admits a play into the queue.
async fn queue(store: &Arc<dyn Store>, ms: u64, max: u32) -> PlayHeader {
    admit(store, play(COMPANY, ms), |header| {
        header.owner = None;
        header.state = PlayState::Deferred;
        header.slot = Some(slot(SlotPlace::Queued, max));
    })
    .await
}

fn hold(max: u32) -> impl FnOnce(&mut PlayHeader) {
    move |header| {
        header.state = PlayState::Run;
        header.slot = Some(slot(SlotPlace::Held, max));
    }
}

pub(super) async fn slots_are_given_out_up_to_the_limit(store: Arc<dyn Store>) {
    let one = admit(&store, play(COMPANY, 1), hold(2)).await;
    admit(&store, play(COMPANY, 2), hold(2)).await;
    let mut third = header(play(COMPANY, 3));
    hold(2)(&mut third);
    assert_eq!(conflict(&store, batch([write(&third)])).await, Conflict::SlotBusy);
    assert_eq!(limit(&store).await, LimitCount { held: 2, queued: 0 });
    let third = queue(&store, 3, 2).await;
    let fourth = queue(&store, 4, 2).await;
    assert_eq!(limit(&store).await, LimitCount { held: 2, queued: 2 });
    assert_eq!(store.queue_heads(COMPANY, flow(1)).await.expect("reads"), [third.key]);
    assert!(store.due(Timestamp(1), 10).await.expect("reads").is_empty());

    let ended = next(&one, end);
    let woken = ok(&store, batch([write(&ended)])).await.woken;
    assert_eq!(woken, [(third.key, None)], "the first in the queue is woken by the commit that frees the slot");
    assert_eq!(store.due(Timestamp(0), 10).await.expect("reads"), [third.key]);
    let fourth_now = next(&fourth, hold(2));
    assert_eq!(conflict(&store, batch([write(&fourth_now)])).await, Conflict::SlotBusy, "first in, first out");
    go_on(&store, &third, hold(2)).await;
    assert_eq!(limit(&store).await, LimitCount { held: 2, queued: 1 });
    // Another key has slots of its own; two in one batch see each other.
    let other = |ms| {
        let mut header = header(play(COMPANY, ms));
        header.slot = Some(model::play::Slot { key: limit_key(2), ..slot(SlotPlace::Held, 1) });
        write(&header)
    };
    assert_eq!(conflict(&store, batch([other(8), other(9)])).await, Conflict::SlotBusy);
    ok(&store, batch([other(8)])).await;
}

pub(super) async fn a_newcomer_does_not_pass_the_queue(store: Arc<dyn Store>) {
    let holder = admit(&store, play(COMPANY, 1), hold(1)).await;
    let queued = queue(&store, 2, 1).await;
    go_on(&store, &holder, end).await;
    let mut newcomer = header(play(COMPANY, 3));
    hold(1)(&mut newcomer);
    assert_eq!(conflict(&store, batch([write(&newcomer)])).await, Conflict::SlotBusy);
    let granted = go_on(&store, &queued, hold(1)).await;
    go_on(&store, &granted, end).await;
    assert_eq!(limit(&store).await, LimitCount::default());
    ok(&store, batch([write(&newcomer)])).await;
}

pub(super) async fn a_slot_that_came_free_meanwhile_wakes_the_queue(store: Arc<dyn Store>) {
    let due = async || store.due(Timestamp(0), 10).await.expect("reads");
    let holder = admit(&store, play(COMPANY, 1), hold(1)).await;
    let queued = queue(&store, 2, 1).await;
    let stays = next(&queued, |header| header.due = None);
    assert_eq!((ok(&store, batch([write(&stays)])).await.woken, due().await), (vec![], vec![]));
    go_on(&store, &holder, end).await;
    // It found no slot, and says so only now that there is one.
    let stays = next(&stays, |header| header.due = None);
    assert_eq!(ok(&store, batch([write(&stays)])).await.woken, [(queued.key, None)]);
    assert_eq!(due().await, [queued.key]);
    let granted = go_on(&store, &stays, hold(1)).await;
    go_on(&store, &granted, end).await;
    let late = queue(&store, 3, 1).await;
    assert_eq!(due().await, [late.key], "whoever comes to the queue finds the slot that is free");
}

pub(super) async fn canceled_in_the_queue_lets_the_next_look(store: Arc<dyn Store>) {
    let holder = admit(&store, play(COMPANY, 1), hold(1)).await;
    let first = queue(&store, 2, 1).await;
    let second = queue(&store, 3, 1).await;
    go_on(&store, &holder, end).await;
    let canceled = next(&first, |header| {
        end(header);
        header.state = PlayState::Canceled;
    });
    let woken = ok(&store, batch([write(&canceled)])).await.woken;
    assert_eq!(woken, [(second.key, None)]);
    go_on(&store, &second, hold(1)).await;
    assert_eq!(limit(&store).await, LimitCount { held: 1, queued: 0 });
}

pub(super) async fn a_queue_has_an_end(store: Arc<dyn Store>) {
    let queued = |ms: u64| {
        let mut header = header(play(COMPANY, ms));
        header.owner = None;
        header.slot = Some(slot(SlotPlace::Queued, 1));
        write(&header)
    };
    ok(&store, batch((1..=QUEUED_PER_KEY).map(queued))).await;
    assert_eq!(limit(&store).await.queued, QUEUED_PER_KEY);
    assert_eq!(conflict(&store, batch([queued(QUEUED_PER_KEY + 1)])).await, Conflict::QueueFull);
}
