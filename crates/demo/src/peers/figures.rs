//! Sales of a day: made up from its date, so that a day always has the same.

use axum::http::StatusCode;
use model::Value;

use super::bank::number;
use super::request::Answer;

const REGIONS: &[&str] = &["North", "South", "West"];

/// Products, with the cents that one costs.
const PRODUCTS: &[(&str, u64)] = &[("Lamp", 4_990), ("Chair", 12_900), ("Shelf", 8_450)];

/// The sales of a day.
pub(super) fn of(day: Option<&str>) -> Answer {
    let Some(day) = day.filter(|day| is_day(day)) else {
        return Answer::refusal(StatusCode::BAD_REQUEST, "give a day such as ?day=2026-03-02");
    };
    let seed = day.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut sales = Vec::new();
    for (row, region) in (0_u64..).zip(REGIONS) {
        for (column, (product, cents)) in (0_u64..).zip(PRODUCTS) {
            let units = 1 + (seed >> (3 * row + 5 * column)) % 40;
            let revenue = units * cents;
            sales.push(Value::map([
                ("region", Value::from(*region)),
                ("product", (*product).into()),
                ("units", units.into()),
                ("revenue", number(&format!("{}.{:02}", revenue / 100, revenue % 100))),
            ]));
        }
    }
    Answer::ok(Value::map([("day", Value::from(day)), ("currency", "EUR".into()), ("sales", sales.into())]))
}

fn is_day(day: &str) -> bool {
    day.len() == 10
        && day
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
}
