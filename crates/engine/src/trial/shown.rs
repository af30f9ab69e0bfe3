//! What came of a trial, as it may be shown.

use model::failure::Failure;
use model::payload::MASK;
use model::record::LogLine;
use model::value::Value;

use super::{Reads, Tried};
use crate::mask::mask;
use crate::plan::PlanLayer;

/// The same, as it may be shown: without what is sensitive, and without any secret that was read.
pub(super) fn masked(tried: Tried, layer: &PlanLayer, reads: &Reads) -> Tried {
    let mut secrets = Vec::new();
    reads.secrets.values().flatten().for_each(|value| texts(value, &mut secrets));
    let text = |text: &str| secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK));
    let show = |value: Value, pointers: &[String]| mask(&value, "", pointers, &text);
    Tried {
        state: tried.state,
        args: tried.args.map(|args| show(args, &layer.work.sensitive_args)),
        out: tried.out.map(|out| show(out, &layer.work.sensitive_out)),
        error: tried.error.map(|error| Failure {
            message: text(&error.message),
            details: error.details.map(|details| show(details, &[])),
            ..error
        }),
        log: tried
            .log
            .into_iter()
            .map(|line| LogLine { message: text(&line.message), data: show(line.data, &[]), ..line })
            .collect(),
    }
}

/// The texts and numbers in a secret.
fn texts(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Text(text) if !text.is_empty() => all.push(text.to_string()),
        Value::Number(_) => all.push(value.to_json()),
        Value::List(items) => items.iter().for_each(|item| texts(item, all)),
        Value::Map(fields) => fields.iter().for_each(|(_, field)| texts(field, all)),
        _ => {}
    }
}
