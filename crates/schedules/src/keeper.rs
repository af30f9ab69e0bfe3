//! [`Keeper`]: deals with ticks when their time comes. It sleeps until the next one; nothing is polled.
//!
//! Every replica has one. Whoever is first commits a tick's play together with how far the schedule has come;
//! for the others that document has changed then, and they go on to the next tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::companies::companies;
use engine::driver::{Admit, AdmitError, Foreseen, RequestInfo};
use futures::StreamExt as _;
use model::Failure;
use model::actor::{Actor, ActorKind};
use model::batch::Batch;
use model::command::Command;
use model::doc::{DocKey, DocKind, Expect};
use model::ids::{CompanyId, PlayId};
use model::limits::SCHEDULES;
use model::payload::Digest;
use model::play::{PlayKey, Trigger};
use model::time::Timestamp;
use model::value::Value;
use store::{CommitError, DocQuery, StoreError};

use crate::due::{Asked, asked};
use crate::figures::{Figures, Outcome};
use crate::kept::{Progress, calendar_of, progress_of, read};
use crate::schedule::{Overlap, Schedule};
use crate::ticks::Ticks;

/// Schedules that are dealt with at once.
const AT_ONCE: usize = 16;

/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long changes are gathered before schedules are read again: they may come by the hundred.
const GATHER: Duration = Duration::from_millis(100);

/// Deals with the ticks of all schedules.
#[derive(Clone)]
pub struct Keeper {
    engine: Arc<Engine>,
    figures: Figures,
}

/// When each schedule is to be looked at, and at which revision it was read.
#[derive(Default)]
struct Table {
    known: BTreeMap<DocKey, (u64, Option<Timestamp>)>,
    queue: BTreeSet<(Timestamp, DocKey)>,
}

impl Table {
    fn set(&mut self, key: DocKey, revision: u64, at: Option<Timestamp>) {
        self.forget(&key);
        if let Some(at) = at {
            self.queue.insert((at, key.clone()));
        }
        self.known.insert(key, (revision, at));
    }

    fn forget(&mut self, key: &DocKey) {
        if let Some((_, Some(at))) = self.known.remove(key) {
            self.queue.remove(&(at, key.clone()));
        }
    }

    fn due(&self, now: Timestamp) -> Vec<(DocKey, u64)> {
        let due = self.queue.iter().take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, key)| Some((key.clone(), self.known.get(key)?.0))).collect()
    }
}

impl Keeper {
    /// Deals with the schedules of an engine.
    pub fn new(engine: Arc<Engine>, figures: Figures) -> Self {
        Self { engine, figures }
    }

    /// Deals with ticks, for as long as the process lives.
    pub async fn keep(self) {
        let mut changes = self.engine.ways_in();
        let mut table = Table::default();
        loop {
            changes.mark_unchanged();
            if let Err(error) = self.refresh(&mut table).await {
                tracing::warn!(%error, "cannot read the schedules; trying again");
                self.engine.sleep(AFTER_FAILURE).await;
                continue;
            }
            loop {
                self.deal_with_due(&mut table).await;
                let now = self.engine.now();
                let next = table.queue.first().map_or(Timestamp(i64::MAX), |(at, _)| *at);
                tokio::select! {
                    // The sender lives as long as the engine.
                    _ = changes.changed() => break self.engine.sleep(GATHER).await,
                    () = self.engine.sleep(next.since(now).min(self.engine.longest_sleep())) => {}
                }
            }
        }
    }

    /// Reads what has changed of all schedules.
    async fn refresh(&self, table: &mut Table) -> Result<(), StoreError> {
        let store = self.engine.store();
        let mut gone: BTreeSet<DocKey> = table.known.keys().cloned().collect();
        for company in companies(&**store).await? {
            let calendars = store.docs(&DocQuery::all(company, DocKind::Calendar, SCHEDULES)).await?;
            // A changed calendar may move any tick of the company's: all of them are looked at again.
            let calendars: u64 = calendars.iter().map(|doc| doc.revision).sum::<u64>() + calendars.len() as u64;
            for doc in store.docs(&DocQuery::all(company, DocKind::Schedule, SCHEDULES)).await? {
                gone.remove(&doc.key);
                let revision = doc.revision << 32 | calendars & 0xffff_ffff;
                if table.known.get(&doc.key).is_none_or(|(known, _)| *known != revision) {
                    table.set(doc.key, revision, Some(Timestamp::MIN));
                }
            }
        }
        gone.iter().for_each(|key| table.forget(key));
        Ok(())
    }

