//! Changes of key/values: read, changed and written in the commit of the step's own end, so
//! that each happens exactly once and is never in doubt.

use model::doc::{DocWrite, Expect};
use model::failure::{Failure, code};
use model::payload::Payload;
use model::play::LayerState;
use model::record::{Record, StepId};
use model::time::Timestamp;
use model::value::Value;
use sdk::KvOp;
use tokio::sync::OwnedMutexGuard;

use super::Engine;
use super::play::{Landed, Running};
use super::rouse::News;
use crate::decide::{AttemptEnd, Input, Ran};
use crate::kv::{self, KvOwner, Made};

/// A change that is ready to be written.
pub(super) struct Change {
    step: StepId,
    ran: Ran,
    write: Option<DocWrite>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Running {
    /// Whether a change may begin. One at a time: two that hold a lock each, waiting for the
    /// other's, would wait for ever.
    pub(super) fn may_change_kv(&self) -> bool {
        self.kv_guard.is_none() && !self.kv_under_way
    }

    /// Reads a key/value under its lock and works out the change.
    pub(super) fn change_kv(&mut self, step: StepId, op: KvOp, args: Option<Payload>, since: Timestamp) {
        self.kv_under_way = true;
        let (engine, owner) = (self.engine.clone(), self.kv_owner());
        self.errands.push(Box::pin(async move {
            let outcome = engine.change_kv(owner, &op).await;
            let (end, write, guard) = match outcome {
                Ok((out, write, guard)) => (AttemptEnd::Ok(sdk::Outcome::Done(out)), write, Some(guard)),
                Err(failure) => (AttemptEnd::Failed(failure), None, None),
            };
            Landed::Kv(Box::new(Change { step, ran: Ran { args, since, log: Vec::new(), end }, write, guard }))
        }));
    }

    /// The change becomes part of the next commit, together with the end of its step; where the
    /// play has moved on without it, it is not made.
    pub(super) fn changed_kv(&mut self, change: Change) {
        self.kv_under_way = false;
        let step = change.step.clone();
        let ends_it = |record: &Record| matches!(record, Record::StepEnded(end) if end.step == step && end.state == LayerState::Done);
        if self.takes(Input::Ran(change.step, change.ran), ends_it) {
            let told = change.write.as_ref().map(|write| News::Changes(write.key.id.clone(), write.put.is_none()));
            self.pending.news.extend(told);
            self.pending.docs.extend(change.write);
            self.kv_guard = change.guard;
        }
    }
}

impl Engine {
    async fn change_kv(
        &self,
        owner: KvOwner,
        op: &KvOp,
    ) -> Result<(Value, Option<DocWrite>, OwnedMutexGuard<()>), Failure> {
        let internal = |error: String| Failure::new(code::INTERNAL_ERROR, error);
        kv::check(&op.key, None)?;
        let key = kv::doc_key(owner, op.scope, &op.key)
            .ok_or_else(|| Failure::new("KV_NO_GROUP", "the flow is in no group; use another scope"))?;
        let guard = self.kv_locks.lock(key.clone()).await;
        let doc = self.persist(|| self.parts.store.doc(&key)).await.map_err(|error| internal(error.to_string()))?;
        let now = self.now();
        let current = match &doc {
            Some(doc) => kv::read(self.seal(), doc, now).map_err(|error| internal(error.to_string()))?,
            None => None,
        };
        let expect = doc.as_ref().map_or(Expect::Absent, |doc| Expect::Revision(doc.revision));
        let (made, out) = kv::change(&op.change, current, now)?;
        let write = match made {
            Made::Value(value, expires_at) => {
                kv::check(&op.key, Some(&value))?;
                let write = kv::write(self.seal(), key, expect, &value, expires_at);
                Some(write.map_err(|error| internal(error.to_string()))?)
            }
            Made::Nothing => doc.is_some().then(|| DocWrite::remove(key, expect)),
            Made::Same => None,
        };
        Ok((out, write, guard))
    }
}
