//! The rule for the names of key/values, which all modules of them keep.

use model::failure::Failure;
use model::limits::KV_KEY_BYTES;

use crate::arguments::refused;

/// Refuses what is no name of a key/value.
///
/// # Errors
/// Where it is empty, too long, or holds control characters.
pub(crate) fn check(key: &str) -> Result<(), Failure> {
    if key.is_empty() || key.len() > KV_KEY_BYTES || key.contains(char::is_control) {
        return Err(refused(format!("key: must be 1 to {KV_KEY_BYTES} bytes of text without control characters")));
    }
    Ok(())
}
