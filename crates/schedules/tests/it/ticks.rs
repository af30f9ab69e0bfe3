//! When ticks come, compared with another implementation of cron.

use std::io::Write as _;
use std::process::{Command, Stdio};

use model::time::Timestamp;
use schedules::{Ticks, Timing};

use crate::{at, next, ticks};

/// Zones whose clocks change, in both hemispheres, and at midnight.
const ZONES: [&str; 5] = ["Europe/Zurich", "America/New_York", "Pacific/Auckland", "America/Santiago", "Europe/London"];

const EXPRESSIONS: [&str; 15] = [
    "*/15 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "30 1 * * *",
    "5,35 1-3 * * *",
    "0 0 * * *",
    "15 2 * * 0",
    "30 23 * * SAT",
    "0 9 1 * MON",
    "*/20 2 * * *",
    "0 0 1,15 * *",
    "59 23 31 12 *",
    "0 12 * 2-4 1-5",
    "30 1,2,14 * * *",
    "10-40/10 0-4 * * *",
];

const YEAR: i64 = 2025;

/// What the other implementation says, for each pair in order.
fn expected(pairs: &[(&str, &str)]) -> Vec<Vec<i64>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/ticks.py");
    let mut python = Command::new(peers::place("cronsim"));
    let python = python.args([script, &YEAR.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = python.spawn().expect("Python starts");
    let lines: String = pairs.iter().map(|(zone, cron)| format!("{zone}\t{cron}\n")).collect();
    running.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("writes");
    let output = running.wait_with_output().expect("ends");
    assert!(output.status.success(), "what Python says stands above");
    let numbers = |line: &str| line.split(' ').map(|second| second.parse().expect("a number")).collect();
    String::from_utf8(output.stdout).expect("text").lines().map(numbers).collect()
}

#[test]
fn a_year_of_ticks_over_both_changes_of_the_clocks_is_that_of_an_independent_cron() {
    let pairs: Vec<_> = ZONES.iter().flat_map(|zone| EXPRESSIONS.iter().map(move |cron| (*zone, *cron))).collect();
    let mut compared = 0;
    for ((zone, cron), expected) in pairs.iter().zip(expected(&pairs)) {
        let ticks = ticks(cron, zone);
        let first = Timestamp(expected[0] * 1_000 - 1);
        let found: Vec<i64> = ticks.after(first).take(expected.len()).map(|tick| tick.0 / 1_000).collect();
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{cron} in {zone}");
        assert_eq!(found.len(), expected.len(), "{cron} in {zone}");
        compared += found.len();
    }
    assert!(compared > 200_000, "{compared} ticks");
}

#[test]
fn ticks_go_by_the_clock_of_the_zone_and_may_have_seconds() {
    assert_eq!(
        next(&ticks("0 9 * * *", "Europe/Zurich"), "2026-03-28T00:00:00Z", 2),
        ["2026-03-28T08:00Z", "2026-03-29T07:00Z"]
    );
    assert_eq!(
        next(&ticks("*/20 * * * * *", "UTC"), "2026-01-01T00:00:00.500Z", 2),
        ["2026-01-01T00:00:20.000Z", "2026-01-01T00:00:40.000Z"]
    );
    // With seconds, too: what is due at a time that does not come runs right after the change.
    let fixed = ticks("15 30 2 * * *", "Europe/Zurich");
    assert_eq!(next(&fixed, "2026-03-28T12:00:00Z", 2), ["2026-03-29T01:00Z", "2026-03-30T00:30:15.000Z"]);
    // The 29th of February may be far away.
    assert_eq!(next(&ticks("0 0 29 2 *", "UTC"), "2096-03-01T00:00:00Z", 1), ["2104-02-29T00:00Z"]);
}

/// Where the clocks change by half an hour, the other implementation loses ticks: here, each is looked for.
#[test]
fn half_an_hour_is_a_change_like_any_other() {
    let ticks = ticks("*/20 2 * * *", "Australia/Lord_Howe");
    let back = next(&ticks, "2025-04-05T12:00:00Z", 3);
    assert_eq!(back, ["2025-04-05T15:30Z", "2025-04-05T15:50Z", "2025-04-05T16:10Z"]);
    let forward = next(&ticks, "2025-10-04T12:00:00Z", 2);
    assert_eq!(forward, ["2025-10-04T15:40Z", "2025-10-05T15:00Z"], "from 2:00 to 2:30");
    let fixed = next(&crate::ticks("15 2 * * *", "Australia/Lord_Howe"), "2025-10-04T12:00:00Z", 2);
    assert_eq!(fixed, ["2025-10-04T15:30Z", "2025-10-05T15:15Z"]);
}

#[test]
fn ticks_stay_between_their_start_and_their_end() {
    let timing = Timing {
        cron: "0 * * * *".into(),
        time_zone: "UTC".into(),
        calendar: None,
        start_at: Some(at("2026-01-01T06:00:00Z")),
        end_at: Some(at("2026-01-01T08:00:00Z")),
    };
    let ticks = Ticks::new(&timing, None).expect("ticks");
    let all = next(&ticks, "2025-01-01T00:00:00Z", 10);
    assert_eq!(all, ["2026-01-01T06:00Z", "2026-01-01T07:00Z", "2026-01-01T08:00Z"]);
}

#[test]
fn what_cannot_be_is_refused_and_what_never_comes_ends() {
    let refused = |cron: &str, zone: &str| {
        let timing = Timing { cron: cron.into(), time_zone: zone.into(), calendar: None, start_at: None, end_at: None };
        Ticks::new(&timing, None).map(drop).expect_err("is refused").field
    };
    for cron in ["", "* * * *", "61 * * * *", "* * * * * * *", "1-0 * * * *", "*/0 * * * *", "ß * * * *", "@reboot"] {
        assert_eq!(refused(cron, "UTC"), "cron", "{cron:?}");
    }
    for zone in ["", "Mars/Olympus", "CEST", "../../etc/passwd"] {
        assert_eq!(refused("* * * * *", zone), "timeZone", "{zone:?}");
    }
    assert_eq!(ticks("0 0 31 2 *", "UTC").next(at("2026-01-01T00:00:00Z")), None);
}
