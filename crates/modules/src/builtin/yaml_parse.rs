//! `yaml-parse`: the value of a YAML text, numbers exact.

use model::Value;
use model::failure::Failure;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The YAML (1.2): one document, at most 16 MiB.
    input: Text,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// What it says.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("yaml-parse", Group::Data, "Reads YAML.", run)
        .example(r#"{"input":"total: 1.10\ntags: [a, b]\n"}"#, r#"{"value":{"total":1.10,"tags":["a","b"]}}"#)
}

/// It is not YAML, is too large, nests too deep, or gives a key twice.
const YAML_INVALID: &str = "YAML_INVALID";

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    let document = yaml::read(&args.input);
    let document = document.map_err(|error| Failure::new(YAML_INVALID, format!("input: {error}")))?;
    Ok(Out { value: document.value })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn a_document_is_read_and_a_fault_says_where() {
        check(&module(), &[(r#"{"input":"- 1.10\n- yes\n"}"#, r#"{"value":[1.10,"yes"]}"#)]);
        let (code, message) = failure(&module(), r#"{"input":"a: 1\na: 2"}"#);
        assert_eq!(code, "YAML_INVALID");
        assert_eq!(message, "input: the key \"a\" is given twice (line 2, column 1)");
    }
}
