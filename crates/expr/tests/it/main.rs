//! The expression language as its users see it.

mod budgets;
mod errors;
mod faults;
mod fuzz;
mod language;
mod laws;
mod needs;
mod operands;
mod templates;
mod total;

use expr::{Budget, Given, Template};
use model::{Map, Value};

/// The value of a JSON text.
fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The fields of a JSON object.
fn fields(text: &str) -> Map {
    json(text).as_map().cloned().unwrap_or_default()
}

/// What the tests read: an order, arguments, keys, and an element.
fn scope() -> Given {
    Given {
        prev: fields(
            r#"{
                "order": {
                    "total": 120.50, "currency": "EUR", "name": "ada", "empty": "", "nothing": null, "paid": true,
                    "items": [{"price": 10.25, "qty": 2, "sku": "A"}, {"price": 100, "qty": 1, "sku": "B"}],
                    "headers": {"x-request-id": "r-1", "a b": 1}, "tags": ["x", "y"]
                },
                "text": "plain"
            }"#,
        ),
        args: Some(json(r#"{"invoiceId": "INV-17", "amount": "99.90", "flag": "false", "zero": 0}"#)),
        kv: fields(r#"{"n": 41, "get": "got", "a key": [1]}"#),
        secret: fields(r#"{"token": "s3cr3t"}"#),
        env: fields(r#"{"REGION": "eu"}"#),
        flow: Some(json(r#"{"id": "f1", "permanentId": "invoice", "version": 3, "name": "Invoice"}"#)),
        play: Some(json(r#"{"id": "p1", "startedAt": "2026-03-01T09:00:00Z", "attempt": 1}"#)),
        step: Some(json(r#"{"ref": "s", "index": 0, "attempt": 1, "idempotencyKey": "k-1"}"#)),
        now: Some("2026-03-01T09:30:00Z".into()),
        seed: Some("5eed".into()),
        item: Some(json(r#"{"id": 7}"#)),
        index: Some(2.into()),
        dot: Some(json(r#"{"amount": 5, "tags": ["p", "q"], "name": "dot", "in": {"x": 1}}"#)),
    }
}

/// What a bare expression gives, as JSON; or why it gives nothing.
fn eval(text: &str) -> Result<String, String> {
    let template = Template::compile_expr(text).map_err(|fault| format!("fault: {fault}"))?;
    let value = template.eval(&scope(), &mut Budget::default()).map_err(|stop| stop.to_string())?;
    Ok(value.to_json())
}

/// Checks a table of expressions and their values as JSON.
fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(eval(text).as_deref(), Ok(*expected), "{text}");
    }
}
