//! `respond`: the play's answer to whoever waits for it. The play goes on.

use http::header::{HeaderName, HeaderValue};
use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

use crate::arguments::{Object, refused};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The HTTP status of the answer, 200 to 599.
    #[serde(default = "ok")]
    #[schemars(range(min = 200, max = 599))]
    status_code: u16,
    /// Headers of the answer: texts by name.
    headers: Option<Object>,
    /// The body of the answer: a text as it is, anything else as JSON.
    body: Option<Value>,
}

const fn ok() -> u16 {
    200
}

#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Out {
    /// The HTTP status of the answer.
    status_code: u16,
    /// Headers of the answer.
    headers: Value,
    /// The body of the answer.
    body: Value,
}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("respond", Group::Data, "Answers whoever waits for the play.", run)
        .example(r#"{"statusCode":201,"body":{"id":7}}"#, r#"{"statusCode":201,"headers":{},"body":{"id":7}}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    if !(200..=599).contains(&args.status_code) {
        return Err(refused("statusCode: must be 200 to 599").into());
    }
    for (name, value) in args.headers.iter().flat_map(|headers| headers.iter()) {
        check_header(name, value)?;
    }
    Ok(Outcome::Respond(Value::map([
        ("statusCode", Value::from(args.status_code)),
        ("headers", args.headers.map_or_else(Value::empty_map, Value::from)),
        ("body", args.body.unwrap_or_default()),
    ])))
}

fn check_header(name: &str, value: &Value) -> Result<(), Stopped> {
    let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
    let shown: String = name.chars().filter(|char| !char.is_control()).take(64).collect();
    if !is_name {
        return Err(refused(format!("headers: \"{shown}\" is not the name of a header")).into());
    }
    match value.as_str().map(HeaderValue::from_str) {
        Some(Ok(_)) => Ok(()),
        _ => Err(refused(format!("headers.{shown}: must be text of one line")).into()),
    }
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::Outcome;

    use super::module;
    use crate::stage::{failure, json, outcome};

    #[test]
    fn an_answer_has_all_its_parts() {
        let out = json(r#"{"statusCode":200,"headers":{"X-A":"b"},"body":null}"#);
        assert_eq!(outcome(&module(), r#"{"headers":{"X-A":"b"}}"#), Ok(Outcome::Respond(out)));
    }

    #[test]
    fn an_answer_cannot_be_split() {
        for args in [
            r#"{"statusCode":100}"#,
            r#"{"statusCode":600}"#,
            r#"{"headers":{"a b":"c"}}"#,
            r#"{"headers":{"a":"b\r\nc: d"}}"#,
            r#"{"headers":{"a\n":"b"}}"#,
            r#"{"headers":{"a":1}}"#,
            r#"{"headers":{"":"b"}}"#,
        ] {
            assert_eq!(failure(&module(), args).0, "BAD_ARGUMENTS", "{args}");
        }
    }
}
