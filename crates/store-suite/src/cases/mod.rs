//! What a store must do, a promise a case: one file for each kind of thing that it keeps.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use model::batch::Batch;
use model::play::{PlayHeader, PlayKey, PlayState, SlotPlace};
use store::{CommitError, Conflict, Store};

use crate::things::{batch, header, next, write};

/// A case at work.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A promise.
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    /// Panics where an empty store does not keep it.
    pub run: fn(Arc<dyn Store>) -> Running,
}

macro_rules! cases {
    ($($room:ident: $($name:ident)* ;)*) => {
        $(mod $room;)*

        /// All promises.
        pub const CASES: &[Case] =
            &[$($(Case { name: stringify!($name), run: |store| Box::pin($room::$name(store)) },)*)*];
    };
}

cases! {
    documents:
        a_document_changes_only_as_expected
        a_key_may_pass_from_one_document_to_another
        a_unique_key_finds_its_document_and_is_kept_unique
        documents_are_listed_by_prefix_and_cursor
        documents_expire
        whoever_loses_a_race_reads_who_won
    ;
    dumps:
        a_store_is_given_out_as_it_was_at_one_instant
        a_store_that_holds_something_is_not_filled
    ;
    limits:
        a_newcomer_does_not_pass_the_queue
        a_queue_has_an_end
        a_slot_that_came_free_meanwhile_wakes_the_queue
        canceled_in_the_queue_lets_the_next_look
        slots_are_given_out_up_to_the_limit
    ;
    plays:
        a_batch_happens_as_a_whole_or_not_at_all
        a_message_wakes_a_play_that_nobody_has
        a_play_comes_back_as_it_was_written
        a_play_that_is_let_go_with_unread_messages_is_due
        a_revision_that_does_not_follow_is_refused
        adopted_plays_are_due_at_once
        reads_that_nobody_goes_on_with_keep_nobody_out
        an_ended_play_keeps_its_records_and_nothing_else
        companies_are_kept_apart
        due_plays_come_in_order_and_in_fair_shares
        lists_are_filtered_newest_first
        records_are_read_from_anywhere
        values_are_kept_once
    ;
    records:
        audit_rows_are_found_and_stay_apart
        dropped_audit_rows_are_gone_and_their_numbers_with_them
        the_audit_log_is_read_as_it_is_stored
        forgetting_removes_ended_plays_alone
        the_feed_has_all_records_in_the_order_of_commits
    ;
    waits:
        an_event_is_kept_where_nobody_waits
        an_event_reaches_all_who_wait
        what_is_awaited_is_found
    ;
}

async fn ok(store: &Arc<dyn Store>, batch: Batch) -> model::batch::Committed {
    store.commit(batch).await.expect("commits")
}

async fn conflict(store: &Arc<dyn Store>, batch: Batch) -> Conflict {
    match store.commit(batch).await {
        Err(CommitError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, not {other:?}"),
    }
}

async fn admit(store: &Arc<dyn Store>, key: PlayKey, change: impl FnOnce(&mut PlayHeader)) -> PlayHeader {
    let mut admitted = header(key);
    change(&mut admitted);
    ok(store, batch([write(&admitted)])).await;
    admitted
}

async fn go_on(store: &Arc<dyn Store>, before: &PlayHeader, change: impl FnOnce(&mut PlayHeader)) -> PlayHeader {
    let after = next(before, change);
    ok(store, batch([write(&after)])).await;
    after
}

fn end(header: &mut PlayHeader) {
    header.state = PlayState::Done;
    header.owner = None;
    header.due = None;
    if let Some(slot) = &mut header.slot {
        slot.place = SlotPlace::Left;
    }
}
