//! Files of the storage, as modules reach them: one wording and one set of codes.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use model::failure::Failure;
use sdk::EffectCtx;
use sdk::component::Kind;
use sdk::storage::{Storage, StorageError};
use sha2::{Digest, Sha256};

/// There is no such file.
pub(crate) const STORAGE_NOT_FOUND: &str = "STORAGE_NOT_FOUND";
/// The path is not one.
pub(crate) const STORAGE_BAD_PATH: &str = "STORAGE_BAD_PATH";
/// The file is larger than may be read at once.
pub(crate) const STORAGE_TOO_LARGE: &str = "STORAGE_TOO_LARGE";
/// No space is left.
pub(crate) const STORAGE_FULL: &str = "STORAGE_FULL";
/// The storage could not do it; the message says more.
pub(crate) const STORAGE_FAILED: &str = "STORAGE_FAILED";

/// What a file holds, at most `max` bytes.
///
/// # Errors
/// As the storage says.
pub(crate) async fn read(ctx: &EffectCtx, path: &str, max: usize) -> Result<Bytes, Failure> {
    ctx.storage.read(ctx.company, path, max).await.map_err(failure)
}

/// The bucket of the flowlet's component.
///
/// # Errors
/// Where it cannot be used.
pub(crate) async fn bucket(ctx: &EffectCtx) -> Result<Arc<dyn Storage>, Failure> {
    ctx.backends.storage.open(ctx.component(Kind::Storage)?).await
}

/// What went wrong with a file.
pub(crate) fn failure(error: StorageError) -> Failure {
    let (code, message) = match error {
        StorageError::NotFound(message) => (STORAGE_NOT_FOUND, message),
        StorageError::BadPath(message) => (STORAGE_BAD_PATH, message),
        StorageError::TooLarge(message) => (STORAGE_TOO_LARGE, message),
        StorageError::Full(message) => (STORAGE_FULL, message),
        StorageError::Failed(message) => (STORAGE_FAILED, message),
    };
    Failure::new(code, message)
}

/// A folder that nothing else uses, made of what belongs to one step alone: the same when the
/// step is repeated.
pub(crate) fn temporary_folder(of: &str) -> String {
    let digest = Sha256::digest(format!("flow8 folder {of}"));
    digest[..12].iter().fold(String::from("tmp/"), |mut path, byte| {
        // Writing to a string cannot fail.
        let _ = write!(path, "{byte:02x}");
        path
    })
}
