//! [`Room`]: how many bytes of bodies are held at once. Whoever has sent little holds little, whatever they announced:
//! nobody keeps others out who has not sent as much as they keep.

use std::sync::Arc;
use std::time::Duration;

use model::limits::BODY_PIECE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Room for bodies. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Room {
    /// Pieces that are free.
    pieces: Arc<Semaphore>,
    /// How long a body may take to arrive as a whole.
    time: Duration,
}

impl Room {
    /// Room for so many bytes, where a body takes no longer than that.
    pub(crate) fn new(bytes: usize, time: Duration) -> Self {
        Self { pieces: Arc::new(Semaphore::new(bytes / BODY_PIECE)), time }
    }

    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// Room for one body, of which nothing has come yet.
    pub(crate) fn begin(&self) -> Taken {
        Taken { pieces: self.pieces.clone(), held: None }
    }
}

/// The room that one body takes, until this is dropped.
pub(crate) struct Taken {
    pieces: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Taken {
    /// Takes what a body needs of which so many bytes are there. The first piece is free: there are no more of those than
    /// connections, and so small bodies always pass.
    ///
    /// # Errors
    /// Where there is no room. Nobody waits for it: those who waited would hold what others wait for.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let needed = bytes.div_ceil(BODY_PIECE).saturating_sub(1);
        let more = needed.saturating_sub(self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let crowded = |_| ApiError::crowded("too many large requests are under way; try again in a moment");
        let more = self.pieces.clone().try_acquire_many_owned(more).map_err(crowded)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}
