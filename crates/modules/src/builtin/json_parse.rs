//! `json-parse`: the value of a JSON text, numbers exact.

use model::Value;
use model::failure::Failure;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The JSON.
    input: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What it says.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("json-parse", Group::Data, "Reads JSON.", run)
        .example(r#"{"input":"{\"total\": 1.10}"}"#, r#"{"value":{"total":1.10}}"#)
}

/// It is not JSON, nests too deep, or gives a key twice.
const JSON_INVALID: &str = "JSON_INVALID";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let value = Value::from_json(args.input.as_bytes());
    let value = value.map_err(|error| Failure::new(JSON_INVALID, format!("input: {error}")))?;
    Ok(Out { value })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn numbers_stay_exact() {
        let long = "0.1234567890123456789012345678901234567890";
        check(&module(), &[(&format!(r#"{{"input":"[{long},1E5]"}}"#), &format!(r#"{{"value":[{long},1E5]}}"#))]);
    }

    #[test]
    fn a_fault_says_where() {
        let (code, message) = failure(&module(), r#"{"input":"{\"a\":\n tru}"}"#);
        assert_eq!((code.as_str(), message.contains("line 2")), ("JSON_INVALID", true));
        for text in ["", "1 2", r#"{\"a\":1,\"a\":2}"#, &"[".repeat(1000)] {
            assert_eq!(failure(&module(), &format!(r#"{{"input":"{text}"}}"#)).0, "JSON_INVALID", "{text}");
        }
    }
}