    /// Deals with all that is due, in turns, so that a schedule that missed much keeps no other waiting.
    async fn deal_with_due(&self, table: &mut Table) {
        loop {
            let due = table.due(self.engine.now());
            if due.is_empty() || self.engine.is_draining() {
                return;
            }
            let turns = due.into_iter().map(|(key, revision)| async move {
                let again = self.turn(&key).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, schedule = key.id, "cannot deal with a schedule; trying again");
                    Some(self.engine.now().plus(AFTER_FAILURE))
                });
                (key, revision, again)
            });
            let done: Vec<_> = futures::stream::iter(turns).buffer_unordered(AT_ONCE).collect().await;
            for (key, revision, again) in done {
                table.set(key, revision, again);
            }
        }
    }

    /// One step of one schedule; says when to look at it again.
    async fn turn(&self, key: &DocKey) -> Result<Option<Timestamp>, StoreError> {
        let store = self.engine.store();
        // What somebody has just changed holds: nothing is taken from memory here.
        let Some(doc) = store.doc(key).await? else { return Ok(None) };
        let schedule: Schedule = read(&doc)?;
        if !schedule.enabled {
            return Ok(None);
        }
        let company = key.company;
        let Some((progress, expect)) = progress_of(&**store, company, schedule.id).await? else { return Ok(None) };
        let Some(ticks) = ticks_of(&self.engine, company, &schedule).await? else { return Ok(None) };
        let now = self.engine.now();
        let turn = Turn { company, schedule: &schedule, progress, expect, now };
        match asked(&ticks, schedule.missed, turn.progress.after, turn.progress.caught_up, now) {
            Asked::Wait(until) => return Ok(until),
            Asked::Run { tick, missed, late } => self.run(turn, tick, missed, late).await?,
            Asked::PassOver { first, last, count } => {
                let tick = Tick { at: first, missed: count };
                let why = format!("flow8 did not run at {first}, nor at what was due until {last}");
                self.pass_over(turn, tick, last, Outcome::Missed, Failure::new("MISSED", why)).await?;
            }
        }
        Ok(Some(now))
    }

    /// Starts the play of a tick, unless the play before goes on and that is not wanted.
    async fn run(&self, turn: Turn<'_>, tick: Timestamp, missed: u64, late: bool) -> Result<(), StoreError> {
        let schedule = turn.schedule;
        if schedule.overlap != Overlap::Allow
            && let Some(before) = self.still_runs(turn.company, turn.progress.last_play).await?
        {
            if schedule.overlap == Overlap::Skip {
                let why = format!("the play {} of the tick before still goes on", before.play);
                let tick = Tick { at: tick, missed: missed + 1 };
                return self.pass_over(turn, tick, tick.at, Outcome::Overlap, Failure::new("OVERLAP", why)).await;
            }
            let reason = Some(format!("replaced by the tick of {tick}"));
            let command = Command::Cancel { compensate: false, reason, actor: actor_of(schedule) };
            if let Err(error) = self.engine.command(before, command, &RequestInfo::default()).await {
                tracing::debug!(%error, play = %before.play, "a play was not replaced: it has ended");
            }
        }
        let play = PlayId(self.engine.new_id());
        let mut progress = turn.progress.clone();
        progress.after = tick;
        progress.last_tick = Some(tick);
        progress.last_play = Some(play);
        progress.started += 1;
        progress.passed_over += missed;
        progress.refused = None;
        progress.caught_up = if late { progress.caught_up + 1 } else { 0 };
        let start_at = schedule.delay_of(tick);
        let wish = Admit {
            start_at: (!start_at.is_zero()).then(|| tick.plus(start_at)),
            docs: vec![progress.write(turn.company, schedule.id, turn.expect)],
            ..wish(turn.company, schedule, Tick { at: tick, missed })
        };
        let foreseen = Foreseen { play, same: Digest::of(&[]) };
        match self.engine.admit_as(wish, Some(foreseen), None).await {
            Ok(_) => {
                self.figures.settled(Outcome::Missed, missed, turn.now.since(tick));
                self.figures.settled(Outcome::Started, 1, turn.now.since(tick));
                Ok(())
            }
            // Somebody else has dealt with it, or the schedule has changed.
            Err(AdmitError::Overtaken(_)) => Ok(()),
            Err(AdmitError::Store(error)) => Err(error),
            Err(AdmitError::Draining) => Ok(()),
            Err(error) => self.refused(turn, Tick { at: tick, missed: missed + 1 }, tick, &error).await,
        }
    }

    /// The play before, where it goes on.
    async fn still_runs(&self, company: CompanyId, play: Option<PlayId>) -> Result<Option<PlayKey>, StoreError> {
        let Some(play) = play else { return Ok(None) };
        let key = PlayKey { company, play };
        let header = self.engine.store().header(key).await?;
        Ok(header.filter(|header| !header.state.is_ended()).map(|_| key))
    }

    /// Records ticks that are not run, as one play in `SKIP`.
    async fn pass_over(
        &self,
        turn: Turn<'_>,
        tick: Tick,
        through: Timestamp,
        outcome: Outcome,
        why: Failure,
    ) -> Result<(), StoreError> {
        let mut progress = Progress { after: through, caught_up: 0, ..turn.progress.clone() };
        progress.passed_over += tick.missed;
        let wish = Admit {
            docs: vec![progress.write(turn.company, turn.schedule.id, turn.expect)],
            ..wish(turn.company, turn.schedule, tick)
        };
        match self.engine.record_skipped(wish, why).await {
            Ok(_) => {
                self.figures.settled(outcome, tick.missed, turn.now.since(through));
                Ok(())
            }
            Err(AdmitError::Overtaken(_) | AdmitError::Draining) => Ok(()),
            Err(AdmitError::Store(error)) => Err(error),
            Err(error) => self.refused(turn, tick, through, &error).await,
        }
    }

    /// Notes at the schedule that ticks came to nothing, since the flow cannot be run.
    async fn refused(
        &self,
        mut turn: Turn<'_>,
        tick: Tick,
        through: Timestamp,
        error: &AdmitError,
    ) -> Result<(), StoreError> {
        tracing::warn!(schedule = %turn.schedule.id, tick = %tick.at, %error, "a schedule started nothing");
        turn.progress.after = through;
        turn.progress.passed_over += tick.missed;
        turn.progress.refused = Some(Failure::new("NOT_STARTED", format!("at {}: {error}", tick.at)));
        let write = turn.progress.write(turn.company, turn.schedule.id, turn.expect);
        match self.engine.store().commit(Batch { docs: vec![write], ..Batch::default() }).await {
            Ok(_) => {
                self.figures.settled(Outcome::Refused, tick.missed, turn.now.since(through));
                Ok(())
            }
            Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

/// A schedule as it is at a moment.
struct Turn<'a> {
    company: CompanyId,
    schedule: &'a Schedule,
    progress: Progress,
    /// What must still hold of the progress.
    expect: Expect,
    now: Timestamp,
}

/// A tick, and for how many others it stands.
#[derive(Clone, Copy)]
struct Tick {
    at: Timestamp,
    missed: u64,
}

/// The ticks of a schedule; none where it cannot come to any.
pub(crate) async fn ticks_of(
    engine: &Engine,
    company: CompanyId,
    schedule: &Schedule,
) -> Result<Option<Ticks>, StoreError> {
    let calendar = match schedule.timing.calendar {
        Some(on) => calendar_of(&**engine.store(), company, on.id).await?,
        None => None,
    };
    match Ticks::new(&schedule.timing, calendar) {
        Ok(ticks) => Ok(Some(ticks)),
        Err(error) => {
            tracing::warn!(schedule = %schedule.id, %error, "a schedule cannot be used any more");
            Ok(None)
        }
    }
}

fn actor_of(schedule: &Schedule) -> Actor {
    Actor { kind: ActorKind::Schedule, id: Some(schedule.id.0), name: schedule.name.clone(), user: None }
}

/// A wish for the play of a tick.
fn wish(company: CompanyId, schedule: &Schedule, tick: Tick) -> Admit {
    let mut args = schedule.args.as_map().cloned().unwrap_or_default();
    let told = Value::map([
        ("id", Value::from(schedule.id.to_string())),
        ("name", schedule.name.as_str().into()),
        ("at", tick.at.to_string().into()),
        ("missed", tick.missed.into()),
    ]);
    args.insert("schedule".into(), told);
    Admit {
        company,
        flow: schedule.flow_id.to_string(),
        args: args.into(),
        actor: actor_of(schedule),
        trigger: Trigger::Schedule,
        labels: BTreeMap::from([("schedule".to_owned(), schedule.name.clone())]),
        idempotency_key: None,
        start_at: None,
        force: false,
        request: RequestInfo::default(),
        docs: Vec::new(),
    }
}

/// A wish for the play of a tick that somebody asks for by hand.
pub fn wish_by_hand(
    company: CompanyId,
    schedule: &Schedule,
    at: Timestamp,
    actor: Actor,
    request: RequestInfo,
) -> Admit {
    Admit { actor, request, ..wish(company, schedule, Tick { at, missed: 0 }) }
}
