//! `json-stringify`: a value as JSON text, numbers exact.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The value.
    value: Value,
    /// Whether it is written in indented lines.
    #[serde(default)]
    pretty: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The value as JSON.
    text: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("json-stringify", Group::Data, "Writes a value as JSON.", run)
        .example(r#"{"value":{"total":1.10}}"#, r#"{"text":"{\"total\":1.10}"}"#)
}

/// The value is too large.
const JSON_TOO_LARGE: &str = "JSON_TOO_LARGE";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let expression = if args.pretty { "prettyJson(.)" } else { "toJson(.)" };
    Ok(Out { text: formula::give(expression, args.value, JSON_TOO_LARGE)? })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure, json, play_with};
    use model::Value;

    #[test]
    fn in_a_line_or_in_lines() {
        check(
            &module(),
            &[
                (r#"{"value":"a\nb"}"#, r#"{"text":"\"a\\nb\""}"#),
                (r#"{"value":[1.10],"pretty":true}"#, r#"{"text":"[\n  1.10\n]"}"#),
                (r#"{"value":null}"#, r#"{"text":"null"}"#),
            ],
        );
        assert_eq!(failure(&module(), "{}").0, "BAD_ARGUMENTS");
    }

    #[test]
    fn what_is_shared_a_million_times_is_refused() {
        let part = json(&format!("[\"{}\"]", "x".repeat(1_000)));
        let value = Value::list(vec![part; 200_000]);
        let (outcome, _) = play_with(&module(), &Value::map([("value", value)]), &crate::stage::facts());
        assert!(matches!(outcome, Err(sdk::Stopped::Failed(failure)) if failure.code == "JSON_TOO_LARGE"));
    }
}
