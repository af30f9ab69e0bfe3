//! `log`: a line in the play's own log.

use model::Value;
use model::limits::{JSON_DEPTH, LOG_DATA_BYTES};
use model::record::LogLevel;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::formula;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// How much it matters: debug, info, warn or error.
    #[serde(default)]
    level: LogLevel,
    /// What the line says; lists and objects are written as JSON.
    message: Value,
    /// More, for programs; left out of the line where it is larger than 64 KiB.
    data: Option<Value>,
}

/// It gives nothing.
#[derive(Serialize, JsonSchema)]
struct Out {}

pub(crate) fn module() -> Module {
    Module::pure("log", Group::Log, "Writes a line in the play's own log.", run)
        .example(r#"{"level":"info","message":"Invoice INV-17 is paid.","data":{"amount":12.50}}"#, "{}")
}

/// The message cannot be written.
const LOG_MESSAGE: &str = "LOG_MESSAGE";

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let message = formula::give("text(.)", args.message, LOG_MESSAGE)?;
    let data = args.data.unwrap_or_default();
    let is_small = data.measure(LOG_DATA_BYTES, JSON_DEPTH).bytes <= LOG_DATA_BYTES;
    let data = if is_small { data } else { Value::map([("leftOut", "larger than 64 KiB")]) };
    ctx.log(args.level, message.as_str().unwrap_or_default(), data);
    Ok(Out {})
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use model::record::LogLevel;

    use super::module;
    use crate::stage::{json, play};

    fn line(args: &str) -> model::record::LogLine {
        let (outcome, mut lines) = play(&module(), args);
        outcome.unwrap_or_else(|stopped| panic!("{args}: {stopped:?}"));
        lines.pop().expect("a line")
    }

    #[test]
    fn a_line_has_level_message_and_data() {
        let shown = line(r#"{"level":"warn","message":"x","data":[1.10]}"#);
        assert_eq!((shown.level, shown.message.as_str(), shown.data), (LogLevel::Warn, "x", json("[1.10]")));
        let shown = line(r#"{"message":{"a":1}}"#);
        assert_eq!((shown.level, shown.message.as_str()), (LogLevel::Info, r#"{"a":1}"#));
    }

    #[test]
    fn large_data_is_left_out() {
        let large = line(&format!(r#"{{"message":"x","data":"{}"}}"#, "y".repeat(70_000)));
        assert_eq!(large.data, json(r#"{"leftOut":"larger than 64 KiB"}"#));
    }
}
