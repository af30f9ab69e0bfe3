//! [`mask`]: a value with its sensitive parts hidden.

use model::payload::MASK;
use model::value::{Map, Value};

/// The value, with [`MASK`] at each of these JSON pointers, and with every other text as `text` makes it. `at` is the
/// pointer of the value itself.
pub(crate) fn mask(value: &Value, at: &str, pointers: &[String], text: &impl Fn(&str) -> String) -> Value {
    if pointers.iter().any(|pointer| pointer == at) {
        return MASK.into();
    }
    let below = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Text(whole) => text(whole).into(),
        Value::List(items) => {
            let items = items.iter().enumerate();
            items.map(|(at, item)| mask(item, &below(&at.to_string()), pointers, text)).collect::<Vec<_>>().into()
        }
        Value::Map(fields) => {
            let fields = fields.iter().map(|(key, field)| (key.clone(), mask(field, &below(key), pointers, text)));
            fields.collect::<Map>().into()
        }
        other => other.clone(),
    }
}
