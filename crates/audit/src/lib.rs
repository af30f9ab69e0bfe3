//! The audit log of a company as a chain that proves itself.
//!
//! Rows are written unsealed, in the batch of what they tell of. Within a second a replica seals them
//! ([`Log::seal`]): a [`Segment`] lists the digest of each of its rows and that of the segment before, and is signed
//! with a key of the company's own, which is stored sealed. Whoever can write to the database and has no key
//! can change no row and remove none without it being noticed ([`Log::verify`]); the end of the log, where no
//! segment follows, is proved by what was exported before ([`Log::export`]).
//!
//! An export holds rows and segments as they were sealed, byte for byte, and is checked where there is neither
//! database nor key ([`verify_export`]). What is no longer kept goes by whole segments, and leaves a signed
//! checkpoint from which the chain goes on ([`Log::drop_old`]).

mod chain;
mod check;
mod error;
mod export;
mod keep;
mod read;
mod sealing;
mod segment;
mod table;
mod verify;

use std::sync::Arc;

use bytes::Bytes;
use model::ids::CompanyId;
use model::seal::Seal;
use model::time::Timestamp;
use store::Store;
use tokio::sync::mpsc;

pub use check::{Broken, Report};
pub use error::AuditError;
pub use export::Format;
pub use keep::Keep;
pub use read::{ExportError, verify_export};
pub use segment::{Checkpoint, SEGMENT_ROWS, Segment, Signed};

/// The audit logs of all companies.
#[derive(Clone)]
pub struct Log {
    store: Arc<dyn Store>,
    seal: Arc<dyn Seal>,
}

impl Log {
    /// The logs in a store, whose signing keys are sealed so.
    pub fn new(store: Arc<dyn Store>, seal: Arc<dyn Seal>) -> Self {
        Self { store, seal }
    }

    /// Whether there may be rows that are not sealed.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn is_behind(&self) -> Result<bool, AuditError> {
        sealing::is_behind(self).await
    }

    /// Seals every row that is not sealed, and says how many these were. Where another replica is at it, it is
    /// left to that one.
    ///
    /// # Errors
    /// Where the store fails, or a company's key cannot be used; what is sealed stays so.
    pub async fn seal(&self, now: Timestamp) -> Result<u64, AuditError> {
        sealing::seal(self, now).await
    }

    /// Checks all that is kept of a company's log against its seals.
    ///
    /// # Errors
    /// Where the store fails, or the key that signs cannot be used. What is broken is no error: it is told.
    pub async fn verify(&self, company: CompanyId) -> Result<Report, AuditError> {
        verify::verify(self, company).await
    }

    /// Exports a company's log, oldest rows first, piece by piece. Where that fails, the last piece is an error.
    pub fn export(
        &self,
        now: Timestamp,
        company: CompanyId,
        format: Format,
    ) -> mpsc::Receiver<Result<Bytes, AuditError>> {
        export::export(self.clone(), now, company, format)
    }

    /// Drops the oldest segments of a company that need not be kept; says how many rows these had.
    ///
    /// # Errors
    /// Where the store fails, or the key that signs cannot be used; what was dropped stays so.
    pub async fn drop_old(&self, now: Timestamp, company: CompanyId, keep: Keep) -> Result<u64, AuditError> {
        keep::drop_old(self, now, company, keep).await
    }
}
