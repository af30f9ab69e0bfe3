//! Trying one flowlet of a draft out, with outputs that are given for those upstream of it.
//! No play is made, nothing is written, and nothing reaches outside.

mod shown;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use expr::{Budget, Found, Given, Need, Root, Scope, Stop, test_filter};
use model::doc::{DocKey, DocKind};
use model::failure::{Failure, code};
use model::flow::{FilterMode, FlowDef};
use model::ids::{CompanyId, FlowId, PlayId};
use model::limits::FACT_ROUNDS;
use model::play::LayerState;
use model::record::LogLine;
use model::value::{Map, Value};
use sdk::{KvScope, Outcome, PureCtx, Run, Stopped};

use crate::Engine;
use crate::driver::ReadError;
use crate::flows::FlowError;
use crate::kv::{self, KvOwner};
use crate::plan::{Plan, PlanLayer};

/// What to try.
#[derive(Debug)]
pub struct Trial {
    /// Whose flow.
    pub company: CompanyId,
    /// The flow.
    pub flow: FlowId,
    /// Its draft.
    pub draft: FlowDef,
    /// The flowlet.
    pub layer: String,
    /// The play's arguments.
    pub args: Value,
    /// Outputs, by ref.
    pub pinned: Map,
    /// Whether `$secret` and `$kv` may be read.
    pub reads_kept: bool,
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// How the flowlet ended; none where it was not run, since that would reach outside.
    pub state: Option<LayerState>,
    /// Its arguments, where they came to be.
    pub args: Option<Value>,
    /// Its output.
    pub out: Option<Value>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// What it logged.
    pub log: Vec<LogLine>,
}

impl Tried {
    fn new(state: Option<LayerState>) -> Self {
        Self { state, args: None, out: None, error: None, log: Vec::new() }
    }

    fn failed(failure: Failure) -> Self {
        Self { error: Some(failure), ..Self::new(Some(LayerState::Fail)) }
    }
}

/// What is given, and what was read of the store so far.
#[derive(Clone, Default)]
struct Reads {
    given: Given,
    kv: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Option<Value>>,
}

impl Scope for Reads {
    fn find(&self, root: &Root<'_>) -> Found {
        match root {
            Root::Prev(name) if !self.given.prev.contains_key(*name) => {
                Found::Missing(format!("no output is pinned for {name}"))
            }
            Root::Kv(key) => match self.kv.get(*key) {
                Some(Value::Null) => Found::Missing(format!("there is no key {key:?}")),
                Some(value) => Found::Value(value.clone()),
                None => Found::Need,
            },
            Root::Secret(name) => match self.secrets.get(*name) {
                Some(Some(value)) => Found::Value(value.clone()),
                Some(None) => Found::Missing(format!("there is no secret {name:?}")),
                None => Found::Need,
            },
            other => self.given.find(other),
        }
    }
}

impl Engine {
    /// Tries one flowlet of a draft out.
    ///
    /// # Errors
    /// Where the draft is not sound, has no such flowlet, or the store fails.
    pub async fn try_layer(&self, trial: Trial) -> Result<Tried, FlowError> {
        let plan = Arc::new(self.compile(&trial.draft).map_err(FlowError::Invalid)?);
        let at = plan.find(&trial.layer).ok_or_else(|| FlowError::NoSuchLayer(trial.layer.clone()))?;
        let id = PlayId(self.new_id());
        let mut reads =
            Reads { given: self.trial_scope(&trial, &plan.layers[usize::from(at)], id), ..Reads::default() };
        for _ in 0..=FACT_ROUNDS {
            let needs = match try_with(&plan, usize::from(at), &reads).await {
                Ok(tried) => return Ok(shown::masked(tried, &plan.layers[usize::from(at)], &reads)),
                Err(needs) => needs,
            };
            if !trial.reads_kept {
                let message = "it reads $kv or $secret; to try that needs the permission flows:run";
                return Ok(Tried::failed(Failure::new("FORBIDDEN", message)));
            }
            if let Err(error) = self.read_kept(&trial, &plan.def, &needs, &mut reads).await {
                return Ok(Tried::failed(Failure::new(code::INTERNAL_ERROR, error.to_string())));
            }
        }
        let message = format!("asks for facts more than {FACT_ROUNDS} times; name the keys it reads");
        Ok(Tried::failed(Failure::new(code::LIMIT_EXCEEDED, message)))
    }

    fn trial_scope(&self, trial: &Trial, layer: &PlanLayer, id: PlayId) -> Given {
        let def = &trial.draft;
        let slug = def.permanent_id.as_ref().map(|slug| slug.to_string());
        let flow = [("id", Value::from(trial.flow.to_string())), ("permanentId", slug.into()), ("version", 0.into())];
        let play = [("id", Value::from(id.to_string())), ("startedAt", self.now().to_string().into())];
        let step = [("ref", Value::from(layer.name())), ("index", layer.index.into()), ("attempt", 1.into())];
        Given {
            prev: trial.pinned.clone(),
            args: Some(trial.args.clone()),
            env: self
                .parts
                .settings
                .env
                .iter()
                .map(|(name, text)| (name.as_str().into(), text.as_str().into()))
                .collect(),
            flow: Some(Value::map(flow.into_iter().chain([("name", Value::from(def.name.as_str()))]))),
            play: Some(Value::map(play.into_iter().chain([("attempt", 1.into())]))),
            step: Some(Value::map(step.into_iter().chain([("idempotencyKey", Value::from(key(id)))]))),
            now: Some(self.now().to_string().into()),
            seed: Some(format!("{:016x}{:016x}", self.parts.world.random(), self.parts.world.random()).into()),
            item: trial.pinned.get("item").cloned(),
            index: trial.pinned.get("index").cloned(),
            ..Given::default()
        }
    }

