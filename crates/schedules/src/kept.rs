//! How schedules, their progress and calendars are kept in a store.

use std::sync::Arc;

use model::Failure;
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::ids::{CalendarId, CompanyId, PlayId, ScheduleId};
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{Store, StoreError};

use crate::calendar::Calendar;

/// How far a schedule has come. It changes in the commit of the play that a tick starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// All ticks up to then have been dealt with.
    pub after: Timestamp,
    /// The tick that was run last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub last_tick: Option<Timestamp>,
    /// The play that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub last_play: Option<PlayId>,
    /// Ticks that started a play.
    pub started: u64,
    /// Ticks that did not.
    pub passed_over: u64,
    /// Why the tick that was dealt with last could not start a play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub refused: Option<Failure>,
    /// Missed ticks in a row that were run.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(skip)]
    pub(crate) caught_up: u32,
}

fn is_none(number: &u32) -> bool {
    *number == 0
}

impl Progress {
    /// That of a schedule that begins then.
    pub fn from(now: Timestamp) -> Self {
        Self { after: now, last_tick: None, last_play: None, started: 0, passed_over: 0, refused: None, caught_up: 0 }
    }

    /// The same, of a schedule that begins anew then: whatever was due before is none of its ticks.
    #[must_use]
    pub fn anew(self, now: Timestamp) -> Self {
        Self { after: now, caught_up: 0, ..self }
    }

    /// As a change of what the store has.
    pub fn write(&self, company: CompanyId, schedule: ScheduleId, expect: Expect) -> DocWrite {
        DocWrite::put(progress_key(company, schedule), expect, self)
    }
}

/// Where a schedule is kept.
pub fn schedule_key(company: CompanyId, id: ScheduleId) -> DocKey {
    DocKey::new(company, DocKind::Schedule, id)
}

/// Where it is kept how far a schedule has come.
pub fn progress_key(company: CompanyId, id: ScheduleId) -> DocKey {
    DocKey::new(company, DocKind::ScheduleProgress, id)
}

/// Where a calendar is kept.
pub fn calendar_key(company: CompanyId, id: CalendarId) -> DocKey {
    DocKey::new(company, DocKind::Calendar, id)
}

/// How far a schedule has come, and at which revision that stands; none where nobody has written that down.
///
/// # Errors
/// Where the store fails or is damaged.
pub async fn progress_of(
    store: &dyn Store,
    company: CompanyId,
    id: ScheduleId,
) -> Result<Option<(Progress, Expect)>, StoreError> {
    let doc = store.doc(&progress_key(company, id)).await?;
    doc.map(|doc| Ok((read(&doc)?, Expect::Revision(doc.revision)))).transpose()
}

/// A calendar.
///
/// # Errors
/// Where the store fails or is damaged.
pub async fn calendar_of(
    store: &dyn Store,
    company: CompanyId,
    id: CalendarId,
) -> Result<Option<Arc<Calendar>>, StoreError> {
    let doc = store.doc(&calendar_key(company, id)).await?;
    doc.map(|doc| read(&doc).map(Arc::new)).transpose()
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(doc: &Doc) -> Result<T, StoreError> {
    doc.read().map_err(|error| StoreError::Damaged(error.to_string()))
}
