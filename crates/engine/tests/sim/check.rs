//! What must hold when everything has ended, beyond one play.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::kv::{self, KvOwner};
use model::batch::WaitKind;
use model::ids::PlayId;
use model::play::{LayerState, Slot};
use model::record::{Record, Resolution, StepId, Stop};
use sdk::KvScope;
use store::{LimitCount, Store, WaitQuery};

use crate::ledger::{Did, Ledger};
use crate::site::Site;
use crate::stage::{COMPANY, Stage, json};
use crate::tale::{Tale, ensure};

/// Looks at all plays as they stand, in the middle of things.
pub(crate) async fn so_far(site: &Site) -> Result<(), String> {
    for header in site.plays().await {
        let play = header.key.play;
        let told = |error: String| format!("play {}: {error}", play.0);
        let tale = Tale::read(&site.auditor, header).await.map_err(told)?;
        tale.check_so_far(&*site.memory).await.map_err(told)?;
    }
    Ok(())
}

/// Looks at everything, after the last play has ended.
pub(crate) async fn at_the_end(site: &Site, ledger: &Arc<Ledger>) -> Result<usize, String> {
    let mut tales = BTreeMap::new();
    for header in site.plays().await {
        let play = header.key.play;
        let told = |error: String| format!("play {}: {error}", play.0);
        let tale = Tale::read(&site.auditor, header).await.map_err(told)?;
        tale.check_so_far(&*site.memory).await.map_err(told)?;
        tale.check_end().map_err(told)?;
        tales.insert(play, tale);
    }
    nothing_is_left(site, &tales).await?;
    promises_are_kept(ledger, &tales)?;
    effects_are_as_recorded(site, &tales)?;
    key_values_count_once(site, &tales).await?;
    feed_has_no_gaps(site, &tales).await?;
    keys_still_answer(site, ledger).await?;
    Ok(tales.len())
}

async fn nothing_is_left(site: &Site, tales: &BTreeMap<PlayId, Tale>) -> Result<(), String> {
    for slot in tales.values().filter_map(|tale| tale.header.slot.as_ref()) {
        let Slot { key, .. } = slot;
        let count = site.memory.limit(COMPANY, *key).await.map_err(|error| error.to_string())?;
        ensure!(count == LimitCount::default(), "the limiter still counts {count:?}");
    }
    for kind in [WaitKind::Approval, WaitKind::Event, WaitKind::InDoubt] {
        let query = WaitQuery { company: COMPANY, kind, play: None, skip: 0, limit: 9 };
        let waits = site.memory.waits(&query).await.map_err(|error| error.to_string())?;
        ensure!(waits.is_empty(), "waits are left: {waits:?}");
    }
    let due = site.memory.next_due().await.map_err(|error| error.to_string())?;
    ensure!(due.is_none(), "something is due still: {due:?}");
    let (active, attempts) = (site.engine.active_plays(), site.engine.attempts_under_way());
    ensure!(active == 0 && attempts == 0, "{active} plays and {attempts} attempts are left in memory");
    Ok(())
}

/// What was acknowledged is so.
fn promises_are_kept(ledger: &Ledger, tales: &BTreeMap<PlayId, Tale>) -> Result<(), String> {
    let pages = ledger.read();
    for play in &pages.plays {
        ensure!(tales.contains_key(play), "the acknowledged play {} is lost", play.0);
    }
    for (play, tale) in tales {
        for did in [Did::Decide, Did::Resolve, Did::Cancel, Did::Hold, Did::Resume] {
            let promised = pages.commands.iter().filter(|(of, what)| of == play && *what == did).count();
            let recorded = tale.entries.iter().filter(|entry| is(&entry.record, did)).count();
            ensure!(promised <= recorded, "{did:?} of {} was acknowledged and is not recorded", play.0);
        }
    }
    Ok(())
}

fn is(record: &Record, did: Did) -> bool {
    match record {
        Record::ApprovalGiven { .. } => did == Did::Decide,
        Record::Resolved { .. } => did == Did::Resolve,
        Record::Stopping { stop: Stop::Cancel, .. } => did == Did::Cancel,
        Record::Held { .. } => did == Did::Hold,
        Record::Resumed { .. } => did == Did::Resume,
        _ => false,
    }
}

