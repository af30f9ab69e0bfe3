//! [`restore`]: an archive into an empty store, and its objects beside it.

use std::io::Read;

use store::Store;
use store::dump::Fill;
use store::row::Row;
use vault::MasterKey;

use crate::checked::{Checked, open};
use crate::entry::{Entry, ObjectHead};
use crate::error::ArchiveError;
use crate::objects::{Objects, Standing};
use crate::totals::{Counting, Totals};
use crate::{Progress, Told};

/// Rows that are put in at once, and bytes of them, about.
const PAGE: (usize, usize) = (1_000, 4 << 20);

/// Where an archive goes.
pub struct Target<'t> {
    /// The store; empty, or left from a restore that did not finish.
    pub store: &'t dyn Store,
    /// What is kept outside the store.
    pub objects: &'t Objects,
    /// Whether objects that are there already and are others may be replaced.
    pub over_objects: bool,
}

/// Restores an archive that was found sound; `input` is the same archive, from its beginning.
/// At the end the target was read again and holds just what the archive does.
///
/// # Errors
/// Where the target is not empty: nothing was changed. Where anything else fails, the store opens for nobody until
/// another restore has finished.
pub async fn restore(
    input: impl Read + Send,
    checked: &Checked,
    master: &MasterKey,
    target: &Target<'_>,
    told: Told<'_>,
) -> Result<Totals, ArchiveError> {
    let standing = if target.over_objects {
        // Some of them may be there, and are written again.
        Standing::Nothing
    } else {
        standing(checked, target.objects).await?
    };
    let (about, mut reading) = open(input, master)?;
    if about != checked.about {
        return Err(ArchiveError::Differs("the file is another one now".into()));
    }
    let mut filling = target.store.fill().await?;
    let mut page = Page::default();
    let mut object: Option<(ObjectHead, Vec<u8>)> = None;
    while let Some(entry) = reading.next()? {
        match entry {
            Entry::Row(row) => page.add(row, &mut *filling).await?,
            Entry::Object(head) => object = Some((head, Vec::new())),
            Entry::Piece(bytes) => object.iter_mut().for_each(|(_, all)| all.extend_from_slice(&bytes)),
            Entry::End(totals) if totals != checked.totals => {
                return Err(ArchiveError::Differs("the file is another one now".into()));
            }
            Entry::End(_) => {}
        }
        if let Some((head, bytes)) = object.take_if(|(head, bytes)| bytes.len() as u64 == head.size)
            && standing != Standing::Same
        {
            target.objects.of(head.area).write(head.company, &head.path, bytes.into()).await?;
        }
        if page.rows.is_empty() {
            let (things, bytes) = reading.counting.so_far();
            told(Progress { doing: "restoring", things, bytes });
        }
    }
    page.put(&mut *filling).await?;
    compare(target, checked, told).await?;
    filling.finish().await?;
    Ok(checked.totals.clone())
}

/// Whether objects are in the way of those of an archive.
///
/// # Errors
/// Where there are others.
pub async fn refuse_other_objects(checked: &Checked, objects: &Objects) -> Result<(), ArchiveError> {
    standing(checked, objects).await.map(drop)
}

async fn standing(checked: &Checked, objects: &Objects) -> Result<Standing, ArchiveError> {
    match objects.standing(&checked.companies, &checked.totals).await? {
        Standing::Others(what) => Err(ArchiveError::OtherObjects(what)),
        standing => Ok(standing),
    }
}

/// Rows that are put in together.
#[derive(Default)]
struct Page {
    rows: Vec<Row>,
    weight: usize,
}

impl Page {
    async fn add(&mut self, row: Row, filling: &mut dyn Fill) -> Result<(), ArchiveError> {
        self.weight += row.weight();
        self.rows.push(row);
        if self.rows.len() >= PAGE.0 || self.weight >= PAGE.1 { self.put(filling).await } else { Ok(()) }
    }

    async fn put(&mut self, filling: &mut dyn Fill) -> Result<(), ArchiveError> {
        self.weight = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() { Ok(()) } else { Ok(filling.put(rows).await?) }
    }
}

/// Reads the target again and compares all of it with the archive.
async fn compare(target: &Target<'_>, checked: &Checked, told: Told<'_>) -> Result<(), ArchiveError> {
    let mut counting = Counting::default();
    let mut rows = target.store.dump().await?;
    while let Some(page) = rows.next().await? {
        page.iter().try_for_each(|row| counting.plain_row(row))?;
        let (things, bytes) = counting.so_far();
        told(Progress { doing: "comparing", things, bytes });
    }
    let mut differences = checked.totals.part(false).differences(&counting.totals());
    let objects = target.objects.totals(&checked.companies).await?;
    differences.extend(checked.totals.part(true).differences(&objects));
    if differences.is_empty() { Ok(()) } else { Err(ArchiveError::Differs(differences.join(", "))) }
}
