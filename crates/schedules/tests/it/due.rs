//! What a moment asks of a schedule.

use schedules::Missed;
use schedules::due::{Asked, asked};

use crate::{at, ticks};

const NOON: &str = "2026-05-01T12:00:00Z";

#[test]
fn a_tick_is_run_when_its_time_has_come_and_not_before() {
    let hourly = ticks("0 * * * *", "UTC");
    let ask = |after: &str, now: &str| asked(&hourly, Missed::Skip, at(after), 0, at(now));
    assert_eq!(ask("2026-05-01T11:00:00Z", "2026-05-01T11:59:59.999Z"), Asked::Wait(Some(at(NOON))));
    let run = Asked::Run { tick: at(NOON), missed: 0, late: false };
    assert_eq!(ask("2026-05-01T11:00:00Z", NOON), run);
    assert_eq!(ask("2026-05-01T11:00:00Z", "2026-05-01T12:01:00Z"), run, "a minute late is no missed one");
    assert_eq!(asked(&ticks("0 0 31 2 *", "UTC"), Missed::One, at(NOON), 0, at(NOON)), Asked::Wait(None));
}

#[test]
fn what_was_missed_is_passed_over_run_once_or_run_each() {
    let hourly = ticks("0 * * * *", "UTC");
    let (after, now) = (at("2026-05-01T02:00:00Z"), at("2026-05-01T12:30:00Z"));
    let ask = |missed, caught_up| asked(&hourly, missed, after, caught_up, now);
    let (first, last) = (at("2026-05-01T03:00:00Z"), at(NOON));
    assert_eq!(ask(Missed::Skip, 0), Asked::PassOver { first, last, count: 10 });
    assert_eq!(ask(Missed::One, 0), Asked::Run { tick: last, missed: 9, late: true });
    assert_eq!(ask(Missed::All, 999), Asked::Run { tick: first, missed: 0, late: true });
    assert_eq!(ask(Missed::All, 1_000), Asked::PassOver { first, last, count: 10 }, "a thousand in a row, no more");
}

#[test]
fn a_long_time_off_is_no_long_search() {
    let (after, now) = (at("2001-01-01T00:00:00Z"), at("2026-05-01T12:00:30Z"));
    let every_second = ticks("* * * * * *", "UTC");
    let last = at("2026-05-01T11:59:29Z");
    assert_eq!(
        asked(&every_second, Missed::One, after, 0, now),
        Asked::Run { tick: last, missed: 9_999, late: true },
        "counted up to a bound"
    );
    let now_and_then = ticks("0 0 29 2 *", "UTC");
    let Asked::PassOver { last, count, .. } = asked(&now_and_then, Missed::Skip, after, 0, now) else { panic!() };
    assert_eq!((last, count), (at("2024-02-29T00:00:00Z"), 6));
}