    async fn read_kept(
        &self,
        trial: &Trial,
        def: &FlowDef,
        needs: &[Need],
        reads: &mut Reads,
    ) -> Result<(), ReadError> {
        let owner = KvOwner { company: trial.company, flow: trial.flow, group: def.group_id };
        let scopes: &[KvScope] =
            if def.kv_inherit { &[KvScope::Flow, KvScope::Group, KvScope::Global] } else { &[KvScope::Flow] };
        for need in needs {
            match need {
                Need::Kv(key) => {
                    let mut values = Vec::new();
                    for doc_key in scopes.iter().filter_map(|scope| kv::doc_key(owner, *scope, key)) {
                        values.extend(self.read_doc(&doc_key).await?);
                    }
                    reads.kv.insert(key.clone(), kv::resolve(values, def.kv_conflict).unwrap_or_default());
                }
                Need::Secret(name) => {
                    let value = self.read_doc(&DocKey::new(trial.company, DocKind::Secret, name)).await?;
                    reads.secrets.insert(name.clone(), value);
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn read_doc(&self, key: &DocKey) -> Result<Option<Value>, ReadError> {
        match self.parts.store.doc(key).await? {
            Some(doc) => Ok(kv::read(self.seal(), &doc, self.now())?),
            None => Ok(None),
        }
    }
}

/// Tries it with what was read so far; or says what else must be read.
async fn try_with(plan: &Arc<Plan>, at: usize, reads: &Reads) -> Result<Tried, Vec<Need>> {
    let layer = &plan.layers[at];
    let prepared = passes(layer, reads).and_then(|passes| if passes { args(layer, reads).map(Some) } else { Ok(None) });
    let args = match prepared {
        Ok(Some(args)) => args,
        Ok(None) => return Ok(Tried::new(Some(LayerState::Filtered))),
        Err(Stopped::Need(needs)) => return Err(needs),
        Err(Stopped::Failed(failure)) => return Ok(Tried::failed(failure)),
    };
    let shown = Some(args.clone());
    let tried = match &layer.work.module.run {
        Run::Effect(_) | Run::Engine => Tried::new(None),
        Run::Pure(run) | Run::Blocking(run) => {
            let (run, plan, scope) = (run.clone(), plan.clone(), reads.clone());
            let ran = tokio::task::spawn_blocking(move || {
                let mut pure = PureCtx::new(&scope).with_lazy(plan.layers[at].work.args.lazy());
                let outcome = catch_unwind(AssertUnwindSafe(|| run(args, &mut pure)));
                (outcome.unwrap_or_else(|_| Err(panicked().into())), pure.into_log())
            });
            match ran.await {
                Ok((Ok(outcome), log)) => Tried { log, ..settled(outcome) },
                Ok((Err(Stopped::Failed(failure)), log)) => Tried { log, ..Tried::failed(failure) },
                Ok((Err(Stopped::Need(needs)), _)) => return Err(needs),
                Err(_) => Tried::failed(panicked()),
            }
        }
    };
    Ok(Tried { args: shown, ..tried })
}

fn key(id: PlayId) -> String {
    format!("trial-{id}")
}

fn panicked() -> Failure {
    Failure::new(code::INTERNAL_ERROR, "the module panicked")
}

fn stopped(stop: Stop, code: &'static str, place: &str) -> Stopped {
    match stop {
        Stop::Need(needs) => Stopped::Need(needs),
        Stop::Failed(error) => Stopped::Failed(Failure::new(code, format!("{place}: {error}"))),
    }
}

fn args(layer: &PlanLayer, reads: &Reads) -> Result<Value, Stopped> {
    layer.work.args.eval(reads).map_err(|stop| stopped(stop, code::EXPRESSION_ERROR, "args"))
}

/// Whether the filters let it run: all of one group must hold.
fn passes(layer: &PlanLayer, reads: &Reads) -> Result<bool, Stopped> {
    let mut group_holds = true;
    for (at, filter) in layer.filters.iter().enumerate() {
        if filter.mode == FilterMode::Or && at > 0 {
            if group_holds {
                return Ok(true);
            }
            group_holds = true;
        }
        let mut budget = Budget::default();
        let halt = |stop| stopped(stop, code::FILTER_ERROR, &format!("filters[{at}]"));
        let (left, right) =
            (filter.left.eval(reads, &mut budget).map_err(halt)?, filter.right.eval(reads, &mut budget).map_err(halt)?);
        let holds = test_filter(filter.operator, filter.cast, &left, &right, &mut budget);
        group_holds = group_holds && holds.map_err(|error| halt(Stop::Failed(error)))?;
    }
    Ok(group_holds)
}

/// What an outcome says of the flowlet alone; what it asks of the engine is not done.
fn settled(outcome: Outcome) -> Tried {
    match outcome {
        Outcome::Done(out) | Outcome::Respond(out) | Outcome::End(out) => {
            Tried { out: Some(out), ..Tried::new(Some(LayerState::Done)) }
        }
        Outcome::Fail(failure) => Tried::failed(failure),
        Outcome::Sleep(_)
        | Outcome::WaitEvent { .. }
        | Outcome::Call { .. }
        | Outcome::Loop { .. }
        | Outcome::Kv(_) => Tried::new(None),
    }
}
