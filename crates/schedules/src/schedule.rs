//! [`Schedule`]: what starts a flow, when, and what is done where that cannot be kept.

use std::time::Duration;

use model::ids::{CalendarId, FlowId, ScheduleId};
use model::limits::{ARGS_BYTES, CRON_CHARS, JSON_DEPTH, NAME_CHARS, SCHEDULE_JITTER};
use model::span::Span;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What starts a flow, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Which one.
    pub id: ScheduleId,
    /// What people call it.
    pub name: String,
    /// The flow that it starts, in its newest published version.
    pub flow_id: FlowId,
    /// When.
    #[serde(flatten)]
    pub timing: Timing,
    /// The play's arguments; beside them, it reads which tick it is for at `$prev.args.schedule`.
    #[serde(default = "Value::empty_map")]
    pub args: Value,
    /// Whether it starts anything; a paused schedule misses nothing.
    pub enabled: bool,
    /// What becomes of ticks at which flow8 did not run.
    #[serde(default)]
    pub missed: Missed,
    /// What becomes of a tick while the play of the one before still goes on.
    #[serde(default)]
    pub overlap: Overlap,
    /// Begins each play up to so much later, by chance: `5m`. At most an hour.
    #[serde(default)]
    pub jitter: Jitter,
    /// Since when there is one.
    pub created_at: Timestamp,
}

/// When a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// Five fields (minute, hour, day of month, month, day of week), or six with seconds in front.
    pub cron: String,
    /// The name of a time zone: `Europe/Zurich`. `UTC` where it is left out.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// On which days of a calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub calendar: Option<OnCalendar>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub start_at: Option<Timestamp>,
    /// Not after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub end_at: Option<Timestamp>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// On which days of a calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnCalendar {
    /// Which calendar.
    pub id: CalendarId,
    /// What becomes of a tick on a day of rest.
    #[serde(default)]
    pub rest_days: RestDays,
}

/// What becomes of a tick on a day of rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RestDays {
    /// There is none.
    #[default]
    Skip,
    /// It comes at the same time of the next business day.
    Next,
    /// It comes at the same time of the business day before.
    Previous,
}

/// What becomes of ticks at which flow8 did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Missed {
    /// They are recorded, and not run.
    Skip,
    /// The newest of them is run.
    #[default]
    One,
    /// Each is run, up to a thousand of them.
    All,
}

/// What becomes of a tick while the play of the one before still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Overlap {
    /// It is recorded, and not run.
    #[default]
    Skip,
    /// Both run.
    Allow,
    /// The play before is canceled.
    Replace,
}

/// How much later a play may begin.
pub type Jitter = Span;

/// What is wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidSchedule {
    /// Where.
    pub field: &'static str,
    /// What.
    pub problem: String,
}

impl InvalidSchedule {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }
}

impl Schedule {
    /// Checks what can be told without a store. What [`crate::Ticks`] is made of is checked by making it.
    ///
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidSchedule> {
        check_name(&self.name)?;
        if self.timing.cron.chars().count() > CRON_CHARS {
            return Err(InvalidSchedule::new("cron", format!("has at most {CRON_CHARS} characters")));
        }
        if self.jitter.duration() > SCHEDULE_JITTER {
            let problem = format!("is at most {} minutes", SCHEDULE_JITTER.as_secs() / 60);
            return Err(InvalidSchedule::new("jitter", problem));
        }
        let Some(args) = self.args.as_map() else {
            return Err(InvalidSchedule::new("args", format!("is an object, not a {}", self.args.type_name())));
        };
        if args.contains_key("schedule") {
            return Err(InvalidSchedule::new("args", "has no `schedule`: that is where a play finds its tick"));
        }
        let measure = self.args.measure(ARGS_BYTES, JSON_DEPTH);
        if measure.bytes > ARGS_BYTES || measure.depth > JSON_DEPTH {
            let problem = format!("is at most {} MiB, nested {JSON_DEPTH} deep", ARGS_BYTES >> 20);
            return Err(InvalidSchedule::new("args", problem));
        }
        match (self.timing.start_at, self.timing.end_at) {
            (Some(start), Some(end)) if start >= end => Err(InvalidSchedule::new("endAt", "is after startAt")),
            _ => Ok(()),
        }
    }

    /// How much later than its tick a play begins: always the same for the same tick, whoever asks.
    pub fn delay_of(&self, tick: Timestamp) -> Duration {
        let most = u64::try_from(self.jitter.duration().as_millis()).unwrap_or(u64::MAX);
        if most == 0 {
            return Duration::ZERO;
        }
        // FNV-1a: all that is asked of it is that ticks and schedules spread.
        let bytes = self.id.0.as_bytes().iter().chain(&tick.0.to_be_bytes()).copied().collect::<Vec<_>>();
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Duration::from_millis((hash ^ hash >> 32) % most)
    }
}

/// Checks a name that people give.
pub(crate) fn check_name(name: &str) -> Result<(), InvalidSchedule> {
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS {
        return Err(InvalidSchedule::new("name", format!("has from 1 to {NAME_CHARS} characters")));
    }
    Ok(())
}
