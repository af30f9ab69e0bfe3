//! Facts: what steps read from outside the play, and values that are kept elsewhere.

use std::sync::Arc;

use expr::Need;
use model::doc::{DocKey, DocKind};
use model::failure::{Failure, code};
use model::limits::OUTPUT_BYTES;
use model::payload::{Payload, ValueRef};
use model::play::PlayKey;
use model::record::{Facts, StepId};
use model::value::Value;
use sdk::KvScope;
use sdk::storage::StorageError;
use store::StoreError;

use super::Engine;
use super::play::{Landed, Running};
use crate::decide::{AttemptEnd, Input, Ran};
use crate::kv::{self, KvOwner};
use crate::pack::{PackError, unpack_sealed, unpack_stored};
use crate::state::Spot;

/// What was found for a step.
pub(super) struct Found {
    step: StepId,
    outcome: Result<Facts, ReadError>,
    secrets: Vec<(String, Option<Value>)>,
    /// Where it belongs, and what was kept elsewhere, recalled.
    filled: Vec<(Spot, Payload)>,
}

/// Why something of a play could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was altered, or its key is not at hand.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// It is not where it should be.
    #[error("a value that the play refers to is gone: {0}")]
    Gone(String),
}

/// Whether key/values are among the needs.
pub(super) fn reads_kv(needs: &[Need]) -> bool {
    needs.iter().any(|need| matches!(need, Need::Kv(_)))
}

impl Running {
    /// Reads what a step needs.
    pub(super) fn fetch(&mut self, step: StepId, needs: Vec<Need>) {
        let missing: Vec<(Spot, Payload)> =
            needs.iter().flat_map(|need| self.state.missing(&self.plan, &step, need)).collect();
        self.read(step, needs, missing);
    }

    /// Brings a step's own frozen arguments to hand.
    pub(super) fn recall(&mut self, step: StepId) {
        let missing = self.state.missing_args(&step);
        self.read(step, Vec::new(), missing);
    }

    fn read(&mut self, step: StepId, needs: Vec<Need>, missing: Vec<(Spot, Payload)>) {
        let (engine, play) = (self.engine.clone(), self.key());
        let reading = KvReading {
            owner: self.kv_owner(),
            inherit: self.plan.def.kv_inherit,
            conflict: self.plan.def.kv_conflict,
        };
        let at_once = missing.is_empty() && needs.iter().all(|need| matches!(need, Need::Now | Need::Seed));
        if at_once {
            let mut facts = Facts::default();
            needs.iter().for_each(|need| engine.draw(need, &mut facts));
            self.found(Found { step, outcome: Ok(facts), secrets: Vec::new(), filled: Vec::new() });
            return;
        }
        self.errands.push(Box::pin(async move {
            let mut found = Found { step, outcome: Ok(Facts::default()), secrets: Vec::new(), filled: Vec::new() };
            if let Err(error) = engine.find(play, &reading, &needs, missing, &mut found).await {
                found.outcome = Err(error);
            }
            Landed::Facts(found)
        }));
    }

    /// Has what was kept elsewhere at hand.
    pub(super) fn refill(&mut self, spot: &Spot, recalled: Payload) {
        self.hush.learn_of(&recalled);
        self.state.fill(spot, recalled);
    }

    pub(super) fn kv_owner(&self) -> KvOwner {
        KvOwner { company: self.key().company, flow: self.header.flow.id, group: self.plan.def.group_id }
    }

    /// Takes up what was found, and has the step decided on again.
    pub(super) fn found(&mut self, found: Found) {
        let Found { step, outcome, secrets, filled } = found;
        secrets.iter().filter_map(|(_, secret)| secret.as_ref()).for_each(|secret| self.hush.learn(secret));
        for (spot, recalled) in filled {
            self.refill(&spot, recalled);
        }
        self.secrets.extend(secrets);
        match outcome {
            Ok(facts) => {
                self.inputs.push_back(Input::Facts(step.clone(), facts));
                if step.undo {
                    self.inputs.push_back(Input::Wind);
                } else {
                    // In its turn: the play may be on hold by now.
                    self.state.put_back(step);
                }
            }
            Err(error) => {
                let failure = Failure::new(code::INTERNAL_ERROR, error.to_string());
                let end = AttemptEnd::Failed(failure);
                let since = self.engine.now();
                self.inputs.push_back(Input::Ran(step, Ran { args: None, since, log: Vec::new(), end }));
            }
        }
    }
}

/// How a flow reads key/values.
struct KvReading {
    owner: KvOwner,
    inherit: bool,
    conflict: model::flow::KvConflict,
}

