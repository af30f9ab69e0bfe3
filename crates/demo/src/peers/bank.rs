//! A bank: it pays, says what is due, knows listed names, and has exchange rates.

use axum::http::StatusCode;
use model::{Number, Value};

use super::request::{Answer, Asked};
use super::shelf::{Shelf, with_id};

/// What was paid.
#[derive(Debug, Default)]
pub(super) struct Bank {
    payments: Shelf<Value>,
}

/// Merchant, name, IBAN, amount that is due.
const DUE: &[(&str, &str, &str, &str)] = &[
    ("M-201", "Corner Bakery", "DE00100000000000000201", "1284.10"),
    ("M-202", "Old Town Books", "DE00100000000000000202", "311.95"),
    ("M-203", "Pier Nine Coffee", "NL00PIER0000000203", "92.40"),
    ("M-204", "Hill Cycles", "FR0010000000000000000204", "5630.00"),
    ("M-205", "Lantern Toys", "BE00100000000205", "0.00"),
];

/// Names that may not be paid.
const LISTED: &[&str] = &["Vanta Trading", "Grey Harbour Metals"];

/// Units of a currency for one euro, on the day of the rates.
const RATES: &[(&str, &str)] = &[
    ("EUR", "1"),
    ("CHF", "0.9384"),
    ("GBP", "0.8412"),
    ("JPY", "163.27"),
    ("SEK", "11.0935"),
    ("TND", "3.3871"),
    ("USD", "1.0873"),
];

impl Bank {
    pub(super) fn act(&mut self, method: &str, path: &[&str], asked: &Asked) -> Answer {
        match (method, path) {
            ("GET", []) => Answer::ok(self.payments.list()),
            ("POST", []) => self.pay(asked),
            ("GET", ["due"]) => Answer::ok(Value::map([("currency", "EUR".into()), ("merchants", due())])),
            ("GET", ["screening"]) => screen(asked.query("name").unwrap_or_default()),
            ("GET", [id]) => Answer::found(self.payments.get(id).cloned()),
            _ => Answer::nowhere(),
        }
    }

    fn pay(&mut self, asked: &Asked) -> Answer {
        if let Some(refusal) = asked.lacks(&["iban", "amount", "currency"]) {
            return refusal;
        }
        let amount = asked.body.get("amount").and_then(Value::as_number).and_then(Number::decimal);
        if !amount.is_some_and(|amount| amount.is_sign_positive() && !amount.is_zero()) {
            return Answer::refusal(StatusCode::CONFLICT, "the amount is a number above zero");
        }
        let id = self.payments.new_id("PAY");
        let payment = with_id("paymentId", &id, &asked.body);
        self.payments.put(id, payment.clone());
        Answer::created(payment)
    }
}

fn due() -> Value {
    Value::list(DUE.iter().map(|(merchant, name, iban, amount)| {
        Value::map([
            ("merchantId", Value::from(*merchant)),
            ("name", (*name).into()),
            ("iban", (*iban).into()),
            ("amount", number(amount)),
        ])
    }))
}

fn screen(name: &str) -> Answer {
    let is_listed = LISTED.iter().any(|listed| listed.eq_ignore_ascii_case(name.trim()));
    Answer::ok(Value::map([("name", Value::from(name)), ("listed", is_listed.into())]))
}

/// The rates of a day that never changes, for one unit of the base.
pub(super) fn rates(base: Option<&str>) -> Answer {
    let base = base.unwrap_or("EUR");
    if base != "EUR" {
        return Answer::refusal(StatusCode::NOT_FOUND, "the rates are for one EUR");
    }
    let rates =
        RATES.iter().map(|(currency, rate)| Value::map([("currency", Value::from(*currency)), ("rate", number(rate))]));
    let day = ("day", Value::from("2026-03-02"));
    Answer::ok(Value::map([("base", base.into()), day, ("rates", Value::list(rates))]))
}

/// The number as it is written.
pub(super) fn number(text: &str) -> Value {
    Number::parse(text).map_or(Value::Null, Value::from)
}
