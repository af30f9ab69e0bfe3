//! YAML as those who call the crate see it.

mod fuzz;
mod laws;
mod places;
mod reading;

use model::Value;

/// The value of a JSON text.
fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a text says, as JSON.
fn read(text: &str) -> String {
    yaml::read(text).unwrap_or_else(|error| panic!("{text}: {error}")).value.to_json()
}

/// Why a text is refused.
fn refusal(text: &str) -> String {
    yaml::read(text).expect_err("refused").to_string()
}
