//! A travel agency: flights, hotels and cars, booked and canceled.

use axum::http::StatusCode;
use model::Value;

use super::bank::number;
use super::request::{Answer, Asked};
use super::shelf::{Shelf, with_id};

/// What is booked.
#[derive(Debug, Default)]
pub(super) struct Travel {
    flights: Shelf<Value>,
    hotels: Shelf<Value>,
    cars: Shelf<Value>,
}

/// The class of car that is never left.
const SOLD_OUT: &str = "convertible";

impl Travel {
    pub(super) fn act(&mut self, method: &str, path: &[&str], asked: &Asked) -> Answer {
        match path {
            ["flights", rest @ ..] => keep(&mut self.flights, "FLIGHT", "412.30", method, rest, asked),
            ["hotels", rest @ ..] => keep(&mut self.hotels, "HOTEL", "287.00", method, rest, asked),
            ["cars"] if method == "POST" && asked.text("class") == SOLD_OUT => {
                Answer::refusal(StatusCode::CONFLICT, "no convertible is left")
            }
            ["cars", rest @ ..] => keep(&mut self.cars, "CAR", "96.80", method, rest, asked),
            _ => Answer::nowhere(),
        }
    }
}

fn keep(shelf: &mut Shelf<Value>, kind: &str, price: &str, method: &str, path: &[&str], asked: &Asked) -> Answer {
    match (method, path) {
        ("GET", []) => Answer::ok(shelf.list()),
        ("GET", [id]) => Answer::found(shelf.get(id).cloned()),
        ("POST", []) => {
            let id = shelf.new_id(kind);
            let booking = with_id("bookingId", &id, &asked.body);
            let mut fields = booking.as_map().cloned().unwrap_or_default();
            fields.insert("price".into(), number(price));
            let booking = Value::from(fields);
            shelf.put(id, booking.clone());
            Answer::created(booking)
        }
        ("DELETE", [id]) => shelf.remove(id).map_or_else(Answer::nowhere, |_| Answer::empty()),
        _ => Answer::nowhere(),
    }
}
