//! Attempts: modules that reach outside, and scripts on threads of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::{AbortHandle, Abortable, Aborted};
use model::batch::Event;
use model::doc::{DocKind, DocWrite, Expect};
use model::failure::{Failure, code};
use model::payload::Payload;
use model::record::{MessageBody, StepId};
use model::time::Timestamp;
use model::value::Value;
use sdk::component::Kind;
use sdk::{EffectCtx, EffectLog, Mishap, Outcome, PureCtx, PureRun, Run, Stopped};
use store::DocQuery;

use super::Engine;
use super::play::{Landed, Running};
use super::pure::{panic_failure, panicked};
use crate::decide::{AttemptEnd, Effect, FactScope, Ran};
use crate::failpoint::FailPoint;
use crate::plan::Plan;

impl Running {
    /// Begins what had to come after the commit.
    pub(super) fn launch(&mut self) {
        for effect in std::mem::take(&mut self.after) {
            match effect {
                Effect::Attempt { step, attempt, args, timeout } => self.attempt(step, attempt, args, timeout),
                Effect::SeekEvent(key) => self.seek_event(key),
                Effect::Abort(step) => {
                    if let Some(abort) = self.aborts.remove(&step) {
                        abort.abort();
                    }
                }
                Effect::Fetch(step, needs) => self.fetch(step, needs),
                Effect::Kv { step, op, args, since } if self.may_change_kv() => self.change_kv(step, op, args, since),
                other => self.after.push(other),
            }
        }
        // What was not needed after all is for others; while something is worked out, it may yet be.
        if self.in_hand.is_empty() {
            self.permits.clear();
        }
    }

    fn attempt(&mut self, step: StepId, attempt: u32, args: Payload, timeout: std::time::Duration) {
        let plan = self.plan.clone();
        let Run::Effect(run) = plan.work(&step).module.run.clone() else { return };
        let engine = self.engine.clone();
        let play = self.key();
        let permit = self.permits.pop();
        let owner = self.header.owner;
        let ctx = EffectCtx {
            company: play.company,
            flow: self.header.flow.id,
            play: play.play,
            attempt,
            traceparent: self.traceparent(&step, attempt).map(|trace| trace.to_string()),
            idempotency_key: self.state.idempotency_key(play.play, &step),
            timeout,
            http: engine.parts.http.clone(),
            storage: engine.parts.files.clone(),
            backends: engine.parts.backends.clone(),
            components: BTreeMap::new(),
            credential: None,
            log: EffectLog::default(),
        };
        let (abort, registration) = AbortHandle::new_pair();
        self.aborts.insert(step.clone(), abort);
        let since = engine.now();
        let module = plan.work(&step).module.id;
        let span = self.attempt_span(&step, attempt, since);
        let flight = async move {
            // The first try of a step has one from before its intent; a later one, whose time has come, may have none.
            let _permit = match permit {
                Some(permit) => Some(permit),
                None => engine.permits.wait(play.company).await,
            };
            let ctx = match engine.equip(ctx, &plan, &step).await {
                Ok(ctx) => Arc::new(ctx),
                Err(failure) => {
                    let end = AttemptEnd::Failed(failure);
                    return Landed::Ran(step, Ran { args: None, since, log: Vec::new(), end }, None);
                }
            };
            let mut recalled = None;
            let end = match engine.value_of(play, &args).await {
                Err(error) => AttemptEnd::Failed(Failure::new(code::INTERNAL_ERROR, error.to_string())),
                Ok(value) => {
                    if args.plain().is_none() {
                        recalled = Some(Payload::Recalled(value.clone(), Arc::new(args)));
                    }
                    engine.at(FailPoint::BeforeEffect);
                    // Much time may have passed since the commit: others may be at it by now.
                    if let Some(owner) = owner
                        && !engine.is_still(owner).await
                    {
                        return Landed::Lost;
                    }
                    let began = engine.parts.world.steady();
                    let end = engine.watch(run(value, ctx.clone()), timeout).await;
                    let secrets = carried(&ctx);
                    let end = if secrets.is_empty() { end } else { shown(end, &secrets) };
                    engine.figures.attempted(module, engine.parts.world.steady().saturating_sub(began), &end);
                    if let Some(span) = span {
                        engine.span(span.ends(engine.now(), &end));
                    }
                    engine.at(FailPoint::AfterEffect);
                    end
                }
            };
            Landed::Ran(step, Ran { args: None, since, log: ctx.log.take(), end }, recalled)
        };
        let flight = Abortable::new(flight, registration);
        self.flights.push(Box::pin(flight.map(|landed| landed.unwrap_or_else(|Aborted| Landed::Nothing))));
    }

    /// Runs a pure module that may take long, on a thread of its own.
    pub(super) fn run_blocking(
        &mut self,
        step: StepId,
        run: PureRun,
        args: Value,
        frozen: Option<Payload>,
        since: Timestamp,
    ) {
        let facts = FactScope(self.state.facts(&step).cloned());
        let blocking = self.engine.blocking.clone();
        self.errands.push(Box::pin(async move {
            let permit = blocking.acquire_owned().await;
            let ran = tokio::task::spawn_blocking(move || {
                let mut pure = PureCtx::new(&facts);
                let outcome = catch_unwind(AssertUnwindSafe(|| run(args, &mut pure)));
                (outcome.unwrap_or_else(|panic| Err(panicked(&*panic))), pure.into_log())
            })
            .await;
            drop(permit);
            let (outcome, log) = ran.unwrap_or_else(|error| {
                (Err(Stopped::Failed(Failure::new(code::INTERNAL_ERROR, error.to_string()))), Vec::new())
            });
            let end = match outcome {
                Ok(outcome) => AttemptEnd::Ok(outcome),
                Err(Stopped::Failed(failure)) => AttemptEnd::Failed(failure),
                Err(Stopped::Need(needs)) => return Landed::Need(step, needs),
            };
            Landed::Ran(step, Ran { args: frozen, since, log, end }, None)
        }));
    }

