//! `end`: the play ends well here, also from inside a loop.

use model::Value;
use schemars::JsonSchema;
use sdk::{Group, Module, Outcome, PureCtx, Stopped};
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Args {
    /// What the play gives.
    out: Option<Value>,
}

/// Nothing follows it.
#[derive(JsonSchema)]
struct Out {}

pub(crate) fn module() -> Module {
    Module::control::<Args, Out>("end", Group::Control, "Ends the play well.", run)
        .example_args(r#"{"out":{"approved":true}}"#)
}

fn run(args: Args, _: &mut PureCtx<'_>) -> Result<Outcome, Stopped> {
    Ok(Outcome::End(args.out.unwrap_or_default()))
}

sdk::contract!(module());

#[cfg(test)]
mod tests {
    use sdk::Outcome;

    use super::module;
    use crate::stage::{json, outcome};

    #[test]
    fn it_ends_with_what_it_is_given() {
        assert_eq!(outcome(&module(), r#"{"out":[1.10]}"#), Ok(Outcome::End(json("[1.10]"))));
        assert_eq!(outcome(&module(), "{}"), Ok(Outcome::End(json("null"))));
    }
}
