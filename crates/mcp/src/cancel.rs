//! Cancelling. In the current revision, whoever closes the stream of a request has cancelled it. In those before, a
//! notification does: it comes as a request of its own, to any replica, so what it names stands in the store.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::decide::Command;
use engine::driver::RequestInfo;
use model::actor::Actor;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, PlayId};
use model::limits::WAIT;
use model::payload::Digest;
use model::play::PlayKey;
use model::value::Value;
use serde::{Deserialize, Serialize};
use store::{CommitError, Store, StoreError};

/// How long a call may be cancelled after it began: longer than any waits for its play.
const KEPT: Duration = WAIT.saturating_add(Duration::from_secs(60));

/// How long it is tried to cancel a play that is about to begin.
const TRIED: Duration = Duration::from_secs(5);

/// How often.
const PAUSE: Duration = Duration::from_millis(50);

/// A call that may be cancelled.
#[derive(Serialize, Deserialize)]
struct Pending {
    play: PlayId,
}

/// A request of a session, as its client names it. A session is a name that the client tells with each request; only
/// together with the token does it name anything.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    company: CompanyId,
    digest: Digest,
}

impl Named {
    pub(crate) fn new(company: CompanyId, actor: &Actor, session: &str, request: &Value) -> Self {
        let who = actor.id.map(|id| id.to_string()).unwrap_or_default();
        Self { company, digest: Digest::of(format!("{who}\n{session}\n{}", request.to_canonical_json()).as_bytes()) }
    }

    fn key(&self) -> DocKey {
        DocKey::new(self.company, DocKind::ChannelRequest, format!("call/{}", self.digest))
    }

    /// Writes down which play it is about to start.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn keep(&self, engine: &Engine, play: PlayId) -> Result<(), StoreError> {
        let until = engine.now().plus(KEPT);
        let doc = DocWrite::put(self.key(), Expect::Anything, &Pending { play }).expiring(until);
        let batch = model::batch::Batch { docs: vec![doc], ..Default::default() };
        engine.store().commit(batch).await.map(drop).map_err(|error| match error {
            CommitError::Store(error) => error,
            CommitError::Conflict(conflict) => StoreError::Failed(conflict.to_string()),
        })
    }

    /// The play that it started.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn play(&self, store: &dyn Store) -> Result<Option<PlayKey>, StoreError> {
        let Some(doc) = store.doc(&self.key()).await? else { return Ok(None) };
        let pending: Pending = doc.read().map_err(|error| StoreError::Damaged(error.to_string()))?;
        Ok(Some(PlayKey { company: self.company, play: pending.play }))
    }
}

/// Cancels a play, which may be about to begin. What was done is not undone.
pub(crate) async fn cancel(engine: &Arc<Engine>, play: PlayKey, actor: Actor, why: &str, request: &RequestInfo) {
    let until = tokio::time::Instant::now() + TRIED;
    loop {
        let command = Command::Cancel { compensate: false, reason: Some(why.to_owned()), actor: actor.clone() };
        match engine.command(play, command, request).await {
            Err(engine::driver::EngineError::NoSuchPlay(_)) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(PAUSE).await;
            }
            Ok(()) => return,
            Err(error) => {
                // It may have ended meanwhile.
                tracing::debug!(%error, play = %play.play, "a play whose call was cancelled goes its way");
                return;
            }
        }
    }
}
