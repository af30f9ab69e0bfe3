//! `kv-get`: reads a key/value. Null stands for missing.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

use crate::arguments::Text;
use crate::key;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// The key: the flow's own, or where the flow inherits its group's or the company's.
    key: Text,
    /// What it gives where there is no such key.
    default: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The value; the default where there is none.
    value: Value,
    /// Whether there is such a key.
    found: bool,
}

pub(crate) fn module() -> Module {
    Module::pure("kv-get", Group::Kv, "Reads a key/value.", run)
        .example(r#"{"key":"lastInvoice","default":0}"#, r#"{"value":0,"found":false}"#)
}

fn run(args: Args, ctx: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    key::check(&args.key)?;
    let value = ctx.kv(&args.key)?;
    let found = !value.is_null();
    Ok(Out { value: if found { value } else { args.default.unwrap_or_default() }, found })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn null_stands_for_missing() {
        check(
            &module(),
            &[
                (r#"{"key":"known","default":0}"#, r#"{"value":[1,2],"found":true}"#),
                (r#"{"key":"nothing","default":0}"#, r#"{"value":0,"found":false}"#),
                (r#"{"key":"unknown"}"#, r#"{"value":null,"found":false}"#),
            ],
        );
    }

    #[test]
    fn a_key_has_a_length() {
        assert_eq!(failure(&module(), r#"{"key":""}"#).0, "BAD_ARGUMENTS");
        assert_eq!(failure(&module(), &format!(r#"{{"key":"{}"}}"#, "k".repeat(513))).0, "BAD_ARGUMENTS");
    }
}