    /// Looks for events that came before anybody waited for them, once more: a process may have
    /// ended before it could.
    pub(super) fn seek_events(&mut self) {
        let keys: BTreeSet<String> = self.state.awaited_events().map(str::to_owned).collect();
        keys.into_iter().for_each(|key| self.seek_event(key));
    }

    /// Looks for an event that came before anybody waited for it.
    fn seek_event(&mut self, key: String) {
        let (engine, company) = (self.engine.clone(), self.key().company);
        self.errands.push(Box::pin(async move {
            let query = DocQuery { prefix: Event::doc_prefix(&key), ..DocQuery::all(company, DocKind::Event, 1) };
            let docs = engine.persist(|| engine.parts.store.docs(&query)).await;
            let Some(doc) = docs.unwrap_or_default().into_iter().next() else { return Landed::Nothing };
            if doc.expires_at.is_some_and(|at| at <= engine.now()) {
                return Landed::Nothing;
            }
            match doc.read::<Value>() {
                Ok(data) => {
                    let taken = DocWrite::remove(doc.key, Expect::Revision(doc.revision));
                    Landed::Event(MessageBody::Event { key, data }, taken)
                }
                Err(error) => {
                    tracing::error!(%error, "an early event does not read");
                    Landed::Nothing
                }
            }
        }));
    }
}

/// Texts shorter than this are not looked for: they are everywhere.
const MASKED_FROM: usize = 8;

/// What is secret of what a call carried.
fn carried(ctx: &EffectCtx) -> Vec<String> {
    let mut secrets = ctx.credential.as_ref().map(|credential| credential.secrets.clone()).unwrap_or_default();
    let headers = ctx.components.get(&Kind::Request).and_then(|component| component.secret.get("headers"));
    let values = headers.and_then(Value::as_map).into_iter().flat_map(|fields| fields.values());
    let texts = values.filter_map(Value::as_str).filter(|text| text.len() >= MASKED_FROM);
    // Of `Bearer x`, a peer may say x alone.
    secrets.extend(
        texts.flat_map(|text| [Some(text), text.split_once(' ').map(|(_, rest)| rest)]).flatten().map(str::to_owned),
    );
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// The end of an attempt, in which a peer may have said again what the call carried: that is masked.
fn shown(end: AttemptEnd, secrets: &[String]) -> AttemptEnd {
    let masked = |failure: Failure| Failure {
        message: masked_text(&failure.message, secrets).unwrap_or(failure.message),
        details: failure.details.map(|details| masked_value(details, secrets)),
        code: failure.code,
    };
    match end {
        AttemptEnd::Ok(Outcome::Done(out)) => AttemptEnd::Ok(Outcome::Done(masked_value(out, secrets))),
        AttemptEnd::Ok(other) => AttemptEnd::Ok(other),
        AttemptEnd::Failed(failure) => AttemptEnd::Failed(masked(failure)),
        AttemptEnd::Unknown(failure) => AttemptEnd::Unknown(masked(failure)),
    }
}

fn masked_text(text: &str, secrets: &[String]) -> Option<String> {
    let found = |text: &str| secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret.as_str()));
    found(text).then(|| {
        secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    })
}

fn masked_value(value: Value, secrets: &[String]) -> Value {
    match value {
        Value::Text(text) => masked_text(&text, secrets).map_or(Value::Text(text), Value::from),
        Value::List(items) => Value::list(items.iter().map(|item| masked_value(item.clone(), secrets))),
        Value::Map(fields) => Value::map(fields.iter().map(|(name, item)| {
            let name = masked_text(name, secrets).map_or_else(|| name.clone(), Into::into);
            (name, masked_value(item.clone(), secrets))
        })),
        other => other,
    }
}

impl Engine {
    /// Gives an attempt what its flowlet names of components.
    async fn equip(&self, ctx: EffectCtx, plan: &Plan, step: &StepId) -> Result<EffectCtx, Failure> {
        let (module, layer) = (&plan.work(step).module, &plan.layer(step).def);
        let components = self.components_for(ctx.company, module, layer).await?;
        let credential = match &layer.link_id {
            Some(link) if module.takes_link => Some(self.credential(ctx.company, link).await?),
            _ => None,
        };
        Ok(EffectCtx { components, credential, ..ctx })
    }

    /// Waits for an attempt, as long as it may take.
    async fn watch(
        &self,
        attempt: impl Future<Output = Result<sdk::Outcome, Mishap>>,
        timeout: std::time::Duration,
    ) -> AttemptEnd {
        // A panic must fail the flowlet and nothing else; what it left half-done is dropped.
        let attempt = AssertUnwindSafe(attempt).catch_unwind();
        tokio::select! {
            biased;
            outcome = attempt => match outcome {
                Ok(Ok(outcome)) => AttemptEnd::Ok(outcome),
                Ok(Err(Mishap::Failed(failure))) => AttemptEnd::Failed(failure),
                Ok(Err(Mishap::Unknown(failure))) => AttemptEnd::Unknown(failure),
                Err(panic) => AttemptEnd::Unknown(panic_failure(&*panic)),
            },
            () = self.parts.world.sleep(timeout) => {
                let message = format!("the attempt took longer than its {} seconds", timeout.as_secs());
                AttemptEnd::Unknown(Failure::new(code::TIMEOUT, message))
            }
        }
    }
}