impl Engine {
    async fn find(
        &self,
        play: PlayKey,
        kv: &KvReading,
        needs: &[Need],
        missing: Vec<(Spot, Payload)>,
        found: &mut Found,
    ) -> Result<(), ReadError> {
        let mut facts = Facts::default();
        for need in needs {
            match need {
                Need::Kv(key) => {
                    let value = self.read_kv(kv, key).await?;
                    facts.kv.insert(key.clone(), Payload::Plain(value));
                }
                Need::Secret(name) => {
                    facts.secrets.push(name.clone());
                    found.secrets.push((name.clone(), self.read_secret(kv.owner, name).await?));
                }
                other => self.draw(other, &mut facts),
            }
        }
        for (spot, payload) in missing {
            let value = self.value_of(play, &payload).await?;
            found.filled.push((spot, Payload::Recalled(value, Arc::new(payload))));
        }
        found.outcome = Ok(facts);
        Ok(())
    }

    /// The time, or randomness.
    fn draw(&self, need: &Need, facts: &mut Facts) {
        match need {
            Need::Now => facts.now = Some(self.now()),
            Need::Seed => {
                let (high, low) = (self.parts.world.random(), self.parts.world.random());
                facts.seed = Some(format!("{high:016x}{low:016x}"));
            }
            _ => {}
        }
    }

    /// The value that `$kv` gives for a key; null where there is none.
    async fn read_kv(&self, kv: &KvReading, key: &str) -> Result<Value, ReadError> {
        let scopes: &[KvScope] =
            if kv.inherit { &[KvScope::Flow, KvScope::Group, KvScope::Global] } else { &[KvScope::Flow] };
        let mut values = Vec::new();
        for scope in scopes {
            let Some(doc_key) = kv::doc_key(kv.owner, *scope, key) else { continue };
            if let Some(doc) = self.persist(|| self.parts.store.doc(&doc_key)).await? {
                values.extend(kv::read(self.seal(), &doc, self.now())?);
            }
        }
        Ok(kv::resolve(values, kv.conflict).unwrap_or_default())
    }

    async fn read_secret(&self, owner: KvOwner, name: &str) -> Result<Option<Value>, ReadError> {
        let key = DocKey::new(owner.company, DocKind::Secret, name);
        match self.persist(|| self.parts.store.doc(&key)).await? {
            Some(doc) => Ok(kv::read(self.seal(), &doc, self.now())?),
            None => Ok(None),
        }
    }

    /// The value of a payload of a play, wherever its parts are kept.
    pub(crate) async fn value_of(&self, play: PlayKey, payload: &Payload) -> Result<Value, ReadError> {
        if let Some(value) = payload.plain() {
            return Ok(value.clone());
        }
        let mut stored: Vec<ValueRef> = Vec::new();
        payload.each_stored(&mut |at| stored.push(at));
        let mut values = Vec::with_capacity(stored.len());
        for at in stored {
            values.push((at, unpack_stored(&self.stored_bytes(play, at).await?)?));
        }
        payload.assemble(
            &mut |at| {
                let known = values.iter().find(|(known, _)| *known == at);
                known.map(|(_, value)| value.clone()).ok_or_else(|| ReadError::Gone(at.digest.to_string()))
            },
            &mut |sealed| Ok(unpack_sealed(self.seal(), play, sealed)?),
        )
    }

    /// What a play gave, as people may see it; none where it has not ended, or what it gave cannot be read.
    pub(super) async fn given(self: Arc<Self>, play: PlayKey, out: Option<Payload>) -> Option<Value> {
        match self.shown(play, &out?).await {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::error!(play = %play.play, %error, "cannot read what a play gave");
                None
            }
        }
    }

    async fn stored_bytes(&self, play: PlayKey, at: ValueRef) -> Result<Arc<[u8]>, ReadError> {
        if at.bytes as usize > model::limits::STORED_BYTES {
            let path = super::commit::object_path(play, at);
            let object = self.persist(|| self.object(play, &path)).await?;
            return object.ok_or(ReadError::Gone(path));
        }
        let value = self.persist(|| self.parts.store.value(play, at.digest)).await?;
        value.ok_or_else(|| ReadError::Gone(at.digest.to_string()))
    }

    /// A large value, compressed; none where it is not there.
    async fn object(&self, play: PlayKey, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        match self.parts.objects.read(play.company, path, 2 * OUTPUT_BYTES).await {
            Ok(bytes) => Ok(Some(bytes.as_ref().into())),
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(StorageError::Failed(why)) => Err(StoreError::Failed(format!("a large value cannot be read: {why}"))),
            Err(other) => Err(StoreError::Damaged(format!("{path}: {other:?}"))),
        }
    }

    /// Reads again and again while the store fails in a way that may pass.
    pub(super) async fn persist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        mut read: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let mut pause = super::commit::FIRST_PAUSE;
        loop {
            match read().await {
                Err(error @ StoreError::Failed(_)) if !self.is_draining() => {
                    tracing::warn!(%error, "reading again");
                    self.parts.world.sleep(pause).await;
                    pause = (pause * 2).min(super::commit::LONGEST_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }
}
