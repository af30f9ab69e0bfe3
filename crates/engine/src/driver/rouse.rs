//! Plays that start because something happened: admitted in the commit in which it happens, so that
//! each starts exactly once.

use std::collections::BTreeMap;

use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::{Batch, PlayWrite};
use model::doc::DocWrite;
use model::ids::{CompanyId, FlowId, PlayId};
use model::limits::{INLINE_BYTES, JSON_DEPTH, SUBFLOW_DEPTH};
use model::payload::Payload;
use model::play::{Cause, PlayHeader, Trigger};
use model::record::{Admission, Record, StepId};
use model::time::Timestamp;
use model::trace::SpanId;
use model::value::{Value, to_value};
use store::CommitError;

use super::Engine;
use super::admit::{AdmitError, admitted, check_args, slot_of};
use super::children::NewPlay;
use super::commit::NotCommitted;
use super::play::Running;
use crate::flows::{FlowError, Happened};

/// Something that happens with the next commit of a play.
#[derive(Debug)]
pub(super) enum News {
    /// It ends.
    Ends,
    /// A step waits for an approval, until then.
    Waits(StepId, Option<Timestamp>),
    /// A key/value changes, or goes: its document's id.
    Changes(String, bool),
}

impl Running {
    /// Whoever listens to what happens with the next commit becomes part of it.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn rouse(&mut self) -> Result<(), NotCommitted> {
        if self.pending.news.is_empty() {
            return Ok(());
        }
        let engine = self.engine.clone();
        let company = self.key().company;
        let failed = |error: FlowError| match error {
            FlowError::Store(error) => NotCommitted::Store(error),
            other => NotCommitted::Store(store::StoreError::Damaged(other.to_string())),
        };
        let listeners = engine.listeners(company).await.map_err(failed)?;
        // From here on, they are in what is pending: if this commit has to be tried again, they are not made again.
        let news = std::mem::take(&mut self.pending.news);
        let mut children = Vec::new();
        for item in &news {
            let (happened, args) = self.told(item);
            for flow in listeners.of(happened) {
                match engine.new_listener(&self.header, flow, args.clone()).await {
                    Ok(child) => children.extend(child),
                    Err(AdmitError::Store(error)) => {
                        self.pending.news = news;
                        return Err(NotCommitted::Store(error));
                    }
                    Err(error) => {
                        tracing::warn!(%flow, play = %self.key().play, %error, "a flow that listens cannot run");
                    }
                }
            }
        }
        self.pending.children.extend(children);
        Ok(())
    }

    /// What happens, and what whoever listens is told of it.
    fn told<'a>(&'a self, news: &'a News) -> (Happened<'a>, Value) {
        let header = &self.header;
        match news {
            News::Ends => {
                let state = self.state.standing(false);
                let failure = self.state.stopping.as_ref().and_then(|stopping| stopping.failure.as_ref());
                let error = failure.map(|(_, failure)| to_value(failure).unwrap_or_default());
                // What is large or sensitive stays where it is kept.
                let out = self.out.as_ref().and_then(|out| match out {
                    Payload::Plain(value) if value.measure(INLINE_BYTES, JSON_DEPTH).bytes <= INLINE_BYTES => {
                        Some(value.clone())
                    }
                    _ => None,
                });
                let mut play = play_value(header);
                play.insert("state".into(), state.as_str().into());
                play.insert("error".into(), error.unwrap_or_default());
                play.insert("out".into(), out.unwrap_or_default());
                let is_awaited = header.parent.as_ref().is_some_and(|parent| parent.waits);
                let args = Value::map([("event", Value::from("end")), ("play", play.into())]);
                (Happened::Ended(&header.flow, state, is_awaited), args)
            }
            News::Waits(step, until) => {
                let mut play = play_value(header);
                play.insert("state".into(), "WAIT".into());
                let approval = Value::map([
                    ("ref", Value::from(self.plan.layer(step).name())),
                    ("layerId", step.layer_id(header.key.play).to_string().into()),
                    ("expiresAt", until.map(|until| until.to_string()).into()),
                ]);
                let args = [("event", Value::from("approval")), ("play", play.into()), ("approval", approval)];
                (Happened::Waits(&header.flow), Value::map(args))
            }
            News::Changes(id, removed) => (Happened::Changed(id, Some(header.flow.id)), change_value(id, *removed)),
        }
    }
}