/// The peer saw what is recorded, each intent once at most, under the step's own key.
fn effects_are_as_recorded(site: &Site, tales: &BTreeMap<PlayId, Tale>) -> Result<(), String> {
    let mut intents: BTreeMap<(PlayId, String), (StepId, u32)> = BTreeMap::new();
    for (play, tale) in tales {
        for (step, _) in tale.intents() {
            intents.entry((*play, tale.key_of(step))).or_insert((step.clone(), 0)).1 += 1;
        }
    }
    let mut seen: BTreeMap<(PlayId, String), (u32, u32)> = BTreeMap::new();
    let mut attempts = std::collections::BTreeSet::new();
    for call in site.peer.calls() {
        ensure!(
            attempts.insert((call.play, call.key.clone(), call.attempt)),
            "attempt {} of {} was made twice",
            call.attempt,
            call.play.0
        );
        let (calls, done) = seen.entry((call.play, call.key.clone())).or_default();
        *calls += 1;
        *done += u32::from(call.done);
    }
    for ((play, key), (calls, done)) in seen {
        let Some((step, intended)) = intents.get(&(play, key.clone())) else {
            return Err(format!("the peer saw the key {key} of {}, of which nothing is recorded", play.0));
        };
        ensure!(calls <= *intended, "{calls} calls of {step:?} of {} and {intended} intents", play.0);
        let Some(tale) = tales.get(&play) else { continue };
        let asked = tale.entries.iter().filter(|entry| {
            matches!(&entry.record, Record::Resolved { step: of, decision: Resolution::Repeat, .. } if of == step)
        });
        let allowed = 1 + asked.count() as u32;
        ensure!(
            !tale.writes(step) || tale.repeats(step) || done <= allowed,
            "{step:?} of {} took effect {done} times, at most {allowed} were asked for",
            play.0
        );
    }
    Ok(())
}

/// Every change of a key/value that is recorded as done was made, once.
async fn key_values_count_once(site: &Site, tales: &BTreeMap<PlayId, Tale>) -> Result<(), String> {
    for (app, key) in [("kv-increment", "count"), ("kv-append", "list")] {
        let mut recorded = 0;
        for tale in tales.values() {
            for end in tale.ends().filter(|end| end.state == LayerState::Done && end.reused_from.is_none()) {
                let def = &tale.plan.layer(&end.step).def;
                let (id, args) = match &def.compensate {
                    Some(undo) if end.step.undo => (&undo.app_id, &undo.args),
                    _ => (&def.app_id, &def.args),
                };
                recorded += u64::from(id == app && args.get("key").and_then(|key| key.as_str()) == Some(key));
            }
        }
        let Some(flow) = tales.values().next().map(|tale| tale.header.flow.id) else { return Ok(()) };
        let owner = KvOwner { company: COMPANY, flow, group: None };
        let doc = kv::doc_key(owner, KvScope::Global, key).ok_or("no key")?;
        let counted = match site.memory.doc(&doc).await.map_err(|error| error.to_string())? {
            None => 0,
            Some(doc) => {
                let value =
                    kv::read(site.auditor.seal(), &doc, site.auditor.now()).map_err(|error| error.to_string())?;
                let value = value.unwrap_or_default();
                match value.as_list() {
                    Some(items) => items.len() as u64,
                    None => value.to_json().parse().map_err(|_| format!("{key} holds {}", value.to_json()))?,
                }
            }
        };
        ensure!(counted == recorded, "{app}: {recorded} changes are recorded, {counted} were made");
    }
    Ok(())
}

async fn feed_has_no_gaps(site: &Site, tales: &BTreeMap<PlayId, Tale>) -> Result<(), String> {
    let feed = site.memory.feed(None, 0, usize::MAX).await.map_err(|error| error.to_string())?;
    let mut records: BTreeMap<PlayId, u64> = BTreeMap::new();
    for (at, row) in feed.iter().enumerate() {
        ensure!(row.feed == at as u64 + 1, "place {at} of the feed has number {}", row.feed);
        let count = records.entry(row.play.play).or_default();
        ensure!(row.chunk.from == *count, "a chunk of {} begins at {}, after {count}", row.play.play.0, row.chunk.from);
        *count += u64::from(row.chunk.count);
    }
    for (play, tale) in tales {
        ensure!(records.get(play) == Some(&tale.header.records), "the feed lacks records of {}", play.0);
    }
    Ok(())
}

/// The same idempotency key answers with the same play, as long as it is kept.
async fn keys_still_answer(site: &Site, ledger: &Ledger) -> Result<(), String> {
    for (key, granted) in ledger.read().keys {
        if site.watch.elapsed() - granted.at > Duration::from_secs(23 * 3600) {
            continue;
        }
        let mut admit = Stage::wish(&granted.flow, &granted.args);
        admit.idempotency_key = Some(key.clone());
        let again = site.engine.admit(admit.clone(), None).await.map_err(|error| format!("{key}: {error}"))?;
        ensure!(
            again.replayed && again.header.key.play == granted.play,
            "{key} gave {} and then {}",
            granted.play.0,
            again.header.key.play.0
        );
        admit.args = json(r#"{"other":1}"#);
        ensure!(site.engine.admit(admit, None).await.is_err(), "{key} is granted with other arguments");
    }
    Ok(())
}
