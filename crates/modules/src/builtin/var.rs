//! `var`: gives what it is given, so that a value has one place and one name.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, PureCtx, Stopped};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// Any value; often an object of several expressions.
    value: Value,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Out {
    /// The value.
    value: Value,
}

pub(crate) fn module() -> Module {
    Module::pure("var", Group::Data, "Gives a value a place and a name.", run)
        .example(r#"{"value":{"rate":0.19}}"#, r#"{"value":{"rate":0.19}}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Out, Stopped> {
    Ok(Out { value: args.value })
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use super::module;
    use crate::stage::{check, failure};

    #[test]
    fn a_value_stays_as_it_is() {
        check(
            &module(),
            &[(r#"{"value":[1.10,null]}"#, r#"{"value":[1.10,null]}"#), (r#"{"value":null}"#, r#"{"value":null}"#)],
        );
        assert_eq!(failure(&module(), "{}").0, "BAD_ARGUMENTS");
    }
}
