//! [`Calendar`]: which days are business days. Data: holidays are listed, not computed.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use model::ids::CalendarId;
use model::limits::{HOLIDAYS, NAME_CHARS};
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule::{InvalidSchedule, check_name};

/// The most days in a row at which a business day is looked for.
const LONGEST_REST: usize = 62;

/// Which days are business days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// Which one.
    pub id: CalendarId,
    /// What people call it.
    pub name: String,
    /// The days of the week that are business days, where they are no holiday.
    pub business_days: Vec<Day>,
    /// Days of rest, as `2026-12-25`, each with its name.
    #[serde(default)]
    pub holidays: BTreeMap<String, String>,
    /// Since when there is one.
    pub created_at: Timestamp,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "they say what they are")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl From<Weekday> for Day {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

impl Calendar {
    /// # Errors
    /// With the first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidSchedule> {
        check_name(&self.name)?;
        if self.business_days.is_empty() {
            return Err(InvalidSchedule::new("businessDays", "names at least one day of the week"));
        }
        if self.holidays.len() > HOLIDAYS {
            return Err(InvalidSchedule::new("holidays", format!("are at most {HOLIDAYS}")));
        }
        for (date, name) in &self.holidays {
            if date.parse::<Date>().map(|read| read.to_string()).ok().as_deref() != Some(date) {
                return Err(InvalidSchedule::new("holidays", format!("{date:?} is no date such as 2026-12-25")));
            }
            if name.chars().count() > NAME_CHARS {
                return Err(InvalidSchedule::new("holidays", format!("a name has at most {NAME_CHARS} characters")));
            }
        }
        Ok(())
    }

    /// Whether a day is a business day.
    pub fn is_business_day(&self, date: Date) -> bool {
        self.business_days.contains(&date.weekday().into()) && !self.holidays.contains_key(&date.to_string())
    }

    /// The first business day after one; none where there is none for two months.
    pub(crate) fn next_business_day(&self, after: Date) -> Option<Date> {
        self.step(after, Date::tomorrow)
    }

    fn step(&self, from: Date, step: fn(Date) -> Result<Date, jiff::Error>) -> Option<Date> {
        std::iter::successors(step(from).ok(), |date| step(*date).ok())
            .take(LONGEST_REST)
            .find(|date| self.is_business_day(*date))
    }

    /// The days of rest right before a day, the earliest first.
    pub(crate) fn rest_before(&self, date: Date) -> Vec<Date> {
        let mut days = self.rest(date, Date::yesterday);
        days.reverse();
        days
    }

    /// The days of rest right after a day.
    pub(crate) fn rest_after(&self, date: Date) -> Vec<Date> {
        self.rest(date, Date::tomorrow)
    }

    fn rest(&self, from: Date, step: fn(Date) -> Result<Date, jiff::Error>) -> Vec<Date> {
        std::iter::successors(step(from).ok(), |date| step(*date).ok())
            .take(LONGEST_REST)
            .take_while(|date| !self.is_business_day(*date))
            .collect()
    }
}