fn play_value(header: &PlayHeader) -> model::value::Map {
    let labels = header.labels.iter().map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
    let flow = &header.flow;
    let told = Value::map([
        ("id", Value::from(header.key.play.to_string())),
        ("flowId", flow.id.to_string().into()),
        ("permanentId", (&*flow.permanent_id).into()),
        ("name", flow.name.as_str().into()),
        ("version", flow.version.into()),
        ("labels", Value::map(labels)),
        ("createdAt", header.created_at.to_string().into()),
    ]);
    told.as_map().cloned().unwrap_or_default()
}

fn change_value(id: &str, removed: bool) -> Value {
    let key = id.split_once('/').map_or(id, |(_, key)| key);
    Value::map([
        ("event", Value::from("kv")),
        ("kv", Value::map([("key", Value::from(key)), ("removed", removed.into())])),
    ])
}

impl Engine {
    /// The play of a flow that listens to another play; none where plays have started each other too often.
    async fn new_listener(&self, by: &PlayHeader, flow: FlowId, args: Value) -> Result<Option<NewPlay>, AdmitError> {
        let cause = Cause { play: by.key.play, depth: by.depth() + 1 };
        if cause.depth > SUBFLOW_DEPTH {
            tracing::warn!(%flow, play = %by.key.play, "plays have started each other {SUBFLOW_DEPTH} deep: no more");
            return Ok(None);
        }
        let trace = by.trace.map(|trace| trace.at(SpanId::of_play(by.key.play)));
        self.new_roused(by.key.company, flow, args, by.actor.clone(), |header| PlayHeader {
            cause: Some(cause),
            trace,
            ..header
        })
        .await
    }

    async fn new_roused(
        &self,
        company: CompanyId,
        flow: FlowId,
        args: Value,
        actor: Actor,
        also: impl FnOnce(PlayHeader) -> PlayHeader,
    ) -> Result<Option<NewPlay>, AdmitError> {
        check_args(&args).map_err(AdmitError::BadArguments)?;
        let published = self.published(company, &flow.to_string()).await?;
        if !published.enabled {
            return Ok(None);
        }
        let now = self.now();
        let slot = slot_of(&published, &args).map_err(AdmitError::BadArguments)?;
        let header = self.new_header(company, &published.at, Trigger::Event, actor, now);
        let header = also(PlayHeader { due: Some(now), slot, ..header });
        let records =
            |args| vec![Record::Admitted(Admission { args, deferred: true, keys: BTreeMap::new(), retry: None })];
        let (write, large) =
            admitted(self, header, args.into(), records).map_err(|error| AdmitError::Internal(error.to_string()))?;
        Ok(Some(NewPlay { write, large }))
    }

    /// Commits a change of a key/value that is no play's, and starts whatever flow listens to it.
    ///
    /// # Errors
    /// Where the store does not take it.
    pub async fn commit_kv(
        &self,
        company: CompanyId,
        write: DocWrite,
        audit: AuditRow,
    ) -> Result<Vec<PlayId>, AdmitError> {
        let listeners = self.listeners(company).await?;
        let (id, removed) = (write.key.id.clone(), write.put.is_none());
        let mut plays: Vec<PlayWrite> = Vec::new();
        for flow in listeners.of(Happened::Changed(&id, None)) {
            let roused =
                self.new_roused(company, flow, change_value(&id, removed), audit.actor.clone(), |header| header);
            match roused.await {
                Ok(new) => plays.extend(new.map(|new| new.write)),
                Err(AdmitError::Store(error)) => return Err(error.into()),
                Err(error) => tracing::warn!(%flow, %error, "a flow that listens cannot run"),
            }
        }
        let started = plays.iter().map(|play| play.header.key.play).collect();
        let due = plays.iter().filter_map(|play| play.header.due).min();
        let batch = Batch { plays, docs: vec![write], audit: vec![audit], ..Batch::default() };
        self.parts.store.commit(batch).await.map_err(|error| match error {
            CommitError::Conflict(store::Conflict::Doc(key)) => AdmitError::Overtaken(key),
            CommitError::Conflict(conflict) => AdmitError::Internal(conflict.to_string()),
            CommitError::Store(error) => error.into(),
        })?;
        due.into_iter().for_each(|due| self.alarm.set(due));
        Ok(started)
    }
}
