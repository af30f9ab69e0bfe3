//! Backup, restore and verification: all of an installation as one stream of bytes, for any store.
//!
//! An archive opens with a header that anybody may read ([`About`]). All else is sealed, frame by
//! frame, with a key that is derived from the installation's master key: a byte that was changed, a
//! frame that is missing, an end that was cut off are noticed. Within stand the rows of the store and
//! the objects, and at the end how many of each there are, with their hashes ([`Totals`]).
//!
//! [`write`] makes an archive, [`check`] reads one to its end, [`restore`] does so twice: it writes
//! nothing before all of it has been found sound, and compares at the end what the target holds.

mod about;
mod checked;
mod entry;
mod error;
mod objects;
mod restored;
mod stream;
mod totals;
mod written;

pub use about::{About, FORMAT};
pub use checked::{Checked, check};
pub use error::ArchiveError;
pub use objects::Objects;
pub use restored::{Target, refuse_other_objects, restore};
pub use totals::{Tally, Totals};
pub use written::write;

/// How far something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done: `reading`, say.
    pub doing: &'static str,
    /// Rows and objects so far.
    pub things: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Who is told how far something has come.
pub type Told<'t> = &'t mut (dyn FnMut(Progress) + Send);
