//! [`write`]: an archive of what a store gives out, and of the objects beside it.

use std::collections::BTreeSet;
use std::io::Write;

use store::dump::Rows;
use vault::MasterKey;

use crate::about::About;
use crate::entry::Writing;
use crate::error::ArchiveError;
use crate::objects::Objects;
use crate::stream::Sealing;
use crate::totals::Totals;
use crate::{Progress, Told};

/// Writes an archive; gives what is in it, and its bytes.
///
/// The objects are read after the rows: what a play refers to was written before it was said, so
/// whatever the rows speak of is there, but for what is cleared away meanwhile.
///
/// # Errors
/// Where the store or an object cannot be read, or the archive cannot be written. What was written is no archive then.
pub async fn write(
    mut out: impl Write + Send,
    about: &About,
    master: &MasterKey,
    mut rows: Rows,
    objects: &Objects,
    told: Told<'_>,
) -> Result<(Totals, u64), ArchiveError> {
    let (frames, header) = about.write(&mut out, master)?;
    let mut writing = Writing::new(Sealing::new(out, frames, header));
    let mut companies = BTreeSet::new();
    while let Some(page) = rows.next().await? {
        for row in &page {
            companies.extend(row.company());
            writing.row(row)?;
        }
        let (things, bytes) = writing.counting.so_far();
        told(Progress { doing: "reading the store", things, bytes });
    }
    let each = |head: &crate::entry::ObjectHead, content: &[u8]| {
        writing.object(head, content)?;
        let (things, bytes) = writing.counting.so_far();
        told(Progress { doing: "reading files", things, bytes });
        Ok(())
    };
    objects.each(&companies, each).await?;
    writing.finish()
}
