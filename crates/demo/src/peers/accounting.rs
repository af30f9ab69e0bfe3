//! An accounting system: invoices of suppliers, and what is booked for them.

use axum::http::StatusCode;
use model::{Number, Value};

use super::request::{Answer, Asked};
use super::shelf::{Shelf, with_id};

/// What is booked.
#[derive(Debug, Default)]
pub(super) struct Accounting {
    bookings: Shelf<Value>,
}

/// Number, supplier, IBAN, total, what for, state.
const INVOICES: &[(&str, &str, &str, &str, &str, &str)] = &[
    ("INV-2026-0117", "Borealis Paper", "DE00500105170000000117", "18250.00", "Printing paper, first quarter", "open"),
    ("INV-2026-0118", "Lindqvist Cleaning", "SE0050000000000000000118", "480.50", "Cleaning in February", "open"),
    ("INV-2026-0119", "Marwick & Daughters", "GB00MARW00000000000119", "1999.99", "Two desks", "paid"),
    ("INV-2026-0120", "Tanabe Instruments", "NL00TANA0000000120", "64120.75", "Calibration of the scales", "open"),
];

impl Accounting {
    pub(super) fn act(&mut self, method: &str, path: &[&str], asked: &Asked) -> Answer {
        match (method, path) {
            ("GET", ["invoices", id]) => Answer::found(invoice(id)),
            ("GET", ["bookings"]) => Answer::ok(self.bookings.list()),
            ("POST", ["bookings"]) => self.book(asked),
            ("DELETE", ["bookings", id]) => self.undo(id),
            _ => Answer::nowhere(),
        }
    }

    fn book(&mut self, asked: &Asked) -> Answer {
        if let Some(refusal) = asked.lacks(&["invoiceId", "amount"]) {
            return refusal;
        }
        if invoice(asked.text("invoiceId")).is_none() {
            return Answer::refusal(StatusCode::CONFLICT, "there is no such invoice");
        }
        let id = self.bookings.new_id("BOOK");
        let booking = with_id("bookingId", &id, &asked.body);
        self.bookings.put(id, booking.clone());
        Answer::created(booking)
    }

    fn undo(&mut self, id: &str) -> Answer {
        self.bookings.remove(id).map_or_else(Answer::nowhere, |_| Answer::empty())
    }
}

fn invoice(id: &str) -> Option<Value> {
    let (id, supplier, iban, total, subject, state) = *INVOICES.iter().find(|invoice| invoice.0 == id)?;
    Some(Value::map([
        ("invoiceId", Value::from(id)),
        ("supplier", supplier.into()),
        ("iban", iban.into()),
        ("total", Number::parse(total)?.into()),
        ("currency", "EUR".into()),
        ("subject", subject.into()),
        ("state", state.into()),
    ]))
}
