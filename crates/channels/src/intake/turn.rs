//! [`Turn`]: where one replica alone may take in, whose turn it is.
//!
//! It stands in the store, and only one can have written it on the revision that it read. Whoever has it says so again
//! long before it ends; where somebody is silent for that long, another takes over. A replica that was held up and
//! does not know yet that its turn is over does no harm: messages have keys, and start one play.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, Id};
use model::limits::INTAKE_TURN;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::{CommitError, StoreError};
use tokio::time::Instant;

/// How often it is said again.
const RENEW: Duration = INTAKE_TURN.checked_div(3).expect("three is not nothing");

#[derive(Serialize, Deserialize)]
struct Held {
    by: Id,
    until: Timestamp,
}

/// The turn to take in, which this replica may have.
pub(super) struct Turn {
    engine: Arc<Engine>,
    key: DocKey,
    /// Who asks: another one each time, so that nobody takes an old turn for their own.
    by: Id,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Mine,
    /// Another's, for so long at most.
    Others(Duration),
}

impl Turn {
    pub(super) fn new(engine: Arc<Engine>, company: CompanyId, channel: Id) -> Self {
        let key = DocKey::new(company, DocKind::ChannelRequest, format!("turn/{channel}"));
        Self { by: engine.new_id(), key, engine }
    }

    /// Takes the turn, or says again that it is this replica's.
    ///
    /// # Errors
    /// Where the store fails: then it is not known whose it is.
    pub(super) async fn take(&self) -> Result<Whose, StoreError> {
        let store = self.engine.store();
        let doc = store.doc(&self.key).await?;
        let now = self.engine.now();
        let expect = match &doc {
            None => Expect::Absent,
            Some(doc) => {
                let held: Held = doc.read().map_err(|error| StoreError::Damaged(error.to_string()))?;
                if held.by != self.by && held.until > now {
                    return Ok(Whose::Others(held.until.since(now).min(INTAKE_TURN)));
                }
                Expect::Revision(doc.revision)
            }
        };
        let until = now.plus(INTAKE_TURN);
        let write = DocWrite::put(self.key.clone(), expect, &Held { by: self.by, until }).expiring(until);
        match store.commit(Batch { docs: vec![write], ..Batch::default() }).await {
            Ok(_) => Ok(Whose::Mine),
            // Somebody was quicker.
            Err(CommitError::Conflict(_)) => Ok(Whose::Others(RENEW)),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Keeps the turn that was taken at that moment; returns when it is lost, or may be soon.
    pub(super) async fn keep(&self, mut taken: Instant) {
        loop {
            tokio::time::sleep(RENEW).await;
            let asked = Instant::now();
            match self.take().await {
                Ok(Whose::Mine) => taken = asked,
                Ok(Whose::Others(_)) => return,
                Err(error) => tracing::warn!(%error, "cannot say that this replica still takes messages in"),
            }
            if taken.elapsed() + RENEW >= INTAKE_TURN {
                return;
            }
        }
    }

    /// Lets go of it, so that nobody need wait for its end.
    pub(super) async fn give_back(&self) {
        let store = self.engine.store();
        let Ok(Some(doc)) = store.doc(&self.key).await else { return };
        if doc.read::<Held>().is_ok_and(|held| held.by == self.by) {
            let write = DocWrite::remove(self.key.clone(), Expect::Revision(doc.revision));
            if let Err(error) = store.commit(Batch { docs: vec![write], ..Batch::default() }).await {
                tracing::debug!(%error, "the turn to take messages in ends by itself");
            }
        }
    }
}
