//! Ticks over business days.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::ids::CalendarId;
use model::time::Timestamp;
use schedules::RestDays;
use schedules::calendar::{Calendar, Day};

use crate::{next, on};

/// Monday to Friday, but for Christmas of 2026, which begins on a Friday.
fn bank() -> Arc<Calendar> {
    let holidays = [("2026-12-25", "Christmas"), ("2026-12-28", "in lieu"), ("2027-01-01", "New Year")];
    Arc::new(Calendar {
        id: CalendarId::default(),
        name: "Bank".into(),
        business_days: vec![Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday],
        holidays: holidays.map(|(date, name)| (date.to_owned(), name.to_owned())).into(),
        created_at: Timestamp::MIN,
    })
}

fn from_christmas(cron: &str, rest_days: RestDays, count: usize) -> Vec<String> {
    next(&on(cron, "Europe/Zurich", Some((bank(), rest_days))), "2026-12-24T12:00:00Z", count)
}

#[test]
fn on_days_of_rest_there_are_no_ticks() {
    let days = from_christmas("0 9 * * *", RestDays::Skip, 5);
    assert_eq!(
        days,
        ["2026-12-29T08:00Z", "2026-12-30T08:00Z", "2026-12-31T08:00Z", "2027-01-04T08:00Z", "2027-01-05T08:00Z"]
    );
    assert_eq!(from_christmas("0 9 25 12 *", RestDays::Skip, 1), ["2028-12-25T08:00Z"], "2027 has it on a Saturday");
}

#[test]
fn ticks_of_days_of_rest_move_to_a_business_day_and_none_comes_twice() {
    assert_eq!(from_christmas("0 9 25 * *", RestDays::Next, 2), ["2026-12-29T08:00Z", "2027-01-25T08:00Z"]);
    assert_eq!(from_christmas("0 17 26 * *", RestDays::Previous, 1), ["2026-12-24T16:00Z"]);
    // Four days of rest have the same time as the business day after them: one tick.
    assert_eq!(from_christmas("0 9 * * *", RestDays::Next, 2), ["2026-12-29T08:00Z", "2026-12-30T08:00Z"]);
    // Those of Saturday come beside those of Tuesday.
    let two = from_christmas("0 10 26 12 *", RestDays::Next, 1);
    assert_eq!(two, ["2026-12-29T09:00Z"]);
    // The month's end, before a day of rest.
    let ends = from_christmas("0 18 1 * *", RestDays::Previous, 3);
    assert_eq!(ends, ["2026-12-31T17:00Z", "2027-02-01T17:00Z", "2027-03-01T17:00Z"]);
}

#[test]
fn ticks_that_are_a_second_apart_are_found_one_after_the_other() {
    let ticks = on("* * 9 26 12 *", "UTC", None);
    assert_eq!(ticks.after(crate::at("2026-12-01T00:00:00Z")).take(3_600).count(), 3_600);
    let moved = on("* * 9 26 12 *", "UTC", Some((bank(), RestDays::Next)));
    let first = moved.after(crate::at("2026-12-01T00:00:00Z")).take(3_601).collect::<Vec<_>>();
    assert_eq!(first[0], crate::at("2026-12-29T09:00:00Z"));
    assert_eq!(first[3_599], crate::at("2026-12-29T09:59:59Z"));
    assert!(first[3_600] > crate::at("2027-12-01T00:00:00Z"));
}

#[test]
fn a_calendar_says_what_is_wrong_with_it() {
    let wrong = |change: fn(&mut Calendar)| {
        let mut calendar = Calendar::clone(&bank());
        change(&mut calendar);
        calendar.check().expect_err("is refused").field
    };
    assert_eq!(bank().check(), Ok(()));
    assert_eq!(wrong(|calendar| calendar.name = " ".into()), "name");
    assert_eq!(wrong(|calendar| calendar.business_days.clear()), "businessDays");
    assert_eq!(wrong(|calendar| drop(calendar.holidays.insert("2026-2-30".into(), String::new()))), "holidays");
    assert_eq!(wrong(|calendar| drop(calendar.holidays.insert("2026-02-30".into(), String::new()))), "holidays");
    // Nothing is ever due where there is no business day for months.
    let days =
        (1..=400).map(|day| crate::at("2026-12-24T12:00:00Z").plus(std::time::Duration::from_secs(86_400 * day)));
    let holidays: BTreeMap<String, String> =
        days.map(|day| (day.to_string()[..10].to_owned(), String::new())).collect();
    let closed = Arc::new(Calendar { holidays, ..Calendar::clone(&bank()) });
    assert_eq!(next(&on("0 9 * * *", "UTC", Some((closed, RestDays::Next))), "2026-12-24T12:00:00Z", 1), [""; 0]);
}
